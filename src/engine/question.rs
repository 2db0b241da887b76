//! A question: a checked request, waiting for texts. It knows the keys of its results before any text is
//! looked at, and how to compute those that nobody has.

use std::sync::Arc;
use std::time::Duration;

use super::altered::Altered;
use super::answer::InterventionView;
use super::attention::plan::AttentionPlan;
use super::demand::{Demand, Extent, probable_tokens};
use super::draft::Draft;
use super::explained::Explained;
use super::inquiry::Inquiry;
use super::parts::{self, Made};
use super::plan::{ExplainPlan, PredictPlan};
use super::scheduler::Job;
use super::{Failure, attention};
use crate::explain::faithfulness::Depth;
use crate::explain::granularity::Granularity;
use crate::explain::layout::Layout;
use crate::explain::{Cost, Crew, ExplainError, Passes, Subject, Windows};
use crate::identity::{Recipe, ResultInputs, ResultKey, Shape};
use crate::model::{EncodedText, Keep, Model, Text};

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
    /// Something else that is told beside the prediction.
    Inquiry(Box<dyn Inquiry>),
}

/// A part of an answer, with a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Reading,
    Sentences,
    Attention,
    /// What an inquiry finds.
    Finding,
    /// The explanations of a method, by its place in the plan.
    Method(usize),
    /// How far the methods agree.
    Agreement,
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
    pub(super) fn as_text(&self) -> Text<'_> {
        Text { first: &self.text, second: self.text_pair.as_deref() }
    }
}

impl Question {
    /// Which parts the answers have.
    pub fn shape(&self) -> Shape {
        match self {
            Question::Predict(_) => Shape::Predict,
            Question::Attention(_) => Shape::Attention,
            Question::Inquiry(inquiry) => inquiry.shape(),
            Question::Explain(plan) => match (plan.granularity == Granularity::Sentence, compares(plan)) {
                (false, false) => Shape::Explain,
                (true, false) => Shape::ExplainSentences,
                (false, true) => Shape::ExplainAgreement,
                (true, true) => Shape::ExplainSentencesAgreement,
            },
        }
    }

    /// How the answer about a text is made of results. Does not look into the text.
    pub fn recipe(&self, text: &OwnedText) -> Recipe {
        let keys = self.parts().into_iter().map(|part| self.key(part, text)).collect();
        Recipe { shape: self.shape(), keys }
    }

    /// Computes those results of a text that are `wanted`, and gives each away as soon as it is there; a long search
    /// writes down what it has found so far. What the text demands is told as soon as it is tokenised. Once it is
    /// called off, the rest is [`Failure::Cancelled`].
    pub fn compute(
        self: &Arc<Self>,
        sent: &OwnedText,
        wanted: &[ResultKey],
        job: &Arc<Job>,
        draft: &Draft,
        tell: impl FnOnce(Demand),
        give: &mut dyn FnMut(Computed),
    ) {
        let parts = self.wanted_parts(sent, wanted);
        let text = match self.encode(sent) {
            Ok(text) => text,
            Err(failure) => return fail(&parts, &failure, give),
        };
        let only: Vec<Part> = parts.iter().map(|(part, _)| *part).collect();
        tell(self.demand(text.tokens.len(), Some(&text), &only));
        let subject = match self.subject(text, self.kept_for(&only), job.clone()) {
            Ok(subject) => subject,
            Err(error) => return fail(&parts, &error.into(), give),
        };
        let mut explained = match self.as_ref() {
            Question::Explain(plan) => Some(Explained::new(plan, &subject)),
            Question::Predict(_) | Question::Attention(_) | Question::Inquiry(_) => None,
        };
        let mut had = Duration::ZERO;
        for (part, key) in parts {
            let outcome = self.part(part, sent, &subject, explained.as_mut(), draft);
            let took = job.had().saturating_sub(had);
            had += took;
            give(Computed { key, outcome, part: self.name(part), took });
        }
    }

