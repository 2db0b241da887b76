//! The worker threads, and the bridge to them from asynchronous code.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::Failure;
use crate::explain::Cancellation;

/// A fixed number of threads for all computation. Work started here splits itself over the same
/// threads, so one request alone uses all of them.
pub struct Pool {
    workers: rayon::ThreadPool,
}

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
    /// # Panics
    /// When the operating system refuses threads: there is nothing to serve without them.
    pub fn new(threads: usize) -> Self {
        // rayon's own default listens to a variable that main sets for candle.
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(if threads == 0 { cores() } else { threads })
            .thread_name(|index| format!("explain-{index}"))
            .build()
            .expect("the operating system gives no threads");
        Pool { workers }
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
        self.workers.spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| match cancellation.check() {
                Ok(()) => work(&cancellation),
                Err(called_off) => Err(called_off.into()),
            }));
            let outcome = outcome.unwrap_or_else(|panic| Err(Failure::Internal(panic_message(&panic))));
            // Nobody there to receive it means that it was called off.
            let _ = sender.send(outcome);
        });
        let outcome = receiver.await.unwrap_or_else(|_| Err(Failure::Internal("a worker went away".into())));
        drop(guard);
        outcome
    }
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
        let pool = Pool::new(1);
        let failed = pool.run(|_| -> Result<(), Failure> { panic!("out of luck") }).await;
        assert!(matches!(failed, Err(Failure::Internal(message)) if message.contains("out of luck")));
        assert_eq!(pool.run(|_| Ok(7)).await.ok(), Some(7));
    }

    #[tokio::test]
    async fn work_whose_caller_has_gone_is_called_off() {
        let pool = Pool::new(1);
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
}
