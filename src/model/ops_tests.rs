//! Operator by operator: our kernels against candle's operators, and candle's hand-written products against
//! its own automatic differentiation.

use candle_core::{Device, Tensor, Var};
use proptest::prelude::*;

use super::candle_ops::CandleOps;
use super::config::Activation;
use super::kernel_ops::KernelOps;
use super::ops::{Attending, AttentionInputs, Dense, NormParameters, Ops, Then};
use crate::kernels::simd::InstructionSet;
use crate::kernels::tests::numbers;

/// Everything the operators say about the same numbers, piece by piece.
fn everything<O: Ops>(ops: &O, case: &Case) -> Vec<(&'static str, Vec<f32>)> {
    let Case { sequences, heads, head_size, inner, seed, activation } = case.clone();
    let hidden = heads * head_size;
    let rows: usize = sequences.iter().sum();
    let read = |array: &O::Array| {
        let mut values = Vec::new();
        ops.read(array, &mut values).unwrap();
        values
    };
    let array = |width: usize, seed: u64| ops.array(&numbers(rows * width, seed), width).unwrap();
    let dense = |outputs: usize, seed: u64| {
        let dense = Dense { weight: numbers(outputs * hidden, seed), bias: numbers(outputs, seed + 1) };
        ops.linear(&dense).unwrap()
    };
    let mut all = Vec::new();

    let input = array(hidden, seed);
    let linear = dense(inner, seed + 10);
    all.push(("apply", read(&ops.apply(&linear, &input).unwrap())));
    let (activated, slopes) = ops.apply_activated(&linear, activation, &input, true).unwrap();
    all.push(("activated", read(&activated)));
    all.push(("slopes", read(&slopes.unwrap())));
    let gradient = array(inner, seed + 20);
    let other = array(hidden, seed + 21);
    all.push(("vjp", read(&ops.linear_vjp(&linear, &gradient, Then::Nothing).unwrap())));
    all.push(("vjp plus", read(&ops.linear_vjp(&linear, &gradient, Then::Plus(&other)).unwrap())));
    all.push(("vjp times", read(&ops.linear_vjp(&linear, &gradient, Then::Times(&other)).unwrap())));

    let parameters = NormParameters {
        weight: numbers(hidden, seed + 30),
        bias: numbers(hidden, seed + 31),
        epsilon: 1e-5,
    };
    let norm = ops.norm(&parameters).unwrap();
    let (normed, saved) = ops.add_norm(&norm, array(hidden, seed + 32), Some(&other), true).unwrap();
    all.push(("norm", read(&normed)));
    all.push(("norm vjp", read(&ops.norm_vjp(&norm, &saved.unwrap(), &input).unwrap())));
    let tanh = ops.tanh(array(hidden, seed + 33)).unwrap();
    all.push(("tanh", read(&tanh)));
    all.push(("tanh vjp", read(&ops.tanh_vjp(&tanh, array(hidden, seed + 34)).unwrap())));

    let ranges = case.ranges();
    let hidden_keys: Vec<Option<Vec<bool>>> = sequences
        .iter()
        .enumerate()
        .map(|(index, tokens)| (index % 2 == 1).then(|| (0..*tokens).map(|key| key % 3 == 1).collect()))
        .collect();
    let attending = Attending { heads, queries: &ranges, keys: &ranges, hidden_keys: &hidden_keys };
    let queries = array(hidden, seed + 40);
    let keys_and_values = array(2 * hidden, seed + 41);
    let (context, probabilities) = ops.attention(&attending, &queries, &keys_and_values, true).unwrap();
    let probabilities = probabilities.unwrap();
    all.push(("context", read(&context)));
    let maps = |probabilities: &O::Probabilities| -> Vec<f32> {
        let of = |sequence| {
            let mut values = Vec::new();
            ops.read_probabilities(probabilities, &attending, sequence, &mut values).unwrap();
            values
        };
        (0..ranges.len()).flat_map(of).collect()
    };
    all.push(("probabilities", maps(&probabilities)));
    let inputs = AttentionInputs {
        queries: &queries,
        keys_and_values: &keys_and_values,
        probabilities: &probabilities,
    };
    let back = ops.attention_vjp(&attending, inputs, &other, true).unwrap();
    all.push(("to queries", read(&back.queries)));
    all.push(("to keys and values", read(&back.keys_and_values)));
    all.push(("to probabilities", maps(&back.probabilities.unwrap())));

    let factors: Vec<Option<Vec<f32>>> =
        (0..ranges.len()).map(|index| (index % 2 == 0).then(|| numbers(hidden, seed + 50))).collect();
    all.push(("scaled", read(&ops.scale_columns(array(hidden, seed), &ranges, &factors).unwrap())));
    let negative = |values: &mut [f32]| values.iter_mut().for_each(|value| *value = -*value);
    all.push(("changed", read(&ops.changed(array(hidden, seed), negative).unwrap())));
    let firsts: Vec<usize> = ranges.iter().map(|range| range.start).collect();
    let picked = ops.pick_rows(&input, &firsts).unwrap();
    all.push(("picked", read(&picked)));
    all.push(("added", read(&ops.add_rows(array(hidden, seed + 60), &firsts, &picked).unwrap())));
    all
}

