//! Changes to the network that go with a question: which concepts are erased, and which are pushed.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::concept::Concepts;
use crate::concept::interventions::{MOST_INTERVENTIONS, Wish, altered};
use crate::engine::answer::Action;
use crate::engine::{Altered, Engine};
use crate::explain::concept::erasure::Erasure;
use crate::model::Model;
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::strict_value::{StrictValue, optional_name};

/// Where the list stands in a body.
const POINTER: &str = "/interventions";

const EXAMPLE: &str = "{\"concept\": \"acting\"}";

/// A change to the network: a concept is taken out of the states of all tokens, or so much of it is added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterventionBody {
    /// The concept: its name for the newest version, or `name@version`.
    #[schema(value_type = String, required, example = "acting", pattern = "^[a-z0-9][a-z0-9._-]*(@[0-9]+)?$")]
    concept: Option<String>,
    /// What is done with it; `erase` by default.
    #[serde(default, deserialize_with = "optional_name")]
    action: Option<Action>,
    /// How it is erased; `nullspace` by default. Not with `push`.
    #[serde(default, deserialize_with = "optional_name")]
    method: Option<Erasure>,
    /// How far it is pushed, in standard deviations of usual texts: needed with `push`, and not with `erase`.
    #[schema(example = json!(null), minimum = -100, maximum = 100)]
    strength: Option<f64>,
    /// The hidden state that is changed; the concept's own by default. `inlp` and `leace` erase there alone.
    #[schema(example = 4)]
    layer: Option<usize>,
}

/// The network that a question is about; none where it is the one that is served.
///
/// # Errors
/// The first change that is not valid: a concept that is not there or is one of another model, a layer that it has no
/// direction at. The database does not answer.
pub(in crate::server) async fn of_question(
    engine: &Engine,
    model: &Model,
    sent: Option<Vec<StrictValue>>,
) -> Result<Option<Altered>, Problem> {
    let Some(sent) = sent else { return Ok(None) };
    if !(1..=MOST_INTERVENTIONS).contains(&sent.len()) {
        let detail = format!("the list has {} items", sent.len());
        let remedy = format!("send 1 to {MOST_INTERVENTIONS} changes, or leave the field out");
        return Err(Problem::invalid(POINTER, detail, remedy));
    }
    let mut wishes = Vec::with_capacity(sent.len());
    for (place, StrictValue(item)) in sent.into_iter().enumerate() {
        wishes.push(wish(engine, model, &format!("{POINTER}/{place}"), item).await?);
    }
    Ok(Some(altered(POINTER, &wishes)?))
}

async fn wish(engine: &Engine, model: &Model, pointer: &str, item: Value) -> Result<Wish, Problem> {
    if !item.is_object() {
        return Err(Problem::invalid(pointer, "this item is no object", format!("send {EXAMPLE}")));
    }
    let body: InterventionBody = json_body::of_value(item).map_err(|fault| fault.within(pointer))?;
    let pointer = format!("{pointer}/concept");
    let reference = body.concept.ok_or_else(|| {
        let remedy = "name one of GET /v1/concepts: its `name`, or `name@version`";
        Problem::invalid(pointer.clone(), "is missing", remedy)
    })?;
    let known = Concepts::of(engine).known(&reference, model).await;
    Ok(Wish {
        concept: known.map_err(|fault| Problem::of_concept_at(fault, &pointer))?,
        action: body.action.unwrap_or_default(),
        method: body.method,
        strength: body.strength,
        layer: body.layer,
    })
}
