//! Integrated Gradients at the output of the word-embedding table.
//!
//! The score of token t is ∫₀¹ ⟨x_t − x′_t, ∂F/∂e_t(x′ + α(x − x′))⟩ dα; over all tokens the scores
//! sum to F(x) − F(x′). Position and token-type embeddings stay as they are, as in Captum's
//! `LayerIntegratedGradients` on `embeddings.word_embeddings`.
//!
//! Two rules for the integral:
//! - `steps: n`: n Gauss–Legendre nodes, which is what Captum does with `n_steps = n`.
//! - otherwise adaptive: the trapezoid rule on 8, 16, 32, … intervals. Every node of one round is a
//!   node of the next, the two ends give F(x′) and F(x) for free, and where the slope is small at
//!   both ends (the usual picture between a padding baseline and a text) equal spacing needs about
//!   half the gradients of Gauss–Legendre for the same error.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::baseline::Baseline;
use super::evaluation::points_together;
use super::path::{Path, PathPoint};
use super::quadrature::gauss_legendre;
use crate::explain::granularity::Granularity;
use crate::explain::method::{
    Attribution, AttributionMethod, Convergence, ExplainError, Family, OptionFault,
};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Keep, Model};

/// Sundararajan, Taly & Yan 2017.
pub struct IntegratedGradients;

/// Options of `integrated_gradients`; `steps` and `max_gradients` exclude each other.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(
    as = IntegratedGradientsOptions,
    example = json!({"steps": null, "max_gradients": 129, "baseline": "pad", "output": "logit"})
)]
pub struct Options {
    /// Nodes of a Gauss–Legendre rule, 1 to 1000, one gradient each; null for the adaptive rule.
    #[schema(example = 50, default = json!(null), minimum = 1, maximum = 1000)]
    steps: Option<usize>,
    /// The most gradients the adaptive rule may take, 9 to 1025; null for 129, or beside `steps`.
    #[schema(example = 129, default = json!(null), minimum = 9, maximum = 1025)]
    max_gradients: Option<usize>,
    /// What the text is compared with.
    #[schema(default = "pad")]
    baseline: Baseline,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

const MOST_STEPS: usize = 1000;
const FIRST_INTERVALS: usize = 8;
const FEWEST_GRADIENTS: usize = FIRST_INTERVALS + 1;
const DEFAULT_GRADIENTS: usize = 129;
const MOST_GRADIENTS: usize = 1025;
/// What the adaptive rule takes for most texts: two rounds.
const USUAL_GRADIENTS: usize = 17;

impl AttributionMethod for IntegratedGradients {
    const ID: &'static str = "integrated_gradients";
    const NAME: &'static str = "Integrated Gradients";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Gradient;
    const SUMMARY: &'static str = "How much each word moved the output on the way from an empty text: the gradients along the way, added up. The scores sum to the output's change.";
    const FORMULA: &'static str = "φ_t = ∫₀¹ ⟨e_t − e′_t, ∂F/∂e_t(e′ + α(e − e′))⟩ dα, for word embeddings e of the text and e′ of the baseline";
    const EFFORT: &'static str = "Adaptive: 9 to `max_gradients` forward and backward passes, 17 for most texts; with `steps`, as many.";
    const CAUTION: &'static str = "What nothing means is a choice: compare baselines before trusting a close call (full quality figures do). Not for discontinuous pipelines around the model: it sees the network alone.";
    const SOURCE: &'static str = "Sundararajan, Taly & Yan 2017, arXiv:1703.01365";
    // The path makes its own passes, also at the text's end.
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn completed(options: Options, _granularity: Granularity) -> Options {
        let adaptive = options.steps.is_none();
        let max_gradients = options.max_gradients.or(adaptive.then_some(DEFAULT_GRADIENTS));
        Options { max_gradients, ..options }
    }

