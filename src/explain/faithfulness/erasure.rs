//! What becomes of the prediction without the parts that a method calls strongest, and with them alone.
//!
//! Source: DeYoung et al. 2020, "ERASER", arXiv:1911.03429, section 4, with parts replaced rather than deleted.

use std::cmp::Ordering;

use crate::explain::attribution::perturbation::game::Coalition;

/// Shares of a text's parts that are taken out, or left alone, in per cent.
pub const SHARES: [usize; 5] = [1, 5, 10, 20, 50];

/// The parts by their scores, the highest first; equals in the order of the text.
pub fn ranking(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].partial_cmp(&scores[*a]).unwrap_or(Ordering::Equal));
    order
}

/// How many of so many parts each of [`SHARES`] is: rounded up, at least one.
pub fn counts(parts: usize) -> [usize; SHARES.len()] {
    SHARES.map(|share| (parts * share).div_ceil(100).max(1).min(parts))
}

/// The text without its strongest parts, for each of [`SHARES`].
pub fn without_strongest(ranking: &[usize]) -> Vec<Coalition> {
    counts(ranking.len()).map(|count| without(ranking.len(), &ranking[..count])).to_vec()
}

/// The text of its strongest parts alone, for each of [`SHARES`].
pub fn only_strongest(ranking: &[usize]) -> Vec<Coalition> {
    counts(ranking.len()).map(|count| without(ranking.len(), &ranking[count..])).to_vec()
}

/// All that a ranking is judged by.
pub fn coalitions(ranking: &[usize]) -> Vec<Coalition> {
    [without_strongest(ranking), only_strongest(ranking)].concat()
}

/// A text of so many parts without some of them.
pub fn without(parts: usize, absent: &[usize]) -> Coalition {
    let mut coalition = vec![true; parts];
    absent.iter().for_each(|part| coalition[*part] = false);
    coalition
}

/// The mean of `whole` − each of `without`: the output of the text as it is, less its outputs without the
/// strongest parts. High where these are needed.
pub fn comprehensiveness(whole: f64, without: &[f64]) -> f64 {
    mean_fall(whole, without)
}

/// The mean of `whole` − each of `alone`: the output of the text as it is, less its outputs with the strongest
/// parts alone. Low where these are enough.
pub fn sufficiency(whole: f64, alone: &[f64]) -> f64 {
    mean_fall(whole, alone)
}

fn mean_fall(whole: f64, altered: &[f64]) -> f64 {
    altered.iter().map(|value| whole - value).sum::<f64>() / altered.len() as f64
}
