//! Whether the durable tier is used at present.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Trouble;
use crate::cache::now;
use crate::metrics::Metrics;

/// Reads in a row that take too long until the database counts as failing.
const SLOW_READS: u32 = 8;

/// A transaction that takes longer than this will not end: what goes into one is bounded. To wait behind
/// others is load, and no fault.
const STUCK: Duration = Duration::from_secs(5);

/// Shared by all who read and the one who writes.
pub struct Health {
    trouble: Mutex<Option<Trouble>>,
    /// Reads in a row that took too long.
    slow_reads: AtomicU32,
    /// When the transaction under way began.
    writing_since: Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

impl Health {
    /// All is well.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Health {
            trouble: Mutex::new(None),
            slow_reads: AtomicU32::new(0),
            writing_since: Mutex::new(None),
            metrics,
        }
    }

    /// A read took no longer than it may.
    pub fn read_in_time(&self) {
        self.slow_reads.store(0, Ordering::Relaxed);
    }

    /// A read took too long.
    pub fn read_too_slowly(&self) {
        if self.slow_reads.fetch_add(1, Ordering::Relaxed) + 1 >= SLOW_READS {
            self.failed("reading takes too long");
        }
    }

    /// A transaction begins (some), or has ended (none).
    pub fn writing(&self, since: Option<Instant>) {
        *self.writing_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Somebody has waited for a write as long as one may.
    pub fn wrote_too_slowly(&self) {
        let since = *self.writing_since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_some_and(|since| since.elapsed() > STUCK) {
            self.failed("writing takes too long");
        }
    }

    /// What is wrong; none if all is well.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something went wrong: from now on the tier is not used.
    pub fn failed(&self, error: &str) {
        self.metrics.durable_failure();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_none() {
            tracing::error!(
                error,
                "the database fails; explanations go on, and are not kept until it is back"
            );
            self.metrics.set_durable_healthy(false);
            *trouble = Some(Trouble { since: now(), error: error.to_owned() });
        }
    }

    /// The database is back.
    pub fn recovered(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = trouble.take() {
            let seconds = (now() - trouble.since) / 1000;
            tracing::info!(seconds, "the database is back");
            self.metrics.set_durable_healthy(true);
            self.slow_reads.store(0, Ordering::Relaxed);
        }
    }
}
