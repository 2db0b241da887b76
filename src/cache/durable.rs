//! The second tier: what outlives the process, behind a task that does all the writing.
//!
//! Explanations never depend on it. When the database fails, requests go on without it at once; a
//! small write every second finds out when it is back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::memory::Memory;
use super::{earliest, now};
use crate::identity::{ResponseId, ResultKey};
use crate::metrics::{Metrics, Tier};
use crate::store::sqlite::SqliteStore;
use crate::store::{Found, Milliseconds, StoreError, StoredResponse, StoredResult, Writes};

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
    store: Arc<SqliteStore>,
    queue: mpsc::Sender<Command>,
    health: Arc<Health>,
    limits: DurableLimits,
}

enum Command {
    Write(Writes, oneshot::Sender<Result<Vec<ResponseId>, ()>>),
    Note(Writes),
    Close(oneshot::Sender<()>),
}

/// Writes that may wait for the writer; with more, new ones are given up.
const QUEUE: usize = 1024;

/// Writes that go into one transaction.
const AT_ONCE: usize = 128;

/// The longest a request waits for the tier.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks at a database that fails.
const ROUND: Duration = Duration::from_secs(1);

/// Reads in a row that take too long until the database counts as failing.
const SLOW_READS: u32 = 8;

/// A database that fails again within this time after it came back was not really back.
const RELAPSE: Duration = Duration::from_secs(30);

/// The longest time between two attempts at a database that fails again and again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Rounds between two looks at size and age.
const HOUSEKEEPING: u32 = 5;

/// An eviction goes on until this share of the limit is kept, so that not every round evicts.
const EVICT_TO: f64 = 0.95;

impl Durable {
    /// Starts the writer. Needs to be called within a tokio runtime.
    /// What it evicts is told to the tier in memory, which must not take it for durable any more.
    pub fn start(
        store: SqliteStore,
        limits: DurableLimits,
        memory: Arc<Memory>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let store = Arc::new(store);
        let health = Arc::new(Health {
            trouble: Mutex::new(None),
            slow_reads: AtomicU32::new(0),
            metrics: metrics.clone(),
        });
        metrics.set_durable_healthy(true);
        let (queue, commands) = mpsc::channel(QUEUE);
        let writer = Writer {
            store: store.clone(),
            health: health.clone(),
            limits,
            memory,
            metrics,
            written: true,
            rounds: 0,
            retry: Retry::default(),
        };
        tokio::spawn(writer.run(commands));
        Durable { store, queue, health, limits }
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
                    self.health.metrics.damaged_result();
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
            self.health.metrics.write_given_up();
            return None;
        }
        match timeout(PATIENCE, committed).await {
            Ok(Ok(outcome)) => outcome.ok(),
            Ok(Err(_)) => None,
            Err(_) => {
                self.health.metrics.write_given_up();
                self.health.failed("writing takes too long");
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
        let (done, closed) = oneshot::channel();
        if self.queue.send(Command::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }

    async fn read<T>(&self, reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, Unavailable> {
        if self.health.trouble().is_some() {
            return Err(Unavailable);
        }
        match timeout(PATIENCE, reading).await {
            Ok(Ok(value)) => {
                self.health.slow_reads.store(0, Ordering::Relaxed);
                return Ok(value);
            }
            Ok(Err(error)) if !error.is_busy() => self.health.failed(&format!("reading: {error}")),
            // Load is no fault, unless it never ends.
            Ok(Err(_)) | Err(_) => {
                if self.health.slow_reads.fetch_add(1, Ordering::Relaxed) + 1 >= SLOW_READS {
                    self.health.failed("reading takes too long");
                }
            }
        }
        Err(Unavailable)
    }
}

/// The tier cannot be asked at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

struct Health {
    trouble: Mutex<Option<Trouble>>,
    /// Reads in a row that took too long.
    slow_reads: AtomicU32,
    metrics: Arc<Metrics>,
}

impl Health {
    fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failed(&self, error: &str) {
        self.metrics.durable_failure();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_none() {
            tracing::error!(
                error,
                "the database fails; explanations go on, and are not kept until it is back"
            );
            self.metrics.set_durable_healthy(false);
            *trouble = Some(Trouble { since: now(), error: error.to_owned() });
        }
    }

    fn recovered(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = trouble.take() {
            let seconds = (now() - trouble.since) / 1000;
            tracing::info!(seconds, "the database is back");
            self.metrics.set_durable_healthy(true);
            self.slow_reads.store(0, Ordering::Relaxed);
        }
    }
}

/// The one who writes.
struct Writer {
    store: Arc<SqliteStore>,
    health: Arc<Health>,
    limits: DurableLimits,
    memory: Arc<Memory>,
    metrics: Arc<Metrics>,
    /// Whether anything was written since the size was last looked at.
    written: bool,
    /// Rounds so far.
    rounds: u32,
    retry: Retry,
}

/// When a failing database is tried again. One that fails again soon after it came back is given more
/// and more time: some faults hit reads or large writes alone, and no small write finds them.
#[derive(Default)]
struct Retry {
    trouble_since: Option<Milliseconds>,
    pause: Duration,
    next: Option<Instant>,
    recovered_at: Option<Instant>,
}

impl Retry {
    fn is_due(&mut self, trouble: &Trouble) -> bool {
        if self.trouble_since != Some(trouble.since) {
            self.trouble_since = Some(trouble.since);
            self.pause = match self.recovered_at {
                Some(at) if at.elapsed() < RELAPSE => (self.pause * 2).min(LONGEST_PAUSE),
                _ => ROUND,
            };
            self.next = Some(Instant::now() + self.pause);
        }
        self.next.is_none_or(|next| next <= Instant::now())
    }

    fn tried(&mut self, succeeded: bool) {
        self.next = Some(Instant::now() + self.pause);
        self.recovered_at = succeeded.then(Instant::now).or(self.recovered_at);
    }
}

impl Writer {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => {
                    let Some(command) = command else { break };
                    if self.obey(command, &mut commands).await.is_break() {
                        return;
                    }
                }
                _ = rounds.tick() => self.look_after().await,
            }
        }
        self.store.close().await;
    }

