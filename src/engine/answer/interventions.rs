//! How the network is altered that an answer is about.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ConceptName;
use crate::explain::concept::erasure::Erasure;

/// What is done with a concept: `erase`, the states are without it; `push`, they have more or less of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "erase")]
pub enum Action {
    /// The concept is taken out of every token's state.
    #[default]
    Erase,
    /// So much of the concept is added to every token's state.
    Push,
}

/// A change to the network: at one hidden state, to the rows of all tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "concept": {"name": "acting", "version": 1, "id": "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"},
    "action": "erase", "method": "nullspace", "strength": null, "layer": 4
}))]
pub struct InterventionView {
    /// The concept.
    pub concept: ConceptName,
    /// What is done with it.
    pub action: Action,
    /// How it is erased; null where it is pushed.
    #[schema(required)]
    pub method: Option<Erasure>,
    /// How far it is pushed, in standard deviations of usual texts; null where it is erased.
    #[schema(required, example = json!(null))]
    pub strength: Option<f64>,
    /// The hidden state that is changed: 0 is the embeddings' output, l the output of the l-th layer.
    #[schema(example = 4)]
    pub layer: usize,
}
