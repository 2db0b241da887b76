//! Edited texts as the model reads them. Everything that is said of a text comes from here: it was written down, tokenised
//! anew and run through the network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::budget::Budget;
use super::edit::{Edit, Edits, edited};
use super::goal::Goal;
use super::language::{grouped, together};
use super::units::Units;
use crate::explain::rewriting::{Rewrite, exact};
use crate::explain::subject::check_finite;
use crate::explain::{ExplainError, Subject};
use crate::model::{Batch, EncodedText, Encoder, Text};

/// A text that was tried.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trial {
    /// The text, or the first of a pair.
    pub first: String,
    /// The second text of a pair.
    pub second: Option<String>,
    /// What the model says of it.
    pub logits: Vec<f32>,
    /// The goal's margin: positive where it says what is wanted.
    pub margin: f64,
}

type Written = (String, Option<String>);

/// What has been tried so far.
pub(super) struct Trials<'a> {
    goal: &'a Goal,
    text: Text<'a>,
    subject: &'a Subject,
    units: &'a Units,
    /// What may still be spent.
    pub budget: Budget,
    /// None where the model cannot read what the edits leave.
    by_edits: BTreeMap<Edits, Option<Arc<Trial>>>,
    by_text: BTreeMap<Written, Option<Arc<Trial>>>,
    leanings: BTreeMap<String, Option<f64>>,
}

impl<'a> Trials<'a> {
    /// The original alone.
    pub fn new(
        goal: &'a Goal,
        text: Text<'a>,
        subject: &'a Subject,
        units: &'a Units,
        budget: Budget,
    ) -> Self {
        let logits = subject.prediction().logits.clone();
        let original = Trial {
            first: text.first.to_owned(),
            second: text.second.map(str::to_owned),
            margin: goal.margin(&logits),
            logits,
        };
        let mut trials = Trials {
            goal,
            text,
            subject,
            units,
            budget,
            by_edits: BTreeMap::new(),
            by_text: BTreeMap::new(),
            leanings: BTreeMap::new(),
        };
        trials.remember(Vec::new(), Some(Arc::new(original)));
        trials
    }

    fn remember(&mut self, edits: Edits, trial: Option<Arc<Trial>>) {
        if let Some(trial) = &trial {
            self.by_text.insert((trial.first.clone(), trial.second.clone()), Some(trial.clone()));
        }
        self.by_edits.insert(edits, trial);
    }

    /// Tries what has not been tried, as far as the budget goes, in order.
    ///
    /// # Errors
    /// Those of the crew; [`ExplainError::NotFinite`].
    pub fn run(&mut self, wanted: &[Edits]) -> Result<(), ExplainError> {
        let mut written: Vec<(&Edits, Written)> = Vec::new();
        let mut waiting: BTreeMap<Written, EncodedText> = BTreeMap::new();
        for edits in wanted.iter().filter(|edits| !self.by_edits.contains_key(*edits)) {
            let text = edited(self.text, self.units, edits);
            if !self.by_text.contains_key(&text) && !waiting.contains_key(&text) {
                match self.subject.model().encode(as_text(&text), false) {
                    Err(_) => _ = self.by_text.insert(text.clone(), None),
                    // A text that is several times as long takes as many passes over the original.
                    Ok(encoded) if self.budget.take(1, self.passes(encoded.ids.len())) == 0 => break,
                    Ok(encoded) => _ = waiting.insert(text.clone(), encoded),
                }
            }
            written.push((edits, text));
        }
        self.read(waiting)?;
        for (edits, text) in written {
            let trial = self.by_text.get(&text).cloned().flatten();
            self.by_edits.insert(edits.clone(), trial);
        }
        Ok(())
    }

    /// How many passes over the original so many tokens are, at least one.
    fn passes(&self, tokens: usize) -> usize {
        (tokens / self.subject.tokens().max(1)).max(1)
    }

    /// Runs texts through the network.
    fn read(&mut self, waiting: BTreeMap<Written, EncodedText>) -> Result<(), ExplainError> {
        let (texts, encoded): (Vec<Written>, Vec<EncodedText>) = waiting.into_iter().unzip();
        let lengths: Vec<usize> = encoded.iter().map(|encoded| encoded.ids.len()).collect();
        let logits = self.logits(&encoded, &together(&lengths))?;
        for ((first, second), logits) in texts.into_iter().zip(logits) {
            let margin = self.goal.margin(&logits);
            let key = (first.clone(), second.clone());
            self.by_text.insert(key, Some(Arc::new(Trial { first, second, logits, margin })));
        }
        Ok(())
    }

