//! `/v1/concepts`: what people speak of, as directions in the model's states.

pub mod decomposition;
pub mod discoveries;
pub mod edits;
pub mod erasure;
pub mod import;
pub mod lesson;
mod rows;
pub mod scores;
pub mod tcav;
mod views;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

use crate::concept::exchange::{Exported, ExportedView};
use crate::concept::{Concept, Concepts, Fault};
use crate::engine::Engine;
use crate::identity::ConceptId;
use crate::render;
use crate::server::document::responses::{EngineProblems, FoundConceptProblems, parsed};
use crate::server::problem::Problem;
use crate::server::query::{Cursor, Paging, whole_number};
use crate::server::representation::{Accepts, Representation};
use crate::server::state::{AppState, Stage};
use crate::store::concepts::ConceptPlace;
pub use views::{ConceptList, ConceptView};

/// Which concepts are wanted, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read as text; this is its description")]
pub struct ListParameters {
    /// Concepts at most; 100 by default.
    #[param(required = false, minimum = 1, maximum = 1000, example = 100)]
    limit: u32,
    /// The `next` of the page before; the first page by default.
    #[param(
        required = false,
        pattern = "^[0-9]{1,15}-[0-9a-f]{64}$",
        example = "1795564800000-b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"
    )]
    after: String,
}

/// Lists the concepts.
///
/// Those of the program first, then the newest, every version of every name. `next` is null on the last page.
#[utoipa::path(
    get,
    path = "/v1/concepts",
    operation_id = "list_concepts",
    tag = "concepts",
    params(ListParameters),
    responses(
        (status = 200, description = "Some of the concepts", body = ConceptList,
            example = json!(parsed(include_str!("../../../../openapi/examples/concepts.json")))),
        EngineProblems
    )
)]
pub async fn list(
    State(state): State<AppState>,
    page: Paging<ConceptPlace>,
) -> Result<Json<ConceptList>, Problem> {
    let engine = opened(&state)?;
    let page = Concepts::of(&engine).list(page.after, page.limit).await?;
    Ok(Json(page.into()))
}

/// Tells of a concept.
///
/// How far it is there, what it hangs on, and which other concepts it is like. With `Accept: image/svg+xml`, it is drawn.
#[utoipa::path(
    get,
    path = "/v1/concepts/{name}",
    operation_id = "find_concept",
    tag = "concepts",
    params(
        ("name" = String, Path, description = "The name of a concept, or `name@version`; the newest version by default", pattern = "^[a-z0-9][a-z0-9._-]*(@[0-9]+)?$", example = json!("acting"))
    ),
    responses(
        (status = 200, description = "What is told of the concept", content(
            (ConceptView = "application/json", example = json!(parsed(include_str!("../../../../openapi/examples/concept.json")))),
            (String = "image/svg+xml", example = json!("<svg xmlns=\"http://www.w3.org/2000/svg\">…</svg>"))
        )),
        FoundConceptProblems
    )
)]
pub async fn find(
    State(state): State<AppState>,
    name: Result<Path<String>, PathRejection>,
    accepts: Accepts,
) -> Result<Response, Problem> {
    let engine = opened(&state)?;
    let form = accepts.choose(&[Representation::Json, Representation::Svg])?;
    let concept = found(&engine, &reference(name)).await?;
    told(&engine, concept, form).await
}

