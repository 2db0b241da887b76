//! KernelSHAP: Shapley values as the weights of the linear model that comes closest to the game.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bounds::{even, few_enough, within};
use super::game::{self, Coalition, Game, check_unit, coalitions_of, unit_or};
use super::least_squares::LeastSquares;
use super::replacement::Replacement;
use super::report::{Effort, Estimate};
use super::worths::Ends;
use crate::explain::chance::Chance;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Keep, Model};

/// Least squares over coalitions with the Shapley kernel, so that the weights sum to the output's change.
pub struct KernelShap;

/// Options of `kernel_shap`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = KernelShapOptions,
    example = json!({"samples": 512, "unit": "word", "replacement": "mask", "output": "logit"})
)]
pub struct Options {
    /// Coalitions that are drawn, 16 to 16384 and even: half are drawn, and each comes with its complement.
    /// Where there are no more than so many, all are taken and nothing is left to chance. At least twice
    /// as many as the text has parts. Null for 512, or 8 for each part where that is more.
    #[schema(example = 512, default = json!(null), minimum = 16, maximum = 16384, multiple_of = 2)]
    samples: Option<usize>,
    /// The parts that coalitions are made of; null for those that scores are asked for.
    #[schema(example = "word", default = json!(null))]
    unit: Option<Granularity>,
    /// What takes the place of a part that is not in.
    #[schema(default = "mask")]
    replacement: Replacement,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl Options {
    fn samples(&self, players: usize) -> usize {
        self.samples.unwrap_or_else(|| USUAL.max(ADVISED * players).min(MOST))
    }
}

const FEWEST: usize = 16;
const MOST: usize = 16384;
const USUAL: usize = 512;
/// Samples for each part that are enough for most texts.
const ADVISED: usize = 8;

impl AttributionMethod for KernelShap {
    const ID: &'static str = "kernel_shap";
    const NAME: &'static str = "KernelSHAP";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Perturbation;
    const SUMMARY: &'static str = "Each word's share in the output, by regression: the linear model of which words are there that comes closest to what the network says. The scores sum to the output's change.";
    const FORMULA: &'static str = "φ = argmin Σ over coalitions S of w(|S|) (v(S) − v(∅) − Σ_{i∈S} φ_i)² with Σφ = v(N) − v(∅), w(k) = (n − 1) / (C(n, k) k (n − k)), for the output v of the text with the given parts, and all n parts N";
    const EFFORT: &'static str = "`samples` forward passes and one more, for all classes together: 513 for most texts; 2ⁿ − 1 for n parts where these are fewer, and then exact.";
    const CAUTION: &'static str = "Chance moves the scores: see the standard errors. They are themselves too small where there are only a few times as many samples as parts.";
    const SOURCE: &'static str =
        "Lundberg & Lee 2017, arXiv:1705.07874; paired and with errors: Covert & Lee 2021, arXiv:2012.01536";
    const SAMPLES: bool = true;
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn completed(options: Options, granularity: Granularity) -> Options {
        Options { unit: Some(unit_or(options.unit, granularity)), ..options }
    }

    fn check(options: &Options, model: &Model, granularity: Granularity) -> Result<(), OptionFault> {
        if let Some(samples) = options.samples {
            within("samples", samples, FEWEST, MOST)?;
            even("samples", samples)?;
        }
        check_unit(options.unit, granularity)?;
        options.replacement.check(model)?;
        options.output.check(model)
    }

    fn with_other_baselines(options: &Options, model: &Model) -> Vec<(&'static str, Options)> {
        let others = options.replacement.others(model).into_iter();
        others.map(|(name, replacement)| (name, Options { replacement, ..options.clone() })).collect()
    }

    fn cost(options: &Options, tokens: usize, _classes: usize) -> Cost {
        let forwards = |players: usize| (options.samples(players) + 1).min(coalitions_of(players) - 1);
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
        few_enough(Self::ID, options.unit.unwrap_or_default(), players)?;
        let samples = options.samples(players);
        let too_few = || ExplainError::Option { method: Self::ID, fault: too_few(samples, players) };
        let mut chance = Chance::new("explaind kernel_shap v1", seed, &subject.text().ids);
        let sample = Sample::new(players, samples, &mut chance);
        if !sample.may_suffice() {
            return Err(too_few());
        }
        let mut worths = game.worths(options.output, classes);
        let ends = worths.ends(players)?;
        let values = worths.of(&sample.coalitions)?;
        let effort = Effort { steps: sample.coalitions.len(), forwards: worths.forwards() };
        let of_ends = ends.clone();
        // No pass of the network, but the square of the parts for each sample.
        let solved = move |values: Vec<Vec<f64>>| Ok(sample.estimates(&of_ends, &values));
        let solution = subject.map(vec![values], |_| Passes::NONE, solved)?.pop().flatten();
        let estimates = solution.ok_or_else(too_few)?;
        let attribution = |(slot, estimate): (usize, Estimate)| {
            estimate.shares(&game, classes[slot], options.output, ends[slot], effort)
        };
        Ok(estimates.into_iter().enumerate().map(attribution).collect())
    }
}

fn too_few(samples: usize, players: usize) -> OptionFault {
    let advised = (ADVISED * players).min(MOST);
    let detail = format!(
        "is {samples}, too few to tell the {players} parts of this text apart; use {advised} or more, a coarser \
         `granularity`, or `partition_shap`"
    );
    OptionFault::new("samples", detail)
}

/// Coalitions to learn from.
pub(super) struct Sample {
    players: usize,
    /// All but nobody and everyone; or pairs of complements, one after the other.
    pub(super) coalitions: Vec<Coalition>,
    weights: Vec<f64>,
    /// Whether these are all there are.
    complete: bool,
}

impl Sample {
    /// All coalitions with their weights where they are no more than `samples`; or so many drawn by their
    /// weights.
    pub(super) fn new(players: usize, samples: usize, chance: &mut Chance) -> Self {
        // Nobody and everyone are held to by force.
        match coalitions_of(players) - 2 <= samples {
            true => Self::complete(players),
            false => Self::drawn(players, samples, chance),
        }
    }

