//! What would have to change in a text for the model to say something else.

mod answer;

use std::sync::Arc;

use serde_json::json;

use self::answer::{Answer, nothing_yet};
use super::grid::MOST_WORDS;
use super::together;
use crate::engine::answer::OriginalView;
use crate::engine::draft::Draft;
use crate::engine::inquiry::Inquiry;
use crate::engine::parts::Made;
use crate::engine::plan::{Invalid, Target, by_index, by_label};
use crate::engine::{Failure, OwnedText};
use crate::explain::counterfactual::{Goal, LanguageModel, LexiconPair, Search, Strategy};
use crate::explain::portions::sequences_together;
use crate::explain::{Cost, Passes, Subject};
use crate::identity::Shape;
use crate::model::{Decision, EncodedText, Keep, Model, Problem};

/// Stands for any other decision than that of the text as it is.
const ANY: &str = "any";

/// Texts that a search usually tries.
const USUAL_TRIALS: usize = 100;

/// Passes that it usually takes for each token to look at the words and at how they read, beside one for each text found.
const USUAL_A_TOKEN: usize = 6;

/// Bytes of what is told of a token, a change and a label, as they are written.
const BYTES_A_TOKEN: usize = 256;
const BYTES_A_CHANGE: usize = 256;
const BYTES_A_LABEL: usize = 64;

/// The fields of a question for counterfactuals. Numbers have been looked at; whether they suit the model has not.
#[derive(Debug, Clone)]
pub struct CounterfactualsRequest {
    /// What the model is to say: a class, or `any` other than now; none means that too.
    pub target: Option<Target>,
    /// Where changes come from, each strategy once; at least one.
    pub strategies: Vec<Strategy>,
    /// The pairs of [`Strategy::Lexicon`].
    pub lexicon: Vec<LexiconPair>,
    /// Words that stay.
    pub protected: Vec<String>,
    /// The most changes of one text, from 1.
    pub max_changes: usize,
    /// How many counterfactuals are wanted, from 1.
    pub n: usize,
    /// How many combinations are carried on.
    pub beam: usize,
    /// The most forward passes.
    pub budget: usize,
    /// For [`Strategy::Random`].
    pub seed: u64,
}

/// Everything about a question for counterfactuals but the text.
pub struct CounterfactualsPlan {
    model: Arc<Model>,
    /// Who fills in words and judges fluency, if anyone.
    language: Option<LanguageModel>,
    /// None means any other decision.
    target: Option<usize>,
    /// Ascending.
    strategies: Vec<Strategy>,
    lexicon: Vec<LexiconPair>,
    protected: Vec<String>,
    max_changes: usize,
    n: usize,
    beam: usize,
    budget: usize,
    seed: u64,
}

impl CounterfactualsPlan {
    /// Checks a request against a model, and against the model that fills in words: its own masked-LM head where
    /// `infill_model` is none.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn new(
        model: Arc<Model>,
        infill_model: Option<Arc<Model>>,
        request: CounterfactualsRequest,
    ) -> Result<Self, Invalid> {
        check_decides(&model)?;
        let target = wanted(request.target.as_ref(), &model)?;
        let language = match infill_model {
            None => LanguageModel::of(model.clone()),
            Some(infill_model) => Some(speaking(infill_model)?),
        };
        let mut strategies = request.strategies;
        strategies.sort_unstable();
        if language.is_none() && strategies == [Strategy::Infill] {
            return Err(Invalid::new(
                "/strategies",
                format!(
                    "`infill` asks a masked-LM head what it expects, and model `{}` has none",
                    model.id()
                ),
                "name a model that has one in `infill_model`, or another strategy",
            ));
        }
        let mut protected = request.protected;
        protected.sort_unstable();
        protected.dedup();
        Ok(CounterfactualsPlan {
            model,
            language,
            target,
            strategies,
            lexicon: request.lexicon,
            protected,
            max_changes: request.max_changes,
            n: request.n,
            beam: request.beam,
            budget: request.budget,
            seed: request.seed,
        })
    }

    /// What is to be searched for in a text.
    fn search(&self, goal: Goal) -> Search {
        let can_fill = self.language.is_some();
        let is_able = |strategy: &Strategy| can_fill || *strategy != Strategy::Infill;
        Search {
            goal,
            strategies: self.strategies.iter().copied().filter(is_able).collect(),
            lexicon: self.lexicon.clone(),
            protected: self.protected.clone(),
            max_changes: self.max_changes,
            n: self.n,
            beam: self.beam,
            budget: self.budget,
            seed: self.seed,
            language: self.language.clone(),
        }
    }

    /// The decision that is wanted of a text of which the model says something.
    fn goal(&self, subject: &Subject) -> Result<Goal, Failure> {
        let prediction = subject.prediction();
        let Some(class) = self.target else {
            return Goal::other(prediction).ok_or_else(undecided);
        };
        let says_so = match &prediction.decision {
            Decision::Label(predicted) => *predicted == class,
            Decision::Labels(held) => held.contains(&class),
            Decision::Value(_) => false,
        };
        if says_so {
            let label = &self.model.config().labels[class];
            return Err(Failure::Field(Invalid::new(
                "/target",
                format!("the model says `{label}` of this text already"),
                "send another label, or leave the field out for any other prediction",
            )));
        }
        Goal::label(prediction, class).ok_or_else(undecided)
    }

    fn infill_model(&self) -> Option<&Arc<Model>> {
        self.language.as_ref().map(LanguageModel::model)
    }
}

