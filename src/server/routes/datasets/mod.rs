//! `/v1/datasets`: rows of text to work on.

pub mod upload;
mod views;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use utoipa::IntoParams;

use crate::dataset::MOST_ROWS;
use crate::engine::Engine;
use crate::identity::DatasetId;
use crate::server::document::responses::{DatasetProblems, DeletionProblems, EngineProblems, parsed};
use crate::server::problem::Problem;
use crate::server::query::{Cursor, Paging, whole_number};
use crate::server::state::{AppState, Stage};
use crate::store::datasets::Place;
pub use views::{DatasetList, DatasetView, RowList};

/// Which datasets are wanted, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read as text; this is its description")]
pub struct ListParameters {
    /// Datasets at most; 100 by default.
    #[param(required = false, minimum = 1, maximum = 1000, example = 100)]
    limit: u32,
    /// The `next` of the page before; the first page by default.
    #[param(
        required = false,
        pattern = "^[0-9]{1,15}-[0-9a-f]{64}$",
        example = "1795478400000-b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"
    )]
    after: String,
}

/// Which rows are wanted, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read as text; this is its description")]
pub struct RowParameters {
    /// Rows at most; 100 by default.
    #[param(required = false, minimum = 1, maximum = 1000, example = 2)]
    limit: u32,
    /// The `next` of the page before: the number of its last row; the first page by default.
    #[param(required = false, minimum = 0, maximum = 999999, example = 0)]
    after: u64,
}

/// Lists the datasets.
///
/// The bundled one first, then the newest. `next` is null on the last page.
#[utoipa::path(
    get,
    path = "/v1/datasets",
    operation_id = "list_datasets",
    tag = "datasets",
    params(ListParameters),
    responses(
        (status = 200, description = "Some of the datasets", body = DatasetList,
            example = json!(parsed(include_str!("../../../../openapi/examples/datasets.json")))),
        EngineProblems
    )
)]
pub async fn list(State(state): State<AppState>, page: Paging<Place>) -> Result<Json<DatasetList>, Problem> {
    let engine = opened(&state)?;
    let page = engine.datasets().list(page.after, page.limit).await?;
    Ok(Json(page.into()))
}

/// Tells of a dataset.
///
/// How many rows it has, which labels, and what else there is in them.
#[utoipa::path(
    get,
    path = "/v1/datasets/{id}",
    operation_id = "find_dataset",
    tag = "datasets",
    params(
        ("id" = String, Path, description = "The `id` of a dataset: 64 lower-case hexadecimal digits", pattern = "^[0-9a-f]{64}$", example = json!("b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"))
    ),
    responses(
        (status = 200, description = "What is told of the dataset", body = DatasetView,
            example = json!(parsed(include_str!("../../../../openapi/examples/dataset.json")))),
        DatasetProblems
    )
)]
pub async fn find(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<DatasetView>, Problem> {
    let engine = opened(&state)?;
    let found = engine.datasets().find(known(id)?).await?;
    found.map(|dataset| Json(dataset.into())).ok_or_else(Problem::no_such_dataset)
}

/// Gives the rows of a dataset.
///
/// In their order, a page at a time. A page has fewer rows than asked for where they are large; `next` is null on
/// the last one.
#[utoipa::path(
    get,
    path = "/v1/datasets/{id}/rows",
    operation_id = "dataset_rows",
    tag = "datasets",
    params(
        ("id" = String, Path, description = "The `id` of a dataset: 64 lower-case hexadecimal digits", pattern = "^[0-9a-f]{64}$", example = json!("b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231")),
        RowParameters
    ),
    responses(
        (status = 200, description = "Some of the rows", body = RowList,
            example = json!(parsed(include_str!("../../../../openapi/examples/dataset-rows.json")))),
        DatasetProblems
    )
)]
pub async fn rows(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
    page: Paging<u64>,
) -> Result<Json<RowList>, Problem> {
    let engine = opened(&state)?;
    let first = page.after.map_or(0, |after| after.saturating_add(1));
    let page = engine.datasets().rows(known(id)?, first, page.limit).await?;
    page.map(|page| Json(page.into())).ok_or_else(Problem::no_such_dataset)
}

/// Deletes a dataset.
///
/// It is gone at once, for every server that uses the database; its rows leave the database within the next
/// seconds or minutes. The bundled dataset stays.
#[utoipa::path(
    delete,
    path = "/v1/datasets/{id}",
    operation_id = "delete_dataset",
    tag = "datasets",
    params(
        ("id" = String, Path, description = "The `id` of a dataset: 64 lower-case hexadecimal digits", pattern = "^[0-9a-f]{64}$", example = json!("b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"))
    ),
    responses((status = 204, description = "It was there, and is no longer"), DeletionProblems)
)]
pub async fn delete(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let engine = opened(&state)?;
    match engine.datasets().delete(known(id)?).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::no_such_dataset()),
    }
}

/// What is kept can be read and deleted even while the server drains.
fn opened(state: &AppState) -> Result<Arc<Engine>, Problem> {
    match state.stage() {
        Stage::Starting => Err(Problem::starting()),
        Stage::Open(engine) | Stage::Draining(engine) => Ok(engine),
    }
}

/// The id in a path. A path that is no UTF-8 is no id either.
fn known(id: Result<Path<String>, PathRejection>) -> Result<DatasetId, Problem> {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    DatasetId::parse(&id).ok_or_else(Problem::no_such_dataset)
}

impl Cursor for Place {
    const EXPECTED: &'static str = "the `next` of the page before";

    fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.split_once('-')?;
        let created_at = whole_number(created_at).filter(|_| created_at.len() <= 15)?;
        Some(Place { created_at: i64::try_from(created_at).ok()?, id: DatasetId::parse(id)? })
    }
}

impl Cursor for u64 {
    const EXPECTED: &'static str = "the `next` of the page before, the number of a row";

    fn parse(text: &str) -> Option<Self> {
        whole_number(text).filter(|number| *number < MOST_ROWS)
    }
}

#[cfg(test)]
mod tests {
    use super::views::cursor;
    use super::*;

    #[test]
    fn a_place_in_the_list_is_read_as_it_is_written() {
        let place = Place { created_at: 1_795_478_400_000, id: DatasetId([171; 32]) };
        assert_eq!(Place::parse(&cursor(place)), Some(place));
        for text in ["", "-", "1795478400000", "1795478400000-abab", "x-y"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