/// What is told of a concept and of those that it is like, in one form.
async fn told(engine: &Arc<Engine>, concept: Concept, form: Representation) -> Result<Response, Problem> {
    let similar = Concepts::of(engine).similar(&concept).await?;
    let vary = [(header::VARY, "accept")];
    if form == Representation::Svg {
        let picture = render::svg::concept(&concept, &similar);
        let headers = [
            (header::CONTENT_TYPE, Representation::Svg.content_type()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        ];
        return Ok((vary, headers, picture).into_response());
    }
    Ok((vary, Json(ConceptView::new(concept, Some(similar)))).into_response())
}

/// Gives a concept as a document.
///
/// With its examples, directions and erasers: `POST /v1/concepts/import` takes it on another server with the same model.
#[utoipa::path(
    get,
    path = "/v1/concepts/{name}/export",
    operation_id = "export_concept",
    tag = "concepts",
    params(
        ("name" = String, Path, description = "The name of a concept, or `name@version`; the newest version by default", pattern = "^[a-z0-9][a-z0-9._-]*(@[0-9]+)?$", example = json!("acting"))
    ),
    responses(
        (status = 200, description = "The concept as a document", body = ExportedView,
            example = json!(parsed(include_str!("../../../../openapi/examples/concept-export.json")))),
        FoundConceptProblems
    )
)]
pub async fn export(
    State(state): State<AppState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Exported>, Problem> {
    let engine = opened(&state)?;
    let concept = found(&engine, &reference(name)).await?;
    let damaged = || Problem::from(Fault::Damaged(concept.name.clone()));
    Exported::of(&concept).map(Json).ok_or_else(damaged)
}

/// Deletes a concept.
///
/// All versions of a name, or the one of `name@version`. What was answered with its help is kept.
#[utoipa::path(
    delete,
    path = "/v1/concepts/{name}",
    operation_id = "delete_concept",
    tag = "concepts",
    params(
        ("name" = String, Path, description = "The name of a concept, with all its versions, or `name@version`", pattern = "^[a-z0-9][a-z0-9._-]*(@[0-9]+)?$", example = json!("acting"))
    ),
    responses((status = 204, description = "It was there, and is no longer"), FoundConceptProblems)
)]
pub async fn delete(
    State(state): State<AppState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let engine = opened(&state)?;
    let reference = reference(name);
    let unknown = || Problem::no_such_concept(&reference);
    let (name, version) = parts(&reference).ok_or_else(unknown)?;
    match Concepts::of(&engine).delete(name, version).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown()),
    }
}

/// What is kept can be read and deleted even while the server drains.
fn opened(state: &AppState) -> Result<Arc<Engine>, Problem> {
    match state.stage() {
        Stage::Starting => Err(Problem::starting()),
        Stage::Open(engine) | Stage::Draining(engine) => Ok(engine),
    }
}

/// The concept in a path. A path that is no UTF-8 names none.
fn reference(name: Result<Path<String>, PathRejection>) -> String {
    name.map(|Path(name)| name).unwrap_or_default()
}

/// Name and version of a reference; none for what is no reference.
fn parts(reference: &str) -> Option<(&str, Option<u32>)> {
    match reference.split_once('@') {
        None => Some((reference, None)),
        Some((name, version)) => {
            let version = whole_number(version).and_then(|version| u32::try_from(version).ok())?;
            Some((name, Some(version)))
        }
    }
}

async fn found(engine: &Arc<Engine>, reference: &str) -> Result<Concept, Problem> {
    let unknown = || Problem::no_such_concept(reference);
    let (name, version) = parts(reference).ok_or_else(unknown)?;
    Concepts::of(engine).find(name, version).await?.ok_or_else(unknown)
}

/// A concept that was kept just now, or before.
async fn kept(engine: &Arc<Engine>, concept: Concept, is_new: bool) -> Result<Response, Problem> {
    let location = format!("/v1/concepts/{}", concept.reference());
    let mut response = told(engine, concept, Representation::Json).await?;
    if is_new && let Ok(location) = HeaderValue::from_str(&location) {
        *response.status_mut() = StatusCode::CREATED;
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

impl Cursor for ConceptPlace {
    const EXPECTED: &'static str = "the `next` of the page before";

    fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.split_once('-')?;
        let created_at = whole_number(created_at).filter(|_| created_at.len() <= 15)?;
        Some(ConceptPlace { created_at: i64::try_from(created_at).ok()?, id: ConceptId::parse(id)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_is_read_as_it_is_written() {
        let place = ConceptPlace { created_at: 1_795_564_800_000, id: ConceptId([171; 32]) };
        assert_eq!(ConceptPlace::parse(&views::cursor(place)), Some(place));
        for text in ["", "-", "1795564800000", "1795564800000-abab", "x-y"] {
            assert_eq!(ConceptPlace::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_reference_is_a_name_and_perhaps_a_version() {
        assert_eq!(parts("acting"), Some(("acting", None)));
        assert_eq!(parts("acting@12"), Some(("acting", Some(12))));
        for reference in ["acting@", "acting@x", "acting@-1", "acting@+1", "acting@99999999999", "acting@1@2"]
        {
            assert_eq!(parts(reference), None, "{reference}");
        }
    }
}
