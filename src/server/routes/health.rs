//! Probes. They answer from tokio's own threads: a full queue of explanations never delays them.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::Engine;
use crate::server::document::responses::{EngineProblems, PlainProblems};
use crate::server::problem::Problem;
use crate::server::state::{AppState, Stage};

/// What a probe answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// How the server is.
    status: HealthStatus,
    /// How many models are loaded; null where the probe does not look.
    #[schema(required, example = 1)]
    models: Option<usize>,
    /// How the cache of answers is; null where the probe does not look.
    #[schema(required)]
    cache: Option<CacheHealth>,
}

/// How the server is: `ok`, or `degraded` (it answers, but something beside it fails).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "ok")]
enum HealthStatus {
    /// All is well.
    Ok,
    /// It answers, but something beside it fails.
    Degraded,
}

/// How the cache of answers is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CacheHealth {
    /// The part that outlives the process.
    durable: DurableHealth,
    /// What fails, in plain words; null where nothing does.
    #[schema(required, example = json!(null))]
    detail: Option<String>,
}

/// The durable cache: `ok`, `failing` (it cannot be read or written; answers are computed anew) or `off`
/// (none is configured).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "ok")]
enum DurableHealth {
    /// It reads and writes.
    Ok,
    /// It cannot be read or written; answers are computed anew.
    Failing,
    /// None is configured.
    Off,
}

/// Tells that the process is alive.
///
/// Whatever its state: a server that starts or drains is alive.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "live",
    tag = "operations",
    responses(
        (status = 200, description = "The process is alive", body = Health,
            example = json!({"status": "ok", "models": null, "cache": null})),
        PlainProblems
    )
)]
pub async fn live() -> Json<Health> {
    Json(Health { status: HealthStatus::Ok, models: None, cache: None })
}

/// Tells whether questions are answered.
///
/// `degraded` with 200 means that answers are given and not kept: the database fails, and `cache` says how.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    tag = "operations",
    responses(
        (status = 200, description = "The models are loaded and warm", body = Health,
            example = json!({"status": "ok", "models": 1, "cache": {"durable": "ok", "detail": null}})),
        EngineProblems
    )
)]
pub async fn ready(State(state): State<AppState>) -> Result<Json<Health>, Problem> {
    let engine = match state.stage() {
        Stage::Open(engine) => engine,
        Stage::Starting => return Err(Problem::starting()),
        Stage::Draining(_) => return Err(Problem::draining()),
    };
    let cache = cache(&engine);
    let status = match cache.durable {
        DurableHealth::Failing => HealthStatus::Degraded,
        DurableHealth::Ok | DurableHealth::Off => HealthStatus::Ok,
    };
    Ok(Json(Health { status, models: Some(engine.models().len()), cache: Some(cache) }))
}

fn cache(engine: &Engine) -> CacheHealth {
    match (engine.cache().durable(), engine.cache().trouble()) {
        (None, _) => CacheHealth { durable: DurableHealth::Off, detail: None },
        (Some(_), None) => CacheHealth { durable: DurableHealth::Ok, detail: None },
        (Some(_), Some(trouble)) => {
            CacheHealth { durable: DurableHealth::Failing, detail: Some(trouble.error) }
        }
    }
}
