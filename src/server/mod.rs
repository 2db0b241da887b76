//! The HTTP surface: routes, errors (RFC 9457), limits. Thin: it checks, asks the engine, answers.

mod batch;
mod input;
mod json_body;
mod problem;
mod request_id;
pub mod routes;
mod strict_value;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Request;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

pub use problem::Problem;

use crate::engine::Engine;
use request_id::RequestId;

/// What every handler can reach.
#[derive(Clone)]
pub struct AppState {
    /// Models and workers.
    pub engine: Arc<Engine>,
    /// What a request may cost.
    pub limits: Limits,
}

/// Settings of the HTTP surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
}

/// All routes with their middleware.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/explain", post(routes::explain::explain))
        .route("/v1/explain", post(routes::explain::explain))
        .route("/v1/attributions", post(routes::explain::explain))
        .route("/v1/predict", post(routes::predict::predict))
        .route("/v1/attention", post(routes::attention::attention))
        .route("/v1/models", get(routes::models::list))
        .route("/v1/methods", get(routes::methods::list))
        .route("/livez", get(routes::health::live))
        .route("/readyz", get(routes::health::ready))
        .fallback(routes::unknown_path)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(DefaultBodyLimit::max(state.limits.body_bytes))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        // The path alone: queries and bodies may carry text, which never reaches the log.
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request<_>| {
            let id = request.extensions().get::<RequestId>().map(RequestId::as_str).unwrap_or_default();
            tracing::info_span!("request", id, method = %request.method(), path = request.uri().path())
        }))
        .layer(axum::middleware::from_fn(request_id::attach))
        .with_state(state)
}
