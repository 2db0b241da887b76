//! `POST /v1/jobs`: takes a job on, about a dataset or about the rows that come with it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use blake3::Hasher;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::idempotency::{IdempotencyHeader, IdempotencyKey};
use super::views::JobView;
use super::{lines, of_now};
use crate::dataset::Format;
use crate::engine::answer::ConceptName;
use crate::engine::{Engine, Question, Visit};
use crate::identity::DatasetId;
use crate::job::{Job, JobError, Jobs, Order};
use crate::server::deadline::TimeoutHeader;
use crate::server::desk::{Endpoint, HttpDesk, plain_question, question};
use crate::server::document::responses::{UploadProblems, parsed};
use crate::server::incoming::{Incoming, Limit};
use crate::server::problem::Problem;
use crate::server::query::NoQuery;
use crate::server::state::{AppState, Limits, Open};
use crate::server::strict_value::{StrictMap, optional_name};
use crate::server::{json_body, media_type};

const MEDIA_TYPES: &str = "`Content-Type: application/json` with the id of a dataset, or `Content-Type: application/x-ndjson` \
                           with the rows after the first line";

const EXAMPLE: &str = "{\"endpoint\": \"explain\", \"request\": {}, \"dataset\": \"…\"}";

/// How a job is ordered.
#[derive(Clone, Copy)]
enum Form {
    /// About a dataset that is there.
    Json,
    /// About rows that follow the first line.
    Lines,
}

/// What is to be asked, about which dataset.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobBody {
    /// The kind of question.
    #[serde(default, deserialize_with = "optional_name")]
    #[schema(value_type = Endpoint, required)]
    endpoint: Option<Endpoint>,
    /// The body that the endpoint takes, without `text`, `text_pair`, `texts` and `dry_run`; `{}` by default.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>, example = json!({"methods": ["saliency"]}))]
    request: Option<StrictMap>,
    /// The `id` of a dataset of up to 100,000 rows.
    #[schema(
        value_type = String, required,
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    dataset: Option<String>,
}

/// A question without texts, checked.
pub(in crate::server::routes) struct Asked {
    endpoint: Endpoint,
    request: Map<String, Value>,
    question: Question,
}

impl Asked {
    /// Checks what is to be asked.
    pub(in crate::server::routes) async fn new(
        engine: &Engine,
        endpoint: Option<Endpoint>,
        request: Option<StrictMap>,
    ) -> Result<Self, Problem> {
        let endpoint = endpoint.ok_or_else(|| {
            let remedy = "send `endpoint`: `explain`, `attributions`, `predict`, `attention` or `states`";
            Problem::invalid("/endpoint", "the kind of question is missing", remedy)
        })?;
        let request = request.map(|StrictMap(request)| request).unwrap_or_default();
        let question = question(engine, endpoint, request.clone()).await?;
        Ok(Asked { endpoint, request, question })
    }

    /// The same of a request whose fields stand in the body itself.
    pub(in crate::server::routes) async fn plain(
        engine: &Engine,
        endpoint: Endpoint,
        request: Map<String, Value>,
    ) -> Result<Self, Problem> {
        let question = plain_question(engine, endpoint, request.clone()).await?;
        Ok(Asked { endpoint, request, question })
    }

    /// The same about a dataset.
    pub(in crate::server::routes) fn about(mut self, dataset: DatasetId) -> Order {
        // Which model is the first may be otherwise on another server, or tomorrow.
        self.request.insert("model".into(), self.question.model().id().into());
        // The newest version of a concept may be another one by then.
        let named = self.request.get_mut("interventions").and_then(Value::as_array_mut);
        for (sent, told) in named.into_iter().flatten().zip(self.question.interventions()) {
            let ConceptName { name, version, .. } = &told.concept;
            sent["concept"] = format!("{name}@{version}").into();
        }
        // A map of JSON can always be written.
        let request = serde_json::to_vec(&self.request).unwrap_or_default();
        Order { endpoint: self.endpoint.name(), request, question: self.question, dataset }
    }
}

/// A body on its way, which is hashed as it comes.
pub(super) struct Hashed<'a> {
    body: &'a mut Incoming,
    hasher: Hasher,
}

impl Hashed<'_> {
    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let bytes = self.body.next().await?;
        if let Some(bytes) = &bytes {
            self.hasher.update(bytes);
        }
        Ok(bytes)
    }

    /// The hash of the whole body, of which the rest is read and forgotten.
    async fn finish(mut self) -> Result<[u8; 32], Problem> {
        while self.next().await?.is_some() {}
        Ok(*self.hasher.finalize().as_bytes())
    }
}

