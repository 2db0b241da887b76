//! `GET /openapi.json`: the API describes itself.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::server::document;
use crate::server::document::responses::PlainProblems;

/// Describes the API.
///
/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "catalogue",
    responses(
        (status = 200, description = "OpenAPI 3.1", content_type = "application/json",
            body = std::collections::BTreeMap<String, serde_json::Value>, example = json!({"openapi": "3.1.0"})),
        PlainProblems
    )
)]
pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document::openapi_json()).into_response()
}
