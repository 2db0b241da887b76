//! How far to trust the scores of a method, and how far methods agree.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::TargetView;
use crate::explain::faithfulness::Depth;

/// Figures of how far to trust the scores of an explanation. Parts of the text are the units of the scores; those that
/// are taken out are replaced by the mask token. Formulas and sources are in `docs/quality.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QualityView {
    /// Which figures were asked for.
    pub level: Depth,
    /// How far the class's probability falls without the strongest 1, 5, 10, 20 and 50 % of the parts, on average;
    /// for regression, how far the value falls, and then it may be any number. Higher is better.
    #[schema(example = 0.4136, minimum = -1, maximum = 1)]
    pub comprehensiveness: f32,
    /// How far it falls with those parts alone. Lower is better.
    #[schema(example = 0.0214, minimum = -1, maximum = 1)]
    pub sufficiency: f32,
    /// As comprehensiveness, in log-odds (natural logarithm); for regression, in the value. With `full` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 2.914)]
    pub log_odds_drop: Option<f32>,
    /// Kendall's τ_b between the scores and what the output falls without each part. Null for a text of one part, or
    /// where all of either are equal. With `full` alone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<f32>, required = false, example = 0.6444, minimum = -1, maximum = 1)]
    pub leave_one_out_correlation: Option<Option<f32>>,
    /// The mean comprehensiveness of five random rankings, by `seed`. With `full` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 0.0873, minimum = -1, maximum = 1)]
    pub random_comprehensiveness: Option<f32>,
    /// Comprehensiveness less that of random rankings. Null for a text of one part, which has one ranking. With `full`
    /// alone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<f32>, required = false, example = 0.3263, minimum = -2, maximum = 2)]
    pub better_than_random_by: Option<Option<f32>>,
    /// The mean square of what the scores of 32 random sets of parts, by `seed`, miss of the output's change without
    /// them, in the square of the unit of `output`. Lower is better. Null where `output` is. With `full` alone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<f32>, required = false, example = 0.3871, minimum = 0)]
    pub infidelity: Option<Option<f32>>,
    /// The most that the scores changed, as a share of their own Euclidean length, when every entry of the word
    /// embeddings was moved by 0.02 at most, four times, by `seed`. Lower is better. Null where all scores are 0. With
    /// `full` alone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<f32>, required = false, example = 0.0529, minimum = 0)]
    pub max_sensitivity: Option<Option<f32>>,
    /// The range of the scores over baselines, or replacements; null for methods that choose none. With `full` alone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<BandView>, required = false)]
    pub baseline_band: Option<Option<BandView>>,
}

/// The range of each score over what may stand for nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BandView {
    /// The baselines, or replacements, that were tried beside the explanation's own.
    #[schema(example = json!(["mask", "zero"]))]
    pub baselines: Vec<String>,
    /// The lowest of each score, one for each of `scores`, in the unit of `output`.
    #[schema(example = json!([0.1489, 0.8206, -0.0213]))]
    pub low: Vec<f32>,
    /// The highest of each score, one for each of `scores`, in the unit of `output`.
    #[schema(example = json!([0.2312, 0.9136, 0.3287]))]
    pub high: Vec<f32>,
}

/// How far two methods agree about one class. Special tokens are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgreementView {
    /// The ids of the two methods, in the order in which they were asked for.
    #[schema(example = json!(["integrated_gradients", "saliency"]))]
    pub methods: [String; 2],
    /// The class that both speak of, or one of them if the other looks at no class; null if neither does.
    #[schema(required)]
    pub target: Option<TargetView>,
    /// Spearman's rank correlation: of the scores where both methods have negative ones, otherwise of their sizes.
    /// Null for a text of one unit, or where all scores of either method are equal.
    #[schema(required, example = 0.7818, minimum = -1, maximum = 1)]
    pub spearman: Option<f32>,
    /// The strongest units that they have in common.
    pub top_k: TopOverlap,
    /// The share of all units whose scores have the same sign; null where either method has no negative score, and
    /// thus says nothing of direction.
    #[schema(required, example = 0.9, minimum = 0, maximum = 1)]
    pub sign_agreement: Option<f32>,
}

/// How many of the strongest units two methods have in common.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopOverlap {
    /// The units looked at: 5, or all where there are fewer.
    #[schema(example = 5, minimum = 1, maximum = 5)]
    pub k: usize,
    /// The share of each method's k units with the largest |score| that are also among the other's.
    #[schema(example = 0.8, minimum = 0, maximum = 1)]
    pub overlap: f32,
}

/// Tells a figure that is null from one that was not asked for.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undefined_is_told_from_what_was_not_asked_for() {
        let fast = r#"{"level":"fast","comprehensiveness":0.5,"sufficiency":0.25}"#;
        let full = r#"{"level":"full","comprehensiveness":0.5,"sufficiency":0.25,"log_odds_drop":1.5,"leave_one_out_correlation":null,"random_comprehensiveness":0.5,"better_than_random_by":null,"infidelity":0.25,"max_sensitivity":null,"baseline_band":{"baselines":["mask"],"low":[-1.0],"high":[1.0]}}"#;
        for json in [fast, full] {
            let read: QualityView = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
    }
}
