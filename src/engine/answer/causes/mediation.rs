//! What inside the network brings a change of the prediction about.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OriginalView;
use crate::engine::answer::{ModelName, TargetView, Warning};

/// What inside the network brings it about that the model says one thing of a text and another of its counterfactual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MediationView {
    /// Identity of the answer; absent where the time was over before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        pattern = "^[0-9a-f]{64}$",
        example = "7a60f69e4491b6313cd3b5b9a6ea0fdb5eebde3af850a1f5cda5f2ad3f767f3e"
    )]
    pub id: Option<String>,
    /// The model that was asked.
    pub model: ModelName,
    /// The text x.
    pub original: OriginalView,
    /// Its counterfactual x′, of as many tokens.
    pub counterfactual: OriginalView,
    /// What is followed.
    pub outcome: OutcomeView,
    /// y(x), in logits, as all that follows.
    #[schema(example = 3.25)]
    pub before: f32,
    /// y(x′).
    #[schema(example = -2.5)]
    pub after: f32,
    /// y(x′) − y(x).
    #[schema(example = -5.75)]
    pub total_effect: f32,
    /// Effects through the sublayers of each layer; null unless asked for, or where the time was over first.
    #[schema(required, example = json!([{"layer": 0, "attention": {"indirect": -0.5, "direct": -5.5}, "feed_forward": {"indirect": -0.25, "direct": -5.25}}]))]
    pub layers: Option<Vec<LayerEffects>>,
    /// Effects through each head, `[layer][head]`; null under the same conditions.
    #[schema(required)]
    pub heads: Option<HeadEffects>,
    /// Effects through groups of neurons, `[layer][group]`; null under the same conditions.
    #[schema(required)]
    pub neurons: Option<GroupEffects>,
    /// The activation-patching map; null under the same conditions.
    #[schema(required)]
    pub patching: Option<PatchingView>,
    /// Passes of the network that it took; one that begins in the middle, where nothing before is changed, counts as one.
    #[schema(example = 467)]
    pub forwards: usize,
    /// Whether everything that was asked for was computed. False where the time was over first.
    #[schema(example = true)]
    pub complete: bool,
    /// What a reader should know before trusting the rest.
    // Written as the answer is put together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required, example = json!([]))]
    pub warnings: Vec<Warning>,
}

/// What is followed: y = logit(target) − logit(against), or the target's own logit (for regression: the value).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeView {
    /// The class.
    pub target: TargetView,
    /// The class that it is held against; null where the logit alone is followed.
    #[schema(required)]
    pub against: Option<TargetView>,
}

/// Effects of a mediator z between x and x′, in units of the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// Natural indirect effect: y(x; z as for x′) − y(x). 0 for a mediator that does nothing.
    #[schema(example = -0.5)]
    pub indirect: f32,
    /// Natural direct effect: y(x′; z as for x) − y(x). The total effect for a mediator that does nothing; both need not add
    /// up to it.
    #[schema(example = -5.5)]
    pub direct: f32,
}

/// Effects of many mediators, `[layer][…]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// Natural indirect effects: y(x; z as for x′) − y(x).
    #[schema(example = json!([[-0.25, 0.125], [-1.5, 0.0]]))]
    pub indirect: Vec<Vec<f32>>,
    /// Natural direct effects: y(x′; z as for x) − y(x).
    #[schema(example = json!([[-5.5, -5.75], [-4.25, -5.75]]))]
    pub direct: Vec<Vec<f32>>,
}

/// Effects through each head.
pub type HeadEffects = Effects;

/// Effects through a layer's two sublayers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerEffects {
    /// The layer, from 0.
    #[schema(example = 0)]
    pub layer: usize,
    /// Through all its heads together.
    pub attention: Effect,
    /// Through all its neurons together.
    pub feed_forward: Effect,
}

/// Effects through groups of neurons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupEffects {
    /// Neurons in a group, consecutive ones; the last of a layer may have fewer.
    #[schema(example = 64)]
    pub group: usize,
    /// The effects.
    pub effects: Effects,
}

/// What one hidden state of x′, put into the pass of x, does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchingView {
    /// y of x with the state at this hidden state and token as for x′, less y(x): `[hidden state][token]`, hidden state 0
    /// being the embeddings' output. Of the last one, the first token alone is read.
    #[schema(example = json!([[0.0, -5.75], [-5.75, 0.0]]))]
    pub effects: Vec<Vec<f32>>,
    /// The same as a share of the total effect; null where that is nearer to 0 than 0.05, with the warning
    /// `small_total_effect`.
    #[schema(required, example = json!([[0.0, 1.0], [1.0, 0.0]]))]
    pub recovered: Option<Vec<Vec<f32>>>,
}
