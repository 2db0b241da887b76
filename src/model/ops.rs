//! The operators the network is written over, each with its vector–Jacobian product.
//!
//! Two implementations: [`KernelOps`](super::kernel_ops::KernelOps), our own kernels on the processor, and
//! [`CandleOps`](super::candle_ops::CandleOps), candle's operators: the plain reference, and the way to CUDA.
//!
//! # What every implementation promises
//! A row of a result depends on that row of the input alone (attention: on its own sequence alone),
//! **bit for bit**: never on how many rows travel with it, where it stands among them, or how many
//! threads there are. Explanations are cached and audited by content, so a neighbour in the batch
//! must not be able to change the last bit.

use std::ops::Range;

use candle_core::Result;

use super::config::Activation;

/// Operators and their vector–Jacobian products, in `f32`.
pub trait Ops: Sized + Clone + Send + Sync {
    /// A matrix `[rows, width]`, where this implementation likes it.
    type Array: Send + Sync;
    /// A linear layer x ↦ x·Wᵀ + b, its weights laid out as this implementation likes them.
    type Linear: Send + Sync;
    /// The parameters of a layer normalisation.
    type Norm: Send + Sync;
    /// What the way back through a layer normalisation needs.
    type Normalised: Send + Sync;
    /// The attention probabilities of all sequences of a batch.
    type Probabilities: Send + Sync;

    /// Bytes that a linear layer takes.
    fn linear_bytes(linear: &Self::Linear) -> usize;

    /// A matrix of values, row by row.
    fn array(&self, values: &[f32], width: usize) -> Result<Self::Array>;

    /// The values of a matrix, row by row, in place of what `into` held.
    fn read(&self, array: &Self::Array, into: &mut Vec<f32>) -> Result<()>;

    /// The probabilities of one sequence, `[heads, queries, keys]`, in place of what `into` held.
    fn read_probabilities(
        &self,
        probabilities: &Self::Probabilities,
        attending: &Attending<'_>,
        sequence: usize,
        into: &mut Vec<f32>,
    ) -> Result<()>;

    /// Prepares a linear layer.
    fn linear(&self, dense: &Dense) -> Result<Self::Linear>;

    /// Prepares a layer normalisation.
    fn norm(&self, parameters: &NormParameters) -> Result<Self::Norm>;

    /// The numbers of a layer normalisation again.
    fn norm_parameters(&self, norm: &Self::Norm) -> Result<NormParameters>;

    /// `[rows, in]` → `[rows, out]`.
    fn apply(&self, linear: &Self::Linear, input: &Self::Array) -> Result<Self::Array>;

    /// A linear layer with an activation function after it, and the function's derivative if it is
    /// wanted: `[rows, out]` each.
    fn apply_activated(
        &self,
        linear: &Self::Linear,
        activation: Activation,
        input: &Self::Array,
        keep_slopes: bool,
    ) -> Result<(Self::Array, Option<Self::Array>)>;

    /// The gradient with respect to the input of a linear layer, `[rows, out]` → `[rows, in]`, and then
    /// something more.
    fn linear_vjp(
        &self,
        linear: &Self::Linear,
        gradient: &Self::Array,
        then: Then<'_, Self::Array>,
    ) -> Result<Self::Array>;

    /// Layer normalisation of input + residual, and what the way back needs if it is wanted.
    fn add_norm(
        &self,
        norm: &Self::Norm,
        input: Self::Array,
        residual: Option<&Self::Array>,
        keep: bool,
    ) -> Result<(Self::Array, Option<Self::Normalised>)>;

    /// The gradient with respect to what was normalised.
    fn norm_vjp(
        &self,
        norm: &Self::Norm,
        saved: &Self::Normalised,
        gradient: &Self::Array,
    ) -> Result<Self::Array>;

    /// Hyperbolic tangent, element by element.
    fn tanh(&self, input: Self::Array) -> Result<Self::Array>;

    /// The gradient with respect to the input of tanh, from its *output*.
    fn tanh_vjp(&self, output: &Self::Array, gradient: Self::Array) -> Result<Self::Array>;

