//! What is known of each word's place: what the model says while the word is masked, where the gradient points there, and
//! what the masked LM expects.

use std::ops::Range;
use std::sync::Arc;

use super::budget::Budget;
use super::english;
use super::goal::Goal;
use super::language::{LanguageModel, own_tokens, together};
use super::levels::LIKELIEST;
use super::lexis::{Entry, dot, mean, vocabulary};
use super::trials::batch;
use super::units::Units;
use crate::explain::{ExplainError, Passes, Subject};
use crate::model::{Batch, Cotangent, EncodedText, Encoder, Keep, Matrix, Text, Wanted};

/// A pass forward and the way back.
const PASSES_OF_A_GRADIENT: usize = 3;

/// The model at a word's place.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// The goal's margin while the word is masked.
    pub margin: f64,
    /// Its derivative by the embedding there.
    pub gradient: Arc<Vec<f32>>,
    /// The embedding there: the mask's, or the word's own where there is no mask.
    base: Arc<Vec<f32>>,
}

impl Slot {
    /// The margin with another embedding there, to first order.
    pub fn estimate(&self, embedding: &[f32]) -> f64 {
        self.margin + dot(embedding, &self.gradient) - dot(&self.base, &self.gradient)
    }
}

/// The masked LM at a word's place.
#[derive(Debug, Clone)]
pub(super) struct Expectation {
    /// The likeliest words that say something, with ln p, the likeliest first.
    pub words: Vec<(Arc<str>, f64)>,
    /// ln p of those opposites of the word that are one token.
    opposites: Vec<(&'static str, f64)>,
    /// ln p of the word itself, where it is one token and known; otherwise that of the likeliest.
    standard: f64,
}

impl Expectation {
    /// In nats, how much less likely a word with this ln p is than what stands there; never negative.
    pub fn unlikeliness(&self, likelihood: f64) -> f64 {
        (self.standard - likelihood).max(0.0)
    }

    /// ln p of an opposite; none where it is several tokens.
    pub fn opposite(&self, word: &str) -> Option<f64> {
        self.opposites.iter().find(|(opposite, _)| *opposite == word).map(|(_, likelihood)| *likelihood)
    }
}

/// A text as the masked LM reads it.
pub(super) struct Reading {
    /// Who reads.
    pub language: LanguageModel,
    /// The text in its tokens.
    pub encoded: EncodedText,
    /// The tokens of each unit; empty where there are none.
    pub tokens: Vec<Range<usize>>,
    /// −ln p of each token with itself masked, where it is known.
    pub surprises: Vec<Option<f64>>,
    /// The words that it may fill in.
    pub vocabulary: Arc<Vec<Entry>>,
    expectations: Vec<Option<Expectation>>,
}

/// All places of a text.
pub(super) struct Slots {
    slots: Vec<Option<Slot>>,
    /// None without a language model, and where it cannot read the text.
    pub reading: Option<Reading>,
    /// The derivative of the margin at the text itself, `[tokens, hidden]`.
    gradient: Option<Matrix>,
}

impl Slots {
    /// A text of which nothing is known yet.
    ///
    /// # Errors
    /// Those of the crew.
    pub fn new(
        text: Text<'_>,
        units: &Units,
        subject: &Subject,
        language: Option<&LanguageModel>,
    ) -> Result<Self, ExplainError> {
        let reading = language.and_then(|language| Some((language.clone(), language.encoded(text)?)));
        let reading = reading.map(|(language, encoded)| {
            Ok::<_, ExplainError>(Reading {
                tokens: units.iter().map(|unit| covering(&encoded, unit.segment, &unit.span)).collect(),
                surprises: vec![None; encoded.tokens.len()],
                expectations: vec![None; units.len()],
                vocabulary: vocabulary(subject, language.model())?,
                language,
                encoded,
            })
        });
        Ok(Slots { slots: vec![None; units.len()], reading: reading.transpose()?, gradient: None })
    }

    /// The model at a unit.
    pub fn slot(&self, unit: usize) -> Option<&Slot> {
        self.slots[unit].as_ref()
    }

    /// The masked LM at a unit.
    pub fn expectation(&self, unit: usize) -> Option<&Expectation> {
        self.reading.as_ref()?.expectations[unit].as_ref()
    }

