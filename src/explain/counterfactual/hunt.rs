//! The search itself: level by level, first single changes, then combinations of them.

use std::collections::{BTreeMap, BTreeSet};

use super::budget::Budget;
use super::candidates::{COST_OF_A_NAT, Candidate, Ground, articles_fit, infilled, proposed};
use super::edit::{Edit, Edits, Notes, with};
use super::language::own_tokens;
use super::levels::{LEVELS, Level};
use super::lexis::vocabulary;
use super::ranking::{Figures, SHORTLIST};
use super::slots::Slots;
use super::trials::Trials;
use super::units::Units;
use super::{Found, Search, Strategy, pruning, ranking};
use crate::explain::{ExplainError, Subject};
use crate::model::Text;

/// Single changes that are tried at a level, beside those of a lexicon.
const SINGLES: usize = 64;

/// Combinations that are tried for each number of changes.
const COMBINATIONS: usize = 48;

/// Texts that are tried before what came of them is looked at.
const TOGETHER: usize = 16;

/// Places with a flip that make a choice wide enough.
const PLACES: usize = 10;

/// The most that a promised margin counts in a combination.
const ENOUGH: f64 = 1.5;

/// What each word more costs in a combination.
const COST_OF_A_WORD: f64 = 0.35;

/// A search under way.
struct Hunt<'a, 't> {
    ground: Ground<'a>,
    slots: Slots,
    trials: Trials<'a>,
    /// What is known of each edit that was proposed, or is part of one.
    notes: BTreeMap<Edit, Notes>,
    /// Texts that say what is wanted.
    flips: BTreeSet<Edits>,
    told: &'t mut dyn FnMut(&Found),
}

/// Searches, as [`Search::run`] says.
pub(super) fn run(
    search: &Search,
    text: Text<'_>,
    subject: &Subject,
    told: &mut dyn FnMut(&Found),
) -> Result<Found, ExplainError> {
    let units = Units::of(text, subject.text(), &search.protected);
    let slots = Slots::new(text, &units, subject, search.language.as_ref())?;
    let ground = Ground {
        search,
        subject,
        units: &units,
        margin: search.goal.margin(&subject.prediction().logits),
        vocabulary: vocabulary(subject, subject.model())?,
    };
    let trials = Trials::new(&search.goal, text, subject, &units, Budget::new(search.budget));
    let (notes, flips) = (BTreeMap::new(), BTreeSet::new());
    let mut hunt = Hunt { ground, slots, trials, notes, flips, told };
    if hunt.ground.margin <= 0.0 {
        hunt.search()?;
    }
    hunt.conclude()
}

impl Hunt<'_, '_> {
    fn search(&mut self) -> Result<(), ExplainError> {
        let mut filled = BTreeMap::new();
        for level in &LEVELS {
            if !self.is_wanted(level) {
                continue;
            }
            if self.is_enough(level) || self.trials.budget.is_over() {
                return Ok(());
            }
            self.look(level)?;
            let mut candidates = proposed(&self.ground, &mut self.slots, &mut self.trials, level)?;
            self.single(&candidates)?;
            if self.flips.len() < self.ground.search.n && self.ground.uses(Strategy::Infill) {
                let (ground, slots, trials) = (&self.ground, &self.slots, &mut self.trials);
                let filled = infilled(ground, slots, trials, level, &mut filled)?;
                self.single(&filled)?;
                candidates.extend(filled);
            }
            self.combine(&candidates, level)?;
        }
        Ok(())
    }

    /// Whether there is something at a level that was not at the last.
    fn is_wanted(&self, level: &Level) -> bool {
        match level.number {
            0 => true,
            _ if self.ground.has_no_levels() => false,
            _ => !level.any_replacement || self.ground.uses(Strategy::Substitute),
        }
    }

    /// Whether what has been found makes a looser level needless.
    fn is_enough(&self, level: &Level) -> bool {
        let wanted = if level.every_word { 1 } else { self.ground.search.n };
        self.flips.len() >= wanted
    }

    /// Looks at the units that a level may change.
    fn look(&mut self, level: &Level) -> Result<(), ExplainError> {
        if self.ground.has_no_levels() {
            return Ok(());
        }
        let (ground, budget) = (&self.ground, &mut self.trials.budget);
        let units = ground.worth_a_look(level);
        self.slots.look_at(&units, ground.units, ground.subject, &ground.search.goal, budget)?;
        let words = units.iter().map(|unit| ground.units.get(*unit).lower.as_str());
        self.trials.lean(words)?;
        self.tell();
        Ok(())
    }

    /// Tries single changes, the best first, until there is a wide choice of flips.
    fn single(&mut self, candidates: &[Candidate]) -> Result<(), ExplainError> {
        for candidate in candidates {
            self.notes.entry(candidate.edit.clone()).or_insert(candidate.notes);
        }
        // Whoever sends pairs has all of them tried.
        let is_sent = |candidate: &Candidate| candidate.notes.strategy == Strategy::Lexicon;
        let (sent, found): (Vec<&Candidate>, Vec<&Candidate>) =
            candidates.iter().partition(|candidate| is_sent(candidate));
        let best: Vec<Edits> = sent
            .into_iter()
            .chain(found.into_iter().take(SINGLES))
            .map(|candidate| vec![candidate.edit.clone()])
            .collect();
        for some in best.chunks(TOGETHER) {
            self.attempt(some)?;
            let flipped = self.flips.iter().filter(|edits| edits.len() == 1);
            let places: BTreeSet<(usize, usize)> =
                flipped.map(|edits| (edits[0].run().start, edits[0].run().end)).collect();
            if places.len() >= PLACES {
                break;
            }
        }
        Ok(())
    }

