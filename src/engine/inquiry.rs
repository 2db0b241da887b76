//! A question whose answer is the model's reading of a text and one thing more.

use std::sync::Arc;

use super::Failure;
use super::parts::Made;
use crate::explain::{Cost, Subject};
use crate::identity::Shape;
use crate::model::{EncodedText, Keep, Model};

/// What is asked beside the reading, checked and waiting for texts.
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

    /// Bytes that what it finds in a text of so many tokens takes.
    fn bytes(&self, tokens: usize) -> usize;

    /// Refuses a text that does not suit what is asked.
    ///
    /// # Errors
    /// [`Failure::Field`], [`Failure::TooLarge`].
    fn check_text(&self, _text: &EncodedText) -> Result<(), Failure> {
        Ok(())
    }

    /// What there is to tell of a text.
    ///
    /// # Errors
    /// See [`Failure`].
    fn find(&self, subject: &Subject) -> Result<Made, Failure>;
}
