//! Every kernel on every kind of instructions that this processor has: the same bits, and the numbers of
//! plain double-precision loops.

use proptest::prelude::*;

use super::activation::{Activation, exp, value_and_slope};
use super::attention::{InputGradients, Inputs, Shape, attention, attention_vjp};
use super::norm::{Norm, Normalised, add_norm, norm_vjp};
use super::packed::Packed;
use super::product::{Finish, Left, Out, product};
use super::simd::{InstructionSet, Kernel, LANES, Simd};

/// Numbers between −1 and 1, the same in every run.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// What every kind of instructions makes of the same; all must be equal to the last bit.
fn on_every_set(work: impl Fn(InstructionSet) -> Vec<f32>) -> Vec<f32> {
    let results: Vec<Vec<f32>> = InstructionSet::available().into_iter().map(work).collect();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    for (result, set) in results.iter().zip(InstructionSet::available()) {
        assert!(bits(result) == bits(&results[0]), "{} gives other bits", set.name());
    }
    results.into_iter().next().unwrap_or_default()
}

fn assert_near(ours: &[f32], exact: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), exact.len());
    let scale = exact.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
    for (ours, exact) in ours.iter().zip(exact) {
        assert!((f64::from(*ours) - exact).abs() <= tolerance * scale, "{ours} is not {exact}");
    }
}

fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// `[rows, depth]` · `[depth, columns]`
fn plain_product(left: &[f64], right: &[f64], rows: usize, depth: usize, columns: usize) -> Vec<f64> {
    let mut out = vec![0.0; rows * columns];
    for row in 0..rows {
        for term in 0..depth {
            for column in 0..columns {
                out[row * columns + column] += left[row * depth + term] * right[term * columns + column];
            }
        }
    }
    out
}

