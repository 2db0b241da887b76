//! The worker threads, and the bridge to them from asynchronous code.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Failure;
use crate::explain::Cancellation;
use crate::metrics::{Metrics, Phase};

/// A fixed number of threads for all computation.
///
/// Work waits in one queue, first come, first served, and as much is under way as there are workers. A
/// piece of work splits itself over all workers, so one alone uses all of them. The queue is not
/// rayon's own: a rayon worker that waits for its parts takes up other queued work *on top of its
/// stack*, which must not be able to grow with the queue.
pub struct Pool {
    shared: Arc<Shared>,
    threads: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    next_number: u64,
    closed: bool,
}

struct Job {
    number: u64,
    queued_at: Instant,
    work: Box<dyn FnOnce(Duration) + Send>,
}

/// Calls work off when the one who waits for it goes away.
struct CallOffOnDrop {
    shared: Arc<Shared>,
    number: u64,
    cancellation: Cancellation,
}

impl Drop for CallOffOnDrop {
    fn drop(&mut self) {
        self.cancellation.cancel();
        let mut queue = self.shared.queue();
        if let Some(place) = queue.jobs.iter().position(|job| job.number == self.number) {
            let job = queue.jobs.remove(place);
            drop(queue);
            self.shared.metrics.work_dequeued(job.map(|job| job.queued_at.elapsed()).unwrap_or_default());
            self.shared.metrics.called_off(Phase::Queued);
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job, once there is one; none when the pool is gone.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Pool {
    /// Starts the threads; 0 means one for each core.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub fn new(threads: usize, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        // rayon's own default listens to a variable that main sets for candle.
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("explain-{index}"))
            .build()
            .map_err(std::io::Error::other)?;
        let workers = Arc::new(workers);
        let shared = Arc::new(Shared { queue: Mutex::default(), more: Condvar::new(), metrics });
        for index in 0..threads {
            let (shared, workers) = (shared.clone(), workers.clone());
            let serve = move || {
                while let Some(job) = shared.next() {
                    // The wait is over once a worker is at it, not once it has left the queue.
                    workers.install(|| {
                        let waited = job.queued_at.elapsed();
                        shared.metrics.work_dequeued(waited);
                        (job.work)(waited);
                    });
                }
            };
            std::thread::Builder::new().name(format!("queue-{index}")).spawn(serve)?;
        }
        Ok(Pool { shared, threads })
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs work on a worker and waits for it without blocking the caller's thread. The work is told
    /// how long it waited. Dropping the future calls the work off.
    ///
    /// # Errors
    /// The work's own, or [`Failure::Internal`] if it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancellation, Duration) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, receiver) = oneshot::channel();
        let cancellation = Cancellation::new();
        let metrics = self.shared.metrics.clone();
        let told = cancellation.clone();
        let number = self.push(Box::new(move |waited| {
            let outcome = catch_unwind(AssertUnwindSafe(|| work(&told, waited)));
            // What it said stays unsaid: it may quote the text. Where it happened, the panic hook has told.
            let outcome = outcome.unwrap_or_else(|_| {
                metrics.panicked();
                Err(Failure::Internal("a method panicked".into()))
            });
            if matches!(outcome, Err(Failure::Cancelled)) {
                metrics.called_off(Phase::Running);
            }
            // Nobody there to receive it means that it was called off.
            let _ = sender.send(outcome);
        }));
        let _guard = CallOffOnDrop { shared: self.shared.clone(), number, cancellation };
        receiver.await.unwrap_or_else(|_| Err(Failure::Internal("a worker went away".into())))
    }

    fn push(&self, work: Box<dyn FnOnce(Duration) + Send>) -> u64 {
        let mut queue = self.shared.queue();
        let number = queue.next_number;
        queue.next_number += 1;
        queue.jobs.push_back(Job { number, queued_at: Instant::now(), work });
        drop(queue);
        self.shared.metrics.work_queued();
        self.shared.more.notify_one();
        number
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> Pool {
        Pool::new(threads, Arc::default()).unwrap()
    }

    fn figure(pool: &Pool, line: &str) -> Option<String> {
        let text = pool.shared.metrics.encode().unwrap();
        text.lines().find_map(|found| found.strip_prefix(line)).map(|value| value.trim().to_owned())
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_work_and_the_worker_lives_on() {
        let pool = pool(1);
        let failed = pool.run(|_, _| -> Result<(), Failure> { panic!("out of luck") }).await;
        assert!(matches!(failed, Err(Failure::Internal(message)) if message == "a method panicked"));
        assert_eq!(pool.run(|_, _| Ok(7)).await.ok(), Some(7));
        assert_eq!(figure(&pool, "explaind_panics_total").as_deref(), Some("1"));
    }

    #[tokio::test]
    async fn work_whose_caller_has_gone_is_called_off() {
        let pool = pool(1);
        let (seen, called_off) = std::sync::mpsc::channel();
        let work = pool.run(move |cancellation: &Cancellation, _| -> Result<(), Failure> {
            while cancellation.check().is_ok() {
                std::thread::yield_now();
            }
            seen.send(()).map_err(|error| Failure::Internal(error.to_string()))?;
            Err(Failure::Cancelled)
        });
        let waiting = tokio::time::timeout(Duration::from_millis(50), work).await;
        assert!(waiting.is_err(), "the work goes on until its caller goes");
        called_off.recv_timeout(Duration::from_secs(30)).expect("the work should have seen it");
        assert_eq!(pool.run(|_, _| Ok(7)).await.ok(), Some(7));
        assert_eq!(figure(&pool, "explaind_called_off_total{phase=\"running\"}").as_deref(), Some("1"));
    }

    #[tokio::test]
    async fn work_that_waits_for_a_worker_leaves_the_queue_with_its_caller() {
        let pool = pool(1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = pool.run(move |_, _| held.recv().map_err(|error| Failure::Internal(error.to_string())));
        let never = pool.run(|_, _| -> Result<(), Failure> { panic!("its caller has gone") });
        tokio::pin!(busy);
        let both = async {
            tokio::select! {
                // It is queued first.
                biased;
                _ = &mut busy => unreachable!("it is held"),
                outcome = tokio::time::timeout(Duration::from_millis(50), never) => outcome,
            }
        };
        assert!(both.await.is_err());
        assert_eq!(figure(&pool, "explaind_queued").as_deref(), Some("0"));
        assert_eq!(figure(&pool, "explaind_called_off_total{phase=\"queued\"}").as_deref(), Some("1"));
        release.send(()).unwrap();
        assert!(busy.await.is_ok());
    }

    #[tokio::test]
    async fn ten_thousand_waiting_requests_that_split_themselves_do_not_pile_up_on_one_stack() {
        use rayon::prelude::*;
        let pool = pool(2);
        let split = |_: &Cancellation, _| {
            let parts: Vec<usize> = (0..64).into_par_iter().with_max_len(1).map(|part| part * part).collect();
            // A frame of the size that real work has.
            let frame = std::hint::black_box([0u8; 16 << 10]);
            Ok(parts.iter().sum::<usize>() + usize::from(frame[0]))
        };
        let sums = futures_util::future::join_all((0..10_000).map(|_| pool.run(split))).await;
        assert!(sums.into_iter().all(|sum| sum.ok() == Some(85_344)));
    }
}
