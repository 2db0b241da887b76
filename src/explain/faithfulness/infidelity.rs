//! How well the scores of several parts add up to what the output loses without them.
//!
//! Source: Yeh et al. 2019, arXiv:1901.09392, with random parts of the text replaced as the perturbation.

use crate::explain::chance::Chance;

/// Sets of parts that are drawn.
pub const SUBSETS: usize = 32;

/// Random sets of a text's parts, one after the other from one stream: a size, uniform from 1 to all, and the first so
/// many of a random order.
pub fn subsets(parts: usize, seed: u64, ids: &[u32]) -> Vec<Vec<usize>> {
    let mut chance = Chance::new("explaind infidelity v1", seed, ids);
    let drawn = |_| {
        let size = 1 + chance.below(parts);
        let mut order = chance.permutation(parts);
        order.truncate(size);
        order
    };
    (0..SUBSETS).map(drawn).collect()
}

/// The mean over the sets of (Σ of the set's scores − the output's change without the set)², in the square of the
/// output's unit, from 0.
pub fn infidelity(scores: &[f64], subsets: &[Vec<usize>], changes: &[f64]) -> f64 {
    let missed = |(subset, change): (&Vec<usize>, &f64)| {
        let promised: f64 = subset.iter().map(|part| scores[*part]).sum();
        (promised - change).powi(2)
    };
    subsets.iter().zip(changes).map(missed).sum::<f64>() / subsets.len() as f64
}