fn transposed(values: &[f64], rows: usize, width: usize) -> Vec<f64> {
    (0..width).flat_map(|column| (0..rows).map(move |row| values[row * width + column])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_product_is_the_sum_of_products(
        rows in 1usize..30, depth in 1usize..900, columns in 1usize..70, seed in any::<u64>(),
    ) {
        let (left, weight) = (numbers(rows * depth, seed), numbers(columns * depth, seed ^ 1));
        let (bias, other) = (numbers(columns, seed ^ 2), numbers(rows * columns, seed ^ 3));
        let weight_columns = transposed(&double(&weight), columns, depth);
        let plain = plain_product(&double(&left), &weight_columns, rows, depth, columns);
        let tolerance = 1e-6 * depth as f64;
        let by_rows = Packed::of_rows(&weight, columns, depth);
        let of = |finish: fn(&'static [f32], &'static [f32]) -> Finish<'static>| {
            let (bias, other) = (bias.clone().leak() as &[f32], other.clone().leak() as &[f32]);
            on_every_set(|set| {
                let mut out = vec![f32::NAN; rows * columns];
                let room = Out::new(&mut out, columns);
                product(set, Left::rows(&left, rows, depth), (&by_rows).into(), room, finish(bias, other));
                out
            })
        };
        assert_near(&of(|_, _| Finish::Plain), &plain, tolerance);
        let of_each = |f: &dyn Fn(f64, f64, f64) -> f64| -> Vec<f64> {
            (0..rows * columns).map(|i| f(plain[i], f64::from(bias[i % columns]), f64::from(other[i]))).collect()
        };
        assert_near(&of(|bias, _| Finish::Bias(bias)), &of_each(&|sum, bias, _| sum + bias), tolerance);
        assert_near(&of(|_, other| Finish::Plus(other)), &of_each(&|sum, _, other| sum + other), tolerance);
        assert_near(&of(|_, other| Finish::Times(other)), &of_each(&|sum, _, other| sum * other), tolerance);

        // The same numbers as a matrix of the other shape, and a left side that lies on its side.
        let side: Vec<f32> = transposed(&double(&left), rows, depth).iter().map(|v| *v as f32).collect();
        let by_columns = Packed::of_columns(
            &weight_columns.iter().map(|v| *v as f32).collect::<Vec<_>>(), depth, columns,
        );
        let lying = on_every_set(|set| {
            let mut out = vec![f32::NAN; rows * columns];
            let room = Out::new(&mut out, columns);
            product(set, Left::columns(&side, rows, rows), (&by_columns).into(), room, Finish::Plain);
            out
        });
        prop_assert_eq!(lying, of(|_, _| Finish::Plain));
    }

    #[test]
    fn a_row_of_a_product_does_not_know_its_neighbours(
        rows in 2usize..60, depth in 1usize..500, columns in 1usize..50, seed in any::<u64>(),
    ) {
        let (left, weight) = (numbers(rows * depth, seed), numbers(columns * depth, seed ^ 1));
        let packed = Packed::of_rows(&weight, columns, depth);
        let of = |left: &[f32]| {
            let mut out = vec![0.0; left.len() / depth * columns];
            let room = Out::new(&mut out, columns);
            let left = Left::rows(left, left.len() / depth, depth);
            product(InstructionSet::best(), left, (&packed).into(), room, Finish::Plain);
            out
        };
        let together = of(&left);
        for row in 0..rows {
            let alone = of(&left[row * depth..][..depth]);
            prop_assert_eq!(&alone[..], &together[row * columns..][..columns]);
        }
    }

    #[test]
    fn layer_normalisation_and_its_way_back_are_their_formulas(
        rows in 1usize..6, width in 8usize..80, seed in any::<u64>(),
    ) {
        let (input, residual) = (numbers(rows * width, seed), numbers(rows * width, seed ^ 1));
        let (gain, shift) = (numbers(width, seed ^ 2), numbers(width, seed ^ 3));
        let gradient = numbers(rows * width, seed ^ 4);
        let all = on_every_set(|set| {
            let mut output = input.clone();
            let (mut values, mut scales) = (vec![0.0; rows * width], vec![0.0; rows]);
            let saved = Normalised { values: &mut values, scales: &mut scales };
            let norm = Norm { gain: &gain, shift: &shift, epsilon: 1e-5 };
            add_norm(set, norm, &mut output, Some(&residual), Some(saved));
            let mut back = vec![0.0; rows * width];
            norm_vjp(set, &gain, &values, &scales, &gradient, &mut back);
            [output, back].concat()
        });
        let mut exact = vec![0.0; 2 * rows * width];
        for row in 0..rows {
            let here = row * width..(row + 1) * width;
            let x: Vec<f64> =
                here.clone().map(|i| f64::from(input[i]) + f64::from(residual[i])).collect();
            let mean = x.iter().sum::<f64>() / width as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let deviation = (variance + 1e-5).sqrt();
            let normalised: Vec<f64> = x.iter().map(|x| (x - mean) / deviation).collect();
            let g: Vec<f64> =
                here.clone().map(|i| f64::from(gradient[i]) * f64::from(gain[i % width])).collect();
            let mean_g = g.iter().sum::<f64>() / width as f64;
            let along = g.iter().zip(&normalised).map(|(g, x)| g * x).sum::<f64>() / width as f64;
            for (column, index) in here.enumerate() {
                exact[index] = normalised[column] * f64::from(gain[column]) + f64::from(shift[column]);
                exact[rows * width + index] = (g[column] - mean_g - normalised[column] * along) / deviation;
            }
        }
        assert_near(&all, &exact, 5e-5);
    }

    #[test]
    fn attention_and_its_way_back_are_their_formulas(
        heads in 1usize..4, head_size in 1usize..20, queries in 1usize..20, keys in 1usize..40, long in any::<bool>(),
        hide in any::<bool>(), seed in any::<u64>(),
    ) {
        // Beyond one block of queries.
        let queries = if long { 830 + queries } else { queries };
        let shape = Shape { heads, head_size, queries, keys };
        let hidden = heads * head_size;
        let q = numbers(queries * hidden, seed);
        let kv = numbers(2 * keys * hidden, seed ^ 1);
        let gradient = numbers(queries * hidden, seed ^ 2);
        let hidden_keys: Vec<bool> = (0..keys).map(|key| key % 3 == 1).collect();
        let hidden_keys = hide.then_some(hidden_keys.as_slice());
        let inputs = Inputs { queries: &q, keys_and_values: &kv };
        let all = on_every_set(|set| {
            let (mut context, mut probabilities) = (vec![0.0; queries * hidden], vec![0.0; shape.probabilities()]);
            attention(set, shape, inputs, hidden_keys, &mut context, Some(&mut probabilities));
            let mut forgetful = vec![0.0; queries * hidden];
            attention(set, shape, inputs, hidden_keys, &mut forgetful, None);
            assert_eq!(context, forgetful);
            let (mut to_q, mut to_kv) = (vec![0.0; q.len()], vec![0.0; kv.len()]);
            let out = InputGradients { queries: &mut to_q, keys_and_values: &mut to_kv };
            attention_vjp(set, shape, inputs, &probabilities, &gradient, out, None);
            let shown = probabilities.chunks_exact(shape.row()).flat_map(|row| row[..keys].to_vec()).collect();
            [context, shown, to_q, to_kv].concat()
        });
        assert_near(&all, &plain_attention(shape, &q, &kv, &gradient, hidden_keys), 2e-5);
    }
}

