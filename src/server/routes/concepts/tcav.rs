//! `POST /v1/concepts/tcav`: how much do classes depend on concepts, and more than by chance?

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use super::lesson::within;
use super::rows::{Ready, rows};
use crate::concept::tcav::{Tcav, TcavOptions, TcavView, TestedConcept, TestedTexts, has_one_output};
use crate::concept::{Concepts, Fault};
use crate::engine::{Engine, ExpectedLabel, Visit};
use crate::identity::DatasetId;
use crate::model::Model;
use crate::server::answers;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{ConceptProblems, parsed};
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::representation::{Accepts, Representation};
use crate::server::routes::jobs::JobView;
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictValue, optional_name};

const EXAMPLE: &str = "{\"concepts\": [\"acting\"]}";

/// Most concepts of a request.
const MOST_CONCEPTS: usize = 20;

/// Which concepts are tested, and on what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TcavBody {
    /// 1 to 20 concepts, each once: `name` for the newest version, or `name@version`.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 20, example = json!(["acting", "boredom@1"]))]
    concepts: Option<Vec<String>>,
    /// The model's id, which must be the one that the concepts are of; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// The `id` of the dataset whose predictions are explained; the bundled one by default. For one of more than 1,000
    /// rows, a job is ordered with the first request and found with the next.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    dataset: Option<String>,
    /// The classes that are tested, each once, by label or index; all by default. A model of two labels has one test
    /// instead, of the margin logit\[1\] − logit\[0\], and a regression one of its value: there, no classes can be named.
    #[schema(schema_with = classes_schema)]
    classes: Option<Vec<StrictValue>>,
    /// The hidden states where every concept is tested, each once; each concept's own layer by default.
    #[schema(min_items = 1, example = json!([4]))]
    layers: Option<Vec<usize>>,
    /// Over which texts a class is tested; `predicted` by default. Where there is one test, it is over all texts, and
    /// nothing else can be asked for.
    #[serde(default, deserialize_with = "optional_name")]
    texts: Option<TestedTexts>,
    /// The `id` of the dataset that random sets are drawn from; the bundled one by default. It may be the same.
    #[schema(example = json!(null), pattern = "^[0-9a-f]{64}$")]
    random: Option<String>,
    /// Random sets for each concept, without a text in common; by default as many as the dataset gives, up to 100.
    #[schema(example = json!(null), minimum = 19, maximum = 1000)]
    random_sets: Option<usize>,
    /// The probability that any test is called significant wrongly, at most; 0.05 by default.
    #[schema(example = 0.05, minimum = 0.0001, maximum = 0.5)]
    alpha: Option<f64>,
    /// Resamples of each concept's examples; 10 by default.
    #[schema(example = 10, minimum = 2, maximum = 100)]
    repeats: Option<usize>,
    /// What random sets and resamples are drawn by; 0 by default.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
    /// Whether to look at the beginning of a text that is longer than the model takes; otherwise such a row is left out
    /// and counted, and such an example is an error. False by default.
    #[schema(example = false)]
    truncate: Option<bool>,
}

fn classes_schema() -> RefOr<Schema> {
    let label = ObjectBuilder::new().schema_type(Type::String);
    let index = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
    let list = ArrayBuilder::new().items(OneOfBuilder::new().item(label).item(index)).min_items(Some(1));
    let either = OneOfBuilder::new()
        .item(list)
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .description(Some(
            "The classes that are tested, each once, by label or index; all by default. A model of two labels has one test \
             instead, of the margin logit[1] − logit[0], and a regression one of its value: there, no classes can be \
             named.",
        ))
        .examples([serde_json::json!(null), serde_json::json!(["toxic", 1])]);
    either.into()
}

