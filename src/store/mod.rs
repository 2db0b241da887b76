//! What outlives the process: results and responses in a database.

pub mod sqlite;

use crate::identity::{Recipe, ResponseId, ResultKey};

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
    /// Results that were removed.
    pub results: Vec<ResultKey>,
    /// Responses that were removed.
    pub responses: Vec<ResponseId>,
}

/// Why the database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is no longer the one that was opened; only a restart takes up another one.
    #[error("its file was removed or replaced; restart the server to use what is there now")]
    Replaced,
    /// The database's own words.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl StoreError {
    /// Whether there was merely no connection free: a sign of load, not of a fault.
    pub fn is_busy(&self) -> bool {
        matches!(self, StoreError::Database(sqlx::Error::PoolTimedOut))
    }
}

/// A database that cannot be used: for whoever starts the server.
#[derive(Debug, thiserror::Error)]
#[error("the database {path} {problem}; {remedy}")]
pub struct OpenError {
    /// Its file.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}
