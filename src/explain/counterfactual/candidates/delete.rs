//! Words that are taken out.

use std::ops::Range;

use super::fits::deletion_fits;
use super::{Candidate, ENOUGH, Ground, NO_CONTRAST, in_order};
use crate::explain::counterfactual::edit::{Edit, Notes};
use crate::explain::counterfactual::levels::Level;
use crate::explain::counterfactual::slots::Slots;
use crate::explain::counterfactual::trials::Trials;
use crate::explain::counterfactual::{Strategy, english};

/// Words that a run begins with that can be taken out as a whole.
const BEGINNINGS: [&str; 8] = ["and", "but", "or", "not", "with", "without", "for", "despite"];

/// Single words that are as easily missed as those of degree.
const TURNING: [&str; 4] = ["just", "never", "not", "only"];

/// The longest of those runs.
const LONGEST: usize = 4;

/// How many of those runs are kept.
const RUNS: usize = 8;

/// The longest run of any words.
const LONGEST_OF_ANY: usize = 3;

/// What a text loses in fluency by each kind, in nats.
const UNLIKELINESS: f64 = 2.0;
const UNLIKELINESS_OF_A_RUN: f64 = 3.0;

/// How much less a kind is worth than a word in the place of another.
const COST_OF_AN_ADVERB: f64 = 0.3;
const COST_OF_A_RUN: f64 = 1.0;
const COST_OF_A_WORD: f64 = 1.2;

/// A word that leans like this is no loss, so to take it out contrasts with nothing; and what is gone speaks for nothing.
const NO_LOSS: f64 = 0.9;
const SILENCE: f64 = 0.3;

/// Single words that modify what follows, and runs that hang on what is before; from a loose level on, anything.
pub(super) fn candidates(
    ground: &Ground<'_>,
    slots: &Slots,
    trials: &Trials<'_>,
    level: &Level,
) -> Vec<Candidate> {
    let (units, all) = (ground.units, 0..ground.units.len());
    let fits = |run: &Range<usize>| units.is_free(run) && deletion_fits(units, run);
    let mut candidates = Vec::new();
    for unit in all.filter(|unit| fits(&(*unit..*unit + 1))) {
        if let Some(cost) = cost_of(ground, unit, level) {
            candidates.push(candidate(ground, slots, trials, unit..unit + 1, (cost, UNLIKELINESS)));
        }
    }
    let hanging = (2..=LONGEST).flat_map(|length| units.runs(length)).filter(|run| hangs(ground, run));
    let cost = (COST_OF_A_RUN, UNLIKELINESS_OF_A_RUN);
    let hanging = hanging.filter(fits).map(|run| candidate(ground, slots, trials, run, cost)).collect();
    candidates.extend(in_order(hanging).into_iter().take(RUNS));
    if level.every_word {
        let longer = (2..=LONGEST_OF_ANY).flat_map(|length| units.runs(length)).filter(fits);
        candidates.extend(longer.map(|run| candidate(ground, slots, trials, run, cost)));
    }
    candidates
}

/// What it costs to take out a single word; none for one that has to stay.
fn cost_of(ground: &Ground<'_>, unit: usize, level: &Level) -> Option<f64> {
    let units = ground.units;
    let lower = &units.get(unit).lower;
    let is_touchable = units.is_touchable(unit, false);
    let modifies = || {
        unit + 1 < units.len()
            && units.is_touchable(unit + 1, false)
            && units.gap(unit).is_some_and(|gap| gap == " ")
    };
    match () {
        () if english::is_degree_word(lower) || TURNING.contains(&lower.as_str()) => Some(COST_OF_AN_ADVERB),
        () if is_touchable && lower.ends_with("ly") => Some(COST_OF_AN_ADVERB),
        () if is_touchable && modifies() => Some(COST_OF_A_WORD),
        () if level.every_word => Some(COST_OF_A_WORD),
        () => None,
    }
}

