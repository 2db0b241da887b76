//! Scores from derivatives of the output with respect to the word embeddings.

pub mod attn_lrp;
pub mod baseline;
pub mod deep_lift;
pub mod evaluation;
pub mod gradient_shap;
pub mod input_x_gradient;
pub mod integrated_gradients;
pub mod path;
pub mod quadrature;
pub mod records;
pub mod saliency;
pub mod smooth_grad;
