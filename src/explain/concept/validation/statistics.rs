//! Figures of texts that are told right or wrong.

use crate::explain::chance::Chance;

/// The mean of the shares that are told right on either side, neither of which is empty.
pub fn balanced(told: impl IntoIterator<Item = (bool, f64)>) -> f64 {
    let (mut right, mut count) = ([0.0; 2], [0usize; 2]);
    for (side, of_text) in told {
        right[usize::from(side)] += of_text;
        count[usize::from(side)] += 1;
    }
    (right[0] / count[0] as f64 + right[1] / count[1] as f64) / 2.0
}

/// The 95 % bootstrap interval of the balanced accuracy: percentiles over resamples, each of as many texts of either
/// side, drawn with replacement.
pub fn interval(told: &[(bool, f64)], resamples: usize, seed: u64) -> (f64, f64) {
    let sides = [false, true].map(|side| {
        let of_side = told.iter().filter(|(own, _)| *own == side);
        of_side.map(|(_, right)| *right).collect::<Vec<f64>>()
    });
    let mut chance = Chance::new("explaind concept accuracy bootstrap v1", seed, &[]);
    let mut mean = |right: &Vec<f64>| {
        right.iter().map(|_| right[chance.below(right.len())]).sum::<f64>() / right.len() as f64
    };
    let drawn: Vec<f64> = (0..resamples).map(|_| (mean(&sides[0]) + mean(&sides[1])) / 2.0).collect();
    (quantile(&drawn, 0.025), quantile(&drawn, 0.975))
}

/// The value below which a share of the numbers, at least one of them, lies; between two of them in a straight line.
pub fn quantile(numbers: &[f64], share: f64) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The place of the largest number, the first of equals.
pub fn first_best(numbers: &[f64]) -> usize {
    let better = |best: usize, place: usize| if numbers[place] > numbers[best] { place } else { best };
    (0..numbers.len()).fold(0, better)
}
