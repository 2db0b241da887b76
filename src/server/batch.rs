//! One text or many through the engine: the same bytes for a text either way.

use std::future::Future;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;

use super::input::Input;
use super::problem::Problem;
use super::request_id::RequestId;
use crate::engine::{Failure, OwnedText};

/// Texts of one batch that wait for workers at a time: enough that no worker idles between two, few
/// enough that other requests soon come in between.
const IN_FLIGHT: usize = 4;

/// Answers a request: a single text with its answer, a batch with `{"results": […]}` in order, where a
/// text that fails has `{"error": problem}` in its place.
pub async fn answer<Work, Pending>(input: Input, id: &RequestId, work: Work) -> Result<Response, Problem>
where
    Work: Fn(OwnedText) -> Pending,
    Pending: Future<Output = Result<Vec<u8>, Failure>>,
{
    match input {
        Input::Single(text, pointers) => match work(text).await {
            Ok(bytes) => Ok(json(bytes)),
            Err(failure) => Err(Problem::of_failure(failure, &pointers)),
        },
        Input::Batch(items) => {
            let pending = items.into_iter().map(|(text, pointers)| {
                let work = &work;
                async move {
                    let outcome = match text {
                        Ok(text) => {
                            work(text).await.map_err(|failure| Problem::of_failure(failure, &pointers))
                        }
                        Err(problem) => Err(problem),
                    };
                    outcome.unwrap_or_else(|problem| item_error(problem.named(id)))
                }
            });
            let results: Vec<Vec<u8>> = stream::iter(pending).buffered(IN_FLIGHT).collect().await;
            let mut body = br#"{"results":["#.to_vec();
            for (index, result) in results.iter().enumerate() {
                if index > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(result);
            }
            body.extend_from_slice(b"]}");
            Ok(json(body))
        }
    }
}

fn item_error(problem: Problem) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({ "error": problem })).unwrap_or_default()
}

/// A JSON body that was written already.
pub fn json(bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
