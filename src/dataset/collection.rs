//! All datasets there are: those of the database, and the one that comes with the program.

use std::time::Duration;

use super::reference::{Reference, reference};
use super::{Format, Row, Summary, Upload};
use crate::cache::durable::{Durable, Unavailable};
use crate::identity::DatasetId;
use crate::store::datasets::{Deletion, Place, Portion, StoredDataset, StoredRow};
use crate::store::{Milliseconds, StoreError};

/// The longest that the database is waited for: longer than for a result, which can also be computed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rows of one page end with the one that takes them beyond so many bytes.
const PAGE_BYTES: u64 = 8 << 20;

/// The datasets of a server.
#[derive(Clone, Copy)]
pub struct Datasets<'a> {
    durable: Option<&'a Durable>,
}

/// What is told of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its identity.
    pub id: DatasetId,
    /// What people call it.
    pub name: Option<String>,
    /// When it was first uploaded.
    pub created_at: Milliseconds,
    /// How many rows it has.
    pub rows: u64,
    /// Bytes of its rows in their canonical form.
    pub bytes: u64,
    /// What is told of its rows.
    pub summary: Summary,
    /// Whom it is from and on which terms, where that must be said.
    pub source: Option<&'static str>,
    /// Whether it comes with the program.
    pub is_bundled: bool,
}

/// Some datasets, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The datasets.
    pub datasets: Vec<Dataset>,
    /// The place behind which the rest stands; none if this is all.
    pub next: Option<Place>,
}

/// Some rows of a dataset, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct RowPage {
    /// The rows with their numbers, from 0.
    pub rows: Vec<(u64, Row)>,
    /// The number behind which the rest stands; none if this is all.
    pub next: Option<u64>,
}

/// Why something cannot be done with datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// No database is configured.
    #[error("datasets are kept in a database, and this server has none")]
    NoDatabase,
    /// The database does not answer.
    #[error("the database that keeps datasets does not answer")]
    Unavailable,
    /// It comes with the program.
    #[error("this dataset comes with the program")]
    Bundled,
    /// A job that is not over is about it.
    #[error("a job that is not over is about this dataset")]
    InUse,
    /// What is kept is not what was once written.
    #[error("a stored dataset is damaged")]
    Damaged,
}

impl From<Unavailable> for DatasetError {
    fn from(_: Unavailable) -> Self {
        DatasetError::Unavailable
    }
}

impl<'a> Datasets<'a> {
    /// Those of a database, if there is one.
    pub fn over(durable: Option<&'a Durable>) -> Self {
        Datasets { durable }
    }

