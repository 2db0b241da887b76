//! Attention rollout: attention multiplied up through the layers, with the residual connections.

use super::{LayerAttention, layers};
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, NoOptions};
use crate::explain::{Cost, Passes, Subject};
use crate::model::Keep;

/// The row of the first token (`[CLS]`, from which the classifier reads) of the rollout.
pub struct AttentionRollout;

impl AttributionMethod for AttentionRollout {
    const ID: &'static str = "attention_rollout";
    const NAME: &'static str = "Attention rollout";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Attention;
    const SUMMARY: &'static str = "The share of [CLS]'s attention that reaches each token through all layers; sums to 1 over the tokens and looks at no class.";
    const FORMULA: &'static str =
        "φ_t = (Â_L ⋯ Â_1)[CLS, t], with Â = (A + I) with rows scaled to sum 1, and A the mean over heads";
    const EFFORT: &'static str = "The text's own forward pass.";
    const CAUTION: &'static str = "It sees how tokens mix, not what for: it knows no class and no sign, and grows even over long texts.";
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
            Ok(Attribution::of_no_class(scores))
        };
        subject.map(vec![()], |()| Passes::NONE, rolled_out)
    }
}

/// R = Â_L ⋯ Â_1 with Â = rownorm(mean over heads of A + I): `[queries][keys]`, rows summing to 1.
pub fn rollout(layers: &[LayerAttention]) -> Vec<Vec<f64>> {
    multiplied_up(&layers.iter().map(with_residual).collect::<Vec<_>>())
}

/// Â = rownorm(mean over heads of A + I): `[queries][keys]`, rows summing to 1.
pub fn with_residual(layer: &LayerAttention) -> Vec<Vec<f64>> {
    let mut attention = layer.mean_head();
    for (index, row) in attention.iter_mut().enumerate() {
        row[index] += 1.0;
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
    attention
}

/// The product of square matrices, the last one on the left.
pub fn multiplied_up(layers: &[Vec<Vec<f64>>]) -> Vec<Vec<f64>> {
    layers.iter().fold(identity(layers.first().map_or(0, Vec::len)), |below, layer| product(layer, &below))
}

/// The identity matrix of so many rows.
pub fn identity(rows: usize) -> Vec<Vec<f64>> {
    let entry = |row: usize, column: usize| if row == column { 1.0 } else { 0.0 };
    (0..rows).map(|row| (0..rows).map(|column| entry(row, column)).collect()).collect()
}

/// left · right.
pub fn product(left: &[Vec<f64>], right: &[Vec<f64>]) -> Vec<Vec<f64>> {
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
