//! A concept taken out of a model: what of it is left to find, and what of the model's task.

mod task;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;

use super::{Concept, Ends, Fault, Gathering, NullView, States};
use super::{UNHURRIED, learning};
use crate::dataset::Row;
use crate::engine::answer::{ConceptName, ModelName, PredictionView, Warning, WarningCode};
use crate::engine::parts::Made;
use crate::engine::{
    Altered, Composition, Engine, Failure, OwnedText, PredictPlan, Question, StatesRequest, Told, Visit,
};
use crate::explain::Crew;
use crate::explain::concept::erasure::probe::{Probed, Probing, Refit, probe, work};
use crate::explain::concept::erasure::{Eraser, Erasure};
use crate::explain::concept::known::KnownConcept;
use crate::explain::concept::learner::Fitting;
use crate::explain::concept::{ConceptError, Examples};
use crate::identity::{DatasetId, Shape};
use crate::model::{HiddenEdit, Intervention, Model};
use task::{Answered, Predictions};

pub use view::{
    ErasureChange, ErasureFlip, ErasureProbe, ErasureTask, ErasureView, MethodErasure, UntouchedView,
};

/// Raised whenever something else is told of the same.
const VERSION: u32 = 2;

/// Floating-point operations that all probes together may take: a few minutes of a thread.
const MOST_OPERATIONS: f64 = 1e12;

/// Operations that a thread does in a second, about.
const OPERATIONS_A_SECOND: f64 = 2e9;

/// Examples of a side without which nothing can be held out.
const FEWEST_EXAMPLES: usize = 2;

/// A concept whose accuracy comes about by chance more often than this is not taken to be there.
const LARGEST_P_VALUE: f64 = 0.05;

/// Every way of taking a concept out, in the order in which they are told of.
pub const METHODS: [Erasure; 3] = [Erasure::Nullspace, Erasure::Inlp, Erasure::Leace];

/// A concept that is to be taken out.
#[derive(Clone)]
pub struct Erasing {
    /// The model that it is of.
    pub model: Arc<Model>,
    /// The concept, with what it is made of.
    pub concept: Concept,
    /// The same at work.
    pub known: Arc<KnownConcept>,
    /// How it is taken out: each of them at most once.
    pub methods: Vec<Erasure>,
    /// The dataset behind what is told of the task, of up to [`super::MOST_ROWS`] rows.
    pub dataset: DatasetId,
    /// Folds of the probes.
    pub folds: usize,
    /// Shuffles of the probes.
    pub permutations: usize,
    /// What is drawn by.
    pub seed: u64,
    /// Whether long rows may be cut.
    pub truncate: bool,
}

/// The ways in which a concept can be taken out: all of them, or those that were named in a list at `/methods`.
///
/// # Errors
/// None or one twice, or one that the concept has no eraser for.
pub fn methods_of(concept: &KnownConcept, named: Option<Vec<Erasure>>) -> Result<Vec<Erasure>, Fault> {
    let has = |method: &Erasure| concept.erasers.contains_key(method);
    let known: Vec<Erasure> = METHODS.into_iter().filter(has).collect();
    let Some(named) = named else { return Ok(known) };
    let names: Vec<&str> = known.iter().map(|method| method.name()).collect();
    let remedy = format!("name any of {}, each once, or leave the field out for all", names.join(", "));
    if named.is_empty() {
        return Err(Fault::field("/methods", "the list is empty", remedy));
    }
    for (place, method) in named.iter().enumerate() {
        let pointer = format!("/methods/{place}");
        if !has(method) {
            let detail = format!("`{}` was not learnt with `{}`", concept.reference(), method.name());
            return Err(Fault::field(pointer, detail, remedy));
        }
        if named[..place].contains(method) {
            return Err(Fault::field(pointer, format!("`{}` is named twice", method.name()), remedy));
        }
    }
    Ok(named)
}

