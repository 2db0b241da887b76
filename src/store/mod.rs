//! What outlives the process: results, responses, datasets, jobs and concepts in a database.
//!
//! [`Store`] is what the rest of the program knows of it. [`sqlite`] is a file of one server's own; several
//! servers share a [`postgres`].

pub mod concepts;
pub mod datasets;
mod integrity;
pub mod jobs;
pub mod postgres;
pub mod queue;
pub mod sqlite;

use std::time::Duration;

use async_trait::async_trait;

use crate::identity::{Recipe, ResponseId, ResultKey};
use concepts::ConceptStore;
use datasets::DatasetStore;
use jobs::JobStore;
use queue::ChunkQueue;

/// Milliseconds since 1970.
pub type Milliseconds = i64;

/// One result as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// What was asked.
    pub key: ResultKey,
    /// When it was computed.
    pub created_at: Milliseconds,
    /// Its warnings: a JSON array.
    pub warnings: Vec<u8>,
    /// Its part of a response: JSON.
    pub body: Vec<u8>,
}

/// One response as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// Its identity.
    pub id: ResponseId,
    /// When it was first given.
    pub created_at: Milliseconds,
    /// How it is made of results.
    pub recipe: Recipe,
}

/// A database of results and responses, and of datasets, jobs and concepts beside them.
#[async_trait]
pub trait Store: DatasetStore + JobStore + ChunkQueue + ConceptStore {
    /// Where it is, for people: without passwords.
    fn place(&self) -> String;

    /// Whether other servers use it too.
    fn is_shared(&self) -> bool;

    /// The results that are there of these, none older than `not_before`.
    ///
    /// # Errors
    /// The database does not answer.
    async fn results(&self, keys: &[ResultKey], not_before: Milliseconds) -> Result<Vec<Found>, StoreError>;

    /// How a response is put together, if it was given before and no longer ago than `not_before`.
    ///
    /// # Errors
    /// The database does not answer.
    async fn response(
        &self,
        id: ResponseId,
        not_before: Milliseconds,
    ) -> Result<Option<StoredResponse>, StoreError>;

    /// Writes in one transaction; once this returns, what was written survives the process. Gives the
    /// responses that were left out because one of their results is not here (any more).
    ///
    /// # Errors
    /// Nothing was written.
    async fn write(&self, writes: &Writes, now: Milliseconds) -> Result<Vec<ResponseId>, StoreError>;

    /// Removes what is older than `not_before`, then what was not used for longest until at most
    /// `most_bytes` of results are left.
    ///
    /// # Errors
    /// The database does not answer; what was removed before stays removed.
    async fn evict(
        &self,
        most_bytes: u64,
        not_before: Milliseconds,
        now: Milliseconds,
    ) -> Result<Kept, StoreError>;

    /// Removes a response with its results, and with every other response that needs one of them. None if it
    /// was not there.
    ///
    /// # Errors
    /// Nothing was removed.
    async fn delete(&self, id: ResponseId, now: Milliseconds) -> Result<Option<Removed>, StoreError>;

    /// Bytes of all results and responses with what their rows take.
    ///
    /// # Errors
    /// The database does not answer.
    async fn bytes(&self) -> Result<u64, StoreError>;

    /// Sees whether it can be written to, and does what must be done before it can be used (again).
    ///
    /// # Errors
    /// It cannot be used.
    async fn probe(&self, now: Milliseconds) -> Result<(), StoreError>;

    /// Whether it is still the one that was opened, as far as can be told without asking it.
    ///
    /// # Errors
    /// It is another one, or none.
    fn check_identity(&self) -> Result<(), StoreError>;

    /// Takes on the computation of those of the keys that no other server is at, or goes on with it. What is
    /// taken on is this server's for so long, or until its result is written or it is let go.
    ///
    /// # Errors
    /// The database does not answer.
    async fn claim(&self, keys: &[ResultKey], lease: Duration) -> Result<Vec<ResultKey>, StoreError>;

    /// Lets go of what was taken on and will not be computed.
    ///
    /// # Errors
    /// The database does not answer; others will take it on when its time is over.
    async fn let_go(&self, keys: &[ResultKey]) -> Result<(), StoreError>;

    /// What any server has removed since this was last asked.
    ///
    /// # Errors
    /// The database does not answer.
    async fn news(&self, now: Milliseconds) -> Result<News, StoreError>;

    /// Finishes what is under way and lets go of it.
    async fn close(&self);
}

/// What was removed from a shared database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// This.
    Removed {
        /// To make room, or for its age: what is still in memory may be given.
        evicted: Removed,
        /// At someone's wish: it may not be given any more.
        deleted: Removed,
    },
    /// Nobody knows any more: nothing that is in memory can be relied on to be there.
    Unknown,
}

/// Results and responses that are no longer there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Results.
    pub results: Vec<ResultKey>,
    /// Responses.
    pub responses: Vec<ResponseId>,
}

impl Removed {
    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.results.is_empty() && self.responses.is_empty()
    }

    /// Adds what was removed besides.
    pub fn extend(&mut self, other: Removed) {
        self.results.extend(other.results);
        self.responses.extend(other.responses);
    }
}

impl News {
    /// Nothing was removed.
    pub fn none() -> Self {
        News::Removed { evicted: Removed::default(), deleted: Removed::default() }
    }
}

/// What was read under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The result, whole.
    Whole(StoredResult),
    /// A row whose content is not what was once written.
    Damaged(DamagedRow),
}

/// A row to be removed, and told from the one that may have taken its place since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRow {
    /// The digest that stands in the row.
    pub digest: Vec<u8>,
    /// What stands in the row beside it.
    pub content: StoredResult,
}

/// What is written in one transaction: all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes {
    /// Results, those that are known already included: they count as used.
    pub results: Vec<StoredResult>,
    /// Responses; each is left out unless all its results are written here or were before.
    pub responses: Vec<StoredResponse>,
    /// Results that were used.
    pub used_results: Vec<ResultKey>,
    /// Responses that were used.
    pub used_responses: Vec<ResponseId>,
    /// Rows to remove, before anything else is written.
    pub damaged: Vec<DamagedRow>,
}

impl Writes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.results.is_empty()
            && self.responses.is_empty()
            && self.used_results.is_empty()
            && self.used_responses.is_empty()
            && self.damaged.is_empty()
    }

    /// Bytes of the results.
    pub fn bytes(&self) -> usize {
        self.results.iter().map(|result| result.body.len() + result.warnings.len()).sum()
    }

    /// Adds what another one writes.
    pub fn merge(&mut self, other: Writes) {
        self.results.extend(other.results);
        self.responses.extend(other.responses);
        self.used_results.extend(other.used_results);
        self.used_responses.extend(other.used_responses);
        self.damaged.extend(other.damaged);
    }
}

/// What is kept, and what had to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Bytes that are kept.
    pub bytes: u64,
    /// What was removed.
    pub removed: Removed,
}

/// Why the database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is no longer the one that was opened; only a restart takes up another one.
    #[error("its file was removed or replaced; restart the server to use what is there now")]
    Replaced,
    /// It did not answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The database's own words.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The queue's words.
    #[error("the queue: {0}")]
    Queue(String),
}

impl StoreError {
    /// Whether there was merely no connection free: a sign of load, not of a fault.
    pub fn is_busy(&self) -> bool {
        matches!(self, StoreError::Database(sqlx::Error::PoolTimedOut))
    }
}

/// A database that cannot be used: for whoever starts the server.
#[derive(Debug, thiserror::Error)]
#[error("the database {place} {problem}; {remedy}")]
pub struct OpenError {
    /// Where it is, without passwords.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}
