//! The rescale rule of DeepLIFT (Shrikumar, Greenside & Kundaje 2017, arXiv:1704.02685), carried through whole
//! transformers: each part passes on multipliers m that tell how much of a difference of its output comes from a
//! difference of its input, between a text and a baseline (primed).
//!
//! - One number to one number: m · (f(z) − f(z′)) / (z − z′).
//! - Products a·b: Δ(ab) = Δa·(b + b′)/2 + Δb·(a + a′)/2 exactly, so each factor gets the other's mean.
//! - Layer normalisation is taken apart into these: squares, the deviation's reciprocal, and a product.
//! - Softmax has a rule of its own, by logarithmic means: see [`to_scores`].
//!
//! Every step is exact, so Σ m·(x − x′) over the embeddings is the difference of the outputs.

use candle_core::Result;

use super::arrays::Matrix;
use super::network::Network;
use super::nonlinear::{slope, value};
use super::ops::Ops;
use super::prediction::log_softmax;
use super::record::{Recorded, RecordedLayer, Rules};

/// The rule, for a record of a text and a baseline of the same length.
pub(super) struct Rescale {
    tokens: usize,
}

/// Differences below this are too small to divide by; the slope in the middle takes the quotient's place.
const SMALL: f64 = 1e-6;

impl Rescale {
    /// # Errors
    /// A record of anything but two sequences of one length, or of changes to the network for one that the other does
    /// not have: no multiplier would account for those.
    pub fn new<O: Ops>(record: &Recorded<O>) -> Result<Self> {
        if record.interventions.iter().any(|changes| *changes != record.interventions[0]) {
            candle_core::bail!("a text and a baseline through one and the same network were expected");
        }
        match record.rows.as_slice() {
            [text, baseline] if text.len() == baseline.len() => Ok(Rescale { tokens: text.len() }),
            _ => candle_core::bail!("a text and a baseline of its length were expected"),
        }
    }

    /// Each row of the text with that of the baseline.
    fn pairs<'a>(&self, matrix: &'a Matrix) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
        let (text, baseline) = matrix.values.split_at(self.tokens * matrix.width);
        text.chunks_exact(matrix.width).zip(baseline.chunks_exact(matrix.width))
    }
}

impl<O: Ops> Rules<O> for Rescale {
    fn activation(&self, network: &Network<O>, _record: &Recorded<O>, inputs: &Matrix) -> Vec<f32> {
        let activation = network.config.activation;
        let of_pair = |(z, base): (&f32, &f32)| {
            quotient(f64::from(*z), f64::from(*base), |z| value(activation, z), |z| slope(activation, z))
                as f32
        };
        self.pairs(inputs).flat_map(|(text, baseline)| text.iter().zip(baseline).map(of_pair)).collect()
    }

    fn tanh(&self, record: &Recorded<O>) -> Vec<f32> {
        let (text, baseline) = (record.pooler_sum.row(0), record.pooler_sum.row(1));
        let of_pair = |(z, base): (&f32, &f32)| {
            quotient(f64::from(*z), f64::from(*base), f64::tanh, |z| 1.0 - z.tanh().powi(2)) as f32
        };
        text.iter().zip(baseline).map(of_pair).collect()
    }

    fn norm(&self, _record: &Recorded<O>, epsilon: f64, sums: &Matrix, relevance: &mut Matrix) {
        let width = relevance.width;
        for (row, (text, baseline)) in relevance.values.chunks_exact_mut(width).zip(self.pairs(sums)) {
            let (text, baseline) = (Centred::new(text, epsilon), Centred::new(baseline, epsilon));
            let mean_scale = 0.5 * (1.0 / text.deviation + 1.0 / baseline.deviation);
            let centred = text.values.iter().zip(&baseline.values);
            let to_scale: f64 =
                row.iter().zip(centred.clone()).map(|(m, (u, base))| f64::from(*m) * 0.5 * (u + base)).sum();
            // 1/a − 1/a′ = −(a² − a′²) / (a a′ (a + a′)), and a² differs as the variance does.
            let product = text.deviation * baseline.deviation * (text.deviation + baseline.deviation);
            let to_variance = -to_scale / product;
            let to_centred: Vec<f64> = row
                .iter()
                .zip(centred)
                .map(|(m, (u, base))| f64::from(*m) * mean_scale + to_variance * (u + base) / width as f64)
                .collect();
            let mean = to_centred.iter().sum::<f64>() / width as f64;
            row.iter_mut().zip(&to_centred).for_each(|(value, m)| *value = (m - mean) as f32);
        }
    }

