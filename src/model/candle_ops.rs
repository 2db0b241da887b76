//! [`Ops`] by candle's own operators: the way to CUDA, and the plain reference for our kernels.
//!
//! Only operators that candle can differentiate are used (its fused layer normalisation and softmax
//! have no backward and fail silently), so candle's autograd can check every hand-written product.

use std::ops::Range;

use candle_core::{D, Device, Result, Tensor};

use super::config::Activation;
use super::ops::{Attending, AttentionGradients, AttentionInputs, Dense, NormParameters, Ops, Then};

/// Operators over candle tensors on one device.
#[derive(Debug, Clone)]
pub struct CandleOps {
    device: Device,
}

impl CandleOps {
    /// Operators on a device.
    pub fn on(device: Device) -> Self {
        CandleOps { device }
    }
}

/// Rows of every product with a weight matrix.
///
/// The matrix product that candle calls takes other paths for one row, for few rows and for many,
/// and these differ in the last bits. So rows go through in blocks of one size, the last one filled
/// up with zeros: then a row always takes the same path.
const BLOCK_ROWS: usize = 32;

/// A linear layer.
#[derive(Debug)]
pub struct CandleLinear {
    weight: Tensor,
    /// The weight transposed in memory, `[in, out]`: through a transposed view, the matrix product would
    /// rearrange the whole weight for every block of rows.
    transposed: Tensor,
    bias: Tensor,
}

/// The parameters of a layer normalisation.
#[derive(Debug)]
pub struct CandleNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

/// What the backward of a layer normalisation needs.
#[derive(Debug)]
pub struct CandleNormalised {
    /// (x − mean) / deviation, `[rows, width]`.
    values: Tensor,
    /// The standard deviation of each row, epsilon included, `[rows, 1]`.
    deviation: Tensor,
}

/// `[rows, k]` times `[k, n]`, block of rows by block of rows.
fn in_blocks(rows: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    let count = rows.dim(0)?;
    let padded = rows.pad_with_zeros(0, 0, count.next_multiple_of(BLOCK_ROWS) - count)?;
    let products = (0..padded.dim(0)?)
        .step_by(BLOCK_ROWS)
        .map(|start| padded.narrow(0, start, BLOCK_ROWS)?.matmul(matrix))
        .collect::<Result<Vec<_>>>()?;
    Tensor::cat(&products, 0)?.narrow(0, 0, count)
}

impl Ops for CandleOps {
    type Array = Tensor;
    type Linear = CandleLinear;
    type Norm = CandleNorm;
    type Normalised = CandleNormalised;
    /// By sequence: `[heads, queries, keys]`.
    type Probabilities = Vec<Tensor>;

    fn linear_bytes(linear: &CandleLinear) -> usize {
        let tensors = [&linear.weight, &linear.transposed, &linear.bias];
        tensors.iter().map(|tensor| tensor.elem_count() * tensor.dtype().size_in_bytes()).sum()
    }

    fn array(&self, values: &[f32], width: usize) -> Result<Tensor> {
        Tensor::from_slice(values, (values.len() / width, width), &self.device)
    }

    fn read(&self, array: &Tensor, into: &mut Vec<f32>) -> Result<()> {
        *into = array.flatten_all()?.to_vec1()?;
        Ok(())
    }

    fn read_probabilities(
        &self,
        probabilities: &Vec<Tensor>,
        _attending: &Attending<'_>,
        sequence: usize,
        into: &mut Vec<f32>,
    ) -> Result<()> {
        self.read(&probabilities[sequence], into)
    }

    fn linear(&self, dense: &Dense) -> Result<CandleLinear> {
        let weight = self.array(&dense.weight, dense.inputs())?;
        Ok(CandleLinear {
            transposed: weight.t()?.contiguous()?,
            weight,
            bias: Tensor::from_slice(&dense.bias, dense.outputs(), &self.device)?,
        })
    }

    fn norm(&self, parameters: &NormParameters) -> Result<CandleNorm> {
        let vector = |values: &[f32]| Tensor::from_slice(values, values.len(), &self.device);
        Ok(CandleNorm {
            weight: vector(&parameters.weight)?,
            bias: vector(&parameters.bias)?,
            epsilon: parameters.epsilon,
        })
    }

    fn norm_parameters(&self, norm: &CandleNorm) -> Result<NormParameters> {
        Ok(NormParameters {
            weight: norm.weight.to_vec1()?,
            bias: norm.bias.to_vec1()?,
            epsilon: norm.epsilon,
        })
    }

    fn apply(&self, linear: &CandleLinear, input: &Tensor) -> Result<Tensor> {
        in_blocks(input, &linear.transposed)?.broadcast_add(&linear.bias)
    }

