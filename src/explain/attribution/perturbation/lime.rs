//! LIME: a linear model of which parts are there, fitted around the text as it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bounds::{few_enough, within};
use super::game::{self, Coalition, Game, check_unit, coalitions_of, unit_or};
use super::least_squares::LeastSquares;
use super::replacement::Replacement;
use super::report::Estimate;
use crate::explain::chance::Chance;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Keep, Model};

/// The slopes of a ridge regression over texts with parts taken out, weighted by their nearness to the text.
pub struct Lime;

/// Options of `lime`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = LimeOptions,
    example = json!({
        "samples": 512, "kernel_width": 25.0, "regularization": 1.0, "unit": "word",
        "replacement": "mask", "output": "logit"
    })
)]
pub struct Options {
    /// Texts that the linear model is fitted to, 16 to 16384, the text itself among them.
    #[schema(example = 512, default = 512, minimum = 16, maximum = 16384)]
    samples: usize,
    /// How fast the weight of a text falls with its distance, 1 to 1000; distances go up to 100.
    #[schema(example = 25.0, default = 25.0, minimum = 1, maximum = 1000)]
    kernel_width: f64,
    /// The weight of the slopes' squares in what is minimised, 0.000001 to 1000: the greater, the nearer to 0
    /// they are.
    #[schema(example = 1.0, default = 1.0, minimum = 0.000001, maximum = 1000)]
    regularization: f64,
    /// The parts that are taken out; null for those that scores are asked for.
    #[schema(example = "word", default = json!(null))]
    unit: Option<Granularity>,
    /// What takes the place of a part that is taken out.
    #[schema(default = "mask")]
    replacement: Replacement,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            samples: 512,
            kernel_width: 25.0,
            regularization: 1.0,
            unit: None,
            replacement: Replacement::default(),
            output: Output::default(),
        }
    }
}

impl AttributionMethod for Lime {
    const ID: &'static str = "lime";
    const NAME: &'static str = "LIME";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Perturbation;
    const SUMMARY: &'static str = "How the output changes with each word near the text: the slopes of a linear model fitted to texts with words taken out at random.";
    const FORMULA: &'static str = "φ = argmin over φ, c of Σ over samples z of π(z) (v(z) − c − ⟨φ, z⟩)² + regularization ‖φ‖², π(z) = √exp(−d² / kernel_width²), d = 100 (1 − cos(z, 1)), for the output v of the text with the parts where z is 1";
    const EFFORT: &'static str = "`samples` less one forward passes, for all classes together; fewer for a few parts, whose combinations come up again.";
    const CAUTION: &'static str = "Scores hang on kernel width and regularization, which draws them towards 0: compare them within a text, not between texts. Chance moves them: see the standard errors. They do not add up to anything.";
    const SOURCE: &'static str = "Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938";
    const SAMPLES: bool = true;
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn completed(options: Options, granularity: Granularity) -> Options {
        Options { unit: Some(unit_or(options.unit, granularity)), ..options }
    }

    fn check(options: &Options, model: &Model, granularity: Granularity) -> Result<(), OptionFault> {
        within("samples", options.samples, 16, 16384)?;
        within("kernel_width", options.kernel_width, 1.0, 1000.0)?;
        within("regularization", options.regularization, 0.000_001, 1000.0)?;
        check_unit(options.unit, granularity)?;
        options.replacement.check(model)?;
        options.output.check(model)
    }

    fn with_other_baselines(options: &Options, model: &Model) -> Vec<(&'static str, Options)> {
        let others = options.replacement.others(model).into_iter();
        others.map(|(name, replacement)| (name, Options { replacement, ..options.clone() })).collect()
    }

