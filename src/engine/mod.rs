//! Warm models, the threads that run them and the cache of what they said: turns asynchronous requests
//! into synchronous work, at most once each. Knows nothing of HTTP.
//!
//! A question about a text goes: keys → memory → durable tier → a flight that others may be on already →
//! a place in the house → a worker → commit → answer.

mod admission;
pub mod answer;
mod attention;
mod body;
mod flight;
mod parts;
pub mod plan;
mod pool;
mod question;
#[cfg(test)]
mod tests;
mod visit;

use std::sync::Arc;

pub use answer::Answer;
pub use plan::{AttentionPlan, ExplainPlan, Invalid, PredictPlan, Target};
pub use pool::Pool;
pub use question::{OwnedText, Question};
pub use visit::{Told, Visit};

use crate::cache::Cache;
use crate::cache::memory::Record;
use crate::explain::{Cancellation, ExplainError, OptionFault};
use crate::identity::{ResponseId, ResultKey};
use crate::metrics::Metrics;
use crate::model::{EncodeError, LoadError, Model};
use admission::Admission;
use flight::Flights;
use visit::Landed;

/// The models a process serves, its worker threads, and its cache.
pub struct Engine {
    models: Vec<Arc<Model>>,
    pool: Pool,
    cache: Cache,
    flights: Arc<Flights<ResultKey, Result<Landed, Failure>>>,
    admission: Admission,
    metrics: Arc<Metrics>,
}

/// Why there is no answer for a text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The text does not suit the model.
    #[error(transparent)]
    Text(#[from] EncodeError),
    /// An option does not suit this very text.
    #[error("option of {method}: {}", .fault.detail)]
    Option {
        /// The method's id.
        method: &'static str,
        /// What is wrong.
        fault: OptionFault,
    },
    /// The answer would be larger than one response may be.
    #[error("the answer would take {amount} {unit}; one response may hold {limit}")]
    TooLarge {
        /// How large it would be.
        amount: usize,
        /// The most allowed.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// The model gives numbers that are not finite for this text.
    #[error("the model's output is not finite for this text")]
    NotFinite,
    /// There are as many requests in the house as may be.
    #[error("{most} requests are being worked on, and no more are taken in")]
    Overloaded {
        /// How many that is.
        most: usize,
        /// When to come again.
        retry_after: std::time::Duration,
    },
    /// The request's time is over.
    #[error("the answer was not ready within {} s", .0.as_secs_f64())]
    Deadline(std::time::Duration),
    /// The database does not answer, so nobody knows.
    #[error("the database that keeps answers does not answer")]
    Unavailable,
    /// Nobody waits for it any more.
    #[error("called off")]
    Cancelled,
    /// A fault of ours; the text tells the log, not the user.
    #[error("{0}")]
    Internal(String),
}

impl From<ExplainError> for Failure {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Cancelled => Failure::Cancelled,
            ExplainError::NotFinite => Failure::NotFinite,
            ExplainError::Option { method, fault } => Failure::Option { method, fault },
            ExplainError::Compute(error) => Failure::Internal(error.to_string()),
        }
    }
}

/// A model to load: its id and its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSource {
    /// Matches `[a-z0-9][a-z0-9._-]*`.
    pub id: String,
    /// A Hugging Face model directory.
    pub path: std::path::PathBuf,
}

/// Loads and warms models, the default one first.
///
/// # Errors
/// The first model that does not load.
pub fn load_models(sources: &[ModelSource], metrics: &Metrics) -> Result<Vec<Arc<Model>>, LoadError> {
    let load = |source: &ModelSource| {
        let started = std::time::Instant::now();
        let model = Model::load(&source.id, &source.path)?;
        metrics.set_model_bytes(model.id(), model.weight_bytes() as u64);
        tracing::info!(
            model = model.id(),
            fingerprint = &model.fingerprint()[..12],
            milliseconds = started.elapsed().as_millis() as u64,
            "model loaded and warm"
        );
        Ok(Arc::new(model))
    };
    sources.iter().map(load).collect()
}

impl Engine {
    /// An engine over warm models, which lets in `most_requests` at a time.
    pub fn new(
        models: Vec<Arc<Model>>,
        pool: Pool,
        cache: Cache,
        most_requests: usize,
        metrics: Arc<Metrics>,
    ) -> Self {
        Engine {
            models,
            pool,
            cache,
            flights: Arc::default(),
            admission: Admission::new(most_requests),
            metrics,
        }
    }

    /// The models, the default one first.
    pub fn models(&self) -> &[Arc<Model>] {
        &self.models
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The model of an id, or the first one.
    ///
    /// # Errors
    /// There is no such model.
    pub fn model(&self, id: Option<&str>) -> Result<Arc<Model>, Invalid> {
        let found = match id {
            None => self.models.first(),
            Some(id) => self.models.iter().find(|model| model.id() == id),
        };
        found.cloned().ok_or_else(|| Invalid::unknown_model(id.unwrap_or_default(), &self.models))
    }
}

/// Answers one question about one text, here and now, without a cache: as JSON.
///
/// # Errors
/// See [`Failure`].
pub fn answer_alone(
    question: &Question,
    text: &OwnedText,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Failure> {
    let recipe = question.recipe(text);
    let mut results = std::collections::HashMap::new();
    question.compute(text, &recipe.keys, cancellation, &mut |computed| {
        results.insert(computed.key, computed.outcome);
    });
    let lost = || Failure::Internal("a part of the answer was not computed".into());
    let made = recipe
        .keys
        .iter()
        .map(|key| results.remove(key).unwrap_or_else(|| Err(lost())))
        .collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<_> =
        made.iter().map(|made| body::Part { body: &made.body, warnings: &made.warnings }).collect();
    Ok(body::put_together(recipe.id(), recipe.shape, &parts))
}

fn put_together(id: ResponseId, recipe: &crate::identity::Recipe, records: &[Arc<Record>]) -> Vec<u8> {
    let parts: Vec<_> =
        records.iter().map(|record| body::Part { body: &record.body, warnings: &record.warnings }).collect();
    body::put_together(id, recipe.shape, &parts)
}
