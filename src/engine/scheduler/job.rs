//! A job as its driver sees it: the crew that does its heavy work.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::Shared;
use super::queue::{Number, Waited};
use super::unit::{self, Forward, Report, Unit, Work};
use crate::engine::pace::Pace;
use crate::engine::seconds::Seconds;
use crate::explain::crew::Task;
use crate::explain::{Cancellation, Crew, ExplainError, Passes};
use crate::model::{Batch, Model};

/// Work for one text that is under way.
pub struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) number: Number,
    pub(super) cancellation: Cancellation,
    pub(super) waited: Waited,
    pub(super) pace: Arc<Pace>,
    pub(super) progress: Arc<Seconds>,
}

impl Job {
    /// How long it waited for its first worker; nothing while no worker was at it.
    pub fn waited(&self) -> Duration {
        self.waited.get().copied().unwrap_or_default()
    }

    /// How long workers have been at it, all of them together.
    pub fn had(&self) -> Duration {
        Duration::try_from_secs_f64(self.progress.total()).unwrap_or_default()
    }

    /// Says anew how many seconds of a thread it will take in all, once that is known better.
    pub fn settle(&self, seconds: f64) {
        self.shared.queue().settle(self.number, seconds);
    }

    /// Submits units and waits for the end of all of them: their outcomes, in order.
    fn outcomes<T>(
        &self,
        count: usize,
        units: Vec<Unit>,
        reports: &Receiver<(usize, Result<T, ExplainError>)>,
    ) -> Result<Vec<T>, ExplainError> {
        self.cancellation.check()?;
        self.shared.submit(self.number, units);
        let mut outcomes: Vec<Option<Result<T, ExplainError>>> = (0..count).map(|_| None).collect();
        // The last report is in when the last unit is gone, done or dropped.
        for (index, outcome) in reports {
            if outcome.is_err() {
                self.shared.give_up_units(self.number);
            }
            outcomes[index] = Some(outcome);
        }
        self.shared.queue().resume(self.number);
        // Units begin in order, so those before the first one that failed have all been done.
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(Err(ExplainError::Cancelled))).collect()
    }

    fn unit(&self, passes: Passes, tokens: usize, work: Work) -> Unit {
        Unit { expected: self.pace.unit_seconds(passes, tokens), pace: self.pace.clone(), work }
    }
}

impl Crew for Job {
    fn members(&self) -> usize {
        self.shared.threads
    }

    fn run(&self, tasks: Vec<Task>) -> Result<(), ExplainError> {
        let (to, reports) = channel();
        let count = tasks.len();
        let unit = |(index, task): (usize, Task)| {
            let work = unit::Task { run: task.work, report: Report { index, to: to.clone() } };
            self.unit(task.passes, task.tokens, Work::Task(work))
        };
        let units = tasks.into_iter().enumerate().map(unit).collect();
        drop(to);
        self.outcomes(count, units, &reports).map(|_| ())
    }

    fn logits(&self, model: &Arc<Model>, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError> {
        let (to, reports) = channel();
        let count = batches.len();
        let unit = |(index, batch): (usize, Batch)| {
            let tokens: Vec<usize> = batch.sequences.iter().map(|sequence| sequence.tokens()).collect();
            let expected = tokens.iter().map(|tokens| self.pace.seconds(Passes::FORWARD, *tokens)).sum();
            let report = Report { index, to: to.clone() };
            let work = Work::Forward(Forward { model: model.clone(), batch, report });
            Unit { expected, pace: self.pace.clone(), work }
        };
        let units = batches.into_iter().enumerate().map(unit).collect();
        drop(to);
        self.outcomes(count, units, &reports).map(|rows| rows.concat())
    }
}
