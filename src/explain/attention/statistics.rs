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
    /// Mean over the queries of the divergence KL(a_i ‖ uniform) = ln T − entropy, in nats: 0 (all keys alike) to
    /// ln T (one key).
    #[serde(default)]
    #[schema(required, example = 0.0654061179705698, minimum = 0)]
    pub uniformity: f64,
    /// Mean over the queries of Σ_j a_ij |i − j|: how far away it looks, in tokens.
    #[serde(default)]
    #[schema(required, example = 0.375, minimum = 0)]
    pub distance: f64,
    /// Mean over the queries of the probability given to the token itself and its neighbours on either side: 0
    /// to 1.
    #[serde(default)]
    #[schema(required, example = 1.0, minimum = 0)]
    pub diagonality: f64,
}

impl HeadStatistics {
    /// Counts over `[queries][keys]`, whose rows sum to 1; `special` tells which keys are special.
    pub fn new(head: &[Vec<f32>], special: &[bool]) -> Self {
        let tokens = head.len() as f64;
        let mean = |figure: &dyn Fn(&[f32]) -> f64| head.iter().map(|row| figure(row)).sum::<f64>() / tokens;
        let near = |figure: &dyn Fn(usize, f64) -> f64| {
            let of_row = |(query, row): (usize, &Vec<f32>)| -> f64 {
                row.iter().enumerate().map(|(key, p)| figure(query.abs_diff(key), f64::from(*p))).sum()
            };
            head.iter().enumerate().map(of_row).sum::<f64>() / tokens
        };
        let entropy = mean(&entropy);
        HeadStatistics {
            entropy,
            entropy_normalized: if head.len() > 1 { entropy / tokens.ln() } else { 0.0 },
            entropy_sum: entropy * tokens,
            quality: mean(&|row| row.iter().copied().fold(0.0, f32::max) as f64),
            special_token_mass: mean(&|row| {
                row.iter().zip(special).filter(|(_, special)| **special).map(|(p, _)| *p as f64).sum()
            }),
            // Rounding must not lead below 0.
            uniformity: (tokens.ln() - entropy).max(0.0),
            distance: near(&|away, p| p * away as f64),
            diagonality: near(&|away, p| if away <= 1 { p } else { 0.0 }),
        }
    }

    /// The mean of each figure over some heads.
    pub fn mean(heads: &[HeadStatistics]) -> Self {
        let mean = |figure: fn(&HeadStatistics) -> f64| {
            heads.iter().map(figure).sum::<f64>() / heads.len().max(1) as f64
        };
        HeadStatistics {
            entropy: mean(|head| head.entropy),
            entropy_normalized: mean(|head| head.entropy_normalized),
            entropy_sum: mean(|head| head.entropy_sum),
            quality: mean(|head| head.quality),
            special_token_mass: mean(|head| head.special_token_mass),
            uniformity: mean(|head| head.uniformity),
            distance: mean(|head| head.distance),
            diagonality: mean(|head| head.diagonality),
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
        assert!(statistics.uniformity < 1e-12);
        assert_eq!((statistics.distance, statistics.diagonality), (1.25, 0.625));
    }

    #[test]
    fn a_head_that_looks_at_each_token_itself_is_all_diagonal_and_goes_no_distance() {
        let head = [vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]];
        let statistics = HeadStatistics::new(&head, &[true, false, true]);
        assert_eq!(
            (statistics.distance, statistics.diagonality, statistics.uniformity),
            (0.0, 1.0, 3f64.ln())
        );
        let far = HeadStatistics::new(
            &[vec![0.0, 0.0, 1.0], vec![0.0, 0.0, 1.0], vec![0.0, 0.0, 1.0]],
            &[false; 3],
        );
        let mean = HeadStatistics::mean(&[statistics, far]);
        assert_eq!((mean.distance, mean.special_token_mass), (0.5, 1.0 / 3.0));
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
            prop_assert!((s.uniformity + s.entropy - 5f64.ln()).abs() < 1e-6);
            prop_assert!((0.0..=4.0).contains(&s.distance) && (0.0..=1.0 + 1e-6).contains(&s.diagonality));
            prop_assert!(s.distance >= (1.0 - s.diagonality) * 2.0 - 1e-6);
        }
    }
}
