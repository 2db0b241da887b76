//! The windows of a long text, and what the model says of each.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LabelScore;
use crate::explain::Combine;

/// The windows over a text, with what the model says of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowsView {
    /// The most tokens of a window, special ones included.
    #[schema(example = 512)]
    pub size: usize,
    /// Tokens that neighbours share.
    #[schema(example = 128)]
    pub overlap: usize,
    /// How their logits become those of the text.
    pub combine: Combine,
    /// The windows, in the text's order; each also has the special tokens.
    #[schema(example = json!([{
        "first_token": 1, "last_token": 510, "start": 0, "end": 2391, "logits": [-1.3595046, 1.3566302],
        "scores": [{"label": "negative", "score": 0.062027965}, {"label": "positive", "score": 0.937972}]
    }]))]
    pub windows: Vec<WindowView>,
}

/// One window of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowView {
    /// The index of its first token that is not special.
    #[schema(example = 1)]
    pub first_token: usize,
    /// The index of its last token that is not special.
    #[schema(example = 510)]
    pub last_token: usize,
    /// First character, in Unicode code points of the text, from 0.
    #[schema(example = 0)]
    pub start: usize,
    /// One past the last character, in Unicode code points of the text.
    #[schema(example = 2391)]
    pub end: usize,
    /// What the network puts out for it, one per label in the model's order (for regression: the value).
    #[schema(example = json!([-1.3595046, 1.3566302]))]
    pub logits: Vec<f32>,
    /// One per label in the model's order; empty for regression models.
    #[schema(example = json!([
        {"label": "negative", "score": 0.062027965},
        {"label": "positive", "score": 0.937972}
    ]))]
    pub scores: Vec<LabelScore>,
}
