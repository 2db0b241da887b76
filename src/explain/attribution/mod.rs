//! Scores for tokens by how the output depends on their embeddings.

pub mod baseline;
pub mod input_x_gradient;
pub mod integrated_gradients;
pub mod path;
pub mod quadrature;
pub mod random;
pub mod saliency;
