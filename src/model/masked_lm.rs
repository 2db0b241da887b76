//! What the masked-LM head makes of last hidden states.

use candle_core::Result;

use super::arrays::Matrix;
use super::encoder::{AnyNetwork, Batch, Encoder};
use super::network::{MaskedLmHead, Network};
use super::ops::Ops;
use super::trace::{AnyPass, Keep, Pass};

impl Encoder {
    /// Masked-LM logits `[rows, vocabulary]` of last-layer hidden states `[rows, hidden]`; none where
    /// the checkpoint has no masked-LM head.
    ///
    /// # Errors
    /// Rows of another width.
    pub fn masked_lm_logits(&self, last_hidden: &Matrix) -> Result<Option<Matrix>> {
        if last_hidden.width != self.config().hidden_size {
            candle_core::bail!("hidden states of width {}", last_hidden.width);
        }
        match &self.network {
            AnyNetwork::Kernels(network) => network.masked_lm_logits(last_hidden),
            AnyNetwork::Candle(network) => network.masked_lm_logits(last_hidden),
        }
    }

    /// Masked-LM logits `[sequences, vocabulary]` at one token of each sequence, by its index there; none where the
    /// checkpoint has no masked-LM head. The bits are those of [`Self::masked_lm_logits`] over a whole pass, but in the
    /// last layer of an unaltered network nothing else is computed.
    ///
    /// # Errors
    /// As [`Self::forward`]; rows for another number of sequences, or beyond the tokens of theirs.
    pub fn masked_lm_at(&self, batch: &Batch, rows: &[usize]) -> Result<Option<Matrix>> {
        self.check(batch)?;
        if rows.len() != batch.sequences.len() {
            let sequences = batch.sequences.len();
            candle_core::bail!("{} rows for {sequences} sequences, expected one for each", rows.len());
        }
        for (row, sequence) in rows.iter().zip(&batch.sequences) {
            if *row >= sequence.tokens() {
                candle_core::bail!("row {row} of a sequence of {} tokens", sequence.tokens());
            }
        }
        let mut workspace = self.workspace();
        match (&self.network, &mut workspace.trace.0) {
            (AnyNetwork::Kernels(network), AnyPass::Kernels(pass)) => network.masked_lm_at(batch, rows, pass),
            (AnyNetwork::Candle(network), AnyPass::Candle(pass)) => network.masked_lm_at(batch, rows, pass),
            _ => candle_core::bail!("a trace of another encoder"),
        }
    }
}

impl<O: Ops> Network<O> {
    fn masked_lm_logits(&self, last_hidden: &Matrix) -> Result<Option<Matrix>> {
        let Some(head) = &self.masked_lm else { return Ok(None) };
        let hidden = self.ops.array(&last_hidden.values, last_hidden.width)?;
        self.masked_lm_forward(head, &hidden).map(Some)
    }

    fn masked_lm_at(&self, batch: &Batch, rows: &[usize], pass: &mut Pass<O>) -> Result<Option<Matrix>> {
        let Some(head) = &self.masked_lm else { return Ok(None) };
        pass.begin(batch, Keep::Outputs, |sequence| rows[sequence]);
        let hidden = self.through_layers(batch, pass)?;
        let picked = self.read_rows(&hidden, pass)?;
        self.masked_lm_forward(head, picked.as_ref().unwrap_or(&hidden)).map(Some)
    }

    fn masked_lm_forward(&self, head: &MaskedLmHead<O>, hidden: &O::Array) -> Result<Matrix> {
        let (transformed, _) =
            self.ops.apply_activated(&head.transform, self.config.activation, hidden, false)?;
        let (normalised, _) = self.ops.add_norm(&head.norm, transformed, None, false)?;
        let logits = self.ops.apply(self.decoder(head)?, &normalised)?;
        self.matrix(&logits, self.config.vocabulary_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interventions_tests::{encoders, load, through};
    use crate::model::{Intervention, Interventions, Operators};

    fn of_a_whole_pass(encoder: &Encoder, batch: &Batch, row: usize) -> Vec<f32> {
        let trace = encoder.forward(batch, Keep::Trace).unwrap();
        let last = trace.hidden(encoder.config().layers).unwrap();
        encoder.masked_lm_logits(&last).unwrap().unwrap().row(row).to_vec()
    }

    #[test]
    fn logits_at_a_token_have_the_bits_of_a_whole_pass_in_any_company() {
        for encoder in encoders() {
            let plain = through(&encoder, Interventions::none());
            let gate = Intervention::HeadGate { layer: 2, head: 1, gate: 0.5 };
            let altered = through(&encoder, vec![gate].into());
            let mask = Intervention::TokenMask { tokens: vec![1] };
            let masked = through(&encoder, vec![mask].into());
            let long = encoder.batch(&[8; 19], &[0; 19]).unwrap();
            for company in [vec![&plain], vec![&long, &plain, &plain], vec![&plain, &altered, &long, &masked]]
            {
                for row in 0..plain.sequences[0].tokens() {
                    let rows = vec![row; company.len()];
                    let together = Encoder::join(company.iter().copied());
                    let logits = encoder.masked_lm_at(&together, &rows).unwrap().unwrap();
                    assert_eq!(logits.rows(), company.len());
                    for (batch, ours) in company.iter().zip(logits.iter()) {
                        assert_eq!(ours, of_a_whole_pass(&encoder, batch, row));
                    }
                }
            }
        }
    }

    #[test]
    fn rows_that_sequences_do_not_have_are_refused() {
        let [encoder, _] = encoders();
        let batch = through(&encoder, Interventions::none());
        let refusal = |rows: &[usize]| encoder.masked_lm_at(&batch, rows).err().unwrap().to_string();
        assert!(refusal(&[0, 1]).contains("2 rows for 1 sequences"));
        assert!(refusal(&[5]).contains("row 5 of a sequence of 5 tokens"));
    }

    #[test]
    fn a_checkpoint_without_a_masked_lm_head_has_no_logits_at_any_token() {
        let encoder = load("cased", &Operators::Kernels(crate::model::kernel_ops::KernelOps::best()));
        let batch = encoder.batch(&[5, 7], &[0, 0]).unwrap();
        assert_eq!(encoder.masked_lm_at(&batch, &[1]).unwrap(), None);
    }
}
