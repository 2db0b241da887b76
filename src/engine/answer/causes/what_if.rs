//! What the model would say under changes to text and network.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OriginalView;
use crate::engine::answer::{ModelName, PredictionView, TargetView, Warning};
use crate::explain::Output;

/// What the model would say under each of some changes alone, under all together, and under one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatIfView {
    /// Identity of the answer; absent where the time was over before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub id: Option<String>,
    /// The model that was asked.
    pub model: ModelName,
    /// The text as it is.
    pub original: OriginalView,
    /// The class whose output is followed.
    pub target: TargetView,
    /// What of it is followed.
    pub output: Output,
    /// Its value before any change.
    #[schema(example = 1.3566302)]
    pub before: f32,
    /// The changes as they were sent, with defaults filled in.
    #[schema(value_type = Vec<Object>, example = json!([{"action": "replace", "word": 1, "with": "dull"}]))]
    pub edits: Vec<serde_json::Value>,
    /// The effect of each change alone, in their order; fewer where the time was over first.
    #[schema(example = json!([{"text": "A dull film.", "text_pair": null, "prediction": {"label": "negative", "index": 0, "logits": [0.5, -0.5], "scores": [{"label": "negative", "score": 0.731}, {"label": "positive", "score": 0.269}]}, "output": -0.5, "change": -1.8566302, "flipped": true}]))]
    pub alone: Vec<EffectView>,
    /// The effect of all changes together; null where the time was over first.
    #[schema(required)]
    pub together: Option<EffectView>,
    /// The effect of the first change, of the first two, and so on to all; fewer where the time was over first.
    #[schema(example = json!([{"text": "A dull film.", "text_pair": null, "prediction": {"label": "negative", "index": 0, "logits": [0.5, -0.5], "scores": [{"label": "negative", "score": 0.731}, {"label": "positive", "score": 0.269}]}, "output": -0.5, "change": -1.8566302, "flipped": true}]))]
    pub in_order: Vec<EffectView>,
    /// For every two changes, what both do beyond the sum of what each does alone; fewer where the time was over first.
    #[schema(example = json!([{"edits": [0, 1], "output": -0.25, "interaction": 0.125}]))]
    pub interactions: Vec<InteractionView>,
    /// What all do together beyond the sum of what each does alone; null where the time was over first.
    #[schema(required, example = 0.125)]
    pub interaction: Option<f32>,
    /// Passes of the network that it took, the text's own among them.
    #[schema(example = 4)]
    pub forwards: usize,
    /// Whether everything was computed. False where the time was over first.
    #[schema(example = true)]
    pub complete: bool,
    /// What a reader should know before trusting the rest.
    // The answer is put together around the rest, which has neither an id nor these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required, example = json!([]))]
    pub warnings: Vec<Warning>,
}

/// What the model says under some changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EffectView {
    /// The text with its words replaced and deleted; null where no change is one of the text itself.
    #[schema(required, example = "A dull film.")]
    pub text: Option<String>,
    /// The second text of a pair, under the same condition.
    #[schema(required, example = json!(null))]
    pub text_pair: Option<String>,
    /// What the model says.
    pub prediction: PredictionView,
    /// The followed output.
    #[schema(example = -0.5)]
    pub output: f32,
    /// Its change.
    #[schema(example = -1.8566302)]
    pub change: f32,
    /// Whether the model says something else than before; false for regression models, which have no labels.
    #[schema(example = true)]
    pub flipped: bool,
}

/// What two changes do together beyond the sum of what each does alone: F(both) − F(first) − F(second) + F(none).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InteractionView {
    /// Their places in `edits`.
    #[schema(min_items = 2, max_items = 2, example = json!([0, 1]))]
    pub edits: [usize; 2],
    /// The output under both.
    #[schema(example = -0.25)]
    pub output: f32,
    /// The interaction.
    #[schema(example = 0.125)]
    pub interaction: f32,
}
