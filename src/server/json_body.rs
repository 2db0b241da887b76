//! A JSON body, strictly: the right content type, within the limit, of the right shape; every fault a
//! problem that points at the field.

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use tokio::time::{Instant, timeout_at};

use super::deadline::BodyDeadline;
use super::problem::Problem;
use super::state::AppState;
use crate::json_pointer;

/// A body of type `T`.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        // A body that announces its size is refused before it is sent.
        if request.body().size_hint().lower() > state.limits.body_bytes as u64 {
            return Err(Problem::body_too_large());
        }
        let latest = Instant::now() + state.limits.deadline;
        let latest = request.extensions().get::<BodyDeadline>().map_or(latest, |deadline| deadline.0);
        let read = timeout_at(latest, Bytes::from_request(request, state));
        let bytes = read.await.map_err(|_| Problem::body_too_slow())?;
        let bytes = bytes.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::body_too_large(),
            _ => Problem::unreadable_body(rejection.body_text()),
        })?;
        check_is_object(&bytes)?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(fault)?;
        json.end().map_err(|error| Problem::malformed_json(&error))?;
        Ok(JsonBody(value))
    }
}

/// JSON as it is, in UTF-8: one content type, no content coding.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let mut sent = headers.get_all(header::CONTENT_TYPE).iter().map(|value| value.to_str().unwrap_or("?"));
    match (sent.next(), sent.next()) {
        (Some(only), None) if is_json(only) => {}
        (first, None) => return Err(Problem::media_type(first)),
        (_, Some(_)) => return Err(Problem::two_media_types()),
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::content_coding())
        }
        _ => Ok(()),
    }
}

/// serde reads an array as a struct's fields in order; here `["good"]` is no request.
fn check_is_object(bytes: &[u8]) -> Result<(), Problem> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(());
    }
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| Problem::malformed_json(&error))?;
    Err(Problem::invalid("", "the body is JSON, but not an object", "send an object: {\"text\": \"…\"}"))
}

/// `application/json` or `application/…+json`, whatever the parameters, except for another charset.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let other_charset = |parameter: String| {
        let charset = parameter.strip_prefix("charset=").map(|charset| charset.trim_matches('"'));
        charset.is_some_and(|charset| charset != "utf-8" && charset != "utf8")
    };
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    is_json && !parts.any(other_charset)
}

fn fault(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let pointer = json_pointer::of_path(error.path());
    let error = error.into_inner();
    match error.classify() {
        Category::Data => Problem::invalid(
            pointer,
            without_position(&error),
            "correct the field, or leave it out for its default",
        ),
        Category::Syntax | Category::Eof | Category::Io => Problem::malformed_json(&error),
    }
}

/// Shape faults of a value that was parsed already, below `base`.
pub(super) fn shape_fault(base: &str, error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let pointer = format!("{base}{}", json_pointer::of_path(error.path()));
    let detail = without_position(&error.into_inner());
    Problem::invalid(pointer, detail, "send a string, or {\"text\": …, \"text_pair\": …}")
}

/// serde_json ends its messages with the place in the body; the pointer says it better.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(end) => message[..end].to_owned(),
        None => message,
    }
}
