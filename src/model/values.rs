//! What values do in a layer's attention: the layer without the value of one token, and how much of each value
//! reaches each token.

use candle_core::Result;

use super::arrays::Matrix;
use super::network::Network;
use super::ops::Ops;
use super::trace::{Pass, SavedLayer};

impl<O: Ops> Network<O> {
    /// The output of a layer, `[tokens, hidden]`, with the value vectors of one token set to zero in all heads;
    /// the input and the attention probabilities are those of the pass.
    pub(super) fn value_zeroed(&self, pass: &Pass<O>, layer: usize, token: usize) -> Result<Matrix> {
        let saved = self.saved_layer(pass, layer)?;
        let hidden = self.config.hidden_size;
        let mut keys_and_values = Vec::new();
        self.ops.read(&saved.keys_and_values, &mut keys_and_values)?;
        let Some(row) = keys_and_values.chunks_exact_mut(2 * hidden).nth(token) else {
            candle_core::bail!("there is no token {token} in this pass");
        };
        row[hidden..].fill(0.0);
        let zeroed = self.ops.array(&keys_and_values, 2 * hidden)?;
        let (context, _) = self.ops.attention(&pass.attending(false), &saved.queries, &zeroed, false)?;
        let end = self.after_attention(layer, &context, &pass.hidden[layer], false, pass)?;
        let mut values = Vec::new();
        self.ops.read(&end.output, &mut values)?;
        Ok(Matrix { values, width: hidden })
    }

    /// ‖Σ_h p_h[i, j] (v_j of head h) W_O of head h‖ for each query i and key j: `[queries, keys]`.
    pub(super) fn value_norms(&self, pass: &Pass<O>, layer: usize) -> Result<Matrix> {
        let saved = self.saved_layer(pass, layer)?;
        let maps = pass.maps(&pass.probabilities[layer], 0, false)?;
        let transformed = self.transformed_values(saved, layer)?;
        let mut norms = Matrix { values: vec![0.0; maps.queries * maps.keys], width: maps.keys };
        for key in 0..maps.keys {
            let products = inner_products(&transformed, key);
            for query in 0..maps.queries {
                let weights: Vec<f64> =
                    (0..maps.heads).map(|head| f64::from(maps.row(head, query)[key])).collect();
                norms.values[query * maps.keys + key] = length(&weights, &products) as f32;
            }
        }
        Ok(norms)
    }

    /// By head, what its part of the attention's output layer makes of each value vector, without the bias:
    /// `[tokens, hidden]`.
    fn transformed_values(&self, saved: &SavedLayer<O>, layer: usize) -> Result<Vec<Matrix>> {
        let (hidden, head_size) = (self.config.hidden_size, self.config.head_size());
        let output = &self.layers[layer].attention_output;
        let apply = |rows: &[f32]| {
            let mut values = Vec::new();
            self.ops.read(&self.ops.apply(output, &self.ops.array(rows, hidden)?)?, &mut values)?;
            Ok::<_, candle_core::Error>(values)
        };
        let mut keys_and_values = Vec::new();
        self.ops.read(&saved.keys_and_values, &mut keys_and_values)?;
        let bias = apply(&vec![0.0; hidden])?;
        let of_head = |head: usize| {
            let columns = head * head_size..(head + 1) * head_size;
            let mut alone = vec![0.0; keys_and_values.len() / 2];
            for (row, both) in alone.chunks_exact_mut(hidden).zip(keys_and_values.chunks_exact(2 * hidden)) {
                row[columns.clone()].copy_from_slice(&both[hidden..][columns.clone()]);
            }
            let mut values = apply(&alone)?;
            for row in values.chunks_exact_mut(hidden) {
                row.iter_mut().zip(&bias).for_each(|(value, bias)| *value -= bias);
            }
            Ok(Matrix { values, width: hidden })
        };
        (0..self.config.heads).map(of_head).collect()
    }

