//! Whether somebody waits for work. What nobody waits for (the rows of a job) goes on when nothing else is to be
//! done; once somebody asks for the same, it counts like anything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody waits, for all who need to know. From no it may become yes.
#[derive(Debug, Clone)]
pub struct Awaited(Arc<AtomicBool>);

impl Awaited {
    /// Somebody waits.
    pub fn by_someone() -> Self {
        Awaited(Arc::new(AtomicBool::new(true)))
    }

    /// Nobody waits so far.
    pub fn by_nobody() -> Self {
        Awaited(Arc::new(AtomicBool::new(false)))
    }

    /// Somebody waits from now on.
    pub fn begins(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody waits.
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
