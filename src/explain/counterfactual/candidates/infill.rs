//! Spans that the masked LM fills in anew, drawn towards the goal by the gradient. Words are filled in from the right: in
//! English the head of a phrase comes last, and the rest agrees with it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::fits::fits;
use super::{Candidate, Ground, NO_CONTRAST, in_order};
use crate::explain::ExplainError;
use crate::explain::counterfactual::edit::{Edit, Notes};
use crate::explain::counterfactual::language::Blank;
use crate::explain::counterfactual::levels::Level;
use crate::explain::counterfactual::lexis::{Entry, embedding};
use crate::explain::counterfactual::slots::{Reading, Slot, Slots};
use crate::explain::counterfactual::trials::Trials;
use crate::explain::counterfactual::units::is_grammatical;
use crate::explain::counterfactual::{Strategy, english};
use crate::model::Model;

/// The longest span.
const LONGEST: usize = 3;

/// Spans that are filled in at the strictest level, and at all others.
const SPANS: usize = 5;
const SPANS_LATER: usize = 10;

/// Fillings that are carried on from word to word.
const BEAM: usize = 4;

/// How much less likely than the best a word may be, in nats.
const DROP: f64 = 3.5;

/// What a promised margin is worth against likelihood, in nats.
const PULL: f64 = 0.5;

/// Words besides touchable ones that a span may begin with: they turn what follows.
const TURNING: [&str; 7] = ["not", "no", "too", "never", "so", "less", "more"];

/// What is taken for a filling before it is tried, and what a nat of its likelihood adds.
const SCORE: f64 = -0.2;
const SCORE_OF_A_NAT: f64 = 0.1;

/// How unlikely each word of it is taken to be, in nats.
const UNLIKELINESS_OF_A_WORD: f64 = 2.0;

/// How much some word of it has to lean at the strictest level, and how much less at each level more.
const LEANING: f64 = 0.75;
const LEANING_LESS: f64 = 0.2;

/// Spans that have been filled in, by where they stand.
pub(in crate::explain::counterfactual) type Filled = BTreeMap<(usize, usize), Vec<Filling>>;

/// Words in the place of a span.
#[derive(Debug, Clone)]
pub(in crate::explain::counterfactual) struct Filling {
    /// None for those that are not filled in yet.
    words: Vec<Option<(u32, Arc<str>)>>,
    /// The likelihood, in nats, with what pulls at it.
    score: f64,
}

/// A span under way, with so many masks.
struct Work {
    run: Range<usize>,
    fillings: Vec<Filling>,
    masks: usize,
}

/// The spans that matter most to the model, filled in.
///
/// # Errors
/// Those of the crew; [`ExplainError::NotFinite`].
pub(in crate::explain::counterfactual) fn candidates(
    ground: &Ground<'_>,
    slots: &Slots,
    trials: &mut Trials<'_>,
    level: &Level,
    filled: &mut Filled,
) -> Result<Vec<Candidate>, ExplainError> {
    let Some(reading) = slots.reading.as_ref().filter(|_| !level.any_replacement) else {
        return Ok(Vec::new());
    };
    let spans = spans(ground, slots, reading, level);
    let new = spans.iter().filter(|run| !filled.contains_key(&(run.start, run.end))).cloned().collect();
    fill(ground, slots, reading, trials, new, filled)?;
    let mut found: Vec<(Range<usize>, String, f64)> = Vec::new();
    for run in spans {
        let fillings = filled.get(&(run.start, run.end)).into_iter().flatten();
        found.extend(fillings.filter_map(|filling| trimmed(ground, &run, filling)));
    }
    trials.lean(found.iter().flat_map(|(_, words, _)| words.split_whitespace()))?;
    let least = LEANING - LEANING_LESS * level.number as f64;
    found.retain(|(_, words, _)| {
        let mut leanings = words.split_whitespace().filter_map(|word| trials.leaning(word));
        !trials.has_leanings() || leanings.any(|leaning| leaning >= least)
    });
    let candidate = |(run, words, likelihood): (Range<usize>, String, f64)| {
        let unlikeliness = UNLIKELINESS_OF_A_WORD * words.split_whitespace().count() as f64;
        let contrast = ground.contrast(trials, &run, &words).unwrap_or(NO_CONTRAST);
        let notes = Notes { strategy: Strategy::Infill, unlikeliness, contrast };
        let score = SCORE + SCORE_OF_A_NAT * likelihood;
        Candidate { edit: Edit::replacing(ground.units, run, &words), notes, score }
    };
    Ok(in_order(found.into_iter().map(candidate).collect()))
}

