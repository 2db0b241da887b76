//! What is followed while something is changed: an output of one class.

use serde_json::{Value, json};

use crate::engine::answer::TargetView;
use crate::engine::plan::{Invalid, Target, class, likeliest};
use crate::explain::{Output, Subject};
use crate::model::{Decision, Model, Prediction};

/// An output of a class, before there is a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Followed {
    /// None means the predicted class.
    class: Option<usize>,
    output: Output,
}

/// The same of a text, with its value there.
pub(super) struct Before<'a> {
    subject: &'a Subject,
    class: usize,
    output: Output,
    value: f64,
}

impl Followed {
    /// Checks what is to be followed against a model.
    ///
    /// # Errors
    /// `/target`, `/output`.
    pub fn new(target: &Target, output: Output, model: &Model) -> Result<Self, Invalid> {
        let class = class(target, model)?;
        let remedy = "send another output, or leave the field out for the logit";
        output.check(model).map_err(|fault| Invalid::new("/output", fault.detail, remedy))?;
        Ok(Followed { class, output })
    }

    /// In one form, for the keys of results.
    pub fn canonical(&self) -> Value {
        json!([self.class, self.output.name()])
    }

    /// Its value for a text as it is.
    pub fn of<'a>(&self, subject: &'a Subject) -> Before<'a> {
        let class = self.class.unwrap_or_else(|| likeliest(subject.prediction()));
        Before { subject, class, output: self.output, value: subject.output(self.output, class) }
    }
}

impl Before<'_> {
    /// The class.
    pub fn target(&self) -> TargetView {
        let labels = &self.subject.model().config().labels;
        TargetView { label: labels[self.class].clone(), index: self.class }
    }

    /// What of it is followed.
    pub fn output(&self) -> Output {
        self.output
    }

    /// Its value for the text as it is.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Its value by another prediction.
    pub fn value_by(&self, prediction: &Prediction) -> f64 {
        self.output.value(self.subject.model().config().problem, &prediction.logits, self.class)
    }

    /// How far another prediction changes it.
    pub fn change_by(&self, prediction: &Prediction) -> f64 {
        self.value_by(prediction) - self.value
    }

    /// Whether another prediction says something else; the values of a regression are never told apart.
    pub fn is_flipped_by(&self, prediction: &Prediction) -> bool {
        let known = &self.subject.prediction().decision;
        !matches!(known, Decision::Value(_)) && prediction.decision != *known
    }
}

/// A number as it is told: in single precision, and zero without a sign.
pub(super) fn single(value: f64) -> f32 {
    value as f32 + 0.0
}