    fn check(options: &Options, model: &Model, _granularity: Granularity) -> Result<(), OptionFault> {
        let within = |name: &str, value: Option<usize>, least: usize, most: usize| match value {
            Some(value) if !(least..=most).contains(&value) => {
                Err(OptionFault::new(name, format!("is {value}; expected {least} to {most}")))
            }
            _ => Ok(()),
        };
        within("steps", options.steps, 1, MOST_STEPS)?;
        within("max_gradients", options.max_gradients, FEWEST_GRADIENTS, MOST_GRADIENTS)?;
        if options.steps.is_some() && options.max_gradients.is_some() {
            let detail = "belongs to the adaptive rule; with `steps` the number of gradients is fixed: give one of the two";
            return Err(OptionFault::new("max_gradients", detail));
        }
        options.baseline.check(model)?;
        options.output.check(model)
    }

    fn with_other_baselines(options: &Options, model: &Model) -> Vec<(&'static str, Options)> {
        let others = options.baseline.others(model).into_iter();
        others.map(|(name, baseline)| (name, Options { baseline, ..options.clone() })).collect()
    }

    fn cost(options: &Options, tokens: usize, classes: usize) -> Cost {
        let along = |points: usize| Passes::new(points, points * classes);
        let together = points_together(tokens);
        match options.steps {
            Some(steps) => Cost::exactly(along(steps) + Passes::FORWARD, together.min(steps)),
            None => {
                let most = most_points(options.max_gradients.unwrap_or(DEFAULT_GRADIENTS));
                let expected = along(USUAL_GRADIENTS.min(most));
                Cost { expected, most: along(most), together: together.min(FEWEST_GRADIENTS) }
            }
        }
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let baseline = options.baseline.embeddings(Self::ID, subject)?;
        let path = Path::new(subject, options.output, baseline)?;
        let integrals = match options.steps {
            Some(steps) => fixed(&path, subject, options.output, classes, steps)?,
            None => adaptive(&path, classes, options.max_gradients.unwrap_or(DEFAULT_GRADIENTS))?,
        };
        let attribution = |(class, integral): (&usize, Integral)| Attribution {
            convergence: Some(integral.convergence()),
            ..Attribution::new(*class, options.output, integral.scores)
        };
        Ok(classes.iter().zip(integrals).map(attribution).collect())
    }
}

/// The scores of one class, with what they should add up to.
struct Integral {
    scores: Vec<f64>,
    baseline_output: f64,
    target_output: f64,
    gradients: usize,
    /// Whether the scores themselves have stopped moving.
    settled: bool,
}

impl Integral {
    fn delta(&self) -> f64 {
        self.scores.iter().sum::<f64>() - (self.target_output - self.baseline_output)
    }

    /// One per cent of what is explained, or a hundredth of a unit where that is less.
    fn tolerance(&self) -> f64 {
        (0.01 * (self.target_output - self.baseline_output).abs()).max(0.01)
    }

    fn converged(&self) -> bool {
        self.settled && self.delta().abs() <= self.tolerance()
    }