/// Whether a run begins with a joining word and ends where its phrase does.
fn hangs(ground: &Ground<'_>, run: &Range<usize>) -> bool {
    let units = ground.units;
    BEGINNINGS.contains(&units.get(run.start).lower.as_str())
        && units.is_touchable(run.end - 1, false)
        && units.gap(run.end - 1).is_none_or(|gap| gap != " ")
        && !units.written(run.start, units.span(run)).contains('.')
}

/// Whether a unit is a joining word: what hangs on it goes first.
pub(in crate::explain::counterfactual) fn is_beginning(word: &str) -> bool {
    BEGINNINGS.contains(&word)
}

fn candidate(
    ground: &Ground<'_>,
    slots: &Slots,
    trials: &Trials<'_>,
    run: Range<usize>,
    (cost, unlikeliness): (f64, f64),
) -> Candidate {
    let estimate = match run.len() {
        1 => ground.margin + slots.gain(run.start, ground.margin),
        _ => ground.margin + run.clone().map(|unit| slots.gain(unit, ground.margin).max(0.0)).sum::<f64>(),
    };
    let leaning = ground.leaning_of(trials, &run);
    let contrast = leaning.map_or(NO_CONTRAST, |leaning| (NO_LOSS - leaning).max(0.0) - SILENCE);
    let notes = Notes { strategy: Strategy::Delete, unlikeliness, contrast };
    Candidate { edit: Edit::deleting(run), notes, score: estimate.min(ENOUGH) - cost }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::explain::Subject;
    use crate::explain::counterfactual::budget::Budget;
    use crate::explain::counterfactual::edit::edited;
    use crate::explain::counterfactual::levels::LEVELS;
    use crate::explain::counterfactual::lexis::vocabulary;
    use crate::explain::counterfactual::units::Units;
    use crate::explain::counterfactual::{Goal, Search};
    use crate::explain::crew::Alone;
    use crate::model::{Keep, Model, Text};

    /// What is left after each deletion of a level.
    fn left(text: &str, level: usize) -> BTreeSet<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
        let model = Arc::new(Model::load("three-labels", &path).unwrap());
        let text = Text { first: text, second: None };
        let encoded = model.encode(text, false).unwrap();
        let subject = Subject::new(model.clone(), encoded, Keep::Outputs, Arc::new(Alone)).unwrap();
        let search = Search {
            goal: Goal::other(subject.prediction()).unwrap(),
            strategies: vec![Strategy::Delete],
            lexicon: Vec::new(),
            protected: Vec::new(),
            max_changes: 1,
            n: 1,
            beam: 1,
            budget: 0,
            seed: 0,
            language: None,
        };
        let units = Units::of(text, subject.text(), &[]);
        let slots = Slots::new(text, &units, &subject, None).unwrap();
        let trials = Trials::new(&search.goal, text, &subject, &units, Budget::new(0));
        let vocabulary = vocabulary(&subject, &model).unwrap();
        let ground = Ground { search: &search, subject: &subject, units: &units, margin: 0.0, vocabulary };
        let candidates = candidates(&ground, &slots, &trials, &LEVELS[level]);
        candidates.into_iter().map(|candidate| edited(text, &units, &[candidate.edit]).0).collect()
    }

    fn texts<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
        texts.map(str::to_owned).into()
    }

    #[test]
    fn adverbs_modifiers_and_runs_that_hang_on_what_is_before_are_taken_out() {
        assert_eq!(
            left("a terribly funny film, but not good.", 0),
            texts([
                "a funny film, but not good.",
                "a terribly film, but not good.",
                "a terribly funny film, but good.",
                "a terribly funny film.",
                "a terribly funny film, but.",
            ])
        );
    }

    #[test]
    fn an_article_keeps_the_sound_that_it_goes_with() {
        assert!(!left("an old film", 0).contains("an film"));
        assert!(!left("an old film", 2).contains("an film"));
        assert!(left("a good film", 0).contains("a film"));
    }

    #[test]
    fn at_a_loose_level_any_run_of_three_words_may_go() {
        let left = left("it was not a good film", 2);
        for text in ["was not a good film", "it was not a good", "it was good film", "it was film"] {
            assert!(left.contains(text), "{text} of {left:?}");
        }
        assert!(!left.contains("it film"));
    }
}