/// Plans of models that decide nothing are refused.
fn undecided() -> Failure {
    Failure::Internal("counterfactuals of a model that has one decision only".into())
}

fn check_decides(model: &Model) -> Result<(), Invalid> {
    let config = model.config();
    let why = match config.problem {
        Problem::Regression => "is a regression: it predicts a value, and there is no label to be another",
        Problem::SingleLabel if config.labels.len() < 2 => "has one label only, and always predicts it",
        Problem::SingleLabel | Problem::MultiLabel => return Ok(()),
    };
    Err(Invalid::new(
        "/model",
        format!("model `{}` {why}", model.id()),
        "ask a classifier, or POST /v1/interventions for what each change does to the value",
    ))
}

fn wanted(target: Option<&Target>, model: &Model) -> Result<Option<usize>, Invalid> {
    const FIELD: &str = "/target";
    let choices = "use \"any\", an index";
    match target {
        None => Ok(None),
        Some(Target::Label(label)) if label == ANY => Ok(None),
        Some(Target::Label(label)) => by_label(label, model, FIELD, choices).map(Some),
        Some(Target::Index(index)) => by_index(*index, model, FIELD, choices).map(Some),
        Some(Target::Predicted | Target::All | Target::Expected(_)) => {
            let detail = "the target is what the model is to say instead of what it says";
            Err(Invalid::new(FIELD, detail, format!("{choices}, or a label")))
        }
    }
}

fn speaking(model: Arc<Model>) -> Result<LanguageModel, Invalid> {
    let id = model.id().to_owned();
    LanguageModel::of(model).ok_or_else(|| {
        Invalid::new(
            "/infill_model",
            format!("model `{id}` has no masked-LM head, or no mask token"),
            "name a model that has both, or leave the field out for what the model has itself",
        )
    })
}

impl Inquiry for CounterfactualsPlan {
    fn model(&self) -> &Arc<Model> {
        &self.model
    }

    fn truncate(&self) -> bool {
        false
    }

    fn shape(&self) -> Shape {
        Shape::Counterfactuals
    }

    fn version(&self) -> u32 {
        1
    }

    fn canonical_options(&self) -> String {
        let lexicon: Vec<[&str; 2]> = self.lexicon.iter().map(|pair| [&*pair.from, &*pair.to]).collect();
        json!({
            "target": self.target,
            "infill_model": self.infill_model().map(|model| [model.id(), model.fingerprint()]),
            "strategies": self.strategies,
            "lexicon": lexicon,
            "protected": self.protected,
            "max_changes": self.max_changes,
            "n": self.n,
            "beam": self.beam,
            "budget": self.budget,
        })
        .to_string()
    }

    fn seed(&self) -> Option<u64> {
        self.strategies.contains(&Strategy::Random).then_some(self.seed)
    }

    fn keep(&self) -> Keep {
        Keep::Outputs
    }

    /// The budget is the most. It counts a way back as two, beside the pass that it comes back from; there is one for each word
    /// and one for the text.
    fn cost(&self, tokens: usize) -> Cost {
        let own = tokens.saturating_sub(self.model.tokenizer().special_tokens());
        let usual = (USUAL_TRIALS + own * (USUAL_A_TOKEN + self.n)).min(self.budget);
        let passes = |forwards: usize| Passes::new(forwards, (own + 1).min(forwards / 3));
        Cost { expected: passes(usual), most: passes(self.budget), together: sequences_together(tokens) }
    }

    fn bytes(&self, tokens: usize) -> usize {
        let a_text = tokens * BYTES_A_TOKEN
            + self.max_changes * BYTES_A_CHANGE
            + self.model.config().labels.len() * BYTES_A_LABEL;
        a_text * (self.n + 1) + together::BYTES
    }

    fn check_text(&self, text: &EncodedText) -> Result<(), Failure> {
        match text.words.len() {
            0..=MOST_WORDS => Ok(()),
            words => Err(Failure::TooManyWords { words, limit: MOST_WORDS }),
        }
    }

    fn find(&self, sent: &OwnedText, subject: &Subject, draft: &Draft) -> Result<Made, Failure> {
        let goal = self.goal(subject)?;
        let answer = Answer { plan: self, subject, original: OriginalView::new(sent, subject) };
        draft.write(answer.made(&nothing_yet(), false)?);
        let found = self.search(goal).run(sent.as_text(), subject, &mut |found| {
            // Should it fail, so does the answer in the end, and says why.
            if let Ok(made) = answer.made(found, false) {
                draft.write(made);
            }
        })?;
        answer.made(&found, true)
    }
}
