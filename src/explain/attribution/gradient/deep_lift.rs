//! DeepLIFT: the difference of the output from a baseline's, handed back through the network by the rescale rule.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::baseline::Baseline;
use super::evaluation::{along_window, logits_at};
use super::records::handed_back;
use crate::explain::granularity::Granularity;
use crate::explain::layout::Combination;
use crate::explain::method::{
    Attribution, AttributionMethod, Convergence, ExplainError, Family, OptionFault,
};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Encoder, Keep, Model, Problem, Record};

/// ⟨m_t, e_t − e′_t⟩ for each token t, with m the multipliers of the rescale rule.
pub struct DeepLift;

/// Options of `deep_lift`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = DeepLiftOptions, example = json!({"baseline": "pad", "output": "logit"}))]
pub struct Options {
    /// What the text is compared with.
    #[schema(default = "pad")]
    baseline: Baseline,
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl AttributionMethod for DeepLift {
    const ID: &'static str = "deep_lift";
    const NAME: &'static str = "DeepLIFT";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Gradient;
    const SUMMARY: &'static str = "How much each word moved the output from that of an empty text, by comparing every part of the network on both texts: one pass each, no sampling. The scores sum to the output's change.";
    const FORMULA: &'static str = "φ_t = ⟨m_t, e_t − e′_t⟩, with m handed back by m · (f(z) − f(z′)) / (z − z′) at every nonlinear part, and each factor of a product times the other's mean";
    const EFFORT: &'static str = "Two forward passes, and one backward pass for each class, which takes about three times a usual one.";
    const CAUTION: &'static str = "One comparison with one baseline: what nothing means is a choice (full quality figures try others). Between far ends, a network can bend in ways that a quotient of differences does not see.";
    const SOURCE: &'static str = "Shrikumar, Greenside & Kundaje 2017, arXiv:1704.02685 (rescale rule), with exact rules for products, softmax and layer normalisation";
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn check(options: &Options, model: &Model, _granularity: Granularity) -> Result<(), OptionFault> {
        options.baseline.check(model)?;
        options.output.check(model)
    }

    fn with_other_baselines(options: &Options, model: &Model) -> Vec<(&'static str, Options)> {
        let others = options.baseline.others(model).into_iter();
        others.map(|(name, baseline)| (name, Options { baseline, ..options.clone() })).collect()
    }

    fn cost(_options: &Options, _tokens: usize, classes: usize) -> Cost {
        Cost::exactly(Passes::new(2, 3 * classes), 2)
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let comparison = Comparison {
            subject: subject.clone(),
            output: options.output,
            baseline: options.baseline.embeddings(Self::ID, subject)?,
            combination: subject.pinned(),
        };
        let comparison = Arc::new(comparison);
        // What all windows say of the baseline comes first: the multipliers of each depend on it. Of a whole text,
        // its record tells.
        let of_windows = match subject.layout().windows().len() {
            1 => None,
            _ => Some(logits_at(subject, &comparison.baseline)?),
        };
        let (both, back) = (comparison.clone(), comparison.clone());
        let record = move |window: usize| both.record(window);
        let of_class = move |window: usize, record: &Record, class: usize| {
            let baseline = of_windows.clone().unwrap_or_else(|| vec![record.logits(1).to_vec()]);
            let scores = back.scores(window, record, &baseline, class)?;
            Ok(Handed { scores, baseline })
        };
        let windows = subject.windows_of(&comparison.combination, options.output, classes);
        let passes = (Passes::new(2, 0), Passes::new(0, 3));
        let by_class = handed_back(subject, &windows, classes, passes, record, of_class)?;
        let attribution = |(class, windows): (&usize, Vec<(usize, Handed)>)| {
            let mut baseline = Vec::new();
            let scores = windows.into_iter().map(|(window, handed)| {
                baseline = handed.baseline;
                (window, handed.scores)
            });
            let scores = subject.layout().summed(scores.collect());
            comparison.attribution(*class, scores, &baseline)
        };
        Ok(classes.iter().zip(by_class).map(attribution).collect())
    }
}

/// A text and its baseline.
struct Comparison {
    subject: Subject,
    output: Output,
    /// `[tokens, hidden]`
    baseline: Vec<f32>,
    /// How windows become one, at both ends.
    combination: Combination,
}

/// What is handed back to a window.
struct Handed {
    /// Of its tokens.
    scores: Vec<f64>,
    /// The logits of all windows of the baseline.
    baseline: Vec<Vec<f32>>,
}

impl Comparison {
    /// A window of the text and of its baseline, run side by side.
    fn record(&self, window: usize) -> Result<Record, ExplainError> {
        let (subject, window) = (&self.subject, &self.subject.layout().windows()[window]);
        let (own, start) =
            (subject.batch(window, subject.embeddings()), subject.batch(window, &self.baseline));
        Ok(subject.model().encoder().record(&Encoder::join([&own, &start]))?)
    }

