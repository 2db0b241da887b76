//! Attention maps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::attention::routes::Route;
use crate::explain::attention::statistics::HeadStatistics;

/// The largest weights of each query of a map, each with its key, in descending order.
pub type TopMap = Vec<Vec<(usize, f32)>>;

/// Attention maps with what was counted of them. What is counted, rolled out, followed or compared is the full
/// maps, whatever is shown of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "layers": [0],
    "heads": [0],
    "tokens": [0, 1],
    "weights": [[[[0.75, 0.25], [0.5, 0.5]]]],
    "statistics": [[{
        "entropy": 0.6277411625893767, "entropy_normalized": 0.9056390622295664,
        "entropy_sum": 1.2554823251787535, "quality": 0.625, "special_token_mass": 1.0,
        "uniformity": 0.0654060179705686, "distance": 0.375, "diagonality": 1.0
    }]],
    "layer_means": [{
        "entropy": 0.6277411625893767, "entropy_normalized": 0.9056390622295664,
        "entropy_sum": 1.2554823251787535, "quality": 0.625, "special_token_mass": 1.0,
        "uniformity": 0.0654060179705686, "distance": 0.375, "diagonality": 1.0
    }],
    "model_mean": {
        "entropy": 0.6277411625893767, "entropy_normalized": 0.9056390622295664,
        "entropy_sum": 1.2554823251787535, "quality": 0.625, "special_token_mass": 1.0,
        "uniformity": 0.0654060179705686, "distance": 0.375, "diagonality": 1.0
    },
    "rollout": [[0.875, 0.125], [0.25, 0.75]]
}))]
pub struct AttentionView {
    /// The layers shown, from 0, in the order asked for.
    #[schema(example = json!([0]))]
    pub layers: Vec<usize>,
    /// The heads shown, from 0, in the order asked for.
    #[schema(example = json!([0]))]
    pub heads: Vec<usize>,
    /// The tokens that rows and columns stand for, by their indices: all of them, or those that are not special.
    #[serde(default)]
    #[schema(required, example = json!([0, 1]))]
    pub tokens: Vec<usize>,
    /// `[layer][head][query][key]`: shares from 0 to 1, over `tokens`; each row of keys sums to 1 unless special
    /// tokens were left out without scaling. Absent where `top_k` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1, example = json!([[[[0.75, 0.25], [0.5, 0.5]]]]))]
    pub weights: Option<Vec<Vec<Vec<Vec<f32>>>>>,
    /// `[layer][head][query]`: the `top_k` largest weights of the row, each as `[key, weight]` with the key's token
    /// index, in descending order. Absent unless `top_k` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        value_type = Option<Vec<Vec<Vec<Vec<Vec<f64>>>>>>,
        example = json!([[[[[0, 0.75]], [[0, 0.5]]]]])
    )]
    pub top: Option<Vec<Vec<TopMap>>>,
    /// `[layer][head]`, of the layers and heads shown.
    #[schema(example = json!([[{
        "entropy": 0.6277411625893767, "entropy_normalized": 0.9056390622295664,
        "entropy_sum": 1.2554823251787535, "quality": 0.625, "special_token_mass": 1.0,
        "uniformity": 0.0654060179705686, "distance": 0.375, "diagonality": 1.0
    }]]))]
    pub statistics: Vec<Vec<HeadStatistics>>,
    /// `[layer]`, of the layers shown: the means over all heads of the layer, whichever are shown.
    #[serde(default)]
    #[schema(required, example = json!([{
        "entropy": 0.6277411625893767, "entropy_normalized": 0.9056390622295664,
        "entropy_sum": 1.2554823251787535, "quality": 0.625, "special_token_mass": 1.0,
        "uniformity": 0.0654060179705686, "distance": 0.375, "diagonality": 1.0
    }]))]
    pub layer_means: Vec<HeadStatistics>,
    /// The means over all heads of all layers, whichever are shown.
    #[schema(required, nullable = false)]
    pub model_mean: Option<HeadStatistics>,
    /// Attention rollout over all layers and heads, whichever are shown: `[query][key]`, shares from
    /// 0 to 1, over `tokens`; rows sum to 1 as those of `weights` do.
    #[schema(minimum = 0, maximum = 1, example = json!([[0.875, 0.125], [0.25, 0.75]]))]
    pub rollout: Vec<Vec<f32>>,
    /// `[layer][query][key]`, over `tokens`, of the layers shown: the length of what the key's values give to the
    /// query, all heads together, ‖Σ_h a_h[i, j] v_j W_O‖ (Kobayashi et al. 2020, arXiv:2004.10102), in units of the
    /// hidden state. Absent unless `norms` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, example = json!([[[1.25, 0.5], [0.75, 2.0]]]))]
    pub norms: Option<Vec<Vec<Vec<f32>>>>,
    /// The strongest routes through all layers to the first token, in descending order. Absent unless `routes` was
    /// asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([{"weight": 0.875, "tokens": [0, 0]}]))]
    pub routes: Option<Vec<RouteView>>,
    /// The heads shown, in groups that attend alike: those whose Jensen–Shannon divergence (base 2, mean over the
    /// queries) is within the threshold, by average linkage. Absent unless `groups` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([[{"layer": 0, "head": 0}]]))]
    pub groups: Option<Vec<Vec<HeadPlace>>>,
}

/// A way from a token up through the layers to the first token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteView {
    /// The product of the weights along the way, each a share of attention and residual connection (mean over heads,
    /// as in the rollout): above 0, up to 1.
    #[schema(example = 0.875, minimum = 0, maximum = 1)]
    pub weight: f64,
    /// The token at each level by its index: at the embeddings first, then after each layer.
    #[schema(example = json!([2, 2, 0]))]
    pub tokens: Vec<usize>,
}

/// Where a head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadPlace {
    /// Its layer, from 0.
    #[schema(example = 5)]
    pub layer: usize,
    /// Its place in the layer, from 0.
    #[schema(example = 0)]
    pub head: usize,
}

impl From<Route> for RouteView {
    fn from(Route { weight, tokens }: Route) -> Self {
        RouteView { weight, tokens }
    }
}
