//! A flag by which whoever waits for an explanation calls it off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::method::ExplainError;

/// Shared between the one who waits and the work; long methods look at it between chunks.
#[derive(Debug, Clone, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Work that nobody has called off yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls the work off.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// An error once the work has been called off.
    ///
    /// # Errors
    /// [`ExplainError::Cancelled`].
    pub fn check(&self) -> Result<(), ExplainError> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(ExplainError::Cancelled),
            false => Ok(()),
        }
    }
}
