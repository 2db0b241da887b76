//! What one worker does at a time, and how its outcome is told.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::engine::pace::Pace;
use crate::explain::ExplainError;
use crate::model::{Batch, Model};

/// A unit of work. Dropping one tells whoever waits that nothing will come of it.
pub struct Unit {
    /// Seconds of one thread that it is expected to take.
    pub expected: f64,
    /// The pace that this was reckoned by.
    pub pace: Arc<Pace>,
    /// The work.
    pub work: Work,
}

/// The kinds of work.
pub enum Work {
    /// Anything, for one worker.
    Task(Task),
    /// A forward pass for its logits, which may travel with others.
    Forward(Forward),
}

/// Anything, for one worker.
pub struct Task {
    /// The work itself.
    pub run: Box<dyn FnOnce() -> Result<(), ExplainError> + Send>,
    /// Where its outcome goes.
    pub report: Report<()>,
}

/// A forward pass for its logits.
pub struct Forward {
    /// The model.
    pub model: Arc<Model>,
    /// Its input.
    pub batch: Batch,
    /// Where its logits go, one row for each sequence.
    pub report: Report<Vec<Vec<f32>>>,
}

/// Tells the outcome of one unit to the driver that waits for it.
pub struct Report<T> {
    /// The unit's place among those that it was submitted with.
    pub index: usize,
    /// Whoever waits.
    pub to: Sender<(usize, Result<T, ExplainError>)>,
}

impl<T> Report<T> {
    /// Tells it. Nobody there to hear it means that the job was called off.
    pub fn tell(self, outcome: Result<T, ExplainError>) {
        let _ = self.to.send((self.index, outcome));
    }
}

impl Unit {
    /// Rows that it runs forward; none for other work.
    pub fn rows(&self) -> usize {
        match &self.work {
            Work::Forward(forward) => forward.batch.sequences.iter().map(|sequence| sequence.tokens()).sum(),
            Work::Task(_) => 0,
        }
    }

    /// Whether it is a forward pass of this model.
    pub fn runs_forward(&self, model: &Arc<Model>) -> bool {
        matches!(&self.work, Work::Forward(forward) if Arc::ptr_eq(&forward.model, model))
    }
}