/// Takes on a job.
///
/// The same question about every row of a dataset, answered in the background, one answer a row. Either as JSON, about
/// a dataset that is there; or as JSON lines: `{"endpoint", "request"}` on the first, and the rows on the others, as
/// `POST /v1/datasets` takes them. These become a dataset. Everything is checked before the job is taken on, but for
/// what only a text can show: a row that fails has its error in the results.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    operation_id = "order_job",
    tag = "jobs",
    params(IdempotencyHeader, TimeoutHeader),
    request_body(description = "What is to be asked about which rows", content(
        (JobBody = "application/json", example = json!({"endpoint": "explain", "request": {"methods": ["saliency"]}, "dataset": "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e"})),
        (String = "application/x-ndjson", example = json!("{\"endpoint\": \"explain\", \"request\": {\"methods\": [\"saliency\"]}}\n{\"text\": \"A gripping film.\", \"label\": \"positive\"}\n{\"text\": \"It drags.\"}\n"))
    )),
    responses(
        (status = 200, description = "The request was sent before with this key; this is its job", body = JobView,
            headers(("Location" = String, description = "Where the job is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/job.json")))),
        (status = 202, description = "The job is taken on, and goes on whatever happens to the server", body = JobView,
            headers(("Location" = String, description = "Where the job is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/job-ordered.json")))),
        UploadProblems
    )
)]
pub async fn order(
    State(state): State<AppState>,
    Open(engine): Open,
    _: NoQuery,
    visit: Visit,
    IdempotencyKey(key): IdempotencyKey,
    request: Request,
) -> Result<Response, Problem> {
    let form = media_type::of_body(request.headers(), Form::of_media_type, MEDIA_TYPES)?;
    let mut body = Incoming::new(request.into_body(), form.limit(&state.limits), visit.deadline())?;
    match take_in(&engine, form, key, &mut body).await {
        Ok((job, status)) => Ok(answer(job, status)),
        Err(problem) => {
            body.discard().await;
            Err(problem)
        }
    }
}

async fn take_in(
    engine: &Arc<Engine>,
    form: Form,
    key: Option<String>,
    body: &mut Incoming,
) -> Result<(Job, StatusCode), Problem> {
    let jobs = Jobs::of(engine, &HttpDesk);
    let mut body = Hashed { body, hasher: Hasher::new() };
    // The key comes first: what was sent before is hashed again, and not taken in again.
    let reserved = match key {
        None => None,
        Some(key) => match jobs.reserve(key).await? {
            Ok(reserved) => Some(reserved),
            Err((job, hash)) => {
                return match body.finish().await? == hash {
                    true => Ok((job, StatusCode::OK)),
                    false => Err(JobError::KeyOfAnother.into()),
                };
            }
        },
    };
    let order = match form {
        Form::Json => of_json(engine, &mut body).await?,
        Form::Lines => lines::read(engine, &mut body).await?,
    };
    let hash = body.finish().await?;
    let job = jobs.order(order, reserved.map(|reserved| (reserved, hash))).await?;
    Ok((job, StatusCode::ACCEPTED))
}

async fn of_json(engine: &Engine, body: &mut Hashed<'_>) -> Result<Order, Problem> {
    let mut bytes = Vec::new();
    while let Some(more) = body.next().await? {
        bytes.extend_from_slice(&more);
    }
    let JobBody { endpoint, request, dataset } = json_body::parsed(&bytes, EXAMPLE)?;
    let asked = Asked::new(engine, endpoint, request).await?;
    let remedy = "send the `id` of a dataset, 64 lower-case hexadecimal digits; or send the rows with the job, as JSON \
                  lines";
    let dataset = dataset.ok_or_else(|| Problem::invalid("/dataset", "the dataset is missing", remedy))?;
    let id = DatasetId::parse(&dataset);
    let id = id.ok_or_else(|| Problem::invalid("/dataset", "this is no id of a dataset", remedy))?;
    Ok(asked.about(id))
}

/// What is told of a job that was ordered, with its place.
pub(in crate::server::routes) fn answer(job: Job, status: StatusCode) -> Response {
    let location = format!("/v1/jobs/{}", job.id);
    let mut response = of_now((status, Json(JobView::from(job))));
    // An id is plain ASCII.
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

impl Form {
    fn of_media_type(essence: &str) -> Option<Self> {
        match Format::of_media_type(essence) {
            Some(Format::JsonLines) => Some(Form::Lines),
            Some(Format::Csv) => None,
            None => json_body::is_json(essence).then_some(Form::Json),
        }
    }

    fn limit(self, limits: &Limits) -> Limit {
        match self {
            Form::Json => Limit { bytes: limits.body_bytes as u64, problem: |_| Problem::body_too_large() },
            Form::Lines => Limit { bytes: limits.dataset_bytes, problem: Problem::dataset_too_large },
        }
    }
}
