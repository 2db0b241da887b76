//! How much may change: bounds that a gate checks.

use std::fmt;

use serde::Serialize;

use crate::cli::CommandError;
use crate::summary::comparison::Comparison;

/// Something that may change, but not too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Figure {
    /// The share of rows that have another label, 0 to 1.
    Flips,
    /// The rank correlation of the words' pushes, in the class where it is lowest: −1 to 1.
    Spearman,
    /// The accuracy before less that after, −1 to 1.
    AccuracyDrop,
}

/// How much something may change: the most, or for a correlation the least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    figure: Figure,
    bound: f64,
}

/// A bound beside what was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Checked {
    figure: Figure,
    bound: f64,
    /// None where there is nothing to measure: no labels, or no words in enough texts.
    found: Option<f64>,
    holds: bool,
}

impl Figure {
    const ALL: [Figure; 3] = [Figure::Flips, Figure::Spearman, Figure::AccuracyDrop];

    fn name(self) -> &'static str {
        match self {
            Figure::Flips => "flips",
            Figure::Spearman => "spearman",
            Figure::AccuracyDrop => "accuracy-drop",
        }
    }

    /// The smallest that it can be. The largest is 1.
    fn least(self) -> f64 {
        match self {
            Figure::Flips => 0.0,
            Figure::Spearman | Figure::AccuracyDrop => -1.0,
        }
    }

    fn found(self, comparison: &Comparison) -> Option<f64> {
        match self {
            Figure::Flips => Some(comparison.flips.as_ref()?.share?.share),
            Figure::Spearman => {
                comparison.words.iter().filter_map(|class| class.spearman).min_by(f64::total_cmp)
            }
            Figure::AccuracyDrop => comparison.accuracy_drop,
        }
    }

    /// How far a figure is beyond a bound; 0 or less if it is not.
    fn excess(self, found: f64, bound: f64) -> f64 {
        match self {
            Figure::Flips | Figure::AccuracyDrop => found - bound,
            Figure::Spearman => bound - found,
        }
    }

    /// Why it may not be there.
    fn missing(self) -> &'static str {
        match self {
            Figure::Flips => "there are no rows with labels from both models",
            Figure::Spearman => "no class has two words that are in enough texts and differ",
            Figure::AccuracyDrop => "the data have no labels that both models know",
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads `figure=number`.
pub(super) fn parse(argument: &str) -> Result<Bound, String> {
    let known = || Figure::ALL.map(Figure::name).join(", ");
    let (name, number) = argument
        .split_once('=')
        .ok_or_else(|| format!("`{argument}` is not of the form FIGURE=NUMBER; figures are {}", known()))?;
    let figure = Figure::ALL.into_iter().find(|figure| figure.name() == name);
    let figure = figure.ok_or_else(|| format!("there is no figure `{name}`; use one of {}", known()))?;
    let bound = number.parse::<f64>().ok().filter(|bound| (figure.least()..=1.0).contains(bound));
    let least = figure.least();
    let bound = bound
        .ok_or_else(|| format!("the bound of {name} is `{number}`; expected a number from {least} to 1"))?;
    Ok(Bound { figure, bound })
}

/// Refuses two bounds of one figure.
pub(super) fn check_each_is_there_once(bounds: &[Bound]) -> Result<(), CommandError> {
    let count = |figure| bounds.iter().filter(|bound| bound.figure == figure).count();
    match Figure::ALL.into_iter().find(|figure| count(*figure) > 1) {
        None => Ok(()),
        Some(figure) => {
            Err(CommandError::usage(format!("--fail-over: the bound of {figure} is given twice")))
        }
    }
}

impl Checked {
    /// What was found beside a bound. What cannot be measured does not hold: a gate that sees nothing stays shut.
    pub fn new(Bound { figure, bound }: Bound, comparison: &Comparison) -> Self {
        let found = figure.found(comparison);
        let holds = found.is_some_and(|found| figure.excess(found, bound) <= 0.0);
        Checked { figure, bound, found, holds }
    }

    /// In a line.
    pub fn told(&self) -> String {
        let Checked { figure, bound, .. } = self;
        let (within, beyond) = match figure {
            Figure::Flips | Figure::AccuracyDrop => ("within", "over"),
            Figure::Spearman => ("not below", "below"),
        };
        match (self.found, self.holds) {
            (None, _) => format!("{figure} cannot be told: {}", figure.missing()),
            (Some(found), true) => format!("{figure} is {found:.4}, {within} {bound}"),
            (Some(found), false) => {
                let excess = figure.excess(found, *bound);
                format!("{figure} is {found:.4}, {beyond} {bound} by {excess:.4}")
            }
        }
    }

    /// The same, if it does not hold.
    pub fn complaint(&self) -> Option<String> {
        (!self.holds).then(|| self.told())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::comparison::{Named, compare};
    use crate::summary::{Observation, Options};

    #[test]
    fn bounds_are_read_strictly() {
        assert_eq!(parse("flips=0.02"), Ok(Bound { figure: Figure::Flips, bound: 0.02 }));
        assert_eq!(parse("spearman=-0.5"), Ok(Bound { figure: Figure::Spearman, bound: -0.5 }));
        assert_eq!(parse("accuracy-drop=0"), Ok(Bound { figure: Figure::AccuracyDrop, bound: 0.0 }));
        for argument in ["flips", "flip=0.1", "flips=", "flips=-0.1", "flips=1.5", "spearman=nan", "flips=2%"]
        {
            assert!(parse(argument).is_err(), "{argument}");
        }
        let twice = [parse("flips=0.1").unwrap(), parse("flips=0.2").unwrap()];
        assert!(check_each_is_there_once(&twice).is_err() && check_each_is_there_once(&twice[..1]).is_ok());
    }

    #[test]
    fn a_correlation_is_bounded_from_below_and_the_others_from_above() {
        for (figure, found, bound, excess) in [
            (Figure::Flips, 0.03, 0.02, 0.01),
            (Figure::AccuracyDrop, -0.01, 0.0, -0.01),
            (Figure::Spearman, 0.8, 0.9, 0.1),
            (Figure::Spearman, 0.95, 0.9, -0.05),
        ] {
            assert!((figure.excess(found, bound) - excess).abs() < 1e-12, "{figure} {found}");
        }
    }

    #[test]
    fn what_cannot_be_measured_does_not_hold() {
        let nothing: [Observation; 0] = [];
        let named = || Named { texts: [0; 32], answers: &nothing[..] };
        let comparison = compare(&named(), &named(), &Options::default()).unwrap().whole;
        for figure in Figure::ALL {
            let checked = Checked::new(Bound { figure, bound: figure.least() }, &comparison);
            assert!(checked.complaint().is_some_and(|told| told.contains("cannot be told")), "{checked:?}");
        }
    }
}
