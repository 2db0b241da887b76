//! `GET /v1/methods`: in which ways can a text be explained?

use axum::Json;
use serde::Serialize;
use serde_json::Value;

use crate::explain::{Family, Method, registry};

/// All methods.
#[derive(Debug, Serialize)]
pub struct MethodList {
    methods: Vec<MethodView>,
}

#[derive(Debug, Serialize)]
struct MethodView {
    id: &'static str,
    default: bool,
    version: u32,
    family: Family,
    summary: &'static str,
    source: &'static str,
    uses_target: bool,
    uses_seed: bool,
    options: Value,
}

/// Lists the methods with their options' defaults.
pub async fn list() -> Json<MethodList> {
    Json(MethodList { methods: registry::METHODS.iter().map(|method| view(*method)).collect() })
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
