//! The worker threads, and the bridge to them from asynchronous code.
//!
//! A request's computation is a **job**. Plain synchronous code, its **driver**, cuts it into **units**:
//! chunks of rows that one worker runs on one thread, in milliseconds or, for long texts, a few hundred of
//! them. A job alone has all workers; of many, [`order`] says whose unit is next whenever a worker is free. So nobody waits for another's end,
//! only for the end of a unit.
//!
//! Drivers are threads that wait. They are few however many jobs there are: [`queue`] begins jobs in the
//! same order, a few ahead of the workers. A driver is never a worker: a worker that waited for units could
//! only take up others on top of its own stack, which must not be able to grow with the queue.

mod job;
mod order;
mod queue;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod unit;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub use job::Job;
pub use order::Standing;

use super::Failure;
use super::awaited::Awaited;
use super::pace::Pace;
use super::seconds::Seconds;
use crate::explain::Cancellation;
use crate::metrics::{Metrics, Phase};
use queue::{CalledOff, Load, Number, Queue, Turn};
use unit::Unit;

/// A fixed number of threads for all computation.
pub struct Scheduler {
    shared: Arc<Shared>,
}

/// What a job is expected to take.
pub struct Expected {
    /// Seconds of one thread.
    pub seconds: f64,
    /// The pace of its model.
    pub pace: Arc<Pace>,
    /// Where it is told how much of that it has had.
    pub progress: Arc<Seconds>,
    /// Whether somebody waits for it.
    pub awaited: Awaited,
}

struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    threads: usize,
    metrics: Arc<Metrics>,
}

/// Calls a job off when the one who waits for it goes away.
struct CallOffOnDrop {
    shared: Arc<Shared>,
    job: Number,
    cancellation: Cancellation,
}

impl Drop for CallOffOnDrop {
    fn drop(&mut self) {
        self.cancellation.cancel();
        self.shared.call_off(self.job);
    }
}

impl Scheduler {
    /// Starts the threads; 0 means one for each core.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub fn new(threads: usize, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let shared = Arc::new(Shared { queue: Mutex::default(), more: Condvar::new(), threads, metrics });
        let scheduler = Scheduler { shared };
        for index in 0..threads {
            let shared = scheduler.shared.clone();
            std::thread::Builder::new().name(format!("explain-{index}")).spawn(move || shared.work())?;
        }
        Ok(scheduler)
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// Drives a job and waits for its end without blocking the caller's thread. `drive` does nothing heavy
    /// itself: it leaves that to the job, its crew. Dropping the future calls the job off. Needs to be
    /// called within a tokio runtime, on whose threads for blocking work drivers wait.
    ///
    /// # Errors
    /// The driver's own, or [`Failure::Internal`] if it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        expected: Expected,
        drive: impl FnOnce(&Arc<Job>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, receiver) = oneshot::channel();
        let cancellation = Cancellation::new();
        let (shared, told, runtime) = (self.shared.clone(), cancellation.clone(), Handle::current());
        let Expected { seconds, pace, progress, awaited } = expected;
        let told_of = progress.clone();
        let start = Box::new(move |number, waited| {
            let job = Arc::new(Job { shared, number, cancellation: told, waited, pace, progress: told_of });
            // The runtime that is asked is the one that waits: if it is gone, nobody waits.
            runtime.spawn_blocking(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| drive(&job)));
                // Nobody there to receive it means that it was called off.
                let _ = sender.send(job.shared.finish(&job, outcome));
            });
        });
        let job = self.shared.queue().enter(seconds, progress, awaited, start, Instant::now());
        self.shared.metrics.work_queued();
        let _guard = CallOffOnDrop { shared: self.shared.clone(), job, cancellation };
        self.shared.begin();
        receiver.await.unwrap_or_else(|_| Err(Failure::Internal("a driver went away".into())))
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        let never_done = self.shared.queue().close();
        self.shared.more.notify_all();
        drop(never_done);
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the jobs whose turn it is.
    fn begin(&self) {
        loop {
            let beginning = self.queue().next_to_begin(self.threads, Instant::now());
            match beginning {
                Some(beginning) => (beginning.start)(beginning.job, beginning.waited),
                None => return,
            }
        }
    }

    /// What a worker does next, once there is something; none when the scheduler is gone.
    fn next(&self) -> Option<Load> {
        let mut queue = self.queue();
        loop {
            if let Some(load) = queue.next_load(Instant::now()) {
                return Some(load);
            }
            if queue.closed {
                return None;
            }
            queue.idle += 1;
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    fn submit(&self, job: Number, units: Vec<Unit>) {
        let count = units.len();
        // What comes back is dropped here, where nothing is locked: it may be large.
        let never_done = self.queue().submit(job, units);
        drop(never_done);
        (0..count.min(self.threads)).for_each(|_| self.more.notify_one());
        self.begin();
    }

    fn give_up_units(&self, job: Number) {
        let never_done = self.queue().give_up_units(job);
        drop(never_done);
    }

    fn ended(&self, turn: &Turn, expected: f64, pace: &Pace, seconds: f64) {
        self.queue().ended(turn, seconds);
        pace.learn(expected, seconds);
        self.metrics.unit_ended(expected, seconds);
    }

    fn call_off(&self, job: Number) {
        let (found, never_begun) = self.queue().call_off(job, Instant::now());
        drop(never_begun);
        match found {
            CalledOff::Waiting(waited) => {
                self.metrics.work_dequeued(waited);
                self.metrics.called_off(Phase::Queued);
            }
            CalledOff::Begun => self.give_up_units(job),
            CalledOff::Over => {}
        }
    }

    /// A driver has come to its end: what is to be said of it.
    fn finish<T>(&self, job: &Job, outcome: std::thread::Result<Result<T, Failure>>) -> Result<T, Failure> {
        let never_served = self.queue().finish(job.number, Instant::now());
        if let Some(waited) = never_served {
            self.metrics.work_dequeued(waited);
        }
        self.begin();
        // What it said stays unsaid: it may quote the text. Where it happened, the panic hook has told.
        let outcome = outcome.unwrap_or_else(|_| {
            self.metrics.panicked();
            Err(Failure::Internal("a method panicked".into()))
        });
        if matches!(outcome, Err(Failure::Cancelled)) {
            self.metrics.called_off(if never_served.is_some() { Phase::Queued } else { Phase::Running });
        }
        outcome
    }
}
