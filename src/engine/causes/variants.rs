//! What the network gets under some edits of a text: the string is rewritten and tokenised anew, then words are masked and
//! hidden, then the network itself is altered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::combinations::Combination;
use super::edits::{Edit, Head};
use crate::engine::plan::Invalid;
use crate::engine::{Failure, OwnedText};
use crate::explain::edited::Edited;
use crate::explain::rewriting::Rewrite;
use crate::explain::{ExplainError, Passes, Subject};
use crate::model::{
    Batch, EncodeError, EncodedText, HiddenEdit, Intervention, Interventions, Keep, Matrix, Model,
};

/// A text whose hidden states are put in place of those of another.
#[derive(Clone)]
pub(super) struct Source {
    /// As it was sent.
    pub sent: OwnedText,
    /// As the network gets it.
    pub encoded: Arc<EncodedText>,
    /// The hidden states that are taken of it.
    pub layers: BTreeSet<usize>,
}

/// A text under any of some edits.
pub(super) struct Variants<'a> {
    edits: &'a [Edit],
    sources: &'a [Source],
    subject: &'a Subject,
    /// The edits of the string.
    rewriting: Combination,
    /// The text by the edits of the string that it went through.
    readings: HashMap<Combination, Edited>,
    /// Of each source, by hidden state; empty until they are taken.
    states: Vec<BTreeMap<usize, Matrix>>,
}

impl<'a> Variants<'a> {
    /// The variants of a text that these combinations are.
    ///
    /// # Errors
    /// [`Failure::Field`] where the model cannot read what an edit leaves, [`Failure::UnequalLengths`] where a patch does
    /// not fit it; [`Failure::Cancelled`].
    pub fn new(
        edits: &'a [Edit],
        sources: &'a [Source],
        combinations: &[Combination],
        sent: &OwnedText,
        subject: &'a Subject,
    ) -> Result<Self, Failure> {
        let rewriting = Combination::of(edits.iter().map(Edit::rewrites));
        let mut asked: Vec<Combination> = Vec::new();
        for combination in combinations {
            let of_string = combination.and(rewriting);
            if !of_string.is_empty() && !asked.contains(&of_string) {
                asked.push(of_string);
            }
        }
        let nothing = Combination::of(std::iter::empty());
        let untouched = Edited::untouched(sent.as_text(), subject.text());
        let mut readings = HashMap::from([(nothing, untouched)]);
        for (combination, read) in asked.iter().zip(rewritten(edits, &asked, sent, subject)?) {
            readings.insert(*combination, read.map_err(|error| unreadable(*combination, &error))?);
        }
        let variants = Variants { edits, sources, subject, rewriting, readings, states: Vec::new() };
        combinations.iter().try_for_each(|combination| variants.check_patches(*combination))?;
        Ok(variants)
    }

    /// The text under some edits; none where none of them is one of the string.
    pub fn edited(&self, combination: Combination) -> Option<&Edited> {
        let of_string = combination.and(self.rewriting);
        if of_string.is_empty() { None } else { self.readings.get(&of_string) }
    }

    /// Bytes that the batch of some edits takes.
    pub fn bytes(&self, combination: Combination) -> usize {
        let tokens = self.read(combination).map_or(0, |read| read.encoded.tokens.len());
        let patches = combination.edits().filter(|edit| matches!(self.edits[*edit], Edit::Patch { .. }));
        let width = self.subject.model().config().hidden_size;
        (1 + patches.count()) * tokens * width * size_of::<f32>()
    }

    /// Runs the texts that states are taken from, if that is not done yet.
    ///
    /// # Errors
    /// As [`Subject::map`].
    pub fn take_states(&mut self) -> Result<(), Failure> {
        let model = self.subject.model().clone();
        let states = move |source: Source| states(&model, &source);
        self.states = self.subject.map(self.sources.to_vec(), |_| Passes::FORWARD, states)?;
        Ok(())
    }

