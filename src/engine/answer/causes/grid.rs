//! What the model would say without each word.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OriginalView;
use crate::engine::answer::{ModelName, TargetView, Warning};
use crate::explain::Output;

/// What is done to a word: `delete` (it is taken out of the text, which is tokenised anew), `mask` (the mask token stands
/// for each of its tokens).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "delete")]
pub enum GridAction {
    /// It is taken out of the text, which is tokenised anew.
    Delete,
    /// The mask token stands for each of its tokens.
    Mask,
}

/// What the model would say without each word of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GridView {
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
    /// Its value for the text as it is.
    #[schema(example = 1.375)]
    pub before: f32,
    /// One entry a word, in order: what the model says without it. Null where it cannot read the rest (as a rule because
    /// nothing is left), or where the time was over; all of it null unless this action was asked for.
    #[schema(required, example = json!([{"output": 0.25, "change": -1.125, "flipped": false}, null]))]
    pub delete: Option<Vec<Option<CellView>>>,
    /// The same with each word masked.
    #[schema(required, example = json!([{"output": 0.25, "change": -1.125, "flipped": false}, null]))]
    pub mask: Option<Vec<Option<CellView>>>,
    /// Passes of the network that it took, the text's own among them; a word without which the network gets the same takes
    /// none.
    #[schema(example = 9)]
    pub forwards: usize,
    /// Whether every cell was computed. False where the time was over first.
    #[schema(example = true)]
    pub complete: bool,
    /// What a reader should know before trusting the rest.
    // The answer is put together around the rest, which has neither an id nor these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required, example = json!([]))]
    pub warnings: Vec<Warning>,
}

/// What the model says of the text without one word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CellView {
    /// The followed output.
    #[schema(example = 0.25)]
    pub output: f32,
    /// Its change: below 0 where the word speaks for the target.
    #[schema(example = -1.125)]
    pub change: f32,
    /// Whether the model says something else than of the text as it is; false for regression models, which have no labels.
    #[schema(example = false)]
    pub flipped: bool,
}