    /// What an answer about a text will probably take, without tokenising it or looking for what is known.
    pub fn probable_demand(&self, sent: &OwnedText) -> Demand {
        let texts = std::iter::once(sent.text.as_str()).chain(sent.text_pair.as_deref());
        let tokenizer = self.model().tokenizer();
        let most = match self.windows() {
            Some(windows) => windows.most_tokens(tokenizer.special_tokens()),
            None => self.model().config().positions,
        };
        let tokens = probable_tokens(texts, most);
        self.demand(tokens, None, &self.parts())
    }

    /// What those parts of an answer about a text take that are `missing`.
    pub fn exact_demand(&self, text: &EncodedText, missing: impl Fn(usize) -> bool) -> Demand {
        let parts = self.parts().into_iter().enumerate().filter(|(place, _)| missing(*place));
        self.demand(text.tokens.len(), Some(text), &parts.map(|(_, part)| part).collect::<Vec<_>>())
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
            Question::Inquiry(inquiry) => inquiry.model(),
        }
    }

    fn truncate(&self) -> bool {
        match self {
            Question::Explain(plan) => plan.truncate,
            Question::Predict(plan) => plan.truncate,
            Question::Attention(plan) => plan.truncate,
            Question::Inquiry(inquiry) => inquiry.truncate(),
        }
    }

    fn windows(&self) -> Option<&Windows> {
        match self {
            Question::Explain(plan) => plan.windows.as_ref(),
            Question::Predict(plan) => plan.windows.as_ref(),
            Question::Attention(_) | Question::Inquiry(_) => None,
        }
    }

    fn altered(&self) -> Option<&Altered> {
        match self {
            Question::Explain(plan) => plan.altered.as_ref(),
            Question::Predict(plan) => plan.altered.as_ref(),
            Question::Attention(plan) => plan.altered.as_ref(),
            Question::Inquiry(_) => None,
        }
    }

    /// How the network is altered that is asked, as answers tell of it; empty for the network as it is.
    pub fn interventions(&self) -> &[InterventionView] {
        self.altered().map_or(&[], |altered| &altered.told)
    }

    fn subject(&self, text: EncodedText, keep: Keep, crew: Arc<dyn Crew>) -> Result<Subject, ExplainError> {
        let layout = match self.windows() {
            Some(windows) => Layout::of(*windows, &text),
            None => Layout::whole(&text),
        };
        let interventions = self.altered().map(|altered| altered.interventions.clone()).unwrap_or_default();
        Subject::altered(self.model().clone(), text, layout, interventions, keep, crew)
    }

    /// The parts of an answer, in the order of the answer.
    fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        if self.shape().has_reading() {
            parts.push(Part::Reading);
        }
        match self {
            Question::Predict(_) => {}
            Question::Attention(_) => parts.push(Part::Attention),
            Question::Inquiry(_) => parts.push(Part::Finding),
            Question::Explain(plan) => {
                if plan.granularity == Granularity::Sentence {
                    parts.push(Part::Sentences);
                }
                parts.extend((0..plan.methods.len()).map(Part::Method));
                if compares(plan) {
                    parts.push(Part::Agreement);
                }
            }
        }
        parts
    }

    fn key(&self, part: Part, text: &OwnedText) -> ResultKey {
        let windows = self.windows().map(Windows::canonical);
        let common = ResultInputs {
            model: self.model().id(),
            fingerprint: self.model().fingerprint(),
            device: self.model().operators().class(),
            method: self.name(part),
            version: if part == Part::Reading { parts::READING_VERSION } else { 1 },
            options: "",
            target: "",
            granularity: "",
            truncate: self.truncate(),
            quality: "none",
            seed: None,
            text: &text.text,
            text_pair: text.text_pair.as_deref(),
            windows: windows.as_deref(),
            altered: self.altered().map(|altered| altered.canonical.as_str()),
        };
        match (self, part) {
            (Question::Explain(plan), Part::Method(index)) => {
                let configured = &plan.methods[index];
                let method = configured.method();
                ResultKey::new(&ResultInputs {
                    version: method.version() + parts::EXPLANATION_VERSION,
                    options: &configured.canonical_options(),
                    target: &plan.target_as_asked,
                    granularity: plan.granularity.name(),
                    quality: plan.quality.map_or("none", Depth::name),
                    seed: (method.samples() || plan.quality == Some(Depth::Full)).then_some(plan.seed),
                    ..common
                })
            }
            (Question::Explain(plan), Part::Agreement) => {
                let methods = plan.methods.iter().map(|configured| {
                    let method = configured.method();
                    (method.id(), method.version(), configured.canonical_options())
                });
                let samples = plan.methods.iter().any(|configured| configured.method().samples());
                ResultKey::new(&ResultInputs {
                    version: parts::AGREEMENT_VERSION,
                    options: &serde_json::json!(methods.collect::<Vec<_>>()).to_string(),
                    target: &plan.target_as_asked,
                    granularity: plan.granularity.name(),
                    seed: samples.then_some(plan.seed),
                    ..common
                })
            }
            (Question::Attention(plan), Part::Attention) => {
                ResultKey::new(&ResultInputs { version: 2, options: &plan.canonical_options(), ..common })
            }
            (Question::Inquiry(inquiry), Part::Finding) => {
                let options = inquiry.canonical_options();
                let (version, seed) = (inquiry.version(), inquiry.seed());
                ResultKey::new(&ResultInputs { version, options: &options, seed, ..common })
            }
            _ => ResultKey::new(&common),
        }
    }

    fn name(&self, part: Part) -> &'static str {
        match (self, part) {
            (Question::Explain(plan), Part::Method(index)) => plan.methods[index].method().id(),
            (_, Part::Sentences) => "sentences",
            (_, Part::Attention) => "attention",
            (Question::Inquiry(inquiry), Part::Finding) => inquiry.shape().name(),
            (_, Part::Agreement) => "agreement",
            (_, Part::Reading | Part::Method(_) | Part::Finding) => "prediction",
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
            (Question::Explain(plan), Part::Agreement) => {
                plan.methods.iter().fold(Keep::Outputs, |keep, configured| keep.and(configured.keep()))
            }
            (Question::Attention(plan), Part::Attention) if plan.norms => Keep::Gradients,
            (_, Part::Attention) => Keep::Trace,
            (Question::Inquiry(inquiry), Part::Finding) => inquiry.keep(),
            (_, Part::Reading | Part::Sentences | Part::Method(_) | Part::Agreement | Part::Finding) => {
                Keep::Outputs
            }
        };
        parts.iter().fold(Keep::Outputs, |keep, part| keep.and(kept(*part)))
    }

    /// What some parts of the answer about a text of so many tokens take, by the `text` itself where it is known.
    fn demand(&self, tokens: usize, text: Option<&EncodedText>, parts: &[Part]) -> Demand {
        let model = self.model();
        let extent = match (self, self.windows()) {
            (_, Some(windows)) => Extent::in_windows(tokens, model.tokenizer().special_tokens(), windows),
            (Question::Inquiry(inquiry), None) => {
                Extent { longest: inquiry.longest(tokens), ..Extent::whole(tokens) }
            }
            (_, None) => Extent::whole(tokens),
        };
        if parts.is_empty() {
            return Demand::nothing(extent);
        }
        let mut demand = Demand::new(model, extent, self.kept_for(parts));
        for part in parts {
            match (self, part) {
                (Question::Explain(plan), Part::Method(index)) => {
                    demand.add_method(plan, *index);
                    demand.add_quality(plan, *index);
                }
                // What is computed anyway is compared as it is.
                (Question::Explain(plan), Part::Agreement) => (0..plan.methods.len())
                    .filter(|index| !parts.contains(&Part::Method(*index)))
                    .for_each(|index| demand.add_method(plan, index)),
                (Question::Attention(plan), Part::Attention) => {
                    demand.held += attention::bytes(plan, tokens);
                    let norms = if plan.norms { Passes::FORWARD } else { Passes::NONE };
                    demand.add(model, &Cost::exactly(norms, 0), &Cost::exactly(norms, 0));
                }
                (Question::Inquiry(inquiry), Part::Finding) => {
                    demand.held += text.map_or_else(|| inquiry.bytes(tokens), |text| inquiry.bytes_of(text));
                    let cost = text.map_or_else(|| inquiry.cost(tokens), |text| inquiry.cost_of(text));
                    demand.add(model, &cost, &cost);
                }
                // It also says what the network says as it is.
                (_, Part::Reading) if !self.interventions().is_empty() => {
                    let once = Cost::exactly(Passes::FORWARD, 0);
                    demand.add(model, &once, &once);
                }
                _ => {}
            }
        }
        if self.moves_the_text(parts) {
            demand.hold_another(model, self.kept_for(parts));
        }
        demand
    }

    /// Whether a text is moved a little, with a forward pass of its own, to see how far scores move.
    fn moves_the_text(&self, parts: &[Part]) -> bool {
        let is_full = matches!(self, Question::Explain(plan) if plan.quality == Some(Depth::Full));
        is_full && parts.iter().any(|part| matches!(part, Part::Method(_)))
    }

    /// The text as the network gets it, unless the answer would be too large, or what is asked does not suit the
    /// text.
    ///
    /// # Errors
    /// [`Failure::Text`], [`Failure::TooLarge`], [`Failure::Field`], [`Failure::TooManyTokens`],
    /// [`Failure::TooManyWords`].
    pub fn encode(&self, sent: &OwnedText) -> Result<EncodedText, Failure> {
        let text = match self.windows() {
            Some(windows) => windows.encode(self.model(), sent.as_text())?,
            None => self.model().encode(sent.as_text(), self.truncate())?,
        };
        match self {
            Question::Attention(plan) => attention::check_text(plan, &text)?,
            Question::Explain(plan) => check_length(plan, text.tokens.len())?,
            Question::Inquiry(inquiry) => inquiry.check_text(&text)?,
            Question::Predict(_) => {}
        }
        Ok(text)
    }

    fn part(
        &self,
        part: Part,
        sent: &OwnedText,
        subject: &Subject,
        explained: Option<&mut Explained<'_>>,
        draft: &Draft,
    ) -> Result<Made, Failure> {
        match (self, part, explained) {
            (_, Part::Method(index), Some(explained)) => explained.by(index),
            (_, Part::Agreement, Some(explained)) => explained.agreement(),
            (Question::Attention(plan), Part::Attention, _) => looked_at(plan, subject),
            (Question::Inquiry(inquiry), Part::Finding, _) => inquiry.find(sent, subject, draft),
            (_, Part::Sentences, _) => parts::sentences(subject.text()),
            _ => parts::reading(sent, subject, self.interventions()),
        }
    }
}

