//! What the model looked at: attention maps, what can be counted of them, and rollout.

pub mod rollout;
pub mod statistics;

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
