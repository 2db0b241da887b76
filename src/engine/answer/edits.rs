//! What a text would be to the model with more or less of some concepts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ConceptName, Explanation, PredictionView, TargetView};

/// What the model says of a text along an edit of its states: at strength λ, every token's state h at each named layer is
/// h + λ · weight · spread · v, where v is the concept's unit vector and its spread the standard deviation of usual texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "concepts": [{"concept": {"name": "acting", "version": 1, "id": "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"}, "weight": 1.0, "layer": 4}],
    "target": {"label": "positive", "index": 1},
    "sweep": [
        {"strength": -4.0, "prediction": {"label": "negative", "index": 0, "logits": [0.5, -0.5], "scores": [{"label": "negative", "score": 0.731}, {"label": "positive", "score": 0.269}]}, "output": -0.5},
        {"strength": 4.0, "prediction": {"label": "positive", "index": 1, "logits": [-0.5, 0.5], "scores": [{"label": "negative", "score": 0.269}, {"label": "positive", "score": 0.731}]}, "output": 0.5}
    ],
    "flips": {"above": null, "below": null},
    "words": null
}))]
pub struct EditsView {
    /// What is edited, all at once.
    #[schema(example = json!([{
        "concept": {"name": "acting", "version": 1, "id": "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"},
        "weight": 1.0, "layer": 4
    }]))]
    pub concepts: Vec<EditView>,
    /// The class whose output is followed.
    pub target: TargetView,
    /// What the model says at each strength, in the order asked for.
    #[schema(example = json!([{
        "strength": -4.0, "output": -0.5,
        "prediction": {"label": "negative", "index": 0, "logits": [0.5, -0.5], "scores": [{"label": "negative", "score": 0.731}, {"label": "positive", "score": 0.269}]}
    }]))]
    pub sweep: Vec<SweepPoint>,
    /// Where the prediction becomes another one.
    pub flips: FlipsView,
    /// What each word does for the target before and behind the edit; null where no attribution was asked for.
    #[schema(required)]
    pub words: Option<EditedWords>,
}

/// A concept that is edited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditView {
    /// The concept.
    pub concept: ConceptName,
    /// How much of the strength it gets.
    #[schema(example = 1.0)]
    pub weight: f64,
    /// The hidden state that is edited: 0 is the embeddings' output, l the output of the l-th layer.
    #[schema(example = 4)]
    pub layer: usize,
}

/// What the model says at one strength.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepPoint {
    /// The strength λ.
    #[schema(example = -4.0)]
    pub strength: f64,
    /// What the model says.
    pub prediction: PredictionView,
    /// The logit of the target (for regression: the value).
    #[schema(example = -0.5)]
    pub output: f32,
}

/// The strengths nearest to 0 on either side at which the prediction is another one than that of the text as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlipsView {
    /// Above 0; null where there is none up to the largest strength. Regression models have none.
    #[schema(required)]
    pub above: Option<FlipView>,
    /// Below 0; null where there is none down to the smallest strength.
    #[schema(required)]
    pub below: Option<FlipView>,
}

/// A strength at which the prediction is another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlipView {
    /// The strength: at 1/64 of a step of the sweep nearer to 0, the prediction is still that of the text as it is. Between
    /// steps, an even number of flips is not seen.
    #[schema(example = 1.734375)]
    pub strength: f64,
    /// What the model says there.
    pub prediction: PredictionView,
}

/// What each word does for the target, before an edit and behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditedWords {
    /// The strength of the edit: that of the flip nearest to 0; where there is none, the one of the sweep that is farthest
    /// from 0. Of two that are equally near or far, the positive one.
    #[schema(example = 1.734375)]
    pub strength: f64,
    /// The attribution of the text as it is.
    pub before: Explanation,
    /// That of the same text through the edited network.
    pub after: Explanation,
    /// The score of each word behind the edit less that before it, in the order of the words.
    #[schema(example = json!([0.25, -0.5]))]
    pub change: Vec<f32>,
}
