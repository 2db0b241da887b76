//! `POST /v1/concepts/import`: a concept from another server.

use axum::extract::{Request, State};
use axum::response::Response;

use super::ConceptView;
use crate::concept::exchange::{Exported, ExportedView};
use crate::concept::{Concepts, Fault};
use crate::engine::Visit;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{ConceptProblems, parsed};
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::state::{AppState, Open};

const EXAMPLE: &str = "{\"format\": 1, \"name\": \"…\", \"model\": {…}, \"summary\": {…}, \"body\": {…}}";

/// Takes in a concept from another server.
///
/// A document as `GET /v1/concepts/{name}/export` gives it, of a model that is served here, to the last weight. Under a
/// name that is there already, it is the next version. The same document is found again: 200 instead of 201.
#[utoipa::path(
    post,
    path = "/v1/concepts/import",
    operation_id = "import_concept",
    tag = "concepts",
    params(TimeoutHeader),
    request_body(content = ExportedView, description = "The document", example = json!(parsed(include_str!("../../../../openapi/examples/concept-export.json")))),
    responses(
        (status = 200, description = "The same was there already", body = ConceptView,
            example = json!(parsed(include_str!("../../../../openapi/examples/concept.json")))),
        (status = 201, description = "The concept is there", body = ConceptView,
            headers(("Location" = String, description = "Where the concept is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/concept.json")))),
        ConceptProblems
    )
)]
pub async fn import(
    State(state): State<AppState>,
    Open(engine): Open,
    _visit: Visit,
    request: Request,
) -> Result<Response, Problem> {
    let bytes = json_body::received(request, &state).await?;
    let exported: Exported = json_body::parsed(&bytes, EXAMPLE)?;
    let fingerprint = &exported.model.fingerprint;
    let model = engine.models().iter().find(|model| model.fingerprint() == fingerprint);
    let model = model.ok_or_else(|| {
        let fault = Fault::OfAnotherModel {
            concept: exported.name.chars().take(120).collect(),
            model: exported.model.id.chars().take(120).collect(),
            learnt_from: fingerprint.chars().take(64).collect(),
        };
        Problem::of_concept_at(fault, "/model/fingerprint")
    })?;
    exported.check(model.config().hidden_size, model.config().layers)?;
    let id = exported.id();
    let (concept, is_new) = Concepts::of(&engine).keep(exported, id).await?;
    super::kept(&engine, concept, is_new).await
}
