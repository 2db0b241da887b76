//! Texts near to one, of which the model says something else.
//!
//! A search in the space of small edits, guided by gradients at masked words and by what a masked LM expects there; every
//! text that is told of has had a forward pass of its own. The idea of a minimal edit that flips a decision is that of MiCE
//! (Ross et al. 2021, arXiv:2012.13985), the guided substitutions are those of HotFlip (Ebrahimi et al. 2018,
//! arXiv:1712.06751) kept to what a masked LM finds likely, as in BERT-Attack (Li et al. 2020, arXiv:2004.09984).

mod budget;
mod candidates;
mod edit;
pub mod english;
pub mod figures;
mod fluency;
pub mod goal;
mod hunt;
pub mod language;
mod levels;
mod lexis;
mod pruning;
mod ranking;
mod slots;
#[cfg(test)]
mod tests;
mod trials;
mod units;

pub use goal::Goal;
pub use language::LanguageModel;

use super::method::ExplainError;
use super::rewriting::Rewrite;
use super::subject::Subject;
use crate::model::{Prediction, Text};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where changes come from: `substitute` (words that the gradient points at and the masked LM expects), `infill` (the
/// masked LM fills in the most important spans), `delete` (words are taken out), `lexicon` (pairs of the request), `antonym`
/// (a list of English opposites that comes with the program), and two controls: `hotflip` (any word that the gradient points
/// at) and `random` (random words at random places).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "substitute")]
pub enum Strategy {
    /// Words that the gradient points at and the masked LM expects.
    Substitute,
    /// The masked LM fills in the most important spans.
    Infill,
    /// Words are taken out.
    Delete,
    /// Pairs of the request.
    Lexicon,
    /// English opposites.
    Antonym,
    /// Control: any word that the gradient points at.
    Hotflip,
    /// Control: random words at random places.
    Random,
}

/// What is searched for, and how.
pub struct Search {
    /// What the model is to say.
    pub goal: Goal,
    /// Where changes come from; at least one.
    pub strategies: Vec<Strategy>,
    /// Pairs of the request, for [`Strategy::Lexicon`].
    pub lexicon: Vec<LexiconPair>,
    /// Words that stay, compared without case; where an entry is several words, they stay where they stand together.
    pub protected: Vec<String>,
    /// The most changes of one text, from 1.
    pub max_changes: usize,
    /// How many counterfactuals are wanted, from 1.
    pub n: usize,
    /// Half as many combinations as are carried on from one number of changes to the next.
    pub beam: usize,
    /// The most forward passes; a way back counts as two.
    pub budget: usize,
    /// What [`Strategy::Random`] draws from.
    pub seed: u64,
    /// Who fills in words and judges fluency, if anyone.
    pub language: Option<LanguageModel>,
}

/// Words in exchange for which others stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LexiconPair {
    /// One word or several, compared without case.
    pub from: String,
    /// What takes their place.
    pub to: String,
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// At most as many as were wanted, the best first.
    pub counterfactuals: Vec<Counterfactual>,
    /// Where there are none, the text of all that were tried that came closest.
    pub closest_miss: Option<Counterfactual>,
    /// The pseudo-perplexity of the original; none without a language model.
    pub fluency_before: Option<f64>,
    /// Passes over the text that it took; a way back counts as two, and other texts by their lengths.
    pub forwards: usize,
    /// Whether the budget ended the search.
    pub spent: bool,
}

/// A text near to the original.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterfactual {
    /// The text, or the first of a pair.
    pub first: String,
    /// The second text of a pair.
    pub second: Option<String>,
    /// In the order of the original.
    pub changes: Vec<Change>,
    /// What the model says of it, by a forward pass of its own.
    pub prediction: Prediction,
    /// Whether that is what was wanted.
    pub flipped: bool,
    /// Whether no single change can be undone without losing the flip, as far as that has been tried.
    pub minimal: bool,
    /// Words that were inserted, deleted or replaced, by the number of words of the original.
    pub edit_distance: f64,
    /// The cosine of the mean word embeddings of both texts.
    pub closeness: f64,
    /// Its pseudo-perplexity; none without a language model.
    pub fluency: Option<f64>,
}

/// A change to the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is changed, and to what.
    pub rewrite: Rewrite,
    /// What stood there.
    pub from: String,
    /// Where it comes from.
    pub strategy: Strategy,
}

impl Search {
    /// Searches. `told` is called after every step: with what has been found so far, ranked cheaply, and at the end with what
    /// is returned.
    ///
    /// The subject is the original, whole and through the network that is asked.
    ///
    /// # Errors
    /// Those of the crew; [`ExplainError::NotFinite`].
    pub fn run(
        &self,
        text: Text<'_>,
        subject: &Subject,
        told: &mut dyn FnMut(&Found),
    ) -> Result<Found, ExplainError> {
        hunt::run(self, text, subject, told)
    }
}
