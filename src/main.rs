//! The command line. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // candle spreads each large operator over threads of its own and lets one caller at a time do
    // so, which would make our workers wait for each other; it can be told only by the environment.
    for variable in ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"] {
        // SAFETY: this is the first thing the process does, and no other thread exists yet.
        unsafe { std::env::set_var(variable, "1") };
    }
    explaind::cli::run()
}
