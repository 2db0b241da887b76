//! `POST /v1/interventions/mediation`: what inside the network makes the difference between a text and its counterfactual?

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::de::{Deserialize, Deserializer};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::engine::answer::MediationView;
use crate::engine::causes::mediation::{MediationPlan, MediationRequest};
use crate::engine::causes::outcome::Against;
use crate::engine::{Engine, OwnedText, Question, Target, Visit};
use crate::explain::causal::Mediators;
use crate::explain::method::listed;
use crate::server::answers::Asking;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::DryRun;
use crate::server::document::responses::{CauseProblems, parsed};
use crate::server::input::{Input, Pointers};
use crate::server::json_body::JsonBody;
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::request_id::RequestId;
use crate::server::routes::explain::{ExpectedField, TargetField};
use crate::server::state::{AppState, Open};

/// Two texts, and what is asked about the difference. Both `text` and `counterfactual` are needed.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MediationBody {
    /// The text x, or the first of a pair; not blank.
    #[schema(value_type = String, required, example = "A gripping film.", min_length = 1)]
    text: Option<String>,
    /// The second text of a pair, for models that take pairs.
    #[schema(example = json!(null), min_length = 1)]
    text_pair: Option<String>,
    /// The counterfactual x′, of as many tokens as the text; or the first of a pair.
    #[schema(value_type = String, required, example = "A boring film.", min_length = 1)]
    counterfactual: Option<String>,
    /// The second text of the counterfactual pair: needed with `text_pair`, and not without it.
    #[schema(example = json!(null), min_length = 1)]
    counterfactual_pair: Option<String>,
    /// The model's id; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// The class whose logit is followed: `"predicted"` (default; what is predicted of the text, of several labels the
    /// likeliest), a label, or an index.
    #[schema(schema_with = target_schema)]
    target: Option<TargetField>,
    /// The class that the target is held against: what is followed is its logit less that of this one.
    #[serde(default)]
    #[schema(schema_with = against_schema, required = false)]
    against: AgainstField,
    /// What the effect may go through, each kind once; all by default.
    #[schema(value_type = Option<Vec<Mediators>>, min_items = 1, max_items = 4, example = json!(["layers", "heads", "positions"]))]
    mediators: Option<Vec<String>>,
    /// Neurons in a group, at most those of a layer; such that a layer has 24 groups by default.
    #[schema(example = 64, minimum = 1)]
    neuron_group: Option<usize>,
    /// Whether only to check everything and tell what the answer would take. False by default.
    #[schema(example = false)]
    dry_run: Option<bool>,
}

/// What the target is held against, as JSON has it: a label, an index, or null for nothing.
#[derive(Debug, Default)]
struct AgainstField(Against);

impl<'de> Deserialize<'de> for AgainstField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = Option::<ExpectedField>::deserialize(deserializer)?;
        Ok(AgainstField(named.map_or(Against::Nothing, |ExpectedField(label)| Against::Class(label))))
    }
}

fn target_schema() -> RefOr<Schema> {
    label_index_or_null(
        "The class whose logit is followed: `\"predicted\"` (default; what is predicted of the text, of several labels \
         the likeliest), a label, or an index.",
        "predicted",
    )
}

fn against_schema() -> RefOr<Schema> {
    label_index_or_null(
        "The class that the target is held against: what is followed is the target's logit less that of this one. A label, \
         an index, or null for the target's logit alone. By default what is predicted of the counterfactual, if that is \
         another class; otherwise the likeliest other class of the text. For models whose classes do not compete, the \
         target's logit (for regression: the value) is followed alone.",
        "negative",
    )
}

fn label_index_or_null(description: &str, example: &str) -> RefOr<Schema> {
    let name = ObjectBuilder::new().schema_type(Type::String);
    let index = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let one_of = OneOfBuilder::new().item(name).item(index).item(null);
    one_of.description(Some(description)).examples([serde_json::json!(example)]).into()
}

impl MediationBody {
    /// The two texts, and what is asked about them.
    ///
    /// # Errors
    /// The first field that is not valid.
    fn question(self, engine: &Engine) -> Result<(OwnedText, Question), Problem> {
        let model = engine.model(self.model.as_deref())?;
        let remedy = "send a `text` and its `counterfactual`";
        let text = self.text.ok_or_else(|| Problem::invalid("/text", "there is no text", remedy))?;
        let counterfactual = self
            .counterfactual
            .ok_or_else(|| Problem::invalid("/counterfactual", "there is no counterfactual", remedy))?;
        let text = OwnedText { text, text_pair: self.text_pair };
        let counterfactual = OwnedText { text: counterfactual, text_pair: self.counterfactual_pair };
        check_are_alike(&text, &counterfactual)?;
        let request = MediationRequest {
            counterfactual,
            target: self.target.map_or(Target::default(), |TargetField(target)| target),
            against: self.against.0,
            mediators: mediators(self.mediators)?,
            neuron_group: self.neuron_group,
        };
        Ok((text, Question::Inquiry(Box::new(MediationPlan::new(model, request)?))))
    }
}