    fn cost(options: &Options, tokens: usize, _classes: usize) -> Cost {
        let forwards = |players: usize| (options.samples - 1).min(coalitions_of(players) - 1);
        game::cost(options.unit.unwrap_or_default(), tokens, forwards)
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let game = Game::new(subject, options.unit.unwrap_or_default(), options.replacement)?;
        few_enough(Self::ID, options.unit.unwrap_or_default(), game.players().len())?;
        let mut chance = Chance::new("explaind lime v1", seed, &subject.text().ids);
        let surroundings = Surroundings::new(game.players().len(), options.samples, &mut chance);
        let worths = game.worths(options.output, classes).of(&surroundings.coalitions)?;
        let (kernel_width, regularization) = (options.kernel_width, options.regularization);
        // No pass of the network, but the square of the parts for each sample.
        let fitted = move |worths: Vec<Vec<f64>>| {
            surroundings.estimates(&worths, kernel_width, regularization).ok_or(ExplainError::NotFinite)
        };
        let estimates = subject.map(vec![worths], |_| Passes::NONE, fitted)?.concat();
        let attribution =
            |(class, estimate): (&usize, Estimate)| estimate.attribution(&game, *class, options.output);
        Ok(classes.iter().zip(estimates).map(attribution).collect())
    }
}

/// Texts around a text: itself, and others with parts taken out at random.
pub(super) struct Surroundings {
    players: usize,
    pub(super) coalitions: Vec<Coalition>,
}

impl Surroundings {
    /// So many of them: of each but the first, 1 to all parts are taken out, every number as likely as any.
    pub(super) fn new(players: usize, samples: usize, chance: &mut Chance) -> Self {
        let mut coalitions = vec![vec![true; players]];
        for _ in 1..samples {
            let removed = 1 + chance.below(players);
            let mut coalition = vec![true; players];
            chance.permutation(players)[..removed].iter().for_each(|absent| coalition[*absent] = false);
            coalitions.push(coalition);
        }
        Surroundings { players, coalitions }
    }

    /// The slopes of the linear model, one estimate a class, from the worths of the coalitions. None only if
    /// something is not finite, since a ridge has a single solution.
    pub(super) fn estimates(
        &self,
        worths: &[Vec<f64>],
        kernel_width: f64,
        regularization: f64,
    ) -> Option<Vec<Estimate>> {
        if self.players == 1 {
            return Some(worths.iter().map(|worths| self.of_one(worths)).collect());
        }
        let number = |member: bool| f64::from(u8::from(member));
        let weights: Vec<f64> =
            self.coalitions.iter().map(|coalition| nearness(coalition, kernel_width)).collect();
        let total: f64 = weights.iter().sum();
        // The intercept is not penalised: it goes with the means.
        let presence = |player: usize| {
            let weighted = self.coalitions.iter().zip(&weights);
            weighted.map(|(coalition, weight)| weight * number(coalition[player])).sum::<f64>() / total
        };
        let means: Vec<f64> = (0..self.players).map(presence).collect();
        let row = |index: usize, x: &mut [f64]| {
            let members = self.coalitions[index].iter().zip(&means);
            x.iter_mut().zip(members).for_each(|(x, (member, mean))| *x = number(*member) - mean);
        };
        let fit = LeastSquares::new(self.players, weights.clone(), regularization, row)?;
        let of_class = |worths: &Vec<f64>| {
            let mean = worths.iter().zip(&weights).map(|(worth, weight)| worth * weight).sum::<f64>() / total;
            let targets: Vec<f64> = worths.iter().map(|worth| worth - mean).collect();
            let scores = fit.coefficients(&targets);
            let mut squares = vec![0.0; self.players];
            for influence in fit.influences(&fit.residuals(&scores, &targets), 1) {
                squares.iter_mut().zip(&influence).for_each(|(sum, moved)| *sum += moved * moved);
            }
            let standard_errors = squares.into_iter().map(f64::sqrt).collect();
            Estimate { scores, standard_errors: Some(standard_errors) }
        };
        Some(worths.iter().map(of_class).collect())
    }

    /// The slope through the two texts there are, where the text is one part: nothing is left to chance, and
    /// nothing to be kept small for.
    fn of_one(&self, worths: &[f64]) -> Estimate {
        // All but the first are without it.
        Estimate { scores: vec![worths[0] - worths[1]], standard_errors: Some(vec![0.0]) }
    }
}

/// √exp(−d² / width²), for the cosine distance d between a coalition and that of everyone, times 100.
fn nearness(coalition: &Coalition, width: f64) -> f64 {
    let members = coalition.iter().filter(|member| **member).count();
    let distance = 100.0 * (1.0 - (members as f64 / coalition.len() as f64).sqrt());
    (-(distance / width).powi(2)).exp().sqrt()
}
