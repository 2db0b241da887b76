//! `POST /v1/concepts`: a concept is learnt.

use std::borrow::Cow;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::ConceptView;
use crate::concept::exchange::{Exported, FORMAT, NAMES};
use crate::concept::{Concepts, Lesson, MOST_DESCRIPTION_CHARACTERS, Source, is_name};
use crate::engine::answer::ModelName;
use crate::engine::{Engine, OwnedText, Visit};
use crate::explain::concept::Pooling;
use crate::explain::concept::learner::{Fitting, Learner, REGULARISATIONS};
use crate::identity::DatasetId;
use crate::model::Model;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{ConceptProblems, parsed};
use crate::server::input::TextPair;
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::query::NoQuery;
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictValue, optional_name};

const EXAMPLE: &str = "{\"name\": \"…\", \"positives\": [\"…\"]}";

/// The layer that validation chooses.
const AUTO: &str = "auto";

/// What is to be learnt.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LessonBody {
    /// What it will be called: lower-case letters, digits, `.`, `_` and `-`. Under a name that is there already, it is the
    /// next version.
    #[schema(example = "acting", pattern = "^[a-z0-9][a-z0-9._-]*$", max_length = 100)]
    name: Option<String>,
    /// What it is about, in words. Nothing by default.
    #[schema(example = "How well a film is acted", max_length = 1000)]
    description: Option<String>,
    /// The model's id; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// The hidden state to learn it at: 0 is the embeddings' output; `"auto"`, the default, chooses by nested
    /// cross-validation.
    #[schema(schema_with = layer_schema)]
    layer: Option<StrictValue>,
    /// Which rows of the hidden state; `mean` by default.
    #[serde(default, deserialize_with = "optional_name")]
    pooling: Option<Pooling>,
    /// 5 to 1,000 examples of the concept: a list of texts, or `{"dataset": id, "label": …}` for the rows of a dataset
    /// (of one label, or all).
    #[schema(value_type = ExampleSource)]
    positives: Option<StrictValue>,
    /// Counter-examples, in the same form. Of a dataset, as many are drawn as there are examples, or all where they are
    /// fewer. The bundled dataset by default.
    #[schema(value_type = Option<ExampleSource>)]
    negatives: Option<StrictValue>,
    /// The learner; `logistic` by default.
    #[serde(default, deserialize_with = "optional_name")]
    learner: Option<Learner>,
    /// How much the examples weigh against the penalty, 0.000001 to 10,000: scikit-learn's C for `logistic`, 1 / alpha
    /// for `ridge`. 1 by default.
    #[schema(example = 1.0, minimum = 0.000001, maximum = 10000)]
    regularisation: Option<f64>,
    /// Outer folds of the cross-validation; 5 by default.
    #[schema(example = 5, minimum = 2, maximum = 20)]
    folds: Option<usize>,
    /// Shuffles of the labels behind the null accuracy; 49 by default.
    #[schema(example = 49, minimum = 19, maximum = 999)]
    permutations: Option<usize>,
    /// What folds, shuffles and counter-examples are drawn by; 0 by default.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
    /// Whether to look at the beginning of a text that is longer than the model takes; otherwise such a text is an
    /// error. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
}

/// The rows of a dataset as examples.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetExamples {
    /// The `id` of a dataset of up to 1,000 rows.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    dataset: String,
    /// Only the rows of this label; all by default.
    #[schema(example = json!(null))]
    label: Option<String>,
}

/// Where examples come from: a list of texts (strings, or pairs), or a dataset.
pub struct ExampleSource;

impl PartialSchema for ExampleSource {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
        let one = OneOfBuilder::new().item(text).item(Ref::from_schema_name(TextPair::name()));
        let list = ArrayBuilder::new().items(one).min_items(Some(5)).max_items(Some(1000));
        let either = OneOfBuilder::new()
            .item(list)
            .item(Ref::from_schema_name(DatasetExamples::name()))
            .description(Some("A list of texts (strings, or pairs), or `{\"dataset\": id, \"label\": …}`."))
            .examples([serde_json::json!([
                "The actors are wonderful.",
                "A wooden performance by the lead.",
                "She carries every scene she is in.",
                "The cast is miscast.",
                "His acting is subtle and moving."
            ])]);
        either.into()
    }
}