/// The spans that are worth it, the best first.
fn spans(ground: &Ground<'_>, slots: &Slots, reading: &Reading, level: &Level) -> Vec<Range<usize>> {
    let units = ground.units;
    let is_touchable = |unit: usize| units.is_touchable(unit, level.every_word);
    let shortest = if ground.uses(Strategy::Substitute) { 2 } else { 1 };
    let suits = |run: &Range<usize>| {
        let is_turning = run.len() > 1 && TURNING.contains(&units.get(run.start).lower.as_str());
        units.is_free(run)
            && (is_touchable(run.start) || is_turning)
            && is_touchable(run.end - 1)
            && (run.start..run.end - 1).all(|unit| units.is_followed_closely(unit))
            && run.clone().all(|unit| !reading.tokens[unit].is_empty())
    };
    let weighed = |run: Range<usize>| {
        let gains = run.clone().filter(|unit| is_touchable(*unit));
        let gain: f64 = gains.map(|unit| slots.gain(unit, ground.margin)).sum();
        (gain / (run.len() as f64).sqrt(), run)
    };
    let all = (shortest..=LONGEST).flat_map(|length| units.runs(length));
    let mut spans: Vec<(f64, Range<usize>)> = all.filter(suits).map(weighed).collect();
    spans.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1.start, a.1.end).cmp(&(b.1.start, b.1.end))));
    let most = if level.number == 0 { SPANS } else { SPANS_LATER };
    spans.into_iter().take(most).map(|(_, run)| run).collect()
}

/// Fills spans in, a word at a time and all side by side: each with as many words as it has, and with one less.
fn fill(
    ground: &Ground<'_>,
    slots: &Slots,
    reading: &Reading,
    trials: &mut Trials<'_>,
    spans: Vec<Range<usize>>,
    filled: &mut Filled,
) -> Result<(), ExplainError> {
    let mut works: Vec<Work> = Vec::new();
    for run in spans {
        filled.insert((run.start, run.end), Vec::new());
        let counts = [run.len(), run.len() - 1];
        works.extend(counts.into_iter().filter(|count| *count > 0).map(|masks| Work {
            run: run.clone(),
            fillings: vec![Filling { words: vec![None; masks], score: 0.0 }],
            masks,
        }));
    }
    while !works.is_empty() {
        let asked: usize = works.iter().map(|work| work.fillings.len()).sum();
        let taken = trials.budget.take(asked, 1);
        let mut sum = 0;
        works.retain(|work| {
            sum += work.fillings.len();
            sum <= taken
        });
        step(ground, slots, reading, &mut works)?;
        let (ready, rest) = works.into_iter().partition(|work| work.masks == 0);
        let ready: Vec<Work> = ready;
        for work in ready {
            filled.entry((work.run.start, work.run.end)).or_default().extend(work.fillings);
        }
        works = rest;
    }
    Ok(())
}

/// One word more of each span, from the right.
fn step(
    ground: &Ground<'_>,
    slots: &Slots,
    reading: &Reading,
    works: &mut Vec<Work>,
) -> Result<(), ExplainError> {
    let (mut blanks, mut pulls) = (Vec::new(), Vec::new());
    for work in works.iter() {
        for filling in &work.fillings {
            blanks.push(blank(reading, work, filling));
            pulls.push(pull(ground, slots, work));
        }
    }
    let (model, vocabulary) = (ground.subject.model().clone(), reading.vocabulary.clone());
    let read = move |index: usize, likelihoods: &[f64]| pulls[index].best(&model, &vocabulary, likelihoods);
    let mut guesses = reading.language.guesses(ground.subject, blanks, read)?.into_iter();
    for work in works {
        let place = work.masks - 1;
        let mut next: Vec<Filling> = Vec::new();
        for filling in &work.fillings {
            for (score, id, word) in guesses.next().unwrap_or_default() {
                let behind = filling.words.get(place + 1).and_then(Option::as_ref);
                if behind.is_some_and(|(behind, _)| *behind == id) {
                    continue;
                }
                let mut words = filling.words.clone();
                words[place] = Some((id, word));
                next.push(Filling { words, score: filling.score + score });
            }
        }
        next.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.words.cmp(&b.words)));
        // At the end there is nothing more to run: more can be looked at.
        next.truncate(if place == 0 { 2 * BEAM } else { BEAM });
        (work.fillings, work.masks) = (next, place);
    }
    Ok(())
}

