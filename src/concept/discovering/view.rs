//! Directions that nobody has named, as they are told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::concept::Ends;
use crate::engine::answer::{ModelName, TargetView, Warning};
use crate::explain::concept::Pooling;
use crate::explain::concept::discovery::Discovery;

/// Directions that were found in the states of a dataset's texts. Vectors stand as one string each: base64 (RFC 4648) of
/// little-endian 32-bit floats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiscoveryView {
    /// Identity of the answer: equal for equal questions to the same model.
    // The answer is put together around the rest, which has neither this nor warnings.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(
        required,
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub id: String,
    /// The model whose states they are.
    pub model: ModelName,
    /// The `id` of the dataset whose texts were looked at.
    #[schema(
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub dataset: String,
    /// How they were found.
    pub method: Discovery,
    /// The hidden state: 0 is the embeddings' output.
    #[schema(example = 3)]
    pub layer: usize,
    /// Which rows of it.
    pub pooling: Pooling,
    /// What else was asked.
    pub options: DiscoveryOptions,
    /// Rows of the dataset whose states were looked at.
    #[schema(example = 691)]
    pub rows: usize,
    /// Rows of the dataset that have no states: too long, or without a word.
    #[schema(example = 0)]
    pub failed: u64,
    /// States that directions were looked for in: as many as rows, or as tokens where `pooling` is `tokens`.
    #[schema(example = 18243)]
    pub states: usize,
    /// The share that the directions account for, 0 to 1: of Σ ‖h‖² (`nmf`), or of Σ ‖h − mean‖² (`kmeans`).
    #[schema(example = 0.41, minimum = 0, maximum = 1)]
    pub explained: f64,
    /// What is left: Σ of the squares of what the parts do not add up to, positive and negative halves side by side
    /// (`nmf`), or of the distances from the groups' means (`kmeans`).
    #[schema(example = 1520341.5, minimum = 0)]
    pub loss: f64,
    /// How often all directions were improved.
    #[schema(example = 87)]
    pub iterations: usize,
    /// Whether the search ended because there was no more to gain.
    #[schema(example = true)]
    pub converged: bool,
    /// The mean of all states, a text counting as one: what scores of a kept direction are measured from.
    #[schema(example = "AACAPwAAAMA=")]
    pub centre: String,
    /// The directions, the largest first: by Σ activations² (`nmf`), or by the states of their group (`kmeans`).
    #[schema(example = json!([]))]
    pub components: Vec<ComponentView>,
    /// What to know before relying on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required, example = json!([]))]
    pub warnings: Vec<Warning>,
}

/// What was asked beside the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryOptions {
    /// Directions that were looked for.
    #[schema(example = 10)]
    pub components: usize,
    /// Texts and words that are listed for each, at most.
    #[schema(example = 10)]
    pub top: usize,
    /// What the search starts by.
    #[schema(example = 0, format = "uint64")]
    pub seed: u64,
    /// Whether long texts were cut.
    #[schema(example = false)]
    pub truncate: bool,
}

/// A direction with what it stands for and what hangs on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentView {
    /// Its place, from 0: what `keep` names it by.
    #[schema(example = 0)]
    pub index: usize,
    /// States that belong to it: those whose largest activation it has (`nmf`), or its group (`kmeans`).
    #[schema(example = 2410)]
    pub size: usize,
    /// The same as a share of all states, 0 to 1.
    #[schema(example = 0.132, minimum = 0, maximum = 1)]
    pub share: f64,
    /// The standard deviation of ⟨h, v⟩ over texts, each the mean of its states.
    #[schema(example = 0.87)]
    pub spread: f64,
    /// The direction v, of length 1.
    #[schema(example = "AACAPwAAAAA=")]
    pub vector: String,
    /// The texts with most of it, the first one first; texts without any are not listed.
    #[schema(example = json!([{"row": 12, "text": "A gripping film.", "text_pair": null, "label": "positive", "activation": 2.1}]))]
    pub top_texts: Vec<ActiveText>,
    /// The words with most of it, of those that occur at least three times; null unless `pooling` is `tokens`.
    #[schema(required, example = json!([{"word": "gripping", "activation": 4.2, "count": 5}]))]
    pub top_words: Option<Vec<ActiveWord>>,
    /// What hangs on it.
    pub importance: ImportanceView,
}

/// A text with a good deal of a direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveText {
    /// The number of its row, from 0.
    #[schema(example = 12)]
    pub row: u64,
    /// The text, or the first of a pair.
    #[schema(example = "A gripping film.")]
    pub text: String,
    /// The second text of a pair; null for a single text.
    #[schema(required, example = json!(null))]
    pub text_pair: Option<String>,
    /// Its label in the dataset; null where it has none.
    #[schema(required, example = "positive")]
    pub label: Option<String>,
    /// How much there is of it: how often the state takes the direction (`nmf`), or ⟨h − mean of all states, v⟩ (`kmeans`);
    /// the mean over tokens where `pooling` is `tokens`.
    #[schema(example = 2.1)]
    pub activation: f64,
}

/// A word with a good deal of a direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveWord {
    /// The word in lower case.
    #[schema(example = "gripping")]
    pub word: String,
    /// The mean over its occurrences of the mean activation of its tokens.
    #[schema(example = 4.2)]
    pub activation: f64,
    /// How often it occurs.
    #[schema(example = 5, minimum = 3)]
    pub count: u64,
}

/// What hangs on a direction, told in two ways: what more of it would do, and what is otherwise without it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportanceView {
    /// How the outputs move along it: one entry for each class, or a single one for a model of two labels.
    #[schema(example = json!([{
        "target": {"label": "positive", "index": 1}, "against": {"label": "negative", "index": 0}, "share": 0.82,
        "interval": {"low": 0.79, "high": 0.85}, "mean_derivative": 0.034
    }]))]
    pub tcav: Vec<RisingShare>,
    /// What the model says otherwise when the direction is projected out.
    pub erasure: ProjectedOut,
}

/// How an output moves along a direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RisingShare {
    /// The class.
    pub target: TargetView,
    /// The other class of a model of two labels, whose logit is taken off the first one's: what moves is the margin between
    /// the two. Null for other models, where the class's own logit (for regression: the value) moves.
    #[schema(required)]
    pub against: Option<TargetView>,
    /// The share of texts whose output rises along the direction, 0 to 1; a derivative of 0 counts half.
    #[schema(example = 0.82, minimum = 0, maximum = 1)]
    pub share: f64,
    /// Its 95 % interval (Wilson).
    pub interval: Ends,
    /// The mean of the derivatives: what the output gains per unit of length along the direction.
    #[schema(example = 0.034)]
    pub mean_derivative: f64,
}

/// What a model says otherwise without a direction: h − v vᵀh in place of h, for every token's row of that hidden state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectedOut {
    /// Texts that were asked about: the first ones of the dataset, 200 at most.
    #[schema(example = 200)]
    pub rows: usize,
    /// Those whose prediction is another one; null for regression models.
    #[schema(required)]
    pub changed: Option<ChangedPredictions>,
    /// The mean |change| of the score of the label that is likeliest with the direction; for regression of the value.
    #[schema(example = 0.021, minimum = 0)]
    pub mean_change: f64,
}

/// Texts whose prediction is another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedPredictions {
    /// How many.
    #[schema(example = 4)]
    pub count: usize,
    /// The same as a share of those that were asked about, 0 to 1.
    #[schema(example = 0.02, minimum = 0, maximum = 1)]
    pub share: f64,
    /// Its 95 % interval (Wilson).
    pub interval: Ends,
}
