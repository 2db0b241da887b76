//! `POST /v1/attention`: what did the model look at?

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::engine::{
    Answer, AttentionPlan, AttentionRequest, Engine, Extra, GroupOptions, Question, RouteOptions,
    SpecialTokenRows, Visit,
};
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
use crate::server::strict_value::{StrictMap, StrictValue, optional_name};

/// A question where the model looked. Either `text` or `texts` is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttentionBody {
    /// The text, or the first of a pair; not blank.
    #[schema(example = "A gripping film.", min_length = 1)]
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
    /// The layers to show, from 0, each once; all by default.
    #[schema(min_items = 1, example = json!([5]))]
    layers: Option<Vec<usize>>,
    /// The heads to show, from 0, each once; all by default.
    #[schema(min_items = 1, example = json!([0, 3]))]
    heads: Option<Vec<usize>>,
    /// How many weights of each row to show: the largest ones, in the field `top` instead of `weights`; all by
    /// default. Up to the tokens that rows have.
    #[schema(minimum = 1, example = 3)]
    top_k: Option<usize>,
    /// Decimal digits of weights, rollout and norms; all there are by default.
    #[schema(minimum = 1, maximum = 7, example = 4)]
    precision: Option<usize>,
    /// What is shown of special tokens in rows and columns of weights, rollout and norms; `include` by default.
    #[serde(default, deserialize_with = "optional_name")]
    special_tokens: Option<SpecialTokenRows>,
    /// What to add to the maps, each at most once: `norms` (how much each token's values give to each other token),
    /// `routes` (the strongest ways through all layers), `groups` (heads that attend alike). Nothing by default.
    #[schema(value_type = Option<Vec<Extra>>, max_items = 3, example = json!(["norms", "routes", "groups"]))]
    include: Option<Vec<String>>,
    /// Which routes to include.
    #[schema(value_type = Option<RouteOptions>)]
    routes: Option<StrictMap>,
    /// How groups are told apart.
    #[schema(value_type = Option<GroupOptions>)]
    groups: Option<StrictMap>,
    /// Whether to look at the beginning of a text that is longer than the model takes; otherwise such a
    /// text is an error. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
    /// Changes to the network that is asked, one after the other: the answer is about the altered network, and says so. None
    /// by default.
    #[schema(value_type = Option<Vec<InterventionBody>>, min_items = 1, max_items = 16, example = json!([{"concept": "acting"}]))]
    interventions: Option<Vec<StrictValue>>,
    /// Whether only to check everything and tell what the answer would take. False by default.
    #[schema(example = false)]
    dry_run: Option<bool>,
}

impl AttentionBody {
    /// What is asked, whatever the texts.
    ///
    /// # Errors
    /// The first field that is not valid; the database that keeps concepts does not answer.
    pub async fn question(self, engine: &Engine) -> Result<Question, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let altered = interventions::of_question(engine, &model, self.interventions).await?;
        let request = AttentionRequest {
            layers: self.layers,
            heads: self.heads,
            top_k: self.top_k,
            precision: self.precision,
            special_tokens: self.special_tokens.unwrap_or_default(),
            include: self.include.unwrap_or_default(),
            routes: options("/routes", self.routes)?,
            groups: options("/groups", self.groups)?,
            truncate: self.truncate.unwrap_or_default(),
            altered,
        };
        Ok(Question::Attention(AttentionPlan::new(model, request)?))
    }
}

/// What is shown in the API's description.
pub struct AttentionExamples;

impl Examples for AttentionExamples {
    type Answer = Answer;
    type Batch = Batch;
    const HAS_TENSORS: bool = true;
    const DESCRIPTION: &'static str = "The prediction with attention maps; for a batch, one for each text";
    const ONE: &'static str = include_str!("../../../openapi/examples/attention.json");
    const MANY: &'static str = include_str!("../../../openapi/examples/attention-batch.json");
    const DRY_RUN: &'static str = include_str!("../../../openapi/examples/attention-dry-run.json");
}

type AttentionResponses = TextResponses<AttentionExamples>;

/// Shows what the model looks at in a text.
///
/// Attention maps with what can be counted of them, and the rollout over all layers. With
/// `Accept: image/svg+xml` the heads are drawn side by side; with `application/vnd.safetensors` the numbers
/// come as tensors.
#[utoipa::path(
    post,
    path = "/v1/attention",
    operation_id = "attention",
    tag = "texts",
    params(TimeoutHeader),
    request_body(content = AttentionBody, description = "The question", examples(
        ("one" = (summary = "One text, one head", value = json!({"text": "A gripping film.", "layers": [5], "heads": [0]}))),
        ("largest" = (summary = "The largest weights of words alone, and what else there is to know", value = json!({"text": "A gripping film.", "layers": [5], "top_k": 2, "precision": 4, "special_tokens": "exclude", "include": ["routes", "groups"], "routes": {"k": 3}, "groups": {"threshold": 0.2}}))),
        ("many" = (summary = "A batch", value = json!({"texts": ["Good.", ""], "layers": [5], "heads": [0]}))),
        ("interventions" = (summary = "As if a concept were absent", value = json!({"text": "A gripping film.", "layers": [5], "heads": [0], "interventions": [{"concept": "acting"}]}))),
        ("dry-run" = (summary = "What it would take", value = json!({"text": "A gripping film.", "dry_run": true})))
    )),
    responses(AttentionResponses)
)]
pub async fn attention(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    JsonBody(mut body): JsonBody<AttentionBody>,
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
