//! Sweeps rows out of the database that no dataset shows, and answers of deleted jobs, bit by bit, so that others get to
//! it in between.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::health::Health;
use crate::cache::now;
use crate::store::{Milliseconds, Store, StoreError};

/// How long an upload may be silent until it counts as cut off: longer than any request is usually let take.
const SILENCE: Milliseconds = 60 * 60 * 1000;

/// Between two looks, unless the bell is rung.
const ROUND: Duration = Duration::from_secs(60);

/// Between two portions.
const BREATH: Duration = Duration::from_millis(10);

/// The task that sweeps; it ends when this is dropped.
pub struct Sweeper {
    bell: Arc<Notify>,
    task: AbortHandle,
}

impl Sweeper {
    /// Starts it. Needs to be called within a tokio runtime.
    pub fn start(store: Arc<dyn Store>, health: Arc<Health>) -> Self {
        let bell = Arc::new(Notify::new());
        let task = tokio::spawn(run(store, health, bell.clone())).abort_handle();
        Sweeper { bell, task }
    }

    /// Rung when there is something to sweep.
    pub fn bell(&self) -> Arc<Notify> {
        self.bell.clone()
    }

    /// Ends it.
    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn run(store: Arc<dyn Store>, health: Arc<Health>, bell: Arc<Notify>) {
    // What is there before a server has begun was cut off, unless others may be at it.
    let mut not_touched_since = if store.is_shared() { now() - SILENCE } else { now() };
    loop {
        while health.trouble().is_none() {
            match sweep(&*store, not_touched_since).await {
                Ok(true) => sleep(BREATH).await,
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "what is to be swept away is left for later");
                    break;
                }
            }
        }
        // Nobody ringing is as good a reason to look.
        let _ = timeout(ROUND, bell.notified()).await;
        not_touched_since = now() - SILENCE;
    }
}

/// Removes a portion. False if there is nothing left.
async fn sweep(store: &dyn Store, not_touched_since: Milliseconds) -> Result<bool, StoreError> {
    Ok(store.sweep(not_touched_since).await? || store.sweep_answers().await?)
}
