//! How far a job has come, and when it will be done.

use crate::store::jobs::{JobState, StoredJob};

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Rows in all.
    pub rows: u64,
    /// Rows that have an answer, failed ones included.
    pub done: u64,
    /// Rows whose answer is an error.
    pub failed: u64,
    /// Rows a second, from the first that was begun to the last that was done; none before there is any.
    pub rows_per_second: Option<f64>,
    /// Seconds until it is done, at that rate; none while nobody knows, 0 when it is over.
    pub seconds_left: Option<f64>,
}

impl Progress {
    /// Of a job.
    pub fn of(job: &StoredJob) -> Self {
        let rows_per_second = match (job.started_at, job.progressed_at) {
            (Some(started), Some(progressed)) if job.done > 0 && progressed > started => {
                Some(job.done as f64 * 1000.0 / (progressed - started) as f64)
            }
            _ => None,
        };
        let left = job.order.rows.saturating_sub(job.done) as f64;
        let seconds_left = match job.state {
            JobState::Finished | JobState::Cancelled => Some(0.0),
            JobState::Accepted | JobState::Queued => rows_per_second.map(|rate| left / rate),
        };
        Progress { rows: job.order.rows, done: job.done, failed: job.failed, rows_per_second, seconds_left }
    }
}
