//! The rows of a dataset whose states are needed: few are asked for while somebody waits, for many a job is ordered with
//! the first request and found with the next.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, json};

use crate::concept::{MOST_ROWS, Rows};
use crate::engine::{Engine, StatesRequest};
use crate::identity::DatasetId;
use crate::model::Model;
use crate::server::desk::{Endpoint, HttpDesk};
use crate::server::problem::Problem;
use crate::server::routes::jobs::order::{self, Asked};
use crate::server::routes::summaries::{finished, wish};

/// Rows that can be gone through now, or the answer that tells of the job about them.
pub(super) enum Ready {
    /// Now.
    Rows(Rows),
    /// When the job is finished: 202.
    Later(Response),
}

/// The rows of the dataset of an id that stands at `pointer`; the bundled one if none is named.
///
/// # Errors
/// It is no id, there is no such dataset, or it has more rows than a job may have.
pub(super) async fn rows(
    engine: &Arc<Engine>,
    model: &Model,
    dataset: Option<&str>,
    pointer: &str,
    request: &StatesRequest,
) -> Result<Ready, Problem> {
    let (id, count) = named(engine, dataset, pointer).await?;
    let mut rows = Rows { dataset: id, pointer: pointer.to_owned(), job: None };
    if count <= MOST_ROWS {
        return Ok(Ready::Rows(rows));
    }
    let StatesRequest { layers, pooling, gradients, truncate } = request;
    let asked = [
        ("model", json!(model.id())),
        ("layers", json!(layers)),
        ("pooling", json!(pooling)),
        ("gradients", json!(gradients)),
        ("truncate", json!(truncate)),
    ];
    let asked: Map<_, _> = asked.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let job =
        wish::job(engine, &id.to_string(), Asked::plain(engine, Endpoint::States, asked).await?).await?;
    if !job.state.is_over() {
        return Ok(Ready::Later(order::answer(job, StatusCode::ACCEPTED)));
    }
    let job = finished(job, pointer)?;
    rows.job = Some((job.id, Arc::new(HttpDesk)));
    Ok(Ready::Rows(rows))
}

/// The dataset of an id that stands at `pointer`, of so few rows that they can be gone through while somebody waits; the
/// bundled one if none is named.
///
/// # Errors
/// It is no id, there is no such dataset, or it has too many rows.
pub(super) async fn few(engine: &Engine, dataset: Option<&str>, pointer: &str) -> Result<DatasetId, Problem> {
    match named(engine, dataset, pointer).await? {
        (id, 0..=MOST_ROWS) => Ok(id),
        (_, count) => {
            let detail = format!("the dataset has {count} rows; {MOST_ROWS} are taken here");
            Err(Problem::invalid(pointer, detail, "name a smaller dataset: a sample of this one"))
        }
    }
}

/// The dataset of an id, and how many rows it has.
async fn named(engine: &Engine, dataset: Option<&str>, pointer: &str) -> Result<(DatasetId, u64), Problem> {
    let remedy = "send the `id` of a dataset, 64 lower-case hexadecimal digits";
    let id = match dataset {
        Some(id) => DatasetId::parse(id)
            .ok_or_else(|| Problem::invalid(pointer, "this is no id of a dataset", remedy))?,
        None => crate::dataset::reference_id().ok_or_else(Problem::internal)?,
    };
    let found = engine.datasets().find(id).await?;
    let unknown = || {
        Problem::invalid(pointer, "no dataset has this id", "GET /v1/datasets lists the datasets there are")
    };
    Ok((id, found.ok_or_else(unknown)?.rows))
}
