//! Words in the place of others: what the masked LM expects there and the gradient points at, and that leans towards the goal
//! by itself. Without a masked LM, neighbours of the word in the space of embeddings.

use std::sync::Arc;

use super::fits::fits;
use super::{Candidate, Ground, NO_CONTRAST, PER_UNIT, in_order, score};
use crate::explain::counterfactual::edit::{Edit, Notes};
use crate::explain::counterfactual::levels::Level;
use crate::explain::counterfactual::lexis::{Entry, cosine, embedding, mean, most_gaining};
use crate::explain::counterfactual::slots::Slots;
use crate::explain::counterfactual::trials::Trials;
use crate::explain::counterfactual::units::{Unit, same_script, says_something};
use crate::explain::counterfactual::{Strategy, english};
use crate::explain::rewriting::in_case_of;
use crate::explain::{ExplainError, Passes};

/// Words of a unit that are run by themselves to see how they lean: the most promising of those that suit.
const LEANED: usize = 48;

/// Words that are taken from the gradient before they are looked at one by one.
const POINTED_AT: usize = 400;

/// How near embeddings of neighbours are.
const NEIGHBOURS: f64 = 0.25;

/// How unlikely a neighbour is taken to be, in nats, where no masked LM tells; and any word, where one was not asked.
const UNTOLD: f64 = 2.0;
const UNLIKELY: f64 = 9.0;

/// A word that suits, before it is known how it leans.
struct Replacement {
    unit: usize,
    /// In lower case.
    word: String,
    estimate: f64,
    unlikeliness: f64,
}

/// The best of each touchable unit.
///
/// # Errors
/// Those of the crew; [`ExplainError::NotFinite`].
pub(super) fn candidates(
    ground: &Ground<'_>,
    slots: &Slots,
    trials: &mut Trials<'_>,
    level: &Level,
) -> Result<Vec<Candidate>, ExplainError> {
    let touchable = |unit: &usize| ground.units.is_touchable(*unit, level.every_word);
    let units: Vec<usize> = (0..ground.units.len()).filter(touchable).collect();
    let is_expected = slots.reading.is_some() && !level.any_replacement;
    let mut replacements = match is_expected {
        true => units.iter().flat_map(|unit| expected(ground, slots, level, *unit)).collect(),
        false => pointed_at(ground, slots, level, &units)?,
    };
    replacements = most_promising(replacements, &units);
    trials.lean(replacements.iter().map(|replacement| replacement.word.as_str()))?;
    let of_unit = |unit: usize| {
        let mine = replacements.iter().filter(|replacement| replacement.unit == unit);
        let contrasting = mine.filter_map(|replacement| contrasting(ground, trials, level, replacement));
        in_order(contrasting.collect()).into_iter().take(PER_UNIT).collect::<Vec<_>>()
    };
    Ok(units.into_iter().flat_map(of_unit).collect())
}

/// What the masked LM expects at a unit and suits there.
fn expected(ground: &Ground<'_>, slots: &Slots, level: &Level, unit: usize) -> Vec<Replacement> {
    let (Some(slot), Some(expectation)) = (slots.slot(unit), slots.expectation(unit)) else {
        return Vec::new();
    };
    let old = ground.units.get(unit);
    let own = own_embedding(ground, unit);
    let best = expectation.words.first().map_or(0.0, |(_, likelihood)| *likelihood);
    let mut replacements: Vec<Replacement> = Vec::new();
    for (word, likelihood) in expectation.words.iter().take(level.top) {
        if *likelihood < best - level.drop {
            break;
        }
        let Some(word) = written_alike(word, old) else { continue };
        if !suits(ground, level, unit, &word) || replacements.iter().any(|known| known.word == word) {
            continue;
        }
        let Some(embedding) = embedding(ground.subject.model(), &word) else { continue };
        if cosine(&embedding, &own) >= level.cosine {
            let unlikeliness = expectation.unlikeliness(*likelihood);
            let estimate = slot.estimate(&embedding);
            replacements.push(Replacement { unit, word, estimate, unlikeliness });
        }
    }
    replacements
}

