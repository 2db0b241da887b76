//! Query strings. No path takes any, and what is not understood is refused rather than ignored.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Refuses a request with a query.
pub async fn refuse(request: Request, next: Next) -> Response {
    match request.uri().query() {
        None | Some("") => next.run(request).await,
        Some(_) => Problem::query().into_response(),
    }
}
