//! How a concept is learnt: from its examples' states at every layer, judged by texts that it was not learnt from.

mod examples;
mod fitted;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::document::{Body, Counts, LayerDirection, NamedEraser, Origin, Summary};
use super::{Example, Fault, Gathering};
use crate::engine::parts::Made;
use crate::engine::{Composition, Engine, Failure, OwnedText, StatesRequest, Visit};
use crate::explain::Crew;
use crate::explain::concept::Pooling;
use crate::explain::concept::learner::Fitting;
use crate::explain::concept::validation::{LayerChoice, Validating, Validation, needed, work};
use crate::identity::{ConceptId, Shape};
use crate::model::Model;
pub(super) use examples::rows;
pub use examples::{Source, Taught};
pub(super) use fitted::measured;
use fitted::{Fitted, judged, view, warnings};

/// Raised whenever something else is learnt from the same.
const VERSION: u32 = 1;

/// Floating-point operations that judging a concept may take: a few minutes of a thread.
const MOST_OPERATIONS: f64 = 1e12;

/// Operations that a thread does in a second, about.
const OPERATIONS_A_SECOND: f64 = 2e9;

/// What is to be learnt.
#[derive(Clone)]
pub struct Lesson {
    /// What it will be called.
    pub name: String,
    /// What it is about, in words.
    pub description: Option<String>,
    /// The model whose states it is learnt from.
    pub model: Arc<Model>,
    /// The hidden state; none lets validation choose.
    pub layer: Option<usize>,
    /// Which rows of it.
    pub pooling: Pooling,
    /// Examples of the concept.
    pub positives: Source,
    /// Counter-examples; drawn where they are a dataset.
    pub negatives: Source,
    /// The learner.
    pub fitting: Fitting,
    /// Outer folds.
    pub folds: usize,
    /// Shuffles.
    pub permutations: usize,
    /// What is drawn by.
    pub seed: u64,
    /// Whether long texts may be cut.
    pub truncate: bool,
}

/// What came of a lesson.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Learnt {
    /// What is told of it.
    pub summary: Summary,
    /// What it is made of.
    pub body: Body,
}

impl Lesson {
    /// The identity of what will be learnt: a hash of all that it depends on, and of its name.
    pub fn id(&self, taught: &Taught) -> ConceptId {
        let definition = self.definition(taught);
        let description = self.description.as_deref().unwrap_or_default();
        let fingerprint = self.model.fingerprint();
        let parts = ["learnt", &self.name, description, self.model.id(), fingerprint, &definition];
        ConceptId::of(&parts.map(str::as_bytes))
    }

    /// Everything but the name, in one form.
    fn definition(&self, taught: &Taught) -> String {
        let texts = |texts: &[OwnedText]| texts.iter().map(Example::from).collect::<Vec<_>>();
        json!({
            "version": VERSION,
            "layer": self.layer,
            "pooling": self.pooling,
            "positives": texts(&taught.positives),
            "negatives": texts(&taught.negatives),
            "background": texts(&taught.background),
            "drawn_from": taught.drawn_from.map(|id| id.to_string()),
            "fitting": self.fitting,
            "folds": self.folds,
            "permutations": self.permutations,
            "seed": self.seed,
            "truncate": self.truncate,
            "description": self.description,
        })
        .to_string()
    }

