//! A global picture of a set: what a model's answers about many texts have in common, and how two such sets differ.
//!
//! Plain synchronous functions over [`Answers`], which are gone through twice or more: first everything is counted, then
//! intervals are found for what is listed. So memory goes by what is different among the answers and by what is listed,
//! not by how many there are. Definitions and their sources are in `docs/summaries.md`. [`evaluation`] holds methods against
//! each other instead; its definitions are in `docs/quality.md`.

pub mod comparison;
pub mod evaluation;
mod heads;
mod observation;
mod predictions;
mod proportion;
mod resampling;
mod set;
mod sureness;
mod tally;
#[cfg(test)]
mod tests;
mod words;

use std::convert::Infallible;
use std::ops::ControlFlow;

use serde::Serialize;
use utoipa::ToSchema;

pub use heads::{HeadMeans, StatisticMean};
pub use observation::{Class, Head, Observation, Pushes, Reading};
pub(crate) use predictions::is_right;
pub use predictions::{Agreement, LabelRows, Predictions};
pub use proportion::Share;
pub use resampling::Interval;
pub use set::{Grouped, SetSummary, Summary, summarise};
pub use sureness::UnsureRow;
pub(crate) use sureness::labels as labels_said;
pub use words::{ClassWords, Example, Word};

pub use crate::explain::faithfulness::rank::{kendall, spearman};

/// Most values of a column that a set is divided by.
pub const MOST_GROUPS: usize = 50;

/// Most words that are counted, each once for every class and every group in which it occurs: about 100 MB of them.
pub const MOST_WORDS: usize = 500_000;

/// How much of a set is told, and by how many resamples. Everything that is told is a function of these and of the
/// answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SummaryOptions)]
pub struct Options {
    /// Words (and rows with another label) that are listed, at most: 1 to 1,000.
    #[schema(example = 50, minimum = 1, maximum = 1000)]
    pub top: usize,
    /// Texts in which a word must occur to be listed: 1 to 100,000.
    #[schema(example = 3, minimum = 1, maximum = 100000)]
    pub minimum_texts: u64,
    /// Rows that are listed of those of which the model is least sure, at most: 1 to 1,000.
    #[schema(example = 20, minimum = 1, maximum = 1000)]
    pub least_sure: usize,
    /// Resamples behind every bootstrap interval: 100 to 10,000.
    #[schema(example = 1000, minimum = 100, maximum = 10000)]
    pub resamples: usize,
    /// What the resamples are drawn by.
    #[schema(example = 0, format = "uint64")]
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { top: 50, minimum_texts: 3, least_sure: 20, resamples: 1000, seed: 0 }
    }
}

/// Answers that can be gone through again and again, each looked at for what is `Seen` of it.
pub trait Answers<Seen = Observation> {
    /// Why they cannot be read.
    type Error;

    /// Shows all of them in the order of their rows, the same each time, until it is told to stop.
    ///
    /// # Errors
    /// They cannot be read.
    fn each(&self, see: &mut dyn FnMut(&Seen) -> ControlFlow<()>) -> Result<(), Self::Error>;
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError<E> {
    /// The column that the set is divided by has too many values.
    #[error("the column has more than {MOST_GROUPS} values")]
    TooManyGroups,
    /// There are more different words than are counted.
    #[error("there are more than {MOST_WORDS} different words, counted once for each class and group")]
    TooManyWords,
    /// The answers cannot be read.
    #[error("the answers cannot be read")]
    Answers(E),
}

impl<Seen> Answers<Seen> for [Seen] {
    type Error = Infallible;

    fn each(&self, see: &mut dyn FnMut(&Seen) -> ControlFlow<()>) -> Result<(), Infallible> {
        // Whether it was told to stop makes no difference to what comes after.
        let _ = self.iter().try_for_each(see);
        Ok(())
    }
}
