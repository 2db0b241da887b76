//! Value zeroing: how much each token's output changes when nothing can be read of another, rolled out.

use super::rollout::multiplied_up;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, NoOptions};
use crate::explain::{Cost, Passes, Subject};
use crate::model::{Keep, Matrix};

/// The row of `[CLS]` of the rollout of what zeroed values change.
pub struct ValueZeroing;

impl AttributionMethod for ValueZeroing {
    const ID: &'static str = "value_zeroing";
    const NAME: &'static str = "Value zeroing";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Attention;
    const SUMMARY: &'static str = "The share of each token in [CLS], by how much the output of each layer changes when the token's value vectors are set to zero; sums to 1 over the tokens and looks at no class.";
    const FORMULA: &'static str = "φ_t = (C_L ⋯ C_1)[CLS, t], C_ij = 1 − cos(x_i, x_i without the values of j) after each layer, rows scaled to sum 1";
    const EFFORT: &'static str = "About one forward pass a token.";
    const CAUTION: &'static str = "It sees how tokens mix, with values, feed-forward and normalisation, but not what for: it knows no class and no sign.";
    const SOURCE: &'static str = "Mohebbi et al. 2023, arXiv:2301.12971";
    const USES_TARGET: bool = false;
    // The layers whose values are zeroed are those of the network as it is.
    const UNDER_INTERVENTIONS: bool = false;
    const KEEP: Keep = Keep::Gradients;
    type Options = NoOptions;

    fn cost(_options: &NoOptions, tokens: usize, _classes: usize) -> Cost {
        Cost::exactly(Passes::new(tokens, 0), 1)
    }

    fn attribute(
        _options: &NoOptions,
        subject: &Subject,
        _classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let tokens = subject.tokens();
        let traced = subject.clone();
        let without = move |token| changes(&traced, token);
        let changes = subject.map((0..tokens).collect(), |_| Passes::FORWARD, without)?;
        let rolled_out = move |changes: Vec<Vec<Vec<f64>>>| {
            let scores = multiplied_up(&by_layer(&changes)).swap_remove(0);
            Ok(Attribution::of_no_class(scores))
        };
        subject.map(vec![changes], |_| Passes::NONE, rolled_out)
    }
}

/// How far each token's output turns when the values of one are zero: `[layer][token]`.
fn changes(subject: &Subject, token: usize) -> Result<Vec<Vec<f64>>, ExplainError> {
    let (trace, encoder) = (subject.trace()?, subject.model().encoder());
    let of_layer = |layer: usize| {
        let without = encoder.value_zeroed(trace, layer, token)?;
        Ok(distances(&trace.hidden(layer + 1)?, &without))
    };
    (0..trace.attention_layers()).map(of_layer).collect()
}

/// 1 − cos of the angle between rows.
fn distances(left: &Matrix, right: &Matrix) -> Vec<f64> {
    left.iter().zip(right.iter()).map(|(left, right)| distance(left, right)).collect()
}

/// For vectors of length 1 this is half the square of the distance between their ends, which keeps the digits of
/// small turns; it is 0 where a vector has no direction.
fn distance(left: &[f32], right: &[f32]) -> f64 {
    let length = |row: &[f32]| row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    let (of_left, of_right) = (length(left), length(right));
    if of_left == 0.0 || of_right == 0.0 {
        return 0.0;
    }
    let apart = |(l, r): (&f32, &f32)| f64::from(*l) / of_left - f64::from(*r) / of_right;
    left.iter().zip(right).map(apart).map(|difference| difference * difference).sum::<f64>() / 2.0
}

/// From `[token without values][layer][token]` to `[layer][token][token without values]`, rows summing to 1. A
/// token that no values change is made of itself alone.
fn by_layer(changes: &[Vec<Vec<f64>>]) -> Vec<Vec<Vec<f64>>> {
    let layers = changes.first().map_or(0, Vec::len);
    let row = |layer: usize, token: usize| {
        let row: Vec<f64> = changes.iter().map(|without| without[layer][token]).collect();
        let sum: f64 = row.iter().sum();
        match sum > 0.0 {
            true => row.into_iter().map(|change| change / sum).collect(),
            false => (0..row.len()).map(|other| if other == token { 1.0 } else { 0.0 }).collect(),
        }
    };
    (0..layers).map(|layer| (0..changes.len()).map(|token| row(layer, token)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::explain::crew::Alone;
    use crate::model::{Batch, Intervention, Model, Text, Trace};

    fn subject(keep: Keep) -> Subject {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
        let model = Arc::new(Model::load("three-labels", &path).unwrap());
        let text = model.encode(Text { first: "the film is good", second: None }, false).unwrap();
        Subject::new(model, text, keep, Arc::new(Alone)).unwrap()
    }

    #[test]
    fn scores_are_shares_of_a_whole() {
        let scores =
            &ValueZeroing::attribute(&NoOptions {}, &subject(Keep::Gradients), &[], 0).unwrap()[0].scores;
        assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{scores:?}");
        assert!(scores.iter().all(|score| *score > 0.0), "{scores:?}");
    }

    #[test]
    fn values_are_zeroed_in_a_whole_pass_over_the_network_as_it_is_and_nowhere_else() {
        let subject = subject(Keep::Gradients);
        let encoder = subject.model().encoder();
        let fault = |trace: &Trace, layer, token| encoder.value_zeroed(trace, layer, token).unwrap_err();
        let mut batch: Batch = subject.batches(subject.embeddings()).swap_remove(0);
        let outputs = encoder.forward(&batch, Keep::OutputGradients).unwrap();
        assert!(fault(&outputs, 0, 0).to_string().contains("not kept whole"));
        batch.sequences[0].interventions = vec![Intervention::TokenMask { tokens: vec![1] }].into();
        let masked = encoder.forward(&batch, Keep::Gradients).unwrap();
        assert!(fault(&masked, 0, 0).to_string().contains("without interventions"));
        let whole = subject.trace().unwrap();
        assert!(fault(whole, 99, 0).to_string().contains("no layer 99"));
        assert!(fault(whole, 0, 99).to_string().contains("no token 99"));
    }

    proptest! {
        #[test]
        fn a_distance_is_one_less_the_cosine(pairs in prop::collection::vec((-2.0f32..2.0, -2.0f32..2.0), 2..9)) {
            let (left, right): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let cosine = dot(&left, &right) / (dot(&left, &left) * dot(&right, &right)).sqrt();
            prop_assume!(cosine.is_finite());
            prop_assert!((distance(&left, &right) - (1.0 - cosine)).abs() < 1e-9);
            prop_assert_eq!(distance(&left, &left), 0.0);
        }
    }
}
