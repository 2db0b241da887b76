//! `/v1/explanations/{id}`: an answer again, a year later; or never again.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use headers::HeaderMapExt;
use utoipa::IntoParams;

use crate::engine::Visit;
use crate::identity::ResponseId;
use crate::server::answers;
use crate::server::document::responses::{ForgetResponses, RecallResponses};
use crate::server::problem::Problem;
use crate::server::representation::{Accepts, Representation};
use crate::server::state::{AppState, Stage};

/// The header, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read by the crate `headers`; this is its description")]
pub struct EntityTags {
    /// Entity tags that the client has.
    #[param(
        rename = "If-None-Match",
        required = false,
        example = "\"b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231\""
    )]
    tags: String,
}

/// Gives an answer again.
///
/// Any answer to a single text, or to one of a batch, by its `id`: the same bytes as long as it is kept.
/// With `Accept: text/html` or `image/svg+xml`, it is drawn; with `application/vnd.safetensors`, the attention of an
/// answer that has it comes as tensors.
#[utoipa::path(
    get,
    path = "/v1/explanations/{id}",
    operation_id = "recall",
    tag = "texts",
    params(
        ("id" = String, Path, description = "The `id` of an answer: 64 lower-case hexadecimal digits", pattern = "^[0-9a-f]{64}$", example = json!("b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231")),
        EntityTags
    ),
    responses(RecallResponses)
)]
pub async fn recall(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
    accepts: Accepts,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // What was answered before is told even while the server drains: it costs next to nothing.
    let engine = match state.stage() {
        Stage::Starting => return Err(Problem::starting()),
        Stage::Open(engine) | Stage::Draining(engine) => engine,
    };
    let known = parsed(id)?;
    let visit = Visit::of(state.limits.deadline);
    let told = engine.recall(&visit, known).await.map_err(|failure| Problem::of_fault(&failure))?;
    let told = told.ok_or_else(Problem::not_kept)?;
    let form = accepts.choose(Representation::of(told.shape))?;
    answers::again(told, form, headers.typed_get(), &state.drawings, &visit).await
}

/// Deletes an answer.
///
/// With it goes all that it was made of, and every other answer to the same text that was made of that: nothing
/// of it is kept, in the database or in the memory of any server that uses it (others hear of it within
/// seconds). Asked the same again, the server computes the same answer again.
#[utoipa::path(
    delete,
    path = "/v1/explanations/{id}",
    operation_id = "forget",
    tag = "texts",
    params(
        ("id" = String, Path, description = "The `id` of an answer: 64 lower-case hexadecimal digits", pattern = "^[0-9a-f]{64}$", example = json!("b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"))
    ),
    responses(ForgetResponses)
)]
pub async fn forget(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let engine = match state.stage() {
        Stage::Starting => return Err(Problem::starting()),
        Stage::Open(engine) | Stage::Draining(engine) => engine,
    };
    let known = parsed(id)?;
    match engine.forget(known).await.map_err(|failure| Problem::of_fault(&failure))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_kept()),
    }
}

/// The id in a path. A path that is no UTF-8 is no id either.
fn parsed(id: Result<Path<String>, PathRejection>) -> Result<ResponseId, Problem> {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    ResponseId::parse(&id).ok_or_else(|| Problem::no_id(&id))
}
