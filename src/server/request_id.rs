//! A name for every request: the client's own if it sent a decent one, or a fresh UUID. It goes into
//! the log, the `X-Request-Id` header and every error.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::problem::Problem;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST: usize = 128;

/// The name of the request being handled.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One to show in the API's description.
    pub fn example() -> Self {
        RequestId("019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64".into())
    }

    fn of(request: &Request) -> Self {
        let sent = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
        let decent =
            |id: &&str| (1..=LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        match sent.filter(decent) {
            Some(id) => RequestId(id.into()),
            None => RequestId(uuid::Uuid::now_v7().to_string().into()),
        }
    }
}

/// Names the request: in every line of the log about it, in the answer, and in a problem if that is the
/// answer.
pub async fn attach(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", id = id.as_str());
    let mut response = next.run(request).instrument(span).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.named(&id).rendered(response);
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}
