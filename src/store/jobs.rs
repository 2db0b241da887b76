//! Jobs in a database: what is asked about the rows of a dataset, and every answer as soon as it is there.
//!
//! Which rows are worked on next, and by which server, is the queue's matter ([`super::queue`]). What counts is
//! here: a row has one answer, whoever brings it and however often.

use std::collections::BTreeSet;
use std::ops::Range;

use async_trait::async_trait;
use uuid::Uuid;

use super::datasets::Portion;
use super::{Milliseconds, StoreError};
use crate::identity::DatasetId;

/// The name of a job: a UUID of version 7, so that later jobs have greater names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub Uuid);

impl JobId {
    /// A new one.
    pub fn unique() -> Self {
        JobId(Uuid::now_v7())
    }

    /// The job of a name in its usual form, 36 lower-case characters; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = Uuid::try_parse(text).ok()?;
        (uuid.hyphenated().to_string() == text).then_some(JobId(uuid))
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A job as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOrder {
    /// Its name.
    pub id: JobId,
    /// When it came.
    pub created_at: Milliseconds,
    /// What kind of question is asked.
    pub endpoint: String,
    /// The question without its text: JSON.
    pub request: Vec<u8>,
    /// The model's id.
    pub model: String,
    /// The fingerprint of the model that was asked for.
    pub fingerprint: String,
    /// The rows it is about.
    pub dataset: DatasetId,
    /// How many rows that is.
    pub rows: u64,
    /// How many of them go together.
    pub chunk_rows: u64,
    /// How long it would take on an idle server, in seconds.
    pub estimated_seconds: f64,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Its chunks are not all in the queue.
    Accepted,
    /// Its chunks are in the queue, or were.
    Queued,
    /// Every row has its answer.
    Finished,
    /// Somebody called it off.
    Cancelled,
}

impl JobState {
    /// As it is kept.
    pub fn name(self) -> &'static str {
        match self {
            JobState::Accepted => "accepted",
            JobState::Queued => "queued",
            JobState::Finished => "finished",
            JobState::Cancelled => "cancelled",
        }
    }

    /// The state of a name.
    pub fn named(name: &str) -> Option<Self> {
        [JobState::Accepted, JobState::Queued, JobState::Finished, JobState::Cancelled]
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Whether nothing more happens to it.
    pub fn is_over(self) -> bool {
        matches!(self, JobState::Finished | JobState::Cancelled)
    }
}

/// A job as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    /// What was asked for.
    pub order: JobOrder,
    /// How far it has come.
    pub state: JobState,
    /// How many chunks each of the others had had when it came: it is served as if it had had as many.
    pub head_start: u64,
    /// Rows that have an answer, failed ones included.
    pub done: u64,
    /// Rows whose answer is an error.
    pub failed: u64,
    /// When the first rows were begun.
    pub started_at: Option<Milliseconds>,
    /// When the last answers came.
    pub progressed_at: Option<Milliseconds>,
    /// When it was over.
    pub ended_at: Option<Milliseconds>,
}

impl StoredJob {
    /// One that was ordered just now.
    pub(super) fn accepted(order: &JobOrder, head_start: u64) -> Self {
        StoredJob {
            order: order.clone(),
            state: JobState::Accepted,
            head_start,
            done: 0,
            failed: 0,
            started_at: None,
            progressed_at: None,
            ended_at: None,
        }
    }

    /// The rows from number `first` on, `count` of them or up to the last.
    pub(super) fn range(&self, first: u64, count: u64) -> Range<u64> {
        first..first.saturating_add(count).min(self.order.rows)
    }
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Ordered {
    /// It is a job now.
    Job(Box<StoredJob>),
    /// There is no such dataset (any more).
    NoDataset,
    /// The idempotency key was reserved too long ago, and is somebody else's by now.
    KeyLost,
}

/// The answer about a row, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowAnswer {
    /// The row's number, from 0.
    pub row: u64,
    /// Whether it is an error.
    pub failed: bool,
    /// JSON.
    pub body: Vec<u8>,
}

/// An answer as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundAnswer {
    /// As it was once written.
    Whole(RowAnswer),
    /// The row's answer is no longer what was once written.
    Damaged {
        /// Which row.
        row: u64,
    },
}

/// What is still to be done of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Lacking {
    /// The job they belong to.
    pub job: StoredJob,
    /// Numbers of those that have no answer, in order.
    pub rows: Vec<u64>,
}

impl Lacking {
    /// Those of some rows that are not among the answered ones.
    pub(super) fn of(job: StoredJob, rows: Range<u64>, answered: &BTreeSet<u64>) -> Self {
        Lacking { job, rows: rows.filter(|row| !answered.contains(row)).collect() }
    }
}

