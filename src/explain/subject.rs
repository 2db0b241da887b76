//! What is explained: one text through one model, with the passes that methods share.

use std::sync::Arc;

use super::cost::Passes;
use super::crew::{self, Crew};
use super::method::ExplainError;
use super::output::Output;
use crate::model::{Batch, Cotangent, EncodedText, Keep, Matrix, Model, Prediction, Trace, Wanted};

/// One tokenised text with its forward pass. A clone is the same subject, cheap to send to another thread.
#[derive(Clone)]
pub struct Subject(Arc<Parts>);

struct Parts {
    model: Arc<Model>,
    text: EncodedText,
    batch: Batch,
    trace: Option<Trace>,
    prediction: Prediction,
    crew: Arc<dyn Crew>,
}

impl Subject {
    /// Runs the model over the text, keeping as much of it as `keep` says. All heavy work, this included,
    /// is done by the crew.
    ///
    /// # Errors
    /// [`ExplainError::NotFinite`] where the logits are not, [`ExplainError::Compute`].
    pub fn new(
        model: Arc<Model>,
        text: EncodedText,
        keep: Keep,
        crew: Arc<dyn Crew>,
    ) -> Result<Self, ExplainError> {
        let batch = model.encoder().batch(&text.ids, &text.type_ids)?;
        let (trace, logits) = match keep {
            Keep::Outputs => (None, crew.logits(&model, vec![batch.clone()])?.concat()),
            _ => {
                let trace = traced(&model, &batch, keep, crew.as_ref())?;
                let logits = trace.logits(0).to_vec();
                (Some(trace), logits)
            }
        };
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(ExplainError::NotFinite);
        }
        let prediction = Prediction::new(model.config(), logits);
        Ok(Subject(Arc::new(Parts { model, text, batch, trace, prediction, crew })))
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.0.model
    }

    /// The tokenised text.
    pub fn text(&self) -> &EncodedText {
        &self.0.text
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.0.text.tokens.len()
    }

    /// The text as the network gets it.
    pub fn batch(&self) -> &Batch {
        &self.0.batch
    }

    /// The forward pass.
    ///
    /// # Errors
    /// Nothing but the outputs was kept of it: no method that reads a trace was asked for.
    pub fn trace(&self) -> Result<&Trace, ExplainError> {
        let untraced = || candle_core::Error::Msg("the text's forward pass was not kept".into());
        self.0.trace.as_ref().ok_or_else(|| untraced().into())
    }

    /// What the model says of the text.
    pub fn prediction(&self) -> &Prediction {
        &self.0.prediction
    }

    /// An output of a class for this text.
    pub fn output(&self, output: Output, class: usize) -> f64 {
        output.value(self.model().config().problem, &self.prediction().logits, class)
    }

    /// How many items of [`Self::map`] are worked on at a time.
    pub fn crew_members(&self) -> usize {
        self.0.crew.members()
    }

    /// Works on every item, each on one thread, several at a time, and gives the outcomes in order.
    /// `passes` says how often an item runs the network over the text. What takes long belongs in here.
    ///
    /// # Errors
    /// That of the first item in order that failed; [`ExplainError::Cancelled`].
    pub fn map<I: Send + 'static, T: Send + 'static>(
        &self,
        items: Vec<I>,
        passes: impl Fn(&I) -> Passes,
        work: impl Fn(I) -> Result<T, ExplainError> + Send + Sync + 'static,
    ) -> Result<Vec<T>, ExplainError> {
        crew::map(self.0.crew.as_ref(), self.tokens(), items, passes, work)
    }

    /// The logits of other batches: one row for each sequence, in order. They may travel with those of
    /// other requests.
    ///
    /// # Errors
    /// As [`Self::map`].
    pub fn logits(&self, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError> {
        self.0.crew.logits(self.model(), batches)
    }

    /// The gradient of an output of each class with respect to the word embeddings: `[tokens, hidden]`.
    ///
    /// # Errors
    /// A subject whose forward was not kept for gradients.
    pub fn gradients(&self, output: Output, classes: &[usize]) -> Result<Vec<Matrix>, ExplainError> {
        let subject = self.clone();
        self.map(classes.to_vec(), |_| Passes::new(0, 1), move |class| subject.gradient(output, class))
    }

    fn gradient(&self, output: Output, class: usize) -> Result<Matrix, ExplainError> {
        let trace = self.trace()?;
        let derivative = output.derivative(self.model().config().problem, &self.prediction().logits, class);
        let cotangent = Cotangent::of_logits(&derivative, 1);
        let gradients = self.model().encoder().backward(trace, &cotangent, &Wanted::word_embeddings())?;
        Ok(gradients.word_embeddings)
    }
}

fn traced(model: &Arc<Model>, batch: &Batch, keep: Keep, crew: &dyn Crew) -> Result<Trace, ExplainError> {
    let tokens = batch.sequences.iter().map(|sequence| sequence.tokens()).sum();
    let (model, batch) = (model.clone(), batch.clone());
    let run = move |()| Ok(model.encoder().forward(&batch, keep)?);
    let mut traces = crew::map(crew, tokens, vec![()], |()| Passes::FORWARD, run)?;
    traces.pop().ok_or(ExplainError::Cancelled)
}
