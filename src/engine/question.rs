//! A question: a checked request, waiting for texts. It knows the keys of its results before any text is
//! looked at, and how to compute those that nobody has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::AttentionView;
use super::parts::{self, Made};
use super::plan::{AttentionPlan, ExplainPlan, PredictPlan, ResolvedTarget};
use super::{Failure, attention};
use crate::explain::granularity::Granularity;
use crate::explain::{Cancellation, Family, Subject};
use crate::identity::{Recipe, ResultInputs, ResultKey, Shape};
use crate::model::{Decision, EncodedText, Keep, Model, Text};

/// The kind of device that every model runs on.
const DEVICE: &str = "cpu";

/// A text to explain, owned so that it can travel to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedText {
    /// The text, or the first of a pair.
    pub text: String,
    /// The second text of a pair.
    pub text_pair: Option<String>,
}

/// What is asked of a text.
pub enum Question {
    /// Why does the model say that?
    Explain(ExplainPlan),
    /// What does the model say?
    Predict(PredictPlan),
    /// What does the model look at?
    Attention(AttentionPlan),
}

/// A part of an answer, with a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Reading,
    Sentences,
    Attention,
    /// The explanations of a method, by its place in the plan.
    Method(usize),
}

/// A result that was computed just now.
pub struct Computed {
    /// What was asked.
    pub key: ResultKey,
    /// The result, or why there is none.
    pub outcome: Result<Made, Failure>,
    /// A method's id, or another part of an answer.
    pub part: &'static str,
    /// How long it took.
    pub took: Duration,
}

impl OwnedText {
    fn as_text(&self) -> Text<'_> {
        Text { first: &self.text, second: self.text_pair.as_deref() }
    }
}

impl Question {
    /// How the answer about a text is made of results. Does not look into the text.
    pub fn recipe(&self, text: &OwnedText) -> Recipe {
        let shape = match self {
            Question::Predict(_) => Shape::Predict,
            Question::Attention(_) => Shape::Attention,
            Question::Explain(plan) if plan.granularity == Granularity::Sentence => Shape::ExplainSentences,
            Question::Explain(_) => Shape::Explain,
        };
        Recipe { shape, keys: self.parts().into_iter().map(|part| self.key(part, text)).collect() }
    }

    /// Computes those results of a text that are `wanted`, and gives each away as soon as it is there.
    /// Once it is called off, the rest is [`Failure::Cancelled`].
    pub fn compute(
        &self,
        sent: &OwnedText,
        wanted: &[ResultKey],
        cancellation: &Cancellation,
        give: &mut dyn FnMut(Computed),
    ) {
        let parts: Vec<(Part, ResultKey)> = self
            .parts()
            .into_iter()
            .map(|part| (part, self.key(part, sent)))
            .filter(|(_, key)| wanted.contains(key))
            .collect();
        let started = Instant::now();
        let forward = match self.forward_input(sent) {
            Ok(text) => text,
            Err(failure) => return fail(&parts, &failure, started, give),
        };
        let keep = parts.iter().fold(Keep::Outputs, |keep, (part, _)| keep.and(self.kept(*part)));
        let subject = match Subject::new(self.model(), &forward, keep, cancellation.clone()) {
            Ok(subject) => subject,
            Err(error) => return fail(&parts, &error.into(), started, give),
        };
        let mut started = started;
        for (part, key) in parts {
            let outcome = self.part(part, sent, &subject);
            let took = started.elapsed();
            started = Instant::now();
            give(Computed { key, outcome, part: self.name(part), took });
        }
    }

    /// The model that is asked.
    pub fn model(&self) -> &Arc<Model> {
        match self {
            Question::Explain(plan) => &plan.model,
            Question::Predict(plan) => &plan.model,
            Question::Attention(plan) => &plan.model,
        }
    }

    fn truncate(&self) -> bool {
        match self {
            Question::Explain(plan) => plan.truncate,
            Question::Predict(plan) => plan.truncate,
            Question::Attention(plan) => plan.truncate,
        }
    }

