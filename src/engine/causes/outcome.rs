//! What is followed from a text to its counterfactual: which class, and which one it is held against.

use serde_json::{Value, json};

use crate::engine::plan::{ExpectedLabel, Invalid, Target, class, likeliest};
use crate::explain::causal::Outcome;
use crate::model::{Model, Prediction, Problem};

const FIELD: &str = "/against";

/// The class that the target is held against, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Against {
    /// What is predicted of the counterfactual, where that is another class; otherwise the likeliest other class of the
    /// text.
    #[default]
    Usual,
    /// None: the target's own logit is followed.
    Nothing,
    /// A class that is named.
    Class(ExpectedLabel),
}

/// An outcome that was checked against the model, before there are predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeChoice {
    /// None means the predicted class of the text.
    target: Option<usize>,
    rival: Rival,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rival {
    Usual,
    Nothing,
    Class(usize),
}

impl OutcomeChoice {
    /// Checks it against a model.
    ///
    /// # Errors
    /// A class that there is not, or that is held against itself; one to be held against where classes do not compete.
    pub fn new(model: &Model, target: &Target, against: &Against) -> Result<Self, Invalid> {
        let target = class(target, model)?;
        let competes = model.config().problem == Problem::SingleLabel;
        let rival = match against {
            Against::Usual if competes => Rival::Usual,
            Against::Usual | Against::Nothing => Rival::Nothing,
            Against::Class(label) => Rival::Class(label.class(model, FIELD)?),
        };
        match rival {
            Rival::Class(_) if !competes => {
                let problem = model.config().problem.name();
                let detail = format!("classes of model `{}` do not compete ({problem})", model.id());
                Err(Invalid::new(FIELD, detail, "leave the field out: the target's own logit is followed"))
            }
            Rival::Class(rival) if target == Some(rival) => Err(against_itself(model, rival)),
            rival => Ok(OutcomeChoice { target, rival }),
        }
    }

    /// As it stands in keys: equal choices, equal values.
    pub fn canonical(self) -> Value {
        let against = match self.rival {
            Rival::Usual => json!("usual"),
            Rival::Nothing => Value::Null,
            Rival::Class(class) => json!(class),
        };
        json!({"target": self.target, "against": against})
    }

    /// The outcome for a text and its counterfactual.
    ///
    /// # Errors
    /// The class that is predicted of the text is the one that it is to be held against.
    pub fn of(
        self,
        model: &Model,
        text: &Prediction,
        counterfactual: &Prediction,
    ) -> Result<Outcome, Invalid> {
        let target = self.target.unwrap_or_else(|| likeliest(text));
        let against = match self.rival {
            Rival::Nothing => None,
            Rival::Class(class) if class == target => return Err(against_itself(model, class)),
            Rival::Class(class) => Some(class),
            Rival::Usual => match likeliest(counterfactual) {
                class if class != target => Some(class),
                _ => runner_up(&text.logits, target),
            },
        };
        Ok(Outcome { target, against })
    }
}

/// The likeliest class but one; none where there is no other.
fn runner_up(logits: &[f32], target: usize) -> Option<usize> {
    let others = (0..logits.len()).filter(|class| *class != target);
    others.reduce(|best, other| if logits[other] > logits[best] { other } else { best })
}

fn against_itself(model: &Model, class: usize) -> Invalid {
    let label = &model.config().labels[class];
    let remedy = "name another class, or leave the field out";
    Invalid::new(FIELD, format!("`{label}` is the target itself"), remedy)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn model(name: &str) -> Model {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name);
        Model::load(name, &path).unwrap()
    }

    fn index(class: usize) -> Against {
        Against::Class(ExpectedLabel::Index(class))
    }

    #[test]
    fn a_class_is_held_against_what_the_counterfactual_is_or_else_against_the_runner_up() {
        let model = model("three-labels");
        let said = |logits: [f32; 3]| Prediction::new(model.config(), logits.to_vec());
        let (text, same, other) = (said([2.0, 0.5, 1.0]), said([1.0, 0.9, 0.0]), said([0.0, 3.0, 1.0]));
        let outcome = |target: Target, against: Against, counterfactual: &Prediction| {
            let choice = OutcomeChoice::new(&model, &target, &against).unwrap();
            let Outcome { target, against } = choice.of(&model, &text, counterfactual).unwrap();
            (target, against)
        };
        assert_eq!(outcome(Target::Predicted, Against::Usual, &other), (0, Some(1)));
        assert_eq!(outcome(Target::Predicted, Against::Usual, &same), (0, Some(2)));
        assert_eq!(outcome(Target::Index(1), Against::Usual, &other), (1, Some(0)));
        assert_eq!(outcome(Target::Index(1), Against::Usual, &same), (1, Some(0)));
        assert_eq!(outcome(Target::Index(1), Against::Nothing, &other), (1, None));
        assert_eq!(outcome(Target::Predicted, index(2), &other), (0, Some(2)));
    }

    #[test]
    fn no_class_is_held_against_itself() {
        let model = model("three-labels");
        let refused = OutcomeChoice::new(&model, &Target::Index(1), &index(1)).unwrap_err();
        assert_eq!(refused.pointer, "/against");
        let text = Prediction::new(model.config(), vec![2.0, 0.5, 1.0]);
        let choice = OutcomeChoice::new(&model, &Target::Predicted, &index(0)).unwrap();
        assert_eq!(choice.of(&model, &text, &text).unwrap_err().pointer, "/against");
    }

    #[test]
    fn where_classes_do_not_compete_the_logit_alone_is_followed() {
        for name in ["multi-label", "regression"] {
            let model = model(name);
            let usual = OutcomeChoice::new(&model, &Target::Predicted, &Against::Usual).unwrap();
            let nothing = OutcomeChoice::new(&model, &Target::Predicted, &Against::Nothing).unwrap();
            assert_eq!(usual.canonical(), nothing.canonical());
            let refused = OutcomeChoice::new(&model, &Target::Predicted, &index(0)).unwrap_err();
            assert!(refused.detail.contains("do not compete"), "{}", refused.detail);
        }
    }
}