/// Context, probabilities, and the gradients of queries and of keys and values.
fn plain_attention(
    shape: Shape,
    q: &[f32],
    kv: &[f32],
    gradient: &[f32],
    hidden_keys: Option<&[bool]>,
) -> Vec<f64> {
    let Shape { heads, head_size, queries, keys } = shape;
    let hidden = heads * head_size;
    let scale = 1.0 / (head_size as f64).sqrt();
    let (q, kv, gradient) = (double(q), double(kv), double(gradient));
    let mut context = vec![0.0; queries * hidden];
    let mut shown = Vec::new();
    let (mut to_q, mut to_kv) = (vec![0.0; q.len()], vec![0.0; kv.len()]);
    for head in 0..heads {
        let columns = head * head_size..(head + 1) * head_size;
        for query in 0..queries {
            let key_at = |key: usize, column: usize| kv[key * 2 * hidden + column];
            let value_at = |key: usize, column: usize| kv[key * 2 * hidden + hidden + column];
            let score = |key: usize| match hidden_keys {
                Some(hide) if hide[key] => f64::NEG_INFINITY,
                _ => columns.clone().map(|c| q[query * hidden + c] * key_at(key, c)).sum::<f64>() * scale,
            };
            let powers: Vec<f64> = (0..keys).map(|key| score(key).exp()).collect();
            let total: f64 = powers.iter().sum();
            let p: Vec<f64> = powers.iter().map(|power| power / total).collect();
            let to_p: Vec<f64> = (0..keys)
                .map(|key| columns.clone().map(|c| gradient[query * hidden + c] * value_at(key, c)).sum())
                .collect();
            let along: f64 = p.iter().zip(&to_p).map(|(p, g)| p * g).sum();
            for c in columns.clone() {
                context[query * hidden + c] = (0..keys).map(|key| p[key] * value_at(key, c)).sum();
                for key in 0..keys {
                    let to_score = p[key] * (to_p[key] - along) * scale;
                    to_q[query * hidden + c] += to_score * key_at(key, c);
                    to_kv[key * 2 * hidden + c] += to_score * q[query * hidden + c];
                    to_kv[key * 2 * hidden + hidden + c] += p[key] * gradient[query * hidden + c];
                }
            }
            shown.extend(p);
        }
    }
    [context, shown, to_q, to_kv].concat()
}

/// A function of one vector, over many.
struct Each<'a> {
    inputs: &'a [f32],
    function: Function,
}

#[derive(Clone, Copy)]
enum Function {
    Exp,
    Value(Activation),
    Slope(Activation),
}

