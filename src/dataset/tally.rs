//! What is told of rows without showing them, counted while they come.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reader::Numbered;
use super::{Fault, MOST_LABELS, MOST_METADATA_KEYS, MOST_ROWS};
use crate::identity::{DatasetHasher, DatasetId};

/// Counts and hashes rows in their order.
pub struct Tally {
    hasher: DatasetHasher,
    rows: u64,
    bytes: u64,
    /// None once there are too many.
    labels: Option<BTreeMap<String, u64>>,
    has_pairs: bool,
    metadata: BTreeSet<String>,
}

/// What is told of the rows of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The labels, sorted; none if there are too many.
    pub labels: Option<Vec<LabelCount>>,
    /// Whether any row has a second text.
    pub has_pairs: bool,
    /// The keys of metadata, sorted.
    pub metadata: Vec<String>,
}

/// How many rows have a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelCount {
    /// The label.
    #[schema(example = "positive")]
    pub label: String,
    /// Rows that have it.
    #[schema(example = 346)]
    pub rows: u64,
}

impl Tally {
    /// Of no rows so far.
    pub fn new() -> Self {
        Tally {
            hasher: DatasetHasher::new(),
            rows: 0,
            bytes: 0,
            labels: Some(BTreeMap::new()),
            has_pairs: false,
            metadata: BTreeSet::new(),
        }
    }

    /// Adds a row; gives its canonical form.
    ///
    /// # Errors
    /// There are too many rows, or too many keys of metadata.
    pub fn add(&mut self, Numbered { line, row }: &Numbered) -> Result<Vec<u8>, Fault> {
        if self.rows == MOST_ROWS {
            let detail = format!("there are more than {MOST_ROWS} rows");
            return Err(Fault::of_line(*line, detail, "send the rows as several datasets"));
        }
        for key in row.metadata.keys().filter(|key| !self.metadata.contains(*key)).collect::<Vec<_>>() {
            if self.metadata.len() == MOST_METADATA_KEYS {
                let detail = format!("the rows so far have more than {MOST_METADATA_KEYS} different keys");
                let remedy = "use the same few keys in all rows";
                return Err(Fault::of_field(*line, "metadata", detail, remedy));
            }
            self.metadata.insert(key.clone());
        }
        if let (Some(labels), Some(label)) = (&mut self.labels, &row.label) {
            *labels.entry(label.clone()).or_default() += 1;
            if labels.len() > MOST_LABELS {
                self.labels = None;
            }
        }
        self.has_pairs |= row.text_pair.is_some();
        let canonical = row.canonical();
        self.hasher.add(&canonical);
        self.rows += 1;
        self.bytes += canonical.len() as u64;
        Ok(canonical)
    }

    /// How many rows there are so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The id of the rows, and what is told of them.
    ///
    /// # Errors
    /// There are none.
    pub fn finish(self) -> Result<(DatasetId, Summary), Fault> {
        if self.rows == 0 {
            return Err(Fault::of_line(1, "there are no rows", "send at least one row with a text"));
        }
        let counted = |labels: BTreeMap<String, u64>| {
            labels.into_iter().map(|(label, rows)| LabelCount { label, rows }).collect()
        };
        let summary = Summary {
            labels: self.labels.map(counted),
            has_pairs: self.has_pairs,
            metadata: self.metadata.into_iter().collect(),
        };
        Ok((self.hasher.finish(), summary))
    }
}

impl Default for Tally {
    fn default() -> Self {
        Tally::new()
    }
}
