//! `POST /v1/evaluate`: which method to believe on a model.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::answers::JobAnswers;
use super::body::{self, Wanted};
use super::judged::{self, Expectation, JudgedAnswers};
use super::{JobName, counting, wish};
use crate::engine::{Engine, Visit};
use crate::explain::faithfulness::Depth;
use crate::explain::granularity::Granularity;
use crate::job::Job;
use crate::server::deadline::TimeoutHeader;
use crate::server::desk::Endpoint;
use crate::server::document::responses::{SummaryProblems, parsed};
use crate::server::document::{MethodOptions, method_ids};
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::routes::jobs::JobView;
use crate::server::routes::jobs::order::{self, Asked};
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictMap, optional_name};
use crate::summary::evaluation::{Contenders, Draws, Evaluation, evaluate as evaluated};

const EXAMPLE: &str = "{\"dataset\": \"…\"}, or {\"job\": \"…\"}";

/// The methods that are held against each other where none are named: of every family those that take few passes, and
/// chance. Listed and reasoned about in `docs/quality.md`.
const USUAL_METHODS: [&str; 10] = [
    "integrated_gradients",
    "input_x_gradient",
    "saliency",
    "deep_lift",
    "attn_lrp",
    "leave_one_out",
    "occlusion",
    "gradient_attention",
    "attention_rollout",
    "random",
];

/// What methods are judged on. Either `dataset` or `job` is needed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationBody {
    /// The `id` of a dataset of up to 100,000 rows: the job that explains them is ordered with the first request, and
    /// found with the next.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    dataset: Option<String>,
    /// The `id` of a job that is finished and has all quality figures, instead of a dataset. It knows its model, its
    /// methods and what they were told.
    #[schema(example = json!(null), pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    job: Option<String>,
    /// The model's id; the first one by default.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// Ids of methods, each once. By default integrated_gradients, input_x_gradient, saliency, deep_lift, attn_lrp,
    /// leave_one_out, occlusion, gradient_attention, attention_rollout and random.
    #[schema(schema_with = method_ids)]
    methods: Option<Vec<String>>,
    /// Options by method id.
    #[schema(value_type = Option<MethodOptions>)]
    options: Option<StrictMap>,
    /// The unit of the scores; words by default.
    #[serde(default, deserialize_with = "optional_name")]
    granularity: Option<Granularity>,
    /// Whether to explain the beginning of a text that is longer than the model takes; otherwise such a row fails. False
    /// by default.
    #[schema(example = false)]
    truncate: Option<bool>,
    /// Resamples behind every interval; 1,000 by default.
    #[schema(example = 1000, minimum = 100, maximum = 10000)]
    resamples: Option<u64>,
    /// What is drawn by: the resamples, and of a dataset also the methods that sample and the quality figures. 0 by
    /// default; of a job, that of its request.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
}

/// Which method to believe: a function of the answers of a job, of the dataset's labels and of what was asked.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationView {
    /// The job, its dataset and its model.
    of: JobName,
    /// What the intervals are drawn by.
    options: Draws,
    /// How the methods fare.
    evaluation: Evaluation,
}

