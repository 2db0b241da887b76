//! Texts near to one, of which the model says something else.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OriginalView;
use crate::engine::answer::{ModelName, PredictionView, TargetView, Warning};
pub use crate::explain::counterfactual::Strategy;

/// What would have to change in a text for the model to say something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CounterfactualsView {
    /// Identity of the answer; absent where the time was over before the search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub id: Option<String>,
    /// The model that was asked.
    pub model: ModelName,
    /// The model whose masked-LM head filled in words and judged fluency; null where there was none.
    #[schema(required)]
    pub infill_model: Option<ModelName>,
    /// The label that was wanted; null where any other would do.
    #[schema(required)]
    pub target: Option<TargetView>,
    /// The text as it is.
    pub original: OriginalView,
    /// Texts of which the model says what was wanted, best first: few changed words, and as fluent as the text. Empty where
    /// none was found.
    #[schema(example = json!([{
        "text": "A tedious film.", "text_pair": null,
        "changes": [{"start": 2, "end": 10, "from": "gripping", "to": "tedious", "strategy": "antonym", "segment": 0}],
        "prediction": {"label": "negative", "index": 0, "logits": [1.25, -1.25], "scores": [{"label": "negative", "score": 0.924}, {"label": "positive", "score": 0.076}]},
        "flipped": true, "edit_distance": 0.25, "closeness": 0.875, "fluency_before": 9.5, "fluency_after": 11.0, "minimal": true
    }]))]
    pub counterfactuals: Vec<CounterfactualView>,
    /// Where none was found, the text that came closest, with `flipped` false; otherwise null, and where there is nothing in
    /// the text to change.
    #[schema(required)]
    pub closest_miss: Option<CounterfactualView>,
    /// 1 − self-BLEU of the counterfactuals, 0 (all alike) to 1; null where there are fewer than two.
    #[schema(required, example = 0.5, minimum = 0, maximum = 1)]
    pub diversity: Option<f32>,
    /// Passes over the text that the search took, beyond the text's own, those of the masked LM included; a way back of a
    /// gradient counts as two, and words that are run by themselves by their lengths.
    #[schema(example = 96)]
    pub forwards: usize,
    /// Whether the search came to its end: all was found that was asked for, or what promised most was tried, or the budget
    /// did not allow more. False where the time was over first.
    #[schema(example = true)]
    pub complete: bool,
    /// What a reader should know before trusting the rest.
    // The answer is put together around the rest, which has neither an id nor these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required, example = json!([]))]
    pub warnings: Vec<Warning>,
}

/// A text near to the original, with what the model says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CounterfactualView {
    /// The text.
    #[schema(example = "A tedious film.")]
    pub text: String,
    /// The second text of a pair; null for a single text.
    #[schema(required, example = json!(null))]
    pub text_pair: Option<String>,
    /// What was changed, in the order of the original: applied to it, this is the text.
    #[schema(example = json!([{"start": 2, "end": 10, "from": "gripping", "to": "tedious", "strategy": "antonym", "segment": 0}]))]
    pub changes: Vec<ChangeView>,
    /// What the model says of it, by a forward pass of its own.
    pub prediction: PredictionView,
    /// Whether that is what was wanted.
    #[schema(example = true)]
    pub flipped: bool,
    /// Words that were inserted, deleted or replaced (Levenshtein), by the number of words of the original.
    #[schema(example = 0.25, minimum = 0)]
    pub edit_distance: f32,
    /// The cosine of the mean word embeddings of both texts, −1 to 1.
    #[schema(example = 0.875, minimum = -1, maximum = 1)]
    pub closeness: f32,
    /// Pseudo-perplexity of the original under the masked-LM head, from 1; null where there is no such head, where it cannot
    /// read the text, and where the budget or the time was over first.
    #[schema(required, example = 9.5)]
    pub fluency_before: Option<f32>,
    /// That of this text, null in the same cases: twice as much is half as likely, token by token.
    #[schema(required, example = 11.0)]
    pub fluency_after: Option<f32>,
    /// Whether no single change can be undone without losing the flip.
    #[schema(example = true)]
    pub minimal: bool,
}

/// A change to the original.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeView {
    /// First code point in the original.
    #[schema(example = 2)]
    pub start: usize,
    /// One past the last code point.
    #[schema(example = 10)]
    pub end: usize,
    /// What stood there.
    #[schema(example = "gripping")]
    pub from: String,
    /// What stands there now; empty where it was deleted.
    #[schema(example = "tedious")]
    pub to: String,
    /// Where the change comes from.
    pub strategy: Strategy,
    /// 0 for the first text, 1 for the second of a pair.
    #[schema(example = 0, maximum = 1)]
    pub segment: usize,
}
