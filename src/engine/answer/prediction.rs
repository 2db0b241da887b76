//! What the model says of a text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the model says of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictionView {
    /// The label; null for multi-label and regression models.
    #[schema(required, example = "positive")]
    pub label: Option<String>,
    /// The label's index among the logits, from 0; null where `label` is.
    #[schema(required, example = 1)]
    pub index: Option<usize>,
    /// The labels over the threshold, perhaps none; absent unless the model is a multi-label one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["toxic", "insult"]))]
    pub labels: Option<Vec<String>>,
    /// The value, in the unit the model was trained on; absent unless the model is a regression.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3.25)]
    pub value: Option<f32>,
    /// What the network puts out, one per label in the model's order (for regression: the value).
    #[schema(example = json!([-1.3595046, 1.3566302]))]
    pub logits: Vec<f32>,
    /// One per label in the model's order; empty for regression models.
    #[schema(example = json!([
        {"label": "negative", "score": 0.062027965},
        {"label": "positive", "score": 0.937972}
    ]))]
    pub scores: Vec<LabelScore>,
}

/// A label with its probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelScore {
    /// The label.
    #[schema(example = "positive")]
    pub label: String,
    /// Its probability, 0 to 1: over all labels they sum to 1, except in multi-label models.
    #[schema(example = 0.937972, minimum = 0, maximum = 1)]
    pub score: f32,
}
