//! What a pass of one text is inside, as plain numbers: what is there to be looked at, and to be put into another
//! pass by [`Intervention::HeadValues`](super::Intervention::HeadValues),
//! [`Intervention::NeuronValues`](super::Intervention::NeuronValues) or an edit of a hidden state.

use std::ops::Range;
use std::sync::Arc;

use candle_core::Result;

use super::arrays::Matrix;
use super::encoder::{AnyNetwork, Batch, Encoder};
use super::network::Network;
use super::ops::Ops;
use super::trace::{AnyPass, Keep, Pass};

/// The activations of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Activations {
    /// `hidden[0]` is the embeddings' output, `hidden[l]` the l-th layer's, each `[tokens, hidden]`, after any edit.
    pub hidden: Vec<Matrix>,
    /// By layer, from 0: what attention's output projection reads, `[tokens, hidden]`, heads side by side.
    pub contexts: Vec<Matrix>,
    /// By layer, from 0: what the feed-forward's output layer reads, `[tokens, intermediate]`.
    pub neurons: Vec<Matrix>,
    /// One a label.
    pub logits: Vec<f32>,
}

/// What is looked at inside of a layer, as the next part reads it.
pub(super) struct Inside {
    /// `[rows, hidden]`
    pub contexts: Matrix,
    /// `[rows, intermediate]`
    pub neurons: Matrix,
}

impl Activations {
    /// The context of one of a layer's `heads` heads, both from 0: `[tokens, hidden / heads]`.
    pub fn head(&self, layer: usize, head: usize, heads: usize) -> Arc<[f32]> {
        let contexts = &self.contexts[layer];
        let size = contexts.width / heads;
        columns(contexts, head * size..(head + 1) * size)
    }

    /// Some neurons of a layer, both from 0: `[tokens, neurons]`.
    pub fn neurons_of(&self, layer: usize, neurons: Range<usize>) -> Arc<[f32]> {
        columns(&self.neurons[layer], neurons)
    }
}

fn columns(matrix: &Matrix, columns: Range<usize>) -> Arc<[f32]> {
    matrix.iter().flat_map(|row| &row[columns.clone()]).copied().collect()
}

impl Encoder {
    /// Runs one text, and hands out what the pass is inside. The logits are those of [`Self::forward`], bit by bit.
    /// Beside the memory of a pass with [`Keep::Trace`] it takes that of what it hands out.
    ///
    /// # Errors
    /// As [`Self::forward`]; a batch of any other number of sequences than one.
    pub fn activations(&self, batch: &Batch) -> Result<Activations> {
        self.check(batch)?;
        if batch.sequences.len() != 1 {
            let sequences = batch.sequences.len();
            candle_core::bail!("activations are those of one sequence, and this batch has {sequences}");
        }
        let mut workspace = self.workspace();
        match (&self.network, &mut workspace.trace.0) {
            (AnyNetwork::Kernels(network), AnyPass::Kernels(pass)) => network.activations(batch, pass),
            (AnyNetwork::Candle(network), AnyPass::Candle(pass)) => network.activations(batch, pass),
            _ => candle_core::bail!("a trace of another encoder"),
        }
    }
}

impl<O: Ops> Network<O> {
    fn activations(&self, batch: &Batch, pass: &mut Pass<O>) -> Result<Activations> {
        pass.begin(batch, Keep::Trace, |_| 0);
        pass.inside = Some(Vec::with_capacity(self.layers.len()));
        let hidden = self.through_layers(batch, pass)?;
        self.read_out(hidden, pass)?;
        let inside = pass.inside.take().unwrap_or_default();
        let (contexts, neurons) = inside.into_iter().map(|layer| (layer.contexts, layer.neurons)).unzip();
        let hidden = pass.hidden.iter().map(|state| self.matrix(state, self.config.hidden_size));
        Ok(Activations {
            hidden: hidden.collect::<Result<_>>()?,
            contexts,
            neurons,
            logits: pass.logits.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interventions_tests::{encoders, through};
    use crate::model::{HiddenEdit, Intervention, Interventions};

    #[test]
    fn activations_are_those_of_the_pass_and_lead_to_its_logits() {
        for encoder in encoders() {
            let gates = vec![
                Intervention::HeadGate { layer: 1, head: 2, gate: 0.5 },
                Intervention::NeuronGate { layer: 0, neurons: vec![3], gate: 2.0 },
            ];
            for changes in [Interventions::none(), gates.into()] {
                let batch = through(&encoder, changes);
                let activations = encoder.activations(&batch).unwrap();
                let trace = encoder.forward(&batch, Keep::Trace).unwrap();
                assert_eq!(activations.logits, trace.logits(0));
                assert_eq!(activations.logits, encoder.logits(&batch).unwrap()[0]);
                let hidden: Vec<Matrix> =
                    (0..trace.hidden_states()).map(|point| trace.hidden(point).unwrap()).collect();
                assert_eq!(activations.hidden, hidden);
                let config = encoder.config();
                let shape = |matrix: &Matrix| (matrix.rows(), matrix.width);
                let shapes = |matrices: &[Matrix]| matrices.iter().map(shape).collect::<Vec<_>>();
                assert_eq!(shapes(&activations.contexts), vec![(5, config.hidden_size); config.layers]);
                assert_eq!(shapes(&activations.neurons), vec![(5, config.intermediate_size); config.layers]);
            }
        }
    }

    #[test]
    fn gates_show_in_the_activations_of_what_they_gate() {
        for encoder in encoders() {
            let heads = encoder.config().heads;
            let plain = encoder.activations(&through(&encoder, Interventions::none())).unwrap();
            let gates = vec![
                Intervention::HeadGate { layer: 1, head: 2, gate: 0.5 },
                Intervention::NeuronGate { layer: 1, neurons: vec![3], gate: 0.0 },
            ];
            let gated = encoder.activations(&through(&encoder, gates.into())).unwrap();
            let halved: Vec<f32> = plain.head(1, 2, heads).iter().map(|value| 0.5 * value).collect();
            assert_eq!(*gated.head(1, 2, heads), halved);
            assert_eq!(gated.head(1, 0, heads), plain.head(1, 0, heads));
            assert!(gated.neurons_of(1, 3..4).iter().all(|value| *value == 0.0));
            assert_ne!(plain.neurons_of(1, 3..4), gated.neurons_of(1, 3..4));
        }
    }

    #[test]
    fn a_pass_after_one_that_was_looked_into_is_as_any_other() {
        for encoder in encoders() {
            let batch = through(&encoder, Interventions::none());
            let before = encoder.logits(&batch).unwrap();
            encoder.activations(&batch).unwrap();
            assert_eq!(encoder.logits(&batch).unwrap(), before);
            let two = Encoder::join([&batch, &batch]);
            let refused = encoder.activations(&two).err().unwrap().to_string();
            assert!(refused.contains("this batch has 2"), "{refused}");
        }
    }

    #[test]
    fn a_hidden_state_of_another_text_runs_on_as_it_did_there() {
        for encoder in encoders() {
            let other = encoder.batch(&[9, 3, 30, 12, 4], &[0; 5]).unwrap();
            let found = encoder.activations(&other).unwrap();
            for (point, state) in found.hidden.iter().enumerate() {
                let replace = |(token, row): (usize, &[f32])| Intervention::Hidden {
                    point,
                    edit: HiddenEdit::Replace { token, value: row.to_vec() },
                };
                let changes: Vec<Intervention> = state.iter().enumerate().map(replace).collect();
                let patched = encoder.logits(&through(&encoder, changes.into())).unwrap();
                assert_eq!(patched[0], found.logits);
            }
        }
    }
}
