//! Attention maps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::attention::statistics::HeadStatistics;

/// Attention maps with what was counted of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "layers": [0],
    "heads": [0],
    "weights": [[[[0.75, 0.25], [0.5, 0.5]]]],
    "statistics": [[{
        "entropy": 0.6277411625893767, "entropy_normalized": 0.9056390622295664,
        "entropy_sum": 1.2554823251787535, "quality": 0.625, "special_token_mass": 1.0
    }]],
    "rollout": [[0.875, 0.125], [0.25, 0.75]]
}))]
pub struct AttentionView {
    /// The layers shown, from 0, in the order asked for.
    #[schema(example = json!([0]))]
    pub layers: Vec<usize>,
    /// The heads shown, from 0, in the order asked for.
    #[schema(example = json!([0]))]
    pub heads: Vec<usize>,
    /// `[layer][head][query][key]`: shares from 0 to 1, over tokens; each row of keys sums to 1.
    #[schema(minimum = 0, maximum = 1, example = json!([[[[0.75, 0.25], [0.5, 0.5]]]]))]
    pub weights: Vec<Vec<Vec<Vec<f32>>>>,
    /// `[layer][head]`, of the layers and heads shown.
    #[schema(example = json!([[{
        "entropy": 0.6277411625893767, "entropy_normalized": 0.9056390622295664,
        "entropy_sum": 1.2554823251787535, "quality": 0.625, "special_token_mass": 1.0
    }]]))]
    pub statistics: Vec<Vec<HeadStatistics>>,
    /// Attention rollout over all layers and heads, whichever are shown: `[query][key]`, shares from
    /// 0 to 1, over tokens; each row of keys sums to 1.
    #[schema(minimum = 0, maximum = 1, example = json!([[0.875, 0.125], [0.25, 0.75]]))]
    pub rollout: Vec<Vec<f32>>,
}
