//! All jobs there are, for whoever orders, follows or ends them.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::answering::{Asked, Asking, text_of};
use super::{Desk, MOST_ROWS, Progress, schedule};
use crate::cache::durable::{Durable, Unavailable};
use crate::cache::now;
use crate::dataset::{Dataset, DatasetError, Datasets};
use crate::engine::{Engine, OwnedText, Question};
use crate::identity::DatasetId;
use crate::store::datasets::Portion;
use crate::store::jobs::{
    FoundAnswer, JobId, JobOrder, JobState, KeyedBody, Ordered, Reservation, RowAnswer, StoredJob,
};
use crate::store::{Milliseconds, StoreError};

/// The longest that the database is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// After so long, an idempotency key is free again that was reserved by whoever has gone since: longer than any request
/// is usually let take.
const KEY_RESERVED: Milliseconds = 10 * 60 * 1000;

/// Answers of one page end with the one that takes them beyond so many bytes.
const PAGE_BYTES: u64 = 8 << 20;

/// Rows from which it is told how long all of them take.
const SAMPLE: u32 = 200;

/// The jobs of a server.
#[derive(Clone, Copy)]
pub struct Jobs<'a> {
    engine: &'a Arc<Engine>,
    desk: &'a dyn Desk,
}

/// What is to be asked about the rows of a dataset.
pub struct Order {
    /// The kind of question: `explain`, `predict`, …
    pub endpoint: &'static str,
    /// The question without its text, as it was sent: JSON.
    pub request: Vec<u8>,
    /// The same, checked.
    pub question: Question,
    /// The rows.
    pub dataset: DatasetId,
}

/// An idempotency key that was found free: it stands for the job that is ordered with it. If it is dropped before, it
/// is free again.
pub struct Reserved<'a> {
    durable: &'a Durable,
    key: String,
    reserved_at: Milliseconds,
    is_used: bool,
}

/// What is told of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// The kind of question.
    pub endpoint: String,
    /// The question without its text: JSON.
    pub request: Vec<u8>,
    /// The model's id and fingerprint.
    pub model: (String, String),
    /// The rows it is about.
    pub dataset: DatasetId,
    /// What has become of it.
    pub state: JobState,
    /// Whether rows of it were begun.
    pub is_begun: bool,
    /// How far it has come.
    pub progress: Progress,
    /// How long it would take on an idle server, in seconds.
    pub estimated_seconds: f64,
    /// When it came.
    pub created_at: Milliseconds,
    /// When the first rows were begun.
    pub started_at: Option<Milliseconds>,
    /// When it was over.
    pub ended_at: Option<Milliseconds>,
}

/// Some jobs, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// The job behind which the rest stands; none if this is all.
    pub next: Option<JobId>,
}

/// The answer about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerLine {
    /// The row's number.
    pub row: u64,
    /// Whether it is a problem instead of an answer.
    pub failed: bool,
    /// JSON: an answer, or a problem.
    pub body: Vec<u8>,
}

/// Some answers, in the order of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerPage {
    /// The answers that are there. Rows before the last of them may lack one while the job goes on.
    pub lines: Vec<AnswerLine>,
    /// The number of the last row looked at; none if there are no more.
    pub next: Option<u64>,
}

/// What became of the wish that a job should end.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It was going on and is called off; what it has answered stays.
    CalledOff(Box<Job>),
    /// It was over; it is deleted with its answers.
    Deleted,
}

/// Why something cannot be done with jobs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JobError {
    /// No database is configured.
    #[error("jobs are kept in a database, and this server has none")]
    NoDatabase,
    /// The database does not answer.
    #[error("the database that keeps jobs does not answer")]
    Unavailable,
    /// There is no such dataset.
    #[error("there is no such dataset")]
    NoDataset,
    /// It has too many rows.
    #[error("the dataset has {rows} rows; a job may have {most}")]
    TooManyRows {
        /// Rows of the dataset.
        rows: u64,
        /// The most allowed.
        most: u64,
    },
    /// The idempotency key belongs to a request that is being taken in.
    #[error("a request with this idempotency key is being taken in")]
    KeyInFlight,
    /// The idempotency key belongs to another body.
    #[error("this idempotency key was sent before, with another body")]
    KeyOfAnother,
    /// What is kept is not what was once written.
    #[error("what is stored of this job is damaged")]
    Damaged,
}

impl From<Unavailable> for JobError {
    fn from(_: Unavailable) -> Self {
        JobError::Unavailable
    }
}

