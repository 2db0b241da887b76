//! How far a mean can be trusted: the Poisson bootstrap over texts.
//!
//! In each resample a text counts as often as a Poisson number of mean 1 says, independently of all others; so a set is
//! resampled while it goes by, and nothing of it is held. Source: Hanley & MacGibbon 2006; Chamandy et al. 2012,
//! "Estimating uncertainty for massive data streams". Intervals are percentile intervals (Efron & Tibshirani 1993,
//! chapter 13).

use std::ops::ControlFlow;

use blake3::Hasher;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answers, Observation, Options};

/// A Poisson number of mean 1 is k or less where 32 bits of chance are below the number k of these: ⌊2³² P(X ≤ k)⌋.
const POISSON: [u32; 13] = [
    1_580_030_168,
    3_160_060_337,
    3_950_075_421,
    4_213_413_783,
    4_279_248_373,
    4_292_415_291,
    4_294_609_777,
    4_294_923_276,
    4_294_962_463,
    4_294_966_817,
    4_294_967_252,
    4_294_967_292,
    4_294_967_295,
];

/// Bytes of chance behind a weight.
const BYTES: usize = size_of::<u32>();

/// Resampled means that are held at a time, of all resamples together: 32 MB of them.
const MEANS_AT_ONCE: usize = 2_000_000;

/// The middle 95 % of what a figure is in resamples.
const TAILS: (f64, f64) = (0.025, 0.975);

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Its lower end.
    #[schema(example = 0.41)]
    pub low: f64,
    /// Its upper end.
    #[schema(example = 0.93)]
    pub high: f64,
}

impl Interval {
    /// The percentile interval of what a figure is in resamples, with linear interpolation between them, widened to
    /// hold the figure itself, which rounding may leave a last digit outside. None if there are no resamples.
    pub(crate) fn of(figure: f64, mut resampled: Vec<f64>) -> Option<Self> {
        resampled.sort_by(f64::total_cmp);
        let last = resampled.len().checked_sub(1)?;
        let at = |share: f64| {
            let place = share * last as f64;
            // Within the list: the share is below 1.
            let below = place.floor() as usize;
            let above = (below + 1).min(last);
            resampled[below] + (place - place.floor()) * (resampled[above] - resampled[below])
        };
        Some(Interval { low: at(TAILS.0).min(figure), high: at(TAILS.1).max(figure) })
    }
}

/// Says how often each row of a set counts in each resample.
pub(super) struct Resampler {
    seeded: Hasher,
    /// How many resamples there are.
    pub resamples: usize,
}

impl Resampler {
    /// Of a set by its name: sets of the same name are resampled alike, so that what they have in common cancels out of
    /// their differences; others are resampled independently.
    pub fn new(set: &[u8; 32], options: &Options) -> Self {
        let mut seeded = Hasher::new_derive_key("explaind bootstrap weights v1");
        seeded.update(&options.seed.to_le_bytes()).update(set);
        Resampler { seeded, resamples: options.resamples }
    }

    /// How often a row counts in each resample: bytes `4r` to `4r + 4` of BLAKE3's output over seed, set and row make
    /// the weight in resample `r`.
    pub fn weights(&self, row: u64, weights: &mut Vec<u8>) {
        let mut chance = vec![0; BYTES * self.resamples];
        self.seeded.clone().update(&row.to_le_bytes()).finalize_xof().fill(&mut chance);
        weights.clear();
        let (chances, _) = chance.as_chunks::<BYTES>();
        weights.extend(chances.iter().map(|chance| {
            let chance = u32::from_le_bytes(*chance);
            POISSON.iter().map(|limit| u8::from(chance >= *limit)).sum::<u8>()
        }));
    }

    /// How many things that have so many means each are resampled at a time, so that memory stays bounded.
    pub fn at_once(&self, means_each: usize) -> usize {
        (MEANS_AT_ONCE / (self.resamples * means_each)).max(1)
    }
}

/// What a text adds to a mean.
pub(super) struct Contribution {
    /// The mean, by its place in the list.
    pub mean: usize,
    /// The sum of what is averaged, over the text.
    pub sum: f64,
    /// How many numbers that is the sum of.
    pub count: f64,
}

/// A mean in every resample.
#[derive(Clone)]
pub(super) struct ResampledMean {
    sums: Vec<f64>,
    counts: Vec<f64>,
}

