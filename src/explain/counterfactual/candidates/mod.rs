//! Changes that are worth trying, a file for each place that they come from.

mod antonym;
mod delete;
mod fits;
mod hotflip;
mod infill;
mod lexicon;
mod random;
mod substitute;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::edit::{Edit, Notes};
use super::english;
use super::levels::Level;
use super::lexis::Entry;
use super::slots::Slots;
use super::trials::Trials;
use super::units::Units;
use super::{Search, Strategy};
use crate::explain::{ExplainError, Subject};

pub(super) use delete::is_beginning;
pub(super) use fits::{articles_fit, deletion_fits};
pub(super) use infill::candidates as infilled;

/// What a unit of unlikeliness, a nat, costs in margin.
pub(super) const COST_OF_A_NAT: f64 = 0.35;

/// The most that a promised margin counts: beyond the boundary there is nothing to win.
const ENOUGH: f64 = 1.0;

/// What a contrast counts as where leanings mean nothing.
const NO_CONTRAST: f64 = 0.5;

/// Words of an opposite meaning could not contrast more.
const FULL_CONTRAST: f64 = 1.0;

/// Candidates that one place keeps.
const PER_UNIT: usize = 8;

/// A change, with what it promises.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub edit: Edit,
    pub notes: Notes,
    /// Higher is better.
    pub score: f64,
}

/// What candidates are made of.
pub(super) struct Ground<'a> {
    pub search: &'a Search,
    pub subject: &'a Subject,
    pub units: &'a Units,
    /// The original's margin.
    pub margin: f64,
    /// The words of the model that is asked.
    pub vocabulary: Arc<Vec<Entry>>,
}

impl Ground<'_> {
    /// Whether a strategy was asked for.
    pub fn uses(&self, strategy: Strategy) -> bool {
        self.search.strategies.contains(&strategy)
    }

    /// Whether nothing was asked for but what knows no strictness and looks at no places: controls, and pairs of the request.
    pub fn has_no_levels(&self) -> bool {
        let knows_none = |strategy: &Strategy| {
            matches!(strategy, Strategy::Lexicon | Strategy::Hotflip | Strategy::Random)
        };
        self.search.strategies.iter().all(knows_none)
    }

    /// The units that are worth masking at a level.
    pub fn worth_a_look(&self, level: &Level) -> Vec<usize> {
        let is_worth = |unit: &usize| {
            let lower = &self.units.get(*unit).lower;
            let is_known = !english::opposites(lower).is_empty() || english::is_degree_word(lower);
            self.units.is_touchable(*unit, level.every_word)
                || (is_known && self.units.is_free(&(*unit..*unit + 1)))
        };
        (0..self.units.len()).filter(is_worth).collect()
    }

    /// How much more new words lean than a run: the most of any of them, less the least of the run.
    pub fn contrast(&self, trials: &Trials<'_>, run: &Range<usize>, words: &str) -> Option<f64> {
        if !trials.has_leanings() {
            return Some(NO_CONTRAST);
        }
        let leanings = words.split_whitespace().filter_map(|word| trials.leaning(word));
        Some(leanings.reduce(f64::max)? - self.leaning_of(trials, run)?)
    }

    /// How a run leans: as the unit of it that leans the least.
    pub fn leaning_of(&self, trials: &Trials<'_>, run: &Range<usize>) -> Option<f64> {
        let units = run.clone().filter_map(|unit| trials.leaning(&self.units.get(unit).lower));
        units.reduce(f64::min)
    }
}

/// A score of its promise, its cost and its contrast.
fn score(estimate: f64, unlikeliness: f64, contrast: f64) -> f64 {
    estimate.min(ENOUGH) - COST_OF_A_NAT * unlikeliness + contrast
}

/// All candidates of a level but those that are filled in, the best first, each once.
///
/// # Errors
/// Those of the crew; [`ExplainError::NotFinite`].
pub(super) fn proposed(
    ground: &Ground<'_>,
    slots: &mut Slots,
    trials: &mut Trials<'_>,
    level: &Level,
) -> Result<Vec<Candidate>, ExplainError> {
    let mut candidates = Vec::new();
    if ground.uses(Strategy::Lexicon) {
        candidates.extend(lexicon::candidates(ground, slots));
    }
    if ground.uses(Strategy::Antonym) {
        candidates.extend(antonym::candidates(ground, slots));
    }
    if ground.uses(Strategy::Substitute) {
        candidates.extend(substitute::candidates(ground, slots, trials, level)?);
    }
    if ground.uses(Strategy::Delete) {
        candidates.extend(delete::candidates(ground, slots, trials, level));
    }
    if ground.uses(Strategy::Hotflip) {
        candidates.extend(hotflip::candidates(ground, slots, trials)?);
    }
    if ground.uses(Strategy::Random) {
        candidates.extend(random::candidates(ground));
    }
    Ok(in_order(candidates))
}

/// The best first, each edit once.
pub(super) fn in_order(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut best: BTreeMap<Edit, Candidate> = BTreeMap::new();
    for candidate in candidates {
        let is_better =
            best.get(&candidate.edit).is_none_or(|known| candidate.score.total_cmp(&known.score).is_gt());
        if is_better {
            best.insert(candidate.edit.clone(), candidate);
        }
    }
    let mut ordered: Vec<Candidate> = best.into_values().collect();
    ordered.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.edit.cmp(&b.edit)));
    ordered
}
