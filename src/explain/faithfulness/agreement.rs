//! How far two methods say the same of a text.
//!
//! Source: Krishna et al. 2022, "The Disagreement Problem in Explainable Machine Learning", arXiv:2202.01602 (rank
//! correlation, feature agreement of the k largest, sign agreement).

use std::collections::HashSet;

use super::erasure::ranking;
use super::of_players;
use super::rank::spearman;
use crate::explain::Subject;
use crate::explain::attribution::perturbation::game::Players;
use crate::explain::granularity::Granularity;
use crate::explain::method::Attribution;

/// Strongest parts that are compared, in texts that have so many.
pub const TOP: usize = 5;

/// Orders that correlate less than this disagree.
pub const LEAST_CORRELATION: f64 = 0.0;

/// Methods that share less than this of their strongest parts disagree.
pub const LEAST_OVERLAP: f64 = 0.4;

/// How far two lists of scores for the same parts agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Spearman's rank correlation, −1 to 1: of the scores where both lists have negative ones, otherwise of their
    /// sizes. None for fewer than two parts, or where all of either are equal.
    pub spearman: Option<f64>,
    /// The parts that are looked at as strongest: [`TOP`], or all where there are fewer.
    pub k: usize,
    /// The share of the k strongest parts by |score| that both have in common, 0 to 1.
    pub overlap: f64,
    /// The share of all parts whose scores have the same sign (0 is one of its own), 0 to 1; none where either list
    /// has no negative score, and thus no direction.
    pub sign_agreement: Option<f64>,
}

impl Agreement {
    /// The agreement of two lists of the same length, at least 1.
    pub fn new(first: &[f64], second: &[f64]) -> Self {
        let sizes = [first, second].map(|scores| scores.iter().map(|score| score.abs()).collect::<Vec<_>>());
        let are_signed = [first, second].iter().all(|scores| scores.iter().any(|score| *score < 0.0));
        let (a, b) = if are_signed { (first, second) } else { (&sizes[0][..], &sizes[1][..]) };
        let k = TOP.min(first.len());
        let [strongest, others] =
            sizes.each_ref().map(|sizes| -> HashSet<usize> { ranking(sizes).into_iter().take(k).collect() });
        let same_sign = first.iter().zip(second).filter(|(a, b)| sign(**a) == sign(**b)).count();
        Agreement {
            spearman: spearman(&a.iter().copied().zip(b.iter().copied()).collect::<Vec<_>>()),
            k,
            overlap: strongest.intersection(&others).count() as f64 / k.max(1) as f64,
            sign_agreement: are_signed.then(|| same_sign as f64 / first.len() as f64),
        }
    }

    /// Whether the two say different things.
    pub fn is_disagreement(&self) -> bool {
        self.overlap < LEAST_OVERLAP || self.spearman.is_some_and(|spearman| spearman < LEAST_CORRELATION)
    }
}

fn sign(score: f64) -> i8 {
    i8::from(score > 0.0) - i8::from(score < 0.0)
}

/// Two explanations of one text by different methods.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Both methods, by their places.
    pub methods: [usize; 2],
    /// The class that both speak of, or one of them if the other looks at none; none if neither does.
    pub class: Option<usize>,
    /// How far they agree.
    pub agreement: Agreement,
}

/// Every pair of attributions of different methods that speak of the same class; those of no class are paired with
/// all. `methods` holds what each method has given, in order.
pub fn pairs(subject: &Subject, granularity: Granularity, methods: &[&[Attribution]]) -> Vec<Pair> {
    let players = Players::new(subject, granularity);
    if players.is_empty() {
        return Vec::new();
    }
    let scored: Vec<Vec<(Option<usize>, Vec<f64>)>> = methods
        .iter()
        .map(|given| given.iter().map(|one| (one.class, of_players(&players, &one.scores))).collect())
        .collect();
    let mut pairs = Vec::new();
    for (first, ones) in scored.iter().enumerate() {
        for (second, others) in scored.iter().enumerate().skip(first + 1) {
            for (class, scores) in ones {
                let met =
                    others.iter().filter(|(other, _)| class.is_none() || other.is_none() || class == other);
                pairs.extend(met.map(|(other, against)| Pair {
                    methods: [first, second],
                    class: class.or(*other),
                    agreement: Agreement::new(scores, against),
                }));
            }
        }
    }
    pairs
}
