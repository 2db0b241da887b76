//! What the model is to say instead, as a number that is positive exactly where it does.

use crate::model::prediction::{MULTI_LABEL_THRESHOLD, sigmoid};
use crate::model::{Decision, Prediction};

/// Stands for zero where a tie is decided one way: the margin's sign tells the decision, and nothing else.
const TIE: f64 = f64::MIN_POSITIVE;

/// The decision that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal(Wanted);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// Single-label: anything but this class.
    OtherThan(usize),
    /// Single-label: this class.
    Class(usize),
    /// Multi-label: any other set than these classes.
    OtherSet(Vec<usize>),
    /// Multi-label: a set with this class.
    Held(usize),
}

impl Goal {
    /// Any other decision than that of a prediction; none where there is none other: a regression decides nothing, and of
    /// one class there is no choice.
    pub fn other(prediction: &Prediction) -> Option<Self> {
        match &prediction.decision {
            Decision::Label(_) if prediction.logits.len() < 2 => None,
            Decision::Label(class) => Some(Goal(Wanted::OtherThan(*class))),
            Decision::Labels(classes) => Some(Goal(Wanted::OtherSet(classes.clone()))),
            Decision::Value(_) => None,
        }
    }

    /// This class, in a model that gave such a prediction: as the only one, or among those that hold. None for a regression,
    /// and where there is no such class or none beside it.
    pub fn label(prediction: &Prediction, class: usize) -> Option<Self> {
        let classes = prediction.logits.len();
        match &prediction.decision {
            _ if class >= classes => None,
            Decision::Label(_) if classes < 2 => None,
            Decision::Label(_) => Some(Goal(Wanted::Class(class))),
            Decision::Labels(_) => Some(Goal(Wanted::Held(class))),
            Decision::Value(_) => None,
        }
    }

    /// How far logits are beyond the boundary of the goal, in logits: positive exactly where [`Prediction`] decides as is
    /// wanted. Single-label: the difference of two logits, the largest that leads there; multi-label: the logit of a class,
    /// or its opposite where the class is to be lost.
    pub fn margin(&self, logits: &[f32]) -> f64 {
        match &self.0 {
            Wanted::OtherThan(class) => lead(logits, rival(logits, *class), *class),
            Wanted::Class(class) => lead(logits, *class, rival(logits, *class)),
            Wanted::OtherSet(held) => {
                let class = loosest(logits, held);
                change(logits[class], held.contains(&class))
            }
            Wanted::Held(class) => excess(logits[*class]),
        }
    }

    /// The derivative of the margin by each logit.
    pub fn derivative(&self, logits: &[f32]) -> Vec<f32> {
        let mut derivative = vec![0.0; logits.len()];
        match &self.0 {
            Wanted::OtherThan(class) => {
                derivative[rival(logits, *class)] += 1.0;
                derivative[*class] -= 1.0;
            }
            Wanted::Class(class) => {
                derivative[*class] += 1.0;
                derivative[rival(logits, *class)] -= 1.0;
            }
            Wanted::OtherSet(held) => {
                let class = loosest(logits, held);
                derivative[class] = if held.contains(&class) { -1.0 } else { 1.0 };
            }
            Wanted::Held(class) => derivative[*class] = 1.0,
        }
        derivative
    }
}

/// The strongest other class; the first of several.
fn rival(logits: &[f32], class: usize) -> usize {
    let others = (0..logits.len()).filter(|other| *other != class);
    others.reduce(|best, other| if logits[other] > logits[best] { other } else { best }).unwrap_or(class)
}

/// By how much one class is ahead of another. Ties go to the first label.
fn lead(logits: &[f32], class: usize, other: usize) -> f64 {
    match f64::from(logits[class]) - f64::from(logits[other]) {
        0.0 if class < other => TIE,
        difference => difference,
    }
}

/// The class that is nearest to being lost or won; the first of several.
fn loosest(logits: &[f32], held: &[usize]) -> usize {
    let changes: Vec<f64> =
        logits.iter().enumerate().map(|(class, logit)| change(*logit, held.contains(&class))).collect();
    (0..changes.len()).fold(0, |best, class| if changes[class] > changes[best] { class } else { best })
}

