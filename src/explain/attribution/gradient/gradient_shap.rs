//! Gradient SHAP, or Expected Gradients: Integrated Gradients averaged over several baselines, by chance instead of
//! by a quadrature rule.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::baseline::{Baseline, UsualBaseline};
use super::evaluation::points_together;
use super::path::{Path, PathPoint};
use crate::explain::chance::Chance;
use crate::explain::granularity::Granularity;
use crate::explain::method::{
    Attribution, AttributionMethod, Convergence, ExplainError, Family, OptionFault,
};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Keep, Model};

/// Mean over k of ⟨e_t − e′_t, ∂F/∂e_t(e′ + α_k (e − e′))⟩, e′ one of the baselines in turn, α uniform.
pub struct GradientShap;

/// Options of `gradient_shap`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = GradientShapOptions,
    example = json!({"samples": 48, "baselines": ["pad", "mask", "zero"], "output": "logit"})
)]
pub struct Options {
    /// Points between baselines and text, at least two for each baseline, at most 1024.
    #[schema(example = 48, default = 48, minimum = 2, maximum = 1024)]
    samples: usize,
    /// What the text is compared with, taken in turn; each once.
    #[schema(min_items = 1, max_items = 3, example = json!(["pad", "mask", "zero"]), default = json!(["pad", "mask", "zero"]))]
    baselines: Vec<UsualBaseline>,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl Default for Options {
    fn default() -> Self {
        let baselines = vec![UsualBaseline::Pad, UsualBaseline::Mask, UsualBaseline::Zero];
        Options { samples: 48, baselines, output: Output::default() }
    }
}

const PURPOSE: &str = "explaind gradient_shap v1";

impl AttributionMethod for GradientShap {
    const ID: &'static str = "gradient_shap";
    const NAME: &'static str = "Gradient SHAP";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Gradient;
    const SUMMARY: &'static str = "How much each word moved the output on the way from empty texts of several kinds to this one, at points taken by chance. The scores sum to the output's change from the mean of the baselines, but for the error of chance, which is told.";
    const FORMULA: &'static str = "φ_t = (1/n) Σ_k ⟨e_t − e′_t, ∂F/∂e_t(e′ + α_k (e − e′))⟩, with e′ the baselines in turn and α_k uniform in [0, 1)";
    const EFFORT: &'static str = "`samples` forward passes, and as many backward passes for each class: 48 by default; and a forward pass for each baseline.";
    const CAUTION: &'static str = "Its scores carry an error of chance that shrinks with the root of `samples`: for one baseline, integrated_gradients gets closer with fewer gradients.";
    const SOURCE: &'static str = "Lundberg & Lee 2017, arXiv:1705.07874; Erion et al. 2021, arXiv:1906.10670";
    const SAMPLES: bool = true;
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn check(options: &Options, model: &Model, _granularity: Granularity) -> Result<(), OptionFault> {
        let baselines = &options.baselines;
        if baselines.is_empty() {
            return Err(OptionFault::new("baselines", "is empty; name at least one of pad, mask and zero"));
        }
        if (1..baselines.len()).any(|place| baselines[..place].contains(&baselines[place])) {
            return Err(OptionFault::new("baselines", "names one twice; name each once"));
        }
        for baseline in baselines {
            let fault = |fault: OptionFault| OptionFault::new("baselines", fault.detail);
            Baseline::Usual(*baseline).check(model).map_err(fault)?;
        }
        let least = 2 * baselines.len();
        if !(least..=1024).contains(&options.samples) {
            let detail = format!("is {}; expected {least} (two for each baseline) to 1024", options.samples);
            return Err(OptionFault::new("samples", detail));
        }
        options.output.check(model)
    }

    fn with_other_baselines(options: &Options, model: &Model) -> Vec<(&'static str, Options)> {
        let usual =
            [("pad", UsualBaseline::Pad), ("mask", UsualBaseline::Mask), ("zero", UsualBaseline::Zero)];
        let known = usual.into_iter().filter(|(_, baseline)| Baseline::Usual(*baseline).check(model).is_ok());
        let alone = known.map(|(name, baseline)| (name, vec![baseline]));
        let others = alone.filter(|(_, baselines)| *baselines != options.baselines);
        others.map(|(name, baselines)| (name, Options { baselines, ..options.clone() })).collect()
    }

