//! Occlusion: what the output loses when a window over the text is covered.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bounds::within;
use super::game::{self, Coalition, Game, Players, check_unit, unit_or};
use super::replacement::Replacement;
use super::report::Estimate;
use super::worths::Worths;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Subject};
use crate::model::{Keep, Model};

/// The mean of v(N) − v(N \ W) over the windows W that cover a part.
pub struct Occlusion;

/// Options of `occlusion`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = OcclusionOptions,
    example = json!({"window": 3, "stride": 1, "unit": "word", "replacement": "mask", "output": "logit"})
)]
pub struct Options {
    /// Parts that are covered at a time, 1 to 512 and no more than the text has.
    #[schema(example = 3, default = 1, minimum = 1, maximum = 512)]
    window: usize,
    /// Parts from the start of one window to that of the next, 1 to `window`.
    #[schema(example = 1, default = 1, minimum = 1, maximum = 512)]
    stride: usize,
    /// The parts that windows are made of; null for those that scores are asked for.
    #[schema(example = "word", default = json!(null))]
    unit: Option<Granularity>,
    /// What takes the place of a part that is covered.
    #[schema(default = "mask")]
    replacement: Replacement,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            window: 1,
            stride: 1,
            unit: None,
            replacement: Replacement::default(),
            output: Output::default(),
        }
    }
}

const WIDEST: usize = 512;

impl AttributionMethod for Occlusion {
    const ID: &'static str = "occlusion";
    const NAME: &'static str = "Occlusion";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Perturbation;
    const SUMMARY: &'static str = "What the output loses when a window that slides over the text covers a word: the mean over the windows that do.";
    const FORMULA: &'static str = "φ_i = mean of v(N) − v(N \\ W) over the windows W that cover part i, for the output v of the text with the given parts, and all parts N";
    const EFFORT: &'static str = "One forward pass a window, for all classes together.";
    const CAUTION: &'static str = "Wide windows smear: a word gets a share of what its neighbours do. With a window of 1, words that say the same cover for each other. The scores do not add up to anything.";
    const SOURCE: &'static str = "Zeiler & Fergus 2014, arXiv:1311.2901";
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn completed(options: Options, granularity: Granularity) -> Options {
        Options { unit: Some(unit_or(options.unit, granularity)), ..options }
    }

    fn check(options: &Options, model: &Model, granularity: Granularity) -> Result<(), OptionFault> {
        within("window", options.window, 1, WIDEST)?;
        within("stride", options.stride, 1, WIDEST)?;
        if options.stride > options.window {
            let detail = format!(
                "is {}, more than the `window` of {}: parts between two windows would get no score; use {} or less",
                options.stride, options.window, options.window
            );
            return Err(OptionFault::new("stride", detail));
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
        // The second text of a pair may have one window more than its share.
        let windows = |players: usize| players.min(players.div_ceil(options.stride) + 1);
        game::cost(options.unit.unwrap_or_default(), tokens, windows)
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
        if options.window > players {
            let detail = format!(
                "is {}, but this text has {players} parts (`unit` is `{}`); use {players} or less",
                options.window,
                unit.name()
            );
            let fault = OptionFault::new("window", detail);
            return Err(ExplainError::Option { method: Self::ID, fault });
        }
        let windows = windows(&lengths(game.players()), options.window, options.stride);
        let scores = losses(players, &windows, &mut game.worths(options.output, classes))?;
        let attribution = |(class, scores): (&usize, Vec<f64>)| {
            Estimate::exactly(scores).attribution(&game, *class, options.output)
        };
        Ok(classes.iter().zip(scores).map(attribution).collect())
    }
}

/// How many players each text of a pair has.
fn lengths(players: &Players) -> [usize; 2] {
    let of_first = (0..players.len()).filter(|player| players.segment(*player) == 0).count();
    [of_first, players.len() - of_first]
}

/// The windows over texts of these lengths, which stand one after the other. No window reaches from one text
/// into the next; the last over a text may be narrower than the others.
fn windows(lengths: &[usize], window: usize, stride: usize) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    let mut first = 0;
    for length in lengths.iter().filter(|length| **length > 0) {
        let count = 1 + length.saturating_sub(window).div_ceil(stride);
        let starts = (0..count).map(|index| index * stride);
        windows.extend(starts.map(|start| first + start..first + (start + window).min(*length)));
        first += length;
    }
    windows
}

/// What everyone is worth less what those outside a window are, its mean over the windows that cover a player:
/// `[class][player]`.
pub(super) fn losses(
    players: usize,
    windows: &[Range<usize>],
    worths: &mut Worths,
) -> Result<Vec<Vec<f64>>, ExplainError> {
    let outside = |window: &Range<usize>| (0..players).map(|player| !window.contains(&player)).collect();
    let mut coalitions = vec![vec![true; players]];
    coalitions.extend(windows.iter().map(outside).collect::<Vec<Coalition>>());
    let of_class = |worths: Vec<f64>| {
        let mean = |player: usize| {
            let covering = windows.iter().zip(&worths[1..]).filter(|(window, _)| window.contains(&player));
            let losses: Vec<f64> = covering.map(|(_, outside)| worths[0] - outside).collect();
            losses.iter().sum::<f64>() / losses.len() as f64
        };
        (0..players).map(mean).collect()
    };
    Ok(worths.of(&coalitions)?.into_iter().map(of_class).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_slide_by_the_stride_and_the_last_ends_with_its_text() {
        assert_eq!(windows(&[5, 0], 1, 1), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(windows(&[5, 0], 3, 1), [0..3, 1..4, 2..5]);
        assert_eq!(windows(&[6, 0], 3, 2), [0..3, 2..5, 4..6]);
        assert_eq!(windows(&[2, 4], 3, 3), [0..2, 2..5, 5..6]);
    }

    proptest! {
        #[test]
        fn every_part_is_covered_within_its_text_and_windows_are_no_more_than_was_said(
            first in 1usize..30, second in 0usize..30, window in 1usize..9, stride in 1usize..9,
        ) {
            let stride = stride.min(window);
            let windows = windows(&[first, second], window, stride);
            for player in 0..first + second {
                prop_assert!(windows.iter().any(|window| window.contains(&player)));
            }
            prop_assert!(windows.iter().all(|window| window.end <= first || window.start >= first));
            let options = Options { window, stride, unit: Some(Granularity::Token), ..Options::default() };
            let said = Occlusion::cost(&options, first + second + 2, 1).most.forwards;
            prop_assert!(windows.len() as u64 <= said);
        }
    }
}