    /// What was kept of a layer, in a pass over one text without interventions.
    fn saved_layer<'a>(&self, pass: &'a Pass<O>, layer: usize) -> Result<&'a SavedLayer<O>> {
        if !(pass.keep.traces() && pass.keep.differentiates()) {
            candle_core::bail!("this pass was not kept whole: its values are gone");
        }
        if pass.rows.len() != 1 || pass.interventions.iter().any(|changes| !changes.is_empty()) {
            candle_core::bail!("values are looked at in a pass over one text, without interventions");
        }
        match pass.layers.get(layer) {
            Some(saved) => Ok(saved),
            None => candle_core::bail!("there is no layer {layer} in this pass"),
        }
    }
}

/// The inner products between all heads' rows of a token.
fn inner_products(heads: &[Matrix], token: usize) -> Vec<Vec<f64>> {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let row = |left: &Matrix| heads.iter().map(|right| product(left.row(token), right.row(token))).collect();
    heads.iter().map(row).collect()
}

/// The length of a weighted sum of vectors, by their inner products.
fn length(weights: &[f64], products: &[Vec<f64>]) -> f64 {
    let row = |products: &Vec<f64>| products.iter().zip(weights).map(|(p, w)| p * w).sum::<f64>();
    let square: f64 = products.iter().zip(weights).map(|(products, weight)| weight * row(products)).sum();
    // Vectors that cancel out may leave a rounding error below zero.
    square.max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::Device;

    use super::*;
    use crate::model::candle_ops::CandleOps;
    use crate::model::kernel_ops::KernelOps;
    use crate::model::weights::Weights;
    use crate::model::{Batch, Interventions, Keep, ModelConfig, Sequence};

    fn assert_that_norms_are_what_the_attention_loses<O: Ops>(ops: O) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
        let config = ModelConfig::read(&directory.join("config.json")).unwrap();
        let (hidden, heads) = (config.hidden_size, config.heads);
        let network = Network::load(config, &Weights::open(&directory).unwrap(), ops).unwrap();
        let tokens = 5;
        let batch = Batch {
            word_embeddings: network.embeddings.words[..tokens * hidden].to_vec(),
            sequences: vec![Sequence { type_ids: vec![0; tokens], interventions: Interventions::none() }],
        };
        let mut pass = Pass::new(network.ops.clone(), heads);
        network.forward(&batch, Keep::Gradients, &mut pass).unwrap();
        let layer = network.layers.len() - 1;
        let norms = network.value_norms(&pass, layer).unwrap();
        let saved = &pass.layers[layer];
        let attended = |keys_and_values: &O::Array| {
            let ops = &network.ops;
            let (context, _) =
                ops.attention(&pass.attending(false), &saved.queries, keys_and_values, false).unwrap();
            let mut values = Vec::new();
            let output = ops.apply(&network.layers[layer].attention_output, &context).unwrap();
            ops.read(&output, &mut values).unwrap();
            values
        };
        let whole = attended(&saved.keys_and_values);
        for key in 0..tokens {
            let mut values = Vec::new();
            network.ops.read(&saved.keys_and_values, &mut values).unwrap();
            values[(2 * key + 1) * hidden..(2 * key + 2) * hidden].fill(0.0);
            let without = attended(&network.ops.array(&values, 2 * hidden).unwrap());
            for query in 0..tokens {
                let rows = whole[query * hidden..].iter().zip(&without[query * hidden..]).take(hidden);
                let lost = rows.map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                let norm = norms.row(query)[key];
                assert!((lost - norm).abs() < 1e-4 * (1.0 + norm), "{lost} against {norm}");
            }
        }
    }

    #[test]
    fn a_norm_is_the_length_of_what_a_query_loses_with_the_values_of_a_key() {
        assert_that_norms_are_what_the_attention_loses(KernelOps::best());
        assert_that_norms_are_what_the_attention_loses(CandleOps::on(Device::Cpu));
    }

    #[test]
    fn vectors_that_cancel_out_have_no_length() {
        let products = [vec![1.0, -1.0], vec![-1.0, 1.0]];
        assert_eq!(length(&[0.5, 0.5], &products), 0.0);
        assert_eq!(length(&[0.5, 0.0], &products), 0.5);
    }
}