    /// The logits of texts that run in groups of such sizes.
    fn logits(&self, texts: &[EncodedText], groups: &[usize]) -> Result<Vec<Vec<f32>>, ExplainError> {
        let mut singles = texts.iter().map(|text| batch(self.subject, &text.ids, &text.type_ids));
        let mut batches = Vec::with_capacity(groups.len());
        for count in groups {
            let group: Vec<Batch> = singles.by_ref().take(*count).collect::<Result<_, _>>()?;
            batches.push(Encoder::join(&group));
        }
        let logits = if batches.is_empty() { Vec::new() } else { self.subject.logits(batches)? };
        check_finite(&logits)?;
        Ok(logits)
    }

    /// What came of these edits; none if they were not tried, or the model cannot read what they leave.
    pub fn trial(&self, edits: &[Edit]) -> Option<&Arc<Trial>> {
        self.by_edits.get(edits)?.as_ref()
    }

    /// Edits as changes to the strings that need no tidying, in order.
    pub fn exact(&self, edits: &[Edit]) -> Vec<Rewrite> {
        let rewrites: Vec<Rewrite> = edits.iter().map(|edit| edit.rewrite(self.units)).collect();
        let parts = std::iter::once(self.text.first).chain(self.text.second).enumerate();
        parts.flat_map(|(segment, part)| exact(part, segment, &rewrites)).collect()
    }

    /// Its margin.
    pub fn margin(&self, edits: &[Edit]) -> Option<f64> {
        self.trial(edits).map(|trial| trial.margin)
    }

    /// Whether these edits were tried, and the model says what is wanted.
    pub fn is_flip(&self, edits: &[Edit]) -> bool {
        self.margin(edits).is_some_and(|margin| margin > 0.0)
    }

    /// Whether these edits were tried, or found to leave nothing to try.
    pub fn has_tried(&self, edits: &[Edit]) -> bool {
        self.by_edits.contains_key(edits)
    }

    /// Everything that was tried, but what leaves the original as it is.
    pub fn all(&self) -> impl Iterator<Item = (&Edits, &Arc<Trial>)> {
        let tried = self.by_edits.iter().filter_map(|(edits, trial)| Some((edits, trial.as_ref()?)));
        tried.filter(|(_, trial)| {
            (trial.first.as_str(), trial.second.as_deref()) != (self.text.first, self.text.second)
        })
    }

    /// Learns how words lean by themselves, as far as the budget goes: each is run as a text of its own.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn lean<'w>(&mut self, words: impl IntoIterator<Item = &'w str>) -> Result<(), ExplainError> {
        if self.text.second.is_some() {
            return Ok(());
        }
        let unknown: BTreeSet<&str> =
            words.into_iter().filter(|word| !self.leanings.contains_key(*word)).collect();
        let (mut readable, mut encoded) = (Vec::new(), Vec::new());
        for word in unknown {
            match self.subject.model().encode(Text { first: word, second: None }, false) {
                Ok(text) => {
                    readable.push(word);
                    encoded.push(text);
                }
                Err(_) => _ = self.leanings.insert(word.to_owned(), None),
            }
        }
        let tokens: usize = encoded.iter().map(|encoded| encoded.ids.len()).sum();
        let forwards = self.budget.take(tokens.div_ceil(self.subject.tokens().max(1)), 1);
        let mut room = forwards * self.subject.tokens();
        let fits = |encoded: &EncodedText| {
            let is_room = encoded.ids.len() <= room;
            room = room.saturating_sub(encoded.ids.len());
            is_room
        };
        let count = encoded.iter().map(fits).take_while(|fits| *fits).count();
        encoded.truncate(count);
        let lengths: Vec<usize> = encoded.iter().map(|encoded| encoded.ids.len()).collect();
        let logits = self.logits(&encoded, &grouped(&lengths, usize::MAX))?;
        for (word, logits) in readable.into_iter().zip(logits) {
            let leaning = 1.0 / (1.0 + (-self.goal.margin(&logits)).exp());
            self.leanings.insert(word.to_owned(), Some(leaning));
        }
        Ok(())
    }

    /// How a word leans towards the goal by itself, 0 to 1; none where that is not known. Of the words of a pair it never
    /// is: there is no pair of one word.
    pub fn leaning(&self, word: &str) -> Option<f64> {
        self.leanings.get(word).copied().flatten()
    }

    /// Whether leanings mean anything here.
    pub fn has_leanings(&self) -> bool {
        self.text.second.is_none()
    }
}

fn as_text((first, second): &Written) -> Text<'_> {
    Text { first, second: second.as_deref() }
}

/// Tokens as the network gets them, altered like the original's.
pub(super) fn batch(subject: &Subject, ids: &[u32], type_ids: &[u32]) -> Result<Batch, ExplainError> {
    let mut batch = subject.model().encoder().batch(ids, type_ids)?;
    for sequence in &mut batch.sequences {
        sequence.interventions = subject.interventions().clone();
    }
    Ok(batch)
}