/// What the gradient points at and suits there.
fn pointed_at(
    ground: &Ground<'_>,
    slots: &Slots,
    level: &Level,
    units: &[usize],
) -> Result<Vec<Replacement>, ExplainError> {
    let with_slots = units.iter().filter_map(|unit| Some((*unit, slots.slot(*unit)?.clone())));
    let items: Vec<_> = with_slots.map(|(unit, slot)| (unit, slot, own_embedding(ground, unit))).collect();
    let content = ground.vocabulary.iter().filter(|entry| entry.is_content).cloned();
    let content: Arc<Vec<Entry>> = Arc::new(content.collect());
    let model = ground.subject.model().clone();
    let nearest = if level.any_replacement { f64::NEG_INFINITY } else { NEIGHBOURS };
    let work = move |(unit, slot, own): (usize, crate::explain::counterfactual::slots::Slot, Vec<f32>)| {
        let is_near = |embedding: &[f32]| cosine(embedding, &own) >= nearest;
        Ok((unit, most_gaining(&model, &content, &slot.gradient, POINTED_AT, is_near)?))
    };
    let unlikeliness = if slots.reading.is_some() { UNLIKELY } else { UNTOLD };
    let mut replacements: Vec<Replacement> = Vec::new();
    for (unit, words) in ground.subject.map(items, |_| Passes::NONE, work)? {
        let Some(slot) = slots.slot(unit) else { continue };
        let first = replacements.len();
        for (word, _) in words {
            let Some(word) = written_alike(&word, ground.units.get(unit)) else { continue };
            let is_known = replacements[first..].iter().any(|known| known.word == word);
            if is_known || !suits(ground, level, unit, &word) {
                continue;
            }
            if let Some(embedding) = embedding(ground.subject.model(), &word) {
                let estimate = slot.estimate(&embedding);
                replacements.push(Replacement { unit, word, estimate, unlikeliness });
            }
        }
    }
    Ok(replacements)
}

/// The mean embedding of a unit's tokens.
fn own_embedding(ground: &Ground<'_>, unit: usize) -> Vec<f32> {
    let width = ground.subject.model().config().hidden_size;
    mean(ground.subject.embeddings(), width, ground.units.get(unit).tokens.clone())
}

/// A word in lower case, if it is what would be written in the place of another: a vocabulary with capitals has each form.
fn written_alike(word: &str, old: &Unit) -> Option<String> {
    let lower = word.to_lowercase();
    (lower == word || in_case_of(&lower, &old.text) == word).then_some(lower)
}

/// Whether a word is another than the unit's and can stand in its place.
fn suits(ground: &Ground<'_>, level: &Level, unit: usize, word: &str) -> bool {
    let old = &ground.units.get(unit).lower;
    let is_another = word != old && same_script(word, old) && says_something(word);
    let is_alike = level.any_replacement || (english::same_form(old, word) && !english::same_stem(old, word));
    is_another && is_alike && fits(ground.units, &(unit..unit + 1), word)
}

/// Of each unit, those that promise most before it is known how they lean.
fn most_promising(mut replacements: Vec<Replacement>, units: &[usize]) -> Vec<Replacement> {
    let promise = |replacement: &Replacement| score(replacement.estimate, replacement.unlikeliness, 0.0);
    replacements.sort_by(|a, b| {
        let by_place = a.unit.cmp(&b.unit);
        by_place.then(promise(b).total_cmp(&promise(a))).then_with(|| a.word.cmp(&b.word))
    });
    let mut counts = vec![0; units.last().map_or(0, |last| last + 1)];
    replacements.retain(|replacement| {
        counts[replacement.unit] += 1;
        counts[replacement.unit] <= LEANED
    });
    replacements
}

/// A replacement that leans as the level asks.
fn contrasting(
    ground: &Ground<'_>,
    trials: &Trials<'_>,
    level: &Level,
    replacement: &Replacement,
) -> Option<Candidate> {
    let run = replacement.unit..replacement.unit + 1;
    let contrast = match trials.has_leanings() {
        false => NO_CONTRAST,
        true => {
            let contrast = ground.contrast(trials, &run, &replacement.word)?;
            let leans = trials.leaning(&replacement.word)? >= level.leaning;
            (leans && contrast >= level.contrast).then_some(contrast)?
        }
    };
    let unlikeliness = replacement.unlikeliness;
    let notes = Notes { strategy: Strategy::Substitute, unlikeliness, contrast };
    let edit = Edit::replacing(ground.units, run, &replacement.word);
    Some(Candidate { edit, notes, score: score(replacement.estimate, unlikeliness, contrast) })
}