    /// Learns it, unless that was done before.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn learn(&self, engine: &Arc<Engine>, visit: &Visit, taught: Taught) -> Result<Learnt, Fault> {
        self.check_counts(&taught)?;
        self.check_work(taught.positives.len() + taught.negatives.len(), None)?;
        let inputs = self.definition(&taught);
        let composition =
            Composition { shape: Shape::Concept, version: VERSION, model: self.model.clone(), inputs };
        let (lesson, asked) = (self.clone(), engine.clone());
        let make = async move {
            let learnt = lesson.learn_now(&asked, &taught).await?;
            Made::new(&learnt, &[])
        };
        let told = engine.composed(visit, &composition, make).await?;
        Ok(serde_json::from_slice(&told.body)
            .map_err(|_| Failure::Internal("a concept cannot be read".into()))?)
    }

    /// Refuses too few texts for the folds before any of them is looked at.
    fn check_counts(&self, taught: &Taught) -> Result<(), Fault> {
        let needed = needed(&self.validating());
        for (pointer, count) in
            [("/positives", taught.positives.len()), ("/negatives", taught.negatives.len())]
        {
            if count < needed {
                let detail = format!("there are {count} examples; so many folds take {needed}");
                return Err(Fault::field(pointer, detail, "send more of them, or ask for fewer `folds`"));
            }
        }
        Ok(())
    }

    /// Refuses what would take too long: so many texts with so many rows of states, a row a text where that is not known.
    fn check_work(&self, texts: usize, rows: Option<usize>) -> Result<(), Fault> {
        match self.operations(texts, rows) {
            operations if operations <= MOST_OPERATIONS => Ok(()),
            operations => Err(Fault::field(
                "/positives",
                format!(
                    "judging a concept by so many examples takes about {:.0} minutes of a thread",
                    operations / OPERATIONS_A_SECOND / 60.0
                ),
                "name one `layer`, send fewer examples, or use `difference_of_means` or fewer `permutations`",
            )),
        }
    }

    fn operations(&self, texts: usize, rows: Option<usize>) -> f64 {
        let config = self.model.config();
        work(texts, rows.unwrap_or(texts), config.hidden_size, config.layers + 1, &self.validating())
    }

    fn validating(&self) -> Validating {
        Validating {
            fitting: self.fitting,
            layer: self.layer.map_or(LayerChoice::Auto, LayerChoice::Fixed),
            folds: self.folds,
            permutations: self.permutations,
            seed: self.seed,
            ..Validating::default()
        }
    }

    async fn learn_now(&self, engine: &Arc<Engine>, taught: &Taught) -> Result<Learnt, Fault> {
        let request =
            StatesRequest { pooling: self.pooling, truncate: self.truncate, ..StatesRequest::default() };
        let gathering = Gathering { engine: engine.clone(), model: self.model.clone(), request };
        let (positives, negatives) = (taught.positives.len(), taught.negatives.len());
        let all: Vec<OwnedText> = [&taught.positives, &taught.negatives, &taught.background]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let pointer = |text: usize| match text.checked_sub(positives) {
            None => self.positives.pointer("/positives", text),
            Some(text) => self.negatives.pointer("/negatives", text),
        };
        let states = Arc::new(gathering.of(&all, pointer).await?);
        let texts = positives + negatives;
        let rows = states.texts.iter().filter(|text| **text < texts).count();
        self.check_work(texts, Some(rows))?;
        let seconds = self.operations(texts, Some(rows)) / OPERATIONS_A_SECOND;
        let (validating, pooled) = (self.validating(), states.clone());
        let outcome = engine
            .work(seconds, move |job| {
                let crew: &dyn Crew = job.as_ref();
                Ok(judged(&pooled, positives, negatives, &validating, crew))
            })
            .await?;
        let (validation, fitted) = outcome.map_err(|error| Fault::of_examples("/positives", error))?;
        Ok(self.told(taught, validation, fitted))
    }

    fn told(&self, taught: &Taught, validation: Validation, fitted: Fitted) -> Learnt {
        let view = view(&validation, &fitted.stability);
        let examples = Counts {
            positives: taught.positives.len(),
            negatives: taught.negatives.len(),
            drawn_from: taught.drawn_from.map(|id| id.to_string()),
        };
        let examples_of = |texts: &[OwnedText]| texts.iter().map(Example::from).collect();
        let directions = fitted.directions.into_iter().enumerate();
        Learnt {
            summary: Summary {
                description: self.description.clone(),
                origin: Origin::Learnt,
                layer: validation.layer,
                pooling: self.pooling,
                learner: Some(self.fitting.learner),
                regularisation: Some(self.fitting.regularisation),
                seed: self.seed,
                examples,
                warnings: warnings(&view),
                validation: Some(view),
            },
            body: Body {
                positives: examples_of(&taught.positives),
                negatives: examples_of(&taught.negatives),
                directions: directions
                    .filter_map(|(layer, direction)| Some(LayerDirection { layer, direction: direction? }))
                    .collect(),
                erasers: fitted
                    .erasers
                    .into_iter()
                    .map(|(method, eraser)| NamedEraser { method, eraser })
                    .collect(),
            },
        }
    }
}