    /// The scores of a window's tokens, with the logits of all windows of the baseline.
    fn scores(
        &self,
        window: usize,
        record: &Record,
        baseline: &[Vec<f32>],
        class: usize,
    ) -> Result<Vec<f64>, ExplainError> {
        let (subject, combination) = (&self.subject, &self.combination);
        let (model, text_logits) = (subject.model(), &subject.prediction().logits);
        let baseline_logits = combination.combined(baseline);
        let problem = model.config().problem;
        let multipliers = of_output(problem, text_logits, &baseline_logits, self.output, class);
        let multipliers = combination.derivative(baseline, window, &multipliers);
        let multipliers = model.encoder().rescale(record, &multipliers)?;
        let window = &subject.layout().windows()[window];
        let (end, start) = (subject.embeddings(), &self.baseline);
        Ok(along_window(window, end, start, &multipliers.values, multipliers.width))
    }

    /// The scores of a class with how well they add up.
    fn attribution(&self, class: usize, scores: Vec<f64>, baseline: &[Vec<f32>]) -> Attribution {
        let problem = self.subject.model().config().problem;
        let baseline_output = self.output.value(problem, &self.combination.combined(baseline), class);
        let target_output = self.subject.output(self.output, class);
        let change = target_output - baseline_output;
        let delta = scores.iter().sum::<f64>() - change;
        let tolerance = (0.01 * change.abs()).max(0.01);
        let convergence = Convergence {
            delta,
            tolerance,
            converged: delta.abs() <= tolerance,
            steps: 1,
            gradients: 1,
            forwards: 0,
            baseline_output,
            target_output,
        };
        Attribution { convergence: Some(convergence), ..Attribution::new(class, self.output, scores) }
    }
}

/// Points between the logits of baseline and text at which an output's derivatives are averaged.
const POINTS: usize = 2048;

/// The multipliers of an output by each logit: its derivatives averaged on the way from the baseline's logits to
/// the text's, so that they too account for the whole difference.
fn of_output(problem: Problem, text: &[f32], baseline: &[f32], output: Output, class: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; text.len()];
    for point in 0..POINTS {
        let alpha = (point as f32 + 0.5) / POINTS as f32;
        let between: Vec<f32> =
            text.iter().zip(baseline).map(|(end, start)| start + (end - start) * alpha).collect();
        let derivative = output.derivative(problem, &between, class);
        sums.iter_mut().zip(derivative).for_each(|(sum, slope)| *sum += f64::from(slope));
    }
    sums.into_iter().map(|sum| (sum / POINTS as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn multipliers_of_an_output_account_for_its_whole_difference(
            text in prop::collection::vec(-4.0f32..4.0, 3),
            baseline in prop::collection::vec(-4.0f32..4.0, 3),
            class in 0usize..3,
        ) {
            for output in [Output::Logit, Output::Probability, Output::LogOdds, Output::Margin] {
                let problem = Problem::SingleLabel;
                let multipliers = of_output(problem, &text, &baseline, output, class);
                let pairs = text.iter().zip(&baseline).zip(&multipliers);
                let explained: f64 = pairs.map(|((a, b), m)| f64::from(m * (a - b))).sum();
                let change = output.value(problem, &text, class) - output.value(problem, &baseline, class);
                prop_assert!((explained - change).abs() < 0.01, "{output:?}: {explained} of {change}");
            }
        }
    }
}