impl Kernel for Each<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<f32> {
        let of = |chunk: &[f32; LANES]| {
            let x = simd.load(chunk);
            simd.lanes(match self.function {
                Function::Exp => exp(simd, x),
                Function::Value(activation) => value_and_slope(simd, activation, x).0,
                Function::Slope(activation) => value_and_slope(simd, activation, x).1,
            })
        };
        self.inputs.as_chunks().0.iter().flat_map(of).collect()
    }
}

/// From −20 to 20, close together.
fn range() -> Vec<f32> {
    (-20_000..20_000).map(|step| step as f32 / 1000.0).collect()
}

fn worst(function: Function, exact: impl Fn(f64) -> f64, scale: impl Fn(f64) -> f64) -> f64 {
    let ours = on_every_set(|set| set.run(Each { inputs: &range(), function }));
    let apart =
        |(x, ours): (f32, f32)| (f64::from(ours) - exact(f64::from(x))).abs() / scale(exact(f64::from(x)));
    range().into_iter().zip(ours).map(apart).fold(0.0, f64::max)
}

#[test]
fn the_exponential_is_right_to_the_last_place() {
    assert!(worst(Function::Exp, f64::exp, |exact| exact) < 1.5e-7);
    let ends = [-1e30, -88.0, -87.3, 0.0, 88.0, f32::NEG_INFINITY, f32::NAN, 1.0];
    let inputs = [ends, ends].concat();
    let of_ends = on_every_set(|set| set.run(Each { inputs: &inputs, function: Function::Exp }));
    assert_eq!((of_ends[0], of_ends[1], of_ends[3], of_ends[5]), (0.0, 0.0, 1.0, 0.0));
    assert!(of_ends[2] > 0.0 && of_ends[4].is_finite() && of_ends[6].is_nan());
}

#[test]
fn activation_functions_and_their_slopes_are_right_to_single_precision() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let cumulative = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let twice_root = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let inner = |x: f64| twice_root * (x + 0.044715 * x * x * x);
    let inner_slope = |x: f64| twice_root * (1.0 + 3.0 * 0.044715 * x * x);
    let size = |exact: f64| exact.abs().max(1.0);
    use Activation::{Gelu, GeluTanh, Relu, Silu};
    assert!(worst(Function::Value(Gelu), |x| x * cumulative(x), size) < 3e-7);
    assert!(worst(Function::Slope(Gelu), |x| cumulative(x) + x * density(x), size) < 5e-7);
    assert!(worst(Function::Value(GeluTanh), |x| x * sigmoid(inner(x)), size) < 6e-7);
    let slope = |x: f64| {
        let s = sigmoid(inner(x));
        s + x * s * (1.0 - s) * inner_slope(x)
    };
    assert!(worst(Function::Slope(GeluTanh), slope, size) < 2e-6);
    assert!(worst(Function::Value(Silu), |x| x * sigmoid(x), size) < 3e-7);
    let slope = |x: f64| sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)));
    assert!(worst(Function::Slope(Silu), slope, size) < 1e-6);
    assert_eq!(worst(Function::Value(Relu), |x| x.max(0.0), size), 0.0);
    assert_eq!(worst(Function::Slope(Relu), |x| f64::from(u8::from(x > 0.0)), size), 0.0);
}

#[test]
fn what_is_not_a_number_stays_so() {
    for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu] {
        let inputs = [f32::NAN; LANES];
        let values =
            on_every_set(|set| set.run(Each { inputs: &inputs, function: Function::Value(activation) }));
        assert!(values.iter().all(|value| value.is_nan()), "{activation:?}");
    }
    let shape = Shape { heads: 1, head_size: 2, queries: 1, keys: 3 };
    let kv = [1.0, 2.0, 3.0, 4.0, f32::NAN, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0];
    let inputs = Inputs { queries: &[1.0, 1.0], keys_and_values: &kv };
    for set in InstructionSet::available() {
        let mut context = [0.0; 2];
        attention(set, shape, inputs, None, &mut context, None);
        assert!(context.iter().any(|value| value.is_nan()), "{}: {context:?}", set.name());
    }
}