impl Erasing {
    /// Takes it out, unless that was done before.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn told(&self, engine: &Arc<Engine>, visit: &Visit) -> Result<Told, Fault> {
        self.check()?;
        let composition = Composition {
            shape: Shape::Erasure,
            version: VERSION,
            model: self.model.clone(),
            inputs: self.inputs(),
        };
        let (erasing, asked) = (self.clone(), engine.clone());
        let make = async move { Ok(erasing.made(&asked).await?) };
        Ok(engine.composed(visit, &composition, make).await?)
    }

    /// Everything that the answer depends on, in one form.
    fn inputs(&self) -> String {
        json!({
            "concept": self.concept.id.to_string(),
            "version": self.concept.version,
            "methods": self.methods,
            "dataset": self.dataset.to_string(),
            "folds": self.folds,
            "permutations": self.permutations,
            "seed": self.seed,
            "truncate": self.truncate,
        })
        .to_string()
    }

    /// Refuses probes for which there are too few examples, and what would take too long.
    fn check(&self) -> Result<(), Fault> {
        if !self.has_probe() {
            return Ok(());
        }
        let fewest = self.sides().into_iter().min().unwrap_or_default();
        if fewest < self.folds {
            let detail = format!("is {}, and the concept has {fewest} examples of a side", self.folds);
            return Err(Fault::field("/folds", detail, format!("send 2 to {fewest}")));
        }
        self.check_work(None)
    }

    /// Refuses what would take too long: of so many rows of states, a row a text where that is not known.
    fn check_work(&self, rows: Option<usize>) -> Result<(), Fault> {
        match self.operations(rows) {
            operations if operations <= MOST_OPERATIONS => Ok(()),
            operations => Err(Fault::field(
                "/permutations",
                format!(
                    "probing for a concept of so many examples takes about {:.0} minutes of a thread",
                    operations / OPERATIONS_A_SECOND / 60.0
                ),
                "send fewer `permutations` or `folds`, name one of the `methods`, or learn the concept from fewer examples",
            )),
        }
    }

    /// Examples, and counter-examples.
    fn sides(&self) -> [usize; 2] {
        let body = self.concept.body.as_ref();
        body.map_or([0; 2], |body| [body.positives.len(), body.negatives.len()])
    }

    /// Whether there are examples enough to be told apart at all.
    fn has_probe(&self) -> bool {
        self.sides().into_iter().all(|count| count >= FEWEST_EXAMPLES)
    }

    fn operations(&self, rows: Option<usize>) -> f64 {
        let texts = self.sides().iter().sum();
        let rows = rows.unwrap_or(texts);
        let hidden = self.model.config().hidden_size;
        let of = |refit: Option<Refit>| work(texts, rows, hidden, refit.as_ref(), &self.probing());
        self.refits().map(of).sum()
    }

    fn probing(&self) -> Probing {
        Probing { folds: self.folds, permutations: self.permutations, seed: self.seed, ..Probing::default() }
    }

    /// What is fitted again in each fold: nothing first, then each way with the concept's own learner.
    fn refits(&self) -> impl Iterator<Item = Option<Refit>> {
        let summary = &self.concept.summary;
        let usual = Fitting::default();
        let fitting = Fitting {
            learner: summary.learner.unwrap_or(usual.learner),
            regularisation: summary.regularisation.unwrap_or(usual.regularisation),
        };
        let refit = move |erasure: &Erasure| Some(Refit { erasure: *erasure, fitting });
        std::iter::once(None).chain(self.methods.iter().map(refit))
    }

    async fn made(&self, engine: &Arc<Engine>) -> Result<Made, Fault> {
        let mut probes = self.probes(engine).await?.into_iter();
        let rows = learning::rows(engine, self.dataset, "/dataset").await?;
        let before = self.predictions(engine, &rows, None).await?;
        let untouched = UntouchedView {
            probe: probes.next().map(ErasureProbe::from),
            accuracy: task::accuracy(&rows, &before),
        };
        let mut after = Vec::new();
        for method in &self.methods {
            after.push(self.predictions(engine, &rows, Some(*method)).await?);
        }
        let (erasing, probes) = (self.clone(), probes.map(ErasureProbe::from).collect::<Vec<_>>());
        let seconds = 0.1 * self.methods.len() as f64;
        let told = move || Ok(erasing.view(&rows, untouched, &before, &after, probes));
        let view = engine.work_alone(seconds, told).await?;
        Ok(Made::new(&view, &warnings(&view))?)
    }

    /// How well the concept is told in its examples' states as they are, and without it in each way, by erasers that do not
    /// know the texts which are told; nothing where there are no examples.
    async fn probes(&self, engine: &Arc<Engine>) -> Result<Vec<Probed>, Fault> {
        let Some(body) = self.concept.body.as_ref().filter(|_| self.has_probe()) else {
            return Ok(Vec::new());
        };
        let texts: Vec<OwnedText> =
            body.positives.iter().chain(&body.negatives).map(OwnedText::from).collect();
        let sides = (0..texts.len()).map(|text| text < body.positives.len()).collect();
        let layers = Some(vec![self.known.layer]);
        // They were learnt from, so that those which are too long may be cut.
        let request = StatesRequest { layers, pooling: self.known.pooling, gradients: false, truncate: true };
        let gathering = Gathering { engine: engine.clone(), model: self.model.clone(), request };
        let states: States = gathering.of(&texts, |_| String::new()).await?;
        let examples = Arc::new(states.examples(0, sides));
        let erasing = self.clone();
        let rows = Some(examples.texts.len());
        self.check_work(rows)?;
        let seconds = self.operations(rows) / OPERATIONS_A_SECOND;
        let probed = engine.work(seconds, move |job| Ok(erasing.probed(&examples, job.as_ref()))).await?;
        probed.map_err(Fault::of_arithmetic)
    }

    fn probed(&self, examples: &Arc<Examples>, crew: &dyn Crew) -> Result<Vec<Probed>, ConceptError> {
        self.refits().map(|refit| probe(examples.clone(), refit, &self.probing(), crew)).collect()
    }

    /// What the model says of rows, as it is or without the concept; none of those that it cannot read.
    async fn predictions(
        &self,
        engine: &Arc<Engine>,
        rows: &[Row],
        method: Option<Erasure>,
    ) -> Result<Predictions, Fault> {
        let altered = method.and_then(|method| self.altered(method));
        let plan = PredictPlan::new(self.model.clone(), self.truncate, None, altered)?;
        let question = Arc::new(Question::Predict(plan));
        let text = |row: &Row| OwnedText { text: row.text.clone(), text_pair: row.text_pair.clone() };
        let texts: Vec<OwnedText> = rows.iter().map(text).collect();
        let visit = Visit::of(UNHURRIED).with_texts(engine, &question, texts.iter());
        let (visit, question) = (&visit, &question);
        let asking = texts.into_iter().map(|text| engine.ask_patiently(visit, question, text));
        let mut answers = stream::iter(asking).buffered(engine.texts_at_a_time());
        let mut predictions = Vec::with_capacity(rows.len());
        while let Some(told) = answers.next().await {
            predictions.push(match told {
                Ok(told) => Some(read(&told)?),
                Err(Failure::Text(_) | Failure::NotFinite | Failure::TooLarge { .. }) => None,
                Err(failure) => return Err(failure.into()),
            });
        }
        Ok(predictions)
    }

    /// The network without the concept.
    fn altered(&self, method: Erasure) -> Option<Altered> {
        let Eraser { read, write, centre } = self.known.erasers.get(&method)?.clone();
        let edit = HiddenEdit::Affine { read, write, centre };
        let canonical = json!({"taken_out": {
            "concept": self.concept.id.to_string(),
            "layer": self.known.layer,
            "method": method,
        }});
        Some(Altered {
            interventions: vec![Intervention::Hidden { point: self.known.layer, edit }].into(),
            canonical: canonical.to_string(),
            told: Vec::new(),
        })
    }

    fn view(
        &self,
        rows: &[Row],
        untouched: UntouchedView,
        before: &Predictions,
        after: &[Predictions],
        probes: Vec<ErasureProbe>,
    ) -> ErasureView {
        let mut probes = probes.into_iter();
        let erasure = |(method, after): (&Erasure, &Predictions)| MethodErasure {
            method: *method,
            rank: self.known.erasers.get(method).map_or(0, Eraser::rank),
            probe: probes.next(),
            task: task::task(rows, before, after, self.seed),
        };
        let erasures = self.methods.iter().zip(after).map(erasure).collect();
        let read = before.iter().flatten().count() as u64;
        ErasureView {
            id: String::new(),
            model: ModelName { id: self.model.id().into(), fingerprint: self.model.fingerprint().into() },
            concept: ConceptName::from(self.known.as_ref()),
            layer: self.known.layer,
            pooling: self.known.pooling,
            dataset: self.dataset.to_string(),
            rows: read,
            failed: rows.len() as u64 - read,
            unknown_labels: task::unknown_labels(rows, before),
            untouched,
            erasures,
            warnings: Vec::new(),
        }
    }
}