/// Tests how much classes depend on concepts.
///
/// The TCAV score of each concept, at each layer, for each class: the share of texts whose output rises along the concept,
/// with its interval; the scores of random concepts, which were learnt from random texts in the same way; a permutation
/// p-value, adjusted for all tests of the request; and the scores of resampled examples. For a dataset of more than 1,000
/// rows a job is ordered, and until it is finished the answer is 202 with the job. Drawn with `Accept: image/svg+xml`.
#[utoipa::path(
    post,
    path = "/v1/concepts/tcav",
    operation_id = "tcav",
    tag = "concepts",
    params(TimeoutHeader),
    request_body(content = TcavBody, description = "Which concepts, and on what", examples(
        ("one" = (summary = "A concept on the bundled dataset", value = json!({"concepts": ["acting"]}))),
        ("layers" = (summary = "Two concepts at three layers", value = json!({"concepts": ["acting", "boredom"], "layers": [2, 4, 5], "random_sets": 19})))
    )),
    responses(
        (status = 200, description = "The scores", headers(
            ("Content-Location" = String, description = "Where the answer can be had again; absent where it could not be kept"),
            ("ETag" = String, description = "Names these bytes"),
            ("Cache-Status" = String, description = "Where the answer came from (RFC 9211)")
        ), content(
            (TcavView = "application/json", example = json!(parsed(include_str!("../../../../openapi/examples/tcav.json")))),
            (String = "image/svg+xml", example = json!("<svg xmlns=\"http://www.w3.org/2000/svg\">…</svg>"))
        )),
        (status = 202, description = "The job about a dataset is not finished: ask the same again when it is", body = JobView,
            headers(("Location" = String, description = "Where the job is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/job-ordered.json")))),
        ConceptProblems
    )
)]
pub async fn tcav(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    request: Request,
) -> Result<Response, Problem> {
    let started = Instant::now();
    accepts.choose(&[Representation::Json, Representation::Svg])?;
    let bytes = json_body::received(request, &state).await?;
    let body: TcavBody = json_body::parsed(&bytes, EXAMPLE)?;
    let tcav = body.checked(&engine).await?;
    let mut ready = Vec::new();
    let mut later = None;
    // Jobs are ordered together, so that they run together.
    for need in tcav.needs() {
        let (dataset, pointer) = need.dataset(&tcav);
        let dataset = dataset.to_string();
        match rows(&engine, &tcav.model, Some(&dataset), pointer, &need.request).await? {
            Ready::Rows(rows) => ready.push(rows),
            Ready::Later(response) => later = later.or(Some(response)),
        }
    }
    if let Some(response) = later {
        return Ok(response);
    }
    let told = tcav.answer(&engine, &visit, ready).await?;
    answers::composed(told, &accepts, &state.drawings, &visit, started).await
}

impl TcavBody {
    async fn checked(self, engine: &Arc<Engine>) -> Result<Tcav, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let layers = self.layers.map(|layers| checked_layers(layers, &model)).transpose()?;
        let classes = self.classes.map(|classes| checked_classes(classes, &model)).transpose()?;
        let texts = checked_texts(self.texts, &model)?;
        let alpha = self.alpha.unwrap_or(0.05);
        if !(0.0001..=0.5).contains(&alpha) {
            let detail = format!("is {alpha}; expected 0.0001 to 0.5");
            return Err(Problem::invalid("/alpha", detail, "change the number, or leave it out for 0.05"));
        }
        let options = TcavOptions {
            texts,
            alpha,
            repeats: within("repeats", self.repeats, 2, 100)?.unwrap_or(10),
            seed: self.seed.unwrap_or_default(),
            truncate: self.truncate.unwrap_or_default(),
        };
        Ok(Tcav {
            random_sets: within("random_sets", self.random_sets, 19, 1000)?,
            dataset: dataset(self.dataset.as_deref(), "/dataset")?,
            random: dataset(self.random.as_deref(), "/random")?,
            concepts: checked_concepts(self.concepts, layers.as_deref(), engine, &model).await?,
            model,
            classes,
            options,
        })
    }
}

