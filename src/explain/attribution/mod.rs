//! Scores for tokens by how the output depends on them.

pub mod gradient;
pub mod perturbation;
pub mod random;
