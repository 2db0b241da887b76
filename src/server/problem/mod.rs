//! Every failure as RFC 9457 `application/problem+json`.

mod concepts;
mod datasets;
mod examples;
mod jobs;
mod kinds;
mod summaries;

use std::any::Any;
use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

pub use kinds::Kind;

use super::request_id::RequestId;
use crate::engine::Invalid;

/// The part of `type` that all problems share.
const NAMESPACE: &str = "urn:explaind:problem:";

/// What went wrong, for programs (`type`, `pointer`) and for people (`detail`, `remedy`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Members>);

// By hand: a derive would show the box as a schema that only points to another one.
impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Members::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Members::schemas(schemas);
    }
}

/// What went wrong, as RFC 9457 has it: for programs (`type`, `pointer`) and for people (`detail`,
/// `remedy`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "type": "urn:explaind:problem:invalid-field",
    "title": "A field is not valid",
    "status": 422,
    "detail": "is 0; expected 1 to 1000",
    "pointer": "/options/integrated_gradients/steps",
    "remedy": "change the option, or leave it out for the default",
    "request_id": "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64"
}))]
struct Members {
    /// The kind of problem as a URN: stable, for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:explaind:problem:invalid-field", pattern = "^urn:explaind:problem:[a-z-]+$")]
    kind: String,
    /// The kind in words, the same for every problem of that `type`.
    #[schema(example = "A field is not valid")]
    title: &'static str,
    /// The HTTP status; in a batch, the one the text would have had alone.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, this time.
    #[schema(example = "is 0; expected 1 to 1000")]
    detail: String,
    /// Where in the body it is wrong, as a JSON pointer (RFC 6901); absent where no field is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        example = "/options/integrated_gradients/steps",
        pattern = "^(/([^~/]|~[01])*)*$"
    )]
    pointer: Option<String>,
    /// What to do about it; absent where there is no advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "change the option, or leave it out for the default")]
    remedy: Option<String>,
    /// Tokens the text has, special ones included; absent unless it is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 540)]
    tokens: Option<usize>,
    /// Tokens the model or the method takes, special ones included; absent unless the text is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 512)]
    limit: Option<usize>,
    /// The tokens of two texts that have to have as many and have not; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_items = 2, max_items = 2, example = json!([["[CLS]", "good", "[SEP]"], ["[CLS]", "un", "##good", "[SEP]"]]))]
    tokenisations: Option<[Vec<String>; 2]>,
    /// The request's name, as in the `X-Request-Id` header and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        example = "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64",
        min_length = 1,
        max_length = 128
    )]
    request_id: Option<String>,
    /// Whole seconds for the `Retry-After` header.
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<u64>,
}

impl Problem {
    fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Problem(Box::new(Members {
            kind: format!("{NAMESPACE}{}", kind.name),
            title: kind.title,
            status: kind.status.as_u16(),
            detail: detail.into(),
            pointer: None,
            remedy: None,
            tokens: None,
            limit: None,
            tokenisations: None,
            request_id: None,
            retry_after: None,
        }))
    }

    fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    fn at(mut self, pointer: impl Into<String>) -> Self {
        self.0.pointer = Some(pointer.into());
        self
    }

    fn retry_after(mut self, time: Duration) -> Self {
        // Whole seconds, rounded up, and at least one: "at once" is what the client just tried.
        self.0.retry_after = Some(time.as_secs_f64().ceil().max(1.0) as u64);
        self
    }

    /// Gives it the name of the request that failed.
    pub fn named(mut self, id: &RequestId) -> Self {
        self.0.request_id = Some(id.as_str().to_owned());
        self
    }

    /// Its stable name, without the namespace.
    pub fn name(&self) -> &str {
        self.0.kind.strip_prefix(NAMESPACE).unwrap_or(&self.0.kind)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The HTTP answer, keeping the headers (`Allow`) of the response it was found in.
    pub(super) fn rendered(&self, mut response: Response) -> Response {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.remove(header::CONTENT_LENGTH);
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        *response.body_mut() = Body::from(body);
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Problem::invalid(invalid.pointer, invalid.detail, invalid.remedy)
    }
}

impl IntoResponse for Problem {
    /// The body is written by the request-id middleware, which alone knows the request's name.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A handler that panicked. What it said stays unsaid, since it may quote a text; the panic hook tells where.
pub(super) fn from_panic(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}
