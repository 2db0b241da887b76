//! What is asked for, checked: of which jobs, by which method, how much of it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::engine::Engine;
use crate::explain::registry::DEFAULT_METHOD;
use crate::job::{Job, Jobs};
use crate::server::desk::{Endpoint, HttpDesk};
use crate::server::problem::Problem;
use crate::server::routes::jobs::state_name;
use crate::store::jobs::{JobId, JobState};
use crate::summary::Options;

/// How much is told, as it is sent.
#[derive(Default)]
pub(super) struct Wanted {
    pub top: Option<u64>,
    pub minimum_texts: Option<u64>,
    pub least_sure: Option<u64>,
    pub resamples: Option<u64>,
    pub seed: Option<u64>,
}

impl Wanted {
    /// The same, checked.
    ///
    /// # Errors
    /// The first number that is out of its range.
    pub fn checked(&self) -> Result<Options, Problem> {
        let usual = Options::default();
        Ok(Options {
            top: within("top", self.top, 1..=1000)?.map_or(usual.top, whole),
            minimum_texts: within("minimum_texts", self.minimum_texts, 1..=100_000)?
                .unwrap_or(usual.minimum_texts),
            least_sure: within("least_sure", self.least_sure, 1..=1000)?.map_or(usual.least_sure, whole),
            resamples: within("resamples", self.resamples, 100..=10_000)?.map_or(usual.resamples, whole),
            seed: self.seed.unwrap_or(usual.seed),
        })
    }
}

fn within(field: &str, number: Option<u64>, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
    match number {
        Some(sent) if !range.contains(&sent) => {
            let (least, most) = range.into_inner();
            let detail = format!("is {sent}; expected {least} to {most}");
            Err(Problem::invalid(
                format!("/{field}"),
                detail,
                "change the number, or leave it out for its default",
            ))
        }
        number => Ok(number),
    }
}

/// A number that is known to be small.
fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The job of an id that stands at a place of the body.
///
/// # Errors
/// It is no id of a job, or the database does not answer.
pub(super) async fn job(engine: &Arc<Engine>, id: &str, pointer: &str) -> Result<Job, Problem> {
    let unknown = || Problem::unknown_job(pointer);
    let id = JobId::parse(id).ok_or_else(unknown)?;
    Jobs::of(engine, &HttpDesk).find(id).await?.ok_or_else(unknown)
}

/// A job that has answered every row.
///
/// # Errors
/// It has not.
pub(in crate::server::routes) fn finished(job: Job, pointer: &str) -> Result<Job, Problem> {
    match job.state {
        JobState::Finished => Ok(job),
        _ => Err(Problem::job_not_finished(pointer, state_name(&job))),
    }
}

/// The methods by which a job explains; none if it does not.
pub(super) fn methods(job: &Job) -> Vec<String> {
    if !Endpoint::named(&job.endpoint).is_some_and(Endpoint::explains) {
        return Vec::new();
    }
    let request: Value = serde_json::from_slice(&job.request).unwrap_or_default();
    let named = request.get("methods").and_then(Value::as_array);
    match named {
        Some(named) => named.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => vec![DEFAULT_METHOD.to_owned()],
    }
}

/// The method that is asked for, of those that there are; the first by default, none if there are none.
///
/// # Errors
/// It is none of them.
pub(super) fn chosen(asked: Option<String>, methods: &[String]) -> Result<Option<String>, Problem> {
    let Some(asked) = asked else { return Ok(methods.first().cloned()) };
    if methods.contains(&asked) {
        return Ok(Some(asked));
    }
    let detail = format!("nothing was explained by `{asked}`");
    let remedy = match methods {
        [] => "leave it out: nothing was explained by any method".to_owned(),
        methods => format!("name one of these: {}", methods.join(", ")),
    };
    Err(Problem::invalid("/method", detail, remedy))
}

/// What a key of the metadata may hold.
pub(super) fn group_value() -> RefOr<Schema> {
    let of = |kind: Type| ObjectBuilder::new().schema_type(kind);
    let one_of = [Type::String, Type::Number, Type::Boolean, Type::Null]
        .into_iter()
        .fold(OneOfBuilder::new(), |schemas, kind| schemas.item(of(kind)));
    let described = one_of
        .description(Some("The value: a string, a number, true or false; null for rows that have none."))
        .examples([serde_json::json!(2005)]);
    described.into()
}
