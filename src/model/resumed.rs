//! Passes that begin inside of the network, with a hidden state that is known: what is changed only from there on is as
//! it is in another pass before.

use candle_core::Result;

use super::encoder::{AnyNetwork, Batch, Encoder, Sequence};
use super::interventions::{Intervention, Interventions};
use super::network::Network;
use super::ops::Ops;
use super::trace::{AnyPass, Keep, Pass};

impl Encoder {
    /// The logits of sequences whose hidden state `point` is known, as it is before any edit of it: `[rows, hidden]`, one
    /// sequence after the other. The bits are those of [`Self::logits`] for whatever leads to these states.
    ///
    /// # Errors
    /// A point that there is not, states of another shape, and as [`Self::forward`]; an intervention that acts before the
    /// point.
    pub fn logits_from(
        &self,
        point: usize,
        states: &[f32],
        sequences: Vec<Sequence>,
    ) -> Result<Vec<Vec<f32>>> {
        let config = self.config();
        if point > config.layers {
            candle_core::bail!("hidden state {point}, but there are {}", config.layers + 1);
        }
        self.check_sequences(&sequences)?;
        let rows: usize = sequences.iter().map(Sequence::tokens).sum();
        if states.len() != rows * config.hidden_size {
            let (values, width) = (states.len(), config.hidden_size);
            candle_core::bail!("states have {values} values, expected {rows} rows of {width}");
        }
        if sequences.iter().any(|sequence| sequence.interventions.act_before(point)) {
            candle_core::bail!("an intervention before hidden state {point}, where the pass begins");
        }
        let batch = Batch { word_embeddings: Vec::new(), sequences };
        let mut workspace = self.workspace();
        let trace = &mut workspace.trace;
        match (&self.network, &mut trace.0) {
            (AnyNetwork::Kernels(network), AnyPass::Kernels(pass)) => {
                network.resume(point, states, &batch, pass)
            }
            (AnyNetwork::Candle(network), AnyPass::Candle(pass)) => {
                network.resume(point, states, &batch, pass)
            }
            _ => candle_core::bail!("a trace of another encoder"),
        }?;
        Ok((0..batch.sequences.len()).map(|sequence| trace.logits(sequence).to_vec()).collect())
    }
}

impl<O: Ops> Network<O> {
    fn resume(&self, point: usize, states: &[f32], batch: &Batch, pass: &mut Pass<O>) -> Result<()> {
        pass.begin(batch, Keep::Outputs, |_| 0);
        // The last hidden state is here for all rows.
        pass.only_read &= point < self.layers.len();
        let states = self.ops.array(states, self.config.hidden_size)?;
        let hidden = self.through_layers_from(point, states, pass)?;
        self.read_out(hidden, pass)
    }
}

impl Interventions {
    /// Whether any changes what leads to `hidden[point]`, or is a mask, which acts in every layer.
    fn act_before(&self, point: usize) -> bool {
        self.iter().any(|intervention| match intervention {
            Intervention::TokenMask { .. } => point > 0,
            Intervention::HeadGate { layer, .. }
            | Intervention::NeuronGate { layer, .. }
            | Intervention::HeadValues { layer, .. }
            | Intervention::NeuronValues { layer, .. } => *layer < point,
            Intervention::Hidden { point: edited, .. } => *edited < point,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HiddenEdit;
    use crate::model::interventions_tests::{encoders, numbers, through};

    fn gate(layer: usize) -> Intervention {
        Intervention::HeadGate { layer, head: 1, gate: 0.25 }
    }

    #[test]
    fn a_pass_goes_on_from_any_hidden_state_to_the_same_logits() {
        for encoder in encoders() {
            let layers = encoder.config().layers;
            let whole = through(&encoder, Interventions::none());
            let found = encoder.activations(&whole).unwrap();
            for (point, state) in found.hidden.iter().enumerate() {
                let mut ways = vec![Interventions::none()];
                let row = numbers(encoder.config().hidden_size, point);
                let edit = HiddenEdit::Replace { token: 0, value: row };
                ways.push(vec![Intervention::Hidden { point, edit }].into());
                if point < layers {
                    let neurons = Intervention::NeuronGate { layer: point, neurons: vec![2], gate: 3.0 };
                    ways.push(vec![gate(point), neurons, gate(layers - 1)].into());
                }
                let batches: Vec<Batch> = ways.iter().map(|way| through(&encoder, way.clone())).collect();
                let expected: Vec<Vec<f32>> =
                    batches.iter().map(|batch| encoder.logits(batch).unwrap().remove(0)).collect();
                for (batch, expected) in batches.iter().zip(&expected) {
                    let alone = encoder.logits_from(point, &state.values, batch.sequences.clone()).unwrap();
                    assert_eq!(alone[0], *expected, "alone from hidden state {point}");
                }
                // Company changes no bit of our own kernels; candle promises nothing.
                if matches!(encoder.network, AnyNetwork::Kernels(_)) {
                    let states = state.values.repeat(batches.len());
                    let together = Encoder::join(&batches).sequences;
                    let together = encoder.logits_from(point, &states, together).unwrap();
                    assert_eq!(together, expected, "together from hidden state {point}");
                }
            }
        }
    }

    #[test]
    fn a_pass_does_not_begin_behind_what_it_changes() {
        for encoder in encoders() {
            let sequence = |changes: Vec<Intervention>| through(&encoder, changes.into()).sequences;
            let state =
                encoder.activations(&through(&encoder, Interventions::none())).unwrap().hidden[1].clone();
            let refused = |point: usize, states: &[f32], changes: Vec<Intervention>| {
                encoder.logits_from(point, states, sequence(changes)).err().unwrap().to_string()
            };
            let edit = HiddenEdit::Add(numbers(encoder.config().hidden_size, 1));
            for change in [
                gate(0),
                Intervention::TokenMask { tokens: vec![1] },
                Intervention::Hidden { point: 0, edit },
            ] {
                let refused = refused(1, &state.values, vec![change]);
                assert!(refused.contains("before hidden state 1"), "{refused}");
            }
            let layers = encoder.config().layers;
            let beyond = refused(layers + 1, &state.values, Vec::new());
            assert!(beyond.contains(&format!("there are {}", layers + 1)), "{beyond}");
            let cut = refused(1, &state.values[1..], Vec::new());
            assert!(cut.contains("expected 5 rows"), "{cut}");
        }
    }
}
