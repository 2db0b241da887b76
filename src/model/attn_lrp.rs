//! The rules of AttnLRP (Achtibat et al. 2024, arXiv:2402.05602): layer-wise relevance propagation for
//! transformers, as a gradient with changed rules, which times the input is the relevance.
//!
//! - Activation functions, the pooler's tanh among them, pass relevance on as it is: f(x) / x in place of f′(x).
//! - The two factors of a product share its relevance: half the gradient for each, at A·V and again at Q·Kᵀ.
//! - The deviation of a layer normalisation counts as a constant.
//! - The softmax keeps its derivative.
//!
//! What biases contribute is nobody's relevance: it is missing in the sum.

use candle_core::Result;

use super::arrays::Matrix;
use super::network::Network;
use super::nonlinear::ratio;
use super::ops::{AttentionInputs, Ops};
use super::record::{Recorded, RecordedLayer, Rules};

/// The rules, for a record of one sequence.
pub(super) struct AttnLrp;

impl<O: Ops> Rules<O> for AttnLrp {
    fn activation(&self, network: &Network<O>, _record: &Recorded<O>, inputs: &Matrix) -> Vec<f32> {
        inputs.values.iter().map(|z| ratio(network.config.activation, f64::from(*z)) as f32).collect()
    }

    fn tanh(&self, record: &Recorded<O>) -> Vec<f32> {
        let ratio = |z: &f32| match f64::from(*z) {
            0.0 => 1.0,
            z => z.tanh() / z,
        };
        record.pooler_sum.values.iter().map(|z| ratio(z) as f32).collect()
    }

    fn norm(&self, _record: &Recorded<O>, epsilon: f64, sums: &Matrix, relevance: &mut Matrix) {
        let width = relevance.width;
        for (row, sums) in relevance.values.chunks_exact_mut(width).zip(sums.iter()) {
            let mean = |values: &[f32]| values.iter().map(|x| f64::from(*x)).sum::<f64>() / width as f64;
            let (centre, mean_relevance) = (mean(sums), mean(row));
            let variance = sums.iter().map(|x| (f64::from(*x) - centre).powi(2)).sum::<f64>() / width as f64;
            let scale = 1.0 / (variance + epsilon).sqrt();
            row.iter_mut().for_each(|value| *value = ((f64::from(*value) - mean_relevance) * scale) as f32);
        }
    }

    fn attention(
        &self,
        network: &Network<O>,
        record: &Recorded<O>,
        layer: &RecordedLayer<O>,
        to_context: &O::Array,
    ) -> Result<(O::Array, O::Array)> {
        let (ops, width) = (&network.ops, network.config.hidden_size);
        let inputs = AttentionInputs {
            queries: &layer.queries,
            keys_and_values: &layer.keys_and_values,
            probabilities: &layer.probabilities,
        };
        let gradients =
            ops.attention_vjp(&record.attending(network.config.heads), inputs, to_context, false)?;
        // Probabilities are a factor of the context, and queries and keys are factors of what makes them.
        let quarter = vec![0.25; width];
        let quarter_and_half: Vec<f32> = quarter.iter().copied().chain(vec![0.5; width]).collect();
        let queries = ops.scale_columns(gradients.queries, &record.rows, &[Some(quarter)])?;
        let both = ops.scale_columns(gradients.keys_and_values, &record.rows, &[Some(quarter_and_half)])?;
        Ok((queries, both))
    }
}