    /// The parts of an answer, in the order of the answer.
    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Reading];
        match self {
            Question::Predict(_) => {}
            Question::Attention(_) => parts.push(Part::Attention),
            Question::Explain(plan) => {
                if plan.granularity == Granularity::Sentence {
                    parts.push(Part::Sentences);
                }
                parts.extend((0..plan.methods.len()).map(Part::Method));
            }
        }
        parts
    }

    fn key(&self, part: Part, text: &OwnedText) -> ResultKey {
        let common = ResultInputs {
            model: self.model().id(),
            fingerprint: self.model().fingerprint(),
            device: DEVICE,
            method: self.name(part),
            version: 1,
            options: "",
            target: "",
            granularity: "",
            truncate: self.truncate(),
            quality: "none",
            seed: None,
            text: &text.text,
            text_pair: text.text_pair.as_deref(),
        };
        match (self, part) {
            (Question::Explain(plan), Part::Method(index)) => {
                let configured = &plan.methods[index];
                let method = configured.method();
                ResultKey::new(&ResultInputs {
                    version: method.version(),
                    options: &configured.canonical_options(),
                    target: &plan.target_as_asked,
                    granularity: plan.granularity.name(),
                    seed: method.samples().then_some(plan.seed),
                    ..common
                })
            }
            (Question::Attention(plan), Part::Attention) => {
                let options = serde_json::json!({"layers": plan.layers, "heads": plan.heads}).to_string();
                ResultKey::new(&ResultInputs { options: &options, ..common })
            }
            _ => ResultKey::new(&common),
        }
    }

    fn name(&self, part: Part) -> &'static str {
        match (self, part) {
            (Question::Explain(plan), Part::Method(index)) => plan.methods[index].method().id(),
            (_, Part::Sentences) => "sentences",
            (_, Part::Attention) => "attention",
            (_, Part::Reading | Part::Method(_)) => "prediction",
        }
    }

    /// What of the forward pass a part reads.
    fn kept(&self, part: Part) -> Keep {
        match (self, part) {
            (Question::Explain(plan), Part::Method(index)) => match plan.methods[index].method().family() {
                Family::Gradient => Keep::OutputGradients,
                Family::Attention => Keep::Trace,
                Family::Control => Keep::Outputs,
            },
            (_, Part::Attention) => Keep::Trace,
            (_, Part::Reading | Part::Sentences | Part::Method(_)) => Keep::Outputs,
        }
    }

    /// The text as the network gets it, unless the answer would be too large.
    fn forward_input(&self, sent: &OwnedText) -> Result<EncodedText, Failure> {
        let text = self.model().encode(sent.as_text(), self.truncate())?;
        if let Question::Attention(plan) = self {
            attention::check_size(plan, text.tokens.len())?;
        }
        Ok(text)
    }

    fn part(&self, part: Part, sent: &OwnedText, subject: &Subject<'_>) -> Result<Made, Failure> {
        match (self, part) {
            (Question::Explain(plan), Part::Method(index)) => explained(plan, index, subject),
            (Question::Attention(plan), Part::Attention) => {
                let view: AttentionView = attention::view(plan, subject)?;
                parts::attention(&view)
            }
            (_, Part::Sentences) => parts::sentences(subject.text()),
            _ => parts::reading(subject.model(), sent, subject.text(), subject.prediction()),
        }
    }
}

fn explained(plan: &ExplainPlan, index: usize, subject: &Subject<'_>) -> Result<Made, Failure> {
    let configured = &plan.methods[index];
    let classes = plan.target.classes(subject.prediction());
    let attributions = configured.attribute(subject, &classes, plan.seed)?;
    let nothing_predicted = subject.prediction().decision == Decision::Labels(Vec::new());
    let fallback = nothing_predicted && plan.target == ResolvedTarget::Predicted;
    let id = configured.method().id();
    parts::explanations(id, subject.model(), plan.granularity, subject.text(), &attributions, fallback)
}

fn fail(parts: &[(Part, ResultKey)], failure: &Failure, started: Instant, give: &mut dyn FnMut(Computed)) {
    for (_, key) in parts {
        let outcome = Err(failure.clone());
        give(Computed { key: *key, outcome, part: "none", took: started.elapsed() });
    }
}