    /// What the network gets under some edits; those that patch need [`Self::take_states`] before.
    ///
    /// # Errors
    /// None that is known; see [`Failure::Internal`].
    pub fn batch(&self, combination: Combination) -> Result<Batch, Failure> {
        let model = self.subject.model();
        let read = self.read(combination).ok_or_else(lost)?;
        let mut ids = read.encoded.ids.clone();
        let (mut hidden, mut changes) = (Vec::new(), Vec::new());
        for index in combination.edits() {
            match &self.edits[index] {
                Edit::Replace { .. } | Edit::Delete { .. } => {}
                Edit::Mask { words } => {
                    let mask = model.tokenizer().special().mask.ok_or_else(lost)?;
                    tokens(read, words).for_each(|token| ids[token] = mask);
                }
                Edit::Hide { words } => hidden.extend(tokens(read, words)),
                Edit::ScaleHeads { heads, factor } => {
                    changes.extend(heads.iter().map(|Head { layer, head }| Intervention::HeadGate {
                        layer: *layer,
                        head: *head,
                        gate: *factor as f32,
                    }));
                }
                Edit::ScaleNeurons { layer, neurons, factor } => changes.push(Intervention::NeuronGate {
                    layer: *layer,
                    neurons: neurons.clone(),
                    gate: *factor as f32,
                }),
                Edit::Patch { layer, from, words } => {
                    let state = self.state(from, *layer).ok_or_else(lost)?;
                    let patched: Vec<usize> = match words {
                        Some(words) => tokens(read, words).collect(),
                        None => (0..read.encoded.tokens.len()).collect(),
                    };
                    changes.extend(patched.into_iter().map(|token| Intervention::Hidden {
                        point: *layer,
                        edit: HiddenEdit::Replace { token, value: state.row(token).to_vec() },
                    }));
                }
                Edit::Concept { change, .. } => changes.push(change.clone()),
            }
        }
        if !hidden.is_empty() {
            changes.push(Intervention::TokenMask { tokens: hidden });
        }
        let batch = model.encoder().batch(&ids, &read.encoded.type_ids);
        let mut batch = batch.map_err(ExplainError::from)?;
        batch.sequences.iter_mut().for_each(|sequence| {
            sequence.interventions = Interventions::from(std::mem::take(&mut changes));
        });
        Ok(batch)
    }

    fn read(&self, combination: Combination) -> Option<&Edited> {
        self.readings.get(&combination.and(self.rewriting))
    }

    fn source(&self, from: &OwnedText) -> Option<usize> {
        self.sources.iter().position(|source| source.sent == *from)
    }

    fn state(&self, from: &OwnedText, layer: usize) -> Option<&Matrix> {
        self.states.get(self.source(from)?)?.get(&layer)
    }

    fn check_patches(&self, combination: Combination) -> Result<(), Failure> {
        let Some(read) = self.read(combination) else { return Err(lost()) };
        for index in combination.edits() {
            let Edit::Patch { from, .. } = &self.edits[index] else { continue };
            let Some(source) = self.source(from) else { return Err(lost()) };
            let pieces =
                |text: &EncodedText| text.tokens.iter().map(|token| token.text.clone()).collect::<Vec<_>>();
            let (tokens, others) = (pieces(&read.encoded), pieces(&self.sources[source].encoded));
            if tokens.len() != others.len() {
                let pointer = format!("/edits/{index}/from");
                return Err(Failure::UnequalLengths { pointer, tokens, others });
            }
        }
        Ok(())
    }
}

fn lost() -> Failure {
    Failure::Internal("a variant of the text was not prepared".into())
}

/// The tokens that stand for some words of the original now.
fn tokens<'a>(read: &'a Edited, words: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    words.iter().filter_map(|word| read.tokens.get(*word)).flatten().copied()
}

/// The text by each of these edits of the string, or why the model cannot read it.
fn rewritten(
    edits: &[Edit],
    asked: &[Combination],
    sent: &OwnedText,
    subject: &Subject,
) -> Result<Vec<Result<Edited, EncodeError>>, ExplainError> {
    let words = &subject.text().words;
    let rewrites = |combination: &Combination| -> Vec<Rewrite> {
        combination.edits().flat_map(|index| edits[index].rewrite(words)).collect()
    };
    let asked: Vec<Vec<Rewrite>> = asked.iter().map(rewrites).collect();
    let (subject_there, sent) = (subject.clone(), sent.clone());
    let read = move |rewrites: Vec<Rewrite>| {
        let (model, words) = (subject_there.model(), &subject_there.text().words);
        Ok(Edited::new(model, sent.as_text(), words, &rewrites))
    };
    subject.map(asked, |_| Passes::NONE, read)
}

fn unreadable(combination: Combination, error: &EncodeError) -> Failure {
    let edits: Vec<usize> = combination.edits().collect();
    let text = if error.segment() == 0 { "the text" } else { "the second text" };
    let (pointer, under) = match edits.as_slice() {
        [only] => (format!("/edits/{only}"), format!("edit {only}")),
        several => {
            let listed: Vec<String> = several.iter().map(usize::to_string).collect();
            ("/edits".to_owned(), format!("edits {}", listed.join(", ")))
        }
    };
    let detail = format!("under {under}, {text} {error}");
    Failure::Field(Invalid::new(
        pointer,
        detail,
        "leave something of the text, and not more than the model takes",
    ))
}

fn states(model: &Model, source: &Source) -> Result<BTreeMap<usize, Matrix>, ExplainError> {
    let encoder = model.encoder();
    let batch = encoder.batch(&source.encoded.ids, &source.encoded.type_ids)?;
    let trace = encoder.forward(&batch, Keep::Trace)?;
    source.layers.iter().map(|layer| Ok((*layer, trace.hidden(*layer)?))).collect()
}