impl ToSchema for ExampleSource {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ExampleSource")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((TextPair::name().into_owned(), TextPair::schema()));
        schemas.push((DatasetExamples::name().into_owned(), DatasetExamples::schema()));
    }
}

fn layer_schema() -> RefOr<Schema> {
    let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([AUTO]));
    let index = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let one_of = OneOfBuilder::new()
        .item(name)
        .item(index)
        .item(null)
        .description(Some(
            "The hidden state to learn it at: 0 is the embeddings' output; `\"auto\"`, the default, chooses by nested \
             cross-validation.",
        ))
        .examples([serde_json::json!("auto"), serde_json::json!(4)]);
    one_of.into()
}

/// Learns a concept from examples.
///
/// The direction of the model's hidden states that tells examples from counter-examples, with the accuracy on texts that it
/// was not learnt from (nested cross-validation), what accuracy shuffled labels give, how stable it is, and a warning if
/// the model does not show the concept at all. It is kept under its name as a new version: 201; the same examples and
/// settings are found again: 200.
#[utoipa::path(
    post,
    path = "/v1/concepts",
    operation_id = "learn_concept",
    tag = "concepts",
    params(TimeoutHeader),
    request_body(content = LessonBody, description = "What is to be learnt", examples(
        ("texts" = (summary = "From a few texts, against the bundled dataset", value = json!({"name": "suspense", "positives": ["A gripping film.", "I was on the edge of my seat.", "Tense from the first minute to the last.", "The thriller keeps you guessing.", "A nail-biting finale.", "Suspense builds slowly and never lets go."]}))),
        ("dataset" = (summary = "From the labels of a dataset", value = json!({"name": "praise", "layer": 6, "positives": {"dataset": "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e", "label": "positive"}, "negatives": {"dataset": "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e", "label": "negative"}, "learner": "difference_of_means"})))
    )),
    responses(
        (status = 200, description = "The same was learnt before", body = ConceptView,
            example = json!(parsed(include_str!("../../../../openapi/examples/concept.json")))),
        (status = 201, description = "The concept is there", body = ConceptView,
            headers(("Location" = String, description = "Where the concept is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/concept.json")))),
        ConceptProblems
    )
)]
pub async fn learn(
    State(state): State<AppState>,
    Open(engine): Open,
    _: NoQuery,
    visit: Visit,
    request: Request,
) -> Result<Response, Problem> {
    let bytes = json_body::received(request, &state).await?;
    let body: LessonBody = json_body::parsed(&bytes, EXAMPLE)?;
    let lesson = body.checked(&engine)?;
    let concepts = Concepts::of(&engine);
    concepts.check_can_keep(&lesson.name).map_err(|fault| Problem::of_concept_at(fault, "/name"))?;
    let taught = lesson.taught(&engine).await?;
    let id = lesson.id(&taught);
    let learnt = lesson.learn(&engine, &visit, taught).await?;
    let model = &lesson.model;
    let exported = Exported {
        format: FORMAT,
        name: lesson.name.clone(),
        model: ModelName { id: model.id().into(), fingerprint: model.fingerprint().into() },
        summary: learnt.summary,
        body: learnt.body,
    };
    let (concept, is_new) = concepts.keep(exported, id).await?;
    super::kept(&engine, concept, is_new).await
}

impl LessonBody {
    fn checked(self, engine: &Engine) -> Result<Lesson, Problem> {
        let missing = |field: &str, remedy: &str| Problem::invalid(format!("/{field}"), "is missing", remedy);
        let name = name_of(self.name, "/name")?;
        let description = description_of(self.description, "/description")?;
        let model = engine.model(self.model.as_deref())?;
        let regularisation = self.regularisation.unwrap_or(Fitting::default().regularisation);
        if !REGULARISATIONS.contains(&regularisation) {
            let remedy = "send a number from 0.000001 to 10000, or leave it out for 1";
            return Err(Problem::invalid("/regularisation", format!("is {regularisation}"), remedy));
        }
        let positives =
            self.positives.ok_or_else(|| missing("positives", "send a list of texts, or a dataset"))?;
        let negatives = match self.negatives {
            Some(sent) => source("/negatives", sent)?,
            None => reference()?,
        };
        Ok(Lesson {
            layer: self.layer.map_or(Ok(None), |layer| layer_of(layer, &model))?,
            name,
            description,
            pooling: self.pooling.unwrap_or_default(),
            positives: source("/positives", positives)?,
            negatives,
            fitting: Fitting { learner: self.learner.unwrap_or_default(), regularisation },
            folds: within("folds", self.folds, 2, 20)?.unwrap_or(5),
            permutations: within("permutations", self.permutations, 19, 999)?.unwrap_or(49),
            seed: self.seed.unwrap_or_default(),
            truncate: self.truncate.unwrap_or_default(),
            model,
        })
    }
}

