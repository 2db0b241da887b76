//! A question: a checked request, waiting for texts. It knows the keys of its results before any text is
//! looked at, and how to compute those that nobody has.

use std::sync::Arc;
use std::time::Duration;

use super::demand::{Demand, probable_tokens};
use super::parts::{self, Made};
use super::plan::{AttentionPlan, ExplainPlan, PredictPlan, ResolvedTarget};
use super::scheduler::Job;
use super::{Failure, attention};
use crate::explain::granularity::Granularity;
use crate::explain::{ExplainError, Passes, Subject};
use crate::identity::{Recipe, ResultInputs, ResultKey, Shape};
use crate::model::{Decision, EncodedText, Keep, Model, Text};

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
    /// How long workers took, all of them together.
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

    /// Computes those results of a text that are `wanted`, and gives each away as soon as it is there. What
    /// the text demands is told as soon as it is tokenised. Once it is called off, the rest is
    /// [`Failure::Cancelled`].
    pub fn compute(
        self: &Arc<Self>,
        sent: &OwnedText,
        wanted: &[ResultKey],
        job: &Arc<Job>,
        tell: impl FnOnce(Demand),
        give: &mut dyn FnMut(Computed),
    ) {
        let parts = self.wanted_parts(sent, wanted);
        let text = match self.encode(sent) {
            Ok(text) => text,
            Err(failure) => return fail(&parts, &failure, give),
        };
        let only: Vec<Part> = parts.iter().map(|(part, _)| *part).collect();
        tell(self.demand(text.tokens.len(), &only));
        let subject = match Subject::new(self.model().clone(), text, self.kept_for(&only), job.clone()) {
            Ok(subject) => subject,
            Err(error) => return fail(&parts, &error.into(), give),
        };
        let mut had = Duration::ZERO;
        for (part, key) in parts {
            let outcome = self.part(part, sent, &subject);
            let took = job.had().saturating_sub(had);
            had += took;
            give(Computed { key, outcome, part: self.name(part), took });
        }
    }

    /// What an answer about a text will probably take, without tokenising it or looking for what is known.
    pub fn probable_demand(&self, sent: &OwnedText) -> Demand {
        let texts = std::iter::once(sent.text.as_str()).chain(sent.text_pair.as_deref());
        let tokens = probable_tokens(texts, self.model().config().positions);
        self.demand(tokens, &self.parts())
    }

    /// What those parts of an answer about a text of so many tokens take that are `missing`.
    pub fn exact_demand(&self, tokens: usize, missing: impl Fn(usize) -> bool) -> Demand {
        let parts = self.parts().into_iter().enumerate().filter(|(place, _)| missing(*place));
        self.demand(tokens, &parts.map(|(_, part)| part).collect::<Vec<_>>())
    }

    /// The names of an answer's parts, in the order of the recipe's keys: methods by their ids.
    pub fn part_names(&self) -> Vec<&'static str> {
        self.parts().into_iter().map(|part| self.name(part)).collect()
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
            device: self.model().operators().class(),
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

    fn wanted_parts(&self, sent: &OwnedText, wanted: &[ResultKey]) -> Vec<(Part, ResultKey)> {
        let keyed = self.parts().into_iter().map(|part| (part, self.key(part, sent)));
        keyed.filter(|(_, key)| wanted.contains(key)).collect()
    }

    /// What of the text's own forward pass some parts read.
    fn kept_for(&self, parts: &[Part]) -> Keep {
        let kept = |part: Part| match (self, part) {
            (Question::Explain(plan), Part::Method(index)) => plan.methods[index].keep(),
            (_, Part::Attention) => Keep::Trace,
            (_, Part::Reading | Part::Sentences | Part::Method(_)) => Keep::Outputs,
        };
        parts.iter().fold(Keep::Outputs, |keep, part| keep.and(kept(*part)))
    }

    fn demand(&self, tokens: usize, parts: &[Part]) -> Demand {
        if parts.is_empty() {
            return Demand::nothing(tokens);
        }
        let model = self.model();
        let mut demand = Demand::new(model, tokens, self.kept_for(parts));
        for part in parts {
            match (self, part) {
                (Question::Explain(plan), Part::Method(index)) => {
                    let (expected, most) = plan.target.counts(model.config());
                    let cost = |classes: usize| plan.methods[*index].cost(tokens, classes);
                    demand.add(model, &cost(expected), &cost(most));
                }
                (Question::Attention(plan), Part::Attention) => demand.held += attention::bytes(plan, tokens),
                _ => {}
            }
        }
        demand
    }

    /// The text as the network gets it, unless the answer would be too large.
    ///
    /// # Errors
    /// [`Failure::Text`], [`Failure::TooLarge`].
    pub fn encode(&self, sent: &OwnedText) -> Result<EncodedText, Failure> {
        let text = self.model().encode(sent.as_text(), self.truncate())?;
        if let Question::Attention(plan) = self {
            attention::check_size(plan, text.tokens.len())?;
        }
        Ok(text)
    }

    fn part(self: &Arc<Self>, part: Part, sent: &OwnedText, subject: &Subject) -> Result<Made, Failure> {
        match (self.as_ref(), part) {
            (Question::Explain(plan), Part::Method(index)) => explained(plan, index, subject),
            (Question::Attention(_), Part::Attention) => self.attention(subject),
            (_, Part::Sentences) => parts::sentences(subject.text()),
            _ => parts::reading(subject.model(), sent, subject.text(), subject.prediction()),
        }
    }

    /// No pass of the network, but millions of numbers to count and to write.
    fn attention(self: &Arc<Self>, subject: &Subject) -> Result<Made, Failure> {
        let (question, traced) = (self.clone(), subject.clone());
        let view = move |()| match question.as_ref() {
            Question::Attention(plan) => Ok(parts::attention(&attention::view(plan, &traced)?)),
            Question::Explain(_) | Question::Predict(_) => Err(ExplainError::Cancelled),
        };
        let mut made = subject.map(vec![()], |()| Passes::NONE, view)?;
        made.pop().unwrap_or(Err(Failure::Cancelled))
    }
}

fn explained(plan: &ExplainPlan, index: usize, subject: &Subject) -> Result<Made, Failure> {
    let configured = &plan.methods[index];
    let classes = plan.target.classes(subject.prediction());
    let attributions = configured.attribute(subject, &classes, plan.seed)?;
    let nothing_predicted = subject.prediction().decision == Decision::Labels(Vec::new());
    let fallback = nothing_predicted && plan.target == ResolvedTarget::Predicted;
    let id = configured.method().id();
    parts::explanations(id, subject.model(), plan.granularity, subject.text(), &attributions, fallback)
}

fn fail(parts: &[(Part, ResultKey)], failure: &Failure, give: &mut dyn FnMut(Computed)) {
    for (_, key) in parts {
        let outcome = Err(failure.clone());
        give(Computed { key: *key, outcome, part: "none", took: Duration::ZERO });
    }
}