/// Refuses a text that is longer than one of the methods takes.
fn check_length(plan: &ExplainPlan, tokens: usize) -> Result<(), Failure> {
    for configured in &plan.methods {
        if let Some(limit) = configured.token_limit().filter(|limit| tokens > limit.tokens) {
            let (method, remedy) = (configured.method().id(), limit.remedy);
            return Err(Failure::TooManyTokens { method, tokens, limit: limit.tokens, remedy });
        }
    }
    Ok(())
}

fn looked_at(plan: &AttentionPlan, subject: &Subject) -> Result<Made, Failure> {
    let view = attention::view(plan, subject)?;
    // No pass of the network, but millions of numbers to write.
    let mut made = subject.map(vec![view], |_| Passes::NONE, |view| Ok(parts::attention(&view)))?;
    made.pop().unwrap_or(Err(Failure::Cancelled))
}

/// Whether an answer says how far its methods agree.
fn compares(plan: &ExplainPlan) -> bool {
    plan.quality.is_some() && plan.methods.len() > 1
}

fn fail(parts: &[(Part, ResultKey)], failure: &Failure, give: &mut dyn FnMut(Computed)) {
    for (_, key) in parts {
        let outcome = Err(failure.clone());
        give(Computed { key: *key, outcome, part: "none", took: Duration::ZERO });
    }
}
