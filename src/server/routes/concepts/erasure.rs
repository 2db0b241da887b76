//! `POST /v1/concepts/{name}/erasure`: what is left of a concept, and of the task, when the concept is taken out?

use std::time::Instant;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::lesson::within;
use super::rows::few;
use crate::concept::Concepts;
use crate::concept::erasing::{Erasing, ErasureView, METHODS, methods_of};
use crate::engine::Visit;
use crate::explain::concept::erasure::Erasure;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{ConceptProblems, parsed};
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::state::{AppState, Open};
use crate::server::{answers, json_body};

const EXAMPLE: &str = "{\"methods\": [\"leace\"]}, or {} for the defaults";

/// How a concept is to be taken out. Nothing is needed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureBody {
    /// The model's id, which must be the one that the concept is of; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// How it is taken out, each way once; by default in all ways that the concept was learnt with.
    #[schema(value_type = Option<Vec<Erasure>>, min_items = 1, max_items = 3, example = json!(["nullspace", "inlp", "leace"]))]
    methods: Option<Vec<Value>>,
    /// The `id` of the dataset whose rows are predicted with and without the concept, of up to 1,000 rows; the bundled one
    /// by default.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    dataset: Option<String>,
    /// Folds of the cross-validation behind the accuracy of a fresh learner; 5 by default.
    #[schema(example = 5, minimum = 2, maximum = 20)]
    folds: Option<usize>,
    /// Shuffles of the labels behind the null accuracy; 19 by default.
    #[schema(example = 19, minimum = 19, maximum = 999)]
    permutations: Option<usize>,
    /// What folds, shuffles and resamples are drawn by; 0 by default.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
    /// Whether to look at the beginning of a text of the dataset that is longer than the model takes; otherwise such a
    /// text counts as failed. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
}

/// Takes a concept out of the model.
///
/// At its own layer, out of every row of the hidden state, in each way: how well a fresh learner still finds the concept,
/// and what of the predictions is left. Drawn with `Accept: image/svg+xml`.
#[utoipa::path(
    post,
    path = "/v1/concepts/{name}/erasure",
    operation_id = "erase_concept",
    tag = "concepts",
    params(
        ("name" = String, Path, description = "The name of a concept, or `name@version`; the newest version by default", pattern = "^[a-z0-9][a-z0-9._-]*(@[0-9]+)?$", example = json!("acting")),
        TimeoutHeader
    ),
    request_body(content = ErasureBody, description = "How it is to be taken out", examples(
        ("defaults" = (summary = "In all ways, with the texts of the bundled dataset", value = json!({}))),
        ("one" = (summary = "In one way, with more shuffles", value = json!({"methods": ["leace"], "permutations": 99})))
    )),
    responses(
        (status = 200, description = "What is left", content(
            (ErasureView = "application/json", example = json!(parsed(include_str!("../../../../openapi/examples/erasure.json")))),
            (String = "image/svg+xml", example = json!("<svg xmlns=\"http://www.w3.org/2000/svg\">…</svg>"))
        )),
        ConceptProblems
    )
)]
pub async fn erase(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let bytes = json_body::received(request, &state).await?;
    let body: ErasureBody = json_body::parsed(&bytes, EXAMPLE)?;
    let model = engine.model(body.model.as_deref())?;
    let named = body.methods.map(|named| named.iter().enumerate().map(method).collect()).transpose()?;
    let folds = within("folds", body.folds, 2, 20)?.unwrap_or(5);
    let permutations = within("permutations", body.permutations, 19, 999)?.unwrap_or(19);
    let (concept, known) = Concepts::of(&engine).of_model(&super::reference(name), &model).await?;
    let erasing = Erasing {
        methods: methods_of(&known, named)?,
        dataset: few(&engine, body.dataset.as_deref(), "/dataset").await?,
        model,
        concept,
        known,
        folds,
        permutations,
        seed: body.seed.unwrap_or_default(),
        truncate: body.truncate.unwrap_or_default(),
    };
    let told = erasing.told(&engine, &visit).await?;
    answers::composed(told, &accepts, &state.drawings, &visit, started).await
}

/// The method of a name that stands at this place of the list.
fn method((place, name): (usize, &Value)) -> Result<Erasure, Problem> {
    let found = METHODS.into_iter().find(|method| name.as_str() == Some(method.name()));
    found.ok_or_else(|| {
        let names = METHODS.map(Erasure::name).join(", ");
        Problem::invalid(format!("/methods/{place}"), format!("is {name}"), format!("name any of {names}"))
    })
}
