//! `/v1/jobs`: the same question about every row of a dataset, answered in the background.

pub mod events;
mod idempotency;
mod lines;
pub mod order;
pub mod results;
mod table;
mod views;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

use crate::engine::Engine;
use crate::job::{Cancelled, Job, Jobs};
use crate::server::desk::HttpDesk;
use crate::server::document::responses::{JobListProblems, JobProblems, parsed};
use crate::server::problem::Problem;
use crate::server::query::{Cursor, Paging};
use crate::server::state::{AppState, Stage};
use crate::store::jobs::JobId;
pub(super) use views::state_name;
pub use views::{JobList, JobView};

/// Which jobs are wanted, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read as text; this is its description")]
pub struct JobParameters {
    /// Jobs at most; 100 by default.
    #[param(required = false, minimum = 1, maximum = 1000, example = 100)]
    limit: u32,
    /// The `next` of the page before: the id of its last job; the first page by default.
    #[param(
        required = false,
        pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        example = "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64"
    )]
    after: String,
}

/// Lists the jobs.
///
/// The newest first. `next` is null on the last page.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    params(JobParameters),
    responses(
        (status = 200, description = "Some of the jobs", body = JobList,
            headers(("Cache-Control" = String, description = "Always `no-store`: jobs change")),
            example = json!(parsed(include_str!("../../../../openapi/examples/jobs.json")))),
        JobListProblems
    )
)]
pub async fn list(State(state): State<AppState>, page: Paging<JobId>) -> Result<Response, Problem> {
    let engine = opened(&state)?;
    let page = Jobs::of(&engine, &HttpDesk).list(page.after, page.limit).await?;
    Ok(of_now(Json(JobList::from(page))))
}

/// Tells of a job.
///
/// How far it has come, how fast it is, and how long it will probably take.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    operation_id = "find_job",
    tag = "jobs",
    params(
        ("id" = String, Path, description = "The `id` of a job: a UUID in lower case", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", example = json!("019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64"))
    ),
    responses(
        (status = 200, description = "What is told of the job", body = JobView,
            headers(("Cache-Control" = String, description = "Always `no-store`: jobs change")),
            example = json!(parsed(include_str!("../../../../openapi/examples/job.json")))),
        JobProblems
    )
)]
pub async fn find(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let engine = opened(&state)?;
    let job = found(&engine, known(id)?).await?;
    Ok(of_now(Json(JobView::from(job))))
}

/// Ends a job, or deletes it.
///
/// One that goes on is called off: 200, and what it has answered stays. One that is over is deleted with all it has
/// answered: 204. The dataset stays in either case.
#[utoipa::path(
    delete,
    path = "/v1/jobs/{id}",
    operation_id = "end_job",
    tag = "jobs",
    params(
        ("id" = String, Path, description = "The `id` of a job: a UUID in lower case", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", example = json!("019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64"))
    ),
    responses(
        (status = 200, description = "It was going on, and is called off", body = JobView,
            example = json!(parsed(include_str!("../../../../openapi/examples/job-cancelled.json")))),
        (status = 204, description = "It was over, and is deleted"),
        JobProblems
    )
)]
pub async fn end(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let engine = opened(&state)?;
    match Jobs::of(&engine, &HttpDesk).end(known(id)?).await?.ok_or_else(Problem::no_such_job)? {
        Cancelled::CalledOff(job) => Ok(of_now(Json(JobView::from(*job)))),
        Cancelled::Deleted => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// What is kept can be read and ended even while the server drains.
fn opened(state: &AppState) -> Result<Arc<Engine>, Problem> {
    match state.stage() {
        Stage::Starting => Err(Problem::starting()),
        Stage::Open(engine) | Stage::Draining(engine) => Ok(engine),
    }
}

/// The id in a path. A path that is no UTF-8 is no id either.
fn known(id: Result<Path<String>, PathRejection>) -> Result<JobId, Problem> {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    JobId::parse(&id).ok_or_else(Problem::no_such_job)
}

async fn found(engine: &Arc<Engine>, id: JobId) -> Result<Job, Problem> {
    Jobs::of(engine, &HttpDesk).find(id).await?.ok_or_else(Problem::no_such_job)
}

/// An answer that is true at this moment.
fn of_now(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], answer).into_response()
}

impl Cursor for JobId {
    const EXPECTED: &'static str = "the `next` of the page before, the id of a job";

    fn parse(text: &str) -> Option<Self> {
        JobId::parse(text)
    }
}
