//! From a checked request and a text to an answer: the synchronous work of one request.

use super::answer::{Answer, Explanation, SentenceView, Warning};
use super::plan::{ExplainPlan, PredictPlan, ResolvedTarget};
use super::{Failure, OwnedText};
use crate::cache::key::{ResponseId, ResultInputs, ResultKey};
use crate::explain::granularity::Granularity;
use crate::explain::{Cancellation, Family, Subject};
use crate::model::{Decision, Keep, Model, Text};

/// The kind of device that every model runs on.
pub(super) const DEVICE: &str = "cpu";

impl OwnedText {
    pub(super) fn as_text(&self) -> Text<'_> {
        Text { first: &self.text, second: self.text_pair.as_deref() }
    }
}

/// What is common to the keys of one request's results.
pub(super) fn key_inputs<'a>(model: &'a Model, text: &'a OwnedText, truncate: bool) -> ResultInputs<'a> {
    ResultInputs {
        model: model.id(),
        fingerprint: model.fingerprint(),
        device: DEVICE,
        method: "prediction",
        version: 1,
        options: "",
        target: "",
        granularity: "",
        truncate,
        quality: "none",
        seed: None,
        text: &text.text,
        text_pair: text.text_pair.as_deref(),
    }
}

/// Explains one text.
///
/// # Errors
/// See [`Failure`].
pub fn explain(plan: &ExplainPlan, sent: OwnedText, cancellation: &Cancellation) -> Result<Answer, Failure> {
    let model = plan.model.as_ref();
    let id = ResponseId::new("explain", &result_keys(plan, &sent));
    let text = model.encode(sent.as_text(), plan.truncate)?;
    let subject = Subject::new(model, &text, kept(plan), cancellation.clone())?;
    let labels = &model.config().labels;
    let classes = plan.target.classes(subject.prediction());

    let mut explanations = Vec::new();
    for method in &plan.methods {
        let attributions = method.attribute(&subject, &classes, plan.seed)?;
        let id = method.method().id();
        explanations
            .extend(attributions.iter().map(|a| Explanation::new(id, labels, plan.granularity, &text, a)));
    }

    let mut answer = Answer::new(id.to_string(), model, sent, &text, subject.prediction());
    answer.warnings.extend(explanations.iter().filter_map(Warning::not_converged));
    let nothing_predicted = subject.prediction().decision == Decision::Labels(Vec::new());
    if nothing_predicted && plan.target == ResolvedTarget::Predicted {
        answer.warnings.push(Warning::no_label());
    }
    if plan.granularity == Granularity::Sentence {
        answer.sentences = Some(text.sentences.iter().enumerate().map(SentenceView::from).collect());
    }
    answer.explanations = Some(explanations);
    Ok(answer)
}

/// Classifies one text.
///
/// # Errors
/// See [`Failure`].
pub fn predict(plan: &PredictPlan, sent: OwnedText, cancellation: &Cancellation) -> Result<Answer, Failure> {
    let model = plan.model.as_ref();
    let key = ResultKey::new(&key_inputs(model, &sent, plan.truncate));
    let text = model.encode(sent.as_text(), plan.truncate)?;
    let subject = Subject::new(model, &text, Keep::Outputs, cancellation.clone())?;
    let id = ResponseId::new("predict", &[key]);
    Ok(Answer::new(id.to_string(), model, sent, &text, subject.prediction()))
}

/// Only what the methods read is kept of the forward pass.
fn kept(plan: &ExplainPlan) -> Keep {
    let needs = |family: Family| match family {
        Family::Gradient => Keep::Gradients,
        Family::Attention => Keep::Trace,
        Family::Control => Keep::Outputs,
    };
    plan.methods.iter().map(|method| needs(method.method().family())).max().unwrap_or(Keep::Outputs)
}

fn result_keys(plan: &ExplainPlan, sent: &OwnedText) -> Vec<ResultKey> {
    let common = key_inputs(&plan.model, sent, plan.truncate);
    plan.methods
        .iter()
        .map(|configured| {
            let method = configured.method();
            ResultKey::new(&ResultInputs {
                method: method.id(),
                version: method.version(),
                options: &configured.canonical_options(),
                target: &plan.target_as_asked,
                granularity: plan.granularity.name(),
                seed: method.samples().then_some(plan.seed),
                ..common
            })
        })
        .collect()
}
