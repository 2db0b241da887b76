//! How far scores hang on what stands for nothing: the range of each over the baselines, or replacements, that a
//! method may be given.

use super::of_players;
use super::rank::spearman;
use crate::explain::Subject;
use crate::explain::attribution::perturbation::game::Players;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, Configured, ExplainError};

/// An order of parts that agrees less than this with that by another baseline counts as changed.
pub const LEAST_CORRELATION: f64 = 0.5;

/// The scores of one attribution over its own baseline and all others.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// The other baselines, by name.
    pub baselines: Vec<&'static str>,
    /// The lowest score of each unit, in the order and number of the explanation's scores.
    pub low: Vec<f64>,
    /// The highest score of each unit.
    pub high: Vec<f64>,
    /// Whether the part with the largest |score| has scores of both signs among the baselines.
    pub strongest_turns: bool,
    /// The lowest Spearman correlation of the parts' scores with those by another baseline; none where none is
    /// defined.
    pub least_correlation: Option<f64>,
}

impl Band {
    /// The range of the scores of `granularity`'s units over an attribution's tokens and those by other baselines.
    pub fn new(
        subject: &Subject,
        granularity: Granularity,
        own: &[f64],
        others: &[(&'static str, &[f64])],
    ) -> Self {
        let gathered = |scores: &[f64]| granularity.gather(subject.text(), scores).0;
        let (mut low, mut high) = (gathered(own), gathered(own));
        for (_, scores) in others {
            for ((low, high), score) in low.iter_mut().zip(&mut high).zip(gathered(scores)) {
                *low = low.min(score);
                *high = high.max(score);
            }
        }
        let players = Players::new(subject, granularity);
        let own = of_players(&players, own);
        let others: Vec<(&'static str, Vec<f64>)> =
            others.iter().map(|(name, scores)| (*name, of_players(&players, scores))).collect();
        let correlations = others.iter().filter_map(|(_, scores)| {
            spearman(&own.iter().copied().zip(scores.iter().copied()).collect::<Vec<_>>())
        });
        Band {
            low,
            high,
            strongest_turns: strongest(&own).is_some_and(|part| {
                let sides = others.iter().map(|(_, scores)| scores[part]).chain([own[part]]);
                let (mut below, mut above) = (false, false);
                sides.for_each(|score| (below, above) = (below || score < 0.0, above || score > 0.0));
                below && above
            }),
            least_correlation: correlations.reduce(f64::min),
            baselines: others.into_iter().map(|(name, _)| name).collect(),
        }
    }

    /// Whether the choice of the baseline decides what the strongest part speaks for, or the order of the parts.
    pub fn is_sensitive(&self) -> bool {
        self.strongest_turns || self.least_correlation.is_some_and(|least| least < LEAST_CORRELATION)
    }
}

/// The place of the largest |score|, the first of equals.
fn strongest(scores: &[f64]) -> Option<usize> {
    (0..scores.len())
        .reduce(|best, other| if scores[other].abs() > scores[best].abs() { other } else { best })
}

/// The band of each attribution; none for methods that choose no baseline. Each other baseline is the method over
/// again.
///
/// # Errors
/// As [`Configured::attribute`].
pub fn of(
    configured: &dyn Configured,
    subject: &Subject,
    granularity: Granularity,
    attributions: &[Attribution],
    seed: u64,
) -> Result<Vec<Option<Band>>, ExplainError> {
    let classes = super::classes(subject, attributions);
    let mut elsewhere = Vec::new();
    for (name, other) in configured.with_other_baselines(subject.model()) {
        elsewhere.push((name, other.attribute(subject, &classes, seed)?));
    }
    let band = |(place, own): (usize, &Attribution)| {
        let others = elsewhere.iter().filter_map(|(name, all)| Some((*name, &all.get(place)?.scores[..])));
        let others: Vec<(&'static str, &[f64])> = others.collect();
        (!others.is_empty()).then(|| Band::new(subject, granularity, &own.scores, &others))
    };
    Ok(attributions.iter().enumerate().map(band).collect())
}
