//! The operators the encoder is written over, each with its vector–Jacobian product.
//!
//! One implementation exists over candle's own operators ([`super::candle_ops::CandleOps`]); others
//! (fused kernels on packed weights) may follow without a change to the encoder.
//!
//! # What every implementation promises
//! A row of a result depends on that row of the input alone (attention: on its own sequence alone),
//! **bit for bit**: never on how many rows travel with it, where it stands among them, or how many
//! threads there are. Explanations are cached and audited by content, so a neighbour in the batch
//! must not be able to change the last bit.

use candle_core::{Device, Result, Tensor};

use super::config::Activation;

/// Operators and their vector–Jacobian products, forward in `f32`.
pub trait Ops: Send + Sync {
    /// Where tensors live.
    fn device(&self) -> &Device;

    /// Prepares a linear layer: weight `[out, in]`, bias `[out]`.
    fn linear(&self, weight: Tensor, bias: Tensor) -> Result<Box<dyn Linear>>;

    /// Layer normalisation over the last dimension of `[rows, width]`: the output, and what its
    /// backward needs.
    fn layer_norm(&self, norm: &LayerNorm, input: &Tensor) -> Result<(Tensor, Normalised)>;

    /// Gradient with respect to the input of a layer normalisation.
    fn layer_norm_vjp(&self, norm: &LayerNorm, saved: &Normalised, gradient: &Tensor) -> Result<Tensor>;

    /// An activation function, element by element.
    fn activate(&self, activation: Activation, input: &Tensor) -> Result<Tensor>;

    /// Gradient with respect to the input of an activation function.
    fn activate_vjp(&self, activation: Activation, input: &Tensor, gradient: &Tensor) -> Result<Tensor>;

    /// Hyperbolic tangent, element by element.
    fn tanh(&self, input: &Tensor) -> Result<Tensor>;

    /// Gradient with respect to the input of tanh, from its *output*.
    fn tanh_vjp(&self, output: &Tensor, gradient: &Tensor) -> Result<Tensor>;

    /// Scaled dot-product attention of one sequence. Keys whose entry of `hidden_keys` is true get
    /// probability 0; at least one must be false.
    fn attention(&self, projections: &Projections, hidden_keys: Option<&[bool]>) -> Result<Attended>;

    /// Gradients with respect to queries, keys, values and the probabilities themselves, from the
    /// gradient of the context `[heads, tokens, head_size]`.
    fn attention_vjp(
        &self,
        projections: &Projections,
        probabilities: &Tensor,
        gradient: &Tensor,
    ) -> Result<AttentionGradients>;
}

/// A linear layer `x ↦ x·Wᵀ + b`, its weights laid out as its implementation likes them.
pub trait Linear: Send + Sync {
    /// `[rows, in]` → `[rows, out]`.
    fn apply(&self, input: &Tensor) -> Result<Tensor>;

    /// Gradient with respect to the input: `[rows, out]` → `[rows, in]`.
    fn vjp(&self, gradient: &Tensor) -> Result<Tensor>;
}

/// The parameters of a layer normalisation.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// Gain, `[width]`.
    pub weight: Tensor,
    /// Shift, `[width]`.
    pub bias: Tensor,
    /// Added to the variance.
    pub epsilon: f64,
}

/// What the backward of a layer normalisation needs.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// (x − mean) / deviation, `[rows, width]`.
    pub values: Tensor,
    /// The standard deviation of each row, epsilon included, `[rows, 1]`.
    pub deviation: Tensor,
}

/// Queries, keys and values of one sequence, each `[heads, tokens, head_size]`.
#[derive(Debug, Clone)]
pub struct Projections {
    /// What each token looks for.
    pub queries: Tensor,
    /// What each token offers.
    pub keys: Tensor,
    /// What each token gives.
    pub values: Tensor,
}

/// The outcome of attention over one sequence.
#[derive(Debug, Clone)]
pub struct Attended {
    /// `[heads, queries, keys]`; each row sums to 1.
    pub probabilities: Tensor,
    /// `[heads, tokens, head_size]`.
    pub context: Tensor,
}

/// The outcome of attention's backward.
#[derive(Debug, Clone)]
pub struct AttentionGradients {
    /// `[heads, tokens, head_size]`.
    pub queries: Tensor,
    /// `[heads, tokens, head_size]`.
    pub keys: Tensor,
    /// `[heads, tokens, head_size]`.
    pub values: Tensor,
    /// With respect to the probabilities as free variables, `[heads, queries, keys]`.
    pub probabilities: Tensor,
}