    /// Joins changes that do not suffice by themselves, one more in each round, until a round has flips.
    fn combine(&mut self, candidates: &[Candidate], level: &Level) -> Result<(), ExplainError> {
        let search = self.ground.search;
        let most = if self.ground.has_no_levels() { usize::MAX } else { level.changes };
        let most = most.min(search.max_changes);
        let edits = candidates.iter().map(|candidate| &candidate.edit);
        let tried = edits.filter(|edit| self.trials.margin(std::slice::from_ref(*edit)).is_some());
        let singles: BTreeSet<Edit> = tried.cloned().collect();
        let mut states: Vec<Edits> = singles.iter().map(|edit| vec![edit.clone()]).collect();
        for _ in 2..=most {
            if self.flips.len() >= search.n || self.trials.budget.is_over() {
                return Ok(());
            }
            let before = self.flips.len();
            // What a stricter level has tried costs nothing, and can be gone on from.
            let (tried, mut new): (Vec<Edits>, Vec<Edits>) = self
                .combinations(&states, &singles)
                .into_iter()
                .partition(|edits| self.trials.has_tried(edits));
            new.truncate(COMBINATIONS);
            for some in new.chunks(TOGETHER) {
                self.attempt(some)?;
            }
            if self.flips.len() > before {
                return Ok(());
            }
            let readable = tried.into_iter().chain(new).filter(|edits| self.trials.margin(edits).is_some());
            states = readable.collect();
            states.sort_by(|a, b| self.standing(b).total_cmp(&self.standing(a)).then_with(|| a.cmp(b)));
            states.truncate(2 * search.beam);
        }
        Ok(())
    }

    /// All states that fall short with one change more, the most promising first.
    fn combinations(&self, states: &[Edits], singles: &BTreeSet<Edit>) -> Vec<Edits> {
        let mut scores: BTreeMap<Edits, f64> = BTreeMap::new();
        for state in states.iter().filter(|state| !self.trials.is_flip(state)) {
            for edit in singles {
                let goes = state.iter().all(|other| {
                    other.goes_with(edit, self.ground.units)
                        && (self.may_repeat(edit) || !other.repeats(edit))
                });
                if !goes || self.trials.is_flip(std::slice::from_ref(edit)) {
                    continue;
                }
                let joined = with(state, edit);
                if !articles_fit(self.ground.units, &joined) {
                    continue;
                }
                let promise = self.promise(state, edit);
                let score = promise.min(ENOUGH) - self.cost(&joined);
                let best = scores.entry(joined).or_insert(score);
                *best = best.max(score);
            }
        }
        let mut ordered: Vec<(Edits, f64)> = scores.into_iter().collect();
        ordered.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        ordered.into_iter().map(|(edits, _)| edits).collect()
    }

    /// Whether the same words may come at several places: pairs of the request are for every occurrence.
    fn may_repeat(&self, edit: &Edit) -> bool {
        self.notes.get(edit).is_some_and(|notes| notes.strategy == Strategy::Lexicon)
    }

    /// The margin of a state with one change more, if what each does adds up.
    fn promise(&self, state: &[Edit], edit: &Edit) -> f64 {
        let margin = |edits: &[Edit]| self.trials.margin(edits).unwrap_or(self.ground.margin);
        margin(state) + margin(std::slice::from_ref(edit)) - self.ground.margin
    }

    /// What changes cost in margin: by how they read, and by the words that they take beyond one each.
    fn cost(&self, edits: &[Edit]) -> f64 {
        let words: usize = edits.iter().map(|edit| edit.words() - 1).sum();
        self.cost_of_reading(edits) + COST_OF_A_WORD * words as f64
    }

    fn cost_of_reading(&self, edits: &[Edit]) -> f64 {
        let nats = edits.iter().filter_map(|edit| self.notes.get(edit)).map(|notes| notes.unlikeliness);
        COST_OF_A_NAT * nats.sum::<f64>()
    }

    /// How good a state is to go on from.
    fn standing(&self, edits: &[Edit]) -> f64 {
        self.trials.margin(edits).unwrap_or(f64::NEG_INFINITY) - self.cost_of_reading(edits)
    }

    /// Tries some texts, and tells of it.
    fn attempt(&mut self, some: &[Edits]) -> Result<(), ExplainError> {
        self.trials.run(some)?;
        let before = self.flips.len();
        self.flips.extend(some.iter().filter(|edits| self.trials.is_flip(edits)).cloned());
        if self.flips.len() > before {
            self.keep_back();
        }
        self.tell();
        Ok(())
    }

    /// Tells what there is so far.
    fn tell(&mut self) {
        let found = Figures::new(&self.ground, &self.trials, &self.notes).cheaply(&self.flips);
        (self.told)(&found);
    }

    /// Keeps back what the figures of the flips there are will take: how fluent each text is, and the original.
    fn keep_back(&mut self) {
        let Some(reading) = &self.slots.reading else { return };
        let (own, unknown) = (own_tokens(&reading.encoded), reading.unknown().len());
        let texts = self.flips.len().min(self.ground.search.n);
        self.trials.budget.keep_back(texts * own.len() + unknown);
    }

    /// Prunes and ranks what there is.
    fn conclude(mut self) -> Result<Found, ExplainError> {
        let figures = Figures::new(&self.ground, &self.trials, &self.notes);
        let mut pruned = BTreeMap::new();
        for edits in figures.shortlist(&self.flips, 2 * SHORTLIST) {
            let (edits, is_minimal) =
                pruning::pruned(&self.ground, &mut self.trials, &mut self.notes, edits)?;
            *pruned.entry(edits).or_insert(is_minimal) |= is_minimal;
        }
        let found = ranking::ranked(&self.ground, &mut self.slots, &mut self.trials, &self.notes, &pruned)?;
        (self.told)(&found);
        Ok(found)
    }
}
