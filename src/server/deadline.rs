//! How long a request may take: the configured time, or less if the client says so.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::problem::Problem;
use super::state::AppState;
use crate::engine::Visit;

/// The header by which a client asks for less time: seconds, decimals allowed.
const HEADER: &str = "x-request-timeout";

/// The header, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read as text; this is its description")]
pub struct TimeoutHeader {
    /// Seconds that the answer may take; decimals are allowed, more than the server's own limit is not.
    #[param(rename = "X-Request-Timeout", required = false, pattern = "^[0-9]*\\.?[0-9]+$", example = "2.5")]
    timeout: Option<String>,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Problem;

    /// The clock starts when the head of the request has been read.
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let longest = state.limits.deadline;
        let allowed = match parts.headers.get(HEADER) {
            None => longest,
            Some(value) => {
                let asked = value.to_str().ok().and_then(seconds).filter(|asked| *asked <= longest);
                asked.ok_or_else(|| Problem::timeout_header(longest))?
            }
        };
        Ok(Visit::until(Instant::now() + allowed))
    }
}

/// A positive decimal number of seconds, and nothing else that Rust would read as a number.
fn seconds(text: &str) -> Option<Duration> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = plain.then(|| text.parse().ok()).flatten()?;
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    (!duration.is_zero()).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_plain_positive_decimals() {
        assert_eq!(seconds("2.5"), Some(Duration::from_millis(2500)));
        assert_eq!(seconds("30"), Some(Duration::from_secs(30)));
        for refused in ["", "0", "0.0", "-1", "+1", "1e3", "inf", "NaN", "1s", " 1", "1,5", "..", "1e999"] {
            assert_eq!(seconds(refused), None, "{refused}");
        }
    }
}
