//! A masked LM that says what it expects at a place, and how likely a text is.

use std::ops::Range;
use std::sync::Arc;

use crate::explain::portions::{ROWS_TOGETHER, SEQUENCES_TOGETHER};
use crate::explain::{ExplainError, Passes, Subject};
use crate::model::prediction::log_softmax;
use crate::model::{EncodedText, Encoder, Model, Text};

/// A model with a masked-LM head and a mask token. A clone is the same one.
#[derive(Clone)]
pub struct LanguageModel {
    model: Arc<Model>,
    mask: u32,
}

/// A tokenised text with one token to be guessed.
#[derive(Debug, Clone)]
pub(super) struct Blank {
    pub ids: Vec<u32>,
    pub type_ids: Vec<u32>,
    /// The token.
    pub row: usize,
}

impl LanguageModel {
    /// None where the model has no masked-LM head, or no mask token.
    pub fn of(model: Arc<Model>) -> Option<Self> {
        let mask = model.tokenizer().special().mask?;
        model.encoder().has_masked_lm_head().then_some(LanguageModel { model, mask })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The id of its mask token.
    pub fn mask(&self) -> u32 {
        self.mask
    }

    /// A text as this model gets it, special tokens included; none where it is too long, or nothing of it would be left.
    pub fn encoded(&self, text: Text<'_>) -> Option<EncodedText> {
        self.model.encode(text, false).ok()
    }

    /// A text with so many masks in exchange for some tokens, at least one; the first of them is the blank.
    pub(super) fn blank(&self, text: &EncodedText, tokens: Range<usize>, masks: usize) -> Blank {
        let mut blank = Blank { ids: text.ids.clone(), type_ids: text.type_ids.clone(), row: tokens.start };
        let type_id = text.type_ids[tokens.start];
        blank.ids.splice(tokens.clone(), vec![self.mask; masks]);
        blank.type_ids.splice(tokens, vec![type_id; masks]);
        blank
    }

    /// What `read` makes of the log-probabilities `[vocabulary]` at each blank, by its index, in order: a forward pass each.
    ///
    /// # Errors
    /// As [`Subject::map`]; [`ExplainError::NotFinite`].
    pub(super) fn guesses<T: Send + 'static>(
        &self,
        subject: &Subject,
        blanks: Vec<Blank>,
        read: impl Fn(usize, &[f64]) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, ExplainError> {
        if blanks.is_empty() {
            return Ok(Vec::new());
        }
        let model = self.model.clone();
        let lengths: Vec<usize> = blanks.iter().map(|blank| blank.ids.len()).collect();
        let mut blanks = blanks.into_iter().enumerate();
        let groups: Vec<Vec<(usize, Blank)>> =
            together(&lengths).into_iter().map(|count| blanks.by_ref().take(count).collect()).collect();
        let guess = move |group: Vec<(usize, Blank)>| {
            let encoder = model.encoder();
            let batches = group.iter().map(|(_, blank)| encoder.batch(&blank.ids, &blank.type_ids));
            let batches = batches.collect::<Result<Vec<_>, _>>()?;
            let rows: Vec<usize> = group.iter().map(|(_, blank)| blank.row).collect();
            let Some(logits) = encoder.masked_lm_at(&Encoder::join(&batches), &rows)? else {
                return Err(candle_core::Error::Msg("a model without a masked-LM head".into()).into());
            };
            let read_row = |((index, _), logits): (&(usize, Blank), &[f32])| {
                let likelihoods = log_softmax(logits);
                match likelihoods.iter().all(|likelihood| likelihood.is_finite()) {
                    true => Ok(read(*index, &likelihoods)),
                    false => Err(ExplainError::NotFinite),
                }
            };
            group.iter().zip(logits.iter()).map(read_row).collect::<Result<Vec<T>, ExplainError>>()
        };
        let read = subject.map(groups, |group| Passes::new(group.len(), 0), guess)?;
        Ok(read.into_iter().flatten().collect())
    }

    /// −ln p of tokens of some texts, by their indices there, each masked by itself: a forward pass each.
    ///
    /// # Errors
    /// As [`Subject::map`]; [`ExplainError::NotFinite`].
    pub fn surprises(
        &self,
        subject: &Subject,
        tokens: &[(&EncodedText, usize)],
    ) -> Result<Vec<f64>, ExplainError> {
        let blanks = tokens.iter().map(|(text, token)| self.blank(text, *token..*token + 1, 1)).collect();
        let ids: Vec<u32> = tokens.iter().map(|(text, token)| text.ids[*token]).collect();
        self.guesses(subject, blanks, move |index, likelihoods| 0.0 - likelihoods[ids[index] as usize])
    }
}

/// The pseudo-perplexity of a text by the surprises of all its tokens but the special ones: exp of their mean (Salazar et al.
/// 2020, arXiv:1910.14659). None of no tokens, and where it is beyond all numbers.
pub fn pseudo_perplexity(surprises: &[f64]) -> Option<f64> {
    let mean = surprises.iter().sum::<f64>() / surprises.len() as f64;
    Some(mean.exp()).filter(|perplexity| perplexity.is_finite())
}

/// The tokens of a text that are not special.
pub(super) fn own_tokens(text: &EncodedText) -> Vec<usize> {
    (0..text.tokens.len()).filter(|token| !text.tokens[*token].special).collect()
}

/// Sequences of these lengths, in order, in groups that run together: how many there are in each.
pub(super) fn together(lengths: &[usize]) -> Vec<usize> {
    grouped(lengths, SEQUENCES_TOGETHER)
}

/// The same, of any number of short ones.
pub(super) fn grouped(lengths: &[usize], most: usize) -> Vec<usize> {
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for length in lengths {
        match groups.last_mut() {
            Some((count, rows)) if *count < most && *rows + length <= ROWS_TOGETHER => {
                (*count, *rows) = (*count + 1, *rows + length);
            }
            _ => groups.push((1, *length)),
        }
    }
    groups.into_iter().map(|(count, _)| count).collect()
}
