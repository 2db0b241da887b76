//! Shapley values from all coalitions there are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::game::{self, Coalition, Game, check_unit, coalitions_of, unit_or};
use super::replacement::Replacement;
use super::report::{Effort, Estimate};
use super::worths::Worths;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Subject};
use crate::model::{Keep, Model};

/// Each part's mean contribution over all orders in which the parts may come in, without sampling.
pub struct ExactShapley;

/// Options of `exact_shapley`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = ExactShapleyOptions,
    example = json!({"unit": "word", "replacement": "mask", "output": "logit"})
)]
pub struct Options {
    /// The parts that come in one by one, at most 10 of them; null for those that scores are asked for.
    #[schema(example = "word", default = json!(null))]
    unit: Option<Granularity>,
    /// What takes the place of a part that is not in.
    #[schema(default = "mask")]
    replacement: Replacement,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

/// The most parts whose coalitions are all tried: 1024 of them.
const MOST_PLAYERS: usize = 10;

impl AttributionMethod for ExactShapley {
    const ID: &'static str = "exact_shapley";
    const NAME: &'static str = "Exact Shapley values";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Perturbation;
    const SUMMARY: &'static str = "Each word's fair share in the output: its mean contribution over all orders in which the words may come in, without sampling. The scores sum to the output's change.";
    const FORMULA: &'static str = "φ_i = Σ over S ⊆ N \\ {i} of |S|! (n − |S| − 1)! / n! · (v(S ∪ {i}) − v(S)), for the output v of the text with the given parts, and all n parts N";
    const EFFORT: &'static str = "2ⁿ − 1 forward passes for n parts, for all classes together: 1023 for the 10 parts it takes at most.";
    const CAUTION: &'static str = "For texts of at most 10 parts. It is exact for the texts with parts taken out, which the model may never have seen the like of: compare replacements.";
    const SOURCE: &'static str =
        "Shapley 1953, A Value for n-Person Games, Contributions to the Theory of Games II";
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn completed(options: Options, granularity: Granularity) -> Options {
        Options { unit: Some(unit_or(options.unit, granularity)), ..options }
    }

    fn check(options: &Options, model: &Model, granularity: Granularity) -> Result<(), OptionFault> {
        check_unit(options.unit, granularity)?;
        options.replacement.check(model)?;
        options.output.check(model)
    }

    fn with_other_baselines(options: &Options, model: &Model) -> Vec<(&'static str, Options)> {
        let others = options.replacement.others(model).into_iter();
        others.map(|(name, replacement)| (name, Options { replacement, ..options.clone() })).collect()
    }

    fn cost(options: &Options, tokens: usize, _classes: usize) -> Cost {
        let forwards = |players: usize| coalitions_of(players.min(MOST_PLAYERS)) - 1;
        game::cost(options.unit.unwrap_or_default(), tokens, forwards)
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let unit = options.unit.unwrap_or_default();
        let game = Game::new(subject, unit, options.replacement)?;
        let players = game.players().len();
        if players > MOST_PLAYERS {
            let detail = format!(
                "is `{}`, by which this text has {players} parts; all combinations are tried of at most \
                 {MOST_PLAYERS}: use `kernel_shap`, `shapley_sampling` or `partition_shap` instead, or a \
                 coarser `granularity`",
                unit.name()
            );
            return Err(ExplainError::Option { method: Self::ID, fault: OptionFault::new("unit", detail) });
        }
        let mut worths = game.worths(options.output, classes);
        let ends = worths.ends(players)?;
        let scores = shapley(players, &mut worths)?;
        let effort = Effort { steps: coalitions_of(players), forwards: worths.forwards() };
        let attribution = |(slot, scores): (usize, Vec<f64>)| {
            Estimate::exactly(scores).shares(&game, classes[slot], options.output, ends[slot], effort)
        };
        Ok(scores.into_iter().enumerate().map(attribution).collect())
    }
}

/// The Shapley values of all players: `[class][player]`.
pub(super) fn shapley(players: usize, worths: &mut Worths) -> Result<Vec<Vec<f64>>, ExplainError> {
    let member = |set: usize, player: usize| set >> player & 1 == 1;
    let coalition = |set: usize| (0..players).map(|player| member(set, player)).collect();
    let all: Vec<Coalition> = (0..coalitions_of(players)).map(coalition).collect();
    let weights = weights(players);
    let of_class = |worths: Vec<f64>| {
        let value = |player: usize| {
            let without = (0..worths.len()).filter(|set| !member(*set, player));
            let term =
                |set: usize| weights[set.count_ones() as usize] * (worths[set | 1 << player] - worths[set]);
            without.map(term).sum()
        };
        (0..players).map(value).collect()
    };
    Ok(worths.of(&all)?.into_iter().map(of_class).collect())
}

/// |S|! (n − |S| − 1)! / n! for |S| = 0, …, n − 1: in how many orders just the members of S come before a
/// player, as a share of all.
fn weights(players: usize) -> Vec<f64> {
    // 1 / (n C(n − 1, s)), each binomial coefficient from the one before.
    let next = |choices: &f64, size: usize| choices * (players - size) as f64 / size as f64;
    let mut choices = vec![1.0];
    (1..players).for_each(|size| choices.push(next(&choices[size - 1], size)));
    choices.into_iter().map(|choices| 1.0 / (players as f64 * choices)).collect()
}
