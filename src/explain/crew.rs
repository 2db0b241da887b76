//! Who does the heavy work of methods. A method is plain synchronous code that cuts its work into tasks,
//! hands them to a crew and waits; where and when they run is not its business.

use std::sync::{Arc, Mutex, PoisonError};

use super::cost::Passes;
use super::method::ExplainError;
use crate::model::{Batch, Encoder, Model};

/// Runs tasks for one text's explanation.
pub trait Crew: Send + Sync {
    /// How many tasks can run at a time.
    fn members(&self) -> usize;

    /// Runs all tasks, each on one thread, and returns once they have ended. They begin in order; once one
    /// has failed or the work is called off, those that have not begun never will.
    ///
    /// # Errors
    /// That of the first task in order that failed; [`ExplainError::Cancelled`],
    /// [`ExplainError::Panicked`].
    fn run(&self, tasks: Vec<Task>) -> Result<(), ExplainError>;

    /// Runs batches forward, perhaps together with those of others, for the logits alone: one row for each
    /// sequence, the sequences of all batches in order. What travels together changes no bit.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn logits(&self, model: &Arc<Model>, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError>;
}

/// A piece of work for one thread: a few passes of the network, so that nobody waits long for its end.
pub struct Task {
    /// What it runs.
    pub passes: Passes,
    /// Tokens that each pass runs over.
    pub tokens: usize,
    /// The work itself.
    pub work: Box<dyn FnOnce() -> Result<(), ExplainError> + Send>,
}

/// Does every task at once on the calling thread.
pub struct Alone;

impl Crew for Alone {
    fn members(&self) -> usize {
        1
    }

    fn run(&self, tasks: Vec<Task>) -> Result<(), ExplainError> {
        tasks.into_iter().try_for_each(|task| (task.work)())
    }

    fn logits(&self, model: &Arc<Model>, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError> {
        logits_of(model, &batches)
    }
}

/// The logits of several batches, run as one.
///
/// # Errors
/// A batch that does not fit the model.
pub fn logits_of(model: &Model, batches: &[Batch]) -> Result<Vec<Vec<f32>>, ExplainError> {
    Ok(model.encoder().logits(&Encoder::join(batches))?)
}

/// Works on every item, as tasks of a crew, and gives the outcomes in order. `passes` says what an item
/// takes, over so many `tokens`.
///
/// # Errors
/// As [`Crew::run`].
pub fn map<I: Send + 'static, T: Send + 'static>(
    crew: &dyn Crew,
    tokens: usize,
    items: Vec<I>,
    passes: impl Fn(&I) -> Passes,
    work: impl Fn(I) -> Result<T, ExplainError> + Send + Sync + 'static,
) -> Result<Vec<T>, ExplainError> {
    let outcomes: Arc<Vec<Mutex<Option<T>>>> = Arc::new(items.iter().map(|_| Mutex::default()).collect());
    let work = Arc::new(work);
    let task = |(index, item): (usize, I)| {
        let passes = passes(&item);
        let (outcomes, work) = (outcomes.clone(), work.clone());
        let keep = move || {
            let outcome = work(item)?;
            *outcomes[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            Ok(())
        };
        Task { passes, tokens, work: Box::new(keep) }
    };
    crew.run(items.into_iter().enumerate().map(task).collect())?;
    let taken = |outcome: &Mutex<Option<T>>| outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    outcomes.iter().map(|outcome| taken(outcome).ok_or(ExplainError::Cancelled)).collect()
}
