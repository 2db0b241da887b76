//! A concept as it is kept: what is told of it, and what it is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::engine::OwnedText;
use crate::engine::answer::Warning;
use crate::explain::concept::erasure::{Eraser, Erasure};
use crate::explain::concept::known::KnownConcept;
use crate::explain::concept::learner::Learner;
use crate::explain::concept::{Direction, Pooling};
use crate::identity::ConceptId;
use crate::store::Milliseconds;

/// A concept.
#[derive(Debug, Clone, PartialEq)]
pub struct Concept {
    /// A hash of its definition.
    pub id: ConceptId,
    /// What people call it.
    pub name: String,
    /// Tells those of one name apart, from 1.
    pub version: u32,
    /// The model whose states it is a direction of: its id,
    pub model: String,
    /// and its fingerprint.
    pub fingerprint: String,
    /// When it was first kept.
    pub created_at: Milliseconds,
    /// Whether it comes with the program.
    pub is_bundled: bool,
    /// What is told of it.
    pub summary: Summary,
    /// What it is made of; none where that was not read.
    pub body: Option<Body>,
}

/// What is told of a concept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// What it is about, in words.
    pub description: Option<String>,
    /// How it came about.
    pub origin: Origin,
    /// The hidden state that it is found at.
    pub layer: usize,
    /// Which rows of it.
    pub pooling: Pooling,
    /// What it was learnt by; none for one that was found.
    pub learner: Option<Learner>,
    /// The learner's inverse strength of regularisation.
    pub regularisation: Option<f64>,
    /// What was drawn by.
    pub seed: u64,
    /// How many examples there are.
    pub examples: Counts,
    /// How far it is there at all; none for one that was found.
    pub validation: Option<ValidationView>,
    /// What to know before relying on it.
    pub warnings: Vec<Warning>,
}

/// How a concept came about: `learnt` from examples, or `discovered` among the states themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "learnt")]
pub enum Origin {
    /// From examples.
    Learnt,
    /// Among the states themselves.
    Discovered,
}

/// How many examples a concept has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Examples of the concept.
    #[schema(example = 30)]
    pub positives: usize,
    /// Counter-examples that it was learnt against.
    #[schema(example = 30)]
    pub negatives: usize,
    /// The dataset that the counter-examples were drawn from, or that the concept was discovered in; null where they were
    /// given one by one.
    #[schema(
        required,
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub drawn_from: Option<String>,
}

/// How far a concept is there: what a learner that has not seen a text says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "accuracy": 0.9, "interval": {"low": 0.82, "high": 0.97}, "folds": [0.9, 0.9, 0.9, 0.9, 0.9], "layers_chosen": [4, 4, 4, 4, 4],
    "by_layer": [0.7, 0.9], "null": {"mean": 0.5, "high": 0.61, "p_value": 0.02, "permutations": 49},
    "stability": {"mean_cosine": 0.9, "least_cosine": 0.85, "repeats": 10}
}))]
pub struct ValidationView {
    /// Balanced accuracy (the mean of the shares of examples and of counter-examples that are told right) in nested
    /// cross-validation: each text is judged by a direction, at a layer, that were chosen without it. 0.5 is chance.
    #[schema(example = 0.9)]
    pub accuracy: f64,
    /// Its 95 % interval: bootstrap over texts.
    pub interval: Ends,
    /// The accuracy of each outer fold.
    #[schema(example = json!([0.9, 0.9, 0.9, 0.9, 0.9]))]
    pub folds: Vec<f64>,
    /// The layer that each outer fold has chosen.
    #[schema(example = json!([4, 4, 4, 4, 4]))]
    pub layers_chosen: Vec<usize>,
    /// The cross-validated accuracy at each hidden state, embeddings first. The best of them is too good by the choice:
    /// `accuracy` is not.
    #[schema(example = json!([0.7, 0.9]))]
    pub by_layer: Vec<f64>,
    /// The same where labels were shuffled.
    pub null: NullView,
    /// How much the direction hangs on the very examples.
    pub stability: StabilityView,
}

/// The two ends of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ends {
    /// The lower end.
    #[schema(example = 0.82)]
    pub low: f64,
    /// The upper end.
    #[schema(example = 0.97)]
    pub high: f64,
}

/// What accuracy is there by chance: the whole procedure, the choice of a layer included, on shuffled labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NullView {
    /// The mean.
    #[schema(example = 0.5)]
    pub mean: f64,
    /// The 95th percentile.
    #[schema(example = 0.61)]
    pub high: f64,
    /// (1 + shuffles that did as well) / (1 + shuffles).
    #[schema(example = 0.02)]
    pub p_value: f64,
    /// Shuffles.
    #[schema(example = 49)]
    pub permutations: usize,
}

/// How much a direction hangs on the very examples: cosines with those of bootstrap resamples of the texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StabilityView {
    /// The mean.
    #[schema(example = 0.9)]
    pub mean_cosine: f64,
    /// The least.
    #[schema(example = 0.85)]
    pub least_cosine: f64,
    /// Resamples.
    #[schema(example = 10)]
    pub repeats: usize,
}

/// What a concept is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// Examples of the concept.
    pub positives: Vec<Example>,
    /// Counter-examples that it was learnt against.
    pub negatives: Vec<Example>,
    /// A direction for each hidden state that it was learnt at.
    pub directions: Vec<LayerDirection>,
    /// What takes it out at its own layer.
    pub erasers: Vec<NamedEraser>,
}

/// A text that a concept was learnt from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The text, or the first of a pair.
    pub text: String,
    /// The second text of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_pair: Option<String>,
}

/// A direction at a hidden state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerDirection {
    /// The hidden state.
    pub layer: usize,
    /// The direction there.
    pub direction: Direction,
}

/// A way of taking a concept out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedEraser {
    /// Which one.
    pub method: Erasure,
    /// What it does to a state.
    pub eraser: Eraser,
}

impl Concept {
    /// The version that is meant, as it is written.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// What is needed to work with it; none where its body was not read.
    pub fn known(&self) -> Option<KnownConcept> {
        let body = self.body.as_ref()?;
        let directions: BTreeMap<usize, Direction> =
            body.directions.iter().map(|at| (at.layer, at.direction.clone())).collect();
        Some(KnownConcept {
            name: self.name.clone(),
            version: self.version,
            id: self.id.to_string(),
            pooling: self.summary.pooling,
            layer: self.summary.layer,
            directions,
            erasers: body.erasers.iter().map(|named| (named.method, named.eraser.clone())).collect(),
        })
    }
}

impl From<&OwnedText> for Example {
    fn from(text: &OwnedText) -> Self {
        Example { text: text.text.clone(), text_pair: text.text_pair.clone() }
    }
}

impl From<&Example> for OwnedText {
    fn from(example: &Example) -> Self {
        OwnedText { text: example.text.clone(), text_pair: example.text_pair.clone() }
    }
}
