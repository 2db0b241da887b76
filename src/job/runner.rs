//! The part of a server that works on jobs: it takes chunks from the queue for as long as the server runs, and sees to it
//! that what was ordered gets into the queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::chunk::ChunkWork;
use super::{SharedDesk, schedule};
use crate::engine::Engine;
use crate::store::queue::ChunkHandler;
use crate::store::{Store, StoreError};

/// Chunks under way at a time: while the last rows of one are answered, those of another keep the workers busy.
const AT_A_TIME: usize = 2;

/// How often it is looked for jobs that are not in the queue, because whoever ordered them went away.
const ROUND: Duration = Duration::from_secs(2);

/// Rounds between two sweeps of the queue.
const SWEEP_EVERY: u32 = 30;

/// The wait after a failure, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Works on jobs until it is stopped or dropped.
pub struct Runner {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Runner {
    /// Starts it; it does nothing where there is no database. Needs to be called within a tokio runtime.
    pub fn start(engine: &Arc<Engine>, desk: SharedDesk) -> Self {
        let (stop, stopped) = watch::channel(false);
        let Some(durable) = engine.cache().durable() else { return Runner { stop, tasks: Vec::new() } };
        let store = durable.store().clone();
        let work = Arc::new(ChunkWork::new(engine.clone(), store.clone(), desk, stopped.clone()));
        let tasks = vec![
            tokio::spawn(work_on(store.clone(), ChunkHandler(work), stopped.clone())),
            tokio::spawn(see_to_the_queue(store, stopped)),
        ];
        Runner { stop, tasks }
    }

    /// Tells it to stop: what is half done is given back.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Stops it, and waits until it has.
    pub async fn stopped(mut self) {
        self.stop();
        for task in &mut self.tasks {
            // One that panicked has stopped too.
            let _ = task.await;
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn work_on(store: Arc<dyn Store>, handler: ChunkHandler, stop: watch::Receiver<bool>) {
    let mut pause = PAUSES.0;
    while !*stop.borrow() {
        let began = tokio::time::Instant::now();
        match store.work(AT_A_TIME, handler.clone(), stop.clone()).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "no work on jobs at present");
                if began.elapsed() > PAUSES.1 {
                    pause = PAUSES.0;
                }
                pause_or_stop(pause, stop.clone()).await;
                pause = (2 * pause).min(PAUSES.1);
            }
        }
    }
}

async fn see_to_the_queue(store: Arc<dyn Store>, stop: watch::Receiver<bool>) {
    let mut round = 0;
    while !*stop.borrow() {
        if let Err(error) = enqueue_accepted(store.as_ref()).await {
            tracing::debug!(%error, "jobs that are not in the queue are left for later");
        }
        if round % SWEEP_EVERY == 0
            && let Err(error) = store.sweep_queue().await
        {
            tracing::debug!(%error, "what is over stays in the queue for now");
        }
        round = round.wrapping_add(1);
        pause_or_stop(ROUND, stop.clone()).await;
    }
}

async fn enqueue_accepted(store: &dyn Store) -> Result<(), StoreError> {
    for job in store.accepted_jobs(16).await? {
        schedule::enqueue(store, &job).await?;
    }
    Ok(())
}

/// Waits, unless it is time to stop.
pub(super) async fn pause_or_stop(pause: Duration, stop: watch::Receiver<bool>) {
    tokio::select! {
        () = sleep(pause) => {}
        () = told_to_stop(stop) => {}
    }
}

/// Completes when it is time to stop.
pub(super) async fn told_to_stop(mut stop: watch::Receiver<bool>) {
    // Nobody left who could tell is as good as being told.
    let _ = stop.wait_for(|stop| *stop).await;
}
