//! What is told of a concept that was taken out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::concept::{Ends, NullView};
use crate::engine::answer::{ConceptName, ModelName, Warning};
use crate::explain::concept::Pooling;
use crate::explain::concept::erasure::Erasure;
use crate::summary::{Interval, Share};

/// A concept taken out: what of it is left to find, and what of the model's task is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureView {
    // The identity is not known before the answer is put together, which writes it, and the warnings.
    /// Identity of the answer, 64 hexadecimal digits: equal for equal questions to the same model.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(
        required,
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub id: String,
    /// The model that was asked.
    pub model: ModelName,
    /// The concept.
    pub concept: ConceptName,
    /// The hidden state that it was taken out of: the concept's own.
    #[schema(example = 4)]
    pub layer: usize,
    /// Which rows of it the concept was learnt from. It is taken out of all rows.
    pub pooling: Pooling,
    /// The dataset behind what is told of the task, by its id.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub dataset: String,
    /// Rows of it that the model answers as it is.
    #[schema(example = 691)]
    pub rows: u64,
    /// Rows of it that the model cannot read: too long, or without a word.
    #[schema(example = 0)]
    pub failed: u64,
    /// Rows whose label is none of the model's: neither by its name nor by its index.
    #[schema(example = 0)]
    pub unknown_labels: u64,
    /// The model as it is.
    pub untouched: UntouchedView,
    /// The model without the concept, in the order in which the methods were asked for.
    #[schema(example = json!([]))]
    pub erasures: Vec<MethodErasure>,
    /// What to know before relying on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required, example = json!([]))]
    pub warnings: Vec<Warning>,
}

/// A model as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UntouchedView {
    /// How well a fresh learner tells the concept; null for a concept without examples.
    #[schema(required)]
    pub probe: Option<ErasureProbe>,
    /// Rows with the dataset's label, of those whose label is one of the model's; null if there are none.
    #[schema(required)]
    pub accuracy: Option<Share>,
}

/// A model without a concept, in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodErasure {
    /// How it was taken out.
    pub method: Erasure,
    /// Dimensions that were taken out.
    #[schema(example = 1, minimum = 1)]
    pub rank: usize,
    /// How well a fresh learner tells the concept in what is left; null for a concept without examples.
    #[schema(required)]
    pub probe: Option<ErasureProbe>,
    /// What is left of the task.
    pub task: ErasureTask,
}

/// How well a fresh logistic regression tells a concept's examples from its counter-examples in their states, none of which
/// it or the eraser was fitted to: both are fitted anew in each fold of a cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "accuracy": 0.9, "interval": {"low": 0.82, "high": 0.97}, "folds": [0.9, 0.9, 0.9, 0.9, 0.9],
    "null": {"mean": 0.5, "high": 0.61, "p_value": 0.05, "permutations": 19}
}))]
pub struct ErasureProbe {
    /// Balanced accuracy in cross-validation: 0.5 is chance. Where the two sides' means are the same once the concept is taken
    /// out, as they are after `leace`, nothing is told apart, which is 0.5.
    #[schema(example = 0.9, minimum = 0, maximum = 1)]
    pub accuracy: f64,
    /// Its 95 % interval: bootstrap over texts.
    pub interval: Ends,
    /// The accuracy of each fold.
    #[schema(example = json!([0.9, 0.9, 0.9, 0.9, 0.9]))]
    pub folds: Vec<f64>,
    /// The same where labels were shuffled before the eraser and the learner were fitted.
    pub null: NullView,
}

/// What is left of a model's task without a concept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureTask {
    /// Rows with the dataset's label, of those whose label is one of the model's; null if there are none.
    #[schema(required)]
    pub accuracy: Option<Share>,
    /// Rows of which the model says what it says as it is; null for regressions.
    #[schema(required)]
    pub agreement: Option<Share>,
    /// How far the scores move; null if there are no rows.
    #[schema(required)]
    pub change: Option<ErasureChange>,
    /// Rows of which the model says something else, those whose score moves farthest first; 20 at most.
    #[schema(example = json!([{"row": 118, "text": "The cast is superb.", "text_pair": null, "from": ["positive"], "to": ["negative"], "change": 0.41}]))]
    pub flips: Vec<ErasureFlip>,
}

/// How far scores move: that of the label which is likeliest to the model as it is; for regressions the value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"mean": 0.03, "interval": {"low": 0.02, "high": 0.04}}))]
pub struct ErasureChange {
    /// The mean over rows of |score without the concept − score|.
    #[schema(example = 0.03, minimum = 0)]
    pub mean: f64,
    /// Its 95 % interval: bootstrap over rows.
    pub interval: Interval,
}

/// A row of which a model says something else without a concept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureFlip {
    /// The number of the row, from 0.
    #[schema(example = 118)]
    pub row: u64,
    /// The text, or the first of a pair.
    #[schema(example = "The cast is superb.")]
    pub text: String,
    /// The second text of a pair; null for a single text.
    #[schema(required, example = json!(null))]
    pub text_pair: Option<String>,
    /// What the model says as it is: one label; for multi-label models those over the threshold, perhaps none.
    #[schema(example = json!(["positive"]))]
    pub from: Vec<String>,
    /// What it says without the concept.
    #[schema(example = json!(["negative"]))]
    pub to: Vec<String>,
    /// How far the score moves of the label which is likeliest to the model as it is.
    #[schema(example = 0.41, minimum = 0)]
    pub change: f64,
}
