//! `POST /explain`: why did the model say that?

use std::fmt;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::de::{Deserialize, Deserializer, Visitor};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::engine::plan::ExplainRequest;
use crate::engine::{Answer, Engine, ExpectedLabel, ExplainPlan, Question, Target, Visit, WindowsRequest};
use crate::explain::faithfulness::Depth;
use crate::explain::granularity::Granularity;
use crate::server::answers::Asking;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{Examples, TextResponses};
use crate::server::document::{Batch, MethodOptions, TextOrPair, method_ids};
use crate::server::input::Input;
use crate::server::json_body::{JsonBody, options};
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::request_id::RequestId;
use crate::server::routes::interventions::{self, InterventionBody};
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictMap, StrictValue, optional_name};

/// A question why: `{"text": "…"}` is a whole one. Either `text` or `texts` is needed.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainBody {
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
    /// What to explain: `"predicted"` (default), `"all"`, a label, or an index.
    #[schema(schema_with = target_schema)]
    target: Option<TargetField>,
    /// The label, or its index, that the model should predict: that class is explained, and a warning says if the
    /// model predicts otherwise. Instead of `target`; not for regression models.
    #[schema(schema_with = expected_label_schema)]
    expected_label: Option<ExpectedField>,
    /// Ids of methods, each once; `["integrated_gradients"]` by default.
    #[schema(schema_with = method_ids)]
    methods: Option<Vec<String>>,
    /// Options by method id.
    #[schema(value_type = Option<MethodOptions>)]
    options: Option<StrictMap>,
    /// The unit of the scores; words by default.
    #[serde(default, deserialize_with = "optional_name")]
    granularity: Option<Granularity>,
    /// Figures of how far to trust the scores; none by default.
    #[serde(default, deserialize_with = "optional_name")]
    quality: Option<Quality>,
    /// Whether to explain the beginning of a text that is longer than the model takes; otherwise such a
    /// text is an error. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
    /// Windows over a text of any length; `{}` for the usual ones. Not for pairs, not together with `truncate`. None by
    /// default.
    #[schema(value_type = Option<WindowsRequest>)]
    windows: Option<StrictMap>,
    /// Changes to the network that is explained, one after the other: the answer is about the altered network, and says so. None
    /// by default.
    #[schema(value_type = Option<Vec<InterventionBody>>, min_items = 1, max_items = 16, example = json!([{"concept": "acting"}]))]
    interventions: Option<Vec<StrictValue>>,
    /// Whether only to check everything and tell what the answer would take. False by default.
    #[schema(example = false)]
    dry_run: Option<bool>,
    /// For methods that sample, and for quality figures that do; 0 by default.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
}

/// Figures of how far to trust each explanation: `none`; `fast`, what the prediction does without the strongest parts
/// and with them alone, from at most ten forward passes; `full`, all figures, from about a hundred and four times the
/// method itself. With `fast` and `full`, also how far several methods agree.
#[derive(Debug, Clone, Copy, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "fast")]
enum Quality {
    /// No figures.
    None,
    /// Erasure of the strongest parts.
    Fast,
    /// All figures.
    Full,
}

impl Quality {
    fn depth(self) -> Option<Depth> {
        match self {
            Quality::None => None,
            Quality::Fast => Some(Depth::Fast),
            Quality::Full => Some(Depth::Full),
        }
    }
}

impl ExplainBody {
    /// What is asked, whatever the texts.
    ///
    /// # Errors
    /// The first field that is not valid; the database that keeps concepts does not answer.
    pub async fn question(self, engine: &Engine) -> Result<Question, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let target = match (self.target, self.expected_label) {
            (None, None) => Target::default(),
            (Some(TargetField(target)), None) => target,
            (None, Some(ExpectedField(expected))) => Target::Expected(expected),
            (Some(_), Some(_)) => {
                return Err(Problem::invalid(
                    "/expected_label",
                    "is given together with `target`, and both say what to explain",
                    "leave one of the two out; the expected label is explained",
                ));
            }
        };
        let altered = interventions::of_question(engine, &model, self.interventions).await?;
        let request = ExplainRequest {
            target,
            methods: self.methods,
            options: self.options.map(|StrictMap(options)| options).unwrap_or_default(),
            granularity: self.granularity.unwrap_or_default(),
            quality: self.quality.and_then(Quality::depth),
            truncate: self.truncate.unwrap_or_default(),
            windows: options("/windows", self.windows)?,
            altered,
            seed: self.seed.unwrap_or_default(),
        };
        Ok(Question::Explain(ExplainPlan::new(model, request)?))
    }
}