    fn attention(
        &self,
        network: &Network<O>,
        record: &Recorded<O>,
        layer: &RecordedLayer<O>,
        to_context: &O::Array,
    ) -> Result<(O::Array, O::Array)> {
        let (ops, width, heads) = (&network.ops, network.config.hidden_size, network.config.heads);
        let read = |array: &O::Array| {
            let mut values = Vec::new();
            ops.read(array, &mut values).map(|()| values)
        };
        let queries = Matrix { values: read(&layer.queries)?, width };
        let keys_and_values = Matrix { values: read(&layer.keys_and_values)?, width: 2 * width };
        let to_context = Matrix { values: read(to_context)?, width };
        let attending = record.attending(heads);
        let (mut text, mut baseline) = (Vec::new(), Vec::new());
        ops.read_probabilities(&layer.probabilities, &attending, 0, &mut text)?;
        ops.read_probabilities(&layer.probabilities, &attending, 1, &mut baseline)?;

        let mut to_queries = vec![0.0; self.tokens * width];
        let mut to_keys_and_values = vec![0.0; self.tokens * 2 * width];
        let size = width / heads;
        let map = self.tokens * self.tokens;
        for head in 0..heads {
            let column = head * size;
            let part = |matrix: &Matrix, column: usize| self.halves(matrix, column, size);
            let head = Head {
                tokens: self.tokens,
                size,
                queries: part(&queries, column),
                keys: part(&keys_and_values, column),
                values: part(&keys_and_values, width + column),
                probabilities: [&text[head * map..][..map], &baseline[head * map..][..map]],
                to_context: columns(&to_context, 0, self.tokens, column, size),
            };
            let found = head.back();
            put(&found.queries, size, &mut to_queries, width, column);
            put(&found.keys, size, &mut to_keys_and_values, 2 * width, column);
            put(&found.values, size, &mut to_keys_and_values, 2 * width, width + column);
        }
        Ok((ops.array(&to_queries, width)?, ops.array(&to_keys_and_values, 2 * width)?))
    }
}

impl Rescale {
    /// Some columns of the text's rows, and of the baseline's.
    fn halves(&self, matrix: &Matrix, column: usize, size: usize) -> [Vec<f64>; 2] {
        [0, self.tokens].map(|first| columns(matrix, first, self.tokens, column, size))
    }
}

/// (f(z) − f(z′)) / (z − z′)
fn quotient(z: f64, base: f64, value: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> f64 {
    match (z - base).abs() < SMALL {
        true => slope(0.5 * (z + base)),
        false => (value(z) - value(base)) / (z - base),
    }
}

/// A row without its mean, and its deviation.
struct Centred {
    values: Vec<f64>,
    deviation: f64,
}

impl Centred {
    fn new(row: &[f32], epsilon: f64) -> Self {
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / row.len() as f64;
        let values: Vec<f64> = row.iter().map(|x| f64::from(*x) - mean).collect();
        let variance = values.iter().map(|u| u * u).sum::<f64>() / row.len() as f64;
        Centred { values, deviation: (variance + epsilon).sqrt() }
    }
}

/// One attention head between a text and a baseline: `[tokens, size]` each, the text's first.
struct Head<'a> {
    tokens: usize,
    size: usize,
    queries: [Vec<f64>; 2],
    keys: [Vec<f64>; 2],
    values: [Vec<f64>; 2],
    /// `[tokens, tokens]` each.
    probabilities: [&'a [f32]; 2],
    to_context: Vec<f64>,
}

/// Multipliers, `[tokens, size]` each.
struct ToHead {
    queries: Vec<f64>,
    keys: Vec<f64>,
    values: Vec<f64>,
}

impl Head<'_> {
    fn back(&self) -> ToHead {
        let (tokens, size) = (self.tokens, self.size);
        let scale = 1.0 / (size as f64).sqrt();
        let keys_transposed = [0, 1].map(|side| transposed(&self.keys[side], tokens, size));
        let mean_values = transposed(&mean(&self.values), tokens, size);
        let (mean_keys, mean_queries) = (mean(&self.keys), mean(&self.queries));
        let mut found = ToHead {
            queries: vec![0.0; tokens * size],
            keys: vec![0.0; tokens * size],
            values: vec![0.0; tokens * size],
        };
        for query in 0..tokens {
            let row = query * size..(query + 1) * size;
            let to_context = &self.to_context[row.clone()];
            let probabilities = self.probabilities.map(|map| &map[query * tokens..][..tokens]);
            let scores = [0, 1].map(|side| {
                let mut scores = combined(&self.queries[side][row.clone()], &keys_transposed[side], tokens);
                scores.iter_mut().for_each(|score| *score *= scale);
                scores
            });
            let shares = probabilities[0].iter().zip(probabilities[1]);
            for (to_value, (own, base)) in found.values.chunks_exact_mut(size).zip(shares) {
                add(to_value, 0.5 * (f64::from(*own) + f64::from(*base)), to_context);
            }
            let to_probabilities = combined(to_context, &mean_values, tokens);
            for (key, to_score) in to_scores(&to_probabilities, &scores).into_iter().enumerate() {
                let to_score = to_score * scale;
                add(&mut found.queries[row.clone()], to_score, &mean_keys[key * size..][..size]);
                add(&mut found.keys[key * size..][..size], to_score, &mean_queries[row.clone()]);
            }
        }
        found
    }
}

