//! Shapley values from random orders, each together with its reverse.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bounds::{even, within};
use super::game::{self, Coalition, Game, check_unit, coalitions_of, unit_or};
use super::replacement::Replacement;
use super::report::{Effort, Estimate};
use super::worths::Worths;
use crate::explain::chance::Chance;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Subject};
use crate::model::{Keep, Model};

/// Each part's mean contribution over orders that are drawn at random.
pub struct ShapleySampling;

/// Options of `shapley_sampling`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = ShapleySamplingOptions,
    example = json!({"permutations": 32, "unit": "word", "replacement": "mask", "output": "logit"})
)]
pub struct Options {
    /// Orders in which the parts come in, 4 to 1024 and even: half are drawn, and each is gone through from
    /// both ends.
    #[schema(example = 32, default = 32, minimum = 4, maximum = 1024, multiple_of = 2)]
    permutations: usize,
    /// The parts that come in one by one; null for those that scores are asked for.
    #[schema(example = "word", default = json!(null))]
    unit: Option<Granularity>,
    /// What takes the place of a part that is not in.
    #[schema(default = "mask")]
    replacement: Replacement,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            permutations: 32,
            unit: None,
            replacement: Replacement::default(),
            output: Output::default(),
        }
    }
}

/// Two pairs: from one there is no telling how far chance goes.
const FEWEST: usize = 4;
const MOST: usize = 1024;
/// Coalitions that are evaluated together: enough for many threads, and little memory.
const TOGETHER: usize = 2048;

impl AttributionMethod for ShapleySampling {
    const ID: &'static str = "shapley_sampling";
    const NAME: &'static str = "Shapley sampling";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Perturbation;
    const SUMMARY: &'static str = "Each word's share in the output, by sampling: its mean contribution as the words come in one by one, in random orders. The scores sum to the output's change.";
    const FORMULA: &'static str = "φ_i = mean of v(before_i ∪ {i}) − v(before_i) over random orders and their reverses, for the output v of the text with the given parts";
    const EFFORT: &'static str = "`permutations` times the number of parts less one forward passes, and one more, for all classes together; fewer for a few parts, whose coalitions come up again.";
    const CAUTION: &'static str =
        "Chance moves the scores: see the standard errors, which halve with four times the permutations.";
    const SOURCE: &'static str =
        "Castro, Gómez & Tejada 2009, doi:10.1016/j.cor.2008.04.004; Štrumbelj & Kononenko 2010, JMLR 11";
    const SAMPLES: bool = true;
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn completed(options: Options, granularity: Granularity) -> Options {
        Options { unit: Some(unit_or(options.unit, granularity)), ..options }
    }

    fn check(options: &Options, model: &Model, granularity: Granularity) -> Result<(), OptionFault> {
        within("permutations", options.permutations, FEWEST, MOST)?;
        even("permutations", options.permutations)?;
        check_unit(options.unit, granularity)?;
        options.replacement.check(model)?;
        options.output.check(model)
    }

    fn with_other_baselines(options: &Options, model: &Model) -> Vec<(&'static str, Options)> {
        let others = options.replacement.others(model).into_iter();
        others.map(|(name, replacement)| (name, Options { replacement, ..options.clone() })).collect()
    }

    fn cost(options: &Options, tokens: usize, _classes: usize) -> Cost {
        let forwards =
            |players: usize| (options.permutations * (players - 1) + 1).min(coalitions_of(players) - 1);
        game::cost(options.unit.unwrap_or_default(), tokens, forwards)
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let game = Game::new(subject, options.unit.unwrap_or_default(), options.replacement)?;
        let players = game.players().len();
        let mut chance = Chance::new("explaind shapley_sampling v1", seed, &subject.text().ids);
        let mut worths = game.worths(options.output, classes);
        let ends = worths.ends(players)?;
        let estimates = estimates(players, options.permutations, &mut chance, &mut worths)?;
        let effort = Effort { steps: options.permutations, forwards: worths.forwards() };
        let attribution = |(slot, estimate): (usize, Estimate)| {
            estimate.shares(&game, classes[slot], options.output, ends[slot], effort)
        };
        Ok(estimates.into_iter().enumerate().map(attribution).collect())
    }
}

/// Mean contributions over random orders and their reverses, one estimate a class.
pub(super) fn estimates(
    players: usize,
    permutations: usize,
    chance: &mut Chance,
    worths: &mut Worths,
) -> Result<Vec<Estimate>, ExplainError> {
    let pairs = permutations / 2;
    let at_a_time = (TOGETHER / (2 * (players + 1))).max(1);
    let mut means_of_pairs: Vec<Vec<Vec<f64>>> = Vec::new();
    for first in (0..pairs).step_by(at_a_time) {
        let orders: Vec<Vec<usize>> = (first..pairs.min(first + at_a_time))
            .flat_map(|_| {
                let order = chance.permutation(players);
                let reverse = order.iter().rev().copied().collect();
                [order, reverse]
            })
            .collect();
        let coalitions: Vec<Coalition> = orders.iter().flat_map(|order| arrivals(order)).collect();
        let worths = worths.of(&coalitions)?;
        means_of_pairs.resize_with(worths.len(), Vec::new);
        for (means, worths) in means_of_pairs.iter_mut().zip(&worths) {
            let walks = orders.chunks(2).zip(worths.chunks(2 * (players + 1)));
            means.extend(walks.map(|(pair, worths)| mean_contributions(pair, worths)));
        }
    }
    Ok(means_of_pairs.iter().map(|means| over_pairs(players, means)).collect())
}

/// The coalitions as players arrive: nobody, the first, the first two, …, everyone.
fn arrivals(order: &[usize]) -> Vec<Coalition> {
    let mut coalition = vec![false; order.len()];
    let mut coalitions = vec![coalition.clone()];
    for player in order {
        coalition[*player] = true;
        coalitions.push(coalition.clone());
    }
    coalitions
}

/// What each player adds on its arrival, its mean over some orders, from the worths of all arrivals.
fn mean_contributions(orders: &[Vec<usize>], worths: &[f64]) -> Vec<f64> {
    let players = orders[0].len();
    let mut means = vec![0.0; players];
    for (order, worths) in orders.iter().zip(worths.chunks(players + 1)) {
        for (player, step) in order.iter().zip(worths.windows(2)) {
            means[*player] += (step[1] - step[0]) / orders.len() as f64;
        }
    }
    means
}

/// The mean over the pairs, and how far it would be from that of other pairs. Pairs are independent; the two
/// orders of one are not.
fn over_pairs(players: usize, means: &[Vec<f64>]) -> Estimate {
    let pairs = means.len() as f64;
    let score = |player: usize| means.iter().map(|of_pair| of_pair[player]).sum::<f64>() / pairs;
    let scores: Vec<f64> = (0..players).map(score).collect();
    let error = |(player, score): (usize, &f64)| {
        let squares: f64 = means.iter().map(|of_pair| (of_pair[player] - score).powi(2)).sum();
        (squares / (pairs - 1.0) / pairs).sqrt()
    };
    let standard_errors = scores.iter().enumerate().map(error).collect();
    Estimate { scores, standard_errors: Some(standard_errors) }
}