impl From<DatasetError> for JobError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::NoDatabase => JobError::NoDatabase,
            DatasetError::Unavailable | DatasetError::Bundled | DatasetError::InUse => JobError::Unavailable,
            DatasetError::Damaged => JobError::Damaged,
        }
    }
}

impl<'a> Jobs<'a> {
    /// Those of an engine's database.
    pub fn of(engine: &'a Arc<Engine>, desk: &'a dyn Desk) -> Self {
        Jobs { engine, desk }
    }

    /// What an idempotency key stands for: either the caller may order a job under it, or there is one already, and
    /// the hash (BLAKE3) of the body that it was ordered by.
    ///
    /// # Errors
    /// [`JobError::KeyInFlight`], or the database does not answer.
    pub async fn reserve(&self, key: String) -> Result<Result<Reserved<'a>, (Job, [u8; 32])>, JobError> {
        let durable = self.durable()?;
        let since = now();
        let reserving = durable.store().reserve_key(&key, since, since - KEY_RESERVED);
        match attend(durable, reserving).await? {
            Reservation::Free => Ok(Ok(Reserved { durable, key, reserved_at: since, is_used: false })),
            Reservation::InFlight => Err(JobError::KeyInFlight),
            Reservation::Job(id, body_hash) => match self.find(id).await? {
                Some(job) => Ok(Err((job, body_hash))),
                // It was deleted between the two questions, and its key with it.
                None => Err(JobError::KeyInFlight),
            },
        }
    }

    /// Takes a job on.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn order(&self, order: Order, key: Option<(Reserved<'_>, [u8; 32])>) -> Result<Job, JobError> {
        let durable = self.durable()?;
        let dataset = Datasets::over(Some(durable)).find(order.dataset).await?.ok_or(JobError::NoDataset)?;
        if dataset.rows > MOST_ROWS {
            return Err(JobError::TooManyRows { rows: dataset.rows, most: MOST_ROWS });
        }
        let estimated_seconds = self.estimated_seconds(durable, &order.question, &dataset).await?;
        let model = order.question.model();
        let order = JobOrder {
            id: JobId::unique(),
            created_at: now(),
            endpoint: order.endpoint.into(),
            model: model.id().into(),
            fingerprint: model.fingerprint().into(),
            request: order.request,
            dataset: order.dataset,
            rows: dataset.rows,
            chunk_rows: schedule::chunk_rows(dataset.rows, estimated_seconds),
            estimated_seconds,
        };
        let (reserved, keyed) = key
            .map(|(reserved, body_hash)| {
                let keyed =
                    KeyedBody { key: reserved.key.clone(), reserved_at: reserved.reserved_at, body_hash };
                (reserved, keyed)
            })
            .unzip();
        let ordering = durable.store().order_job(&order, keyed.as_ref(), dataset.is_bundled);
        let job = match attend(durable, ordering).await? {
            Ordered::Job(job) => *job,
            Ordered::NoDataset => return Err(JobError::NoDataset),
            Ordered::KeyLost => return Err(JobError::KeyInFlight),
        };
        if let Some(mut reserved) = reserved {
            reserved.is_used = true;
        }
        // If this fails, whichever server next looks for jobs that are not in the queue puts it there.
        if let Err(Unavailable) = attend(durable, schedule::enqueue(durable.store().as_ref(), &job)).await {
            tracing::debug!(job = %job.order.id, "a job is not in the queue yet");
        }
        Ok(job.into())
    }

    /// How long a question about all rows of a dataset takes on an idle server, from the first of them.
    async fn estimated_seconds(
        &self,
        durable: &Durable,
        question: &Question,
        dataset: &Dataset,
    ) -> Result<f64, JobError> {
        let sample = Datasets::over(Some(durable)).readable_rows(dataset.id, 0, SAMPLE).await?;
        let rows = sample.ok_or(JobError::NoDataset)?.into_iter().filter_map(|(_, row)| row);
        let texts: Vec<OwnedText> = rows.map(text_of).collect();
        let seconds = self.engine.probable_seconds(question, texts.iter());
        Ok(seconds / texts.len().max(1) as f64 * dataset.rows as f64)
    }

    /// Some jobs from behind one on, the newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(&self, after: Option<JobId>, most: u32) -> Result<JobPage, JobError> {
        let Some(durable) = self.engine.cache().durable() else {
            return Ok(JobPage { jobs: Vec::new(), next: None });
        };
        // One more than is shown tells whether there are any more.
        let mut jobs = attend(durable, durable.store().jobs(after, most.saturating_add(1))).await?;
        let are_more = jobs.len() > most as usize;
        jobs.truncate(most as usize);
        let next = jobs.last().filter(|_| are_more).map(|job| job.order.id);
        Ok(JobPage { jobs: jobs.into_iter().map(Job::from).collect(), next })
    }

    /// What is told of a job; none if there is none of this name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find(&self, id: JobId) -> Result<Option<Job>, JobError> {
        let Some(durable) = self.engine.cache().durable() else { return Ok(None) };
        Ok(attend(durable, durable.store().job(id)).await?.map(Job::from))
    }

    /// Answers of a job from a row on: as many as are wanted, or fewer where they are large. None if there is no such
    /// job. An answer that was damaged in the database is computed again.
    ///
    /// # Errors
    /// The database does not answer; [`JobError::Damaged`] if an answer cannot be computed again.
    pub async fn answers(&self, id: JobId, first: u64, most: u32) -> Result<Option<AnswerPage>, JobError> {
        let Some(durable) = self.engine.cache().durable() else { return Ok(None) };
        let portion = Portion { rows: most, bytes: PAGE_BYTES };
        let found = attend(durable, durable.store().answers(id, first, portion)).await?;
        let Some(found) = found else { return Ok(None) };
        let Some(job) = attend(durable, durable.store().job(id)).await? else { return Ok(None) };
        let mut lines = Vec::with_capacity(found.len());
        for answer in found {
            let RowAnswer { row, failed, body } = match answer {
                FoundAnswer::Whole(answer) => answer,
                FoundAnswer::Damaged { row } => self.mended(durable, &job, row).await?,
            };
            lines.push(AnswerLine { row, failed, body });
        }
        let bytes: usize = lines.iter().map(|line| line.body.len()).sum();
        let is_cut = lines.len() >= most as usize || bytes as u64 >= PAGE_BYTES;
        let last = lines.last().map(|line| line.row);
        let next = last.filter(|last| is_cut && last + 1 < job.order.rows);
        Ok(Some(AnswerPage { lines, next }))
    }

    /// The answer of a row anew, put in the place of the damaged one.
    async fn mended(&self, durable: &Durable, job: &StoredJob, row: u64) -> Result<RowAnswer, JobError> {
        tracing::warn!(job = %job.order.id, row, "an answer in the database is damaged and is computed again");
        let Asked::Here(asking) = Asking::about(self.engine, self.desk, job).await? else {
            return Err(JobError::Damaged);
        };
        let texts = asking.texts(&[row]).await?;
        let text = texts.into_iter().find_map(|(number, text)| (number == row).then_some(text)).flatten();
        let answer = asking.answer(row, text).await;
        attend(durable, durable.store().replace_answer(job.order.id, &answer)).await?;
        Ok(answer)
    }

    /// Calls a job off, or deletes it if it is over. None if there is no such job.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end(&self, id: JobId) -> Result<Option<Cancelled>, JobError> {
        let Some(durable) = self.engine.cache().durable() else { return Ok(None) };
        if attend(durable, durable.store().delete_job(id)).await? {
            durable.bell().notify_one();
            return Ok(Some(Cancelled::Deleted));
        }
        let job = attend(durable, durable.store().cancel_job(id, now())).await?;
        Ok(job.map(|job| Cancelled::CalledOff(Box::new(job.into()))))
    }

    fn durable(&self) -> Result<&'a Durable, JobError> {
        self.engine.cache().durable().ok_or(JobError::NoDatabase)
    }
}

impl From<StoredJob> for Job {
    fn from(job: StoredJob) -> Self {
        Job {
            progress: Progress::of(&job),
            id: job.order.id,
            endpoint: job.order.endpoint,
            request: job.order.request,
            model: (job.order.model, job.order.fingerprint),
            dataset: job.order.dataset,
            state: job.state,
            is_begun: job.started_at.is_some(),
            estimated_seconds: job.order.estimated_seconds,
            created_at: job.order.created_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if self.is_used {
            return;
        }
        let (store, key) = (self.durable.store().clone(), std::mem::take(&mut self.key));
        let reserved_at = self.reserved_at;
        // Outside of a runtime the process ends; the key is free after a while.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = store.free_key(&key, reserved_at).await {
                    tracing::debug!(%error, "an idempotency key stays reserved for a while");
                }
            });
        }
    }
}

/// Does something with the database, with the patience of whoever cannot do without it.
async fn attend<T>(
    durable: &Durable,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Unavailable> {
    durable.attend(PATIENCE, work).await
}
