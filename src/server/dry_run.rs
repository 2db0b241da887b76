//! A request with `dry_run`: checked as any other, and answered with what it would take.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::answers::Asking;
use super::document::{DryRun, DryRunItem, Failed};
use super::input::Input;
use super::problem::Problem;
use super::representation::Representation;
use crate::engine::answer::ModelName;
use crate::engine::{Question, Total};

impl Asking {
    /// Tells what the answer to a request would take. A batch has the problem of a text that fails in its
    /// place, as its answer would.
    ///
    /// # Errors
    /// What is wrong with a single text; a client that takes no JSON.
    pub async fn foresee(self, question: Question, input: Input) -> Result<Response, Problem> {
        let json = self.accepts.choose(&[Representation::Json]);
        json.map_err(|_| Problem::no_picture_of_a_dry_run())?;
        let question = Arc::new(question);
        let mut results = Vec::new();
        match input {
            Input::Single(text, pointers) => {
                let foreseen = self.engine.foresee(&self.visit, &question, text).await;
                let foreseen = foreseen.map_err(|failure| Problem::of_failure(failure, &pointers))?;
                results.push(DryRunItem::Foreseen(foreseen));
            }
            Input::Batch(items) => {
                for (text, pointers) in items {
                    let foreseen = match text {
                        Err(problem) => Err(problem),
                        Ok(text) => {
                            let foreseen = self.engine.foresee(&self.visit, &question, text).await;
                            foreseen.map_err(|failure| Problem::of_failure(failure, &pointers))
                        }
                    };
                    results.push(match foreseen {
                        Ok(foreseen) => DryRunItem::Foreseen(foreseen),
                        Err(problem) => DryRunItem::Failed(Failed { error: problem.named(&self.id) }),
                    });
                }
            }
        }
        Ok(told(&question, results))
    }
}

fn told(question: &Question, results: Vec<DryRunItem>) -> Response {
    let foreseen = results.iter().filter_map(|item| match item {
        DryRunItem::Foreseen(foreseen) => Some(foreseen),
        DryRunItem::Failed(_) => None,
    });
    let total = Total::of(&foreseen.collect::<Vec<_>>());
    let (id, fingerprint) = (question.model().id().into(), question.model().fingerprint().into());
    let body = DryRun { dry_run: true, model: ModelName { id, fingerprint }, results, total };
    let mut response = Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}
