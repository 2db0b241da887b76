//! Saliency: the size of the gradient at each token's word embedding.

use candle_core::D;
use serde::{Deserialize, Serialize};

use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Output, Subject};
use crate::model::Model;

/// ‖∂F/∂e_t‖ for each token t.
pub struct Saliency;

/// Options of [`Saliency`].
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    norm: Norm,
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Norm {
    L1,
    #[default]
    L2,
}

impl AttributionMethod for Saliency {
    const ID: &'static str = "saliency";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Gradient;
    const SUMMARY: &'static str = "How strongly the output reacts to a small change of each word: the norm of its gradient. Never negative, says nothing of direction.";
    const SOURCE: &'static str = "Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034";
    type Options = Options;

    fn check(options: &Options, model: &Model) -> Result<(), OptionFault> {
        options.output.check(model)
    }

    fn attribute(
        options: &Options,
        subject: &Subject<'_>,
        classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        classes
            .iter()
            .map(|class| {
                let gradient = subject.gradient(options.output, *class)?.to_dtype(candle_core::DType::F64)?;
                let norms = match options.norm {
                    Norm::L1 => gradient.abs()?.sum(D::Minus1)?,
                    Norm::L2 => gradient.sqr()?.sum(D::Minus1)?.sqrt()?,
                };
                Ok(Attribution {
                    class: Some(*class),
                    output: Some(options.output),
                    scores: norms.to_vec1()?,
                    convergence: None,
                })
            })
            .collect()
    }
}
