//! Datasets: rows of text to work on, each with an optional second text, a label and metadata.
//!
//! Bytes come in as they arrive, in one of the [formats](Format); a [`Reader`] makes rows of them, a [`Tally`] counts
//! and hashes them, an [`Upload`] brings them to the database in portions, so that memory stays small however large
//! a dataset is. [`Datasets`] are those of the database, and the one of the program itself.

mod collection;
mod fault;
mod format;
mod json_lines;
mod reader;
mod reference;
mod row;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod upload;

pub use collection::{Dataset, DatasetError, Datasets, Page, RowPage};
pub use fault::Fault;
pub use format::Format;
pub use reader::{Numbered, Reader};
pub use row::{Row, Scalar};
pub use tally::{LabelCount, Summary, Tally};
pub use upload::{Upload, UploadError};

/// The id of the dataset that comes with the program; none if it cannot be read, which a test rules out.
pub fn reference_id() -> Option<crate::identity::DatasetId> {
    reference::reference().map(|reference| reference.dataset.id)
}

/// Most rows of a dataset.
pub const MOST_ROWS: u64 = 1_000_000;

/// Most bytes of a row as it is sent.
pub const MOST_ROW_BYTES: usize = 1 << 20;

/// Most characters of a label, of a metadata key, and of a dataset's name.
pub const MOST_NAME_CHARACTERS: usize = 200;

/// Most metadata keys of a dataset.
pub const MOST_METADATA_KEYS: usize = 100;

/// Most labels that are counted.
pub const MOST_LABELS: usize = 100;
