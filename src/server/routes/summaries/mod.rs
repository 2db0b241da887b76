//! `POST /v1/summaries`: a global picture of what a job has answered.

mod answers;
mod body;
pub mod comparison;
mod counting;
pub mod evaluation;
mod judged;
pub(super) mod wish;

pub(super) use body::finished;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::engine::answer::ModelName;
use crate::engine::{Engine, Visit};
use crate::job::Job;
use crate::server::deadline::TimeoutHeader;
use crate::server::desk::Endpoint;
use crate::server::document::responses::{SummaryProblems, parsed};
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::routes::jobs::{JobView, order};
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictMap, optional_name};
use crate::summary::{self, Grouped, Options, SetSummary, Summary};
use answers::JobAnswers;
use body::Wanted;

const EXAMPLE: &str = "{\"job\": \"…\"}, or {\"dataset\": \"…\", \"endpoint\": \"explain\", \"request\": {}}";

/// Of what a picture is wanted, and how much of it. Either `job`, or `dataset` and `endpoint` are needed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryBody {
    /// The `id` of a job that is finished.
    #[schema(
        example = "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64",
        pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    )]
    job: Option<String>,
    /// The `id` of a dataset of up to 100,000 rows, instead of a job: the job is ordered with the first request, and
    /// found with the next.
    #[schema(example = json!(null), pattern = "^[0-9a-f]{64}$")]
    dataset: Option<String>,
    /// What is asked about the rows of the dataset.
    #[serde(default, deserialize_with = "optional_name")]
    #[schema(example = json!(null))]
    endpoint: Option<Endpoint>,
    /// The body that the endpoint takes, without `text`, `text_pair`, `texts` and `dry_run`; `{}` by default.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>, example = json!(null))]
    request: Option<StrictMap>,
    /// The method whose scores are looked at; the first of the job by default.
    #[schema(example = "saliency")]
    method: Option<String>,
    /// A key of the rows' metadata, of up to 50 values: the same is told of the rows of each value.
    #[schema(example = json!(null))]
    group_by: Option<String>,
    /// Words that are listed for each class, at most; 50 by default.
    #[schema(example = 50, minimum = 1, maximum = 1000)]
    top: Option<u64>,
    /// Texts in which a word must occur to be listed; 3 by default.
    #[schema(example = 3, minimum = 1, maximum = 100000)]
    minimum_texts: Option<u64>,
    /// Rows that are listed of those of which the model is least sure, at most; 20 by default.
    #[schema(example = 20, minimum = 1, maximum = 1000)]
    least_sure: Option<u64>,
    /// Resamples behind every interval; 1,000 by default.
    #[schema(example = 1000, minimum = 100, maximum = 10000)]
    resamples: Option<u64>,
    /// What the resamples are drawn by; 0 by default.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
}

/// A global picture of what a job has answered: a function of the answers and of what was asked.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryView {
    /// The job, its dataset and its model.
    of: JobName,
    /// The method whose scores were looked at; null where nothing is explained.
    #[schema(required, example = "saliency")]
    method: Option<String>,
    /// How much is told, and by how many resamples.
    options: Options,
    /// All rows together.
    whole: SetSummary,
    /// The rows by their values in a column; null unless that was asked for.
    #[schema(required, example = json!(null))]
    groups: Option<Groups>,
}

/// What a picture is of.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobName {
    /// The `id` of the job.
    #[schema(
        example = "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64",
        pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    )]
    job: String,
    /// The `id` of the dataset that it is about.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    dataset: String,
    /// The model that was asked.
    model: ModelName,
}

/// The rows by their values in a column.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Groups {
    /// The column: a key of the rows' metadata.
    #[schema(example = "year")]
    column: String,
    /// Its values, in the order of their JSON.
    #[schema(example = json!([]))]
    values: Vec<GroupView>,
}

/// The rows of one value.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupView {
    /// The value: a string, a number, true or false; null for rows that have none.
    #[schema(schema_with = body::group_value)]
    value: Value,
    /// What is told of these rows.
    summary: SetSummary,
}

impl From<&Job> for JobName {
    fn from(job: &Job) -> Self {
        let (id, fingerprint) = job.model.clone();
        JobName {
            job: job.id.to_string(),
            dataset: job.dataset.to_string(),
            model: ModelName { id, fingerprint },
        }
    }
}

impl From<Grouped> for GroupView {
    fn from(Grouped { value, summary }: Grouped) -> Self {
        GroupView { value: serde_json::from_str(&value).unwrap_or_default(), summary }
    }
}

