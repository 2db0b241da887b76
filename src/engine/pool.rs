//! The worker threads, and the bridge to them from asynchronous code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::ThreadPoolBuildError;
use tokio::sync::oneshot;

use super::Failure;
use crate::explain::Cancellation;

/// A fixed number of threads for all computation.
///
/// Requests wait in one queue, first come, first served, and as many are under way as there are
/// workers. A request splits itself over all workers, so one alone uses all of them. The queue is not
/// rayon's own: a rayon worker that waits for its parts takes up other queued work *on top of its
/// stack*, which must not be able to grow with the queue.
pub struct Pool {
    queue: Sender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

/// Calls work off when the one who waits for it goes away.
struct CancelOnDrop(Cancellation);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Pool {
    /// Starts the threads; 0 means one for each core.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        // rayon's own default listens to a variable that main sets for candle.
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("explain-{index}"))
            .build()?;
        let workers = Arc::new(workers);
        let (queue, waiting) = channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let (waiting, workers) = (waiting.clone(), workers.clone());
            std::thread::spawn(move || {
                while let Some(job) = next(&waiting) {
                    workers.install(job);
                }
            });
        }
        Ok(Pool { queue })
    }

    /// Runs work on a worker and waits for it without blocking the caller's thread. Dropping the
    /// future calls the work off.
    ///
    /// # Errors
    /// The work's own, or [`Failure::Internal`] if it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancellation) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, receiver) = oneshot::channel();
        let cancellation = Cancellation::new();
        let guard = CancelOnDrop(cancellation.clone());
        let job = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| match cancellation.check() {
                Ok(()) => work(&cancellation),
                Err(called_off) => Err(called_off.into()),
            }));
            let outcome = outcome.unwrap_or_else(|panic| Err(Failure::Internal(panic_message(&panic))));
            // Nobody there to receive it means that it was called off.
            let _ = sender.send(outcome);
        };
        let gone = |_| Failure::Internal("the workers are gone".into());
        self.queue.send(Box::new(job)).map_err(gone)?;
        let outcome = receiver.await.unwrap_or_else(|_| Err(Failure::Internal("a worker went away".into())));
        drop(guard);
        outcome
    }
}

/// The next job, once there is one; none when the pool is gone.
fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn panic_message(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_fails_its_own_work_and_the_worker_lives_on() {
        let pool = Pool::new(1).unwrap();
        let failed = pool.run(|_| -> Result<(), Failure> { panic!("out of luck") }).await;
        assert!(matches!(failed, Err(Failure::Internal(message)) if message.contains("out of luck")));
        assert_eq!(pool.run(|_| Ok(7)).await.ok(), Some(7));
    }

    #[tokio::test]
    async fn work_whose_caller_has_gone_is_called_off() {
        let pool = Pool::new(1).unwrap();
        let (seen, called_off) = std::sync::mpsc::channel();
        let work = pool.run(move |cancellation: &Cancellation| {
            while cancellation.check().is_ok() {
                std::thread::yield_now();
            }
            seen.send(()).map_err(|error| Failure::Internal(error.to_string()))
        });
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), work).await;
        assert!(waiting.is_err(), "the work goes on until its caller goes");
        called_off.recv_timeout(std::time::Duration::from_secs(30)).expect("the work should have seen it");
    }

    #[tokio::test]
    async fn ten_thousand_waiting_requests_that_split_themselves_do_not_pile_up_on_one_stack() {
        use rayon::prelude::*;
        let pool = Pool::new(2).unwrap();
        let split = |_: &Cancellation| {
            let parts: Vec<usize> = (0..64).into_par_iter().with_max_len(1).map(|part| part * part).collect();
            // A frame of the size that real work has.
            let frame = std::hint::black_box([0u8; 16 << 10]);
            Ok(parts.iter().sum::<usize>() + usize::from(frame[0]))
        };
        let sums = futures_util::future::join_all((0..10_000).map(|_| pool.run(split))).await;
        assert!(sums.into_iter().all(|sum| sum.ok() == Some(85_344)));
    }
}
