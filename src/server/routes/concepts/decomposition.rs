//! `POST /v1/concepts/{name}/decomposition`: what is a concept made of?

use std::time::Instant;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::lesson::within;
use super::rows::{Ready, rows};
use crate::concept::Concepts;
use crate::concept::decomposing::{Decomposing, DecompositionView, check_layer, states_of_rows};
use crate::engine::Visit;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{ConceptProblems, parsed};
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::routes::jobs::JobView;
use crate::server::state::{AppState, Open};
use crate::server::{answers, json_body};

const EXAMPLE: &str = "{\"terms\": 10}, or {} for the defaults";

/// How a concept is to be taken apart. Nothing is needed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecompositionBody {
    /// The model's id, which must be the one that the concept is of; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// The hidden state at which it is taken apart, where the concept has a direction; its own by default.
    #[schema(example = 4, minimum = 0)]
    layer: Option<usize>,
    /// Entries of the curve, at most; 10 by default.
    #[schema(example = 10, minimum = 1, maximum = 50)]
    terms: Option<usize>,
    /// The `id` of the dataset among whose texts the nearest and farthest are looked for; the bundled one by default. For
    /// one of more than 1,000 rows, a job is ordered with the first request and found with the next.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    dataset: Option<String>,
    /// Nearest and farthest texts, at most, of each; 10 by default.
    #[schema(example = 10, minimum = 1, maximum = 100)]
    most: Option<usize>,
    /// Whether to look at the beginning of a text of the dataset that is longer than the model takes; otherwise such a
    /// text counts as failed. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
}

/// Takes a concept apart.
///
/// Its direction as a sum over the states of its examples, how well few of them do, and the texts of a dataset that lie
/// farthest along it and against it. Drawn with `Accept: image/svg+xml`. For a dataset of more than 1,000 rows, the answer
/// is the job that asks for their states until it is finished: 202.
#[utoipa::path(
    post,
    path = "/v1/concepts/{name}/decomposition",
    operation_id = "decompose_concept",
    tag = "concepts",
    params(
        ("name" = String, Path, description = "The name of a concept, or `name@version`; the newest version by default", pattern = "^[a-z0-9][a-z0-9._-]*(@[0-9]+)?$", example = json!("acting")),
        TimeoutHeader
    ),
    request_body(content = DecompositionBody, description = "How it is to be taken apart", examples(
        ("defaults" = (summary = "At its own layer, with the texts of the bundled dataset", value = json!({}))),
        ("layer" = (summary = "At another layer, with less told", value = json!({"layer": 2, "terms": 5, "most": 3})))
    )),
    responses(
        (status = 200, description = "What it is made of", content(
            (DecompositionView = "application/json", example = json!(parsed(include_str!("../../../../openapi/examples/decomposition.json")))),
            (String = "image/svg+xml", example = json!("<svg xmlns=\"http://www.w3.org/2000/svg\">…</svg>"))
        )),
        (status = 202, description = "The job about the dataset is not finished: ask the same again when it is", body = JobView,
            headers(("Location" = String, description = "Where the job is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/job-ordered.json")))),
        ConceptProblems
    )
)]
pub async fn decompose(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let bytes = json_body::received(request, &state).await?;
    let body: DecompositionBody = json_body::parsed(&bytes, EXAMPLE)?;
    let model = engine.model(body.model.as_deref())?;
    let terms = within("terms", body.terms, 1, 50)?.unwrap_or(10);
    let most = within("most", body.most, 1, 100)?.unwrap_or(10);
    let truncate = body.truncate.unwrap_or_default();
    let (concept, _) = Concepts::of(&engine).of_model(&super::reference(name), &model).await?;
    let layer = body.layer.unwrap_or(concept.summary.layer);
    check_layer(&concept, layer)?;
    let wanted = states_of_rows(concept.summary.pooling, layer, truncate);
    let rows = match rows(&engine, &model, body.dataset.as_deref(), "/dataset", &wanted).await? {
        Ready::Rows(rows) => rows,
        Ready::Later(response) => return Ok(response),
    };
    let decomposing = Decomposing { model, concept, layer, rows, terms, most, truncate };
    let told = decomposing.told(&engine, &visit).await?;
    answers::composed(told, &accepts, &state.drawings, &visit, started).await
}
