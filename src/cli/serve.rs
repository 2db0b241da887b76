//! `explaind serve`: listens, loads the models, and answers until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use super::CommandError;
use crate::cache::Cache;
use crate::config::{Config, Database};
use crate::engine::{Capacity, Engine, ModelSource, Scheduler, load_models};
use crate::metrics::Metrics;
use crate::model::LoadError;
use crate::server::{self, AppState, Limits, router};
use crate::store::Store;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;

/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long the database may take to write what waits, once everything else has stopped.
const CLOSING: Duration = Duration::from_secs(5);

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

pub fn serve(config: &Config) -> Result<(), CommandError> {
    config.check_exposure().map_err(CommandError::usage)?;
    let sources = config.model_sources().map_err(CommandError::usage)?;
    let database = config.database().map_err(CommandError::usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::failure(format!("cannot start the runtime: {error}")))?;
    let outcome = runtime.block_on(async {
        let mut signals = StopSignals::listen()
            .map_err(|error| CommandError::failure(format!("cannot listen to signals: {error}")))?;
        let metrics = Arc::new(Metrics::default());
        let limits = Limits {
            body_bytes: config.max_body_bytes.as_usize(),
            dataset_bytes: config.max_dataset_bytes.bytes(),
            deadline: Duration::from_secs(config.deadline_seconds),
        };
        let state = AppState::starting(limits, metrics.clone());
        // First the door: probes are answered, and everyone else is told to wait, while models load.
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| CommandError::failure(format!(
                    "cannot listen on {}: {error}; choose another address with --listen",
                    config.listen
                )))?;
        let address = listener.local_addr().map_err(CommandError::failure)?;
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let stopped = async move { stopped.notified().await };
        let mut serving = tokio::spawn(server::serve(listener, router(state.clone()), HEAD_TIME, stopped));
        let engine = tokio::select! {
            engine = start(config, sources, database, metrics) => engine?,
            ended = &mut serving => return served(ended),
            () = signals.next() => return Ok(()),
        };
        state.open(engine.clone());
        tracing::info!("explaind {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
        let outcome = tokio::select! {
            ended = &mut serving => served(ended),
            () = signals.next() => {
                tracing::info!("stopping: no new requests, those under way are finished");
                state.close();
                stop.notify_one();
                let outcome = drain(config, serving, &mut signals).await;
                // What is not given back in time, others take up after some seconds.
                let _ = timeout(CLOSING, state.jobs_stopped()).await;
                outcome
            }
        };
        tokio::select! {
            () = engine.cache().close() => {}
            () = tokio::time::sleep(CLOSING) => tracing::warn!("stopped while the database was still at work"),
            () = signals.next() => {}
        }
        outcome
    });
    // Models may still be loading: nobody waits for them now.
    runtime.shutdown_background();
    outcome
}

/// Opens the database and loads the models.
async fn start(
    config: &Config,
    sources: Vec<ModelSource>,
    database: Database,
    metrics: Arc<Metrics>,
) -> Result<Arc<Engine>, CommandError> {
    let age = (config.cache_days > 0).then(|| Duration::from_secs(config.cache_days * SECONDS_A_DAY));
    let (store, trouble): (Option<Arc<dyn Store>>, _) = match database {
        Database::Memory => (None, None),
        Database::Sqlite(path) => {
            let store = SqliteStore::open(&path).await.map_err(CommandError::failure)?;
            (Some(Arc::new(store)), None)
        }
        Database::Postgres(url) => {
            let (store, trouble) = PostgresStore::open(url.expose()).await.map_err(CommandError::failure)?;
            (Some(Arc::new(store)), trouble)
        }
    };
    if let Some(store) = &store {
        tracing::info!(place = store.place(), "results are kept in a database");
    }
    let store = store.map(|store| (store, config.cache_disk_bytes.bytes()));
    let cache = Cache::new(config.cache_memory_bytes.bytes(), age, store, metrics.clone());
    if let (Some(durable), Some(trouble)) = (cache.durable(), trouble) {
        durable.begin_in_trouble(&trouble);
    }
    let scheduler = Scheduler::new(config.threads, metrics.clone())
        .map_err(|error| CommandError::failure(format!("threads: cannot start the workers: {error}")))?;
    let capacity = Capacity { requests: config.max_queued, bytes: config.max_work_bytes.as_usize() };
    let device = config.device;
    let loading = tokio::task::spawn_blocking(move || {
        let models = load_models(&sources, device, &metrics)?;
        Ok::<_, LoadError>(Engine::new(models, scheduler, cache, capacity, metrics))
    });
    let engine = loading
        .await
        .map_err(|error| CommandError::failure(format!("loading the models failed: {error}")))?
        .map_err(CommandError::failure)?;
    Ok(Arc::new(engine))
}

type Serving = JoinHandle<()>;

fn served(ended: Result<(), JoinError>) -> Result<(), CommandError> {
    ended.map_err(|_| CommandError::failure("serving failed; the log says where"))
}

/// Finishes what is under way, for as long as is allowed or until being told to stop again.
async fn drain(config: &Config, serving: Serving, signals: &mut StopSignals) -> Result<(), CommandError> {
    tokio::select! {
        ended = serving => served(ended),
        () = tokio::time::sleep(Duration::from_secs(config.drain_seconds)) => {
            tracing::warn!("stopped with requests still under way");
            Ok(())
        }
        () = signals.next() => {
            tracing::warn!("stopped at once, with requests still under way");
            Ok(())
        }
    }
}

/// Ctrl-C, or SIGTERM where there are signals. Listened to from the start: a signal that comes between two
/// waits is not lost.
struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(StopSignals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Self> {
        Ok(StopSignals {})
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