    /// How the margin grows when a unit is masked; 0 where that is not known.
    pub fn gain(&self, unit: usize, margin: f64) -> f64 {
        self.slot(unit).map_or(0.0, |slot| slot.margin - margin)
    }

    /// Looks at some units that have not been looked at. Where that would take more than half of what is left, at those alone
    /// that matter most to the model, to first order.
    ///
    /// # Errors
    /// Those of the crew; [`ExplainError::NotFinite`].
    pub fn look_at(
        &mut self,
        wanted: &[usize],
        units: &Units,
        subject: &Subject,
        goal: &Goal,
        budget: &mut Budget,
    ) -> Result<(), ExplainError> {
        let mut wanted: Vec<usize> =
            wanted.iter().filter(|unit| self.slots[**unit].is_none()).copied().collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let is_read = self.reading.is_some();
        let tokens = self.reading.as_ref().map_or(0, |reading| reading.unknown().len());
        let has_mask = subject.model().tokenizer().special().mask.is_some();
        let of_model = if has_mask { PASSES_OF_A_GRADIENT } else { 0 };
        let of_one = of_model + usize::from(is_read);
        let half = budget.left() / 2;
        let is_whole = wanted.len() * of_one + tokens <= half;
        if !is_whole || !has_mask {
            let Some(gradient) = self.gradient(subject, goal, budget)? else { return Ok(()) };
            let matters = |unit: &usize| {
                let rows = units.get(*unit).tokens.clone();
                rows.map(|row| -dot(gradient.row(row), embedding_row(subject, row))).sum::<f64>()
            };
            let mut ordered: Vec<(f64, usize)> = wanted.iter().map(|unit| (matters(unit), *unit)).collect();
            ordered.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let most = if is_whole { ordered.len() } else { half / (of_one + 1).max(1) };
            wanted = ordered.into_iter().take(most).map(|(_, unit)| unit).collect();
            wanted.sort_unstable();
        }
        match has_mask {
            true => self.mask_each(&wanted, units, subject, goal, budget)?,
            false => self.stay_at_each(&wanted, units, subject, goal),
        }
        self.expect(&wanted, is_whole, units, subject, budget)
    }

    /// The derivative of the margin at the text itself; none where the budget has no room for it.
    ///
    /// # Errors
    /// Those of the crew.
    pub fn gradient(
        &mut self,
        subject: &Subject,
        goal: &Goal,
        budget: &mut Budget,
    ) -> Result<Option<Matrix>, ExplainError> {
        if self.gradient.is_none() && budget.take_all(PASSES_OF_A_GRADIENT) {
            let whole = batch(subject, &subject.text().ids, &subject.text().type_ids)?;
            let (goal, asked) = (goal.clone(), subject.clone());
            let work = move |batch: Batch| Ok(differentiated(&asked, &goal, &batch)?.1);
            self.gradient = subject.map(vec![whole], |_| Passes::new(1, 1), work)?.pop();
        }
        Ok(self.gradient.clone())
    }

    /// Masks each unit by one token.
    fn mask_each(
        &mut self,
        wanted: &[usize],
        units: &Units,
        subject: &Subject,
        goal: &Goal,
        budget: &mut Budget,
    ) -> Result<(), ExplainError> {
        let Some(mask) = subject.model().tokenizer().special().mask else { return Ok(()) };
        let base = Arc::new(subject.model().encoder().word_embeddings(&[mask])?);
        let taken = &wanted[..budget.take(wanted.len(), PASSES_OF_A_GRADIENT)];
        let lengths = vec![subject.tokens(); taken.len()];
        let mut rest = taken.iter().map(|unit| (*unit, units.get(*unit).tokens.clone()));
        let groups: Vec<Vec<(usize, Range<usize>)>> =
            together(&lengths).into_iter().map(|count| rest.by_ref().take(count).collect()).collect();
        let (asked, goal) = (subject.clone(), goal.clone());
        let work = move |group: Vec<(usize, Range<usize>)>| {
            let text = asked.text();
            let masked = |(_, tokens): &(usize, Range<usize>)| {
                let (mut ids, mut type_ids) = (text.ids.clone(), text.type_ids.clone());
                ids.splice(tokens.clone(), [mask]);
                type_ids.splice(tokens.clone(), [text.type_ids[tokens.start]]);
                batch(&asked, &ids, &type_ids)
            };
            let batches = group.iter().map(masked).collect::<Result<Vec<_>, _>>()?;
            let joined = Encoder::join(&batches);
            let (margins, gradient) = differentiated(&asked, &goal, &joined)?;
            let mut first = 0;
            let mut slots = Vec::with_capacity(group.len());
            for ((unit, tokens), (sequence, margin)) in
                group.into_iter().zip(joined.sequences.iter().zip(margins))
            {
                slots.push((unit, margin, gradient.row(first + tokens.start).to_vec()));
                first += sequence.tokens();
            }
            Ok(slots)
        };
        let passes = |group: &Vec<_>| Passes::new(group.len(), group.len());
        for (unit, margin, gradient) in subject.map(groups, passes, work)?.into_iter().flatten() {
            self.slots[unit] = Some(Slot { margin, gradient: gradient.into(), base: base.clone() });
        }
        Ok(())
    }