    fn convergence(&self) -> Convergence {
        Convergence {
            delta: self.delta(),
            tolerance: self.tolerance(),
            converged: self.converged(),
            steps: self.gradients,
            gradients: self.gradients,
            forwards: 0,
            baseline_output: self.baseline_output,
            target_output: self.target_output,
        }
    }
}

fn fixed(
    path: &Path,
    subject: &Subject,
    output: Output,
    classes: &[usize],
    steps: usize,
) -> Result<Vec<Integral>, ExplainError> {
    let nodes = gauss_legendre(steps);
    let positions: Vec<f64> = nodes.iter().map(|node| node.position).collect();
    let points = path.evaluate(&positions, classes)?;
    let baseline_outputs = path.baseline_outputs(classes)?;
    let integral = |(slot, class): (usize, &usize)| {
        let weighted = nodes.iter().zip(&points).map(|(node, by_class)| (node.weight, &by_class[slot]));
        Integral {
            scores: weighted_sum(subject.tokens(), weighted),
            baseline_output: baseline_outputs[slot],
            target_output: subject.output(output, *class),
            gradients: steps,
            // One rule alone cannot tell; that the sum is right is what is known.
            settled: true,
        }
    };
    Ok(classes.iter().enumerate().map(integral).collect())
}

/// Trapezoid rules on twice as many intervals each round, until every class has converged or the
/// next round would cost more than `most_gradients`.
fn adaptive(path: &Path, classes: &[usize], most_gradients: usize) -> Result<Vec<Integral>, ExplainError> {
    let mut intervals = FIRST_INTERVALS;
    let first: Vec<f64> = (0..=intervals).map(|index| index as f64 / intervals as f64).collect();
    let mut trapezoids = by_class(path.evaluate(&first, classes)?, classes.len());
    loop {
        let integrals: Vec<Integral> = trapezoids.iter().map(|points| trapezoid(points)).collect();
        // A class that has converged takes no further gradients, so its answer does not depend on
        // which other classes were asked for.
        let open: Vec<usize> = (0..classes.len())
            .filter(|slot| trapezoids[*slot].len() == intervals + 1 && !integrals[*slot].converged())
            .collect();
        if open.is_empty() || 2 * intervals + 1 > most_gradients {
            return Ok(integrals);
        }
        intervals *= 2;
        let between: Vec<f64> =
            (1..intervals).step_by(2).map(|index| index as f64 / intervals as f64).collect();
        let open_classes: Vec<usize> = open.iter().map(|slot| classes[*slot]).collect();
        let new_points = by_class(path.evaluate(&between, &open_classes)?, open.len());
        for (slot, new) in open.into_iter().zip(new_points) {
            trapezoids[slot] = interleaved(std::mem::take(&mut trapezoids[slot]), new);
        }
    }
}

/// The points of the last round that `max_gradients` leaves room for.
fn most_points(max_gradients: usize) -> usize {
    let mut intervals = FIRST_INTERVALS;
    while 2 * intervals < max_gradients {
        intervals *= 2;
    }
    intervals + 1
}

/// From points with their classes to classes with their points.
fn by_class(points: Vec<Vec<PathPoint>>, classes: usize) -> Vec<Vec<PathPoint>> {
    let mut transposed: Vec<Vec<PathPoint>> =
        (0..classes).map(|_| Vec::with_capacity(points.len())).collect();
    for point in points {
        for (column, value) in transposed.iter_mut().zip(point) {
            column.push(value);
        }
    }
    transposed
}

/// a₀ b₀ a₁ b₁ … aₙ
fn interleaved(old: Vec<PathPoint>, new: Vec<PathPoint>) -> Vec<PathPoint> {
    let mut merged = Vec::with_capacity(old.len() + new.len());
    let mut new = new.into_iter();
    for point in old {
        merged.push(point);
        merged.extend(new.next());
    }
    merged
}

/// How far any score may have moved since the rule with half the intervals, as a share of the
/// largest score. Halving the intervals divides the trapezoid rule's error by four or more, so the
/// error that is left is at most about a third of the move.
const SETTLED: f64 = 0.05;

/// The trapezoid rule over points at 0, 1/n, …, 1. The delta alone can be small by cancellation
/// between tokens, so the scores are also held against those on every second point.
fn trapezoid(points: &[PathPoint]) -> Integral {
    let scores = trapezoid_scores(points, 1);
    let coarser = trapezoid_scores(points, 2);
    let moved = scores.iter().zip(&coarser).map(|(fine, coarse)| (fine - coarse).abs()).fold(0.0, f64::max);
    let largest = scores.iter().map(|score| score.abs()).fold(0.0, f64::max);
    Integral {
        settled: moved <= SETTLED * largest,
        scores,
        baseline_output: points[0].output,
        target_output: points[points.len() - 1].output,
        gradients: points.len(),
    }
}

fn trapezoid_scores(points: &[PathPoint], stride: usize) -> Vec<f64> {
    let last = points.len() - 1;
    let width = stride as f64 / last as f64;
    let weighted = points.iter().enumerate().step_by(stride).map(|(index, point)| {
        let weight = if index == 0 || index == last { 0.5 * width } else { width };
        (weight, point)
    });
    weighted_sum(points[0].slopes.len(), weighted)
}

fn weighted_sum<'a>(tokens: usize, points: impl Iterator<Item = (f64, &'a PathPoint)>) -> Vec<f64> {
    let mut scores = vec![0.0; tokens];
    for (weight, point) in points {
        for (score, slope) in scores.iter_mut().zip(&point.slopes) {
            *score += weight * slope;
        }
    }
    scores
}
