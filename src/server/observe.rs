//! One line in the log and a few figures for every request. Nothing that a client wrote goes into
//! either, but the name it gave its request.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Problem;
use super::state::AppState;
use crate::metrics::{Metrics, RequestLabels};

/// What nginx writes down for a client that hung up.
const CLIENT_GONE: u16 = 499;

const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Watches over one request; if it is dropped before the answer is there, the client has gone.
struct Watch {
    metrics: Arc<Metrics>,
    route: String,
    method: &'static str,
    since: Instant,
    ended: bool,
}

/// Counts a request and writes it down.
pub async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    // The route's pattern, since paths may hold anything.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = known(request.method());
    state.metrics.request_began();
    let since = Instant::now();
    let mut watch = Watch { metrics: state.metrics, route, method, since, ended: false };
    let response = next.run(request).await;
    let outcome = response.extensions().get::<Problem>().map_or("ok", |problem| problem.name());
    watch.end(response.status().as_u16(), outcome);
    response
}

impl Watch {
    fn end(&mut self, status: u16, outcome: &str) {
        self.ended = true;
        let took = self.since.elapsed();
        let labels = RequestLabels { route: self.route.clone(), status, outcome: outcome.to_owned() };
        self.metrics.request_ended(labels, took);
        let milliseconds = took.as_micros() as f64 / 1e3;
        let Watch { method, route, .. } = &*self;
        // Probes and scrapes come every few seconds.
        match PROBES.contains(&route.as_str()) {
            true => tracing::debug!(method, route, status, outcome, milliseconds, "request"),
            false => tracing::info!(method, route, status, outcome, milliseconds, "request"),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            self.end(CLIENT_GONE, "client-gone");
        }
    }
}

/// A method's name if it is one of the usual ones: any token may stand there.
fn known(method: &Method) -> &'static str {
    let usual = [
        (Method::GET, "GET"),
        (Method::HEAD, "HEAD"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::PATCH, "PATCH"),
        (Method::DELETE, "DELETE"),
        (Method::OPTIONS, "OPTIONS"),
    ];
    usual.into_iter().find(|(known, _)| known == method).map_or("other", |(_, name)| name)
}
