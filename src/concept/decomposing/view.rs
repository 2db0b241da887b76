//! What is told of a concept that was taken apart.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::engine::answer::{ConceptName, ModelName, Warning};
use crate::explain::concept::Pooling;

/// A concept taken apart: which of its examples its direction is made of, how few of them do, and which texts of a dataset
/// lie farthest along it and against it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecompositionView {
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
    /// The hidden state at which it was taken apart.
    #[schema(example = 4)]
    pub layer: usize,
    /// Which rows of it.
    pub pooling: Pooling,
    /// Where the coefficients are from; null for a concept without examples.
    #[schema(required)]
    pub coefficients_by: Option<CoefficientsBy>,
    /// The cosine between the direction that the examples give here and the one that is kept; null where they give none.
    #[schema(required, example = 1.0, minimum = -1, maximum = 1)]
    pub relearnt_cosine: Option<f64>,
    /// One for each example, then one for each counter-example, in the order in which they were given; empty for a concept
    /// without examples.
    #[schema(example = json!([{"example": {"side": "positive", "index": 0, "text": "The actors are wonderful.", "text_pair": null}, "coefficient": 0.03}]))]
    pub coefficients: Vec<CoefficientView>,
    /// ‖v − Σ c_i x_i‖ / ‖v‖: what of the direction v the coefficients c_i of the states x_i leave over, at least 0; null
    /// for a concept without examples.
    #[schema(required, example = 1.2e-7, minimum = 0)]
    pub residual: Option<f64>,
    /// How well few examples do, one more with each entry (orthogonal matching pursuit); empty for a concept without
    /// examples, and shorter than was asked for where more of them cannot come nearer.
    #[schema(example = json!([{
        "terms": 1, "example": {"side": "positive", "index": 0, "text": "The actors are wonderful.", "text_pair": null},
        "token": null, "residual": 0.9, "cosine": 0.4358898943540674
    }]))]
    pub curve: Vec<TermView>,
    /// The dataset that the texts below are from, by its id.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub dataset: String,
    /// Rows of it that were scored.
    #[schema(example = 691)]
    pub rows: u64,
    /// Rows of it that the model cannot read: too long, or without a word.
    #[schema(example = 0)]
    pub failed: u64,
    /// The rows that lie farthest along the direction, the farthest first.
    #[schema(example = json!([{"row": 118, "text": "The cast is superb.", "text_pair": null, "label": "positive", "score": 1.5, "standardised": 2.0}]))]
    pub nearest: Vec<NearView>,
    /// The rows that lie farthest against it, the farthest first.
    #[schema(example = json!([{"row": 7, "text": "It drags.", "text_pair": null, "label": "negative", "score": -1.5, "standardised": -2.0}]))]
    pub farthest: Vec<NearView>,
    /// What to know before relying on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required, example = json!([]))]
    pub warnings: Vec<Warning>,
}

/// Where coefficients are from: `learner`, those that the direction was learnt with, exact but for rounding;
/// `least_squares`, the shortest ones that come nearest to a direction which the examples do not give here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "learner")]
pub enum CoefficientsBy {
    /// Those that the direction was learnt with.
    Learner,
    /// The shortest ones that come nearest.
    LeastSquares,
}

/// A side of a concept: `positive`, its examples; `negative`, its counter-examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "positive")]
pub enum Side {
    /// Its examples.
    Positive,
    /// Its counter-examples.
    Negative,
}

/// An example of a concept, or a counter-example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExampleView {
    /// Which of the two.
    pub side: Side,
    /// Its place on its side, from 0.
    #[schema(example = 0)]
    pub index: usize,
    /// The text, or the first of a pair.
    #[schema(example = "The actors are wonderful.")]
    pub text: String,
    /// The second text of a pair; null for a single text.
    #[schema(required, example = json!(null))]
    pub text_pair: Option<String>,
}

/// How much of a direction an example makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CoefficientView {
    /// The example.
    pub example: ExampleView,
    /// Its coefficient c in v = Σ c_i x_i; for pooling `tokens` the sum over those of its tokens.
    #[schema(example = 0.03)]
    pub coefficient: f64,
}

/// An example that joins those that stand for a direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TermView {
    /// How many there are by now.
    #[schema(example = 1, minimum = 1)]
    pub terms: usize,
    /// The one that joins.
    pub example: ExampleView,
    /// Its token whose state joins, from 0 and special tokens included; null unless pooling is `tokens`.
    #[schema(required, example = json!(null))]
    pub token: Option<usize>,
    /// ‖v − p‖ / ‖v‖, where p is what of the direction v the examples so far can make; never rises.
    #[schema(example = 0.9, minimum = 0, maximum = 1)]
    pub residual: f64,
    /// The cosine between v and p; never falls.
    #[schema(example = 0.4358898943540674, minimum = 0, maximum = 1)]
    pub cosine: f64,
}

/// A text of the dataset, and how far along the direction it lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NearView {
    /// The number of the row, from 0.
    #[schema(example = 118)]
    pub row: u64,
    /// The text, or the first of a pair.
    #[schema(example = "The cast is superb.")]
    pub text: String,
    /// The second text of a pair; null for a single text.
    #[schema(required, example = json!(null))]
    pub text_pair: Option<String>,
    /// What the dataset says of it; null where it says nothing.
    #[schema(required, example = "positive")]
    pub label: Option<String>,
    /// ⟨h − centre, v⟩ of its pooled state h; for pooling `tokens` the mean over its tokens.
    #[schema(example = 1.5)]
    pub score: f64,
    /// The same in standard deviations of usual texts.
    #[schema(example = 2.0)]
    pub standardised: f64,
}
