//! What has been found so far of an answer that is not whole yet: for whoever cannot wait for the rest.

use std::sync::{Arc, Mutex, PoisonError};

use super::parts::Made;

/// A sheet that a search writes on as it goes, and that those who wait for its end can read at any time. A clone is the
/// same sheet.
#[derive(Clone, Default)]
pub struct Draft(Arc<Mutex<Option<Made>>>);

impl Draft {
    /// Writes down what there is, in place of what was written before. It has to say itself that it is not complete.
    pub fn write(&self, made: Made) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
    }

    /// What was written last; none where nothing is worth telling yet.
    pub fn read(&self) -> Option<Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
