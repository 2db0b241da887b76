//! Datasets in a database.
//!
//! Rows come in over many short transactions, under the name of their upload. Nobody sees them until one last
//! transaction makes a dataset of them; rows that no dataset shows, for whatever reason, are swept away.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Milliseconds, StoreError};
use crate::identity::DatasetId;

/// Rows that are on their way to become a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadId(pub Uuid);

impl UploadId {
    /// A new one.
    pub(super) fn unique() -> Self {
        UploadId(Uuid::now_v7())
    }
}

/// A dataset without its rows, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDataset {
    /// Its identity.
    pub id: DatasetId,
    /// What people call it.
    pub name: Option<String>,
    /// When it was first uploaded.
    pub created_at: Milliseconds,
    /// How many rows it has.
    pub rows: u64,
    /// Bytes of its rows.
    pub bytes: u64,
    /// What is told of its rows: JSON.
    pub summary: Vec<u8>,
}

impl StoredDataset {
    /// Where it stands in the list.
    pub fn place(&self) -> Place {
        Place { created_at: self.created_at, id: self.id }
    }
}

/// A place in the list of datasets, which begins with the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When the dataset there was first uploaded.
    pub created_at: Milliseconds,
    /// Tells those apart that came at the same time.
    pub id: DatasetId,
}

/// What became of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The dataset as it is now: older than the upload, if its rows were there before.
    pub dataset: StoredDataset,
    /// Whether its rows were not there before.
    pub is_new: bool,
}

/// A row of a dataset, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// Its place in the dataset, from 0.
    pub number: u64,
    /// Its canonical form: JSON. None if what is kept is no longer what was once written.
    pub body: Option<Vec<u8>>,
}

/// What became of the wish that a dataset should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Deleted,
    /// It was not there.
    Missing,
    /// It stays: a job that is not over is about it.
    InUse,
}

/// How much is read at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// Rows, at most.
    pub rows: u32,
    /// No further row is read once so many bytes were.
    pub bytes: u64,
}

/// A database of datasets.
#[async_trait]
pub trait DatasetStore: Send + Sync {
    /// Begins an upload.
    ///
    /// # Errors
    /// The database does not answer.
    async fn begin_upload(&self, now: Milliseconds) -> Result<UploadId, StoreError>;

    /// Adds rows, numbered from `first` on. False if the upload is no longer there: it was silent for too
    /// long.
    ///
    /// # Errors
    /// Nothing was added.
    async fn add_rows(
        &self,
        upload: UploadId,
        first: u64,
        rows: &[Vec<u8>],
        now: Milliseconds,
    ) -> Result<bool, StoreError>;

    /// Makes a dataset of an upload. If it is there already, it takes the new name, if there is one, and the
    /// upload is given up. None if the upload is no longer there.
    ///
    /// # Errors
    /// Nothing has changed.
    async fn complete(
        &self,
        upload: UploadId,
        dataset: &StoredDataset,
    ) -> Result<Option<Completed>, StoreError>;

    /// Leaves the rows of an upload to be swept away.
    ///
    /// # Errors
    /// The database does not answer; they are swept away when they have been silent for long.
    async fn give_up(&self, upload: UploadId) -> Result<(), StoreError>;

    /// Datasets, the newest first, from the one behind `after` on.
    ///
    /// # Errors
    /// The database does not answer.
    async fn datasets(&self, after: Option<Place>, most: u32) -> Result<Vec<StoredDataset>, StoreError>;

    /// One dataset.
    ///
    /// # Errors
    /// The database does not answer.
    async fn dataset(&self, id: DatasetId) -> Result<Option<StoredDataset>, StoreError>;

    /// Rows of a dataset in their order, from number `first` on: one at least, if there are any. None if there is no such
    /// dataset.
    ///
    /// # Errors
    /// The database does not answer.
    async fn dataset_rows(
        &self,
        id: DatasetId,
        first: u64,
        portion: Portion,
    ) -> Result<Option<Vec<StoredRow>>, StoreError>;

    /// Removes a dataset, unless a job that is not over is about it; its rows are left to be swept away.
    ///
    /// # Errors
    /// Nothing was removed.
    async fn delete_dataset(&self, id: DatasetId) -> Result<Deletion, StoreError>;

    /// Removes some of the rows that no dataset shows: of uploads that were given up, that belonged to deleted
    /// datasets, or that were not touched since. False if there was nothing to remove.
    ///
    /// # Errors
    /// The database does not answer.
    async fn sweep(&self, not_touched_since: Milliseconds) -> Result<bool, StoreError>;
}

/// A number as SQL has it: those of rows and bytes end far below its largest.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that is never negative, from SQL.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
