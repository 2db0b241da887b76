//! [`Ops`] by candle's own operators: the way to CUDA, and the plain reference for faster kernels.
//!
//! Only operators that candle can differentiate are used (its fused layer normalisation and softmax
//! have no backward and fail silently), so candle's autograd can check every hand-written product.

use std::sync::OnceLock;

use candle_core::{D, Device, Result, Tensor};

use super::config::Activation;
use super::ops::{Attended, AttentionGradients, LayerNorm, Linear, Normalised, Ops, Projections};

/// Operators over candle tensors on one device.
pub struct CandleOps {
    device: Device,
}

impl CandleOps {
    /// Operators on the CPU.
    pub fn cpu() -> Self {
        CandleOps { device: Device::Cpu }
    }
}

/// Rows of every product with a weight matrix.
///
/// The matrix product that candle calls takes other paths for one row, for few rows and for many,
/// and these differ in the last bits. So rows go through in blocks of one size, the last one filled
/// up with zeros: then a row always takes the same path.
const BLOCK_ROWS: usize = 32;

struct CandleLinear {
    weight: Tensor,
    /// The weight transposed in memory, `[in, out]`, from the first product on: through a transposed
    /// view, the matrix product would rearrange the whole weight for every block of rows.
    transposed: OnceLock<Tensor>,
    bias: Tensor,
}

impl CandleLinear {
    fn transposed(&self) -> Result<&Tensor> {
        match self.transposed.get() {
            Some(transposed) => Ok(transposed),
            None => {
                let transposed = self.weight.t()?.contiguous()?;
                Ok(self.transposed.get_or_init(|| transposed))
            }
        }
    }
}

impl Linear for CandleLinear {
    fn apply(&self, input: &Tensor) -> Result<Tensor> {
        in_blocks(input, self.transposed()?)?.broadcast_add(&self.bias)
    }

    fn vjp(&self, gradient: &Tensor) -> Result<Tensor> {
        in_blocks(gradient, &self.weight)
    }
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
    fn device(&self) -> &Device {
        &self.device
    }

    fn linear(&self, weight: Tensor, bias: Tensor) -> Result<Box<dyn Linear>> {
        Ok(Box::new(CandleLinear { weight, transposed: OnceLock::new(), bias }))
    }

    fn layer_norm(&self, norm: &LayerNorm, input: &Tensor) -> Result<(Tensor, Normalised)> {
        let centred = input.broadcast_sub(&input.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let deviation = (variance + norm.epsilon)?.sqrt()?;
        let values = centred.broadcast_div(&deviation)?;
        let output = values.broadcast_mul(&norm.weight)?.broadcast_add(&norm.bias)?;
        Ok((output, Normalised { values, deviation }))
    }

    fn layer_norm_vjp(&self, norm: &LayerNorm, saved: &Normalised, gradient: &Tensor) -> Result<Tensor> {
        // With g = gradient ⊙ gain: (g − mean(g) − x̂ · mean(g ⊙ x̂)) / deviation.
        let scaled = gradient.broadcast_mul(&norm.weight)?;
        let mean = scaled.mean_keepdim(D::Minus1)?;
        let along = (&scaled * &saved.values)?.mean_keepdim(D::Minus1)?;
        scaled
            .broadcast_sub(&mean)?
            .sub(&saved.values.broadcast_mul(&along)?)?
            .broadcast_div(&saved.deviation)
    }

    fn activate(&self, activation: Activation, input: &Tensor) -> Result<Tensor> {
        match activation {
            Activation::Gelu => input.gelu_erf(),
            Activation::GeluNew => input.gelu(),
            Activation::Relu => input.relu(),
            Activation::Silu => input.silu(),
        }
    }

    fn activate_vjp(&self, activation: Activation, input: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        gradient * slope(activation, input)?
    }

    fn tanh(&self, input: &Tensor) -> Result<Tensor> {
        input.tanh()
    }

    fn tanh_vjp(&self, output: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        gradient * output.sqr()?.affine(-1.0, 1.0)?
    }

    fn attention(&self, projections: &Projections, hidden_keys: Option<&[bool]>) -> Result<Attended> {
        let scale = scale(projections)?;
        let scores = (projections.queries.matmul(&projections.keys.t()?)? * scale)?;
        let scores = match hidden_keys {
            None => scores,
            Some(hidden) => {
                let penalties: Vec<f32> =
                    hidden.iter().map(|hide| if *hide { f32::NEG_INFINITY } else { 0.0 }).collect();
                scores.broadcast_add(&Tensor::new(penalties, &self.device)?)?
            }
        };
        let exponentials = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let probabilities = exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)?;
        let context = probabilities.matmul(&projections.values)?;
        Ok(Attended { probabilities, context })
    }

    fn attention_vjp(
        &self,
        projections: &Projections,
        probabilities: &Tensor,
        gradient: &Tensor,
    ) -> Result<AttentionGradients> {
        let values = probabilities.t()?.matmul(gradient)?;
        let to_probabilities = gradient.matmul(&projections.values.t()?)?;
        // Softmax: p ⊙ (g − Σ p ⊙ g), row by row.
        let along = (probabilities * &to_probabilities)?.sum_keepdim(D::Minus1)?;
        let to_scores = (probabilities * to_probabilities.broadcast_sub(&along)?)?;
        let to_scores = (to_scores * scale(projections)?)?;
        Ok(AttentionGradients {
            queries: to_scores.matmul(&projections.keys)?,
            keys: to_scores.t()?.matmul(&projections.queries)?,
            values,
            probabilities: to_probabilities,
        })
    }
}

fn scale(projections: &Projections) -> Result<f64> {
    Ok(1.0 / (projections.queries.dim(D::Minus1)? as f64).sqrt())
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
        Activation::GeluNew => {
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
