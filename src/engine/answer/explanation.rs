//! The scores of a method, and how far they add up.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::QualityView;
use crate::explain::Output;
use crate::explain::granularity::Granularity;

/// A class by label and index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetView {
    /// The label.
    #[schema(example = "positive")]
    pub label: String,
    /// Its index among the logits, from 0.
    #[schema(example = 1)]
    pub index: usize,
}

/// Scores of one method for one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// The method's id, as `GET /v1/methods` lists it.
    #[schema(example = "integrated_gradients")]
    pub method: String,
    /// The class the scores speak of; null for methods that look at no class.
    #[schema(required)]
    pub target: Option<TargetView>,
    /// What the scores are measured in; null where they are no share of an output.
    #[schema(required)]
    pub output: Option<Output>,
    /// The unit that has one score each.
    pub granularity: Granularity,
    /// One per token, word or sentence, in their order; measured in `output` where there is one.
    #[schema(example = json!([
        0.14889377, 0.9135737, 0.3287406, -0.054704953, 0.42352903, 0.20668884, -0.52627385, -0.052242007,
        -0.004035303, -0.022780962
    ]))]
    pub scores: Vec<f32>,
    /// Those of the special tokens, in order; absent where `scores` are per token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([0.0, 0.0]))]
    pub special_scores: Option<Vec<f32>>,
    /// For methods that sample: how far chance moves each score, as the standard deviation of its estimate,
    /// one for each of `scores` (for units made of smaller ones, the most it can be); absent for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([0.011, 0.034, 0.02]))]
    pub standard_errors: Option<Vec<f32>>,
    /// For relevance methods: the output less the sum of all scores, which went to the network's biases; absent
    /// for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 0.25)]
    pub residue: Option<f32>,
    /// How closely the scores add up; null for methods whose scores need not.
    #[schema(required)]
    pub convergence: Option<ConvergenceView>,
    /// Figures of how far to trust the scores; null unless they were asked for.
    #[schema(required)]
    pub quality: Option<QualityView>,
}

/// How closely scores add up to the change of the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvergenceView {
    /// Σ scores − (target_output − baseline_output), signed, in the unit of `output`.
    #[schema(example = -0.00076945993)]
    pub delta: f32,
    /// The largest |delta| that counts as converged, in the unit of `output`.
    #[schema(example = 0.013621583, minimum = 0)]
    pub tolerance: f32,
    /// Whether the delta is within the tolerance and the scores have settled.
    #[schema(example = true)]
    pub converged: bool,
    /// Nodes of the quadrature rule behind the scores; for methods that sample, the samples.
    #[schema(example = 17)]
    pub steps: usize,
    /// Gradients evaluated, all rounds together.
    #[schema(example = 17)]
    pub gradients: usize,
    /// Altered texts that were run forward; absent for methods that take gradients.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schema(required = false, example = 512)]
    pub forwards: usize,
    /// The output at the baseline, in the unit of `output`.
    #[schema(example = -0.0055280956)]
    pub baseline_output: f32,
    /// The output at the text, in the unit of `output`.
    #[schema(example = 1.3566302)]
    pub target_output: f32,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}