/// The bundled dataset.
fn reference() -> Result<Source, Problem> {
    let id = crate::dataset::reference_id().ok_or_else(Problem::internal)?;
    Ok(Source::Dataset { id, label: None })
}

fn source(pointer: &str, StrictValue(sent): StrictValue) -> Result<Source, Problem> {
    let remedy = "send a list of texts, or {\"dataset\": \"…\"}";
    match sent {
        Value::Array(items) => {
            let text = |(place, item): (usize, Value)| text(&format!("{pointer}/{place}"), item);
            items.into_iter().enumerate().map(text).collect::<Result<_, _>>().map(Source::Texts)
        }
        object @ Value::Object(_) => {
            let DatasetExamples { dataset, label } =
                json_body::of_value(object).map_err(|fault| fault.within(pointer))?;
            let id = DatasetId::parse(&dataset).ok_or_else(|| {
                let remedy = "send the `id` of a dataset, 64 lower-case hexadecimal digits";
                Problem::invalid(format!("{pointer}/dataset"), "this is no id of a dataset", remedy)
            })?;
            Ok(Source::Dataset { id, label })
        }
        _ => Err(Problem::invalid(pointer, "is neither a list nor a dataset", remedy)),
    }
}

fn text(pointer: &str, item: Value) -> Result<OwnedText, Problem> {
    match item {
        Value::String(text) => Ok(OwnedText { text, text_pair: None }),
        object @ Value::Object(_) => {
            let pair: TextPair = json_body::of_value(object).map_err(|fault| fault.within(pointer))?;
            Ok(pair.into())
        }
        _ => {
            let remedy = "send a string, or {\"text\": …, \"text_pair\": …}";
            Err(Problem::invalid(pointer, "is neither a text nor a pair", remedy))
        }
    }
}

fn layer_of(StrictValue(sent): StrictValue, model: &Model) -> Result<Option<usize>, Problem> {
    let last = model.config().layers;
    let refused = || {
        let remedy = format!("send \"auto\", or a hidden state from 0 (embeddings) to {last}");
        Problem::invalid("/layer", format!("is {sent}"), remedy)
    };
    match &sent {
        Value::Null => Ok(None),
        Value::String(name) if name == AUTO => Ok(None),
        Value::Number(number) => {
            let layer = number.as_u64().and_then(|layer| usize::try_from(layer).ok());
            layer.filter(|layer| *layer <= last).map(Some).ok_or_else(refused)
        }
        _ => Err(refused()),
    }
}

/// The name of a concept to be, which stands at `pointer`.
pub(super) fn name_of(sent: Option<String>, pointer: &str) -> Result<String, Problem> {
    match sent {
        None => Err(Problem::invalid(pointer, "is missing", NAMES)),
        Some(name) if is_name(&name) => Ok(name),
        Some(_) => Err(Problem::invalid(pointer, "this is no name of a concept", NAMES)),
    }
}

/// Its description, if one was sent.
pub(super) fn description_of(sent: Option<String>, pointer: &str) -> Result<Option<String>, Problem> {
    if sent.as_ref().is_some_and(|text| text.chars().count() > MOST_DESCRIPTION_CHARACTERS) {
        let remedy = format!("send up to {MOST_DESCRIPTION_CHARACTERS} characters");
        return Err(Problem::invalid(pointer, "the description is too long", remedy));
    }
    Ok(sent)
}

/// A number within its bounds, if it was sent.
pub(super) fn within(
    field: &str,
    sent: Option<usize>,
    least: usize,
    most: usize,
) -> Result<Option<usize>, Problem> {
    match sent {
        Some(number) if !(least..=most).contains(&number) => {
            let detail = format!("is {number}; expected {least} to {most}");
            let remedy = "change the number, or leave it out for its default";
            Err(Problem::invalid(format!("/{field}"), detail, remedy))
        }
        sent => Ok(sent),
    }
}
