//! `POST /v1/concepts/{name}/scores`: how much of a concept is there in a text?

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::concept::Concepts;
use crate::engine::concepts::scores::ScoresPlan;
use crate::engine::{Answer, Question, Visit};
use crate::server::answers::Asking;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{ConceptProblems, Examples, TextResponses};
use crate::server::document::{Batch, TextOrPair};
use crate::server::input::Input;
use crate::server::json_body::JsonBody;
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::request_id::RequestId;
use crate::server::state::{AppState, Open};
use crate::server::strict_value::StrictValue;

/// In which texts. Either `text` or `texts` is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoresBody {
    /// The text, or the first of a pair; not blank.
    #[schema(example = "A gripping film.", min_length = 1)]
    text: Option<String>,
    /// The second text of a pair, for models that take pairs.
    #[schema(example = json!(null), min_length = 1)]
    text_pair: Option<String>,
    /// A batch instead of `text`.
    #[schema(value_type = Option<Vec<TextOrPair>>, min_items = 1, max_items = 256, example = json!(["A gripping film.", {"text": "It drags."}]))]
    texts: Option<Vec<StrictValue>>,
    /// The model's id, which must be the one that the concept is of; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// Whether to look at the beginning of a text that is longer than the model takes; otherwise such a text is an
    /// error. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
    /// Whether only to check everything and tell what the answer would take. False by default.
    #[schema(example = false)]
    dry_run: Option<bool>,
}

/// What is shown in the API's description.
pub struct ScoresExamples;

impl Examples for ScoresExamples {
    type Answer = Answer;
    type Batch = Batch;
    const DESCRIPTION: &'static str =
        "The prediction with scores of the concept; for a batch, one for each text";
    const ONE: &'static str = include_str!("../../../../openapi/examples/concept-scores.json");
    const MANY: &'static str = include_str!("../../../../openapi/examples/concept-scores-batch.json");
    const DRY_RUN: &'static str = include_str!("../../../../openapi/examples/concept-scores-dry-run.json");
}

type ScoresResponses = TextResponses<ScoresExamples>;

/// Finds a concept in a text.
///
/// Its score in the text, in each token and word, and at each layer; and how the logit of each label moves when there is
/// more of it. Drawn with `Accept: image/svg+xml`.
#[utoipa::path(
    post,
    path = "/v1/concepts/{name}/scores",
    operation_id = "score_concept",
    tag = "concepts",
    params(
        ("name" = String, Path, description = "The name of a concept, or `name@version`; the newest version by default", pattern = "^[a-z0-9][a-z0-9._-]*(@[0-9]+)?$", example = json!("acting")),
        TimeoutHeader
    ),
    request_body(content = ScoresBody, description = "The texts", examples(
        ("one" = (summary = "One text", value = json!({"text": "The actors are wonderful."}))),
        ("many" = (summary = "A batch", value = json!({"texts": ["The actors are wonderful.", ""]}))),
        ("dry-run" = (summary = "What it would take", value = json!({"text": "The actors are wonderful.", "dry_run": true})))
    )),
    responses(ScoresResponses, ConceptProblems)
)]
pub async fn scores(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    name: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody<ScoresBody>,
) -> Result<Response, Problem> {
    let model = engine.model(body.model.as_deref())?;
    let concept = Concepts::of(&engine).known(&super::reference(name), &model).await?;
    let plan = ScoresPlan::new(model, vec![concept], body.truncate.unwrap_or_default());
    let question = Question::Inquiry(Box::new(plan));
    let input = Input::new(body.text, body.text_pair, body.texts)?;
    let asking = Asking { engine, visit, accepts, drawings: state.drawings, id };
    match body.dry_run.unwrap_or_default() {
        true => asking.foresee(question, input).await,
        false => asking.answer(question, input).await,
    }
}
