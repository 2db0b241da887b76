//! `GET /v1/jobs/{id}/results`: what a job has answered, in the order of the rows.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use mediatype::{MediaType, Name, names};
use utoipa::IntoParams;

use super::table::Columns;
use super::views::state_name;
use super::{found, known, opened};
use crate::engine::Engine;
use crate::job::{AnswerLine, Job, Jobs, MOST_ROWS};
use crate::server::desk::{Endpoint, HttpDesk};
use crate::server::document::responses::ResultProblems;
use crate::server::problem::Problem;
use crate::server::query::{Parameters, whole_number};
use crate::server::representation::{Accepts, Form};
use crate::server::state::AppState;
use crate::store::jobs::JobId;

/// Answers that are in memory at a time, at most.
const ANSWERS_AT_ONCE: u64 = 500;

const JOB_STATE: HeaderName = HeaderName::from_static("explaind-job-state");

/// Which results are wanted, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read as text; this is its description")]
pub struct ResultParameters {
    /// How many rows are looked at; all by default.
    #[param(required = false, minimum = 1, maximum = 100000, example = 1000)]
    limit: u64,
    /// The number of the row behind which to begin; the first row by default.
    #[param(required = false, minimum = 0, maximum = 99999, example = 999)]
    after: u64,
}

/// Rows that are wanted.
pub struct Range {
    after: Option<u64>,
    limit: Option<u64>,
}

impl FromRequestParts<AppState> for Range {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        let parameters = Parameters::of(&parts.uri, &["limit", "after"])?;
        let limit = |text: &str| whole_number(text).filter(|limit| (1..=MOST_ROWS).contains(limit));
        let after = |text: &str| whole_number(text).filter(|after| *after < MOST_ROWS);
        Ok(Range {
            limit: parameters.get("limit", &format!("a whole number from 1 to {MOST_ROWS}"), limit)?,
            after: parameters.get("after", "the number of a row", after)?,
        })
    }
}

/// A form of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResultForm {
    Lines,
    Table,
}

impl ResultForm {
    const ALL: [ResultForm; 2] = [ResultForm::Lines, ResultForm::Table];

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            ResultForm::Lines => "application/x-ndjson",
            ResultForm::Table => "text/csv; charset=utf-8; header=present",
        })
    }
}

impl Form for ResultForm {
    fn essence(self) -> MediaType<'static> {
        match self {
            ResultForm::Lines => MediaType::new(names::APPLICATION, Name::new_unchecked("x-ndjson")),
            ResultForm::Table => MediaType::new(names::TEXT, names::CSV),
        }
    }
}

/// Gives what a job has answered.
///
/// JSON lines in the order of the rows: `{"row": 0, "answer": {…}}` with the bytes of the answer that the row would
/// have alone, or `{"row": 0, "error": {…}}` with its problem. While the job goes on, rows that are not done are left
/// out; the header `Explaind-Job-State` says whether it was over when this began. Without `limit` all is given, as a
/// stream: one that breaks off is not complete.
///
/// With `Accept: text/csv`, a table: for jobs that explain, a line for each word (token, sentence) of each explanation;
/// for the others, a line for each label. Rows that failed have no line there.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/results",
    operation_id = "job_results",
    tag = "jobs",
    params(
        ("id" = String, Path, description = "The `id` of a job: a UUID in lower case", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", example = json!("019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64")),
        ResultParameters
    ),
    responses(
        (status = 200, description = "What was answered so far",
            content(
                (String = "application/x-ndjson", example = json!("{\"row\":0,\"answer\":{\"id\":\"b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231\",…}}\n{\"row\":1,\"error\":{\"type\":\"urn:explaind:problem:text-too-long\",…}}\n")),
                (String = "text/csv", example = json!("row,text,prediction,method,target,unit,start,end,token_or_word,score\r\n0,A gripping film.,positive,saliency,positive,word,0,1,A,1.25\r\n"))
            ),
            headers(
                ("Explaind-Job-State" = String, description = "The job's state when this began: `queued`, `running`, `finished` or `cancelled`"),
                ("Link" = String, description = "`rel=\"next\"`: the next page; absent without `limit`, and on the last page"),
                ("Vary" = String, description = "The form depends on the Accept header"),
                ("Cache-Control" = String, description = "Always `no-store`: jobs change")
            )),
        ResultProblems
    )
)]
pub async fn results(
    State(state): State<AppState>,
    accepts: Accepts,
    range: Range,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let engine = opened(&state)?;
    let form = accepts.choose(&ResultForm::ALL)?;
    // The state first: what was over then has no more answers later.
    let job = found(&engine, known(id)?).await?;
    let first = range.after.map_or(0, |after| after + 1);
    let end = range.limit.map_or(job.progress.rows, |limit| job.progress.rows.min(first + limit));
    let mut reading =
        Reading { engine, id: job.id, next: Some(first), end, writing: Writing::of(form, &job) };
    // As long as nothing is sent, a failure can be told.
    let mut beginning = reading.writing.beginning();
    beginning.extend(reading.next().await?.unwrap_or_default());
    let rest = stream::try_unfold(reading, |mut reading| async move {
        let bytes = reading.next().await.map_err(|problem| broken(&problem))?;
        Ok(bytes.map(|bytes| (bytes, reading)))
    });
    let body = Body::from_stream(stream::iter([Ok::<_, io::Error>(beginning)]).chain(rest));
    Ok(response(body, form, &job, range.limit.filter(|_| end < job.progress.rows).map(|limit| (end, limit))))
}

