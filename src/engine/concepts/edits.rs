//! What the model would say if there were more or less of some concepts in a text: a sweep over strengths, where the
//! prediction flips, and what each word does before and behind the edit.

use std::sync::Arc;

use serde_json::json;

use crate::engine::answer::{
    EditView, EditedWords, EditsView, Explanation, FlipView, FlipsView, PredictionView, SweepPoint,
    TargetView, Warning,
};
use crate::engine::draft::Draft;
use crate::engine::inquiry::Inquiry;
use crate::engine::parts::Made;
use crate::engine::plan::{Invalid, Target, class, likeliest};
use crate::engine::{Failure, OwnedText};
use crate::explain::concept::Direction;
use crate::explain::concept::known::KnownConcept;
use crate::explain::granularity::Granularity;
use crate::explain::method::listed;
use crate::explain::{Configured, Cost, ExplainError, Output, Passes, Subject, registry};
use crate::identity::Shape;
use crate::model::{Decision, EncodedText, Intervention, Interventions, Keep, Model, Prediction, Problem};

/// Halvings of the step in which a flip lies.
const HALVINGS: usize = 6;

/// Bytes of a label's score and logit as they are written.
const BYTES_A_LABEL: usize = 64;

/// A concept to be edited.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The concept.
    pub concept: Arc<KnownConcept>,
    /// How much of the strength it gets.
    pub weight: f64,
    /// The hidden state; none means the concept's own.
    pub layer: Option<usize>,
}

/// The fields of a question for edits. Numbers have been looked at; whether they suit the model has not.
#[derive(Debug, Clone)]
pub struct EditsRequest {
    /// What is edited, all at once; at least one.
    pub concepts: Vec<Edit>,
    /// The strengths of the sweep, ascending.
    pub strengths: Vec<f64>,
    /// The class that is followed: one of them, or the predicted one.
    pub target: Target,
    /// The method whose word scores are compared; none where none are.
    pub attribution: Option<String>,
    /// Whether a long text may be cut.
    pub truncate: bool,
    /// For methods that sample.
    pub seed: u64,
}

/// Everything about a question for edits but the text.
pub struct EditsPlan {
    model: Arc<Model>,
    concepts: Vec<EditView>,
    /// Of each concept, at its layer.
    directions: Vec<Direction>,
    strengths: Vec<f64>,
    /// None means the predicted class.
    target: Option<usize>,
    attribution: Option<Box<dyn Configured>>,
    truncate: bool,
    seed: u64,
}

