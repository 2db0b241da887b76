//! Whether a concept moves a class more than chance does.
//!
//! A concept's TCAV score is the share of texts whose output rises along its direction (Kim et al. 2018,
//! arXiv:1711.11279). Almost any direction has a score away from one half, so a concept's score is held against the
//! scores of concepts learnt from random examples in the same way: their distribution is the null. With m concepts,
//! layers and classes asked about at once, some of them look special by chance; Holm's adjustment keeps the probability
//! that even one is called significant wrongly below α.

#[cfg(test)]
mod tests;
mod welch;

pub use welch::{Welch, welch};

/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959963984540054;

/// What rounding may add to a number near 1 on the way here, at most: scores of texts differ by more.
const ROUNDING: f64 = 1e-12;

/// The score at which a concept moves a class neither way.
const NEITHER_WAY: f64 = 0.5;

/// What chance has to say to one score among several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The probability of a score at least as far from the usual if the concept were a random one, by [`permutation_p`]:
    /// above 0, at most 1.
    pub p_value: f64,
    /// The same, adjusted by [`holm`] for the scores that are judged together.
    pub adjusted: f64,
    /// Whether the adjusted p-value is at most α; none where there are too few random scores to tell.
    pub significant: Option<bool>,
    /// Where there are too few random scores: how many it takes, by [`sets_needed`].
    pub sets_needed: Option<usize>,
}

/// The TCAV score: the share of texts whose output rises along the concept, 0 to 1.
///
/// A derivative of exactly 0 counts half, as the text speaks for neither side; the score of no texts is one half.
/// Source: Kim et al. 2018, "Interpretability beyond feature attribution", section 3.3, who count zeros as not rising.
pub fn share(derivatives: &[f64]) -> f64 {
    if derivatives.is_empty() {
        return NEITHER_WAY;
    }
    let rising = |derivative: &f64| match *derivative {
        0.0 => 0.5,
        derivative => f64::from(u8::from(derivative > 0.0)),
    };
    derivatives.iter().map(rising).sum::<f64>() / derivatives.len() as f64
}

/// The 95 % interval of a share of `successes` (0 to `of`, halves allowed) among `of`, without correction for
/// continuity: 0 to 1 where there is nothing to count.
///
/// (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), with p the share, n = `of` and z = 1.96 (Wilson 1927).
pub fn wilson(successes: f64, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let n = of as f64;
    let share = successes / n;
    let scale = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    // At 0 and 1 rounding may lead past the share itself.
    ((centre - half).clamp(0.0, share), (centre + half).clamp(share, 1.0))
}

/// The two-sided p-value of a score s against those of R random concepts, about the mean m of all of them, s among them:
/// (1 + #{|null − m| ≥ |s − m|}) / (R + 1), above 0 and at most 1.
///
/// If the concept were one more random one, s and the R others would be exchangeable; m is the same in whichever order they
/// come, so every rank of |s − m| is equally likely, whatever the scores lie around. They need not lie around one half: all
/// these directions lead away from the same counter-examples. The score itself is counted among the random ones, which
/// keeps the test from erring too often (Phipson & Smyth 2010, "Permutation p-values should never be zero").
pub fn permutation_p(seen: f64, null: &[f64]) -> f64 {
    let mean = (null.iter().sum::<f64>() + seen) / (1 + null.len()) as f64;
    // 0.3 and 0.7 are as far from one half as each other, but not in floating point.
    let far = (seen - mean).abs() - ROUNDING;
    let as_far = null.iter().filter(|score| (**score - mean).abs() >= far).count();
    (1 + as_far) as f64 / (1 + null.len()) as f64
}

/// p-values adjusted for being judged together, in the order given: the i-th smallest of m times m − i + 1, never less than
/// a smaller one's and at most 1 (Holm 1979, "A simple sequentially rejective multiple test procedure").
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max(p[index] * (p.len() - rank) as f64).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// The least number R of random concepts with which one of `tests` scores judged together can be significant at all:
/// the smallest R with 1/(R + 1) ≤ α/`tests`, for `alpha` above 0 and below 1.
pub fn sets_needed(tests: usize, alpha: f64) -> usize {
    // 3/0.05 is 60, whatever becomes of it in floating point.
    let p_values = (tests as f64 / alpha * (1.0 - ROUNDING)).ceil();
    (p_values as usize).saturating_sub(1)
}

/// Judges scores together, each against its own random ones: `nulls` has a list for each of `seen`. `alpha`, above 0 and
/// below 1, bounds the probability that any is called significant wrongly.
///
/// A score with fewer than [`sets_needed`] random ones is not judged, even where its p-value is large: no score could
/// have been significant.
pub fn verdicts(seen: &[f64], nulls: &[Vec<f64>], alpha: f64) -> Vec<Verdict> {
    let p_values: Vec<f64> = seen.iter().zip(nulls).map(|(seen, null)| permutation_p(*seen, null)).collect();
    let needed = sets_needed(seen.len(), alpha);
    let verdict = |((p_value, adjusted), null): ((&f64, f64), &Vec<f64>)| {
        let tells = null.len() >= needed;
        Verdict {
            p_value: *p_value,
            adjusted,
            significant: tells.then_some(adjusted <= alpha * (1.0 + ROUNDING)),
            sets_needed: (!tells).then_some(needed),
        }
    };
    p_values.iter().zip(holm(&p_values)).zip(nulls).map(verdict).collect()
}
