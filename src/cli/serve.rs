//! `explaind serve`: loads the models, then listens until it is told to stop.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::CommandError;
use crate::config::Config;
use crate::engine::Engine;
use crate::server::{AppState, Limits, router};

pub fn serve(config: &Config) -> Result<(), CommandError> {
    config.check_exposure().map_err(CommandError::usage)?;
    let sources = config.model_sources().map_err(CommandError::usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::failure(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        // The port first: a taken one should not cost the loading of models.
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| CommandError::failure(format!("cannot listen on {}: {error}", config.listen)))?;
        let engine = Engine::start(&sources, config.threads).map_err(CommandError::failure)?;
        let address = listener.local_addr().map_err(CommandError::failure)?;
        let app = router(AppState {
            engine: Arc::new(engine),
            limits: Limits { body_bytes: config.max_body_bytes },
        });
        tracing::info!("explaind {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
        axum::serve(listener, app)
            .with_graceful_shutdown(told_to_stop())
            .await
            .map_err(|error| CommandError::failure(format!("serving failed: {error}")))
    })
}

/// Ctrl-C, or SIGTERM where there are signals: then requests under way are finished first.
async fn told_to_stop() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
    tracing::info!("stopping: no new connections, requests under way are finished");
}
