//! `GET /v1/models`: what is served?

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::model::Model;
use crate::server::AppState;

/// All models, the default one first.
#[derive(Debug, Serialize)]
pub struct ModelList {
    models: Vec<ModelView>,
}

#[derive(Debug, Serialize)]
struct ModelView {
    id: String,
    default: bool,
    fingerprint: String,
    problem_type: &'static str,
    labels: Vec<String>,
    layers: usize,
    heads: usize,
    hidden_size: usize,
    intermediate_size: usize,
    max_tokens: usize,
    pairs: bool,
    masked_lm: bool,
}

/// Lists the models.
pub async fn list(State(state): State<AppState>) -> Json<ModelList> {
    let models =
        state.engine.models().iter().enumerate().map(|(index, model)| view(model, index == 0)).collect();
    Json(ModelList { models })
}

fn view(model: &Model, default: bool) -> ModelView {
    let config = model.config();
    ModelView {
        id: model.id().to_owned(),
        default,
        fingerprint: model.fingerprint().to_owned(),
        problem_type: config.problem.name(),
        labels: config.labels.clone(),
        layers: config.layers,
        heads: config.heads,
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        max_tokens: model.tokenizer().limit(),
        pairs: config.type_vocabulary_size > 1,
        masked_lm: model.encoder().has_masked_lm_head(),
    }
}
