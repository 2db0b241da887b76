//! What is explained: one text through one model, with the passes that methods share.

use super::cancellation::Cancellation;
use super::method::ExplainError;
use super::output::Output;
use crate::model::{Batch, Cotangent, EncodedText, Keep, Matrix, Model, Prediction, Trace, Wanted};

/// One tokenised text with its forward pass.
pub struct Subject<'a> {
    model: &'a Model,
    text: &'a EncodedText,
    batch: Batch,
    trace: Trace,
    prediction: Prediction,
    cancellation: Cancellation,
}

impl<'a> Subject<'a> {
    /// Runs the model over the text, keeping as much of it as `keep` says.
    ///
    /// # Errors
    /// [`ExplainError::NotFinite`] where the logits are not, [`ExplainError::Compute`].
    pub fn new(
        model: &'a Model,
        text: &'a EncodedText,
        keep: Keep,
        cancellation: Cancellation,
    ) -> Result<Self, ExplainError> {
        cancellation.check()?;
        let batch = model.encoder().batch(&text.ids, &text.type_ids)?;
        let trace = model.encoder().forward(&batch, keep)?;
        let logits = trace.logits(0).to_vec();
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(ExplainError::NotFinite);
        }
        let prediction = Prediction::new(model.config(), logits);
        Ok(Subject { model, text, batch, trace, prediction, cancellation })
    }

    /// The model.
    pub fn model(&self) -> &'a Model {
        self.model
    }

    /// The tokenised text.
    pub fn text(&self) -> &'a EncodedText {
        self.text
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.text.tokens.len()
    }

    /// The text as the network gets it.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The forward pass.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What the model says of the text.
    pub fn prediction(&self) -> &Prediction {
        &self.prediction
    }

    /// To be looked at between chunks of long work.
    pub fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    /// An output of a class for this text.
    pub fn output(&self, output: Output, class: usize) -> f64 {
        output.value(self.model.config().problem, &self.prediction.logits, class)
    }

    /// The gradient of an output with respect to the word embeddings: `[tokens, hidden]`.
    ///
    /// # Errors
    /// A subject whose forward was not kept for gradients.
    pub fn gradient(&self, output: Output, class: usize) -> Result<Matrix, ExplainError> {
        self.cancellation.check()?;
        let derivative = output.derivative(self.model.config().problem, &self.prediction.logits, class);
        let cotangent = Cotangent::of_logits(&derivative, 1);
        let gradients = self.model.encoder().backward(&self.trace, &cotangent, &Wanted::word_embeddings())?;
        Ok(gradients.word_embeddings)
    }
}
