//! `GET /v1/jobs/{id}/events`: how far a job has come, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::Error;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::{IntoParams, ToSchema};

use super::views::JobView;
use super::{found, known, of_now};
use crate::engine::Engine;
use crate::job::{Job, Jobs};
use crate::server::desk::HttpDesk;
use crate::server::document::responses::JobProblems;
use crate::server::problem::Problem;
use crate::server::query::whole_number;
use crate::server::state::{AppState, Open, Stage};
use crate::store::jobs::JobId;

/// Between two looks at a job.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// How long nothing is said at most: proxies take a silent connection for a dead one.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

const HEADER: &str = "last-event-id";

/// The header, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read as text; this is its description")]
pub struct LastEventHeader {
    /// The `id` of the last event that the client had: it is not told the same again.
    #[param(rename = "Last-Event-ID", required = false, pattern = "^[0-9]{1,19}$", example = "120")]
    last: String,
}

/// One event of the stream, for the API's description.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobEvent {
    /// `progress`, `end` or `gone`.
    #[schema(example = "progress", pattern = "^(progress|end|gone)$")]
    event: String,
    /// The rows that are done; absent with `gone`.
    #[schema(nullable = false, example = "120", pattern = "^[0-9]+$")]
    id: Option<String>,
    /// The job as JSON, as `GET /v1/jobs/{id}` tells of it; with `gone`, its `id` alone.
    #[schema(example = "{\"id\":\"019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64\",\"state\":\"running\"}")]
    data: String,
}

/// The rows that were done at the last event that the client had.
pub struct LastEvent(Option<u64>);

impl FromRequestParts<AppState> for LastEvent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        let mut sent = parts.headers.get_all(HEADER).iter();
        match (sent.next(), sent.next()) {
            (None, _) => Ok(LastEvent(None)),
            (Some(value), None) => {
                let done = value.to_str().ok().and_then(whole_number);
                done.map(|done| LastEvent(Some(done))).ok_or_else(Problem::last_event_id)
            }
            (Some(_), Some(_)) => Err(Problem::last_event_id()),
        }
    }
}

/// Follows a job.
///
/// Server-sent events: `progress` whenever something has changed (looked at twice a second), and `end` when the job is
/// over; then the stream ends. The data of both is the job, as `GET /v1/jobs/{id}` tells of it, and the `id` of an
/// event is the number of rows that are done. `gone` says that the job was deleted meanwhile. A server that stops ends
/// the stream without `end`: ask again, with `Last-Event-ID`.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/events",
    operation_id = "job_events",
    tag = "jobs",
    params(
        ("id" = String, Path, description = "The `id` of a job: a UUID in lower case", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", example = json!("019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64")),
        LastEventHeader
    ),
    responses(
        (status = 200, description = "Events until the job is over", body = JobEvent, content_type = "text/event-stream",
            headers(("Cache-Control" = String, description = "Always `no-store`: jobs change")),
            example = json!("event: progress\nid: 120\ndata: {\"id\":\"019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64\",\"state\":\"running\",…}\n\nevent: end\nid: 691\ndata: {\"id\":\"019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64\",\"state\":\"finished\",…}\n\n")),
        JobProblems
    )
)]
pub async fn events(
    State(state): State<AppState>,
    Open(engine): Open,
    LastEvent(known_done): LastEvent,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = known(id)?;
    let job = found(&engine, id).await?;
    let mut looks = interval(BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch { state, engine, id, looks, found: Some(job), told: None, known_done, is_over: false };
    let events = Sse::new(stream::unfold(watch, Watch::next));
    let keep_alive = KeepAlive::new().interval(LONGEST_SILENCE);
    // `Sse` says by itself that it may be kept if it is asked for again; it may not.
    let mut response = events.keep_alive(keep_alive).into_response();
    let headers = of_now(()).headers().clone();
    response.headers_mut().extend(headers);
    Ok(response)
}

/// Somebody who follows a job.
struct Watch {
    state: AppState,
    engine: Arc<Engine>,
    id: JobId,
    looks: Interval,
    /// What was found before the first look.
    found: Option<Job>,
    /// What the last event told.
    told: Option<Job>,
    /// The rows that were done when the client was last told of it, by this server or another.
    known_done: Option<u64>,
    is_over: bool,
}

impl Watch {
    /// The next event; none when there are no more.
    async fn next(mut self) -> Option<(Result<Event, Error>, Self)> {
        while !self.is_over {
            self.looks.tick().await;
            if !matches!(self.state.stage(), Stage::Open(_)) {
                return None;
            }
            if let Some(event) = self.look().await {
                return Some((event, self));
            }
        }
        None
    }

    /// What is news at this moment.
    async fn look(&mut self) -> Option<Result<Event, Error>> {
        let job = match self.found.take() {
            Some(job) => job,
            None => match Jobs::of(&self.engine, &HttpDesk).find(self.id).await {
                Ok(Some(job)) => job,
                Ok(None) => return Some(self.gone()),
                // The database will be back; until then there is no news.
                Err(_) => return None,
            },
        };
        self.is_over = job.state.is_over();
        let done = job.progress.done;
        let is_known = self.told.as_ref() == Some(&job) || self.known_done.take() == Some(done);
        if is_known && !self.is_over {
            self.told = Some(job);
            return None;
        }
        self.told = Some(job.clone());
        let name = if self.is_over { "end" } else { "progress" };
        Some(Event::default().event(name).id(done.to_string()).json_data(JobView::from(job)))
    }

    fn gone(&mut self) -> Result<Event, Error> {
        self.is_over = true;
        // Clients pass over an event without data.
        Event::default().event("gone").json_data(json!({"id": self.id.to_string()}))
    }
}
