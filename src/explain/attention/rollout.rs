//! Attention rollout: attention multiplied up through the layers, with the residual connections.

use super::{LayerAttention, layers};
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, NoOptions};
use crate::explain::{Cost, Passes, Subject};
use crate::model::Keep;

/// The row of the first token (`[CLS]`, from which the classifier reads) of the rollout.
pub struct AttentionRollout;

impl AttributionMethod for AttentionRollout {
    const ID: &'static str = "attention_rollout";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Attention;
    const SUMMARY: &'static str = "The share of [CLS]'s attention that reaches each token through all layers; sums to 1 over the tokens and looks at no class.";
    const SOURCE: &'static str = "Abnar & Zuidema 2020, arXiv:2005.00928";
    const USES_TARGET: bool = false;
    const KEEP: Keep = Keep::Trace;
    type Options = NoOptions;

    fn cost(_options: &NoOptions, _tokens: usize, _classes: usize) -> Cost {
        Cost::NOTHING
    }

    fn attribute(
        _options: &NoOptions,
        subject: &Subject,
        _classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let traced = subject.clone();
        // No pass of the network, but products of matrices as large as the text squared.
        let rolled_out = move |()| {
            let maps = layers(traced.trace()?, 0)?;
            let scores = rollout(&maps).swap_remove(0);
            Ok(Attribution { class: None, output: None, scores, convergence: None })
        };
        subject.map(vec![()], |()| Passes::NONE, rolled_out)
    }
}

/// R = Â_L ⋯ Â_1 with Â = rownorm(mean over heads of A + I): `[queries][keys]`, rows summing to 1.
pub fn rollout(layers: &[LayerAttention]) -> Vec<Vec<f64>> {
    let tokens = layers.first().map_or(0, |layer| layer.heads[0].len());
    let identity =
        (0..tokens).map(|row| (0..tokens).map(|column| f64::from(u8::from(row == column))).collect());
    layers.iter().fold(identity.collect(), |below, layer| product(&with_residual(layer), &below))
}

fn with_residual(layer: &LayerAttention) -> Vec<Vec<f64>> {
    let mut attention = layer.mean_head();
    for (index, row) in attention.iter_mut().enumerate() {
        row[index] += 1.0;
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
    attention
}

fn product(left: &[Vec<f64>], right: &[Vec<f64>]) -> Vec<Vec<f64>> {
    left.iter()
        .map(|weights| {
            let mut row = vec![0.0; weights.len()];
            for (weight, below) in weights.iter().zip(right) {
                row.iter_mut().zip(below).for_each(|(sum, value)| *sum += weight * value);
            }
            row
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_head(rows: &[&[f32]]) -> LayerAttention {
        LayerAttention { heads: vec![rows.iter().map(|row| row.to_vec()).collect()] }
    }

    #[test]
    fn one_layer_halves_between_itself_and_its_attention() {
        let layer = one_head(&[&[0.0, 1.0], &[0.5, 0.5]]);
        assert_eq!(rollout(&[layer]), [[0.5, 0.5], [0.25, 0.75]]);
    }

    #[test]
    fn later_layers_multiply_from_the_left() {
        let first = one_head(&[&[0.0, 1.0], &[0.0, 1.0]]);
        let second = one_head(&[&[1.0, 0.0], &[1.0, 0.0]]);
        assert_eq!(rollout(&[first, second]), [[0.5, 0.5], [0.25, 0.75]]);
    }
}
