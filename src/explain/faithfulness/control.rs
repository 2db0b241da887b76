//! The control: how the same judgement turns out for parts that chance calls strongest.

use crate::explain::chance::Chance;

/// Rankings that are drawn.
pub const RANKINGS: usize = 5;

/// Random rankings of a text's parts, one after the other from one stream.
pub fn rankings(parts: usize, seed: u64, ids: &[u32]) -> Vec<Vec<usize>> {
    let mut chance = Chance::new("explaind random rankings v1", seed, ids);
    (0..RANKINGS).map(|_| chance.permutation(parts)).collect()
}
