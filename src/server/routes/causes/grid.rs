//! `POST /v1/interventions/grid`: what would the model say without each word?

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::engine::answer::{GridAction, GridView};
use crate::engine::causes::grid::{GridPlan, GridRequest};
use crate::engine::{Engine, Question, Target, Visit};
use crate::explain::Output;
use crate::server::answers::Asking;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{Examples, TextResponses};
use crate::server::document::{BatchOf, TextOrPair};
use crate::server::input::Input;
use crate::server::json_body::JsonBody;
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::request_id::RequestId;
use crate::server::routes::concepts::edits::target_schema;
use crate::server::routes::explain::TargetField;
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictValue, optional_name, optional_names};

/// Which texts, and what is done to each word. Either `text` or `texts` is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GridBody {
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
    /// What is done to each word, each action once; both by default, or `delete` alone where the model has no mask token.
    #[serde(default, deserialize_with = "optional_names")]
    #[schema(min_items = 1, max_items = 2, example = json!(["delete", "mask"]))]
    actions: Option<Vec<GridAction>>,
    /// The class whose output is followed: `"predicted"` (default; of several labels the likeliest), a label, or an index.
    #[schema(schema_with = target_schema)]
    target: Option<TargetField>,
    /// What of it is followed; the logit by default.
    #[serde(default, deserialize_with = "optional_name")]
    output: Option<Output>,
    /// Whether only to check everything and tell what the answer would take. False by default.
    #[schema(example = false)]
    dry_run: Option<bool>,
}

impl GridBody {
    /// What is asked, whatever the texts.
    ///
    /// # Errors
    /// The first field that is not valid.
    fn question(self, engine: &Engine) -> Result<Question, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let request = GridRequest {
            actions: self.actions,
            target: self.target.map_or(Target::default(), |TargetField(target)| target),
            output: self.output.unwrap_or_default(),
        };
        Ok(Question::Inquiry(Box::new(GridPlan::new(model, request)?)))
    }
}

/// What is shown in the API's description.
pub struct GridExamples;

impl Examples for GridExamples {
    type Answer = GridView;
    type Batch = BatchOf<GridView>;
    const DESCRIPTION: &'static str =
        "What the model would say without each word; for a batch, one for each text";
    const ONE: &'static str = include_str!("../../../../openapi/examples/grid.json");
    const MANY: &'static str = include_str!("../../../../openapi/examples/grid-batch.json");
    const DRY_RUN: &'static str = include_str!("../../../../openapi/examples/grid-dry-run.json");
}

type GridResponses = TextResponses<GridExamples>;

/// Tells what the model would say without each word of a text.
///
/// Every word is deleted, and the text read anew; and every word is masked. Each cell is a forward pass; a text has 1,024 words
/// at most. Where the time is over first, the answer has the cells that are known, `complete` is false, and it has no id.
#[utoipa::path(
    post,
    path = "/v1/interventions/grid",
    operation_id = "what_if_grid",
    tag = "causes",
    params(TimeoutHeader),
    request_body(content = GridBody, description = "Which texts, and what is done to each word", examples(
        ("one" = (summary = "One text", value = json!({"text": "A gripping film, though it drags a little."}))),
        ("masked" = (summary = "Words masked alone, by the probability of a label", value = json!({"text": "A gripping film.", "actions": ["mask"], "target": "positive", "output": "probability"}))),
        ("many" = (summary = "A batch", value = json!({"texts": ["A gripping film.", ""], "actions": ["delete"]}))),
        ("dry-run" = (summary = "What it would take", value = json!({"text": "A gripping film.", "dry_run": true})))
    )),
    responses(GridResponses)
)]
pub async fn grid(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    JsonBody(mut body): JsonBody<GridBody>,
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
