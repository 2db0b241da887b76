//! What logits say about labels.

use super::config::{ModelConfig, Problem};

/// A label holds in a multi-label model from this score on.
pub const MULTI_LABEL_THRESHOLD: f32 = 0.5;

/// A classifier's output for one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// One per label.
    pub logits: Vec<f32>,
    /// One per label, 0 to 1: softmax for single-label models, sigmoids for multi-label ones. Empty
    /// for regression.
    pub scores: Vec<f32>,
    /// What the model decided.
    pub decision: Decision,
}

/// What a model decided about a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Exactly this class.
    Label(usize),
    /// The classes whose score reaches [`MULTI_LABEL_THRESHOLD`]; possibly none.
    Labels(Vec<usize>),
    /// A number.
    Value(f32),
}

impl Prediction {
    /// Reads logits as the model's problem asks; ties go to the first label.
    pub fn new(config: &ModelConfig, logits: Vec<f32>) -> Self {
        let (scores, decision) = match config.problem {
            Problem::SingleLabel => (softmax(&logits), Decision::Label(highest(&logits))),
            Problem::MultiLabel => {
                let scores: Vec<f32> = logits.iter().map(|logit| sigmoid(*logit)).collect();
                let held = (0..scores.len()).filter(|index| scores[*index] >= MULTI_LABEL_THRESHOLD);
                let decision = Decision::Labels(held.collect());
                (scores, decision)
            }
            Problem::Regression => (Vec::new(), Decision::Value(logits[0])),
        };
        Prediction { logits, scores, decision }
    }

    /// The classes that "the predicted class" means: one, or for multi-label models every label that
    /// holds, or the likeliest where none does.
    pub fn predicted_classes(&self) -> Vec<usize> {
        match &self.decision {
            Decision::Label(index) => vec![*index],
            Decision::Labels(indices) if !indices.is_empty() => indices.clone(),
            Decision::Labels(_) => vec![highest(&self.logits)],
            Decision::Value(_) => vec![0],
        }
    }
}

/// exp(z) / Σ exp(z), in double precision inside.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    let exponentials: Vec<f64> = logits.iter().map(|logit| (*logit as f64 - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|exponential| (exponential / sum) as f32).collect()
}

/// z − ln Σ exp(z), in double precision: never above 0, and finite where the logits are.
pub fn log_softmax<T: Copy + Into<f64>>(logits: &[T]) -> Vec<f64> {
    let logits: Vec<f64> = logits.iter().map(|logit| (*logit).into()).collect();
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    logits.iter().map(|logit| logit - largest - sum.ln()).collect()
}

/// 1 / (1 + exp(−z)), in double precision inside.
pub fn sigmoid(logit: f32) -> f32 {
    (1.0 / (1.0 + (-logit as f64).exp())) as f32
}

fn highest(logits: &[f32]) -> usize {
    (0..logits.len()).fold(0, |best, index| if logits[index] > logits[best] { index } else { best })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn logarithms_of_a_softmax_are_those_of_its_shares(
            logits in prop::collection::vec(-20.0f32..20.0, 1..6),
        ) {
            for (log, share) in log_softmax(&logits).into_iter().zip(softmax(&logits)) {
                prop_assert!((log.exp() - f64::from(share)).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn logits_far_apart_have_finite_logarithms() {
        assert_eq!(log_softmax(&[3e4f32, -3e4]), [0.0, -6e4]);
        assert_eq!(log_softmax(&[-3e38f32, -3e38]), [-std::f64::consts::LN_2; 2]);
    }
}
