//! The task that does all the writing, and the housekeeping.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::health::Health;
use super::{DurableLimits, Trouble};
use crate::cache::memory::Memory;
use crate::cache::now;
use crate::identity::ResponseId;
use crate::metrics::{Metrics, Tier};
use crate::store::{Milliseconds, News, Store, StoreError, Writes};

/// Writes that go into one transaction.
const AT_ONCE: usize = 128;

/// Bytes of results from which on no more writes join a transaction: few large ones or many small ones, it takes
/// about as long.
const BYTES_AT_ONCE: usize = 8 << 20;

/// Between two looks at a database that fails.
const ROUND: Duration = Duration::from_secs(1);

/// A database that fails again within this time after it came back was not really back.
const RELAPSE: Duration = Duration::from_secs(30);

/// The longest time between two attempts at a database that fails again and again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Rounds between two looks at size and age.
const HOUSEKEEPING: u32 = 5;

/// An eviction goes on until this share of the limit is kept, so that not every round evicts.
const EVICT_TO: f64 = 0.95;

/// What the writer is asked to do.
pub enum Command {
    /// To write, and to tell which responses were left out.
    Write(Writes, oneshot::Sender<Result<Vec<ResponseId>, ()>>),
    /// To write some time.
    Note(Writes),
    /// To write what waits and let go of the database.
    Close(oneshot::Sender<()>),
}

/// The one who writes.
pub struct Writer {
    store: Arc<dyn Store>,
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
    /// A writer that has yet to be run.
    pub fn new(
        store: Arc<dyn Store>,
        health: Arc<Health>,
        limits: DurableLimits,
        memory: Arc<Memory>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Writer { store, health, limits, memory, metrics, written: true, rounds: 0, retry: Retry::default() }
    }

    /// Writes until it is told to close, or until nobody is left to tell it.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
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
    async fn obey(&mut self, first: Command, commands: &mut mpsc::Receiver<Command>) -> ControlFlow<()> {
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
            let full = waiting.len() >= AT_ONCE || writes.bytes() >= BYTES_AT_ONCE || closing.is_some();
            next = if full { None } else { commands.try_recv().ok() };
        }
        if !writes.is_empty() {
            self.commit(&writes, waiting).await;
        }
        let Some(closed) = closing else { return ControlFlow::Continue(()) };
        self.store.close().await;
        let _ = closed.send(());
        ControlFlow::Break(())
    }

    async fn commit(&mut self, writes: &Writes, waiting: Vec<oneshot::Sender<Result<Vec<ResponseId>, ()>>>) {
        self.health.writing(Some(Instant::now()));
        let outcome = self.store.write(writes, now()).await;
        self.health.writing(None);
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
        if self.store.is_shared() {
            self.listen().await;
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

    /// Hears what other servers have removed. The question also finds out that the database is away before a
    /// request does.
    async fn listen(&self) {
        match self.store.news(now()).await {
            Ok(News::Removed { evicted, deleted }) => {
                self.memory.no_longer_durable(&evicted);
                self.memory.forget(&deleted);
            }
            Ok(News::Unknown) => self.memory.forget_all(),
            Err(error) if error.is_busy() => self.health.read_too_slowly(),
            Err(error) => self.health.failed(&format!("listening to other servers: {error}")),
        }
    }

    async fn evict(&self, most_bytes: u64) -> Result<(), StoreError> {
        let kept = self.store.evict(most_bytes, self.limits.not_before(), now()).await?;
        self.memory.no_longer_durable(&kept.removed);
        self.metrics.evicted(Tier::Durable, kept.removed.results.len() as u64);
        self.metrics.set_cache_bytes(Tier::Durable, kept.bytes);
        Ok(())
    }
}
