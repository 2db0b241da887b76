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
    #[param(
        rename = "X-Request-Timeout",
        required = false,
        pattern = "^(?=.*[1-9])[0-9]{1,3}(\\.[0-9]{1,3})?$",
        example = "2.5"
    )]
    timeout: String,
}

/// When the body must have arrived: for whoever reads it.
#[derive(Debug, Clone, Copy)]
pub struct BodyDeadline(pub Instant);

impl FromRequestParts<AppState> for Visit {
    type Rejection = Problem;

    /// The clock starts when the head of the request has been read.
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let longest = state.limits.deadline;
        let mut sent = parts.headers.get_all(HEADER).iter();
        let allowed = match (sent.next(), sent.next()) {
            (None, _) => longest,
            (Some(value), None) => {
                let asked = value.to_str().ok().and_then(seconds).filter(|asked| *asked <= longest);
                asked.ok_or_else(|| Problem::timeout_header(longest))?
            }
            (Some(_), Some(_)) => return Err(Problem::timeout_header(longest)),
        };
        let visit = Visit::of(allowed);
        parts.extensions.insert(BodyDeadline(visit.deadline()));
        Ok(visit)
    }
}

/// A positive decimal number of seconds, to the millisecond, and nothing else that Rust would read as a
/// number.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let plain = digits(whole, 5) && digits(fraction, 3);
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
        let refused = [
            "", "0", "0.0", "-1", "+1", "1e3", "inf", "NaN", "1s", " 1", "1,5", "..", ".5", "5.", "1.2.3",
            "0.0001", "100000",
        ];
        for refused in refused {
            assert_eq!(seconds(refused), None, "{refused}");
        }
    }
}
