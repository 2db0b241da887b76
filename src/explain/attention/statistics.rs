//! What can be counted of one attention head.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Figures of one head over one text of T tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadStatistics {
    /// Mean over the queries of −Σ_j a_ij ln a_ij, in nats: 0 (one key) to ln T (all alike).
    #[schema(example = 0.6277411625893767, minimum = 0)]
    pub entropy: f64,
    /// The same divided by ln T: 0 to 1.
    #[schema(example = 0.9056390622295664, minimum = 0)]
    pub entropy_normalized: f64,
    /// The sum over the queries instead of their mean: H(A) = −Σ_ij a_ij ln a_ij, in nats, 0 to T ln T.
    #[schema(example = 1.2554823251787535, minimum = 0)]
    pub entropy_sum: f64,
    /// Mean over the queries of the largest probability: 1/T to 1. A head parked on `[SEP]` scores
    /// near 1, so read it beside `special_token_mass`.
    #[schema(example = 0.625, minimum = 0)]
    pub quality: f64,
    /// Mean over the queries of the probability given to special tokens: 0 to 1.
    #[schema(example = 1.0, minimum = 0)]
    pub special_token_mass: f64,
}

impl HeadStatistics {
    /// Counts over `[queries][keys]`, whose rows sum to 1; `special` tells which keys are special.
    pub fn new(head: &[Vec<f32>], special: &[bool]) -> Self {
        let tokens = head.len() as f64;
        let mean = |figure: &dyn Fn(&[f32]) -> f64| head.iter().map(|row| figure(row)).sum::<f64>() / tokens;
        let entropy = mean(&entropy);
        HeadStatistics {
            entropy,
            entropy_normalized: if head.len() > 1 { entropy / tokens.ln() } else { 0.0 },
            entropy_sum: entropy * tokens,
            quality: mean(&|row| row.iter().copied().fold(0.0, f32::max) as f64),
            special_token_mass: mean(&|row| {
                row.iter().zip(special).filter(|(_, special)| **special).map(|(p, _)| *p as f64).sum()
            }),
        }
    }
}

/// −Σ p ln p in nats, with 0 ln 0 = 0.
fn entropy(row: &[f32]) -> f64 {
    -row.iter().map(|p| *p as f64).filter(|p| *p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_that_looks_everywhere_alike_has_the_entropy_of_the_uniform_distribution() {
        let statistics = HeadStatistics::new(&vec![vec![0.25; 4]; 4], &[true, false, false, true]);
        assert!((statistics.entropy - 4f64.ln()).abs() < 1e-12);
        assert!((statistics.entropy_normalized - 1.0).abs() < 1e-12);
        assert_eq!((statistics.quality, statistics.special_token_mass), (0.25, 0.5));
    }

    #[test]
    fn a_head_parked_on_one_key_has_no_entropy_and_the_highest_quality() {
        let statistics = HeadStatistics::new(&vec![vec![0.0, 0.0, 1.0]; 3], &[true, false, true]);
        assert_eq!((statistics.entropy, statistics.quality, statistics.special_token_mass), (0.0, 1.0, 1.0));
    }

    proptest! {
        #[test]
        fn figures_keep_their_ranges(weights in prop::collection::vec(0.0f32..1.0, 25)) {
            let head: Vec<Vec<f32>> = weights.chunks(5).map(|row| {
                let sum: f32 = row.iter().sum::<f32>() + 1e-3;
                row.iter().map(|w| (w + 2e-4) / sum).collect()
            }).collect();
            let s = HeadStatistics::new(&head, &[true, false, false, false, true]);
            prop_assert!((0.0..=5f64.ln() + 1e-6).contains(&s.entropy));
            prop_assert!((0.2 - 1e-6..=1.0).contains(&s.quality));
            prop_assert!((0.0..=1.0).contains(&s.special_token_mass));
            prop_assert!((s.entropy_sum - 5.0 * s.entropy).abs() < 1e-9);
        }
    }
}