#[derive(Debug, Clone)]
struct Case {
    sequences: Vec<usize>,
    heads: usize,
    head_size: usize,
    inner: usize,
    seed: u64,
    activation: Activation,
}

impl Case {
    fn ranges(&self) -> Vec<std::ops::Range<usize>> {
        let ends = self.sequences.iter().scan(0, |end, tokens| {
            *end += tokens;
            Some(*end)
        });
        ends.zip(&self.sequences).map(|(end, tokens)| end - tokens..end).collect()
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let activations = prop::sample::select(vec![
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::Silu,
    ]);
    (prop::collection::vec(1usize..24, 1..5), 1usize..4, 1usize..20, 1usize..50, 0u64..1 << 40, activations)
        .prop_map(|(sequences, heads, head_size, inner, seed, activation)| Case {
            sequences,
            heads,
            // Rows of a few values may be nearly constant, and their normalisation ill-conditioned.
            head_size: if heads * head_size < 8 { 8 } else { head_size },
            inner,
            seed,
            activation,
        })
}

fn assert_alike(ours: &[(&str, Vec<f32>)], theirs: &[(&str, Vec<f32>)]) {
    for ((name, ours), (_, theirs)) in ours.iter().zip(theirs) {
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let scale = theirs.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
        let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart <= 1e-5 * scale, "{name}: apart by {apart} of {scale}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn our_kernels_say_what_candle_says(case in cases()) {
        let theirs = everything(&CandleOps::on(Device::Cpu), &case);
        for set in InstructionSet::available() {
            assert_alike(&everything(&KernelOps::on(set), &case), &theirs);
        }
    }

    #[test]
    fn hand_written_products_are_those_of_automatic_differentiation(case in cases()) {
        let ops = CandleOps::on(Device::Cpu);
        let hidden = case.heads * case.head_size;
        let rows: usize = case.sequences.iter().sum();
        let tensor = |width: usize, seed: u64| {
            Tensor::from_vec(numbers(rows * width, case.seed + seed), (rows, width), &Device::Cpu).unwrap()
        };
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let automatic = |variable: &Var, output: &Tensor, gradient: &Tensor| -> Vec<f32> {
            let gradients = (output * gradient).unwrap().sum_all().unwrap().backward().unwrap();
            flat(gradients.get(variable).expect("the output depends on the input"))
        };
        let variable = |width: usize, seed: u64| Var::from_tensor(&tensor(width, seed)).unwrap();
        let check = |name: &'static str, ours: Vec<f32>, theirs: Vec<f32>| {
            assert_alike(&[(name, ours)], &[(name, theirs)]);
        };

        let input = variable(hidden, 0);
        let dense = Dense { weight: numbers(case.inner * hidden, 1), bias: numbers(case.inner, 2) };
        let linear = ops.linear(&dense).unwrap();
        let gradient = tensor(case.inner, 3);
        let ours = ops.linear_vjp(&linear, &gradient, Then::Nothing).unwrap();
        check("linear", flat(&ours), automatic(&input, &ops.apply(&linear, &input).unwrap(), &gradient));
        let (output, slopes) = ops.apply_activated(&linear, case.activation, &input, true).unwrap();
        let through = (&gradient * slopes.unwrap()).unwrap();
        let ours = ops.linear_vjp(&linear, &through, Then::Nothing).unwrap();
        check("activation", flat(&ours), automatic(&input, &output, &gradient));

        let parameters = NormParameters { weight: numbers(hidden, 4), bias: numbers(hidden, 5), epsilon: 1e-5 };
        let norm = ops.norm(&parameters).unwrap();
        let gradient = tensor(hidden, 6);
        let (output, saved) = ops.add_norm(&norm, input.as_tensor().clone(), None, true).unwrap();
        let ours = ops.norm_vjp(&norm, &saved.unwrap(), &gradient).unwrap();
        check("norm", flat(&ours), automatic(&input, &output, &gradient));
        let output = ops.tanh(input.as_tensor().clone()).unwrap();
        let ours = ops.tanh_vjp(&output, gradient.clone()).unwrap();
        check("tanh", flat(&ours), automatic(&input, &output, &gradient));

        let ranges = case.ranges();
        let attending = Attending { heads: case.heads, queries: &ranges, keys: &ranges, hidden_keys: &[] };
        let keys_and_values = variable(2 * hidden, 7);
        let (output, probabilities) = ops.attention(&attending, &input, &keys_and_values, true).unwrap();
        let probabilities = probabilities.unwrap();
        let inputs =
            AttentionInputs { queries: input.as_tensor(), keys_and_values: keys_and_values.as_tensor(), probabilities: &probabilities };
        let back = ops.attention_vjp(&attending, inputs, &gradient, false).unwrap();
        check("queries", flat(&back.queries), automatic(&input, &output, &gradient));
        check("keys and values", flat(&back.keys_and_values), automatic(&keys_and_values, &output, &gradient));
    }
}
