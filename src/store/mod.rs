//! What outlives the process: results and responses in a database.

pub mod sqlite;

use crate::identity::Recipe;
use crate::identity::{ResponseId, ResultKey};

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
    Damaged(ResultKey),
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
    /// Results to forget.
    pub forgotten: Vec<ResultKey>,
}

impl Writes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.results.is_empty()
            && self.responses.is_empty()
            && self.used_results.is_empty()
            && self.used_responses.is_empty()
            && self.forgotten.is_empty()
    }

    /// Adds what another one writes.
    pub fn merge(&mut self, other: Writes) {
        self.results.extend(other.results);
        self.responses.extend(other.responses);
        self.used_results.extend(other.used_results);
        self.used_responses.extend(other.used_responses);
        self.forgotten.extend(other.forgotten);
    }
}

/// What is kept, and what had to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Bytes of results that are kept.
    pub bytes: u64,
    /// Results that were removed.
    pub evicted: u64,
}

/// Why the database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(#[from] sqlx::Error);

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
