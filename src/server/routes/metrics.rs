//! `GET /metrics`: figures for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::engine::Failure;
use crate::server::document::responses::PlainProblems;
use crate::server::problem::Problem;
use crate::server::state::{AppState, Stage};

/// The OpenMetrics text format, which Prometheus reads.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Gives figures for Prometheus.
///
/// In the OpenMetrics text format. No label holds anything of a text.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operations",
    responses(
        (status = 200, description = "All figures", body = String, content_type = "application/openmetrics-text",
            example = "# TYPE explaind_panics counter\nexplaind_panics_total 0\n# EOF\n"),
        PlainProblems
    )
)]
pub async fn metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    if let Stage::Open(engine) | Stage::Draining(engine) = state.stage() {
        engine.cache().measure();
    }
    let text = state.metrics.encode().map_err(|error| {
        Problem::of_fault(&Failure::Internal(format!("the metrics could not be written: {error}")))
    })?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