/// A pair has a pair beside it.
fn check_are_alike(text: &OwnedText, counterfactual: &OwnedText) -> Result<(), Problem> {
    match (&text.text_pair, &counterfactual.text_pair) {
        (Some(_), None) => Err(Problem::invalid(
            "/counterfactual_pair",
            "the text is a pair, and the counterfactual is none",
            "send the second text of the counterfactual as `counterfactual_pair`, though it be the same",
        )),
        (None, Some(_)) => Err(Problem::invalid(
            "/counterfactual_pair",
            "the counterfactual is a pair, and the text is none",
            "leave the field out, or send the second text as `text_pair`",
        )),
        (Some(_), Some(_)) | (None, None) => Ok(()),
    }
}

/// All kinds where none were sent.
fn mediators(sent: Option<Vec<String>>) -> Result<Vec<Mediators>, Problem> {
    let Some(sent) = sent else { return Ok(Mediators::ALL.into()) };
    let remedy = format!(
        "name each of these at most once, or leave the field out for all: {}",
        listed(Mediators::ALL.iter().map(|kind| kind.name()))
    );
    if sent.is_empty() {
        return Err(Problem::invalid("/mediators", "the list is empty", remedy));
    }
    let mut kinds = Vec::with_capacity(sent.len());
    for (place, name) in sent.iter().enumerate() {
        let fault = |detail: String| Problem::invalid(format!("/mediators/{place}"), detail, remedy.clone());
        let shown: String = name.chars().take(80).collect();
        let kind = Mediators::ALL.into_iter().find(|kind| kind.name() == name);
        let kind = kind.ok_or_else(|| fault(format!("`{}` is no kind of mediator", shown.escape_debug())))?;
        if kinds.contains(&kind) {
            return Err(fault(format!("`{name}` is named twice")));
        }
        kinds.push(kind);
    }
    Ok(kinds)
}

/// An answer, or for a dry run what it would take.
#[derive(serde::Serialize, ToSchema)]
#[serde(untagged)]
pub enum MediationOrDryRun {
    /// What brings the difference about.
    Whole(Box<MediationView>),
    /// What the answer would take.
    Foreseen(DryRun),
}

/// Tells through what inside of the network the difference between a text and its counterfactual goes.
///
/// Parts of the network (the sublayers of each layer, heads, groups of neurons, one hidden state of one token) are set to
/// what they are for the counterfactual, and all else is left to itself: how far does the prediction follow? And the other
/// way round. Every number is a forward pass. Where the time is over first, the answer has what there is so far, with
/// `complete` false and without an `id`. Drawn with `Accept: image/svg+xml`.
#[utoipa::path(
    post,
    path = "/v1/interventions/mediation",
    operation_id = "mediate",
    tag = "causes",
    params(TimeoutHeader),
    request_body(content = MediationBody, description = "The two texts, and what is asked about the difference", examples(
        ("all" = (summary = "Everything about a word", value = json!({"text": "A gripping film.", "counterfactual": "A boring film."}))),
        ("heads" = (summary = "Heads alone, and the logit of one class alone", value = json!({"text": "A gripping film.", "counterfactual": "A boring film.", "target": "negative", "against": null, "mediators": ["heads"]}))),
        ("neurons" = (summary = "Larger groups of neurons", value = json!({"text": "A gripping film.", "counterfactual": "A boring film.", "mediators": ["neurons"], "neuron_group": 256}))),
        ("dry-run" = (summary = "What it would take", value = json!({"text": "A gripping film.", "counterfactual": "A boring film.", "dry_run": true})))
    )),
    responses(
        (status = 200, description = "What brings the difference about", content(
            (MediationOrDryRun = "application/json", examples(
                ("one" = (summary = "An answer", value = json!(parsed(include_str!("../../../../openapi/examples/mediation.json"))))),
                ("dry-run" = (summary = "A dry run: what an answer would take", value = json!(parsed(include_str!("../../../../openapi/examples/mediation-dry-run.json")))))
            )),
            (String = "image/svg+xml", example = json!("<svg xmlns=\"http://www.w3.org/2000/svg\">…</svg>"))
        )),
        CauseProblems
    )
)]
pub async fn mediation(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    JsonBody(body): JsonBody<MediationBody>,
) -> Result<Response, Problem> {
    let is_dry_run = body.dry_run.unwrap_or_default();
    let (text, question) = body.question(&engine)?;
    let input = Input::Single(text, Pointers::alone());
    let asking = Asking { engine, visit, accepts, drawings: state.drawings, id };
    match is_dry_run {
        true => asking.foresee(question, input).await,
        false => asking.answer(question, input).await,
    }
}
