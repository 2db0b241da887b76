//! Gradient-weighted attention: attention that the output hangs on, rolled out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{HeadMaps, Keep, Model, Wanted};

/// The row of `[CLS]` of what attention brings it, each weight counted by its gradient where that is positive.
pub struct GradientAttention;

/// Options of `gradient_attention`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = GradientAttentionOptions, example = json!({"output": "logit"}))]
pub struct Options {
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl AttributionMethod for GradientAttention {
    const ID: &'static str = "gradient_attention";
    const NAME: &'static str = "Gradient-weighted attention";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Attention;
    const SUMMARY: &'static str = "How much of each token reaches [CLS] through attention that speaks for the class: weights times their gradients, where positive, through all layers. Never negative.";
    const FORMULA: &'static str =
        "φ_t = R[CLS, t] − [t = CLS], R = (I + Ā_L) ⋯ (I + Ā_1), Ā the mean over heads of (∂F/∂A ⊙ A)⁺";
    const EFFORT: &'static str = "One backward pass a class.";
    const CAUTION: &'static str = "It shows what speaks for a class, never what speaks against it, and its scores do not add up to the output.";
    const SOURCE: &'static str = "Chefer, Gur & Wolf 2021, arXiv:2103.15679";
    const KEEP: Keep = Keep::Gradients;
    type Options = Options;

    fn check(options: &Options, model: &Model, _granularity: Granularity) -> Result<(), OptionFault> {
        options.output.check(model)
    }

    fn cost(_options: &Options, _tokens: usize, classes: usize) -> Cost {
        Cost::exactly(Passes::new(0, classes), 1)
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let (traced, output) = (subject.clone(), options.output);
        let of_class = move |class| Ok(Attribution::new(class, output, relevance(&traced, output, class)?));
        subject.map(classes.to_vec(), |_| Passes::new(0, 1), of_class)
    }
}

fn relevance(subject: &Subject, output: Output, class: usize) -> Result<Vec<f64>, ExplainError> {
    let trace = subject.trace()?;
    let layers: Vec<usize> = (0..trace.attention_layers()).collect();
    let wanted = Wanted { attention: layers.clone(), ..Wanted::default() };
    let mut gradients = subject.gradients_at(output, class, &wanted)?.attention;
    let weighted = |layer: usize| {
        let gradient = gradients.remove(&layer).and_then(|mut texts| texts.pop()).unwrap_or_default();
        Ok(positive(&trace.attention(layer, 0)?, &gradient))
    };
    let weighted = layers.into_iter().map(weighted).collect::<Result<Vec<_>, ExplainError>>()?;
    Ok(reaching_first(&weighted, subject.tokens()))
}

/// The mean over heads of weight × gradient where that is positive: `[queries][keys]`.
fn positive(maps: &HeadMaps, gradient: &HeadMaps) -> Vec<Vec<f64>> {
    let mean = |query: usize| {
        let mut row = vec![0.0; maps.keys];
        for head in 0..maps.heads {
            let products = maps.row(head, query).iter().zip(gradient.row(head, query));
            for (sum, (weight, slope)) in row.iter_mut().zip(products) {
                *sum += (f64::from(*weight) * f64::from(*slope)).max(0.0) / maps.heads as f64;
            }
        }
        row
    };
    (0..maps.queries).map(mean).collect()
}

/// The first row of (I + Ā_L) ⋯ (I + Ā_1) − I. Only that row is worked out, from the last layer down, and
/// without its 1, beside which small relevance would lose its digits.
fn reaching_first(layers: &[Vec<Vec<f64>>], tokens: usize) -> Vec<f64> {
    let mut reached = vec![0.0; tokens];
    for layer in layers.iter().rev() {
        let mut more = layer[0].clone();
        for (share, row) in reached.iter().zip(layer) {
            more.iter_mut().zip(row).for_each(|(sum, weight)| *sum += share * weight);
        }
        reached.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    reached
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::explain::attention::rollout::{identity, product};
    use crate::explain::attention::tests::attentions;

    proptest! {
        #[test]
        fn the_row_that_is_worked_out_is_that_of_the_whole_product(maps in attentions(1..=4, 1..=6)) {
            let layers: Vec<_> = maps.iter().map(|layer| layer.mean_head()).collect();
            let tokens = layers[0].len();
            let mut whole = identity(tokens);
            for layer in &layers {
                let more = product(layer, &whole);
                whole.iter_mut().flatten().zip(more.concat()).for_each(|(sum, more)| *sum += more);
            }
            whole[0][0] -= 1.0;
            for (ours, theirs) in reaching_first(&layers, tokens).iter().zip(&whole[0]) {
                prop_assert!((ours - theirs).abs() < 1e-12 * (1.0 + theirs.abs()), "{ours} against {theirs}");
            }
        }
    }

    #[test]
    fn weights_that_speak_against_the_class_count_for_nothing() {
        let maps = |values: &[f32]| HeadMaps { values: values.to_vec(), heads: 2, queries: 1, keys: 2 };
        let weights = maps(&[0.5, 0.5, 1.0, 0.0]);
        assert_eq!(positive(&weights, &maps(&[2.0, -4.0, 1.0, 8.0])), [[1.0, 0.0]]);
    }
}