/// Gives a global picture of what a job has answered.
///
/// Which words push towards which class, how far that can be trusted (95 % bootstrap intervals over texts), of which
/// rows the model is least sure, what it says and how often the dataset says the same; for attention, what each head
/// does. Of a job that is finished; or of a dataset: then the job is ordered, and until it is finished the answer is
/// 202 with the job. Asked the same again, it is found. Equal requests have equal answers, byte for byte.
#[utoipa::path(
    post,
    path = "/v1/summaries",
    operation_id = "summarise",
    tag = "summaries",
    params(TimeoutHeader),
    request_body(content = SummaryBody, description = "Of what, and how much of it", examples(
        ("job" = (summary = "Of a job", value = json!({"job": "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64"}))),
        ("dataset" = (summary = "Of a dataset", value = json!({"dataset": "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e", "endpoint": "explain", "request": {"methods": ["saliency"]}, "minimum_texts": 5}))),
        ("groups" = (summary = "By a key of the metadata", value = json!({"job": "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64", "group_by": "year", "top": 10})))
    )),
    responses(
        (status = 200, description = "The picture", body = SummaryView,
            headers(("ETag" = String, description = "Names these bytes: their BLAKE3 hash")),
            example = json!(parsed(include_str!("../../../../openapi/examples/summary.json")))),
        (status = 202, description = "The job about the dataset is not finished: ask the same again when it is", body = JobView,
            headers(("Location" = String, description = "Where the job is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/job-ordered.json")))),
        SummaryProblems
    )
)]
pub async fn summarise(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    request: Request,
) -> Result<Response, Problem> {
    let bytes = json_body::received(request, &state).await?;
    let body: SummaryBody = json_body::parsed(&bytes, EXAMPLE)?;
    let options = body.options()?;
    let SummaryBody { job, dataset, endpoint, request, method, group_by, .. } = body;
    let job = match (job, dataset) {
        (Some(id), None) => named(&engine, &id, endpoint.is_some(), request.is_some()).await?,
        (None, Some(dataset)) => {
            let asked = order::Asked::new(&engine, endpoint, request).await?;
            let job = wish::job(&engine, &dataset, asked).await?;
            if !job.state.is_over() {
                return Ok(order::answer(job, StatusCode::ACCEPTED));
            }
            body::finished(job, "/dataset")?
        }
        (Some(_), Some(_)) => {
            let remedy = "send either `job`, or `dataset` with `endpoint` and `request`";
            return Err(Problem::invalid("/dataset", "there is a job beside the dataset", remedy));
        }
        (None, None) => {
            let remedy = format!("send an object: {EXAMPLE}");
            return Err(Problem::invalid("/job", "neither a job nor a dataset is named", remedy));
        }
    };
    let method = body::chosen(method, &body::methods(&job))?;
    let awaited = Arc::new(());
    let mut answers = JobAnswers::of(&engine, &job, method.clone(), &awaited).await?;
    if let Some(column) = group_by.clone() {
        answers = answers.grouped(&job, column).await?;
    }
    counting::counted(&state, &visit, move || {
        let told = summary::summarise(&answers, &job.dataset.0, &options).map_err(Problem::of_summary)?;
        Ok(view(&job, method, options, group_by, told))
    })
    .await
}

impl SummaryBody {
    fn options(&self) -> Result<Options, Problem> {
        let wanted = Wanted {
            top: self.top,
            minimum_texts: self.minimum_texts,
            least_sure: self.least_sure,
            resamples: self.resamples,
            seed: self.seed,
        };
        wanted.checked()
    }
}

/// The finished job of an id, which says by itself what was asked.
async fn named(
    engine: &Arc<Engine>,
    id: &str,
    has_endpoint: bool,
    has_request: bool,
) -> Result<Job, Problem> {
    for (field, is_there) in [("endpoint", has_endpoint), ("request", has_request)] {
        if is_there {
            let detail = format!("`{field}` has no place beside `job`");
            let remedy = "leave it out: a job knows what it asked; or send `dataset` instead of `job`";
            return Err(Problem::invalid(format!("/{field}"), detail, remedy));
        }
    }
    body::finished(body::job(engine, id, "/job").await?, "/job")
}

fn view(
    job: &Job,
    method: Option<String>,
    options: Options,
    column: Option<String>,
    told: Summary,
) -> SummaryView {
    let Summary { whole, groups } = told;
    let values = groups.into_iter().map(GroupView::from).collect();
    let groups = column.map(|column| Groups { column, values });
    SummaryView { of: JobName::from(job), method, options, whole, groups }
}
