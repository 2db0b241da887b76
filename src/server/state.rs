//! What every handler can reach, and the stages of a server's life.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::Semaphore;

use super::desk::HttpDesk;
use super::problem::Problem;
use crate::engine::Engine;
use crate::job::Runner;
use crate::metrics::Metrics;

/// Shared by all handlers of one server.
#[derive(Clone)]
pub struct AppState {
    house: Arc<House>,
    /// What a request may cost.
    pub limits: Limits,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Pages and pictures that may be drawn at a time.
    pub drawings: Arc<Semaphore>,
    /// Sets of answers that may be summarised or compared at a time.
    pub summaries: Arc<Semaphore>,
}

/// Settings of the HTTP surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Largest dataset, in bytes as it is sent.
    pub dataset_bytes: u64,
    /// The longest that a request may take.
    pub deadline: Duration,
}

#[derive(Default)]
struct House {
    engine: OnceLock<Arc<Engine>>,
    runner: Mutex<Option<Runner>>,
    closing: AtomicBool,
}

impl House {
    fn runner(&self) -> MutexGuard<'_, Option<Runner>> {
        self.runner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a server is in its life.
#[derive(Clone)]
pub enum Stage {
    /// Models are being loaded.
    Starting,
    /// Questions are answered.
    Open(Arc<Engine>),
    /// What is under way is finished, and nothing new is begun.
    Draining(Arc<Engine>),
}

impl AppState {
    /// A server whose models are yet to be loaded.
    pub fn starting(limits: Limits, metrics: Arc<Metrics>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        AppState {
            house: Arc::default(),
            limits,
            metrics,
            drawings: Arc::new(Semaphore::new(cores)),
            // Each takes a while and much memory, and the cores have other work.
            summaries: Arc::new(Semaphore::new(cores.div_ceil(2))),
        }
    }

    /// Opens the house: from now on questions are answered, and jobs are worked on. Only the first engine counts.
    /// Needs to be called within a tokio runtime.
    pub fn open(&self, engine: Arc<Engine>) {
        if self.house.engine.set(engine.clone()).is_ok() {
            let runner = Runner::start(&engine, Arc::new(HttpDesk));
            *self.house.runner() = Some(runner);
        }
    }

    /// Closes the house to new questions, and has the work on jobs stopped.
    pub fn close(&self) {
        self.house.closing.store(true, Ordering::Relaxed);
        if let Some(runner) = &*self.house.runner() {
            runner.stop();
        }
    }

    /// Waits until the work on jobs has stopped: what was half done is given back.
    pub async fn jobs_stopped(&self) {
        let runner = self.house.runner().take();
        if let Some(runner) = runner {
            runner.stopped().await;
        }
    }

    /// Where the server is in its life.
    pub fn stage(&self) -> Stage {
        match (self.house.engine.get(), self.house.closing.load(Ordering::Relaxed)) {
            (Some(engine), false) => Stage::Open(engine.clone()),
            (Some(engine), true) => Stage::Draining(engine.clone()),
            (None, _) => Stage::Starting,
        }
    }
}

/// The engine, for handlers that ask it something; 503 while there is none.
pub struct Open(pub Arc<Engine>);

impl FromRequestParts<AppState> for Open {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match state.stage() {
            Stage::Open(engine) => Ok(Open(engine)),
            Stage::Starting => Err(Problem::starting()),
            Stage::Draining(_) => Err(Problem::draining()),
        }
    }
}
