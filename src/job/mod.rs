//! Jobs: the same question about every row of a dataset, answered in the background, whatever happens to the
//! servers meanwhile.
//!
//! A job is an order in the database. Its rows are cut into chunks of a few seconds, which go through a queue that
//! all servers of the database take from; answers are kept as soon as they are there, one for each row. Everything
//! that takes long is such a job.

mod answering;
mod chunk;
mod collection;
mod progress;
mod runner;
mod schedule;

use std::sync::Arc;

use async_trait::async_trait;

pub use collection::{AnswerLine, AnswerPage, Cancelled, Job, JobError, JobPage, Jobs, Order, Reserved};
pub use progress::Progress;
pub use runner::Runner;

use crate::engine::{Engine, Failure, Question};

/// Most rows of a job.
pub const MOST_ROWS: u64 = 100_000;

/// What the jobs need of those who speak with clients: how stored requests become questions, and how failures are
/// told.
#[async_trait]
pub trait Desk: Send + Sync {
    /// The question of a request that was checked when the job was ordered.
    ///
    /// # Errors
    /// See [`NoQuestion`].
    async fn question(&self, engine: &Engine, endpoint: &str, request: &[u8])
    -> Result<Question, NoQuestion>;

    /// How a failure of one row is told: a problem as JSON, the same for the same failure.
    fn failure(&self, failure: &Failure) -> Vec<u8>;
}

/// Why a request that was checked once is no question now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoQuestion {
    /// It is no longer valid, for instance because a concept that it names was deleted: the problem as JSON, which every
    /// row gets for an answer.
    Invalid(Vec<u8>),
    /// The database does not answer, so nobody knows.
    Unavailable,
}

/// A desk that is shared.
pub type SharedDesk = Arc<dyn Desk>;
