//! `GET /v1/methods`: in which ways can a text be explained?

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::explain::{Family, Method, registry, schema};
use crate::server::document::responses::PlainProblems;

/// All methods.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodList {
    /// The methods, in the order of the registry.
    #[schema(min_items = 1, example = json!([shown().map(view)]))]
    methods: Vec<MethodView>,
}

/// One method.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MethodView {
    /// Its id, for the fields `methods` and `options` of a request.
    #[schema(example = "saliency")]
    id: &'static str,
    /// Its name as the field writes it.
    #[schema(example = "Saliency")]
    name: &'static str,
    /// Whether it answers requests that name no method.
    #[schema(example = false)]
    default: bool,
    /// Raised whenever its scores change for the same question.
    #[schema(example = 1)]
    version: u32,
    /// The family it belongs to.
    family: Family,
    /// One or two sentences: what a score means.
    #[schema(example = "How strongly the output reacts to a small change of each word.")]
    summary: &'static str,
    /// The score of a token, as a formula in plain text: φ_t is the score, F the output, e_t the word embedding.
    #[schema(example = "φ_t = ‖∂F/∂e_t‖, in the L2 (default) or L1 norm")]
    formula: &'static str,
    /// What it takes, in passes of the network over the text.
    #[schema(example = "One backward pass a class.")]
    effort: &'static str,
    /// When not to use it, or how not to read it.
    #[schema(example = "It says how sensitive the output is, not what speaks for or against.")]
    caution: &'static str,
    /// Where it was published.
    #[schema(example = "Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034")]
    source: &'static str,
    /// Whether its scores speak of a target class.
    #[schema(example = true)]
    uses_target: bool,
    /// Whether the seed changes its scores.
    #[schema(example = false)]
    uses_seed: bool,
    /// Its options with their defaults, by name.
    #[schema(
        value_type = std::collections::BTreeMap<String, Value>,
        example = json!({"norm": "l2", "output": "logit"})
    )]
    options: Value,
    /// The JSON Schema (draft 2020-12) of `options`, complete in itself: types, bounds, defaults and meanings.
    #[schema(
        value_type = std::collections::BTreeMap<String, Value>,
        example = json!(shown().map(schema::of_options))
    )]
    options_schema: Value,
}

/// Lists the methods.
///
/// Each with what it answers, what it takes, when not to use it, and its options: their defaults and their
/// JSON Schema. In the order that the program knows them.
#[utoipa::path(
    get,
    path = "/v1/methods",
    operation_id = "list_methods",
    tag = "catalogue",
    responses(
        (status = 200, description = "All methods", body = MethodList, example = json!(all())),
        PlainProblems
    )
)]
pub async fn list() -> Json<MethodList> {
    Json(all())
}

fn all() -> MethodList {
    MethodList { methods: registry::METHODS.iter().map(|method| view(*method)).collect() }
}

fn view(method: &dyn Method) -> MethodView {
    MethodView {
        id: method.id(),
        name: method.name(),
        default: method.id() == registry::DEFAULT_METHOD,
        version: method.version(),
        family: method.family(),
        summary: method.summary(),
        formula: method.formula(),
        effort: method.effort(),
        caution: method.caution(),
        source: method.source(),
        uses_target: method.uses_target(),
        uses_seed: method.samples(),
        options: method.default_options(),
        options_schema: schema::of_options(method),
    }
}

/// The method that the examples show.
fn shown() -> Option<&'static dyn Method> {
    registry::find("saliency")
}
