//! Rows on their way into the database.

use std::mem::take;

use tokio::runtime::Handle;

use super::collection::{Dataset, DatasetError, attend};
use super::reader::Numbered;
use super::reference::reference;
use super::{Fault, Format, Reader, Tally};
use crate::cache::durable::Durable;
use crate::cache::now;
use crate::store::datasets::{StoredDataset, UploadId};

/// Rows that are written in one transaction.
const ROWS_AT_ONCE: usize = 500;

/// No further row goes into a transaction that has so many bytes.
const BYTES_AT_ONCE: usize = 1 << 20;

/// Bytes that are made into rows before these are written: so few rows wait at a time.
const PIECE: usize = 64 << 10;

/// Rows that are taken in. Nobody sees them before they are a dataset; if this is dropped before, they go.
pub struct Upload<'a> {
    durable: &'a Durable,
    id: UploadId,
    reader: Reader,
    tally: Tally,
    /// Rows that are yet to be written, in their canonical form.
    waiting: Vec<Vec<u8>>,
    waiting_bytes: usize,
    written: u64,
    /// Whether the rows belong to a dataset, or are left to be swept away.
    is_over: bool,
}

/// Why rows were not taken in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UploadError {
    /// Something is wrong with them.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Something is wrong with the database.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// They came so slowly that they were taken for cut off.
    #[error("the rows came too slowly")]
    GivenUp,
}

impl<'a> Upload<'a> {
    pub(super) async fn begin(durable: &'a Durable, format: Format) -> Result<Self, DatasetError> {
        Ok(Upload {
            durable,
            id: attend(durable, durable.store().begin_upload(now())).await?,
            reader: Reader::new(format),
            tally: Tally::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            written: 0,
            is_over: false,
        })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The first fault in the rows, or that they could not be written. Nothing more can be taken then.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        for piece in bytes.chunks(PIECE) {
            let mut rows = Vec::new();
            self.reader.push(piece, &mut rows)?;
            self.add(&rows).await?;
        }
        Ok(())
    }

    /// How many rows were taken so far: those whose ends were among the bytes.
    pub fn rows(&self) -> u64 {
        self.tally.rows()
    }

    /// Makes a dataset of all rows. True if there was none of these rows before; otherwise that one takes the
    /// name, if there is one.
    ///
    /// # Errors
    /// A fault in the last row, no rows at all, or the database does not answer: then there is no dataset.
    pub async fn finish(mut self, name: Option<String>) -> Result<(Dataset, bool), UploadError> {
        let mut rows = Vec::new();
        self.reader.end(&mut rows)?;
        self.add(&rows).await?;
        let tally = take(&mut self.tally);
        let (rows, bytes) = (tally.rows(), tally.bytes());
        let (id, summary) = tally.finish()?;
        if let Some(reference) = reference().filter(|reference| reference.dataset.id == id) {
            return Ok((reference.dataset.clone(), false));
        }
        self.write().await?;
        let summary = serde_json::to_vec(&summary).unwrap_or_default();
        let dataset = StoredDataset { id, name, created_at: now(), rows, bytes, summary };
        let completed = attend(self.durable, self.durable.store().complete(self.id, &dataset)).await?;
        let completed = completed.ok_or(UploadError::GivenUp)?;
        self.is_over = true;
        if !completed.is_new {
            self.durable.bell().notify_one();
        }
        Ok((Dataset::read(completed.dataset)?, completed.is_new))
    }

    async fn add(&mut self, rows: &[Numbered]) -> Result<(), UploadError> {
        for row in rows {
            let row = self.tally.add(row)?;
            self.waiting_bytes += row.len();
            self.waiting.push(row);
            if self.waiting.len() >= ROWS_AT_ONCE || self.waiting_bytes >= BYTES_AT_ONCE {
                self.write().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), UploadError> {
        let rows = take(&mut self.waiting);
        self.waiting_bytes = 0;
        let adding = self.durable.store().add_rows(self.id, self.written, &rows, now());
        if !attend(self.durable, adding).await? {
            return Err(UploadError::GivenUp);
        }
        self.written += rows.len() as u64;
        Ok(())
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (store, bell, id) = (self.durable.store().clone(), self.durable.bell(), self.id);
        // Outside of a runtime the process ends; the next one sweeps.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if store.give_up(id).await.is_ok() {
                    bell.notify_one();
                }
            });
        }
    }
}
