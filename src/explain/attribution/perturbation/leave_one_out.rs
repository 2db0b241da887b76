//! Leave-one-out: what the output loses when one part of the text goes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::game::{self, Coalition, Game, check_unit, unit_or};
use super::replacement::Replacement;
use super::report::Estimate;
use super::worths::Worths;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Subject};
use crate::model::{Keep, Model};

/// v(N) − v(N \ {i}) for each part i.
pub struct LeaveOneOut;

/// Options of `leave_one_out`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = LeaveOneOutOptions,
    example = json!({"unit": "word", "replacement": "delete", "output": "logit"})
)]
pub struct Options {
    /// The parts that are left out one by one; null for those that scores are asked for.
    #[schema(example = "word", default = json!(null))]
    unit: Option<Granularity>,
    /// What takes the place of a part that is left out.
    #[schema(default = "delete")]
    replacement: Replacement,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl Default for Options {
    fn default() -> Self {
        Options { unit: None, replacement: Replacement::Delete, output: Output::default() }
    }
}

impl AttributionMethod for LeaveOneOut {
    const ID: &'static str = "leave_one_out";
    const NAME: &'static str = "Leave-one-out";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Perturbation;
    const SUMMARY: &'static str =
        "What the output loses when a word is deleted and all others stay: the plainest question there is.";
    const FORMULA: &'static str =
        "φ_i = v(N) − v(N \\ {i}), for the output v of the text with the given parts, and all parts N";
    const EFFORT: &'static str = "One forward pass a part, for all classes together.";
    const CAUTION: &'static str = "Words that say the same cover for each other: with one gone the other still speaks, and both seem to matter little. The scores do not add up to anything.";
    const SOURCE: &'static str = "Li, Monroe & Jurafsky 2016, arXiv:1612.08220";
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
        game::cost(options.unit.unwrap_or_default(), tokens, |players| players)
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let game = Game::new(subject, options.unit.unwrap_or_default(), options.replacement)?;
        let scores = losses(game.players().len(), &mut game.worths(options.output, classes))?;
        let attribution = |(class, scores): (&usize, Vec<f64>)| {
            Estimate::exactly(scores).attribution(&game, *class, options.output)
        };
        Ok(classes.iter().zip(scores).map(attribution).collect())
    }
}

/// What everyone is worth less what all but one are, for each one: `[class][player]`.
pub(super) fn losses(players: usize, worths: &mut Worths) -> Result<Vec<Vec<f64>>, ExplainError> {
    let without = |absent: usize| (0..players).map(|player| player != absent).collect();
    let mut coalitions = vec![vec![true; players]];
    coalitions.extend((0..players).map(without).collect::<Vec<Coalition>>());
    let of_class = |worths: Vec<f64>| worths[1..].iter().map(|without| worths[0] - without).collect();
    Ok(worths.of(&coalitions)?.into_iter().map(of_class).collect())
}