    /// Scaled dot-product attention within each sequence: context `[queries, hidden]` of queries
    /// `[queries, hidden]` over keys and values side by side `[keys, 2·hidden]`, and the probabilities if
    /// they are wanted.
    fn attention(
        &self,
        attending: &Attending<'_>,
        queries: &Self::Array,
        keys_and_values: &Self::Array,
        keep: bool,
    ) -> Result<(Self::Array, Option<Self::Probabilities>)>;

    /// From the context's gradient to that of queries, keys and values, and of the probabilities as free
    /// variables if it is wanted.
    fn attention_vjp(
        &self,
        attending: &Attending<'_>,
        saved: AttentionInputs<'_, Self>,
        gradient: &Self::Array,
        of_probabilities: bool,
    ) -> Result<AttentionGradients<Self>>;

    /// Each row times the factors of its sequence, one a column; sequences without factors stay.
    fn scale_columns(
        &self,
        input: Self::Array,
        rows: &[Range<usize>],
        factors: &[Option<Vec<f32>>],
    ) -> Result<Self::Array>;

    /// The matrix after a change to its values, row by row, in the processor's memory.
    fn changed(&self, input: Self::Array, change: impl FnOnce(&mut [f32])) -> Result<Self::Array>;

    /// Some rows, in this order.
    fn pick_rows(&self, input: &Self::Array, rows: &[usize]) -> Result<Self::Array>;

    /// Adds the rows of `more` to the rows of `input` that `rows` names, each at most once.
    fn add_rows(&self, input: Self::Array, rows: &[usize], more: &Self::Array) -> Result<Self::Array>;
}

/// The numbers of a linear layer.
#[derive(Debug, Clone, Default)]
pub struct Dense {
    /// `[out, in]`
    pub weight: Vec<f32>,
    /// `[out]`
    pub bias: Vec<f32>,
}

impl Dense {
    /// Values that go in.
    pub fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len().max(1)
    }

    /// Values that come out.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// One layer that does the work of two, side by side.
    pub fn beside(mut self, other: &Dense) -> Self {
        self.weight.extend_from_slice(&other.weight);
        self.bias.extend_from_slice(&other.bias);
        self
    }
}

/// The numbers of a layer normalisation.
#[derive(Debug, Clone)]
pub struct NormParameters {
    /// Gain, `[width]`.
    pub weight: Vec<f32>,
    /// Shift, `[width]`.
    pub bias: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// What is done to a gradient on its way out of a linear layer.
#[derive(Debug, Clone, Copy)]
pub enum Then<'a, A> {
    /// Nothing.
    Nothing,
    /// Another gradient of the same shape is added.
    Plus(&'a A),
    /// It is multiplied by an activation function's slopes.
    Times(&'a A),
}

/// Who attends to whom in a batch.
#[derive(Debug, Clone, Copy)]
pub struct Attending<'a> {
    /// Attention heads, side by side in the columns.
    pub heads: usize,
    /// The rows of each sequence among the queries.
    pub queries: &'a [Range<usize>],
    /// The rows of each sequence among keys and values.
    pub keys: &'a [Range<usize>],
    /// Keys that get probability 0, by sequence; at least one of each sequence stays. An empty list hides
    /// none.
    pub hidden_keys: &'a [Option<Vec<bool>>],
}

impl Attending<'_> {
    /// The hidden keys of one sequence.
    pub fn hidden(&self, sequence: usize) -> Option<&[bool]> {
        self.hidden_keys.get(sequence)?.as_deref()
    }
}

/// What attention saw and made, for its way back.
pub struct AttentionInputs<'a, O: Ops> {
    /// `[queries, hidden]`
    pub queries: &'a O::Array,
    /// `[keys, 2·hidden]`
    pub keys_and_values: &'a O::Array,
    /// As attention gave them.
    pub probabilities: &'a O::Probabilities,
}

/// The outcome of attention's way back.
pub struct AttentionGradients<O: Ops> {
    /// `[queries, hidden]`
    pub queries: O::Array,
    /// `[keys, 2·hidden]`
    pub keys_and_values: O::Array,
    /// With respect to the probabilities as free variables; none unless it was wanted.
    pub probabilities: Option<O::Probabilities>,
}