    /// Where there is no mask: the text as it is.
    fn stay_at_each(&mut self, wanted: &[usize], units: &Units, subject: &Subject, goal: &Goal) {
        let Some(gradient) = &self.gradient else { return };
        let margin = goal.margin(&subject.prediction().logits);
        for unit in wanted {
            let tokens = units.get(*unit).tokens.clone();
            let mut slope = mean(&gradient.values, gradient.width, tokens.clone());
            // All of a word's tokens give way to the new word.
            slope.iter_mut().for_each(|value| *value *= tokens.len() as f32);
            let base = mean(subject.embeddings(), gradient.width, tokens).into();
            self.slots[*unit] = Some(Slot { margin, gradient: slope.into(), base });
        }
    }

    /// Asks the masked LM about tokens and units.
    fn expect(
        &mut self,
        wanted: &[usize],
        every_token: bool,
        units: &Units,
        subject: &Subject,
        budget: &mut Budget,
    ) -> Result<(), ExplainError> {
        let Some(reading) = &mut self.reading else { return Ok(()) };
        let mut asked: Vec<Asked> = Vec::new();
        let tokens: Vec<usize> = match every_token {
            true => reading.unknown(),
            false => wanted.iter().flat_map(|unit| reading.tokens[*unit].clone()).collect(),
        };
        for token in tokens.into_iter().filter(|token| reading.surprises[*token].is_none()) {
            let tokens = token..token + 1;
            let unit = wanted.iter().find(|unit| reading.tokens[**unit] == tokens).copied();
            asked.push(Asked { tokens, token: Some(token), unit });
        }
        for unit in wanted.iter().filter(|unit| !reading.tokens[**unit].is_empty()) {
            if !asked.iter().any(|asked| asked.unit == Some(*unit)) {
                asked.push(Asked { tokens: reading.tokens[*unit].clone(), token: None, unit: Some(*unit) });
            }
        }
        asked.truncate(budget.take(asked.len(), 1));
        let guesses = reading.guesses(&asked, units, subject)?;
        for (asked, guess) in asked.iter().zip(&guesses) {
            if let Some(token) = asked.token {
                reading.surprises[token] = guess.surprise;
            }
        }
        for (asked, guess) in asked.into_iter().zip(guesses) {
            let Some((unit, expected)) = asked.unit.zip(guess.expected) else { continue };
            let own = (asked.tokens.len() == 1).then(|| reading.surprises[asked.tokens.start]).flatten();
            let best = expected.words.first().map_or(0.0, |(_, likelihood)| *likelihood);
            let standard = own.map_or(best, |surprise| -surprise);
            reading.expectations[unit] = Some(Expectation { standard, ..expected });
        }
        Ok(())
    }
}

/// A question to the masked LM: these tokens in exchange for one mask.
struct Asked {
    tokens: Range<usize>,
    /// The token whose surprise is wanted.
    token: Option<usize>,
    /// The unit at whose place words are wanted.
    unit: Option<usize>,
}

/// Opposites of a word, with their tokens.
type Opposites = Vec<(&'static str, u32)>;

/// What it says.
struct Guess {
    surprise: Option<f64>,
    expected: Option<Expectation>,
}

impl Reading {
    /// The text's own tokens whose surprise is not known, by their indices.
    pub fn unknown(&self) -> Vec<usize> {
        let own = own_tokens(&self.encoded).into_iter();
        own.filter(|token| self.surprises[*token].is_none()).collect()
    }

    fn guesses(&self, asked: &[Asked], units: &Units, subject: &Subject) -> Result<Vec<Guess>, ExplainError> {
        let blanks = asked.iter().map(|asked| self.language.blank(&self.encoded, asked.tokens.clone(), 1));
        let whole_words = self.language.model().whole_words();
        let wanted: Vec<(Option<u32>, Option<Opposites>)> = asked
            .iter()
            .map(|asked| {
                let token = asked.token.map(|token| self.encoded.ids[token]);
                let opposites = asked.unit.map(|unit| {
                    let opposites = english::opposites(&units.get(unit).lower).iter();
                    opposites.filter_map(|word| Some((*word, whole_words.id(word)?))).collect()
                });
                (token, opposites)
            })
            .collect();
        let vocabulary = self.vocabulary.clone();
        let read = move |index: usize, likelihoods: &[f64]| {
            let (token, opposites) = &wanted[index];
            let expected = opposites.as_ref().map(|opposites| Expectation {
                words: likeliest(&vocabulary, likelihoods),
                opposites: opposites.iter().map(|(word, id)| (*word, likelihoods[*id as usize])).collect(),
                standard: 0.0,
            });
            Guess { surprise: token.map(|id| 0.0 - likelihoods[id as usize]), expected }
        };
        self.language.guesses(subject, blanks.collect(), read)
    }
}

/// The likeliest words that say something, with ln p.
fn likeliest(vocabulary: &[Entry], likelihoods: &[f64]) -> Vec<(Arc<str>, f64)> {
    let content = vocabulary.iter().filter(|entry| entry.is_content);
    let mut words: Vec<(f64, &Entry)> =
        content.map(|entry| (likelihoods[entry.id as usize], entry)).collect();
    let order = |a: &(f64, &Entry), b: &(f64, &Entry)| b.0.total_cmp(&a.0).then(a.1.id.cmp(&b.1.id));
    if words.len() > LIKELIEST {
        words.select_nth_unstable_by(LIKELIEST, order);
        words.truncate(LIKELIEST);
    }
    words.sort_by(order);
    words.into_iter().map(|(likelihood, entry)| (entry.text.clone(), likelihood)).collect()
}

/// The tokens of a stretch of a text.
fn covering(text: &EncodedText, segment: usize, span: &Range<usize>) -> Range<usize> {
    let is_inside = |index: &usize| {
        let token = &text.tokens[*index];
        !token.special && token.segment == segment && token.start < span.end && token.end > span.start
    };
    let mut inside = (0..text.tokens.len()).filter(is_inside);
    inside.next().map_or(0..0, |first| first..inside.next_back().unwrap_or(first) + 1)
}

fn embedding_row(subject: &Subject, row: usize) -> &[f32] {
    let width = subject.model().config().hidden_size;
    &subject.embeddings()[row * width..][..width]
}

/// The margin of each sequence, and its derivative by the word embeddings, `[rows, hidden]`: a pass forward and the way back.
fn differentiated(subject: &Subject, goal: &Goal, batch: &Batch) -> Result<(Vec<f64>, Matrix), ExplainError> {
    let encoder = subject.model().encoder();
    let trace = encoder.forward(batch, Keep::OutputGradients)?;
    if !trace.all_logits().iter().all(|logit| logit.is_finite()) {
        return Err(ExplainError::NotFinite);
    }
    let logits = || (0..batch.sequences.len()).map(|sequence| trace.logits(sequence));
    let margins = logits().map(|logits| goal.margin(logits)).collect();
    let derivative = logits().flat_map(|logits| goal.derivative(logits)).collect();
    let cotangent = Cotangent { logits: Some(derivative), ..Cotangent::default() };
    let gradient = encoder.backward(&trace, &cotangent, &Wanted::word_embeddings())?.word_embeddings;
    match gradient.values.iter().all(|value| value.is_finite()) {
        true => Ok((margins, gradient)),
        false => Err(ExplainError::NotFinite),
    }
}