fn read(told: &Told) -> Result<PredictionView, Failure> {
    let answered: Answered = serde_json::from_slice(&told.body)
        .map_err(|_| Failure::Internal("a prediction cannot be read".into()))?;
    Ok(answered.prediction)
}

fn warnings(view: &ErasureView) -> Vec<Warning> {
    let absent = view.untouched.probe.as_ref().filter(|probe| !probe.finds()).map(|probe| Warning {
        code: WarningCode::ConceptAbsent,
        message: format!(
            "a fresh learner does not find the concept in the states as they are ({}): that it finds none afterwards says \
             nothing",
            probe.standing()
        ),
    });
    let remains = view.erasures.iter().filter_map(|erasure| {
        let probe = erasure.probe.as_ref().filter(|probe| probe.finds())?;
        Some(Warning {
            code: WarningCode::ConceptRemains,
            message: format!(
                "{} does not take the concept out whole: a fresh learner finds it in what is left of texts that neither was fitted to \
                 ({})",
                erasure.method.name(),
                probe.standing()
            ),
        })
    });
    absent.into_iter().chain(remains).collect()
}

impl ErasureProbe {
    /// Whether the concept is found: better than by chance.
    fn finds(&self) -> bool {
        self.null.p_value <= LARGEST_P_VALUE && self.interval.low > 0.5
    }

    fn standing(&self) -> String {
        let Ends { low, high } = self.interval;
        let p = self.null.p_value;
        format!("accuracy {:.2}, 95 % interval {low:.2} to {high:.2}, p = {p:.2}", self.accuracy)
    }
}

impl From<Probed> for ErasureProbe {
    fn from(probed: Probed) -> Self {
        let (low, high) = probed.interval;
        let null = &probed.null;
        ErasureProbe {
            accuracy: probed.accuracy,
            interval: Ends { low, high },
            folds: probed.fold_accuracies,
            null: NullView {
                mean: null.mean,
                high: null.high,
                p_value: null.p_value,
                permutations: null.permutations,
            },
        }
    }
}