/// The answer's head; `next` is where the next page begins, and how long it may be.
fn response(body: Body, form: ResultForm, job: &Job, next: Option<(u64, u64)>) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, form.content_type());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(JOB_STATE, HeaderValue::from_static(state_name(job)));
    let link = next.map(|(begin, limit)| {
        format!("</v1/jobs/{}/results?after={}&limit={limit}>; rel=\"next\"", job.id, begin.saturating_sub(1))
    });
    // Plain ASCII.
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        headers.insert(header::LINK, link);
    }
    response
}

/// An error in the middle of a body makes it break off, so that nobody takes it for whole.
fn broken(problem: &Problem) -> io::Error {
    tracing::warn!(outcome = problem.name(), "the results of a job broke off");
    io::Error::other("the results broke off")
}

/// Answers on their way out, a portion at a time.
struct Reading {
    engine: Arc<Engine>,
    id: JobId,
    /// The next row to look at; none if there are no more answers.
    next: Option<u64>,
    /// The row before which to stop.
    end: u64,
    writing: Writing,
}

impl Reading {
    /// The next answers as they are sent; none if there are no more.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let Some(first) = self.next.filter(|first| *first < self.end) else { return Ok(None) };
        let most = u32::try_from(ANSWERS_AT_ONCE.min(self.end - first)).unwrap_or(u32::MAX);
        let page = Jobs::of(&self.engine, &HttpDesk).answers(self.id, first, most).await?;
        let mut page = page.ok_or_else(Problem::no_such_job)?;
        self.next = page.next.map(|last| last.saturating_add(1));
        page.lines.retain(|line| line.row < self.end);
        self.writing.written(page.lines).await.map(Some)
    }
}

/// How answers are written.
#[derive(Debug, Clone, Copy)]
enum Writing {
    Lines,
    Table(Columns),
}

impl Writing {
    fn of(form: ResultForm, job: &Job) -> Self {
        let explains = Endpoint::named(&job.endpoint).is_some_and(Endpoint::explains);
        match form {
            ResultForm::Lines => Writing::Lines,
            ResultForm::Table if explains => Writing::Table(Columns::Units),
            ResultForm::Table => Writing::Table(Columns::Labels),
        }
    }

    fn beginning(self) -> Vec<u8> {
        match self {
            Writing::Lines => Vec::new(),
            Writing::Table(columns) => columns.names(),
        }
    }

    async fn written(self, answers: Vec<AnswerLine>) -> Result<Vec<u8>, Problem> {
        match self {
            Writing::Lines => Ok(json_lines(&answers)),
            // Reading answers takes a while, so it is not done on the threads that serve connections.
            Writing::Table(columns) => {
                let written = tokio::task::spawn_blocking(move || columns.lines(&answers)).await;
                match written {
                    Ok(Ok(lines)) => Ok(lines),
                    // Neither error is told whole: both may quote the text.
                    Ok(Err(_)) | Err(_) => {
                        tracing::error!("an answer of a job could not be read");
                        Err(Problem::internal())
                    }
                }
            }
        }
    }
}

fn json_lines(answers: &[AnswerLine]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(answers.iter().map(|answer| answer.body.len() + 32).sum());
    for answer in answers {
        let name = if answer.failed { "error" } else { "answer" };
        lines.extend_from_slice(format!("{{\"row\":{},\"{name}\":", answer.row).as_bytes());
        lines.extend_from_slice(&answer.body);
        lines.extend_from_slice(b"}\n");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_the_bytes_of_the_answer() {
        let line = |row, failed, body: &str| AnswerLine { row, failed, body: body.into() };
        let lines = json_lines(&[line(0, false, "{\"id\":\"a\"}"), line(3, true, "{}")]);
        let expected = "{\"row\":0,\"answer\":{\"id\":\"a\"}}\n{\"row\":3,\"error\":{}}\n";
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
    }
}