    /// Carries out a command with all that wait behind it, in one transaction.
    async fn obey(
        &mut self,
        first: Command,
        commands: &mut mpsc::Receiver<Command>,
    ) -> std::ops::ControlFlow<()> {
        let mut writes = Writes::default();
        let mut waiting = Vec::new();
        let mut closing = None;
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Write(new, done) => {
                    writes.merge(new);
                    waiting.push(done);
                }
                Command::Note(new) => writes.merge(new),
                Command::Close(done) => closing = Some(done),
            }
            let full = waiting.len() >= AT_ONCE || closing.is_some();
            next = if full { None } else { commands.try_recv().ok() };
        }
        if !writes.is_empty() {
            self.commit(&writes, waiting).await;
        }
        let Some(closed) = closing else { return std::ops::ControlFlow::Continue(()) };
        self.store.close().await;
        let _ = closed.send(());
        std::ops::ControlFlow::Break(())
    }

    async fn commit(&mut self, writes: &Writes, waiting: Vec<oneshot::Sender<Result<Vec<ResponseId>, ()>>>) {
        let outcome = self.store.write(writes, now()).await;
        self.written = true;
        if let Err(error) = &outcome {
            self.health.failed(&format!("writing: {error}"));
        }
        for done in waiting {
            // Who has gone no longer needs to know.
            let _ = done.send(outcome.as_ref().map(Clone::clone).map_err(|_| ()));
        }
    }

    /// Sees whether a failing database is back, and keeps a working one within its limits.
    async fn look_after(&mut self) {
        if let Some(trouble) = self.health.trouble() {
            if self.retry.is_due(&trouble) {
                let succeeded = self.store.probe(now()).await.is_ok();
                self.retry.tried(succeeded);
                if succeeded {
                    self.health.recovered();
                }
            }
            return;
        }
        if let Err(error) = self.store.check_identity() {
            return self.health.failed(&error.to_string());
        }
        self.rounds = self.rounds.wrapping_add(1);
        if self.rounds % HOUSEKEEPING != 1 || !self.written && self.limits.age.is_none() {
            return;
        }
        let outcome = match self.store.bytes().await {
            Ok(bytes) if bytes > self.limits.bytes => {
                self.evict((self.limits.bytes as f64 * EVICT_TO) as u64).await
            }
            Ok(_) if self.limits.age.is_some() => self.evict(self.limits.bytes).await,
            Ok(bytes) => {
                self.metrics.set_cache_bytes(Tier::Durable, bytes);
                Ok(())
            }
            Err(error) => Err(error),
        };
        self.written = false;
        if let Err(error) = outcome {
            self.health.failed(&format!("housekeeping: {error}"));
        }
    }

    async fn evict(&self, most_bytes: u64) -> Result<(), StoreError> {
        let kept = self.store.evict(most_bytes, self.limits.not_before()).await?;
        self.memory.no_longer_durable(&kept.results, &kept.responses);
        self.metrics.evicted(Tier::Durable, kept.results.len() as u64);
        self.metrics.set_cache_bytes(Tier::Durable, kept.bytes);
        Ok(())
    }
}