fn change(logit: f32, is_held: bool) -> f64 {
    if is_held { -excess(logit) } else { excess(logit) }
}

/// The logit itself, but positive exactly where its class holds: scores are rounded before they are compared.
fn excess(logit: f32) -> f64 {
    match sigmoid(logit) >= MULTI_LABEL_THRESHOLD {
        true => f64::from(logit).max(TIE),
        false => f64::from(logit).min(-TIE),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::prediction::softmax;

    /// As [`Prediction::new`] decides.
    fn predicted(logits: &[f32], is_multi_label: bool) -> Prediction {
        let highest = |best: usize, class: usize| if logits[class] > logits[best] { class } else { best };
        let (scores, decision) = match is_multi_label {
            false => (softmax(logits), Decision::Label((0..logits.len()).fold(0, highest))),
            true => {
                let scores: Vec<f32> = logits.iter().map(|logit| sigmoid(*logit)).collect();
                let held = (0..scores.len()).filter(|class| scores[*class] >= MULTI_LABEL_THRESHOLD);
                let decision = Decision::Labels(held.collect());
                (scores, decision)
            }
        };
        Prediction { logits: logits.to_vec(), scores, decision }
    }

    fn goals(original: &Prediction) -> Vec<Goal> {
        let labels = (0..original.logits.len()).map(|class| Goal::label(original, class));
        std::iter::once(Goal::other(original)).chain(labels).flatten().collect()
    }

    fn is_reached(goal: &Goal, decision: &Decision) -> bool {
        match (&goal.0, decision) {
            (Wanted::OtherThan(class), Decision::Label(decided)) => class != decided,
            (Wanted::Class(class), Decision::Label(decided)) => class == decided,
            (Wanted::OtherSet(held), Decision::Labels(decided)) => held != decided,
            (Wanted::Held(class), Decision::Labels(decided)) => decided.contains(class),
            _ => unreachable!("a goal of another problem"),
        }
    }

    /// Logits with ties, zeros, and numbers so near to zero that their sigmoids are rounded to one half.
    fn logits() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(
            prop_oneof![-3.0f32..3.0, Just(0.0), Just(-0.0), Just(1.0), Just(-1e-9), Just(1e-9)],
            3,
        )
    }

    proptest! {
        #[test]
        fn a_margin_is_positive_exactly_where_the_decision_is_as_wanted(
            original in logits(),
            now in logits(),
            is_multi_label: bool,
        ) {
            let decision = predicted(&now, is_multi_label).decision;
            for goal in goals(&predicted(&original, is_multi_label)) {
                prop_assert_eq!(goal.margin(&now) > 0.0, is_reached(&goal, &decision), "{:?} of {:?}", goal, now);
            }
        }

        #[test]
        fn derivatives_are_the_slopes_of_the_margins(
            original in logits(),
            now in prop::collection::vec(-3.0f32..3.0, 3),
            is_multi_label: bool,
        ) {
            const STEP: f32 = 1.0 / 4096.0;
            for goal in goals(&predicted(&original, is_multi_label)) {
                let derivative = goal.derivative(&now);
                for class in 0..now.len() {
                    let moved = |by: f32| {
                        let mut moved = now.clone();
                        moved[class] += by;
                        (goal.margin(&moved), goal.derivative(&moved) == derivative)
                    };
                    let ((more, is_smooth_above), (less, is_smooth_below)) = (moved(STEP), moved(-STEP));
                    let slope = (more - less) / (2.0 * f64::from(STEP));
                    prop_assert!(
                        !(is_smooth_above && is_smooth_below) || (slope - f64::from(derivative[class])).abs() < 2e-3,
                        "{goal:?} of {now:?} by logit {class}: {slope} against {}", derivative[class]
                    );
                }
            }
        }
    }

    #[test]
    fn a_regression_and_a_single_class_have_no_other_decision() {
        let value = Prediction { logits: vec![0.3], scores: vec![], decision: Decision::Value(0.3) };
        assert_eq!((Goal::other(&value), Goal::label(&value, 0)), (None, None));
        let alone = predicted(&[0.3], false);
        assert_eq!((Goal::other(&alone), Goal::label(&alone, 0)), (None, None));
        assert_eq!(Goal::label(&predicted(&[0.3, 0.1], false), 2), None);
    }
}
