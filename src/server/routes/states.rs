//! `POST /v1/states`: what is inside the model for a text?

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::engine::{Answer, Engine, Question, StatesPlan, StatesRequest, Visit};
use crate::explain::concept::Pooling;
use crate::server::answers::Asking;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{Examples, TextResponses};
use crate::server::document::{Batch, TextOrPair};
use crate::server::input::Input;
use crate::server::json_body::JsonBody;
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::request_id::RequestId;
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictValue, optional_name};

/// A question what is inside. Either `text` or `texts` is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatesBody {
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
    /// The hidden states, each once: 0 is the embeddings' output, l the output of the l-th layer. All by default.
    #[schema(min_items = 1, example = json!([6]))]
    layers: Option<Vec<usize>>,
    /// Which rows of them; `mean` by default.
    #[serde(default, deserialize_with = "optional_name")]
    pooling: Option<Pooling>,
    /// Whether to add the derivative of each label's logit there. False by default.
    #[schema(example = false)]
    gradients: Option<bool>,
    /// Whether to look at the beginning of a text that is longer than the model takes; otherwise such a text is an
    /// error. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
    /// Whether only to check everything and tell what the answer would take. False by default.
    #[schema(example = false)]
    dry_run: Option<bool>,
}

impl StatesBody {
    /// What is asked, whatever the texts.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn question(self, engine: &Engine) -> Result<Question, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let request = StatesRequest {
            layers: self.layers,
            pooling: self.pooling.unwrap_or_default(),
            gradients: self.gradients.unwrap_or_default(),
            truncate: self.truncate.unwrap_or_default(),
        };
        Ok(Question::Inquiry(Box::new(StatesPlan::new(model, request)?)))
    }
}

/// What is shown in the API's description.
pub struct StatesExamples;

impl Examples for StatesExamples {
    type Answer = Answer;
    type Batch = Batch;
    const DESCRIPTION: &'static str = "The prediction with hidden states; for a batch, one for each text";
    const ONE: &'static str = include_str!("../../../openapi/examples/states.json");
    const MANY: &'static str = include_str!("../../../openapi/examples/states-batch.json");
    const DRY_RUN: &'static str = include_str!("../../../openapi/examples/states-dry-run.json");
}

type StatesResponses = TextResponses<StatesExamples>;

/// Gives the hidden states of a text.
///
/// Those of the first token, their mean over all tokens, or every token's, at the embeddings and behind each layer, and on
/// demand the derivatives of the logits there: what concepts are learnt from, and probes of your own can be.
#[utoipa::path(
    post,
    path = "/v1/states",
    operation_id = "states",
    tag = "texts",
    params(TimeoutHeader),
    request_body(content = StatesBody, description = "The question", examples(
        ("one" = (summary = "One text, one layer", value = json!({"text": "A gripping film.", "layers": [6]}))),
        ("gradients" = (summary = "With derivatives", value = json!({"text": "A gripping film.", "layers": [6], "pooling": "cls", "gradients": true}))),
        ("many" = (summary = "A batch", value = json!({"texts": ["Good.", ""], "layers": [6]}))),
        ("dry-run" = (summary = "What it would take", value = json!({"text": "A gripping film.", "dry_run": true})))
    )),
    responses(StatesResponses)
)]
pub async fn states(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    JsonBody(mut body): JsonBody<StatesBody>,
) -> Result<Response, Problem> {
    let (text, text_pair, texts) = (body.text.take(), body.text_pair.take(), body.texts.take());
    let is_dry_run = body.dry_run.unwrap_or_default();
    let question = body.question(&engine)?;
    let input = Input::new(text, text_pair, texts)?;
    let asking = Asking { engine, visit, accepts, drawings: state.drawings, id };
    match is_dry_run {
        true => asking.foresee(question, input).await,
        false => asking.answer(question, input).await,
    }
}
