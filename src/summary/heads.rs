//! What attention heads do on the whole: the mean of each statistic over texts.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::resampling::{Contribution, ResampledMean, Resampler, resample};
use super::{Answers, Head, Interval, Observation};
use crate::explain::attention::statistics::HeadStatistics;

/// Statistics of a head that are summed up.
pub(super) const STATISTICS: usize = 5;

/// A head, over all texts together.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadMeans {
    /// Its layer, from 0.
    #[schema(example = 5)]
    pub layer: usize,
    /// Its place in the layer, from 0.
    #[schema(example = 0)]
    pub head: usize,
    /// Texts that were counted.
    #[schema(example = 691, minimum = 1)]
    pub texts: u64,
    /// Mean over the queries of −Σ_j a_ij ln a_ij, in nats.
    pub entropy: StatisticMean,
    /// The same divided by ln T, for T tokens: 0 to 1.
    pub entropy_normalized: StatisticMean,
    /// The sum over the queries instead of their mean, in nats.
    pub entropy_sum: StatisticMean,
    /// Mean over the queries of the largest probability: 1/T to 1.
    pub quality: StatisticMean,
    /// Mean over the queries of the probability given to special tokens: 0 to 1.
    pub special_token_mass: StatisticMean,
}

/// The mean of a statistic over texts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatisticMean {
    /// The mean, every text counting once.
    #[schema(example = 0.67)]
    pub mean: f64,
    /// The 95 % bootstrap interval of the mean, texts being resampled; null for one text.
    #[schema(required)]
    pub interval: Option<Interval>,
}

/// A head's layer, and its place there.
pub(super) type HeadPlace = (usize, usize);

/// What is counted of a head in the first pass.
#[derive(Default)]
pub(super) struct HeadTotals {
    texts: u64,
    sums: [f64; STATISTICS],
}

impl HeadTotals {
    /// Adds a text.
    pub fn add(&mut self, head: &Head) {
        self.texts += 1;
        for (sum, statistic) in self.sums.iter_mut().zip(listed(&head.statistics)) {
            *sum += statistic;
        }
    }

    /// What is told of it: `resampled` are the same means in the second pass, in the same order.
    pub fn told(&self, (layer, head): HeadPlace, resampled: &[ResampledMean]) -> HeadMeans {
        let mean = |place: usize| {
            let mean = self.sums[place] / self.texts.max(1) as f64;
            StatisticMean {
                mean,
                interval: resampled.get(place).and_then(|it| it.interval(mean, self.texts)),
            }
        };
        HeadMeans {
            layer,
            head,
            texts: self.texts,
            entropy: mean(0),
            entropy_normalized: mean(1),
            entropy_sum: mean(2),
            quality: mean(3),
            special_token_mass: mean(4),
        }
    }
}

fn listed(statistics: &HeadStatistics) -> [f64; STATISTICS] {
    let HeadStatistics { entropy, entropy_normalized, entropy_sum, quality, special_token_mass, .. } =
        *statistics;
    [entropy, entropy_normalized, entropy_sum, quality, special_token_mass]
}

/// Resamples the means of some heads in one pass, each in a set: the five statistics of the first, then of the next.
pub(super) fn find<A: Answers + ?Sized>(
    answers: &A,
    wanted: &[(usize, HeadPlace)],
    resampler: &Resampler,
    sets: impl Fn(&Observation) -> [Option<usize>; 2],
) -> Result<Vec<ResampledMean>, A::Error> {
    let places: BTreeMap<(usize, HeadPlace), usize> =
        wanted.iter().enumerate().map(|(place, wanted)| (*wanted, place)).collect();
    resample(answers, STATISTICS * wanted.len(), resampler, &mut |observation, contributions| {
        for set in sets(observation).into_iter().flatten() {
            for head in observation.reading.iter().flat_map(|reading| &reading.heads) {
                let Some(place) = places.get(&(set, (head.layer, head.head))) else { continue };
                for (statistic, sum) in listed(&head.statistics).into_iter().enumerate() {
                    contributions.push(Contribution {
                        mean: STATISTICS * place + statistic,
                        sum,
                        count: 1.0,
                    });
                }
            }
        }
    })
}