/// What an idempotency key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// Nothing so far: it is the caller's until a job is ordered under it, or it is let go.
    Free,
    /// Somebody is about to order a job under it.
    InFlight,
    /// A job, ordered by a body of this hash.
    Job(JobId, [u8; 32]),
}

/// An idempotency key that the caller has reserved, with the hash of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedBody {
    /// The key.
    pub key: String,
    /// When it was reserved.
    pub reserved_at: Milliseconds,
    /// BLAKE3 of the body.
    pub body_hash: [u8; 32],
}

/// A database of jobs.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Reserves an idempotency key, unless it stands for something already. One that was reserved before
    /// `not_before` and never used is free.
    ///
    /// # Errors
    /// The database does not answer.
    async fn reserve_key(
        &self,
        key: &str,
        now: Milliseconds,
        not_before: Milliseconds,
    ) -> Result<Reservation, StoreError>;

    /// Lets go of a key that was reserved at this time and under which no job was ordered.
    ///
    /// # Errors
    /// The database does not answer.
    async fn free_key(&self, key: &str, reserved_at: Milliseconds) -> Result<(), StoreError>;

    /// Takes a job on, [`JobState::Accepted`], under an idempotency key if it has one. Its head start is the least
    /// of head start + done chunks (rounded down) among the jobs that are not over; 0 if there are none. Where the
    /// dataset comes with the program (`is_bundled`), it is not looked for in the database.
    ///
    /// # Errors
    /// Nothing has changed.
    async fn order_job(
        &self,
        order: &JobOrder,
        key: Option<&KeyedBody>,
        is_bundled: bool,
    ) -> Result<Ordered, StoreError>;

    /// Jobs, the newest first, from the one behind `after` on.
    ///
    /// # Errors
    /// The database does not answer.
    async fn jobs(&self, after: Option<JobId>, most: u32) -> Result<Vec<StoredJob>, StoreError>;

    /// One job.
    ///
    /// # Errors
    /// The database does not answer.
    async fn job(&self, id: JobId) -> Result<Option<StoredJob>, StoreError>;

    /// Jobs whose chunks are not all in the queue, the oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    async fn accepted_jobs(&self, most: u32) -> Result<Vec<StoredJob>, StoreError>;

    /// The chunks of a job are in the queue; changes nothing unless it is [`JobState::Accepted`].
    ///
    /// # Errors
    /// Nothing has changed.
    async fn job_is_queued(&self, id: JobId) -> Result<(), StoreError>;

    /// Which of the rows from number `first` on, `count` of them or up to the job's last, have no answer. The job counts
    /// as started from now on, unless it is over. None if there is no such job.
    ///
    /// # Errors
    /// The database does not answer.
    async fn lacking(
        &self,
        id: JobId,
        first: u64,
        count: u64,
        now: Milliseconds,
    ) -> Result<Option<Lacking>, StoreError>;

    /// Keeps answers; those of rows that have one already, or that the job does not have, are left out. With the last
    /// one the job is finished. False if nothing was kept, because the job is not there or is over.
    ///
    /// # Errors
    /// Nothing was kept.
    async fn add_answers(
        &self,
        id: JobId,
        answers: &[RowAnswer],
        now: Milliseconds,
    ) -> Result<bool, StoreError>;

    /// Answers of a job in the order of its rows, from row `first` on: one at least, if there are any. Rows without an
    /// answer are left out. None if there is no such job.
    ///
    /// # Errors
    /// The database does not answer.
    async fn answers(
        &self,
        id: JobId,
        first: u64,
        portion: Portion,
    ) -> Result<Option<Vec<FoundAnswer>>, StoreError>;

    /// Puts an answer in the place of a damaged one, and counts it as what it is, whether the job is over or not. Does
    /// nothing where no damaged one stands.
    ///
    /// # Errors
    /// Nothing has changed.
    async fn replace_answer(&self, id: JobId, answer: &RowAnswer) -> Result<(), StoreError>;

    /// Calls a job off; one that is over stays as it is. None if there is no such job.
    ///
    /// # Errors
    /// Nothing has changed.
    async fn cancel_job(&self, id: JobId, now: Milliseconds) -> Result<Option<StoredJob>, StoreError>;

    /// Removes a job that is over, with its idempotency key; its answers are left to be swept away. False if there is no
    /// such job, or it is not over.
    ///
    /// # Errors
    /// Nothing was removed.
    async fn delete_job(&self, id: JobId) -> Result<bool, StoreError>;

    /// Removes some of the answers of deleted jobs. False if there was nothing to remove.
    ///
    /// # Errors
    /// The database does not answer.
    async fn sweep_answers(&self) -> Result<bool, StoreError>;
}
