//! What the model looked at: attention maps, what can be counted of them, and methods that score tokens by them.

pub mod flow;
pub mod gradient_attention;
pub mod groups;
pub mod rollout;
pub mod routes;
pub mod statistics;
pub mod value_zeroing;

use crate::explain::ExplainError;
use crate::model::{HeadMaps, Trace};

/// The attention of one text through one layer: `[heads, queries, keys]`, each row summing to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerAttention {
    /// `[heads][queries][keys]`.
    pub heads: Vec<Vec<Vec<f32>>>,
}

impl LayerAttention {
    /// Takes the probabilities of a trace.
    pub fn new(maps: &HeadMaps) -> Self {
        let head = |head| (0..maps.queries).map(|query| maps.row(head, query).to_vec()).collect();
        LayerAttention { heads: (0..maps.heads).map(head).collect() }
    }

    /// Mean over heads, in double precision: `[queries][keys]`.
    pub fn mean_head(&self) -> Vec<Vec<f64>> {
        let count = self.heads.len() as f64;
        let tokens = self.heads[0].len();
        let mean = |query: usize, key: usize| {
            self.heads.iter().map(|head| head[query][key] as f64).sum::<f64>() / count
        };
        (0..tokens).map(|query| (0..tokens).map(|key| mean(query, key)).collect()).collect()
    }
}

/// The attention of every layer for one sequence of a trace.
///
/// # Errors
/// A trace that was kept without attention gives an empty list; [`ExplainError::Compute`].
pub fn layers(trace: &Trace, sequence: usize) -> Result<Vec<LayerAttention>, ExplainError> {
    let layer = |layer| Ok(LayerAttention::new(&trace.attention(layer, sequence)?));
    (0..trace.attention_layers()).map(layer).collect()
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use proptest::prelude::*;

    use super::LayerAttention;

    /// So many layers of two heads over so many tokens, each row summing to 1.
    pub fn attentions(
        layers: RangeInclusive<usize>,
        tokens: RangeInclusive<usize>,
    ) -> impl Strategy<Value = Vec<LayerAttention>> {
        let rows = |tokens: usize| prop::collection::vec(prop::collection::vec(0.0f32..1.0, tokens), tokens);
        (layers, tokens).prop_flat_map(move |(layers, tokens)| {
            let layer = prop::collection::vec(rows(tokens), 2).prop_map(|mut heads| {
                heads.iter_mut().flatten().for_each(|row| {
                    // Some weights are none at all.
                    row.iter_mut().for_each(|weight| *weight = (*weight - 0.2).max(0.0));
                    row[0] += 0.01;
                    let sum: f32 = row.iter().sum();
                    row.iter_mut().for_each(|weight| *weight /= sum);
                });
                LayerAttention { heads }
            });
            prop::collection::vec(layer, layers)
        })
    }
}