    fn complete(players: usize) -> Self {
        let coalition = |set: usize| (0..players).map(|player| set >> player & 1 == 1).collect();
        let coalitions: Vec<Coalition> = (1..coalitions_of(players) - 1).map(coalition).collect();
        let size = |coalition: &Coalition| coalition.iter().filter(|member| **member).count();
        let weight = |size: usize| of_size(players, size) / choices(players, size);
        let weights = coalitions.iter().map(|coalition| weight(size(coalition))).collect();
        Sample { players, coalitions, weights, complete: true }
    }

    /// Pairs: a size by the kernel's weight of all coalitions of that size, members at random, and then all
    /// others.
    fn drawn(players: usize, samples: usize, chance: &mut Chance) -> Self {
        let up_to: Vec<f64> = (1..players)
            .scan(0.0, |sum, size| {
                *sum += of_size(players, size);
                Some(*sum)
            })
            .collect();
        let total = up_to[players - 2];
        let mut coalitions = Vec::with_capacity(samples);
        for _ in 0..samples / 2 {
            let place = chance.unit() * total;
            let size = 1 + up_to.partition_point(|sum| *sum <= place).min(players - 2);
            let mut coalition = vec![false; players];
            chance.permutation(players)[..size].iter().for_each(|member| coalition[*member] = true);
            let others = coalition.iter().map(|member| !member).collect();
            coalitions.extend([coalition, others]);
        }
        Sample { players, coalitions, weights: vec![1.0; samples], complete: false }
    }

    /// Whether there are enough to tell all players apart: a coalition says the same as its complement does.
    fn may_suffice(&self) -> bool {
        self.complete || self.coalitions.len() / 2 >= self.players
    }

    /// The weights of the linear model, one estimate for each class with its ends and the worths of the
    /// coalitions; none where the coalitions leave them open.
    ///
    /// The last player gets what the others leave of the output's change, so that no constraint is left.
    pub(super) fn estimates(&self, ends: &[Ends], worths: &[Vec<f64>]) -> Option<Vec<Estimate>> {
        let last = self.players - 1;
        let number = |member: bool| f64::from(u8::from(member));
        let row = |index: usize, x: &mut [f64]| {
            let coalition = &self.coalitions[index];
            let members = x.iter_mut().zip(coalition);
            members.for_each(|(x, member)| *x = number(*member) - number(coalition[last]));
        };
        let fit = LeastSquares::new(last, self.weights.clone(), 0.0, row)?;
        let of_class = |(slot, ends): (usize, &Ends)| {
            // There are no worths where there is no coalition but the ends.
            let worths = worths.get(slot).map_or(&[][..], Vec::as_slice);
            let target = |(coalition, worth): (&Coalition, &f64)| {
                worth - ends.nobody - number(coalition[last]) * ends.change()
            };
            let targets: Vec<f64> = self.coalitions.iter().zip(worths).map(target).collect();
            let mut scores = fit.coefficients(&targets);
            let standard_errors = match self.complete {
                true => vec![0.0; self.players],
                false => standard_errors(last, fit.influences(&fit.residuals(&scores, &targets), 2)),
            };
            scores.push(ends.change() - scores.iter().sum::<f64>());
            Estimate { scores, standard_errors: Some(standard_errors) }
        };
        Some(ends.iter().enumerate().map(of_class).collect())
    }
}

/// From what each pair moves the first players' scores by to the errors of all: whatever moves their sum
/// moves the last player's score the other way.
fn standard_errors(last: usize, influences: impl Iterator<Item = Vec<f64>>) -> Vec<f64> {
    let mut squares = vec![0.0; last + 1];
    for influence in influences {
        squares.iter_mut().zip(&influence).for_each(|(sum, moved)| *sum += moved * moved);
        squares[last] += influence.iter().sum::<f64>().powi(2);
    }
    squares.into_iter().map(f64::sqrt).collect()
}

/// The Shapley kernel's weight of all coalitions of a size together.
fn of_size(players: usize, size: usize) -> f64 {
    (players - 1) as f64 / (size * (players - size)) as f64
}

/// How many coalitions of a size there are.
fn choices(players: usize, size: usize) -> f64 {
    (1..=size).fold(1.0, |choices, taken| choices * (players - taken + 1) as f64 / taken as f64)
}
