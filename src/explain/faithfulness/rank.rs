//! How alike two orders of the same things are.

use std::cmp::Ordering;

/// Spearman's rank correlation with average ranks for ties: Pearson's correlation of the ranks, −1 to 1. None for fewer
/// than two pairs, or where all of either side are equal.
///
/// Source: Kendall & Gibbons, *Rank Correlation Methods* (1990), sections 1.13 and 3.8; SciPy's `spearmanr`.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let first = ranks(pairs.iter().map(|pair| pair.0));
    let second = ranks(pairs.iter().map(|pair| pair.1));
    // Ranks of either side have the same mean, ties or not.
    let mean = (pairs.len() as f64 + 1.0) / 2.0;
    let (mut covariance, mut of_first, mut of_second) = (0.0, 0.0, 0.0);
    for (a, b) in first.iter().zip(&second) {
        covariance += (a - mean) * (b - mean);
        of_first += (a - mean) * (a - mean);
        of_second += (b - mean) * (b - mean);
    }
    // Each root by itself: the product of both sums would be the same number to more digits, and no exact 1.
    let scale = of_first.sqrt() * of_second.sqrt();
    (scale > 0.0).then(|| (covariance / scale).clamp(-1.0, 1.0))
}

/// Kendall's τ_b, −1 to 1: (concordant − discordant) / √((n₀ − n₁)(n₀ − n₂)), with n₀ pairs of pairs in all, of which n₁
/// are tied in the first and n₂ in the second. None for fewer than two pairs, or where all of either side are equal.
///
/// Source: Kendall 1945; by Knight's algorithm (1966), in n log n steps; SciPy's `kendalltau`.
pub fn kendall(pairs: &[(f64, f64)]) -> Option<f64> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| compared(a.0, b.0).then(compared(a.1, b.1)));
    let tied_first = tied(&sorted, |a, b| a.0 == b.0);
    let tied_both = tied(&sorted, |a, b| a == b);
    let mut second: Vec<f64> = sorted.iter().map(|pair| pair.1).collect();
    let discordant = inversions(&mut second);
    let tied_second = tied(&second, |a, b| a == b);
    let all = pairs_of(pairs.len() as u64);
    let scale = ((all - tied_first) as f64).sqrt() * ((all - tied_second) as f64).sqrt();
    let concordant = (all + tied_both) as f64 - (tied_first + tied_second) as f64 - discordant as f64;
    (scale > 0.0).then(|| ((concordant - discordant as f64) / scale).clamp(-1.0, 1.0))
}

/// From 1, the mean of their places for those that are equal.
fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| compared(values[*a], values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut begin = 0;
    for equals in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = begin as f64 + (equals.len() as f64 + 1.0) / 2.0;
        equals.iter().for_each(|index| ranks[*index] = rank);
        begin += equals.len();
    }
    ranks
}

/// As numbers are compared, with 0 equal to −0; what is no number goes last.
fn compared(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn pairs_of(count: u64) -> u64 {
    count * count.saturating_sub(1) / 2
}

/// Pairs that are tied, among neighbours that are sorted.
fn tied<T>(sorted: &[T], equal: impl FnMut(&T, &T) -> bool) -> u64 {
    sorted.chunk_by(equal).map(|equals| pairs_of(equals.len() as u64)).sum()
}

/// Sorts the values, and counts the pairs of which the later one is smaller.
fn inversions(values: &mut Vec<f64>) -> u64 {
    let mut count = 0;
    let mut width = 1;
    while width < values.len() {
        let mut merged = Vec::with_capacity(values.len());
        for block in values.chunks(2 * width) {
            let (mut left, mut right) = block.split_at(width.min(block.len()));
            while let (Some(first), Some(second)) = (left.first(), right.first()) {
                if second < first {
                    count += left.len() as u64;
                    merged.push(*second);
                    right = &right[1..];
                } else {
                    merged.push(*first);
                    left = &left[1..];
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        *values = merged;
        width *= 2;
    }
    count
}
