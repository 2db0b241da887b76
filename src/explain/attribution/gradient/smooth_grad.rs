//! SmoothGrad: the gradient averaged over small random moves of the text, which irons out the ripples that a
//! single gradient shows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::evaluation::{Evaluated, Evaluation, points_together};
use super::saliency::Norm;
use crate::explain::chance::Chance;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::windows::Window;
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Keep, Matrix, Model};

/// ‖mean over k of ∂F/∂e_t(e + σ ε_k)‖ for each token t, ε standard normal.
pub struct SmoothGrad;

/// Options of `smooth_grad`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = SmoothGradOptions,
    example = json!({"samples": 32, "noise": 0.15, "norm": "l2", "output": "logit"})
)]
pub struct Options {
    /// Moves of the text that gradients are averaged over, 2 to 1024.
    #[schema(example = 32, default = 32, minimum = 2, maximum = 1024)]
    samples: usize,
    /// The standard deviation of the moves, as a share of the range of the text's word embeddings: above 0, at
    /// most 1.
    #[schema(example = 0.15, default = 0.15, exclusive_minimum = 0, maximum = 1)]
    noise: f64,
    /// The norm that makes one score of a token's mean gradient.
    #[schema(default = "l2")]
    norm: Norm,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl Default for Options {
    fn default() -> Self {
        Options { samples: 32, noise: 0.15, norm: Norm::default(), output: Output::default() }
    }
}

const PURPOSE: &str = "explaind smooth_grad v1";

/// Samples are gathered into so many groups at most: the spread of the groups' means tells the error of the
/// mean of all, without keeping every gradient.
const GROUPS: usize = 16;

/// Bytes of the groups of a class, unless two groups take more.
const GROUP_BYTES: usize = 64 << 20;

impl AttributionMethod for SmoothGrad {
    const ID: &'static str = "smooth_grad";
    const NAME: &'static str = "SmoothGrad";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Gradient;
    const SUMMARY: &'static str = "How strongly the output reacts to a small change of each word, averaged over random moves of the text: saliency without the ripples. Never negative, says nothing of direction.";
    const FORMULA: &'static str =
        "φ_t = ‖(1/n) Σ_k ∂F/∂e_t(e + σ ε_k)‖, with ε_k standard normal and σ = noise · (max e − min e)";
    const EFFORT: &'static str =
        "`samples` forward passes, and as many backward passes for each class: 32 by default.";
    const CAUTION: &'static str = "As saliency, it knows no sign and adds up to nothing. With much noise, it explains texts that nobody would write.";
    const SOURCE: &'static str = "Smilkov, Thorat, Kim, Viégas & Wattenberg 2017, arXiv:1706.03825";
    const SAMPLES: bool = true;
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn check(options: &Options, model: &Model, _granularity: Granularity) -> Result<(), OptionFault> {
        if !(2..=1024).contains(&options.samples) {
            let detail = format!("is {}; expected 2 to 1024", options.samples);
            return Err(OptionFault::new("samples", detail));
        }
        if !(options.noise > 0.0 && options.noise <= 1.0) {
            let detail = format!("is {}; expected more than 0 and at most 1", options.noise);
            return Err(OptionFault::new("noise", detail));
        }
        options.output.check(model)
    }

