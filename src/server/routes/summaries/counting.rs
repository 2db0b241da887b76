//! Work that takes a while and much memory: done beside the threads that serve connections, for so many at a time, and
//! for as long as somebody waits for it.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout_at;

use crate::engine::{Failure, Visit};
use crate::server::problem::Problem;
use crate::server::state::AppState;

/// What is made of answers, as it is sent: a body that depends on nothing else, named by its hash.
///
/// # Errors
/// What the work fails with; or it is not done in time.
pub(super) async fn counted<T: Serialize>(
    state: &AppState,
    visit: &Visit,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let fault = |fault: &str| Problem::of_fault(&Failure::Internal(fault.into()));
    let counting = async {
        let leave = state.summaries.clone().acquire_owned().await;
        let counting = tokio::task::spawn_blocking(move || {
            let _leave = leave;
            let told = work()?;
            serde_json::to_vec(&told).map_err(|_| Problem::internal())
        });
        counting.await.map_err(|_| fault("counting the answers of a job panicked"))?
    };
    let late = |_| Problem::of_fault(&visit.late());
    Ok(named(timeout_at(visit.deadline(), counting).await.map_err(late)??))
}

fn named(body: Vec<u8>) -> Response {
    let tag = format!("\"{}\"", blake3::hash(&body).to_hex());
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    // Plain ASCII.
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
