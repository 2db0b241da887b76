//! `explaind serve`: loads the models, then listens until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::CommandError;
use crate::config::Config;
use crate::engine::{Engine, Pool};
use crate::server::{AppState, Limits, router};

pub fn serve(config: &Config) -> Result<(), CommandError> {
    config.check_exposure().map_err(CommandError::usage)?;
    let sources = config.model_sources().map_err(CommandError::usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::failure(format!("cannot start the runtime: {error}")))?;
    let pool = Pool::new(config.threads)
        .map_err(|error| CommandError::failure(format!("threads: cannot start the workers: {error}")))?;
    // First the models, then the door: whoever can connect finds them ready.
    let engine = Engine::start(&sources, pool).map_err(CommandError::failure)?;
    runtime.block_on(async {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| CommandError::failure(format!("cannot listen on {}: {error}", config.listen)))?;
        let address = listener.local_addr().map_err(CommandError::failure)?;
        let app = router(AppState {
            engine: Arc::new(engine),
            limits: Limits { body_bytes: config.max_body_bytes },
        });
        tracing::info!("explaind {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
        let stopping = Arc::new(Notify::new());
        let told = stopping.clone();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
            told_to_stop().await;
            tracing::info!("stopping: no new connections, requests under way are finished");
            told.notify_one();
        });
        let patience = async {
            stopping.notified().await;
            tokio::select! {
                () = tokio::time::sleep(PATIENCE) => {}
                () = told_to_stop() => {}
            }
        };
        tokio::select! {
            outcome = serving => outcome.map_err(|error| CommandError::failure(format!("serving failed: {error}"))),
            () = patience => {
                tracing::warn!("stopped with connections still open");
                Ok(())
            }
        }
    })
}

/// How long requests under way may take once the server was told to stop. Being told again ends it at once.
const PATIENCE: Duration = Duration::from_secs(10);

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
}
