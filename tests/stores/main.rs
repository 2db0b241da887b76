//! What every database must do, on SQLite and on PostgreSQL, and what servers do that share one.
//!
//! PostgreSQL's programs are looked for in `EXPLAIND_TEST_POSTGRES` (a directory), on `PATH`, and where Debian puts
//! them. Where they are not found, the tests that need them are listed as ignored.

mod concepts;
mod contract;
mod datasets;
mod faults;
mod jobs;
mod killed;
mod postgres;
mod proxy;
mod queue;
mod replicas;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod support;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use postgres::Cluster;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let programs = postgres::programs();
    if programs.is_none() {
        eprintln!("PostgreSQL's programs were not found: its tests are ignored (see tests/stores/main.rs)");
    }
    let ignored = programs.is_none();
    // Started by the first test that needs it.
    let cluster = Arc::new(Cluster::to_be(programs));
    let mut trials = contract::trials(&cluster);
    trials.extend(of_postgres("replicas", replicas::TESTS, &cluster));
    trials.extend(of_postgres("faults", faults::TESTS, &cluster));
    trials.extend(of_postgres("killed", killed::ON_POSTGRES, &cluster));
    trials.extend(killed::on_sqlite());
    let trials = trials
        .into_iter()
        .map(|(trial, needs_postgres)| match needs_postgres {
            true => trial.with_ignored_flag(ignored),
            false => trial,
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    cluster.stop();
    conclusion.exit_code()
}

/// A test that needs PostgreSQL, by its name.
type Test = (&'static str, fn(&Cluster));

/// A trial, and whether it needs PostgreSQL.
type Tried = (Trial, bool);

fn of_postgres(theme: &str, tests: &[Test], cluster: &Arc<Cluster>) -> Vec<Tried> {
    let trial = |(name, test): &Test| {
        let (cluster, test) = (cluster.clone(), *test);
        let run = move || {
            test(&cluster);
            Ok(())
        };
        (Trial::test(format!("{theme}::{name}"), run), true)
    };
    tests.iter().map(trial).collect()
}
