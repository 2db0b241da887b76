//! The scalar of the logits that an attribution explains, and its derivative.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::method::OptionFault;
use crate::model::prediction::{sigmoid, softmax};
use crate::model::{Model, Problem};

/// What is explained about a class: its `logit` (for regression: the value), its `probability` (softmax
/// or, in multi-label models, sigmoid), the `log_odds` ln(p / (1 − p)) of that probability, or the `margin`
/// (its logit less the largest other logit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "logit")]
pub enum Output {
    /// The class's logit (for regression: the value).
    #[default]
    Logit,
    /// Its softmax or, in multi-label models, its sigmoid.
    Probability,
    /// ln(p / (1 − p)) of that probability.
    LogOdds,
    /// Its logit less the largest other logit.
    Margin,
}

impl Output {
    /// Refuses what a model's logits cannot express.
    ///
    /// # Errors
    /// Probabilities of a regression; margins where classes do not compete.
    pub fn check(self, model: &Model) -> Result<(), OptionFault> {
        let config = model.config();
        let fits = match (config.problem, self) {
            (_, Output::Logit) => true,
            (Problem::Regression, _) => false,
            (Problem::MultiLabel, output) => output != Output::Margin,
            (Problem::SingleLabel, _) => config.labels.len() > 1,
        };
        match fits {
            true => Ok(()),
            false => {
                let detail = format!(
                    "`{}` has no meaning for model `{}` ({}); use `logit`",
                    self.name(),
                    model.id(),
                    config.problem.name()
                );
                Err(OptionFault::new("output", detail))
            }
        }
    }

    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Output::Logit => "logit",
            Output::Probability => "probability",
            Output::LogOdds => "log_odds",
            Output::Margin => "margin",
        }
    }

    /// Its value at these logits.
    pub fn value(self, problem: Problem, logits: &[f32], class: usize) -> f64 {
        let logit = logits[class] as f64;
        match self {
            Output::Logit => logit,
            Output::Probability => probability(problem, logits, class),
            Output::LogOdds => match problem {
                Problem::SingleLabel => logit - log_sum_exp(&others(logits, class)),
                Problem::MultiLabel | Problem::Regression => logit,
            },
            Output::Margin => logit - logits[best_other(logits, class)] as f64,
        }
    }

    /// Its derivative with respect to each logit.
    pub fn derivative(self, problem: Problem, logits: &[f32], class: usize) -> Vec<f32> {
        let mut derivative = vec![0.0; logits.len()];
        match self {
            Output::Logit => derivative[class] = 1.0,
            Output::Probability => {
                let p = probability(problem, logits, class) as f32;
                if problem == Problem::SingleLabel {
                    for (slope, q) in derivative.iter_mut().zip(softmax(logits)) {
                        *slope = -p * q;
                    }
                    derivative[class] = p * (1.0 - p);
                } else {
                    derivative[class] = p * (1.0 - p);
                }
            }
            Output::LogOdds => {
                derivative[class] = 1.0;
                if problem == Problem::SingleLabel {
                    let rest = softmax(&others(logits, class).iter().map(|z| *z as f32).collect::<Vec<_>>());
                    let other_classes = (0..logits.len()).filter(|other| *other != class);
                    for (other, share) in other_classes.zip(rest) {
                        derivative[other] = -share;
                    }
                }
            }
            Output::Margin => {
                derivative[class] = 1.0;
                derivative[best_other(logits, class)] = -1.0;
            }
        }
        derivative
    }
}

fn probability(problem: Problem, logits: &[f32], class: usize) -> f64 {
    match problem {
        Problem::SingleLabel => softmax(logits)[class] as f64,
        Problem::MultiLabel | Problem::Regression => sigmoid(logits[class]) as f64,
    }
}

fn others(logits: &[f32], class: usize) -> Vec<f64> {
    logits.iter().enumerate().filter(|(other, _)| *other != class).map(|(_, logit)| *logit as f64).collect()
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + values.iter().map(|value| (value - largest).exp()).sum::<f64>().ln()
}

fn best_other(logits: &[f32], class: usize) -> usize {
    let candidates = (0..logits.len()).filter(|other| *other != class);
    candidates.reduce(|best, other| if logits[other] > logits[best] { other } else { best }).unwrap_or(class)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn derivatives_are_the_slopes_of_the_values(
            logits in prop::collection::vec(-3.0f32..3.0, 2..5),
            class in 0usize..2,
            multi_label: bool,
        ) {
            let problem = if multi_label { Problem::MultiLabel } else { Problem::SingleLabel };
            for output in [Output::Logit, Output::Probability, Output::LogOdds, Output::Margin] {
                let derivative = output.derivative(problem, &logits, class);
                for index in 0..logits.len() {
                    let step = 1.0 / 256.0;
                    let moved = |by: f32| {
                        let mut moved = logits.clone();
                        moved[index] += by;
                        output.value(problem, &moved, class)
                    };
                    let slope = (moved(step) - moved(-step)) / (2.0 * step as f64);
                    let kink = output == Output::Margin;
                    prop_assert!(
                        kink || (slope - derivative[index] as f64).abs() < 2e-3,
                        "{output:?} of {logits:?} by logit {index}: {slope} against {}", derivative[index]
                    );
                }
            }
        }
    }

    #[test]
    fn a_margin_is_taken_against_the_strongest_other_class() {
        let logits = [1.0, 4.0, 2.5];
        assert_eq!(Output::Margin.value(Problem::SingleLabel, &logits, 1), 1.5);
        assert_eq!(Output::Margin.derivative(Problem::SingleLabel, &logits, 1), [0.0, 1.0, -1.0]);
        assert_eq!(Output::Margin.derivative(Problem::SingleLabel, &logits, 0), [1.0, -1.0, 0.0]);
    }
}