    fn cost(options: &Options, tokens: usize, classes: usize) -> Cost {
        let (samples, baselines) = (options.samples, options.baselines.len());
        let along = Passes::new(samples, samples * classes);
        Cost::exactly(along + Passes::new(baselines, 0), points_together(tokens).min(samples))
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let paths = options.baselines.iter().map(|baseline| {
            let start = Baseline::Usual(*baseline).embeddings(Self::ID, subject)?;
            Path::new(subject, options.output, start)
        });
        let paths = paths.collect::<Result<Vec<Path>, ExplainError>>()?;
        let points = points(&paths, subject, classes, options.samples, seed)?;
        let starts = paths.iter().map(|path| path.baseline_outputs(classes));
        let starts = starts.collect::<Result<Vec<_>, _>>()?;
        let of_class = |(slot, class): (usize, &usize)| {
            let of_samples: Vec<&[f64]> = points.iter().map(|point| point[slot].slopes.as_slice()).collect();
            let (scores, standard_errors) = means(&of_samples, paths.len());
            // Baselines that had one sample more than others count so much more, as in the scores.
            let of_sample = |sample: usize| starts[sample % paths.len()][slot];
            let baseline_output = (0..options.samples).map(of_sample).sum::<f64>() / options.samples as f64;
            let target_output = subject.output(options.output, *class);
            let sum_error = sum_error(&of_samples, paths.len());
            let convergence =
                convergence(&scores, sum_error, baseline_output, target_output, options.samples);
            Attribution {
                convergence: Some(convergence),
                standard_errors: Some(standard_errors),
                ..Attribution::new(*class, options.output, scores)
            }
        };
        Ok(classes.iter().enumerate().map(of_class).collect())
    }
}

/// The points of all samples, `[sample][class]`.
fn points(
    paths: &[Path],
    subject: &Subject,
    classes: &[usize],
    samples: usize,
    seed: u64,
) -> Result<Vec<Vec<PathPoint>>, ExplainError> {
    let mut chance = Chance::new(PURPOSE, seed, &subject.text().ids);
    let positions: Vec<f64> = (0..samples).map(|_| chance.unit()).collect();
    let of_path = |(place, path): (usize, &Path)| {
        let own: Vec<f64> = positions.iter().skip(place).step_by(paths.len()).copied().collect();
        Ok(path.evaluate(&own, classes)?.into_iter())
    };
    let mut by_path = paths.iter().enumerate().map(of_path).collect::<Result<Vec<_>, ExplainError>>()?;
    let count = by_path.len();
    (0..samples).map(|sample| by_path[sample % count].next().ok_or(ExplainError::Cancelled)).collect()
}

/// Mean and standard error of each token's terms. Samples of one baseline differ by chance, baselines by
/// choice: only the former is an error, so it is reckoned within each baseline.
fn means(samples: &[&[f64]], baselines: usize) -> (Vec<f64>, Vec<f64>) {
    let of_token = |token: usize| {
        let terms: Vec<f64> = samples.iter().map(|sample| sample[token]).collect();
        (mean(&terms), error(&terms, baselines))
    };
    (0..samples[0].len()).map(of_token).unzip()
}

/// The standard error of the sum of all scores.
fn sum_error(samples: &[&[f64]], baselines: usize) -> f64 {
    let sums: Vec<f64> = samples.iter().map(|sample| sample.iter().sum()).collect();
    error(&sums, baselines)
}

fn mean(terms: &[f64]) -> f64 {
    terms.iter().sum::<f64>() / terms.len() as f64
}

fn error(terms: &[f64], baselines: usize) -> f64 {
    let of_baseline = |baseline: usize| {
        let own: Vec<f64> = terms.iter().skip(baseline).step_by(baselines).copied().collect();
        let centre = mean(&own);
        let spread: f64 = own.iter().map(|term| (term - centre).powi(2)).sum();
        // The variance of the sum of its terms.
        own.len() as f64 * spread / (own.len() - 1) as f64
    };
    (0..baselines).map(of_baseline).sum::<f64>().sqrt() / terms.len() as f64
}

/// Chance may leave the sum off by a few standard errors: more than three is no longer chance.
fn convergence(
    scores: &[f64],
    sum_error: f64,
    baseline_output: f64,
    target_output: f64,
    samples: usize,
) -> Convergence {
    let delta = scores.iter().sum::<f64>() - (target_output - baseline_output);
    let tolerance = (0.01 * (target_output - baseline_output).abs()).max(0.01).max(3.0 * sum_error);
    Convergence {
        delta,
        tolerance,
        converged: delta.abs() <= tolerance,
        steps: samples,
        gradients: samples,
        forwards: 0,
        baseline_output,
        target_output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baselines_that_differ_are_no_error_of_chance() {
        let samples: [&[f64]; 4] = [&[1.0], &[5.0], &[1.0], &[5.0]];
        assert_eq!(means(&samples, 2), (vec![3.0], vec![0.0]));
        let (_, mixed) = means(&samples, 1);
        assert!(mixed[0] > 1.0);
    }
}
