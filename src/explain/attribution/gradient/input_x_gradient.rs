//! Input × gradient: the first-order effect of taking each token's word embedding away.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Keep, Model};

/// ⟨e_t, ∂F/∂e_t⟩ for each token t.
pub struct InputXGradient;

/// Options of `input_x_gradient`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = InputXGradientOptions, example = json!({"output": "logit"}))]
pub struct Options {
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl AttributionMethod for InputXGradient {
    const ID: &'static str = "input_x_gradient";
    const NAME: &'static str = "Input × gradient";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Gradient;
    const SUMMARY: &'static str = "Each word's embedding times its gradient: a first-order guess at its contribution, from one gradient.";
    const FORMULA: &'static str = "φ_t = ⟨e_t, ∂F/∂e_t⟩";
    const EFFORT: &'static str = "One backward pass a class.";
    const CAUTION: &'static str = "A tangent at the text: on networks that bend, it can be far from what happens when a word goes. Its scores do not add up to anything.";
    const SOURCE: &'static str = "Shrikumar, Greenside, Shcherbina & Kundaje 2016, arXiv:1605.01713";
    const KEEP: Keep = Keep::OutputGradients;
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
        let embeddings = subject.embeddings();
        let gradients = subject.gradients(options.output, classes)?;
        classes
            .iter()
            .zip(gradients)
            .map(|(class, gradient)| {
                let rows = gradient.iter().zip(embeddings.chunks_exact(gradient.width));
                let along = |(slopes, embedding): (&[f32], &[f32])| {
                    slopes.iter().zip(embedding).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
                };
                Ok(Attribution::new(*class, options.output, rows.map(along).collect()))
            })
            .collect()
    }
}
