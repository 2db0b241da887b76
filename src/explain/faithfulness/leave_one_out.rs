//! Whether scores go by what the output loses without each part.

use super::erasure::without;
use super::rank::kendall;
use crate::explain::attribution::perturbation::game::Coalition;

/// A text of so many parts without each of them in turn.
pub fn coalitions(parts: usize) -> Vec<Coalition> {
    (0..parts).map(|part| without(parts, &[part])).collect()
}

/// Kendall's τ_b of the scores with `whole` − the output without each part, −1 to 1. None for fewer than two parts,
/// or where all scores or all outputs are equal.
pub fn correlation(scores: &[f64], whole: f64, without: &[f64]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> =
        scores.iter().zip(without).map(|(score, value)| (*score, whole - value)).collect();
    kendall(&pairs)
}