impl ResampledMean {
    /// Of nothing so far.
    pub fn new(resamples: usize) -> Self {
        ResampledMean { sums: vec![0.0; resamples], counts: vec![0.0; resamples] }
    }

    /// Adds what a text contributes that counts so often in each resample.
    pub fn add(&mut self, weights: &[u8], contribution: &Contribution) {
        let both = self.sums.iter_mut().zip(&mut self.counts);
        for ((sum, count), weight) in both.zip(weights) {
            *sum += f64::from(*weight) * contribution.sum;
            *count += f64::from(*weight) * contribution.count;
        }
    }

    /// The mean in each resample; none in those that no text of it is in.
    pub fn each(&self) -> impl Iterator<Item = Option<f64>> {
        let both = self.sums.iter().zip(&self.counts);
        both.map(|(sum, count)| (*count > 0.0).then(|| sum / count))
    }

    /// The interval of the mean over so many texts; none of fewer than two, which say nothing of others.
    pub fn interval(&self, mean: f64, texts: u64) -> Option<Interval> {
        (texts > 1).then(|| Interval::of(mean, self.each().flatten().collect())).flatten()
    }
}

/// Resamples so many means in one pass over the answers. `contribute` says what an answer adds to them.
pub(super) fn resample<A: Answers + ?Sized>(
    answers: &A,
    means: usize,
    resampler: &Resampler,
    contribute: &mut dyn FnMut(&Observation, &mut Vec<Contribution>),
) -> Result<Vec<ResampledMean>, A::Error> {
    let mut resampled = vec![ResampledMean::new(resampler.resamples); means];
    let (mut contributions, mut weights) = (Vec::new(), Vec::new());
    answers.each(&mut |observation| {
        contributions.clear();
        contribute(observation, &mut contributions);
        if !contributions.is_empty() {
            resampler.weights(observation.row, &mut weights);
        }
        for contribution in &contributions {
            resampled[contribution.mean].add(&weights, contribution);
        }
        ControlFlow::Continue(())
    })?;
    Ok(resampled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_of_the_distribution() {
        let (mut below, mut term) = (0.0, (-1.0f64).exp());
        for (k, limit) in POISSON.iter().enumerate() {
            below += term;
            term /= k as f64 + 1.0;
            let expected = (below * 2f64.powi(32)).min(f64::from(u32::MAX));
            assert!((f64::from(*limit) - expected).abs() <= 1.0, "{k}: {limit} is not {expected}");
        }
    }

    #[test]
    fn weights_are_fixed_by_seed_set_and_row_and_have_mean_and_variance_one() {
        let options = Options { resamples: 10_000, ..Options::default() };
        let weights = |set: u8, seed, row| {
            let mut weights = Vec::new();
            Resampler::new(&[set; 32], &Options { seed, ..options }).weights(row, &mut weights);
            weights
        };
        let one = weights(0, 0, 0);
        assert_eq!(one, weights(0, 0, 0));
        for other in [weights(1, 0, 0), weights(0, 1, 0), weights(0, 0, 1)] {
            assert_ne!(one, other);
        }
        let mean = one.iter().map(|weight| f64::from(*weight)).sum::<f64>() / 10_000.0;
        let squares = one.iter().map(|weight| (f64::from(*weight) - mean).powi(2)).sum::<f64>();
        assert!((mean - 1.0).abs() < 0.05 && (squares / 10_000.0 - 1.0).abs() < 0.1, "{mean}, {squares}");
        // Fewer resamples are the first of more.
        let mut few = Vec::new();
        Resampler::new(&[0; 32], &Options { resamples: 100, ..options }).weights(0, &mut few);
        assert_eq!(few, one[..100]);
    }

    #[test]
    fn an_interval_is_of_percentiles_and_holds_the_figure() {
        let numbers: Vec<f64> = (0..=40).map(f64::from).collect();
        assert_eq!(Interval::of(20.0, numbers.clone()), Some(Interval { low: 1.0, high: 39.0 }));
        assert_eq!(Interval::of(40.0, numbers), Some(Interval { low: 1.0, high: 40.0 }));
        assert_eq!(Interval::of(1.0, vec![1.0]), Some(Interval { low: 1.0, high: 1.0 }));
        assert_eq!(Interval::of(1.0, Vec::new()), None);
    }
}
