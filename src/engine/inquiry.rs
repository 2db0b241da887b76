//! A question about a text whose answer is one thing beside the model's reading of it, or one thing alone.

use std::sync::Arc;

use super::draft::Draft;
use super::parts::Made;
use super::{Failure, OwnedText};
use crate::explain::{Cost, Subject};
use crate::identity::Shape;
use crate::model::{EncodedText, Keep, Model};

/// What is asked, checked and waiting for texts.
pub trait Inquiry: Send + Sync {
    /// The model that is asked.
    fn model(&self) -> &Arc<Model>;

    /// Whether a long text may be cut.
    fn truncate(&self) -> bool;

    /// The shape of its answers, which names what it finds.
    fn shape(&self) -> Shape;

    /// Raised whenever it finds something else for the same input.
    fn version(&self) -> u32;

    /// All that is asked, with defaults filled in: equal inquiries, equal strings.
    fn canonical_options(&self) -> String;

    /// The seed, if it changes what is found.
    fn seed(&self) -> Option<u64> {
        None
    }

    /// What it reads of the text's own forward pass.
    fn keep(&self) -> Keep;

    /// What it takes for a text of so many tokens, beyond the text's own forward pass.
    fn cost(&self, tokens: usize) -> Cost;

    /// The same for a text that is known.
    fn cost_of(&self, text: &EncodedText) -> Cost {
        self.cost(text.tokens.len())
    }

    /// Tokens of the longest text that the network is given for a text of so many tokens.
    fn longest(&self, tokens: usize) -> usize {
        tokens
    }

    /// Bytes that what it finds in a text of so many tokens takes.
    fn bytes(&self, tokens: usize) -> usize;

    /// The same for a text that is known.
    fn bytes_of(&self, text: &EncodedText) -> usize {
        self.bytes(text.tokens.len())
    }

    /// Refuses a text that does not suit what is asked.
    ///
    /// # Errors
    /// [`Failure::Field`], [`Failure::TooLarge`], [`Failure::TooManyWords`].
    fn check_text(&self, _text: &EncodedText) -> Result<(), Failure> {
        Ok(())
    }

    /// What there is to tell of a text as it was sent, and as the network has read it. What takes long writes down what it
    /// has so far.
    ///
    /// # Errors
    /// See [`Failure`].
    fn find(&self, sent: &OwnedText, subject: &Subject, draft: &Draft) -> Result<Made, Failure>;
}
