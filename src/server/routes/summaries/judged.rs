//! The answers of a job as methods are judged by them, and what its methods are expected to take.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use super::answers::{JobAnswers, unreadable};
use super::body;
use crate::engine::{Engine, Question};
use crate::explain::Passes;
use crate::explain::faithfulness::Depth;
use crate::job::{Desk, Job};
use crate::server::desk::HttpDesk;
use crate::server::problem::Problem;
use crate::summary::Answers;
use crate::summary::evaluation::{JudgedRow, JudgedText};

/// The answers of a job whose explanations were judged.
pub(super) struct JudgedAnswers {
    pub answers: JobAnswers,
    /// Ids of the methods that are judged.
    pub methods: Vec<String>,
}

impl Answers<JudgedRow> for JudgedAnswers {
    type Error = Problem;

    fn each(&self, see: &mut dyn FnMut(&JudgedRow) -> ControlFlow<()>) -> Result<(), Problem> {
        self.answers.each_line(&mut |line, row| {
            let text = match line.failed {
                true => None,
                false => Some(JudgedText::read(&line.body, &self.methods).map_err(unreadable)?),
            };
            Ok(see(&JudgedRow { row: line.row, label: row.and_then(|row| row.label), text }))
        })
    }
}

/// The methods of a job whose explanations have all quality figures.
///
/// # Errors
/// They have not.
pub(super) fn methods(job: &Job) -> Result<Vec<String>, Problem> {
    let methods = body::methods(job);
    let request = request(job);
    let quality = request.get("quality").and_then(Value::as_str);
    let detail = match (methods.is_empty(), quality == Some(Depth::Full.name())) {
        (false, true) => return Ok(methods),
        (true, _) => "the job explains nothing",
        (false, false) => "the job has not asked for all quality figures",
    };
    let remedy = "order a job of the endpoint `explain` with `\"quality\": \"full\"` in its request; or send `dataset` \
                  instead of `job`, and such a job is ordered";
    Err(Problem::invalid("/job", detail, remedy))
}

/// What everything of a job is drawn by.
pub(super) fn seed(job: &Job) -> u64 {
    request(job).get("seed").and_then(Value::as_u64).unwrap_or_default()
}

fn request(job: &Job) -> Value {
    serde_json::from_slice(&job.request).unwrap_or_default()
}

/// What the methods of a job usually take, where its very model is served.
pub(super) struct Expectation(Option<Question>);

impl Expectation {
    pub async fn of(engine: &Arc<Engine>, job: &Job) -> Self {
        let (id, fingerprint) = &job.model;
        let mut served = engine.models().iter();
        let is_served = served.any(|model| model.id() == id && model.fingerprint() == fingerprint);
        if !is_served {
            return Expectation(None);
        }
        Expectation(HttpDesk.question(engine, &job.endpoint, &job.request).await.ok())
    }

    /// Passes that a method, by its place in the request, usually takes for a text of so many tokens and so many
    /// classes.
    pub fn passes(&self, method: usize, tokens: usize, classes: usize) -> Option<Passes> {
        match &self.0 {
            Some(Question::Explain(plan)) => plan.expected_passes(method, tokens, classes),
            _ => None,
        }
    }
}
