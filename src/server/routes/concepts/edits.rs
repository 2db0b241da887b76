//! `POST /v1/concepts/edits`: what would the model say with more or less of a concept?

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::concept::Concepts;
use crate::concept::interventions::MOST_STRENGTH;
use crate::engine::concepts::edits::{Edit, EditsPlan, EditsRequest};
use crate::engine::{Answer, Engine, Question, Target, Visit};
use crate::explain::registry;
use crate::model::Model;
use crate::server::answers::Asking;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{ConceptProblems, Examples, TextResponses};
use crate::server::document::{Batch, TextOrPair};
use crate::server::input::Input;
use crate::server::json_body::{self, JsonBody};
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::request_id::RequestId;
use crate::server::routes::explain::TargetField;
use crate::server::state::{AppState, Open};
use crate::server::strict_value::StrictValue;

/// Most concepts that are edited at a time.
const MOST_CONCEPTS: usize = 8;

/// Fewest strengths of a sweep, and most.
const STRENGTHS: (usize, usize) = (2, 101);

/// What is edited, how strongly, and in which texts. Either `text` or `texts` is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditsBody {
    /// The text, or the first of a pair; not blank.
    #[schema(example = "A gripping film.", min_length = 1)]
    text: Option<String>,
    /// The second text of a pair, for models that take pairs.
    #[schema(example = json!(null), min_length = 1)]
    text_pair: Option<String>,
    /// A batch instead of `text`.
    #[schema(value_type = Option<Vec<TextOrPair>>, min_items = 1, max_items = 256, example = json!(["A gripping film.", {"text": "It drags."}]))]
    texts: Option<Vec<StrictValue>>,
    /// The model's id, which must be the one that the concepts are of; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// What is edited, all at once.
    #[schema(value_type = Vec<EditBody>, required, min_items = 1, max_items = 8, example = json!([{"concept": "acting"}]))]
    concepts: Option<Vec<StrictValue>>,
    /// The strengths of the sweep, ascending: standard deviations of usual texts, −100 to 100. From −4 to 4 by 1 by default.
    #[schema(min_items = 2, max_items = 101, example = json!([-4.0, -2.0, 0.0, 2.0, 4.0]))]
    strengths: Option<Vec<f64>>,
    /// The class whose output is followed: `"predicted"` (default; of several labels the likeliest), a label, or an index.
    #[schema(schema_with = target_schema)]
    target: Option<TargetField>,
    /// The method whose word scores are compared before and behind the edit, with its usual options;
    /// `"integrated_gradients"` by default, null for none.
    #[serde(default = "usual_attribution")]
    #[schema(example = "integrated_gradients")]
    attribution: Option<String>,
    /// Whether to look at the beginning of a text that is longer than the model takes; otherwise such a text is an
    /// error. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
    /// Whether only to check everything and tell what the answer would take. False by default.
    #[schema(example = false)]
    dry_run: Option<bool>,
    /// For methods that sample; 0 by default.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
}

/// A concept to be edited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditBody {
    /// The concept: its name for the newest version, or `name@version`.
    #[schema(value_type = String, required, example = "acting", pattern = "^[a-z0-9][a-z0-9._-]*(@[0-9]+)?$")]
    concept: Option<String>,
    /// How much of the strength it gets, −100 to 100 and not 0; 1 by default. Below 0, there is less of it where there is
    /// more of the others.
    #[schema(example = 1.0, minimum = -100, maximum = 100)]
    weight: Option<f64>,
    /// The hidden state that is edited; the concept's own by default.
    #[schema(example = 4)]
    layer: Option<usize>,
}

fn usual_attribution() -> Option<String> {
    Some(registry::DEFAULT_METHOD.to_owned())
}

/// The class that is followed, for the API's description.
pub(in crate::server) fn target_schema() -> RefOr<Schema> {
    let name = ObjectBuilder::new().schema_type(Type::String);
    let index = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let one_of = OneOfBuilder::new()
        .item(name)
        .item(index)
        .item(null)
        .description(Some(
            "The class whose output is followed: `\"predicted\"` (default; of several labels the likeliest), a label, or \
             an index.",
        ))
        .examples([serde_json::json!("predicted"), serde_json::json!(1)]);
    one_of.into()
}

impl EditsBody {
    /// What is asked, whatever the texts.
    ///
    /// # Errors
    /// The first field that is not valid; the database that keeps concepts does not answer.
    async fn question(self, engine: &Engine) -> Result<Question, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let request = EditsRequest {
            concepts: concepts(engine, &model, self.concepts).await?,
            strengths: strengths(self.strengths)?,
            target: self.target.map_or(Target::default(), |TargetField(target)| target),
            attribution: self.attribution,
            truncate: self.truncate.unwrap_or_default(),
            seed: self.seed.unwrap_or_default(),
        };
        Ok(Question::Inquiry(Box::new(EditsPlan::new(model, request)?)))
    }
}

