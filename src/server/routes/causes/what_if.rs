//! `POST /v1/interventions`: what would the model say if the text, or the network, were otherwise?

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::edits::{self, WhatIfEditBody};
use crate::engine::answer::WhatIfView;
use crate::engine::causes::what_if::{WhatIfPlan, WhatIfRequest};
use crate::engine::{Engine, Question, Target, Visit};
use crate::explain::Output;
use crate::server::answers::Asking;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{ConceptProblems, Examples, TextResponses};
use crate::server::document::{BatchOf, TextOrPair};
use crate::server::input::{Input, Pointers};
use crate::server::json_body::JsonBody;
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::request_id::RequestId;
use crate::server::routes::concepts::edits::target_schema;
use crate::server::routes::explain::TargetField;
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictValue, optional_name};

/// What is changed, in which texts. Either `text` or `texts` is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatIfBody {
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
    /// The changes, 1 to 16: to the text and to the network.
    #[schema(value_type = Vec<WhatIfEditBody>, required, min_items = 1, max_items = 16, example = json!([{"action": "delete", "words": [1]}]))]
    edits: Option<Vec<StrictValue>>,
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

impl WhatIfBody {
    /// What is asked, whatever the texts.
    ///
    /// # Errors
    /// The first field that is not valid; the database that keeps concepts does not answer.
    async fn question(self, engine: &Engine) -> Result<Question, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let request = WhatIfRequest {
            edits: edits::of_question(engine, &model, self.edits).await?,
            target: self.target.map_or(Target::default(), |TargetField(target)| target),
            output: self.output.unwrap_or_default(),
        };
        let plan = WhatIfPlan::new(model, request);
        let plan = plan.map_err(|failure| Problem::of_failure(failure, &Pointers::alone()))?;
        Ok(Question::Inquiry(Box::new(plan)))
    }
}

/// What is shown in the API's description.
pub struct WhatIfExamples;

impl Examples for WhatIfExamples {
    type Answer = WhatIfView;
    type Batch = BatchOf<WhatIfView>;
    const DESCRIPTION: &'static str =
        "What the model would say under the edits; for a batch, one for each text";
    const ONE: &'static str = include_str!("../../../../openapi/examples/what-if.json");
    const MANY: &'static str = include_str!("../../../../openapi/examples/what-if-batch.json");
    const DRY_RUN: &'static str = include_str!("../../../../openapi/examples/what-if-dry-run.json");
}

type WhatIfResponses = TextResponses<WhatIfExamples>;

/// Tells what the model would say if the text or the network were otherwise.
///
/// Each edit alone, all together, one after the other, and what every two do beyond what each does alone. A text is rewritten
/// and read anew; heads, neurons, hidden states and concepts are changed inside the network. Every figure is a forward pass.
/// Where the time is over first, the answer has what is known, `complete` is false, and it has no id.
#[utoipa::path(
    post,
    path = "/v1/interventions",
    operation_id = "what_if",
    tag = "causes",
    params(TimeoutHeader),
    request_body(content = WhatIfBody, description = "What is changed, in which texts", examples(
        ("one" = (summary = "A word replaced and another deleted", value = json!({"text": "A gripping film, though it drags a little.", "edits": [{"action": "replace", "word": 1, "with": "dull"}, {"action": "delete", "words": [6]}]}))),
        ("inside" = (summary = "A head dropped, neurons halved, a state from another text", value = json!({"text": "A gripping film.", "edits": [{"action": "scale_heads", "heads": [{"layer": 0, "head": 0}]}, {"action": "scale_neurons", "layer": 1, "neurons": [0, 1, 2], "factor": 0.5}, {"action": "patch", "layer": 1, "from": "A gripping film."}], "output": "probability"}))),
        ("concepts" = (summary = "As if a concept were absent, or there were more of another", value = json!({"text": "The actors are wonderful.", "edits": [{"action": "erase", "concept": "acting"}, {"action": "push", "concept": "boredom", "strength": 2.0}], "target": "positive"}))),
        ("many" = (summary = "A batch", value = json!({"texts": ["A gripping film.", ""], "edits": [{"action": "mask", "words": [1]}]}))),
        ("dry-run" = (summary = "What it would take", value = json!({"text": "A gripping film.", "edits": [{"action": "hide", "words": [1]}], "dry_run": true})))
    )),
    responses(WhatIfResponses, ConceptProblems)
)]
pub async fn what_if(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    JsonBody(mut body): JsonBody<WhatIfBody>,
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
