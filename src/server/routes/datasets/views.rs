//! The shapes of what is told of datasets.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::dataset::{Dataset, LabelCount, Page, Row, RowPage, Scalar};
use crate::server::timestamp::rfc_3339;
use crate::store::datasets::Place;

/// Some datasets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetList {
    /// The datasets: the bundled one first, then the newest.
    #[schema(example = json!([]))]
    datasets: Vec<DatasetView>,
    /// The `after` of the next page; null if this is the last one.
    #[schema(required, example = json!(null))]
    next: Option<String>,
}

/// What is told of a dataset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetView {
    /// A hash of its rows: the same rows have the same id, whoever sends them and in whichever format.
    #[schema(
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    id: String,
    /// What people call it: the name of the last upload that gave one; null if none did.
    #[schema(required, example = "movie-review-sentences")]
    name: Option<String>,
    /// When it was first uploaded.
    #[schema(format = "date-time", example = "2026-11-24T00:00:00Z")]
    created_at: String,
    /// How many rows it has.
    #[schema(example = 691, minimum = 1, maximum = 1000000)]
    rows: u64,
    /// Bytes of its rows, in the form in which they are hashed.
    #[schema(example = 117686)]
    bytes: u64,
    /// How many rows have each label, sorted by label; null if there are more than 100.
    #[schema(required, example = json!([{"label": "negative", "rows": 329}, {"label": "positive", "rows": 362}]))]
    labels: Option<Vec<LabelCount>>,
    /// Whether any row has a second text.
    #[schema(example = false)]
    has_pairs: bool,
    /// The keys of its metadata, sorted.
    #[schema(example = json!(["year"]))]
    metadata: Vec<String>,
    /// Whom it is from and on which terms; null for what was uploaded.
    #[schema(required, example = json!(null))]
    source: Option<&'static str>,
    /// Whether it comes with the program; if so, it cannot be deleted or renamed.
    #[schema(example = false)]
    bundled: bool,
}

/// Some rows of a dataset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RowList {
    /// The rows, in their order.
    #[schema(example = json!([]))]
    rows: Vec<RowView>,
    /// The `after` of the next page: the number of the last row of this one; null if there are no more.
    #[schema(required, example = 1)]
    next: Option<u64>,
}

/// One row of a dataset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RowView {
    /// Its number, from 0.
    #[schema(example = 0)]
    row: u64,
    /// The text, or the first of a pair.
    #[schema(example = "A gripping film.")]
    text: String,
    /// The second text of a pair; null if there is none.
    #[schema(required, example = json!(null))]
    text_pair: Option<String>,
    /// Its label; null if it has none.
    #[schema(required, example = "positive")]
    label: Option<String>,
    /// Whatever else was sent with it, by name: strings, numbers, true and false.
    #[schema(value_type = BTreeMap<String, serde_json::Value>, example = json!({"year": 2005}))]
    metadata: BTreeMap<String, Scalar>,
}

impl From<Dataset> for DatasetView {
    fn from(dataset: Dataset) -> Self {
        DatasetView {
            id: dataset.id.to_string(),
            name: dataset.name,
            created_at: rfc_3339(dataset.created_at),
            rows: dataset.rows,
            bytes: dataset.bytes,
            labels: dataset.summary.labels,
            has_pairs: dataset.summary.has_pairs,
            metadata: dataset.summary.metadata,
            source: dataset.source,
            bundled: dataset.is_bundled,
        }
    }
}

impl From<Page> for DatasetList {
    fn from(page: Page) -> Self {
        let datasets = page.datasets.into_iter().map(DatasetView::from).collect();
        DatasetList { datasets, next: page.next.map(cursor) }
    }
}

impl From<RowPage> for RowList {
    fn from(page: RowPage) -> Self {
        let view = |(row, Row { text, text_pair, label, metadata })| RowView {
            row,
            text,
            text_pair,
            label,
            metadata,
        };
        RowList { rows: page.rows.into_iter().map(view).collect(), next: page.next }
    }
}

/// A place in the list, as clients send it back.
pub fn cursor(place: Place) -> String {
    format!("{}-{}", place.created_at, place.id)
}
