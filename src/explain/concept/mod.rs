//! Concepts: directions in hidden states that stand for what people speak of ("acting", "refund").
//!
//! Plain arithmetic over states that others have gathered: nothing here runs the network. A direction is learnt from
//! examples ([`learner`]), held against chance ([`validation`], [`stability`], [`significance`]), taken apart
//! ([`decomposition`]) and taken out ([`erasure`]); directions that nobody has named are found in the states themselves
//! ([`discovery`]).

pub mod decomposition;
pub mod discovery;
pub mod erasure;
pub mod known;
pub mod learner;
pub mod significance;
pub mod stability;
pub mod validation;

#[cfg(test)]
mod planted;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{HiddenEdit, Matrix};

/// Which rows of a hidden state a concept is learnt from and speaks of: `cls`, that of the first token; `mean`, the mean of
/// the rows of all tokens; `tokens`, every token's own. Special tokens count like all others: classifiers read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "mean")]
pub enum Pooling {
    /// The row of the first token.
    Cls,
    /// The mean of all tokens' rows.
    #[default]
    Mean,
    /// Each token's row.
    Tokens,
}

/// Texts at one hidden state: a row a text or, where they are not pooled, a row a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples {
    /// `[rows, hidden]`
    pub rows: Matrix,
    /// The text of each row, ascending from 0, none left out.
    pub texts: Vec<usize>,
    /// For each text, whether it is an example of the concept.
    pub is_concept: Vec<bool>,
}

/// A concept at one hidden state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Direction {
    /// A unit vector, `[hidden]`: towards the concept.
    pub vector: Vec<f32>,
    /// A state h is on the concept's side where ⟨h, vector⟩ + intercept > 0.
    pub intercept: f64,
    /// The mean of the states that scores are measured from, `[hidden]`.
    pub centre: Vec<f32>,
    /// The standard deviation of ⟨h, vector⟩ over the same states, never 0: what strengths are measured in.
    pub spread: f64,
}

impl Direction {
    /// So much of the concept is added to every row of a state, in standard deviations of usual texts:
    /// h + strength · spread · v.
    pub fn push(&self, strength: f64) -> HiddenEdit {
        let length = strength * self.spread;
        HiddenEdit::Add(self.vector.iter().map(|value| (length * f64::from(*value)) as f32).collect())
    }
}

/// Why something cannot be done with these examples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConceptError {
    /// There are too few examples for what is asked.
    #[error("{side} {count} examples, and {needed} are needed")]
    TooFew {
        /// Of what there are too few: "there are only" or "the counter-examples are only".
        side: &'static str,
        /// How many there are.
        count: usize,
        /// How many it takes.
        needed: usize,
    },
    /// Examples and counter-examples are the same to the model.
    #[error("the states of the examples do not differ from those of the counter-examples")]
    NoDifference,
    /// Some of the states are not finite.
    #[error("the states of the examples are not finite")]
    NotFinite,
    /// The arithmetic did not come to an end: a matrix that should be positive definite is none.
    #[error("the direction cannot be computed from these examples")]
    Singular,
    /// A setting that cannot be met, whatever the examples.
    #[error("`{setting}` {fault}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What it must be.
        fault: &'static str,
    },
    /// Nobody waits for it any more, or a part of the work failed.
    #[error("called off")]
    CalledOff,
}
