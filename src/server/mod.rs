//! The HTTP surface: routes, errors (RFC 9457), limits. Thin: it checks, asks the engine, answers.

mod answers;
mod deadline;
mod desk;
pub mod document;
mod dry_run;
mod incoming;
mod input;
mod json_body;
mod listen;
mod media_type;
mod observe;
mod problem;
mod query;
mod representation;
mod request_id;
pub mod routes;
mod state;
mod strict_value;
mod timestamp;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::post;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{self as swagger, SwaggerUi};

pub use desk::HttpDesk;
pub use listen::serve;
pub use problem::Problem;
pub use state::{AppState, Limits};

/// Every route beside its description.
fn described_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(document::Frame::openapi())
        .routes(routes!(routes::explain::explain))
        .routes(routes!(routes::explanations::recall, routes::explanations::forget))
        .routes(routes!(routes::predict::predict))
        .routes(routes!(routes::attention::attention))
        .routes(routes!(routes::states::states))
        .routes(routes!(routes::concepts::find, routes::concepts::delete))
        .routes(routes!(routes::concepts::export))
        .routes(routes!(routes::concepts::import::import))
        .routes(routes!(routes::concepts::scores::scores))
        .routes(routes!(routes::concepts::tcav::tcav))
        .routes(routes!(routes::concepts::decomposition::decompose))
        .routes(routes!(routes::concepts::discoveries::discover))
        .routes(routes!(routes::concepts::erasure::erase))
        .routes(routes!(routes::concepts::edits::edits))
        .routes(routes!(routes::causes::counterfactuals::counterfactuals))
        .routes(routes!(routes::causes::what_if::what_if))
        .routes(routes!(routes::causes::grid::grid))
        .routes(routes!(routes::causes::mediation::mediation))
        .routes(routes!(routes::models::list))
        .routes(routes!(routes::methods::list))
        .routes(routes!(routes::datasets::find, routes::datasets::delete))
        .routes(routes!(routes::jobs::find, routes::jobs::end))
        .routes(routes!(routes::jobs::events::events))
        .routes(routes!(routes::summaries::summarise))
        .routes(routes!(routes::summaries::comparison::compare))
        .routes(routes!(routes::summaries::evaluation::evaluate))
        .routes(routes!(routes::openapi::openapi))
        .routes(routes!(routes::health::live))
        .routes(routes!(routes::health::ready))
        .routes(routes!(routes::metrics::metrics))
}

/// The same for those that read a query of their own.
fn described_routes_with_queries() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(routes::datasets::upload::upload, routes::datasets::list))
        .routes(routes!(routes::datasets::rows))
        .routes(routes!(routes::concepts::lesson::learn, routes::concepts::list))
        .routes(routes!(routes::jobs::order::order, routes::jobs::list))
        .routes(routes!(routes::jobs::results::results))
}

/// All routes with their middleware.
pub fn router(state: AppState) -> Router {
    let (described, _) = described_routes().split_for_parts();
    let (with_queries, _) = described_routes_with_queries().split_for_parts();
    // Nothing is fetched from elsewhere: the page's own files are in the program, and no validator is asked.
    let documented = swagger::Config::from("/openapi.json").validator_url("none");
    let documents = SwaggerUi::new("/docs").config(documented);
    described
        .route("/explain", post(routes::explain::explain))
        .route("/v1/attributions", post(routes::explain::explain))
        .fallback(routes::unknown_path)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(from_fn(query::refuse))
        .merge(with_queries.method_not_allowed_fallback(routes::wrong_method))
        // Its pages carry queries of their own.
        .merge(documents)
        .layer(DefaultBodyLimit::max(state.limits.body_bytes))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(from_fn_with_state(state.clone(), observe::observe))
        .layer(from_fn(request_id::attach))
        .with_state(state)
}