impl EditsPlan {
    /// Checks a request against a model.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn new(model: Arc<Model>, request: EditsRequest) -> Result<Self, Invalid> {
        let (mut concepts, mut directions) = (Vec::new(), Vec::new());
        for (place, Edit { concept, weight, layer }) in request.concepts.into_iter().enumerate() {
            let layer = layer.unwrap_or(concept.layer);
            let pointer = format!("/concepts/{place}/layer");
            directions.push(super::direction(&concept, layer, &pointer)?.clone());
            concepts.push(EditView { concept: concept.as_ref().into(), weight, layer });
        }
        let target = class(&request.target, &model)?;
        let attribution = request.attribution.as_deref().map(|id| configured(id, &model)).transpose()?;
        Ok(EditsPlan {
            concepts,
            directions,
            strengths: request.strengths,
            target,
            attribution,
            truncate: request.truncate,
            seed: request.seed,
            model,
        })
    }

    /// The network that is edited so strongly.
    fn edited(&self, strength: f64) -> Interventions {
        if strength == 0.0 {
            return Interventions::none();
        }
        let edits = self.concepts.iter().zip(&self.directions).map(|(EditView { weight, layer, .. }, at)| {
            Intervention::Hidden { point: *layer, edit: at.push(strength * weight) }
        });
        edits.collect::<Vec<_>>().into()
    }

    fn found(&self, subject: &Subject) -> Result<(EditsView, Vec<Warning>), ExplainError> {
        let config = self.model.config();
        let class = self.target.unwrap_or_else(|| likeliest(subject.prediction()));
        let ways: Vec<Interventions> = self.strengths.iter().map(|strength| self.edited(*strength)).collect();
        let predictions = subject.predictions_through(&ways)?;
        let flips = self.flips(subject, &predictions)?;
        let words = match &self.attribution {
            None => None,
            Some(attribution) => {
                let strength = self.telling_strength(&flips);
                Some(self.words(subject, attribution.as_ref(), class, strength)?)
            }
        };
        let explanations = words.iter().flat_map(|words| [&words.before, &words.after]);
        let warnings = explanations.filter_map(Warning::not_converged).collect();
        let point = |(strength, prediction): (&f64, &Prediction)| SweepPoint {
            strength: *strength,
            prediction: PredictionView::new(&config.labels, prediction),
            output: Output::Logit.value(config.problem, &prediction.logits, class) as f32,
        };
        let [above, below] = flips.map(|flip| {
            flip.map(|flip| FlipView {
                strength: flip.changed,
                prediction: PredictionView::new(&config.labels, &flip.prediction),
            })
        });
        let view = EditsView {
            concepts: self.concepts.clone(),
            target: TargetView { label: config.labels[class].clone(), index: class },
            sweep: self.strengths.iter().zip(&predictions).map(point).collect(),
            flips: FlipsView { above, below },
            words,
        };
        Ok((view, warnings))
    }

    /// The flips nearest to 0, above and below it: those between points of the sweep, halved together.
    fn flips(
        &self,
        subject: &Subject,
        predictions: &[Prediction],
    ) -> Result<[Option<Flip>; 2], ExplainError> {
        let known = &subject.prediction().decision;
        if matches!(known, Decision::Value(_)) {
            return Ok([None, None]);
        }
        let points: Vec<(f64, &Prediction)> = self.strengths.iter().copied().zip(predictions).collect();
        let above = points.iter().filter(|(strength, _)| *strength > 0.0);
        let below = points.iter().rev().filter(|(strength, _)| *strength < 0.0);
        let mut flips = [Flip::first(known, above), Flip::first(known, below)];
        for _ in 0..HALVINGS {
            let open: Vec<&mut Flip> = flips.iter_mut().flatten().collect();
            let ways: Vec<Interventions> = open.iter().map(|flip| self.edited(flip.middle())).collect();
            if ways.is_empty() {
                break;
            }
            for (flip, prediction) in open.into_iter().zip(subject.predictions_through(&ways)?) {
                flip.halve(known, prediction);
            }
        }
        Ok(flips)
    }

    /// The strength at which words are looked at.
    fn telling_strength(&self, flips: &[Option<Flip>; 2]) -> f64 {
        let strengths = flips.iter().flatten().map(|flip| flip.changed);
        // The one above comes first, and stays where both are as near.
        let nearest = strengths.reduce(|a, b| if b.abs() < a.abs() { b } else { a });
        let farther = |a: f64, b: f64| if a.abs() > b.abs() { a } else { b };
        nearest.unwrap_or_else(|| self.strengths.iter().copied().fold(0.0, farther))
    }

    fn words(
        &self,
        subject: &Subject,
        attribution: &dyn Configured,
        class: usize,
        strength: f64,
    ) -> Result<EditedWords, ExplainError> {
        let explained = |subject: &Subject| {
            let scores = attribution.attribute(subject, &[class], self.seed)?;
            let lost = || candle_core::Error::Msg("a method gave no scores".into());
            let scores = scores.first().ok_or_else(lost)?;
            let (id, labels) = (attribution.method().id(), &self.model.config().labels);
            Ok::<_, ExplainError>(Explanation::new(id, labels, Granularity::Word, subject.text(), scores))
        };
        let before = explained(subject)?;
        let after = explained(&subject.through(self.edited(strength), attribution.keep())?)?;
        let difference = |(after, before): (&f32, &f32)| (f64::from(*after) - f64::from(*before)) as f32;
        let change = after.scores.iter().zip(&before.scores).map(difference).collect();
        Ok(EditedWords { strength, before, after, change })
    }
}

/// A step in which the prediction becomes another one.
struct Flip {
    /// The strength up to which it is still the same, as far as is known,
    same: f64,
    /// and that at which it is another one,
    changed: f64,
    /// which is this.
    prediction: Prediction,
}

impl Flip {
    /// The first of these points, the nearest to 0 first, at which the decision is another one.
    fn first<'a>(known: &Decision, points: impl Iterator<Item = &'a (f64, &'a Prediction)>) -> Option<Self> {
        let mut same = 0.0;
        for (strength, prediction) in points {
            if prediction.decision != *known {
                return Some(Flip { same, changed: *strength, prediction: (*prediction).clone() });
            }
            same = *strength;
        }
        None
    }

