//! Warm models, the threads that run them and the cache of what they said: turns asynchronous requests
//! into synchronous work, at most once each. Knows nothing of HTTP.
//!
//! A question about a text goes: keys → memory → durable tier → a flight that others may be on already →
//! a place in the house → the scheduler → commit → answer.

mod admission;
mod altered;
pub mod answer;
mod attention;
mod awaited;
mod background;
mod body;
pub mod causes;
mod composed;
mod computation;
pub mod concepts;
mod demand;
pub mod draft;
mod dry_run;
mod explained;
mod flight;
pub mod inquiry;
mod pace;
pub mod parts;
pub mod plan;
mod question;
mod scheduler;
mod seconds;
pub mod states;
#[cfg(test)]
mod tests;
mod visit;
mod warnings;
mod windows;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use admission::{Capacity, Overload};
pub use altered::Altered;
pub use answer::Answer;
pub use attention::plan::{
    AttentionPlan, AttentionRequest, Extra, GroupOptions, RouteOptions, SpecialTokenRows,
};
pub use composed::Composition;
pub use dry_run::{Foreseen, ForeseenPart, Range, Total};
pub use plan::{ExpectedLabel, ExplainPlan, Invalid, PredictPlan, Target};
pub use question::{OwnedText, Question};
pub use scheduler::Scheduler;
pub use states::{StatesPlan, StatesRequest};
pub use visit::{Told, Visit};
pub use windows::WindowsRequest;

use crate::cache::Cache;
use crate::cache::memory::Record;
use crate::dataset::Datasets;
use crate::explain::{ExplainError, OptionFault};
use crate::identity::{ResponseId, ResultKey};
use crate::metrics::Metrics;
use crate::model::{EncodeError, LoadError, Model, Placement};
use admission::Admission;
use awaited::Awaited;
use computation::Outcome;
use draft::Draft;
use flight::Flights;
use pace::Pace;
use scheduler::{Expected, Job};

