//! Which flips are told of, in which order, with which figures.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::Ground;
use super::edit::{Edit, Edits, Notes};
use super::figures;
use super::fluency::{Heard, listen};
use super::language::{own_tokens, pseudo_perplexity};
use super::slots::Slots;
use super::trials::{Trial, Trials};
use super::{Change, Counterfactual, Found, Strategy};
use crate::explain::ExplainError;
use crate::explain::rewriting::Rewrite;
use crate::model::words::words;
use crate::model::{EncodedText, Prediction, Text};

/// Flips that are compared closely.
pub(super) const SHORTLIST: usize = 10;

/// What weighs as much as a changed word: so many nats of fluency; so much contrast; a margin of one logit; and a place that a
/// better one changes too.
const NATS_A_WORD: f64 = 2.0;
const CONTRAST: f64 = 2.0;
const SAFE_MARGIN: f64 = 1.0;
const SHARED_PLACE: f64 = 1.5;

/// What can be told of a text that was tried without running anything.
#[derive(Clone, Copy)]
pub(super) struct Figures<'r, 'a> {
    ground: &'r Ground<'a>,
    trials: &'r Trials<'a>,
    notes: &'r BTreeMap<Edit, Notes>,
}

impl<'r, 'a> Figures<'r, 'a> {
    pub fn new(ground: &'r Ground<'a>, trials: &'r Trials<'a>, notes: &'r BTreeMap<Edit, Notes>) -> Self {
        Figures { ground, trials, notes }
    }

    /// The most promising flips, each text once.
    pub fn shortlist(&self, flips: &BTreeSet<Edits>, most: usize) -> Vec<Edits> {
        let mut ordered: Vec<(f64, &Edits)> = flips.iter().map(|edits| (self.weight(edits), edits)).collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        let mut texts = BTreeSet::new();
        let is_new = |edits: &&Edits| {
            let trial = self.trials.trial(edits);
            trial.is_some_and(|trial| texts.insert((trial.first.clone(), trial.second.clone())))
        };
        ordered.into_iter().map(|(_, edits)| edits).filter(is_new).take(most).cloned().collect()
    }

    /// Changed words, and what is known of how they read.
    fn weight(&self, edits: &[Edit]) -> f64 {
        self.changed_words(edits) + self.unlikeliness(edits) / NATS_A_WORD
    }

    fn known(&self, edits: &[Edit]) -> impl Iterator<Item = &Notes> {
        edits.iter().filter_map(|edit| self.notes.get(edit))
    }

    fn unlikeliness(&self, edits: &[Edit]) -> f64 {
        self.known(edits).map(|notes| notes.unlikeliness).sum()
    }

