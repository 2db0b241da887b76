//! A sum of seconds of one thread that is told by some and read by others: how far work has come, or how
//! much of it waits.

use std::sync::{Mutex, PoisonError};

/// Seconds of one thread.
#[derive(Debug, Default)]
pub struct Seconds(Mutex<f64>);

impl Seconds {
    /// So many to begin with.
    pub fn new(seconds: f64) -> Self {
        Seconds(Mutex::new(seconds))
    }

    /// So many more, or fewer.
    pub fn add(&self, seconds: f64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += seconds;
    }

    /// All of them.
    pub fn total(&self) -> f64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
