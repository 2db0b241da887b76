//! Saliency: the size of the gradient at each token's word embedding.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Keep, Model};

/// ‖∂F/∂e_t‖ for each token t.
pub struct Saliency;

/// Options of `saliency`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SaliencyOptions, example = json!({"norm": "l2", "output": "logit"}))]
pub struct Options {
    /// How the gradient's size is measured.
    #[schema(default = "l2")]
    norm: Norm,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

/// A norm of a gradient: `l1` (the sum of its entries' sizes) or `l2` (its Euclidean length).
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "l2")]
pub enum Norm {
    /// The sum of the entries' sizes.
    L1,
    /// The Euclidean length.
    #[default]
    L2,
}

impl Norm {
    pub(super) fn of(self, values: impl Iterator<Item = f64>) -> f64 {
        match self {
            Norm::L1 => values.map(f64::abs).sum(),
            Norm::L2 => values.map(|value| value * value).sum::<f64>().sqrt(),
        }
    }

    /// The norm's own gradient: how it grows with each value.
    pub(super) fn direction(self, values: &[f64]) -> Vec<f64> {
        let length = self.of(values.iter().copied());
        let along = |value: &f64| match self {
            _ if length == 0.0 => 0.0,
            Norm::L1 if *value == 0.0 => 0.0,
            Norm::L1 => value.signum(),
            Norm::L2 => value / length,
        };
        values.iter().map(along).collect()
    }
}

impl AttributionMethod for Saliency {
    const ID: &'static str = "saliency";
    const NAME: &'static str = "Saliency";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Gradient;
    const SUMMARY: &'static str = "How strongly the output reacts to a small change of each word: the norm of its gradient. Never negative, says nothing of direction.";
    const FORMULA: &'static str = "φ_t = ‖∂F/∂e_t‖, in the L2 (default) or L1 norm";
    const EFFORT: &'static str = "One backward pass a class.";
    const CAUTION: &'static str = "It says how sensitive the output is, not what speaks for or against; on saturated outputs it is small where words matter most.";
    const SOURCE: &'static str = "Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034";
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
        let gradients = subject.gradients(options.output, classes)?;
        classes
            .iter()
            .zip(gradients)
            .map(|(class, gradient)| {
                Ok(Attribution::new(
                    *class,
                    options.output,
                    gradient
                        .iter()
                        .map(|row| options.norm.of(row.iter().map(|slope| f64::from(*slope))))
                        .collect(),
                ))
            })
            .collect()
    }
}
