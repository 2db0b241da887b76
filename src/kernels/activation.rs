//! The exponential, and the activation functions with their derivatives, on vectors.

use super::simd::Simd;

/// Activation functions of BERT's feed-forward layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x·Φ(x), with the normal distribution itself.
    Gelu,
    /// The same by a hyperbolic tangent.
    GeluTanh,
    /// max(x, 0)
    Relu,
    /// x·σ(x)
    Silu,
}

/// Below this, e^x is no longer a normal number.
const LEAST_EXPONENT: f32 = -87.336_54;
/// Above this, 2ⁿ would leave the range.
const MOST_EXPONENT: f32 = 88.02;

/// e^x, to about one unit in the last place; 0 below −87.3, e^88.02 above that.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::V) -> S::V {
    // x second: what is not a number stays so.
    let clamped = simd.min(simd.splat(MOST_EXPONENT), simd.max(simd.splat(LEAST_EXPONENT), x));
    // Adding and taking away 1.5·2²³ rounds to a whole number.
    let magic = simd.splat(12_582_912.0);
    let n = simd.sub(simd.mul_add(clamped, simd.splat(std::f32::consts::LOG2_E), magic), magic);
    // x = n·ln 2 + r with |r| ≤ ½ ln 2; ln 2 in two parts, the first one with zeros at its end.
    let r = simd.mul_add(n, simd.splat(-0.693_359_4), clamped);
    let r = simd.mul_add(n, simd.splat(2.121_944_4e-4), r);
    // 1 + r + r²·P(r): our own minimax fit, relative error 3.1e-9 over |r| ≤ 0.3467.
    let p = simd.splat(0.001_381_456);
    let p = simd.mul_add(p, r, simd.splat(0.008_368_735));
    let p = simd.mul_add(p, r, simd.splat(0.041_668_39));
    let p = simd.mul_add(p, r, simd.splat(0.166_665_21));
    let p = simd.mul_add(p, r, simd.splat(0.499_999_94));
    let p = simd.add(simd.mul_add(p, simd.mul(r, r), r), simd.splat(1.0));
    let value = simd.mul(p, simd.power_of_two(n));
    simd.select_less(x, simd.splat(LEAST_EXPONENT), simd.zero(), value)
}

/// An activation function and its derivative.
#[inline(always)]
pub fn value_and_slope<S: Simd>(simd: S, activation: Activation, x: S::V) -> (S::V, S::V) {
    match activation {
        Activation::Gelu => gelu(simd, x),
        Activation::GeluTanh => gelu_tanh(simd, x),
        Activation::Relu => {
            let zero = simd.zero();
            // x second: what is not a number stays so.
            (simd.max(zero, x), simd.select_less(zero, x, simd.splat(1.0), zero))
        }
        Activation::Silu => {
            let sigmoid = sigmoid(simd, x);
            let value = simd.mul(x, sigmoid);
            // σ + xσ(1 − σ)
            let slope = simd.mul_add(value, simd.sub(simd.splat(1.0), sigmoid), sigmoid);
            (value, slope)
        }
    }
}

/// Φ(−z) e^{z²/2} = Σ cₖ tᵏ with t = 1/(1 + 0.3 z), k from 1: our own minimax fit in the form of
/// Hastings' (Abramowitz & Stegun 7.1.26), relative error 1.5e-7 over 0 ≤ z ≤ 14.
const MILLS: [f32; 8] = [
    0.119_629_3,
    0.120_753_96,
    0.099_913_49,
    0.128_561_58,
    -0.053_683_713,
    0.206_353_59,
    -0.157_203_13,
    0.035_674_788,
];

#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::V) -> (S::V, S::V) {
    let one = simd.splat(1.0);
    let z = simd.abs(x);
    let bell = exp(simd, simd.mul(simd.mul(x, x), simd.splat(-0.5)));
    let t = simd.div(one, simd.mul_add(z, simd.splat(0.3), one));
    let mut series = simd.splat(MILLS[7]);
    for coefficient in MILLS[..7].iter().rev() {
        series = simd.mul_add(series, t, simd.splat(*coefficient));
    }
    let tail = simd.mul(simd.mul(series, t), bell);
    let cumulative = simd.select_less(x, simd.zero(), tail, simd.sub(one, tail));
    let density = simd.mul(bell, simd.splat(0.398_942_3));
    (simd.mul(x, cumulative), simd.mul_add(x, density, cumulative))
}

#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::V) -> (S::V, S::V) {
    // ½x(1 + tanh u) = x·σ(2u) with u = √(2/π)(x + 0.044715 x³).
    const TWICE_ROOT: f32 = 1.595_769;
    let square = simd.mul(x, x);
    let inner = simd.mul_add(square, simd.splat(0.044_715), simd.splat(1.0));
    let sigmoid = sigmoid(simd, simd.mul(simd.mul(x, inner), simd.splat(TWICE_ROOT)));
    let value = simd.mul(x, sigmoid);
    // σ + xσ(1 − σ)·2u′
    let inner_slope = simd.mul_add(square, simd.splat(3.0 * 0.044_715), simd.splat(1.0));
    let along = simd.mul(simd.mul(value, simd.splat(TWICE_ROOT)), inner_slope);
    (value, simd.mul_add(along, simd.sub(simd.splat(1.0), sigmoid), sigmoid))
}

#[inline(always)]
fn sigmoid<S: Simd>(simd: S, x: S::V) -> S::V {
    let one = simd.splat(1.0);
    simd.div(one, simd.add(one, exp(simd, simd.sub(simd.zero(), x))))
}
