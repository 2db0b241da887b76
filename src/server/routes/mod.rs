//! One file per resource: its handlers with their request and response types.

pub mod attention;
pub mod causes;
pub mod concepts;
pub mod datasets;
pub mod explain;
pub mod explanations;
pub mod health;
pub mod interventions;
pub mod jobs;
pub mod methods;
pub mod metrics;
pub mod models;
pub mod openapi;
pub mod predict;
pub mod states;
pub mod summaries;

use axum::http::{Method, Uri};

use super::problem::Problem;

/// 404 for paths nobody knows.
pub async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found(uri.path())
}

/// 405 for known paths.
pub async fn wrong_method(method: Method) -> Problem {
    Problem::wrong_method(method.as_str())
}