/// The models a process serves, its worker threads, and its cache.
pub struct Engine {
    models: Vec<Arc<Model>>,
    /// Of each model, in their order.
    paces: Vec<Arc<Pace>>,
    scheduler: Scheduler,
    cache: Cache,
    flights: Arc<Flights<ResultKey, Outcome>>,
    admission: Admission,
    /// Leave to make an answer of many.
    composing: Semaphore,
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
    /// A field of the request does not suit this very text.
    #[error("{}", .0.detail)]
    Field(Invalid),
    /// One of the texts that an answer is made of cannot be worked on.
    #[error("{failure}")]
    At {
        /// Where it stands in the request.
        pointer: String,
        /// What is wrong with it.
        failure: Box<Failure>,
    },
    /// The text has more tokens than a method takes.
    #[error("{method} takes texts of up to {limit} tokens, and this one has {tokens}")]
    TooManyTokens {
        /// The method's id.
        method: &'static str,
        /// Tokens of the text, special ones included.
        tokens: usize,
        /// The most that are taken.
        limit: usize,
        /// What to do instead.
        remedy: &'static str,
    },
    /// The text has more words than can be worked on one by one.
    #[error("the text has {words} words, and up to {limit} are worked on one by one")]
    TooManyWords {
        /// Words of the text, and of the second one of a pair.
        words: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// Two texts that have to have as many tokens have not.
    #[error("has {} tokens, and the text {}: they are compared token by token", .others.len(), .tokens.len())]
    UnequalLengths {
        /// Where the other text stands in the request.
        pointer: String,
        /// The tokens of the text, special ones included.
        tokens: Vec<String>,
        /// Those of the other.
        others: Vec<String>,
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
    /// There is too much to do.
    #[error("{overload}")]
    Overloaded {
        /// Too much of what.
        overload: Overload,
        /// When to come again.
        retry_after: std::time::Duration,
    },
    /// The request's time is over.
    #[error("the answer was not ready within {} s", .0.as_secs_f64())]
    Deadline(std::time::Duration),
    /// The database does not answer, so nobody knows.
    #[error("the database that keeps answers does not answer")]
    Unavailable,
    /// The model is no longer the one that was asked for.
    #[error("the model `{model}` is not served, or is no longer the one that the job was ordered for")]
    ModelChanged {
        /// Its id.
        model: String,
    },
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
            ExplainError::Panicked => Failure::Internal(error.to_string()),
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

impl ModelSource {
    /// Loads the model onto a device, and runs it once.
    ///
    /// # Errors
    /// Anything that is wrong with the model or the device.
    pub fn load(&self, placement: Placement) -> Result<Model, LoadError> {
        let operators = placement.operators().map_err(|problem| LoadError::file(&self.path, problem))?;
        Model::load_on(&self.id, &self.path, &operators)
    }
}

/// Loads and warms models, the default one first.
///
/// # Errors
/// The first model that does not load.
pub fn load_models(
    sources: &[ModelSource],
    placement: Placement,
    metrics: &Metrics,
) -> Result<Vec<Arc<Model>>, LoadError> {
    let load = |source: &ModelSource| {
        let started = std::time::Instant::now();
        let model = source.load(placement)?;
        metrics.set_model_bytes(model.id(), model.weight_bytes() as u64);
        tracing::info!(
            model = model.id(),
            fingerprint = &model.fingerprint()[..12],
            runs_on = model.operators().name(),
            milliseconds = started.elapsed().as_millis() as u64,
            "model loaded and warm"
        );
        Ok(Arc::new(model))
    };
    sources.iter().map(load).collect()
}

impl Engine {
    /// An engine over warm models, which lets in as much as its capacity. Measures the pace of each model,
    /// which takes a few passes of it.
    pub fn new(
        models: Vec<Arc<Model>>,
        scheduler: Scheduler,
        cache: Cache,
        capacity: Capacity,
        metrics: Arc<Metrics>,
    ) -> Self {
        Engine {
            paces: models.iter().map(|model| Arc::new(Pace::measure(model))).collect(),
            models,
            admission: Admission::new(capacity, scheduler.threads()),
            scheduler,
            cache,
            flights: Arc::default(),
            composing: Semaphore::new(composed::AT_A_TIME),
            metrics,
        }
    }

    /// The pace of a model.
    fn pace(&self, model: &Arc<Model>) -> Arc<Pace> {
        let place = self.models.iter().position(|served| Arc::ptr_eq(served, model));
        place.map_or_else(|| Arc::new(Pace::unknown()), |place| self.paces[place].clone())
    }

    /// The models, the default one first.
    pub fn models(&self) -> &[Arc<Model>] {
        &self.models
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The datasets.
    pub fn datasets(&self) -> Datasets<'_> {
        Datasets::over(self.cache.durable())
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

/// Answers one question about one text, here and now on threads of its own, without a cache: as JSON.
///
/// # Errors
/// See [`Failure`].
pub async fn answer_alone(
    scheduler: &Scheduler,
    question: &Arc<Question>,
    text: OwnedText,
) -> Result<Vec<u8>, Failure> {
    // Alone, it makes no difference.
    let pace = Arc::new(Pace::unknown());
    let expected = Expected { seconds: 0.0, pace, progress: Arc::default(), awaited: Awaited::by_someone() };
    let question = question.clone();
    scheduler.run(expected, move |job| compute_alone(&question, &text, job)).await
}

fn compute_alone(question: &Arc<Question>, text: &OwnedText, job: &Arc<Job>) -> Result<Vec<u8>, Failure> {
    let recipe = question.recipe(text);
    let mut results = std::collections::HashMap::new();
    question.compute(text, &recipe.keys, job, &Draft::default(), |_| {}, &mut |computed| {
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
    Ok(body::put_together(Some(recipe.id()), recipe.shape, &parts))
}

fn put_together(
    id: Option<ResponseId>,
    recipe: &crate::identity::Recipe,
    records: &[Arc<Record>],
) -> Vec<u8> {
    let parts: Vec<_> =
        records.iter().map(|record| body::Part { body: &record.body, warnings: &record.warnings }).collect();
    body::put_together(id, recipe.shape, &parts)
}