    fn middle(&self) -> f64 {
        self.same + (self.changed - self.same) / 2.0
    }

    fn halve(&mut self, known: &Decision, prediction: Prediction) {
        let middle = self.middle();
        if prediction.decision == *known {
            self.same = middle;
        } else {
            (self.changed, self.prediction) = (middle, prediction);
        }
    }
}

/// A method with its usual options.
fn configured(id: &str, model: &Model) -> Result<Box<dyn Configured>, Invalid> {
    const FIELD: &str = "/attribution";
    let able = registry::METHODS.iter().filter(|method| method.under_interventions());
    let remedy = format!(
        "name a method that can explain an edited network ({}), or send null for none",
        listed(able.map(|method| method.id()))
    );
    let shown: String = id.chars().take(120).collect();
    let Some(method) = registry::find(id) else {
        return Err(Invalid::new(FIELD, format!("there is no method `{}`", shown.escape_debug()), remedy));
    };
    if !method.under_interventions() {
        return Err(Invalid::new(FIELD, format!("`{id}` cannot explain an edited network"), remedy));
    }
    let refused = |detail: String| Invalid::new(FIELD, format!("`{id}`: {detail}"), remedy.clone());
    method.configure(None, model, Granularity::Word).map_err(|fault| refused(fault.detail))
}

impl Inquiry for EditsPlan {
    fn model(&self) -> &Arc<Model> {
        &self.model
    }

    fn truncate(&self) -> bool {
        self.truncate
    }

    fn shape(&self) -> Shape {
        Shape::ConceptEdits
    }

    fn version(&self) -> u32 {
        1
    }

    fn canonical_options(&self) -> String {
        let attribution = self.attribution.as_ref().map(|configured| {
            let method = configured.method();
            json!([method.id(), method.version(), configured.canonical_options()])
        });
        json!({
            "concepts": self.concepts,
            "strengths": self.strengths,
            "target": self.target,
            "attribution": attribution
        })
        .to_string()
    }

    fn seed(&self) -> Option<u64> {
        let samples = self.attribution.as_ref().is_some_and(|configured| configured.method().samples());
        samples.then_some(self.seed)
    }

    fn keep(&self) -> Keep {
        self.attribution.as_ref().map_or(Keep::Outputs, |configured| configured.keep())
    }

    fn cost(&self, tokens: usize) -> Cost {
        let can_flip = self.model.config().problem != Problem::Regression;
        let points = self.strengths.len();
        let sides = [|strength: &f64| *strength > 0.0, |strength: &f64| *strength < 0.0];
        let sides = sides.into_iter().filter(|side| can_flip && self.strengths.iter().any(side)).count();
        let forwards = |flips: usize| Passes::new(points + flips * HALVINGS, 0);
        let sweep = Cost { expected: forwards(sides.min(1)), most: forwards(sides), together: 0 };
        let Some(attribution) = &self.attribution else { return sweep };
        let cost = attribution.cost(tokens, 1);
        Cost {
            expected: sweep.expected + Passes::FORWARD + cost.expected * 2,
            most: sweep.most + Passes::FORWARD + cost.most * 2,
            together: cost.together,
        }
    }

    fn bytes(&self, tokens: usize) -> usize {
        let told = BYTES_A_LABEL * self.model.config().labels.len() * self.strengths.len();
        // The pass of the edited network is kept beside the text's own.
        let kept = match self.keep() {
            Keep::Outputs => 0,
            keep => self.model.encoder().pass_bytes(&[tokens], keep),
        };
        told + kept
    }

    fn check_text(&self, text: &EncodedText) -> Result<(), Failure> {
        let Some(attribution) = &self.attribution else { return Ok(()) };
        let tokens = text.tokens.len();
        match attribution.token_limit().filter(|limit| tokens > limit.tokens) {
            None => Ok(()),
            Some(limit) => Err(Failure::TooManyTokens {
                method: attribution.method().id(),
                tokens,
                limit: limit.tokens,
                remedy: limit.remedy,
            }),
        }
    }

    fn find(&self, _sent: &OwnedText, subject: &Subject, _draft: &Draft) -> Result<Made, Failure> {
        let (view, warnings) = self.found(subject)?;
        Made::new(&view, &warnings)
    }
}
