//! The shapes of what is told of jobs.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::engine::answer::ModelName;
use crate::job::{Job, JobPage};
use crate::server::timestamp::rfc_3339;
use crate::store::jobs::JobState;

/// Some jobs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobList {
    /// The jobs, the newest first.
    #[schema(example = json!([]))]
    jobs: Vec<JobView>,
    /// The `after` of the next page: the id of the last job of this one; null if there are no more.
    #[schema(required, example = json!(null))]
    next: Option<String>,
}

/// What is told of a job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobView {
    /// Its name, a UUID: later jobs have greater ones.
    #[schema(
        example = "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64",
        pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    )]
    id: String,
    /// What has become of it.
    state: StateView,
    /// The kind of question: `explain`, `attributions`, `predict`, `attention` or `states`.
    #[schema(example = "explain")]
    endpoint: String,
    /// The question without its text, as it was sent, with `model` if that was left out, and with the version of each
    /// concept that is named.
    #[schema(value_type = std::collections::BTreeMap<String, Value>, example = json!({"methods": ["saliency"]}))]
    request: Value,
    /// The model that is asked.
    model: ModelName,
    /// The `id` of the dataset whose rows are asked about.
    #[schema(
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    dataset: String,
    /// How many rows that is.
    #[schema(example = 691, minimum = 1, maximum = 100000)]
    rows: u64,
    /// Rows that have an answer or an error.
    #[schema(example = 691, maximum = 100000)]
    done: u64,
    /// Rows that have an error.
    #[schema(example = 0, maximum = 100000)]
    failed: u64,
    /// Rows a second since the first was begun; null before any is done.
    #[schema(required, example = 22.5)]
    rows_per_second: Option<f64>,
    /// Seconds until it is done, at that rate; 0 when it is over, null while nobody knows.
    #[schema(required, example = 0.0)]
    seconds_left: Option<f64>,
    /// How long it would take on an idle server, in seconds, as was thought when it came.
    #[schema(example = 31.5)]
    estimated_seconds: f64,
    /// When it came.
    #[schema(format = "date-time", example = "2026-11-24T18:03:12.001Z")]
    created_at: String,
    /// When its first rows were begun; null before.
    #[schema(required, format = "date-time", example = "2026-11-24T18:03:12.204Z")]
    started_at: Option<String>,
    /// When it was over; null before.
    #[schema(required, format = "date-time", example = "2026-11-24T18:03:42.915Z")]
    ended_at: Option<String>,
}

/// What has become of a job: `queued` (nothing was begun), `running`, `finished` (every row has its answer or its
/// error), `cancelled` (it was called off).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "finished")]
enum StateView {
    /// Nothing of it was begun.
    Queued,
    /// Rows of it were begun.
    Running,
    /// Every row has its answer or its error.
    Finished,
    /// It was called off.
    Cancelled,
}

/// The state of a job in a word.
pub fn state_name(job: &Job) -> &'static str {
    match StateView::of(job) {
        StateView::Queued => "queued",
        StateView::Running => "running",
        StateView::Finished => "finished",
        StateView::Cancelled => "cancelled",
    }
}

impl StateView {
    fn of(job: &Job) -> Self {
        match job.state {
            JobState::Finished => StateView::Finished,
            JobState::Cancelled => StateView::Cancelled,
            JobState::Accepted | JobState::Queued if job.is_begun => StateView::Running,
            JobState::Accepted | JobState::Queued => StateView::Queued,
        }
    }
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        let (id, fingerprint) = job.model.clone();
        JobView {
            id: job.id.to_string(),
            state: StateView::of(&job),
            endpoint: job.endpoint,
            request: serde_json::from_slice(&job.request).unwrap_or_default(),
            model: ModelName { id, fingerprint },
            dataset: job.dataset.to_string(),
            rows: job.progress.rows,
            done: job.progress.done,
            failed: job.progress.failed,
            rows_per_second: job.progress.rows_per_second,
            seconds_left: job.progress.seconds_left,
            estimated_seconds: job.estimated_seconds,
            created_at: rfc_3339(job.created_at),
            started_at: job.started_at.map(rfc_3339),
            ended_at: job.ended_at.map(rfc_3339),
        }
    }
}

impl From<JobPage> for JobList {
    fn from(page: JobPage) -> Self {
        let jobs = page.jobs.into_iter().map(JobView::from).collect();
        JobList { jobs, next: page.next.map(|id| id.to_string()) }
    }
}
