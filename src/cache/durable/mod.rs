//! The second tier: what outlives the process, behind a task that does all the writing.
//!
//! Explanations never depend on it. When the database fails, requests go on without it at once; a
//! small write now and then finds out when it is back.

mod claim;
mod health;
mod sweeper;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

pub use claim::Claim;
use health::Health;
use sweeper::Sweeper;
use writer::{Command, Writer};

use super::earliest;
use super::memory::Memory;
use crate::cache::now;
use crate::identity::{ResponseId, ResultKey};
use crate::metrics::Metrics;
use crate::store::{Found, Milliseconds, Store, StoreError, StoredResponse, StoredResult, Writes};

/// The most that may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurableLimits {
    /// Bytes of results.
    pub bytes: u64,
    /// Age of results; none means no limit.
    pub age: Option<Duration>,
}

impl DurableLimits {
    fn not_before(&self) -> Milliseconds {
        earliest(self.age)
    }
}

/// Why the tier is not used at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Milliseconds,
    /// The database's words.
    pub error: String,
}

/// The tier.
pub struct Durable {
    store: Arc<dyn Store>,
    queue: mpsc::Sender<Command>,
    health: Arc<Health>,
    limits: DurableLimits,
    memory: Arc<Memory>,
    metrics: Arc<Metrics>,
    sweeper: Sweeper,
}

/// Writes that may wait for the writer; with more, new ones are given up.
const QUEUE: usize = 1024;

/// The longest a request waits for the tier.
const PATIENCE: Duration = Duration::from_secs(2);

impl Durable {
    /// Starts the writer. Needs to be called within a tokio runtime.
    /// What it evicts is told to the tier in memory, which must not take it for durable any more.
    pub fn start(
        store: Arc<dyn Store>,
        limits: DurableLimits,
        memory: Arc<Memory>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let health = Arc::new(Health::new(metrics.clone()));
        metrics.set_durable_healthy(true);
        let (queue, commands) = mpsc::channel(QUEUE);
        let writer = Writer::new(store.clone(), health.clone(), limits, memory.clone(), metrics.clone());
        tokio::spawn(writer.run(commands));
        let sweeper = Sweeper::start(store.clone(), health.clone());
        Durable { store, queue, health, limits, memory, metrics, sweeper }
    }

    /// The database itself, for what is kept there beside results; see [`Durable::attend`].
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Rung when rows were left that no dataset shows.
    pub fn bell(&self) -> Arc<Notify> {
        self.sweeper.bell()
    }

    /// Something is wrong from the start: the tier is used when it no longer is.
    pub fn begin_in_trouble(&self, error: &StoreError) {
        self.health.failed(&error.to_string());
    }

    /// Whether other servers use the same database.
    pub fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// Takes on the computation of those of the keys that no other server is at. While the database fails,
    /// nobody knows who is at what: then of all of them.
    pub async fn claim(&self, keys: Vec<ResultKey>) -> Claim {
        if !self.store.is_shared() || self.health.trouble().is_some() {
            return Claim::of_ones_own(keys);
        }
        match timeout(PATIENCE, self.store.claim(&keys, claim::LEASE)).await {
            Ok(Ok(granted)) => return Claim::held(self.store.clone(), granted),
            Ok(Err(error)) if !error.is_busy() => self.health.failed(&format!("claiming: {error}")),
            Ok(Err(_)) | Err(_) => self.health.read_too_slowly(),
        }
        Claim::of_ones_own(keys)
    }

    /// Removes a response with its results, here and in the memory of all servers. False if it was not there.
    ///
    /// # Errors
    /// [`Unavailable`]: it is not known to be removed; to ask again does no harm.
    pub async fn delete(&self, id: ResponseId) -> Result<bool, Unavailable> {
        let Some(removed) = self.read(self.store.delete(id, now())).await? else { return Ok(false) };
        self.memory.forget(&removed);
        Ok(true)
    }

    /// Why the tier is not used at present; none if all is well.
    pub fn trouble(&self) -> Option<Trouble> {
        self.health.trouble()
    }

    /// The results that are there of these.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn results(&self, keys: &[ResultKey]) -> Result<Vec<StoredResult>, Unavailable> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut whole = Vec::new();
        for result in self.read(self.store.results(keys, self.limits.not_before())).await? {
            match result {
                Found::Whole(result) => whole.push(result),
                Found::Damaged(row) => {
                    self.metrics.damaged_result();
                    tracing::error!("a stored result is damaged; it is forgotten and will be computed again");
                    self.note(Writes { damaged: vec![row], ..Writes::default() });
                }
            }
        }
        Ok(whole)
    }

    /// A response that was given.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn response(&self, id: ResponseId) -> Result<Option<StoredResponse>, Unavailable> {
        self.read(self.store.response(id, self.limits.not_before())).await
    }

    /// Whether something of this size may be kept at all: what would push out most of the rest may not.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        bytes as u64 <= self.limits.bytes / 4
    }

    /// Commits; gives the responses that were left out because one of their results is not there, or
    /// none if nothing was committed.
    pub async fn write(&self, writes: Writes) -> Option<Vec<ResponseId>> {
        if self.health.trouble().is_some() {
            return None;
        }
        let (done, committed) = oneshot::channel();
        if self.queue.try_send(Command::Write(writes, done)).is_err() {
            self.metrics.write_given_up();
            return None;
        }
        match timeout(PATIENCE, committed).await {
            Ok(Ok(outcome)) => outcome.ok(),
            Ok(Err(_)) => None,
            Err(_) => {
                self.metrics.write_given_up();
                self.health.wrote_too_slowly();
                None
            }
        }
    }

    /// Writes some time soon, or not at all: for what is good to know and nothing more.
    pub fn note(&self, writes: Writes) {
        if self.health.trouble().is_none() {
            // A full queue means that there are more important things to write.
            let _ = self.queue.try_send(Command::Note(writes));
        }
    }

    /// Writes what waits and lets go of the database.
    pub async fn close(&self) {
        self.sweeper.stop();
        let (done, closed) = oneshot::channel();
        if self.queue.send(Command::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }

    async fn read<T>(&self, reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, Unavailable> {
        self.attend(PATIENCE, reading).await
    }

    /// Does something with the database, within the time of the patience, for those who cannot do without it.
    ///
    /// # Errors
    /// [`Unavailable`]: it fails, or takes too long.
    pub async fn attend<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Unavailable> {
        if self.health.trouble().is_some() {
            return Err(Unavailable);
        }
        match timeout(patience, work).await {
            Ok(Ok(value)) => {
                self.health.read_in_time();
                return Ok(value);
            }
            Ok(Err(error)) if !error.is_busy() => self.health.failed(&format!("reading: {error}")),
            // Load is no fault, unless it never ends.
            Ok(Err(_)) | Err(_) => self.health.read_too_slowly(),
        }
        Err(Unavailable)
    }
}

/// The tier cannot be asked at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;
