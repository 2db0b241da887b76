//! Probes. They answer from tokio's own threads: a full queue of explanations never delays them.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::server::AppState;

/// What a probe answers.
#[derive(Debug, Serialize)]
pub struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<usize>,
}

/// The process is alive.
pub async fn live() -> Json<Health> {
    Json(Health { status: "ok", models: None })
}

/// The models are loaded and warm. The server listens only once they are.
pub async fn ready(State(state): State<AppState>) -> Json<Health> {
    Json(Health { status: "ok", models: Some(state.engine.models().len()) })
}
