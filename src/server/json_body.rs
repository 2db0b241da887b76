//! A JSON body, strictly: the right content type, within the limit, of the right shape; every fault a
//! problem that points at the field.

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::error::Category;
use tokio::time::{Instant, timeout_at};

use super::deadline::BodyDeadline;
use super::media_type;
use super::problem::Problem;
use super::state::AppState;
use super::strict_value::StrictMap;
use crate::json_pointer;

const MEDIA_TYPE: &str = "`Content-Type: application/json`";

/// A body of type `T`.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        Ok(JsonBody(parsed(&received(request, state).await?, "{\"text\": \"…\"}")?))
    }
}

/// The bytes of a body that is said to be JSON, within the limits of size and time.
///
/// # Errors
/// It is said to be something else, is too large, too slow, or breaks off.
pub async fn received(request: Request, state: &AppState) -> Result<Bytes, Problem> {
    media_type::of_body(request.headers(), |essence| is_json(essence).then_some(()), MEDIA_TYPE)?;
    // A body that announces its size is refused before it is sent.
    if request.body().size_hint().lower() > state.limits.body_bytes as u64 {
        return Err(Problem::body_too_large());
    }
    let latest = Instant::now() + state.limits.deadline;
    let latest = request.extensions().get::<BodyDeadline>().map_or(latest, |deadline| deadline.0);
    let read = timeout_at(latest, Bytes::from_request(request, state));
    let bytes = read.await.map_err(|_| Problem::body_too_slow())?;
    bytes.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::body_too_large(),
        _ => Problem::unreadable_body(rejection.body_text()),
    })
}

/// What an object says, as `example` does.
///
/// # Errors
/// It is no JSON, no object, or one of another shape.
pub fn parsed<T: DeserializeOwned>(bytes: &[u8], example: &str) -> Result<T, Problem> {
    check_is_object(bytes, example)?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(fault)?;
    json.end().map_err(|error| Problem::malformed_json(&error))?;
    Ok(value)
}

/// What a value says that was parsed already.
///
/// # Errors
/// It is one of another shape.
pub fn of_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(fault)
}

/// What an object within a body says, which stands at `pointer`; none where there is none.
///
/// # Errors
/// As [`of_value`].
pub fn options<T: DeserializeOwned>(pointer: &str, sent: Option<StrictMap>) -> Result<Option<T>, Problem> {
    let read = |StrictMap(options)| of_value(Value::Object(options)).map_err(|fault| fault.within(pointer));
    sent.map(read).transpose()
}

/// serde reads an array as a struct's fields in order; here `["good"]` is no request.
fn check_is_object(bytes: &[u8], example: &str) -> Result<(), Problem> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(());
    }
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| Problem::malformed_json(&error))?;
    Err(Problem::invalid("", "the body is JSON, but not an object", format!("send an object: {example}")))
}

/// Whether a media type is one of JSON.
pub fn is_json(essence: &str) -> bool {
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
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
