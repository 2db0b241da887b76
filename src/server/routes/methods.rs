//! `GET /v1/methods`: in which ways can a text be explained?

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::explain::{Family, Method, registry};
use crate::server::document::responses::PlainProblems;

/// All methods.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodList {
    /// The methods, in the order of the registry.
    #[schema(min_items = 1, example = json!([{
        "id": "saliency", "default": false, "version": 1, "family": "gradient",
        "summary": "How strongly the output reacts to a small change of each word: the norm of its \
                    gradient. Never negative, says nothing of direction.",
        "source": "Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034",
        "uses_target": true, "uses_seed": false, "options": {"norm": "l2", "output": "logit"}
    }]))]
    methods: Vec<MethodView>,
}

/// One method.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MethodView {
    /// Its id, for the fields `methods` and `options` of a request.
    #[schema(example = "saliency")]
    id: &'static str,
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
}

/// Lists the methods.
///
/// Each with the defaults of its options, in the order that the program knows them.
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
        default: method.id() == registry::DEFAULT_METHOD,
        version: method.version(),
        family: method.family(),
        summary: method.summary(),
        source: method.source(),
        uses_target: method.uses_target(),
        uses_seed: method.samples(),
        options: method.default_options(),
    }
}
