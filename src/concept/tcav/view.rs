//! What is told of how much classes depend on concepts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::concept::Ends;
use crate::engine::answer::{ConceptName, ModelName, TargetView, Warning};
use crate::explain::concept::Pooling;

/// Over which texts of the dataset a class is tested: `predicted`, those that are predicted as it; `labelled`, those that
/// the dataset labels so; `all`, every one. Where the model has a single output (two labels, or a value), over all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "predicted")]
pub enum TestedTexts {
    /// Those that are predicted as the class.
    Predicted,
    /// Those that the dataset labels so.
    Labelled,
    /// Every one.
    All,
}

/// What a derivative is taken of: `logit`, that of a class; `margin`, logit\[1\] − logit\[0\] of a model of two labels;
/// `value`, that of a regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "margin")]
pub enum TcavOutput {
    /// The logit of a class.
    Logit,
    /// The second logit less the first.
    Margin,
    /// The value.
    Value,
}

/// How much classes depend on concepts, and whether more than by chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TcavView {
    /// The identity of this answer: `GET /v1/explanations/{id}` gives the same bytes.
    #[schema(
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub id: String,
    /// The model.
    pub model: ModelName,
    /// The texts whose predictions are explained.
    pub dataset: TextsView,
    /// The texts that random sets are drawn from.
    pub random: TextsView,
    /// What a derivative is taken of.
    pub output: TcavOutput,
    /// What was asked, defaults included.
    pub options: TcavOptions,
    /// A test for each concept, layer and class, in this order.
    #[schema(example = json!([]))]
    pub tests: Vec<TcavTest>,
    /// What to know before relying on it.
    #[schema(example = json!([]))]
    pub warnings: Vec<Warning>,
}

/// The same without what every answer has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The model.
    pub model: ModelName,
    /// The texts whose predictions are explained.
    pub dataset: TextsView,
    /// The texts that random sets are drawn from.
    pub random: TextsView,
    /// What a derivative is taken of.
    pub output: TcavOutput,
    /// What was asked.
    pub options: TcavOptions,
    /// The tests.
    pub tests: Vec<TcavTest>,
}

/// A dataset as it was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextsView {
    /// The `id` of the dataset.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub id: String,
    /// Rows that were looked at.
    #[schema(example = 691)]
    pub rows: usize,
    /// Rows that could not be: too long, or without a word.
    #[schema(example = 0)]
    pub failed: u64,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TcavOptions {
    /// Over which texts each class is tested.
    pub texts: TestedTexts,
    /// The probability that any test is called significant wrongly, at most.
    #[schema(example = 0.05)]
    pub alpha: f64,
    /// Resamples of each concept's examples.
    #[schema(example = 10)]
    pub repeats: usize,
    /// What random sets and resamples are drawn by.
    #[schema(example = 0, format = "uint64")]
    pub seed: u64,
    /// Whether the beginning of a text was looked at that is longer than the model takes.
    #[schema(example = false)]
    pub truncate: bool,
}

/// How much a class depends on a concept at a hidden state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "concept": {"name": "acting", "version": 1, "id": "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"},
    "pooling": "mean", "layer": 4, "target": null, "texts": 4, "score": 1.0, "interval": {"low": 0.51, "high": 1.0},
    "mean_derivative": 0.31, "null": {"sets": 2, "size": 30, "mean": 0.5, "low": 0.275, "high": 0.725, "scores": [0.25, 0.75]},
    "p_value": 0.333, "adjusted_p_value": 0.333, "significant": null, "random_sets_needed": 19,
    "resampled": {"mean": 1.0, "scores": [1.0, 1.0], "welch": {"t": 2.0, "degrees_of_freedom": 1.0, "p_value": 0.295}}
}))]
pub struct TcavTest {
    /// The concept.
    pub concept: ConceptName,
    /// Which rows of the hidden state it is a direction of.
    pub pooling: Pooling,
    /// The hidden state: 0 is the embeddings' output.
    #[schema(example = 4)]
    pub layer: usize,
    /// The class; null where the model has a single output, which is what is tested.
    #[schema(required)]
    pub target: Option<TargetView>,
    /// Texts that the score is a share of.
    #[schema(example = 691, minimum = 1)]
    pub texts: usize,
    /// The TCAV score: the share of texts whose output rises along the concept, 0 to 1; a derivative of exactly 0 counts
    /// half.
    #[schema(example = 0.87, minimum = 0, maximum = 1)]
    pub score: f64,
    /// Its 95 % interval by Wilson, over texts alone: it knows nothing of the examples of the concept.
    pub interval: Ends,
    /// The mean derivative over the same texts, per unit of length along the concept.
    #[schema(example = 0.31)]
    pub mean_derivative: f64,
    /// The scores of random concepts.
    pub null: NullScores,
    /// (1 + random scores at least as far from the mean of all, its own among them) / (1 + random scores).
    #[schema(example = 0.0455, exclusive_minimum = 0, maximum = 1)]
    pub p_value: f64,
    /// The same by Holm's adjustment for all tests of this answer.
    #[schema(example = 0.0455, exclusive_minimum = 0, maximum = 1)]
    pub adjusted_p_value: f64,
    /// Whether the adjusted p-value is at most `alpha`; null where there are too few random sets for any test to be.
    #[schema(required, example = true)]
    pub significant: Option<bool>,
    /// Where there are too few random sets: how many it takes; null otherwise.
    #[schema(required, example = json!(null))]
    pub random_sets_needed: Option<usize>,
    /// The scores of directions learnt from resampled examples; null for a concept without examples.
    #[schema(required)]
    pub resampled: Option<ResampledScores>,
}

/// The scores of random concepts: what a score is where nothing is behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NullScores {
    /// Random sets, which have no text in common.
    #[schema(example = 21)]
    pub sets: usize,
    /// Texts of each: as many as the concept has examples; 30, in two halves, where it has none.
    #[schema(example = 30)]
    pub size: usize,
    /// The mean.
    #[schema(example = 0.5)]
    pub mean: f64,
    /// The 2.5th percentile.
    #[schema(example = 0.12)]
    pub low: f64,
    /// The 97.5th percentile.
    #[schema(example = 0.91)]
    pub high: f64,
    /// The scores themselves, in the order of the sets.
    #[schema(example = json!([0.25, 0.75]))]
    pub scores: Vec<f64>,
}

/// The scores of directions learnt from bootstrap resamples of a concept's examples and counter-examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResampledScores {
    /// The mean.
    #[schema(example = 0.85)]
    pub mean: f64,
    /// The scores themselves.
    #[schema(example = json!([0.84, 0.86]))]
    pub scores: Vec<f64>,
    /// How far their mean is from that of random concepts; null where neither varies. Resamples of the same examples vary
    /// less than new examples would, and the p-value falls with `repeats`: the test is `p_value`, not this one.
    #[schema(required)]
    pub welch: Option<WelchView>,
}

/// Welch's t-test of two means whose variances may differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WelchView {
    /// The difference of the means, the concept's less the random ones', in standard errors.
    #[schema(example = 6.1)]
    pub t: f64,
    /// Degrees of freedom, by Welch and Satterthwaite.
    #[schema(example = 22.4)]
    pub degrees_of_freedom: f64,
    /// The two-sided p-value, for this test alone.
    #[schema(example = 0.00004, minimum = 0, maximum = 1)]
    pub p_value: f64,
}