async fn concepts(
    engine: &Engine,
    model: &Arc<Model>,
    sent: Option<Vec<StrictValue>>,
) -> Result<Vec<Edit>, Problem> {
    let remedy = format!("send 1 to {MOST_CONCEPTS} concepts: [{{\"concept\": \"acting\"}}]");
    let sent = sent.ok_or_else(|| Problem::invalid("/concepts", "is missing", &remedy))?;
    if !(1..=MOST_CONCEPTS).contains(&sent.len()) {
        let detail = format!("the list has {} items", sent.len());
        return Err(Problem::invalid("/concepts", detail, remedy));
    }
    let mut edits = Vec::with_capacity(sent.len());
    for (place, StrictValue(item)) in sent.into_iter().enumerate() {
        edits.push(edit(engine, model, &format!("/concepts/{place}"), item).await?);
    }
    Ok(edits)
}

async fn edit(engine: &Engine, model: &Model, pointer: &str, item: Value) -> Result<Edit, Problem> {
    if !item.is_object() {
        let remedy = "send {\"concept\": \"acting\"}";
        return Err(Problem::invalid(pointer, "this item is no object", remedy));
    }
    let body: EditBody = json_body::of_value(item).map_err(|fault| fault.within(pointer))?;
    let weight = body.weight.unwrap_or(1.0);
    if !weight.is_finite() || weight == 0.0 || weight.abs() > MOST_STRENGTH {
        let remedy = format!("send a number from −{MOST_STRENGTH} to {MOST_STRENGTH}, but not 0");
        return Err(Problem::invalid(format!("{pointer}/weight"), format!("is {weight}"), remedy));
    }
    let pointer = format!("{pointer}/concept");
    let reference = body.concept.ok_or_else(|| {
        let remedy = "name one of GET /v1/concepts: its `name`, or `name@version`";
        Problem::invalid(pointer.clone(), "is missing", remedy)
    })?;
    let known = Concepts::of(engine).known(&reference, model).await;
    let concept = known.map_err(|fault| Problem::of_concept_at(fault, &pointer))?;
    Ok(Edit { concept, weight, layer: body.layer })
}

/// From −4 to 4 by 1 where none were sent.
fn strengths(sent: Option<Vec<f64>>) -> Result<Vec<f64>, Problem> {
    let Some(strengths) = sent else { return Ok((-4..=4).map(f64::from).collect()) };
    let (fewest, most) = STRENGTHS;
    let remedy =
        format!("send {fewest} to {most} numbers from −{MOST_STRENGTH} to {MOST_STRENGTH}, ascending");
    if !(fewest..=most).contains(&strengths.len()) {
        let detail = format!("the list has {} items", strengths.len());
        return Err(Problem::invalid("/strengths", detail, remedy));
    }
    for (place, strength) in strengths.iter().enumerate() {
        let is_beyond = !strength.is_finite() || strength.abs() > MOST_STRENGTH;
        let is_in_order = place == 0 || strengths[place - 1] < *strength;
        if is_beyond || !is_in_order {
            let why = if is_beyond { "" } else { ", which is not above the one before" };
            return Err(Problem::invalid(
                format!("/strengths/{place}"),
                format!("is {strength}{why}"),
                remedy,
            ));
        }
    }
    // Zero has no sign.
    Ok(strengths.into_iter().map(|strength| strength + 0.0).collect())
}

/// What is shown in the API's description.
pub struct EditsExamples;

impl Examples for EditsExamples {
    type Answer = Answer;
    type Batch = Batch;
    const DESCRIPTION: &'static str =
        "The prediction with what it would be along the edit; for a batch, one for each text";
    const ONE: &'static str = include_str!("../../../../openapi/examples/concept-edits.json");
    const MANY: &'static str = include_str!("../../../../openapi/examples/concept-edits-batch.json");
    const DRY_RUN: &'static str = include_str!("../../../../openapi/examples/concept-edits-dry-run.json");
}

type EditsResponses = TextResponses<EditsExamples>;

/// Tells what the model would say with more or less of some concepts in a text.
///
/// The states of all tokens are moved along the concepts, more and more: what the model says at each strength, where its
/// prediction becomes another one, and what each word does for the target before and behind the edit. Drawn with
/// `Accept: image/svg+xml`.
#[utoipa::path(
    post,
    path = "/v1/concepts/edits",
    operation_id = "edit_concepts",
    tag = "concepts",
    params(TimeoutHeader),
    request_body(content = EditsBody, description = "What is edited, in which texts", examples(
        ("one" = (summary = "One concept in one text", value = json!({"text": "The actors are wonderful.", "concepts": [{"concept": "acting"}]}))),
        ("several" = (summary = "More of one and less of another, over a finer range", value = json!({"text": "The actors are wonderful.", "concepts": [{"concept": "acting"}, {"concept": "boredom", "weight": -0.5}], "strengths": [-2.0, -1.0, 0.0, 1.0, 2.0], "target": "positive", "attribution": "saliency"}))),
        ("many" = (summary = "A batch", value = json!({"texts": ["The actors are wonderful.", ""], "concepts": [{"concept": "acting"}], "strengths": [-4.0, 0.0, 4.0], "attribution": null}))),
        ("dry-run" = (summary = "What it would take", value = json!({"text": "The actors are wonderful.", "concepts": [{"concept": "acting"}], "dry_run": true})))
    )),
    responses(EditsResponses, ConceptProblems)
)]
pub async fn edits(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    JsonBody(mut body): JsonBody<EditsBody>,
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