    fn apply_activated(
        &self,
        linear: &CandleLinear,
        activation: Activation,
        input: &Tensor,
        keep_slopes: bool,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let input = self.apply(linear, input)?;
        let output = match activation {
            Activation::Gelu => input.gelu_erf(),
            Activation::GeluTanh => input.gelu(),
            Activation::Relu => input.relu(),
            Activation::Silu => input.silu(),
        };
        Ok((output?, keep_slopes.then(|| slope(activation, &input)).transpose()?))
    }

    fn linear_vjp(&self, linear: &CandleLinear, gradient: &Tensor, then: Then<'_, Tensor>) -> Result<Tensor> {
        let gradient = in_blocks(gradient, &linear.weight)?;
        match then {
            Then::Nothing => Ok(gradient),
            Then::Plus(other) => gradient + other,
            Then::Times(slopes) => gradient * slopes,
        }
    }

    fn add_norm(
        &self,
        norm: &CandleNorm,
        input: Tensor,
        residual: Option<&Tensor>,
        keep: bool,
    ) -> Result<(Tensor, Option<CandleNormalised>)> {
        let input = match residual {
            Some(residual) => (input + residual)?,
            None => input,
        };
        let centred = input.broadcast_sub(&input.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let deviation = (variance + norm.epsilon)?.sqrt()?;
        let values = centred.broadcast_div(&deviation)?;
        let output = values.broadcast_mul(&norm.weight)?.broadcast_add(&norm.bias)?;
        Ok((output, keep.then_some(CandleNormalised { values, deviation })))
    }

    fn norm_vjp(&self, norm: &CandleNorm, saved: &CandleNormalised, gradient: &Tensor) -> Result<Tensor> {
        // With g = gradient ⊙ gain: (g − mean(g) − x̂ · mean(g ⊙ x̂)) / deviation.
        let scaled = gradient.broadcast_mul(&norm.weight)?;
        let mean = scaled.mean_keepdim(D::Minus1)?;
        let along = (&scaled * &saved.values)?.mean_keepdim(D::Minus1)?;
        scaled
            .broadcast_sub(&mean)?
            .sub(&saved.values.broadcast_mul(&along)?)?
            .broadcast_div(&saved.deviation)
    }

    fn tanh(&self, input: Tensor) -> Result<Tensor> {
        input.tanh()
    }

    fn tanh_vjp(&self, output: &Tensor, gradient: Tensor) -> Result<Tensor> {
        gradient * output.sqr()?.affine(-1.0, 1.0)?
    }

    fn attention(
        &self,
        attending: &Attending<'_>,
        queries: &Tensor,
        keys_and_values: &Tensor,
        keep: bool,
    ) -> Result<(Tensor, Option<Vec<Tensor>>)> {
        let mut contexts = Vec::new();
        let mut kept = Vec::new();
        for sequence in 0..attending.keys.len() {
            let Heads { queries, keys, values } = heads(attending, sequence, queries, keys_and_values)?;
            let scores = (queries.matmul(&keys.t()?.contiguous()?)? * scale(&queries)?)?;
            let scores = match attending.hidden(sequence) {
                None => scores,
                Some(hidden) => {
                    let penalties: Vec<f32> =
                        hidden.iter().map(|hide| if *hide { f32::NEG_INFINITY } else { 0.0 }).collect();
                    scores.broadcast_add(&Tensor::new(penalties, &self.device)?)?
                }
            };
            let exponentials = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
            let probabilities = exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)?;
            contexts.push(by_token(&probabilities.matmul(&values)?)?);
            kept.push(probabilities);
        }
        Ok((Tensor::cat(&contexts, 0)?, keep.then_some(kept)))
    }

    fn attention_vjp(
        &self,
        attending: &Attending<'_>,
        saved: AttentionInputs<'_, Self>,
        gradient: &Tensor,
        of_probabilities: bool,
    ) -> Result<AttentionGradients<Self>> {
        let mut to_queries = Vec::new();
        let mut to_keys_and_values = Vec::new();
        let mut all_to_probabilities = Vec::new();
        for (sequence, probabilities) in saved.probabilities.iter().enumerate() {
            let Heads { queries, keys, values } =
                heads(attending, sequence, saved.queries, saved.keys_and_values)?;
            let gradient = by_head(gradient, &attending.queries[sequence], attending.heads)?;
            let to_values = probabilities.t()?.contiguous()?.matmul(&gradient)?;
            let to_probabilities = gradient.matmul(&values.t()?.contiguous()?)?;
            // Softmax: p ⊙ (g − Σ p ⊙ g), row by row.
            let along = (probabilities * &to_probabilities)?.sum_keepdim(D::Minus1)?;
            let to_scores = (probabilities * to_probabilities.broadcast_sub(&along)?)?;
            let to_scores = (to_scores * scale(&queries)?)?;
            to_queries.push(by_token(&to_scores.matmul(&keys)?)?);
            let to_keys = to_scores.t()?.contiguous()?.matmul(&queries)?;
            to_keys_and_values.push(Tensor::cat(&[by_token(&to_keys)?, by_token(&to_values)?], 1)?);
            all_to_probabilities.push(to_probabilities);
        }
        Ok(AttentionGradients {
            queries: Tensor::cat(&to_queries, 0)?,
            keys_and_values: Tensor::cat(&to_keys_and_values, 0)?,
            probabilities: of_probabilities.then_some(all_to_probabilities),
        })
    }

