//! `Idempotency-Key`: a name that a client gives to a request, so that it can be sent again without harm.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use utoipa::IntoParams;

use crate::server::problem::Problem;
use crate::server::state::AppState;

const HEADER: &str = "idempotency-key";

const LONGEST: usize = 200;

/// The header, for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read as text; this is its description")]
pub struct IdempotencyHeader {
    /// A name for this request, new for every new job. Sent again with the same bytes, it is answered with the job
    /// that there is; with other bytes, 422.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = "^[!-~]{1,200}$",
        example = "nightly-2026-11-24"
    )]
    key: String,
}

/// The key of a request, if it has one.
pub struct IdempotencyKey(pub Option<String>);

impl FromRequestParts<AppState> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        let mut sent = parts.headers.get_all(HEADER).iter();
        let visible = |key: &&str| {
            (1..=LONGEST).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match (sent.next(), sent.next()) {
            (None, _) => Ok(IdempotencyKey(None)),
            (Some(value), None) => {
                let key = value.to_str().ok().filter(visible).map(str::to_owned);
                key.map(|key| IdempotencyKey(Some(key))).ok_or_else(|| Problem::idempotency_key(LONGEST))
            }
            (Some(_), Some(_)) => Err(Problem::idempotency_key(LONGEST)),
        }
    }
}