    /// Some datasets from behind a place on: the bundled one first, then the newest.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(&self, after: Option<Place>, most: u32) -> Result<Page, DatasetError> {
        let bundled = reference().map(|reference| &reference.dataset);
        let (mut datasets, after) = match after {
            None => (bundled.cloned().into_iter().collect(), None),
            Some(place) if bundled.is_some_and(|bundled| bundled.id == place.id) => (Vec::new(), None),
            place => (Vec::new(), place),
        };
        let room = (most as usize).saturating_sub(datasets.len());
        // One more than is shown tells whether there are any more.
        let stored = match self.durable {
            None => Vec::new(),
            Some(durable) => {
                let one_more = u32::try_from(room + 1).unwrap_or(u32::MAX);
                attend(durable, durable.store().datasets(after, one_more)).await?
            }
        };
        let are_more = stored.len() > room;
        for dataset in stored.into_iter().take(room) {
            datasets.push(Dataset::read(dataset)?);
        }
        let next = datasets.last().filter(|_| are_more).map(Dataset::place);
        Ok(Page { datasets, next })
    }

    /// What is told of a dataset; none if there is none of this id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find(&self, id: DatasetId) -> Result<Option<Dataset>, DatasetError> {
        if let Some(Reference { dataset, .. }) = bundled(id) {
            return Ok(Some(dataset.clone()));
        }
        let Some(durable) = self.durable else { return Ok(None) };
        let stored = attend(durable, durable.store().dataset(id)).await?;
        stored.map(Dataset::read).transpose()
    }

    /// Rows of a dataset from a number on: as many as are wanted, or fewer where they are large. None if there
    /// is no such dataset.
    ///
    /// # Errors
    /// The database does not answer, or one of the rows is damaged.
    pub async fn rows(&self, id: DatasetId, first: u64, most: u32) -> Result<Option<RowPage>, DatasetError> {
        let Some(dataset) = self.find(id).await? else { return Ok(None) };
        let Some(read) = self.readable_rows(id, first, most).await? else { return Ok(None) };
        let whole = |(number, row): (u64, Option<Row>)| Ok((number, row.ok_or(DatasetError::Damaged)?));
        let rows: Vec<(u64, Row)> = read.into_iter().map(whole).collect::<Result<_, DatasetError>>()?;
        let last = rows.last().map(|(number, _)| *number);
        Ok(Some(RowPage { rows, next: last.filter(|last| last + 1 < dataset.rows) }))
    }

    /// The same for whoever goes on without those that are damaged: none stands in their places.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn readable_rows(
        &self,
        id: DatasetId,
        first: u64,
        most: u32,
    ) -> Result<Option<Vec<(u64, Option<Row>)>>, DatasetError> {
        let portion = Portion { rows: most, bytes: PAGE_BYTES };
        let stored = match (bundled(id), self.durable) {
            (Some(reference), _) => Some(portion_of(&reference.rows, first, portion)),
            (None, None) => None,
            (None, Some(durable)) => {
                attend(durable, durable.store().dataset_rows(id, first, portion)).await?
            }
        };
        let read = |StoredRow { number, body }| {
            (number, body.and_then(|body: Vec<u8>| serde_json::from_slice(&body).ok()))
        };
        Ok(stored.map(|stored| stored.into_iter().map(read).collect()))
    }

    /// Removes a dataset; false if there is none of this id.
    ///
    /// # Errors
    /// It comes with the program, a job is about it, or the database does not answer.
    pub async fn delete(&self, id: DatasetId) -> Result<bool, DatasetError> {
        if bundled(id).is_some() {
            return Err(DatasetError::Bundled);
        }
        let Some(durable) = self.durable else { return Ok(false) };
        match attend(durable, durable.store().delete_dataset(id)).await? {
            Deletion::Deleted => {
                durable.bell().notify_one();
                Ok(true)
            }
            Deletion::Missing => Ok(false),
            Deletion::InUse => Err(DatasetError::InUse),
        }
    }

    /// Begins to take in rows.
    ///
    /// # Errors
    /// There is no database, or it does not answer.
    pub async fn upload(&self, format: Format) -> Result<Upload<'a>, DatasetError> {
        Upload::begin(self.durable.ok_or(DatasetError::NoDatabase)?, format).await
    }
}

impl Dataset {
    pub(super) fn read(stored: StoredDataset) -> Result<Self, DatasetError> {
        let summary = serde_json::from_slice(&stored.summary).map_err(|_| DatasetError::Damaged)?;
        Ok(Dataset {
            id: stored.id,
            name: stored.name,
            created_at: stored.created_at,
            rows: stored.rows,
            bytes: stored.bytes,
            summary,
            source: None,
            is_bundled: false,
        })
    }

    /// Where it stands in the list.
    pub fn place(&self) -> Place {
        Place { created_at: self.created_at, id: self.id }
    }
}

/// Does something with the database, with the patience of whoever cannot do without it.
pub(super) async fn attend<T>(
    durable: &Durable,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, DatasetError> {
    Ok(durable.attend(PATIENCE, work).await?)
}

fn bundled(id: DatasetId) -> Option<&'static Reference> {
    reference().filter(|reference| reference.dataset.id == id)
}

fn portion_of(rows: &[Vec<u8>], first: u64, portion: Portion) -> Vec<StoredRow> {
    let mut bytes = 0;
    let room = |body: &&Vec<u8>| {
        let before = bytes;
        bytes += body.len() as u64;
        before < portion.bytes
    };
    let from = usize::try_from(first).unwrap_or(usize::MAX).min(rows.len());
    let bodies = rows[from..].iter().take(portion.rows as usize).take_while(room);
    bodies.zip(first..).map(|(body, number)| StoredRow { number, body: Some(body.clone()) }).collect()
}
