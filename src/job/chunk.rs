//! One chunk: what of its rows has no answer gets one, and answers are kept as they come.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::SharedDesk;
use super::answering::{Asked, Asking, RowText};
use super::runner::{pause_or_stop, told_to_stop};
use crate::cache::durable::Unavailable;
use crate::cache::now;
use crate::engine::Engine;
use crate::store::jobs::{JobId, RowAnswer, StoredJob};
use crate::store::queue::{Chunk, DoChunk, GivenBack};
use crate::store::{Store, StoreError};

/// How often answers are kept, at least, and it is looked whether the job was called off.
const KEPT_EVERY: Duration = Duration::from_secs(1);

/// Answers are kept once there are so many,
const MOST_KEPT_AT_ONCE: usize = 128;

/// or so many bytes of them.
const MOST_BYTES_AT_ONCE: usize = 4 << 20;

/// The wait after a failure of the database, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Before a chunk is given back that this server has not the model for: others may have it.
const NOT_MINE: Duration = Duration::from_secs(1);

/// Does chunks for one server.
pub(super) struct ChunkWork {
    engine: Arc<Engine>,
    store: Arc<dyn Store>,
    desk: SharedDesk,
    stop: watch::Receiver<bool>,
}

/// Whether a job goes on.
#[derive(PartialEq, Eq)]
enum Course {
    GoesOn,
    IsOver,
}

impl ChunkWork {
    pub(super) fn new(
        engine: Arc<Engine>,
        store: Arc<dyn Store>,
        desk: SharedDesk,
        stop: watch::Receiver<bool>,
    ) -> Self {
        ChunkWork { engine, store, desk, stop }
    }

    async fn run(&self, chunk: Chunk) -> Result<(), GivenBack> {
        let id = JobId(chunk.job);
        let lacking = self.patiently(|| self.store.lacking(id, chunk.first, chunk.rows, now())).await?;
        let Some(lacking) = lacking.filter(|lacking| !lacking.job.state.is_over()) else { return Ok(()) };
        if lacking.rows.is_empty() {
            return Ok(());
        }
        let asking = match self.patiently_asked(&lacking.job).await? {
            Asked::Here(asking) => asking,
            Asked::Elsewhere if self.store.is_shared() => {
                pause_or_stop(NOT_MINE, self.stop.clone()).await;
                return Err(GivenBack);
            }
            Asked::Elsewhere => Asking::of_another_model(&self.engine, self.desk.as_ref(), &lacking.job),
        };
        let mut left = lacking.rows.as_slice();
        while !left.is_empty() {
            let texts = self.patiently_read(&asking, left).await?;
            let rows: Vec<u64> = texts.iter().map(|(row, _)| *row).collect();
            let answers = futures_util::stream::iter(texts)
                .map(|(row, text)| asking.answer(row, text))
                .buffered(self.engine.texts_at_a_time());
            if self.keep_as_they_come(id, answers).await? == Course::IsOver {
                return Ok(());
            }
            left = &left[rows.len()..];
        }
        Ok(())
    }

    /// Keeps answers as they come, until there are no more or the job is over.
    async fn keep_as_they_come(
        &self,
        id: JobId,
        answers: impl futures_util::Stream<Item = RowAnswer>,
    ) -> Result<Course, GivenBack> {
        let mut waiting: Vec<RowAnswer> = Vec::new();
        let mut tick = interval_at(Instant::now() + KEPT_EVERY, KEPT_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = told_to_stop(self.stop.clone());
        tokio::pin!(answers, stop);
        loop {
            let is_late = tokio::select! {
                answer = answers.next() => match answer {
                    Some(answer) => {
                        waiting.push(answer);
                        let bytes: usize = waiting.iter().map(|answer| answer.body.len()).sum();
                        waiting.len() >= MOST_KEPT_AT_ONCE || bytes >= MOST_BYTES_AT_ONCE
                    }
                    None => return self.keep(id, &waiting).await,
                },
                _ = tick.tick() => true,
                () = &mut stop => {
                    // What is there is not done again.
                    let _ = self.store.add_answers(id, &waiting, now()).await;
                    return Err(GivenBack);
                }
            };
            if is_late && self.keep(id, &waiting).await? == Course::IsOver {
                return Ok(Course::IsOver);
            }
            if is_late {
                waiting.clear();
            }
        }
    }

    /// Keeps answers; with none, looks whether the job goes on.
    async fn keep(&self, id: JobId, answers: &[RowAnswer]) -> Result<Course, GivenBack> {
        let goes_on = match answers {
            [] => {
                let job = self.patiently(|| self.store.job(id)).await?;
                job.is_some_and(|job| !job.state.is_over())
            }
            _ => {
                let goes_on = self.patiently(|| self.store.add_answers(id, answers, now())).await?;
                let failed = answers.iter().filter(|answer| answer.failed).count();
                self.engine.metrics().job_rows_answered(answers.len() as u64, failed as u64);
                goes_on
            }
        };
        Ok(if goes_on { Course::GoesOn } else { Course::IsOver })
    }

    /// Reads the texts of as many of these rows as go together.
    async fn patiently_read(
        &self,
        asking: &Asking<'_>,
        rows: &[u64],
    ) -> Result<Vec<(u64, RowText)>, GivenBack> {
        let mut pause = PAUSES.0;
        loop {
            match asking.texts(rows).await {
                Ok(texts) => return Ok(texts),
                Err(error) => {
                    tracing::debug!(%error, "the rows of a job cannot be read at present");
                    self.pause(&mut pause).await?;
                }
            }
        }
    }

    /// What a job asks, once that is known.
    async fn patiently_asked(&self, job: &StoredJob) -> Result<Asked<'_>, GivenBack> {
        let mut pause = PAUSES.0;
        loop {
            match Asking::about(&self.engine, self.desk.as_ref(), job).await {
                Ok(asked) => return Ok(asked),
                Err(Unavailable) => {
                    tracing::debug!("what a job is about cannot be read at present");
                    self.pause(&mut pause).await?;
                }
            }
        }
    }

    /// Asks the database again and again until it answers: nobody waits.
    async fn patiently<T, F>(&self, ask: impl Fn() -> F) -> Result<T, GivenBack>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut pause = PAUSES.0;
        loop {
            match ask().await {
                Ok(value) => return Ok(value),
                Err(error) => {
                    tracing::debug!(%error, "a job waits for the database");
                    self.pause(&mut pause).await?;
                }
            }
        }
    }

    async fn pause(&self, pause: &mut Duration) -> Result<(), GivenBack> {
        pause_or_stop(*pause, self.stop.clone()).await;
        *pause = (2 * *pause).min(PAUSES.1);
        if *self.stop.borrow() { Err(GivenBack) } else { Ok(()) }
    }
}

impl DoChunk for ChunkWork {
    fn do_chunk(self: Arc<Self>, chunk: Chunk) -> BoxFuture<'static, Result<(), GivenBack>> {
        async move {
            let outcome = self.run(chunk).await;
            if outcome.is_err() {
                self.engine.metrics().chunk_given_back();
            }
            outcome
        }
        .boxed()
    }
}
