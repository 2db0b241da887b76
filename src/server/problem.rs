//! Every failure as RFC 9457 `application/problem+json`.

use std::any::Any;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::input::Pointers;
use super::request_id::RequestId;
use crate::engine::{Failure, Invalid};
use crate::model::EncodeError;

/// What went wrong, for programs (`type`, `pointer`) and for people (`detail`, `remedy`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Members>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Members {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    length: Option<Length>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// The two numbers of a text that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Length {
    tokens: usize,
    limit: usize,
}

/// The kinds of problem there are: stable name, title, status.
struct Kind(&'static str, &'static str, StatusCode);

const MALFORMED_JSON: Kind = Kind("malformed-json", "The body is not JSON", StatusCode::BAD_REQUEST);
const UNREADABLE_BODY: Kind = Kind("unreadable-body", "The body could not be read", StatusCode::BAD_REQUEST);
const NOT_FOUND: Kind = Kind("not-found", "There is nothing here", StatusCode::NOT_FOUND);
const WRONG_METHOD: Kind =
    Kind("method-not-allowed", "The path knows other methods", StatusCode::METHOD_NOT_ALLOWED);
const TOO_LARGE: Kind = Kind("body-too-large", "The body is too large", StatusCode::PAYLOAD_TOO_LARGE);
const MEDIA_TYPE: Kind =
    Kind("unsupported-media-type", "The body must be JSON", StatusCode::UNSUPPORTED_MEDIA_TYPE);
const INVALID: Kind = Kind("invalid-field", "A field is not valid", StatusCode::UNPROCESSABLE_ENTITY);
const TOO_LONG: Kind =
    Kind("text-too-long", "The text is longer than the model takes", StatusCode::UNPROCESSABLE_ENTITY);
const ANSWER_TOO_LARGE: Kind =
    Kind("answer-too-large", "The answer would be too large", StatusCode::UNPROCESSABLE_ENTITY);
const NOT_FINITE: Kind = Kind(
    "output-not-finite",
    "The model gives no finite numbers for this text",
    StatusCode::UNPROCESSABLE_ENTITY,
);
const INTERNAL: Kind = Kind("internal", "Something went wrong here", StatusCode::INTERNAL_SERVER_ERROR);

impl Problem {
    fn new(Kind(name, title, status): Kind, detail: impl Into<String>) -> Self {
        Problem(Box::new(Members {
            kind: format!("urn:explaind:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            pointer: None,
            remedy: None,
            length: None,
            request_id: None,
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

    /// Gives it the name of the request that failed.
    pub fn named(mut self, id: &RequestId) -> Self {
        self.0.request_id = Some(id.as_str().to_owned());
        self
    }

    pub(super) fn malformed_json(error: &serde_json::Error) -> Self {
        Problem::new(MALFORMED_JSON, error.to_string()).with_remedy("send one JSON object, in UTF-8")
    }

    pub(super) fn unreadable_body(detail: impl Into<String>) -> Self {
        Problem::new(UNREADABLE_BODY, detail)
    }

    pub(super) fn body_too_large() -> Self {
        Problem::new(TOO_LARGE, "the body is larger than this server accepts")
            .with_remedy("send fewer texts at once, or raise `max_body_bytes` in the server's configuration")
    }

    pub(super) fn media_type(sent: Option<&str>) -> Self {
        let detail = match sent {
            None => "the request has no Content-Type".into(),
            Some(sent) => format!("the request has Content-Type `{}`", sent.escape_debug()),
        };
        Problem::new(MEDIA_TYPE, detail).with_remedy("send `Content-Type: application/json`")
    }

    pub(super) fn not_found(path: &str) -> Self {
        Problem::new(NOT_FOUND, format!("there is nothing at `{path}`")).with_remedy(
            "POST /explain explains a text; GET /v1/models and GET /v1/methods list what there is",
        )
    }

    pub(super) fn wrong_method(method: &str) -> Self {
        Problem::new(WRONG_METHOD, format!("`{method}` is not allowed here"))
            .with_remedy("the Allow header names the methods this path knows")
    }

    /// A field that is understood but not valid.
    pub(super) fn invalid(
        pointer: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Problem::new(INVALID, detail).at(pointer).with_remedy(remedy)
    }

    fn internal() -> Self {
        Problem::new(INTERNAL, "the server failed to answer; the log knows more under this request_id")
            .with_remedy("try again; if it fails again, report it with the request_id")
    }

    /// Why a text got no answer; `pointers` says where it stands in the request.
    pub(super) fn of_failure(failure: Failure, pointers: &Pointers) -> Self {
        match failure {
            Failure::Text(error) => Problem::of_text(&error, pointers),
            Failure::Option { method, fault } => {
                let option = fault.pointer();
                Problem::invalid(
                    format!("/options/{method}{option}"),
                    fault.detail,
                    "change the option, or leave it out for the default",
                )
            }
            Failure::TooLarge { .. } => Problem::new(ANSWER_TOO_LARGE, failure.to_string())
                .with_remedy("name fewer `layers` and `heads`, or send a shorter text"),
            Failure::NotFinite => Problem::new(NOT_FINITE, failure.to_string())
                .at(pointers.text.clone())
                .with_remedy("check the model: its weights overflow single precision on this text"),
            Failure::Cancelled | Failure::Internal(_) => {
                tracing::error!(error = %failure, "an explanation failed");
                Problem::internal()
            }
        }
    }

    fn of_text(error: &EncodeError, pointers: &Pointers) -> Self {
        let pointer = if error.segment() == 0 { &pointers.text } else { &pointers.text_pair };
        let detail = format!("the text {error}");
        match error {
            EncodeError::TooLong { tokens, limit } => {
                let mut problem = Problem::new(TOO_LONG, detail)
                    .at(pointer)
                    .with_remedy("send a shorter text, or set `truncate` to true to explain its beginning");
                problem.0.length = Some(Length { tokens: *tokens, limit: *limit });
                problem
            }
            EncodeError::Blank { .. } | EncodeError::NoTokens { .. } => {
                Problem::invalid(pointer, detail, "send a text with at least one word")
            }
            EncodeError::PairNotSupported(_) => {
                Problem::invalid(pointer, detail, "leave `text_pair` out, or ask a model made for pairs")
            }
            EncodeError::Tokenizer(_) => Problem::invalid(pointer, detail, "change the text"),
        }
    }

    /// The HTTP answer, keeping the headers (`Allow`) of the response it was found in.
    pub(super) fn rendered(&self, mut response: Response) -> Response {
        let body = serde_json::to_vec(self).unwrap_or_default();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().remove(header::CONTENT_LENGTH);
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
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A handler that panicked: the message tells the log, never the user.
pub(super) fn from_panic(panic: Box<dyn Any + Send>) -> Response {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("no message"), "a handler panicked");
    Problem::internal().into_response()
}
