//! The picture of one set.

use serde::Serialize;
use utoipa::ToSchema;

use super::heads::{self, HeadPlace, STATISTICS};
use super::resampling::Resampler;
use super::tally::{Sets, Tally};
use super::words::{self, Listed};
use super::{Answers, ClassWords, HeadMeans, Options, Predictions, SummaryError, UnsureRow};

/// A set as a whole, and its groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The whole.
    pub whole: SetSummary,
    /// The groups in the order of their values; none where nothing is divided.
    pub groups: Vec<Grouped>,
}

/// A group: the rows that have one value in the column that the set is divided by.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouped {
    /// The value, as JSON text.
    pub value: String,
    /// What is told of these rows.
    pub summary: SetSummary,
}

/// What is told of some rows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSummary {
    /// Rows that have an answer or a problem.
    #[schema(example = 691)]
    pub rows: u64,
    /// Those of them that have a problem. Nothing else is counted of them.
    #[schema(example = 0)]
    pub failed: u64,
    /// What the model says.
    pub predictions: Predictions,
    /// The rows of the smallest margins, the smallest first; empty for regressions.
    #[schema(example = json!([{"row": 118, "labels": ["negative"], "margin": 0.013}]))]
    pub least_sure: Vec<UnsureRow>,
    /// The words that push, for each class that was asked about; empty where nothing is explained.
    #[schema(example = json!([]))]
    pub words: Vec<ClassWords>,
    /// What each head does, layer by layer; null unless attention was asked for.
    #[schema(required, example = json!(null))]
    pub heads: Option<Vec<HeadMeans>>,
}

/// The picture of a set, which has a name for its resamples.
///
/// # Errors
/// There are too many groups or words, or the answers cannot be read.
pub fn summarise<A: Answers + ?Sized>(
    answers: &A,
    set: &[u8; 32],
    options: &Options,
) -> Result<Summary, SummaryError<A::Error>> {
    let mut sets = Sets::count(answers, options, |_| {})?;
    let resampler = Resampler::new(set, options);
    let tallies = std::mem::take(&mut sets.tallies);
    let mut words: Vec<Vec<ClassWords>> = tallies.iter().map(|tally| listed(tally, options)).collect();
    add_intervals(answers, &sets, &resampler, &mut words).map_err(SummaryError::Answers)?;
    let heads = told_heads(answers, &sets, &resampler, &tallies).map_err(SummaryError::Answers)?;
    let told = tallies.into_iter().zip(words).zip(heads);
    let mut told: Vec<Option<SetSummary>> =
        told.map(|((tally, words), heads)| Some(SetSummary::new(tally, words, heads))).collect();
    let mut take = |place: usize| told.get_mut(place).and_then(Option::take);
    let groups = sets.groups.into_iter();
    let groups = groups.filter_map(|(value, place)| Some(Grouped { value, summary: take(place)? })).collect();
    let whole = take(0).unwrap_or_else(|| SetSummary::new(Tally::default(), Vec::new(), Vec::new()));
    Ok(Summary { whole, groups })
}

impl SetSummary {
    fn new(tally: Tally, words: Vec<ClassWords>, heads: Vec<HeadMeans>) -> Self {
        SetSummary {
            rows: tally.rows,
            failed: tally.failed,
            predictions: tally.predictions.told(),
            least_sure: tally.least_sure.into_rows(),
            words,
            heads: (!heads.is_empty()).then_some(heads),
        }
    }
}

fn listed(tally: &Tally, options: &Options) -> Vec<ClassWords> {
    let classes = tally.words.iter();
    classes.map(|(class, words)| words.listed(class.as_ref(), options.top, options.minimum_texts)).collect()
}

/// Adds to the words that are listed what only a second look at the answers shows.
fn add_intervals<A: Answers + ?Sized>(
    answers: &A,
    sets: &Sets,
    resampler: &Resampler,
    words: &mut [Vec<ClassWords>],
) -> Result<(), A::Error> {
    let mut wanted = Vec::new();
    for (set, classes) in words.iter_mut().enumerate() {
        for class in classes {
            let label = class.target.as_ref().map(|target| target.label.clone());
            for word in &mut class.words {
                wanted.push((Listed { set, label: label.clone(), word: word.word.clone() }, word));
            }
        }
    }
    for portion in wanted.chunks_mut(resampler.at_once(1)) {
        let listed: Vec<Listed> = portion.iter().map(|(listed, _)| listed.clone()).collect();
        let found = words::find(answers, &listed, resampler, |observation| sets.of(observation))?;
        for ((_, word), found) in portion.iter_mut().zip(found) {
            word.interval = found.mean.interval(word.mean, word.texts);
            word.examples = found.examples;
        }
    }
    Ok(())
}

/// What is told of the heads of each set.
fn told_heads<A: Answers + ?Sized>(
    answers: &A,
    sets: &Sets,
    resampler: &Resampler,
    tallies: &[Tally],
) -> Result<Vec<Vec<HeadMeans>>, A::Error> {
    let of_set = |(set, tally): (usize, &Tally)| -> Vec<(usize, HeadPlace)> {
        tally.heads.keys().map(|place| (set, *place)).collect()
    };
    let wanted: Vec<(usize, HeadPlace)> = tallies.iter().enumerate().flat_map(of_set).collect();
    let mut told: Vec<Vec<HeadMeans>> = tallies.iter().map(|_| Vec::new()).collect();
    for portion in wanted.chunks(resampler.at_once(STATISTICS)) {
        let found = heads::find(answers, portion, resampler, |observation| sets.of(observation))?;
        for ((set, place), resampled) in portion.iter().zip(found.chunks(STATISTICS)) {
            told[*set].extend(tallies[*set].heads.get(place).map(|totals| totals.told(*place, resampled)));
        }
    }
    Ok(told)
}
