//! Warm models and the threads that run them: turns asynchronous requests into synchronous work.
//! Knows nothing of HTTP.

pub mod answer;
pub mod attention;
pub mod explain;
pub mod plan;
mod pool;

use std::sync::Arc;

pub use answer::Answer;
pub use plan::{AttentionPlan, ExplainPlan, Invalid, PredictPlan, Target};
pub use pool::Pool;

use crate::explain::{ExplainError, OptionFault};
use crate::model::{EncodeError, LoadError, Model};

/// The models a process serves, and its worker threads.
pub struct Engine {
    models: Vec<Arc<Model>>,
    pool: Pool,
}

/// A text to explain, owned so that it can travel to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedText {
    /// The text, or the first of a pair.
    pub text: String,
    /// The second text of a pair.
    pub text_pair: Option<String>,
}

/// Why there is no answer for a text.
#[derive(Debug, thiserror::Error)]
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
    #[error("the answer would hold {numbers} numbers; at most {limit} are its share of one response")]
    TooLarge {
        /// Numbers in the answer.
        numbers: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The model gives numbers that are not finite for this text.
    #[error("the model's output is not finite for this text")]
    NotFinite,
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

impl Engine {
    /// Loads and warms every model.
    ///
    /// # Errors
    /// The first model that does not load.
    pub fn start(sources: &[ModelSource], pool: Pool) -> Result<Self, LoadError> {
        let load = |source: &ModelSource| {
            let started = std::time::Instant::now();
            let model = Model::load(&source.id, &source.path)?;
            tracing::info!(
                model = model.id(),
                fingerprint = &model.fingerprint()[..12],
                milliseconds = started.elapsed().as_millis() as u64,
                "model loaded and warm"
            );
            Ok(Arc::new(model))
        };
        let models = sources.iter().map(load).collect::<Result<_, _>>()?;
        Ok(Engine { models, pool })
    }

    /// The models, the default one first.
    pub fn models(&self) -> &[Arc<Model>] {
        &self.models
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

    /// Explains a text on a worker thread; the answer comes as JSON.
    ///
    /// # Errors
    /// See [`Failure`]; a panic in a method is a [`Failure::Internal`] of this text alone.
    pub async fn explain(&self, plan: Arc<ExplainPlan>, text: OwnedText) -> Result<Vec<u8>, Failure> {
        self.pool.run(move |cancellation| to_json(explain::explain(&plan, text, cancellation)?)).await
    }

    /// Classifies a text on a worker thread; the answer comes as JSON.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn predict(&self, plan: Arc<PredictPlan>, text: OwnedText) -> Result<Vec<u8>, Failure> {
        self.pool.run(move |cancellation| to_json(explain::predict(&plan, text, cancellation)?)).await
    }

    /// Gives the attention maps of a text, on a worker thread; the answer comes as JSON.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn attention(&self, plan: Arc<AttentionPlan>, text: OwnedText) -> Result<Vec<u8>, Failure> {
        self.pool.run(move |cancellation| to_json(attention::attention(&plan, text, cancellation)?)).await
    }
}

/// Large answers take long to write out, so that is the workers' work too.
fn to_json(answer: Answer) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(&answer).map_err(|error| Failure::Internal(error.to_string()))
}