    fn edit_distance(&self, trial: &Trial) -> f64 {
        let (old, new) = (self.original_words(), words_of(&trial.first, trial.second.as_deref()));
        let (old, new): (Vec<&str>, Vec<&str>) =
            (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
        figures::edit_distance(&old, &new)
    }

    fn original_words(&self) -> Vec<String> {
        let words = self.ground.subject.text().words.iter();
        words.map(|word| word.span.text.clone()).collect()
    }

    fn changed_words(&self, edits: &[Edit]) -> f64 {
        let distance = self.trials.trial(edits).map_or(0.0, |trial| self.edit_distance(trial));
        (distance * self.original_words().len() as f64).round()
    }

    /// How bad a flip is, in words, where its changes cost so many nats of fluency.
    fn cost(&self, edits: &[Edit], penalty: f64) -> f64 {
        let lacking: f64 = self.known(edits).map(|notes| 1.0 - notes.contrast).sum();
        let margin = self.trials.margin(edits).unwrap_or(0.0);
        self.changed_words(edits)
            + penalty / NATS_A_WORD
            + CONTRAST * lacking / edits.len().max(1) as f64
            + (SAFE_MARGIN - margin).max(0.0)
    }

    /// What is returned of a text that was tried.
    fn told(&self, edits: &[Edit], is_minimal: bool, fluency: Option<f64>) -> Option<Counterfactual> {
        let (subject, units, trial) = (self.ground.subject, self.ground.units, self.trials.trial(edits)?);
        let change = |(edit, rewrite): (&Edit, Rewrite)| {
            let from = units.written(edit.run().start, rewrite.span.clone());
            let strategy = self.notes.get(edit).map_or(Strategy::Substitute, |notes| notes.strategy);
            Change { rewrite, from, strategy }
        };
        let rewrites = self.trials.exact(edits);
        Some(Counterfactual {
            first: trial.first.clone(),
            second: trial.second.clone(),
            changes: edits.iter().zip(rewrites).map(change).collect(),
            prediction: Prediction::new(subject.model().config(), trial.logits.clone()),
            flipped: trial.margin > 0.0,
            minimal: is_minimal,
            edit_distance: self.edit_distance(trial),
            closeness: self.closeness(trial),
            fluency,
        })
    }

    /// Special tokens are the same in both texts, and left out.
    fn closeness(&self, trial: &Trial) -> f64 {
        let subject = self.ground.subject;
        let (model, width) = (subject.model(), subject.model().config().hidden_size);
        let text = Text { first: &trial.first, second: trial.second.as_deref() };
        let Ok(encoded) = model.encode(text, false) else { return 0.0 };
        let Ok(embeddings) = model.encoder().word_embeddings(&encoded.ids) else { return 0.0 };
        figures::closeness(
            own_rows(subject.text(), subject.embeddings(), width),
            own_rows(&encoded, &embeddings, width),
        )
    }

    /// What has been found, by what is known of it so far.
    pub fn cheaply(&self, flips: &BTreeSet<Edits>) -> Found {
        let best = self.shortlist(flips, self.ground.search.n);
        let closest = if best.is_empty() { self.closest() } else { None };
        let told = |edits: &Edits| self.told(edits, edits.len() == 1, None);
        Found {
            counterfactuals: best.iter().filter_map(told).collect(),
            closest_miss: closest.and_then(|edits| self.told(&edits, false, None)),
            fluency_before: None,
            forwards: self.trials.budget.spent(),
            spent: false,
        }
    }

    /// Of all that was tried, what came closest; of equals, that with the fewest changes.
    fn closest(&self) -> Option<Edits> {
        let tried = self.trials.all();
        let closest = tried.max_by(|(a, first), (b, second)| {
            let by_margin = first.margin.total_cmp(&second.margin);
            by_margin.then_with(|| b.len().cmp(&a.len())).then_with(|| b.cmp(a))
        });
        closest.map(|(edits, _)| edits.clone())
    }
}

/// The best of what is left after pruning, with all figures.
///
/// # Errors
/// Those of the crew; [`ExplainError::NotFinite`].
pub(super) fn ranked(
    ground: &Ground<'_>,
    slots: &mut Slots,
    trials: &mut Trials<'_>,
    notes: &BTreeMap<Edit, Notes>,
    pruned: &BTreeMap<Edits, bool>,
) -> Result<Found, ExplainError> {
    let flips: BTreeSet<Edits> = pruned.keys().cloned().collect();
    let pool = Figures::new(ground, trials, notes).shortlist(&flips, SHORTLIST);
    let mut heard = heard(slots, trials, &pool);
    let penalties = penalties(ground, slots, trials, &mut heard)?;
    let figures = Figures::new(ground, trials, notes);
    let costs = pool.iter().map(|edits| {
        let unheard = if slots.reading.is_some() { figures.unlikeliness(edits) } else { 0.0 };
        figures.cost(edits, penalties.get(edits).copied().unwrap_or(unheard))
    });
    let mut chosen = chosen(pool.iter().cloned().zip(costs).collect(), ground.search.n);
    let is_missed = chosen.is_empty() && ground.margin <= 0.0;
    if is_missed {
        chosen.extend(figures.closest());
        heard = self::heard(slots, trials, &chosen);
    }
    trials.budget.open();
    let fluency_before = fluency_of_original(ground, slots, trials)?;
    let mut told = Vec::new();
    for edits in &chosen {
        let fluency = heard.get_mut(edits).map(|heard| fluency(ground, slots, trials, heard)).transpose()?;
        let figures = Figures::new(ground, trials, notes);
        let is_minimal = pruned.get(edits).copied().unwrap_or(false);
        told.extend(figures.told(edits, is_minimal, fluency.flatten()));
    }
    let (counterfactuals, closest_miss) = if is_missed { (Vec::new(), told.pop()) } else { (told, None) };
    Ok(Found {
        counterfactuals,
        closest_miss,
        fluency_before,
        forwards: trials.budget.spent(),
        spent: trials.budget.was_short(),
    })
}

/// One flip after the other, the best at each turn: few words, and not at places that those before it change too.
fn chosen(mut pool: Vec<(Edits, f64)>, n: usize) -> Vec<Edits> {
    let mut chosen: Vec<Edits> = Vec::new();
    while chosen.len() < n && !pool.is_empty() {
        let cost = |(edits, cost): &(Edits, f64)| {
            let shared = chosen.iter().filter(|other| shares_a_place(edits, other)).count();
            cost + SHARED_PLACE * shared as f64
        };
        let costs: Vec<f64> = pool.iter().map(cost).collect();
        let best = (0..pool.len()).fold(0, |best, index| {
            let order = costs[index].total_cmp(&costs[best]).then_with(|| pool[index].0.cmp(&pool[best].0));
            if order.is_lt() { index } else { best }
        });
        chosen.push(pool.remove(best).0);
    }
    chosen
}

fn shares_a_place(first: &[Edit], second: &[Edit]) -> bool {
    first.iter().any(|edit| second.iter().any(|other| edit.run() == other.run()))
}

/// Texts as the masked LM reads them; none without one.
fn heard(slots: &Slots, trials: &Trials<'_>, all: &[Edits]) -> BTreeMap<Edits, Heard> {
    let Some(reading) = &slots.reading else { return BTreeMap::new() };
    let heard = all.iter().filter_map(|edits| {
        let heard = Heard::new(reading, trials.trial(edits)?)?;
        Some((edits.clone(), heard))
    });
    heard.collect()
}

/// What the changes of each text cost in fluency, in nats, where the budget has room for all of them.
fn penalties(
    ground: &Ground<'_>,
    slots: &Slots,
    trials: &mut Trials<'_>,
    heard: &mut BTreeMap<Edits, Heard>,
) -> Result<BTreeMap<Edits, f64>, ExplainError> {
    let Some(reading) = &slots.reading else { return Ok(BTreeMap::new()) };
    let near: Vec<Vec<usize>> = heard.values().map(|heard| heard.near_changes(reading)).collect();
    if !trials.budget.take_all(near.iter().map(Vec::len).sum()) {
        return Ok(BTreeMap::new());
    }
    let mut texts: Vec<(&mut Heard, Vec<usize>)> = heard.values_mut().zip(near.iter().cloned()).collect();
    listen(reading, ground.subject, &mut texts)?;
    let penalty = |((edits, heard), near): ((&Edits, &Heard), &Vec<usize>)| {
        (edits.clone(), heard.penalty(reading, near))
    };
    Ok(heard.iter().zip(&near).map(penalty).collect())
}

/// The pseudo-perplexity of an edited text; none where the budget has no room for it.
fn fluency(
    ground: &Ground<'_>,
    slots: &Slots,
    trials: &mut Trials<'_>,
    heard: &mut Heard,
) -> Result<Option<f64>, ExplainError> {
    let Some(reading) = &slots.reading else { return Ok(None) };
    let unknown = heard.unknown(&heard.places());
    if trials.budget.take_all(unknown.len()) {
        listen(reading, ground.subject, &mut [(&mut *heard, unknown)])?;
    }
    Ok(heard.all().and_then(|surprises| pseudo_perplexity(&surprises)))
}

/// That of the original.
fn fluency_of_original(
    ground: &Ground<'_>,
    slots: &mut Slots,
    trials: &mut Trials<'_>,
) -> Result<Option<f64>, ExplainError> {
    let Some(reading) = &mut slots.reading else { return Ok(None) };
    let unknown = reading.unknown();
    if trials.budget.take_all(unknown.len()) {
        let tokens: Vec<(&EncodedText, usize)> =
            unknown.iter().map(|token| (&reading.encoded, *token)).collect();
        let surprises = reading.language.surprises(ground.subject, &tokens)?;
        for (token, surprise) in unknown.into_iter().zip(surprises) {
            reading.surprises[token] = Some(surprise);
        }
    }
    let own = own_tokens(&reading.encoded);
    let surprises: Option<Vec<f64>> = own.into_iter().map(|token| reading.surprises[token]).collect();
    Ok(surprises.and_then(|surprises| pseudo_perplexity(&surprises)))
}

/// The words of a text, or of a pair, as they are written.
fn words_of(first: &str, second: Option<&str>) -> Vec<String> {
    let all = std::iter::once(first).chain(second).flat_map(words);
    all.filter(|word| word.is_visible()).map(|word| word.text).collect()
}

/// The rows of a text's own tokens.
fn own_rows<'e>(
    text: &'e EncodedText,
    embeddings: &'e [f32],
    width: usize,
) -> impl Iterator<Item = &'e [f32]> {
    let rows = embeddings.chunks_exact(width.max(1)).zip(&text.tokens);
    rows.filter(|(_, token)| !token.special).map(|(row, _)| row)
}