async fn checked_concepts(
    sent: Option<Vec<String>>,
    layers: Option<&[usize]>,
    engine: &Arc<Engine>,
    model: &Model,
) -> Result<Vec<TestedConcept>, Problem> {
    let remedy = "send 1 to 20 names of GET /v1/concepts";
    let sent = sent.ok_or_else(|| Problem::invalid("/concepts", "is missing", remedy))?;
    if !(1..=MOST_CONCEPTS).contains(&sent.len()) {
        let detail = format!("names {} concepts; expected 1 to {MOST_CONCEPTS}", sent.len());
        return Err(Problem::invalid("/concepts", detail, remedy));
    }
    let mut concepts: Vec<TestedConcept> = Vec::new();
    for (place, reference) in sent.iter().enumerate() {
        let pointer = format!("/concepts/{place}");
        let found = Concepts::of(engine).of_model(reference, model).await;
        let (concept, known) = found.map_err(|fault: Fault| Problem::of_concept_at(fault, &pointer))?;
        let directions: Vec<String> = known.directions.keys().map(usize::to_string).collect();
        let concept = TestedConcept::new(concept, known.clone(), layers).map_err(|missing| {
            let layer = layers.and_then(|layers| layers.get(missing)).copied().unwrap_or_default();
            Problem::invalid(
                format!("/layers/{missing}"),
                format!("concept `{}` has no direction at hidden state {layer}", known.reference()),
                format!("name some of {}, or leave `layers` out", directions.join(", ")),
            )
        })?;
        if concepts.iter().any(|other| other.id() == concept.id()) {
            let detail = format!("concept `{}` is named twice", known.reference());
            return Err(Problem::invalid(pointer, detail, "name each concept once"));
        }
        concepts.push(concept);
    }
    Ok(concepts)
}

fn checked_layers(layers: Vec<usize>, model: &Model) -> Result<Vec<usize>, Problem> {
    let last = model.config().layers;
    let remedy = format!("name hidden states from 0 (embeddings) to {last}, each once, or leave it out");
    if layers.is_empty() {
        return Err(Problem::invalid("/layers", "is empty", remedy));
    }
    let mut seen = HashSet::new();
    for (place, layer) in layers.iter().enumerate() {
        let detail = match (*layer <= last, seen.insert(*layer)) {
            (true, true) => continue,
            (false, _) => format!("there is no hidden state {layer}"),
            (true, false) => format!("hidden state {layer} is named twice"),
        };
        return Err(Problem::invalid(format!("/layers/{place}"), detail, remedy));
    }
    Ok(layers)
}

fn checked_classes(classes: Vec<StrictValue>, model: &Model) -> Result<Vec<usize>, Problem> {
    if has_one_output(model) {
        let detail = format!("model `{}` has one output that is tested, whatever the class", model.id());
        return Err(Problem::invalid("/classes", detail, "leave the field out"));
    }
    if classes.is_empty() {
        return Err(Problem::invalid("/classes", "is empty", "name classes, or leave the field out for all"));
    }
    let mut found: Vec<usize> = Vec::new();
    for (place, StrictValue(sent)) in classes.into_iter().enumerate() {
        let pointer = format!("/classes/{place}");
        let index = sent.as_u64().and_then(|index| usize::try_from(index).ok());
        let named = match (sent, index) {
            (Value::String(label), _) => ExpectedLabel::Label(label),
            (_, Some(index)) => ExpectedLabel::Index(index),
            _ => {
                let remedy = "send a label, or the index of one from 0";
                return Err(Problem::invalid(pointer, "is neither a label nor an index", remedy));
            }
        };
        let class = named.class(model, &pointer)?;
        if found.contains(&class) {
            return Err(Problem::invalid(pointer, "this class is named twice", "name each class once"));
        }
        found.push(class);
    }
    Ok(found)
}

fn checked_texts(sent: Option<TestedTexts>, model: &Model) -> Result<TestedTexts, Problem> {
    match (has_one_output(model), sent) {
        (false, sent) => Ok(sent.unwrap_or(TestedTexts::Predicted)),
        (true, None | Some(TestedTexts::All)) => Ok(TestedTexts::All),
        (true, Some(_)) => {
            let detail = format!("model `{}` has one output, which is tested over all texts", model.id());
            Err(Problem::invalid("/texts", detail, "send \"all\", or leave the field out"))
        }
    }
}

fn dataset(sent: Option<&str>, pointer: &str) -> Result<DatasetId, Problem> {
    let remedy = "send the `id` of a dataset, 64 lower-case hexadecimal digits";
    match sent {
        None => crate::dataset::reference_id().ok_or_else(Problem::internal),
        Some(id) => DatasetId::parse(id)
            .ok_or_else(|| Problem::invalid(pointer, "this is no id of a dataset", remedy)),
    }
}
