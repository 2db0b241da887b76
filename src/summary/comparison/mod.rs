//! How two sets of answers differ: those of two models about the same texts, or those of one model about two sets of
//! texts.

mod flips;
mod words;

use serde::Serialize;
use utoipa::ToSchema;

pub use flips::{Flip, Flips, Verdict};
pub use words::{ChangedWord, ClassComparison};

use super::resampling::Resampler;
use super::tally::{Sets, Tally};
use super::{Answers, Options, Predictions, SummaryError};
use flips::Verdicts;

/// A set of answers with the name of the texts they are about: answers about the same texts, row by row, have the same
/// name.
pub struct Named<'a, A: ?Sized> {
    /// The name.
    pub texts: [u8; 32],
    /// The answers.
    pub answers: &'a A,
}

/// How two sets differ as wholes, and how their groups do.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The wholes.
    pub whole: Comparison,
    /// The groups that both have, in the order of their values; none where nothing is divided.
    pub groups: Vec<GroupedComparison>,
}

/// How two groups of one value differ.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupedComparison {
    /// The value, as JSON text.
    pub value: String,
    /// How they differ.
    pub comparison: Comparison,
}

/// How two sets of answers differ, from the first to the second.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The first set.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// The words of each class that both have, compared by label; empty where either explains nothing.
    #[schema(example = json!([]))]
    pub words: Vec<ClassComparison>,
    /// The rows that have another label; null unless both are about the same texts, and for regressions.
    #[schema(required)]
    pub flips: Option<Flips>,
    /// The accuracy of the first less that of the second; null unless both have one.
    #[schema(required, example = -0.004, minimum = -1, maximum = 1)]
    pub accuracy_drop: Option<f64>,
}

/// One of the two sets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ComparedSide)]
pub struct Side {
    /// Rows that have an answer or a problem.
    #[schema(example = 691)]
    pub rows: u64,
    /// Those of them that have a problem. Nothing else is counted of them.
    #[schema(example = 0)]
    pub failed: u64,
    /// What the model says.
    pub predictions: Predictions,
}

/// Compares two sets of answers.
///
/// # Errors
/// There are too many groups or words, or the answers cannot be read.
pub fn compare<A, B>(
    a: &Named<'_, A>,
    b: &Named<'_, B>,
    options: &Options,
) -> Result<Compared, SummaryError<A::Error>>
where
    A: Answers + ?Sized,
    B: Answers<Error = A::Error> + ?Sized,
{
    let are_same_texts = a.texts == b.texts;
    let mut verdicts = Verdicts::default();
    let first = Sets::count(a.answers, options, |observation| {
        if are_same_texts {
            verdicts.add_first(observation);
        }
    })?;
    let second = Sets::count(b.answers, options, |observation| {
        if are_same_texts {
            verdicts.add_second(observation, first.of(observation));
        }
    })?;
    let common = first.groups.iter().filter_map(|(value, a)| Some((value, [*a, *second.groups.get(value)?])));
    let common: Vec<(&String, [usize; 2])> = common.collect();
    let mut pairs = vec![[0, 0]];
    pairs.extend(common.iter().map(|(_, pair)| *pair));
    let resamplers = [a.texts, b.texts].map(|texts| Resampler::new(&texts, options));
    let words = words::compare(a.answers, b.answers, [&first, &second], &pairs, &resamplers, options);
    let mut words = words.map_err(SummaryError::Answers)?.into_iter();
    let mut told = |[of_first, of_second]: [usize; 2]| {
        let sides = [&first.tallies[of_first], &second.tallies[of_second]].map(Side::of);
        let flips = are_same_texts.then(|| verdicts.flips(of_first, options.top));
        // There are those of every pair, in their order.
        Comparison::new(sides, words.next().unwrap_or_default(), flips)
    };
    let whole = told([0, 0]);
    let of_value = |(value, pair): &(&String, [usize; 2])| GroupedComparison {
        value: (*value).clone(),
        comparison: told(*pair),
    };
    Ok(Compared { whole, groups: common.iter().map(of_value).collect() })
}

impl Comparison {
    fn new([a, b]: [Side; 2], words: Vec<ClassComparison>, flips: Option<Flips>) -> Self {
        let accuracy = |side: &Side| Some(side.predictions.agreement?.accuracy?.share);
        let accuracy_drop = accuracy(&a).zip(accuracy(&b)).map(|(before, after)| before - after);
        let has_labels = |side: &Side| !side.predictions.labels.is_empty();
        let flips = flips.filter(|_| has_labels(&a) && has_labels(&b));
        Comparison { a, b, words, flips, accuracy_drop }
    }
}

impl Side {
    fn of(tally: &Tally) -> Self {
        Side { rows: tally.rows, failed: tally.failed, predictions: tally.predictions.told() }
    }
}
