//! `POST /v1/predict`: what does the model say?

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::engine::{Answer, Engine, PredictPlan, Question, Visit, WindowsRequest};
use crate::server::answers::Asking;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{Examples, TextResponses};
use crate::server::document::{Batch, TextOrPair};
use crate::server::input::Input;
use crate::server::json_body::{JsonBody, options};
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::request_id::RequestId;
use crate::server::routes::interventions::{self, InterventionBody};
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictMap, StrictValue};

/// A question what. Either `text` or `texts` is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictBody {
    /// The text, or the first of a pair; not blank.
    #[schema(example = "A gripping film, though it drags a little.", min_length = 1)]
    text: Option<String>,
    /// The second text of a pair, for models that take pairs.
    #[schema(example = json!(null), min_length = 1)]
    text_pair: Option<String>,
    /// A batch instead of `text`.
    #[schema(value_type = Option<Vec<TextOrPair>>, min_items = 1, max_items = 256, example = json!(["A gripping film.", {"text": "It drags."}]))]
    texts: Option<Vec<StrictValue>>,
    /// The model's id; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// Whether to classify the beginning of a text that is longer than the model takes; otherwise such a
    /// text is an error. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
    /// Windows over a text of any length; `{}` for the usual ones. Not for pairs, not together with `truncate`. None by
    /// default.
    #[schema(value_type = Option<WindowsRequest>)]
    windows: Option<StrictMap>,
    /// Changes to the network that is asked, one after the other: the answer is about the altered network, and says so. None
    /// by default.
    #[schema(value_type = Option<Vec<InterventionBody>>, min_items = 1, max_items = 16, example = json!([{"concept": "acting"}]))]
    interventions: Option<Vec<StrictValue>>,
    /// Whether only to check everything and tell what the answer would take. False by default.
    #[schema(example = false)]
    dry_run: Option<bool>,
}

impl PredictBody {
    /// What is asked, whatever the texts.
    ///
    /// # Errors
    /// The first field that is not valid; the database that keeps concepts does not answer.
    pub async fn question(self, engine: &Engine) -> Result<Question, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let windows = options("/windows", self.windows)?;
        let altered = interventions::of_question(engine, &model, self.interventions).await?;
        let truncate = self.truncate.unwrap_or_default();
        Ok(Question::Predict(PredictPlan::new(model, truncate, windows, altered)?))
    }
}

/// What is shown in the API's description.
pub struct PredictExamples;

impl Examples for PredictExamples {
    type Answer = Answer;
    type Batch = Batch;
    const DESCRIPTION: &'static str = "The prediction; for a batch, one for each text";
    const ONE: &'static str = include_str!("../../../openapi/examples/predict.json");
    const MANY: &'static str = include_str!("../../../openapi/examples/predict-batch.json");
    const DRY_RUN: &'static str = include_str!("../../../openapi/examples/predict-dry-run.json");
}

type PredictResponses = TextResponses<PredictExamples>;

/// Tells what the model says of a text.
///
/// One text, a pair, or a batch: the answer of `/v1/explain` without explanations.
#[utoipa::path(
    post,
    path = "/v1/predict",
    operation_id = "predict",
    tag = "texts",
    params(TimeoutHeader),
    request_body(content = PredictBody, description = "The question", examples(
        ("one" = (summary = "One text", value = json!({"text": "A gripping film."}))),
        ("many" = (summary = "A batch", value = json!({"texts": ["A gripping film.", ""]}))),
        ("interventions" = (summary = "As if a concept were absent", value = json!({"text": "A gripping film.", "interventions": [{"concept": "acting"}, {"concept": "boredom", "action": "push", "strength": 2.0}]}))),
        ("dry-run" = (summary = "What it would take", value = json!({"texts": ["A gripping film.", ""], "dry_run": true})))
    )),
    responses(PredictResponses)
)]
pub async fn predict(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    JsonBody(mut body): JsonBody<PredictBody>,
) -> Result<Response, Problem> {
    let (text, text_pair, texts) = (body.text.take(), body.text_pair.take(), body.texts.take());
    let is_dry_run = body.dry_run.unwrap_or_default();
    let question = body.question(&engine).await?;
    let input = Input::new(text, text_pair, texts)?;
    let asking = Asking { engine, visit, accepts, drawings: state.drawings, id };
    match is_dry_run {
        true => asking.foresee(question, input).await,
        false => asking.answer(question, input).await,
    }
}