    fn cost(options: &Options, tokens: usize, classes: usize) -> Cost {
        let together = points_together(tokens).min(options.samples);
        Cost::exactly(Passes::new(options.samples, options.samples * classes), together)
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let bytes = size_of::<f64>() * subject.embeddings().len();
        let groups = GROUPS.min(options.samples).min((GROUP_BYTES / bytes).max(2));
        let mut sums = vec![Groups::new(groups, subject.embeddings().len()); classes.len()];
        let samples: Vec<usize> = (0..options.samples).collect();
        // So many at a time that nobody idles, and that few gradients are in memory.
        let layout = subject.layout();
        let windows_together = 2 * subject.crew_members() * points_together(layout.longest());
        for some in samples.chunks((windows_together / layout.windows().len()).max(1)) {
            for (sample, by_class) in some.iter().zip(gradients(options, subject, classes, seed, some)?) {
                for (sums, gradient) in sums.iter_mut().zip(by_class) {
                    sums.add(sample % groups, &gradient);
                }
            }
        }
        let width = subject.model().config().hidden_size;
        let of_class = |(class, sums): (&usize, Groups)| {
            let (scores, standard_errors) = sums.scores(options.norm, width);
            let standard_errors = Some(standard_errors);
            Attribution { standard_errors, ..Attribution::new(*class, options.output, scores) }
        };
        Ok(classes.iter().zip(sums).map(of_class).collect())
    }
}

/// The gradients at some samples, `[sample][class]`, each `[tokens, hidden]`.
fn gradients(
    options: &Options,
    subject: &Subject,
    classes: &[usize],
    seed: u64,
    samples: &[usize],
) -> Result<Vec<Vec<Vec<f32>>>, ExplainError> {
    let evaluation = Evaluation {
        subject: subject.clone(),
        output: options.output,
        classes: classes.to_vec(),
        combination: subject.layout().combination().clone(),
    };
    let width = subject.model().config().hidden_size;
    let deviation = options.noise * range(subject.embeddings());
    let text = subject.clone();
    let fill = move |sample: &usize, window: &Window, embeddings: &mut Vec<f32>| {
        for run in window.runs() {
            let mut chance = Chance::new(PURPOSE, seed, &text.text().ids);
            chance.skip_normals(sample * text.embeddings().len() + run.start * width);
            let own = &text.embeddings()[run.start * width..run.end * width];
            embeddings.extend(own.iter().map(|x| (f64::from(*x) + deviation * chance.normal()) as f32));
        }
    };
    let read = move |_: &Window, gradient: &[f32]| Matrix { values: gradient.to_vec(), width };
    let points = evaluation.at(samples.to_vec(), fill, read)?;
    let of_class = |evaluated: Evaluated<Matrix>| subject.layout().summed_rows(evaluated.windows).values;
    let of_point = |point: Vec<Evaluated<Matrix>>| point.into_iter().map(of_class).collect();
    Ok(points.into_iter().map(of_point).collect())
}

fn range(values: &[f32]) -> f64 {
    let (least, most) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), value| {
        (least.min(*value), most.max(*value))
    });
    f64::from(most) - f64::from(least)
}

/// Sums of gradients, group by group.
#[derive(Clone)]
struct Groups {
    /// `[group]`, each `[tokens, hidden]`.
    sums: Vec<Vec<f64>>,
    counts: Vec<usize>,
}

impl Groups {
    fn new(groups: usize, values: usize) -> Self {
        Groups { sums: vec![vec![0.0; values]; groups], counts: vec![0; groups] }
    }

    fn add(&mut self, group: usize, gradient: &[f32]) {
        self.counts[group] += 1;
        self.sums[group].iter_mut().zip(gradient).for_each(|(sum, slope)| *sum += f64::from(*slope));
    }

    /// The norm of each token's mean gradient, and its standard error to the first order: that of the mean
    /// gradient along the direction in which the norm grows.
    fn scores(&self, norm: Norm, width: usize) -> (Vec<f64>, Vec<f64>) {
        let count: usize = self.counts.iter().sum();
        let tokens = self.sums[0].len() / width;
        let mean_of = |place: usize| self.sums.iter().map(|sum| sum[place]).sum::<f64>() / count as f64;
        let of_token = |token: usize| {
            let places = token * width..(token + 1) * width;
            let mean: Vec<f64> = places.clone().map(mean_of).collect();
            let direction = norm.direction(&mean);
            let means = self.sums.iter().zip(&self.counts).map(|(sum, count)| {
                let along: f64 = sum[places.clone()].iter().zip(&direction).map(|(a, b)| a * b).sum();
                (along / *count as f64, *count)
            });
            (norm.of(mean.iter().copied()), error_of_mean(&means.collect::<Vec<_>>()))
        };
        (0..tokens).map(of_token).unzip()
    }
}

/// The standard error of the mean over all samples, from the means of groups of them with their sizes.
fn error_of_mean(groups: &[(f64, usize)]) -> f64 {
    let count: usize = groups.iter().map(|(_, count)| count).sum();
    let weighted = |(mean, size): &(f64, usize)| mean * *size as f64;
    let mean: f64 = groups.iter().map(weighted).sum::<f64>() / count as f64;
    let share = |size: usize| size as f64 / count as f64;
    let spread: f64 = groups.iter().map(|(of_group, size)| (share(*size) * (of_group - mean)).powi(2)).sum();
    (spread * groups.len() as f64 / (groups.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_mean_of_equal_groups_is_the_textbook_one() {
        let values = [1.0, 2.0, 4.0, 9.0];
        let variance = values.iter().map(|x: &f64| (x - 4.0).powi(2)).sum::<f64>() / 3.0;
        let groups = values.map(|value| (value, 1));
        assert!((error_of_mean(&groups) - (variance / 4.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn gradients_that_never_change_have_no_error_and_their_own_norm() {
        let mut groups = Groups::new(2, 4);
        (0..4).for_each(|sample| groups.add(sample % 2, &[3.0, 4.0, 0.0, 0.0]));
        assert_eq!(groups.scores(Norm::L2, 2), (vec![5.0, 0.0], vec![0.0, 0.0]));
        assert_eq!(groups.scores(Norm::L1, 2), (vec![7.0, 0.0], vec![0.0, 0.0]));
    }
}