/// Back through a softmax: from multipliers of the probabilities to those of the scores.
///
/// With L the logarithm of the exponentials' sum, p_j = exp(s_j − L): a function of one number, whose multiplier is
/// the logarithmic mean m_j of p_j and p′_j. Probabilities sum to 1, so Σ_j m_j (Δs_j − ΔL) = 0, which tells ΔL by the
/// Δs_j. What all scores of a row have in common changes no probability, and so gets no multiplier; taking the
/// softmax apart into a sum and a quotient would give it large ones of both signs.
fn to_scores(to_probabilities: &[f64], scores: &[Vec<f64>; 2]) -> Vec<f64> {
    let [text, baseline] = [0, 1].map(|side| log_softmax(&scores[side]));
    let means: Vec<f64> = text.iter().zip(&baseline).map(|(a, b)| logarithmic_mean(*a, *b)).collect();
    let total: f64 = means.iter().sum();
    let along: f64 = to_probabilities.iter().zip(&means).map(|(m, mean)| m * mean).sum();
    to_probabilities.iter().zip(&means).map(|(m, mean)| mean * (m - along / total)).collect()
}

/// (p − p′) / (ln p − ln p′), from the logarithms: never 0, and without cancellation.
fn logarithmic_mean(log: f64, other: f64) -> f64 {
    let size = (log - other).abs();
    let slope = if size < f64::EPSILON { 1.0 } else { -(-size).exp_m1() / size };
    log.max(other).exp() * slope
}

/// Rows from `first` on, `count` of them, and of these `size` columns from `column` on.
fn columns(matrix: &Matrix, first: usize, count: usize, column: usize, size: usize) -> Vec<f64> {
    (first..first + count)
        .flat_map(|row| matrix.row(row)[column..column + size].iter().map(|value| f64::from(*value)))
        .collect()
}

/// Columns back into a matrix of some width.
fn put(values: &[f64], size: usize, matrix: &mut [f32], width: usize, column: usize) {
    for (row, values) in matrix.chunks_exact_mut(width).zip(values.chunks_exact(size)) {
        row[column..column + size].iter_mut().zip(values).for_each(|(to, value)| *to = *value as f32);
    }
}

fn mean(sides: &[Vec<f64>; 2]) -> Vec<f64> {
    sides[0].iter().zip(&sides[1]).map(|(a, b)| 0.5 * (a + b)).collect()
}

/// `[tokens, size]` → `[size, tokens]`
fn transposed(values: &[f64], tokens: usize, size: usize) -> Vec<f64> {
    (0..size).flat_map(|column| (0..tokens).map(move |row| values[row * size + column])).collect()
}

/// Σ_d weights_d · rows_d, with rows `[size, tokens]`.
fn combined(weights: &[f64], rows: &[f64], tokens: usize) -> Vec<f64> {
    let mut sum = vec![0.0; tokens];
    for (weight, row) in weights.iter().zip(rows.chunks_exact(tokens)) {
        add(&mut sum, *weight, row);
    }
    sum
}

fn add(to: &mut [f64], weight: f64, values: &[f64]) {
    to.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn softmax(scores: &[f64]) -> Vec<f64> {
        let sum: f64 = scores.iter().map(|score| score.exp()).sum();
        scores.iter().map(|score| score.exp() / sum).collect()
    }

    proptest! {
        #[test]
        fn multipliers_through_a_softmax_account_for_the_whole_difference(
            text in prop::collection::vec(-8.0f64..8.0, 5),
            baseline in prop::collection::vec(-8.0f64..8.0, 5),
            weights in prop::collection::vec(-2.0f64..2.0, 5),
        ) {
            let output = |scores: &[f64]| -> f64 {
                softmax(scores).iter().zip(&weights).map(|(p, weight)| p * weight).sum()
            };
            let multipliers = to_scores(&weights, &[text.clone(), baseline.clone()]);
            let pairs = text.iter().zip(&baseline).zip(&multipliers);
            let explained: f64 = pairs.map(|((a, b), m)| m * (a - b)).sum();
            prop_assert!((explained - (output(&text) - output(&baseline))).abs() < 1e-9);
        }
    }

    #[test]
    fn a_softmax_at_rest_has_its_derivative_for_multipliers() {
        let scores = vec![0.5, -1.0, 2.0];
        let weights = [1.0, 0.0, 0.0];
        let p = softmax(&scores);
        let slopes = [p[0] * (1.0 - p[0]), -p[0] * p[1], -p[0] * p[2]];
        for (ours, slope) in to_scores(&weights, &[scores.clone(), scores.clone()]).iter().zip(slopes) {
            assert!((ours - slope).abs() < 1e-12);
        }
    }
}