/// Holds explanation methods against each other on a dataset.
///
/// A leaderboard by comprehensiveness: how faithful, how stable and how dear the explanations of each method are on this
/// model, as means over rows with 95 % bootstrap intervals; how much better than chance; how far methods agree; and
/// whether they fare otherwise where the model is wrong. Of a dataset: the job is ordered, and until it is finished the
/// answer is 202 with the job. Asked the same again, it is found. Or of a job that is finished and asked for
/// `"quality": "full"`. Equal requests have equal answers, byte for byte, for as long as the dataset and the model are
/// there.
#[utoipa::path(
    post,
    path = "/v1/evaluate",
    operation_id = "evaluate",
    tag = "summaries",
    params(TimeoutHeader),
    request_body(content = EvaluationBody, description = "On what, and which methods", examples(
        ("dataset" = (summary = "On a dataset", value = json!({"dataset": "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e"}))),
        ("methods" = (summary = "Two methods", value = json!({"dataset": "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e", "methods": ["integrated_gradients", "saliency"], "options": {"integrated_gradients": {"steps": 50}}}))),
        ("job" = (summary = "By a job", value = json!({"job": "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64"})))
    )),
    responses(
        (status = 200, description = "The leaderboard", body = EvaluationView,
            headers(("ETag" = String, description = "Names these bytes: their BLAKE3 hash")),
            example = json!(parsed(include_str!("../../../../openapi/examples/evaluation.json")))),
        (status = 202, description = "The job about the dataset is not finished: ask the same again when it is", body = JobView,
            headers(("Location" = String, description = "Where the job is")),
            example = json!(parsed(include_str!("../../../../openapi/examples/job-ordered.json")))),
        SummaryProblems
    )
)]
pub async fn evaluate(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    request: Request,
) -> Result<Response, Problem> {
    let bytes = json_body::received(request, &state).await?;
    let body: EvaluationBody = json_body::parsed(&bytes, EXAMPLE)?;
    let wanted = Wanted { resamples: body.resamples, seed: body.seed, ..Wanted::default() };
    let resamples = wanted.checked()?.resamples;
    let seed = body.seed;
    let job = match (&body.job, &body.dataset) {
        (Some(id), None) => named(&engine, id, &body).await?,
        (None, Some(dataset)) => {
            let asked = Asked::plain(&engine, Endpoint::Explain, body.request()).await?;
            let job = wish::job(&engine, dataset, asked).await?;
            if !job.state.is_over() {
                return Ok(order::answer(job, StatusCode::ACCEPTED));
            }
            body::finished(job, "/dataset")?
        }
        (Some(_), Some(_)) => {
            let remedy = "send either `dataset` or `job`";
            return Err(Problem::invalid("/job", "there is a dataset beside the job", remedy));
        }
        (None, None) => {
            let remedy = format!("send an object: {EXAMPLE}");
            return Err(Problem::invalid("/dataset", "neither a dataset nor a job is named", remedy));
        }
    };
    let methods = judged::methods(&job)?;
    let draws = Draws { resamples, seed: seed.unwrap_or_else(|| judged::seed(&job)) };
    let awaited = Arc::new(());
    let answers = JobAnswers::of(&engine, &job, None, &awaited).await?;
    let expectation = Expectation::of(&engine, &job).await;
    counting::counted(&state, &visit, move || {
        let expected = |method, tokens, classes| expectation.passes(method, tokens, classes);
        let answers = JudgedAnswers { answers, methods: methods.clone() };
        let contenders = Contenders { ids: &methods, expected: &expected };
        let evaluation = evaluated(&answers, &job.dataset.0, &contenders, &draws)?;
        Ok(EvaluationView { of: JobName::from(&job), options: draws, evaluation })
    })
    .await
}

impl EvaluationBody {
    /// What is asked about every row.
    fn request(&self) -> Map<String, Value> {
        let methods = self.methods.clone().map_or_else(|| json!(USUAL_METHODS), Value::from);
        let options = self.options.as_ref().map(|StrictMap(options)| Value::from(options.clone()));
        let sent = [
            ("model", self.model.clone().map(Value::from)),
            ("methods", Some(methods)),
            ("options", options),
            ("granularity", self.granularity.map(|granularity| granularity.name().into())),
            ("truncate", self.truncate.map(Value::from)),
            ("quality", Some(Depth::Full.name().into())),
            ("seed", self.seed.map(Value::from)),
        ];
        sent.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// The finished job of an id, which says by itself what was asked.
async fn named(engine: &Arc<Engine>, id: &str, body: &EvaluationBody) -> Result<Job, Problem> {
    let fields = [
        ("model", body.model.is_some()),
        ("methods", body.methods.is_some()),
        ("options", body.options.is_some()),
        ("granularity", body.granularity.is_some()),
        ("truncate", body.truncate.is_some()),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, is_there)| *is_there) {
        let detail = format!("`{field}` has no place beside `job`");
        let remedy = "leave it out: a job knows what it asked; or send `dataset` instead of `job`";
        return Err(Problem::invalid(format!("/{field}"), detail, remedy));
    }
    let job = body::job(engine, id, "/job").await?;
    // What it never asked for is not there when it is finished, either.
    judged::methods(&job)?;
    body::finished(job, "/job")
}
