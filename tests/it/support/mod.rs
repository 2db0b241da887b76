//! What the integration tests share.

pub mod alike;
pub mod database;
pub mod golden;
pub mod process;
pub mod schema;
pub mod server;

use std::time::{Duration, Instant};

/// Waits for something that happens soon.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < patience, "{what}: it did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