    fn scale_columns(
        &self,
        input: Tensor,
        rows: &[Range<usize>],
        factors: &[Option<Vec<f32>>],
    ) -> Result<Tensor> {
        let parts = rows
            .iter()
            .zip(factors)
            .map(|(rows, factors)| {
                let part = input.narrow(0, rows.start, rows.len())?;
                match factors {
                    None => Ok(part),
                    Some(factors) => part.broadcast_mul(&Tensor::new(factors.as_slice(), &self.device)?),
                }
            })
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, 0)
    }

    fn changed(&self, input: Tensor, change: impl FnOnce(&mut [f32])) -> Result<Tensor> {
        let mut values = Vec::new();
        self.read(&input, &mut values)?;
        change(&mut values);
        self.array(&values, input.dim(1)?)
    }

    fn pick_rows(&self, input: &Tensor, rows: &[usize]) -> Result<Tensor> {
        input.index_select(&self.indices(rows)?, 0)
    }

    fn add_rows(&self, input: Tensor, rows: &[usize], more: &Tensor) -> Result<Tensor> {
        input.index_add(&self.indices(rows)?, more, 0)
    }
}

impl CandleOps {
    fn indices(&self, rows: &[usize]) -> Result<Tensor> {
        Tensor::new(rows.iter().map(|row| *row as u32).collect::<Vec<u32>>(), &self.device)
    }
}

/// One sequence's queries, keys and values, each `[heads, tokens, head_size]`.
struct Heads {
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
}

fn heads(
    attending: &Attending<'_>,
    sequence: usize,
    queries: &Tensor,
    keys_and_values: &Tensor,
) -> Result<Heads> {
    let hidden = queries.dim(1)?;
    let rows = &attending.keys[sequence];
    Ok(Heads {
        queries: by_head(queries, &attending.queries[sequence], attending.heads)?,
        keys: by_head(&keys_and_values.narrow(1, 0, hidden)?, rows, attending.heads)?,
        values: by_head(&keys_and_values.narrow(1, hidden, hidden)?, rows, attending.heads)?,
    })
}

/// Some rows as `[heads, tokens, head_size]`.
fn by_head(rows: &Tensor, range: &Range<usize>, heads: usize) -> Result<Tensor> {
    let hidden = rows.dim(1)?;
    rows.narrow(0, range.start, range.len())?
        .reshape((range.len(), heads, hidden / heads))?
        .transpose(0, 1)?
        .contiguous()
}

/// `[heads, tokens, head_size]` as rows `[tokens, hidden]`.
fn by_token(heads: &Tensor) -> Result<Tensor> {
    heads.transpose(0, 1)?.flatten_from(1)
}

fn scale(queries: &Tensor) -> Result<f64> {
    Ok(1.0 / (queries.dim(D::Minus1)? as f64).sqrt())
}

/// The derivative of an activation function, element by element.
fn slope(activation: Activation, input: &Tensor) -> Result<Tensor> {
    match activation {
        // Φ(x) + x·φ(x).
        Activation::Gelu => {
            let cumulative = (input * std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?;
            let density = ((input.sqr()? * -0.5)?.exp()?
                * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2))?;
            cumulative + (input * density)?
        }
        // With t = tanh(u), u = √(2/π)(x + 0.044715 x³): ½(1 + t) + ½ x (1 − t²) u′.
        Activation::GeluTanh => {
            let root = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
            let square = input.sqr()?;
            let inner = (input * square.affine(0.044715 * root, root)?)?;
            let inner_slope = square.affine(3.0 * 0.044715 * root, root)?;
            let tanh = inner.tanh()?;
            let steep = (tanh.sqr()?.affine(-1.0, 1.0)? * inner_slope)?;
            tanh.affine(0.5, 0.5)? + ((input * steep)? * 0.5)?
        }
        Activation::Relu => input.gt(0f32)?.to_dtype(input.dtype()),
        // σ(x)·(1 + x·(1 − σ(x))).
        Activation::Silu => {
            let sigmoid = (input.neg()?.exp()? + 1.0)?.recip()?;
            let rest = (input * sigmoid.affine(-1.0, 1.0)?)?;
            sigmoid * (rest + 1.0)?
        }
    }
}