/// The text with a span that is filled in so far, the last of its masks being the blank.
fn blank(reading: &Reading, work: &Work, filling: &Filling) -> Blank {
    let tokens = reading.tokens[work.run.start].start..reading.tokens[work.run.end - 1].end;
    let mut blank = reading.language.blank(&reading.encoded, tokens.clone(), filling.words.len());
    for (place, word) in filling.words.iter().enumerate() {
        if let Some((id, _)) = word {
            blank.ids[tokens.start + place] = *id;
        }
    }
    blank.row = tokens.start + work.masks - 1;
    blank
}

/// What draws a word towards the goal.
struct Pull {
    /// The model where the word will stand, as far as it is known.
    slot: Option<Slot>,
    /// Whether grammatical words may stand there.
    any_word: bool,
}

fn pull(ground: &Ground<'_>, slots: &Slots, work: &Work) -> Pull {
    let is_last = work.fillings.iter().all(|filling| filling.words.len() == work.masks);
    let unit = if is_last { work.run.end - 1 } else { work.run.start };
    let begins_loosely = is_grammatical(&ground.units.get(work.run.start).lower);
    Pull { slot: slots.slot(unit).cloned(), any_word: !is_last && begins_loosely }
}

impl Pull {
    /// The best words: likely ones, by their likelihood and what they promise.
    fn best(&self, model: &Model, vocabulary: &[Entry], likelihoods: &[f64]) -> Vec<(f64, u32, Arc<str>)> {
        let allowed = || vocabulary.iter().filter(|entry| self.any_word || entry.is_content);
        let likelihood = |entry: &Entry| likelihoods[entry.id as usize];
        let most = allowed().map(likelihood).fold(f64::NEG_INFINITY, f64::max);
        let likely = allowed().filter(|entry| likelihood(entry) > most - DROP);
        let mut best: Vec<(f64, &Entry)> = likely
            .map(|entry| {
                let slot = self.slot.as_ref();
                let gain =
                    slot.and_then(|slot| Some(slot.estimate(&embedding(model, &entry.text)?) - slot.margin));
                (likelihood(entry) + PULL * gain.unwrap_or(0.0), entry)
            })
            .collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.id.cmp(&b.1.id)));
        best.truncate(BEAM);
        best.into_iter().map(|(score, entry)| (score, entry.id, entry.text.clone())).collect()
    }
}

/// A filling without what it leaves as it was at its ends; none where nothing else is left, or it does not fit.
fn trimmed(
    ground: &Ground<'_>,
    run: &Range<usize>,
    filling: &Filling,
) -> Option<(Range<usize>, String, f64)> {
    let units = ground.units;
    let words: Option<Vec<String>> =
        filling.words.iter().map(|word| word.as_ref().map(|(_, text)| text.to_lowercase())).collect();
    let words = words?;
    let (mut new, mut run) = (words.as_slice(), run.clone());
    let fits_there = fits(units, &run, &new.join(" "));
    let is_alike = english::same_form(&units.get(run.end - 1).lower, new.last()?);
    while let [first, rest @ ..] = new
        && !rest.is_empty()
        && run.len() > 1
        && *first == units.get(run.start).lower
    {
        (new, run.start) = (rest, run.start + 1);
    }
    while let [rest @ .., last] = new
        && !rest.is_empty()
        && run.len() > 1
        && *last == units.get(run.end - 1).lower
    {
        (new, run.end) = (rest, run.end - 1);
    }
    let is_the_same =
        run.len() == new.len() && run.clone().zip(new).all(|(unit, word)| units.get(unit).lower == *word);
    (fits_there && is_alike && !is_the_same).then(|| (run, new.join(" "), filling.score))
}
