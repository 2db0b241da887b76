//! What a text would be to the network if that were altered, or were not.

use super::method::ExplainError;
use super::subject::{Subject, check_finite};
use crate::model::{Interventions, Prediction};

impl Subject {
    /// What the model says of the text where it is not altered, by a forward pass of its own.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn prediction_unaltered(&self) -> Result<Prediction, ExplainError> {
        let predictions = self.predictions_through(&[Interventions::none()])?;
        let lost = || candle_core::Error::Msg("a forward pass ended without its logits".into());
        Ok(predictions.into_iter().next().ok_or_else(lost)?)
    }

    /// What the model says of the text where it is altered in each of some ways, whatever the text itself goes through: a
    /// forward pass each.
    ///
    /// # Errors
    /// As [`Self::altered`].
    pub fn predictions_through(&self, ways: &[Interventions]) -> Result<Vec<Prediction>, ExplainError> {
        let mut batches = Vec::new();
        for interventions in ways {
            for mut batch in self.batches(self.embeddings()) {
                let sequences = &mut batch.sequences;
                sequences.iter_mut().for_each(|sequence| sequence.interventions = interventions.clone());
                batches.push(batch);
            }
        }
        let logits = self.logits(batches)?;
        check_finite(&logits)?;
        let combination = self.layout().combination();
        let of_way =
            |windows: &[Vec<f32>]| Prediction::new(self.model().config(), combination.combined(windows));
        Ok(logits.chunks_exact(self.layout().windows().len()).map(of_way).collect())
    }
}
