//! Scores of concepts in a text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TargetView;
use crate::explain::concept::Pooling;

/// A concept by name, version and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConceptName {
    /// Its name.
    #[schema(example = "acting", pattern = "^[a-z0-9][a-z0-9._-]*$")]
    pub name: String,
    /// Tells those of one name apart.
    #[schema(example = 1, minimum = 1)]
    pub version: u32,
    /// A hash of its definition.
    #[schema(
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub id: String,
}

/// How much of a concept there is in a text, and how the classes hang on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "concept": {"name": "acting", "version": 1, "id": "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"},
    "pooling": "mean", "layer": 4, "score": 1.5, "standardised": 2.0, "tokens": [0.5, 2.5], "words": [2.5],
    "layers": [{"layer": 4, "score": 1.5, "standardised": 2.0}],
    "derivatives": [{"target": {"label": "positive", "index": 1}, "value": 0.25}]
}))]
pub struct ConceptScoreView {
    /// The concept.
    pub concept: ConceptName,
    /// Which rows it was learnt from, and is scored over.
    pub pooling: Pooling,
    /// The hidden state that it is found at.
    #[schema(example = 4)]
    pub layer: usize,
    /// The mean over tokens of ⟨h − centre, v⟩, where v is the concept's unit vector and the centre the mean of its
    /// counter-examples; of the first token alone, where pooling is `cls`. 0 is what a usual text has.
    #[schema(example = 1.5)]
    pub score: f32,
    /// The same in standard deviations of the counter-examples.
    #[schema(example = 2.0)]
    pub standardised: f32,
    /// The score of each token, special ones included, in their order.
    #[schema(example = json!([0.5, 2.5]))]
    pub tokens: Vec<f32>,
    /// The mean score of each word's tokens, in the order of the words.
    #[schema(example = json!([2.5]))]
    pub words: Vec<f32>,
    /// The score at each hidden state that the concept has a direction for.
    #[schema(example = json!([{"layer": 4, "score": 1.5, "standardised": 2.0}]))]
    pub layers: Vec<LayerScore>,
    /// For each label, how its logit moves when the concept is pushed: per unit of length, at this very text.
    #[schema(example = json!([{"target": {"label": "positive", "index": 1}, "value": 0.25}]))]
    pub derivatives: Vec<DerivativeView>,
}

/// The score of a concept at one hidden state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerScore {
    /// The hidden state: 0 is the embeddings' output.
    #[schema(example = 4)]
    pub layer: usize,
    /// As at the concept's own layer.
    #[schema(example = 1.5)]
    pub score: f32,
    /// In standard deviations of the counter-examples.
    #[schema(example = 2.0)]
    pub standardised: f32,
}

/// How the logit of a label moves along a concept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DerivativeView {
    /// The label.
    pub target: TargetView,
    /// The derivative: positive where more of the concept speaks for the label.
    #[schema(example = 0.25)]
    pub value: f32,
}