/// What is shown in the API's description.
pub struct ExplainExamples;

impl Examples for ExplainExamples {
    type Answer = Answer;
    type Batch = Batch;
    const DESCRIPTION: &'static str = "The prediction with its explanations; for a batch, one for each text";
    const ONE: &'static str = include_str!("../../../openapi/examples/explain.json");
    const MANY: &'static str = include_str!("../../../openapi/examples/explain-batch.json");
    const DRY_RUN: &'static str = include_str!("../../../openapi/examples/explain-dry-run.json");
}

type ExplainResponses = TextResponses<ExplainExamples>;

/// Explains what the model says of a text.
///
/// One text, a pair, or a batch: prediction, tokens, words, and a score for each. With
/// `Accept: text/html` or `image/svg+xml`, one answer is drawn instead. With `interventions`, what is explained is the
/// network without a concept, or with more of it. With `dry_run`, nothing is computed: the answer tells what it would take.
#[utoipa::path(
    post,
    path = "/v1/explain",
    operation_id = "explain",
    tag = "texts",
    params(TimeoutHeader),
    request_body(content = ExplainBody, description = "The question", examples(
        ("one" = (summary = "One text", value = json!({"text": "A gripping film, though it drags a little."}))),
        ("many" = (summary = "A batch", value = json!({"texts": ["A gripping film.", ""], "methods": ["saliency"]}))),
        ("dry-run" = (summary = "What it would take", value = json!({"text": "A gripping film, though it drags a little.", "dry_run": true}))),
        ("windows" = (summary = "A text of any length", value = json!({"text": "A gripping film, though it drags a little.", "windows": {"size": 512, "overlap": 128}}))),
        ("interventions" = (summary = "As if a concept were absent", value = json!({"text": "A gripping film, though it drags a little.", "interventions": [{"concept": "acting"}]}))),
        ("two-methods" = (summary = "Two methods with options", value = json!({"text": "A gripping film.", "methods": ["integrated_gradients", "saliency"], "options": {"integrated_gradients": {"steps": 50}}, "target": "all"})))
    )),
    responses(ExplainResponses)
)]
pub async fn explain(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    JsonBody(mut body): JsonBody<ExplainBody>,
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

/// A [`Target`] as JSON has it: a label, an index, `"predicted"` or `"all"`.
#[derive(Debug)]
pub(super) struct TargetField(pub Target);

impl<'de> Deserialize<'de> for TargetField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetVisitor).map(TargetField)
    }
}

fn target_schema() -> RefOr<Schema> {
    let name = ObjectBuilder::new().schema_type(Type::String);
    let index = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let one_of = OneOfBuilder::new()
        .item(name)
        .item(index)
        .item(null)
        .description(Some("What to explain: `\"predicted\"` (default), `\"all\"`, a label, or an index."))
        .examples([serde_json::json!("predicted"), serde_json::json!(1)]);
    one_of.into()
}

struct TargetVisitor;

impl Visitor<'_> for TargetVisitor {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label, an index, \"predicted\" or \"all\"")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Target, E> {
        Ok(Target::named(name))
    }

    fn visit_u64<E: serde::de::Error>(self, index: u64) -> Result<Target, E> {
        usize::try_from(index).map(Target::Index).map_err(E::custom)
    }
}

/// An [`ExpectedLabel`] as JSON has it: a label or an index.
#[derive(Debug)]
pub(super) struct ExpectedField(pub ExpectedLabel);

impl<'de> Deserialize<'de> for ExpectedField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExpectedVisitor).map(ExpectedField)
    }
}

fn expected_label_schema() -> RefOr<Schema> {
    let label = ObjectBuilder::new().schema_type(Type::String);
    let index = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let one_of = OneOfBuilder::new()
        .item(label)
        .item(index)
        .item(null)
        .description(Some(
            "The label, or its index, that the model should predict: that class is explained, and a warning says if \
             the model predicts otherwise. Instead of `target`; not for regression models.",
        ))
        .examples([serde_json::json!("positive"), serde_json::json!(1)]);
    one_of.into()
}

struct ExpectedVisitor;

impl Visitor<'_> for ExpectedVisitor {
    type Value = ExpectedLabel;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label or an index")
    }

    fn visit_str<E: serde::de::Error>(self, label: &str) -> Result<ExpectedLabel, E> {
        Ok(ExpectedLabel::Label(label.to_owned()))
    }

    fn visit_u64<E: serde::de::Error>(self, index: u64) -> Result<ExpectedLabel, E> {
        usize::try_from(index).map(ExpectedLabel::Index).map_err(E::custom)
    }
}
