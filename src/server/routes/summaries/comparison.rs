//! `POST /v1/comparisons`: how the answers of two jobs differ.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::answers::JobAnswers;
use super::body::{self, Wanted};
use super::{JobName, counting};
use crate::engine::{Engine, Visit};
use crate::job::Job;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{SummaryProblems, parsed};
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::state::{AppState, Open};
use crate::summary::comparison::{Compared, Comparison, GroupedComparison, Named, compare as compared};

const EXAMPLE: &str = "{\"a\": {\"job\": \"…\"}, \"b\": {\"job\": \"…\"}}";

/// Which jobs are compared, and how much is told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparisonBody {
    /// The first job: what was.
    #[schema(value_type = ComparedJob, required)]
    a: Option<ComparedJob>,
    /// The second job: what is.
    #[schema(value_type = ComparedJob, required)]
    b: Option<ComparedJob>,
    /// The method whose scores are compared; by default the first of the first job that the second has, too.
    #[schema(example = "saliency")]
    method: Option<String>,
    /// A key of the rows' metadata, of up to 50 values: the same is told of the rows of each value that both have.
    #[schema(example = json!(null))]
    group_by: Option<String>,
    /// Words that are listed for each class, and rows with another label, at most; 50 by default.
    #[schema(example = 50, minimum = 1, maximum = 1000)]
    top: Option<u64>,
    /// Texts of either job in which a word must occur to be compared; 3 by default.
    #[schema(example = 3, minimum = 1, maximum = 100000)]
    minimum_texts: Option<u64>,
    /// Resamples behind every interval; 1,000 by default.
    #[schema(example = 1000, minimum = 100, maximum = 10000)]
    resamples: Option<u64>,
    /// What the resamples are drawn by; 0 by default.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
}

/// A job that is compared.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ComparedJob {
    /// The `id` of a job that is finished.
    #[schema(
        value_type = String, required,
        example = "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64",
        pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    )]
    job: Option<String>,
}

/// How the answers of two jobs differ: a function of these and of what was asked.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparisonView {
    /// The first job, its dataset and its model.
    a: JobName,
    /// The second job, its dataset and its model.
    b: JobName,
    /// The method whose scores were compared; null where they have none in common.
    #[schema(required, example = "saliency")]
    method: Option<String>,
    /// How they differ, from the first to the second.
    comparison: Comparison,
    /// How the rows of each value of a column differ; null unless that was asked for.
    #[schema(required, example = json!(null))]
    groups: Option<ComparedGroups>,
}

/// How the rows of each value of a column differ.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ComparedGroups {
    /// The column: a key of the rows' metadata.
    #[schema(example = "year")]
    column: String,
    /// Its values that both jobs have, in the order of their JSON.
    #[schema(example = json!([]))]
    values: Vec<ComparedGroup>,
}

/// How the rows of one value differ.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ComparedGroup {
    /// The value: a string, a number, true or false; null for rows that have none.
    #[schema(schema_with = super::body::group_value)]
    value: Value,
    /// How they differ, from the first to the second.
    comparison: Comparison,
}

impl From<GroupedComparison> for ComparedGroup {
    fn from(GroupedComparison { value, comparison }: GroupedComparison) -> Self {
        ComparedGroup { value: serde_json::from_str(&value).unwrap_or_default(), comparison }
    }
}

/// Compares what two jobs have answered.
///
/// Two models about the same dataset, or one model about two datasets: how alike the words' pushes are, class by class,
/// which words have changed most (with 95 % bootstrap intervals), and, for the same dataset, which rows have another
/// label. Equal requests have equal answers, byte for byte.
#[utoipa::path(
    post,
    path = "/v1/comparisons",
    operation_id = "compare",
    tag = "summaries",
    params(TimeoutHeader),
    request_body(content = ComparisonBody, description = "Which jobs, and how much is told", example = json!({"a": {"job": "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64"}, "b": {"job": "019e3a60-1b7e-7d10-8c55-0a4b9f3d2e17"}})),
    responses(
        (status = 200, description = "How they differ", body = ComparisonView,
            headers(("ETag" = String, description = "Names these bytes: their BLAKE3 hash")),
            example = json!(parsed(include_str!("../../../../openapi/examples/comparison.json")))),
        SummaryProblems
    )
)]
pub async fn compare(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    request: Request,
) -> Result<Response, Problem> {
    let bytes = json_body::received(request, &state).await?;
    let body: ComparisonBody = json_body::parsed(&bytes, EXAMPLE)?;
    let wanted = Wanted {
        top: body.top,
        minimum_texts: body.minimum_texts,
        least_sure: None,
        resamples: body.resamples,
        seed: body.seed,
    };
    let options = wanted.checked()?;
    let first = job(&engine, body.a, "/a").await?;
    let second = job(&engine, body.b, "/b").await?;
    let of_second = body::methods(&second);
    let common: Vec<String> =
        body::methods(&first).into_iter().filter(|method| of_second.contains(method)).collect();
    let method = body::chosen(body.method, &common)?;
    let awaited = Arc::new(());
    let mut of_first = JobAnswers::of(&engine, &first, method.clone(), &awaited).await?;
    let mut of_second = JobAnswers::of(&engine, &second, method.clone(), &awaited).await?;
    if let Some(column) = &body.group_by {
        of_first = of_first.grouped(&first, column.clone()).await?;
        of_second = of_second.grouped(&second, column.clone()).await?;
    }
    counting::counted(&state, &visit, move || {
        let a = Named { texts: first.dataset.0, answers: &of_first };
        let b = Named { texts: second.dataset.0, answers: &of_second };
        let Compared { whole, groups } = compared(&a, &b, &options).map_err(Problem::of_summary)?;
        let values = groups.into_iter().map(ComparedGroup::from).collect();
        let groups = body.group_by.map(|column| ComparedGroups { column, values });
        let (a, b) = (JobName::from(&first), JobName::from(&second));
        Ok(ComparisonView { a, b, method, comparison: whole, groups })
    })
    .await
}

async fn job(engine: &Arc<Engine>, named: Option<ComparedJob>, pointer: &str) -> Result<Job, Problem> {
    let missing = |pointer: &str| {
        let remedy = format!("name two jobs: {EXAMPLE}");
        Problem::invalid(pointer, "there is no job to compare", remedy)
    };
    let named = named.ok_or_else(|| missing(pointer))?;
    let pointer = format!("{pointer}/job");
    let id = named.job.ok_or_else(|| missing(&pointer))?;
    body::finished(body::job(engine, &id, &pointer).await?, &pointer)
}
