//! How much the classes of a model depend on concepts, and whether more than on random ones.
//!
//! A concept's score is the share of texts whose output rises along its direction. It is held against the scores of
//! random concepts: random sets of texts stand for the examples, and everything else stays as it is, the
//! counter-examples, the learner and the texts that are explained. If the examples of a concept are no more than random
//! texts themselves, its score and theirs are exchangeable, and the permutation test errs as often as it says.
//!
//! Source: Kim et al. 2018, arXiv:1711.11279.

mod sets;
mod testing;
#[cfg(test)]
mod tests;
mod view;
mod warnings;

use std::sync::Arc;

use serde_json::json;

use super::{Concept, Fault, Gathering, RowStates, Rows, States};
use crate::engine::answer::{ConceptName, ModelName, Warning};
use crate::engine::parts::Made;
use crate::engine::{Composition, Engine, OwnedText, StatesRequest, Visit};
use crate::explain::concept::Pooling;
use crate::explain::concept::known::KnownConcept;
use crate::explain::concept::learner::Fitting;
use crate::identity::{DatasetId, Shape};
use crate::model::{Model, Problem};
use testing::{Aim, Bench, Lab};
use view::{TextsView, Told};

pub use sets::MOST_DEFAULT_SETS;
pub use view::{
    NullScores, ResampledScores, TcavOptions, TcavOutput, TcavTest, TcavView, TestedTexts, WelchView,
};

/// Raised whenever something else is said of the same.
const VERSION: u32 = 1;

/// Floating-point operations that learning all random concepts may take: a few minutes of a thread.
const MOST_OPERATIONS: f64 = 1e12;

/// Operations that a thread does in a second, about.
const OPERATIONS_A_SECOND: f64 = 2e9;

/// What is to be tested.
pub struct Tcav {
    /// The model.
    pub model: Arc<Model>,
    /// The concepts, each once.
    pub concepts: Vec<TestedConcept>,
    /// The dataset whose predictions are explained.
    pub dataset: DatasetId,
    /// The dataset that random sets are drawn from.
    pub random: DatasetId,
    /// The classes; none where the model has a single output.
    pub classes: Option<Vec<usize>>,
    /// Random sets for each concept; none takes as many as there are, up to [`MOST_DEFAULT_SETS`].
    pub random_sets: Option<usize>,
    /// What else was asked.
    pub options: TcavOptions,
}

/// A concept at the hidden states where it is tested.
pub struct TestedConcept {
    known: Arc<KnownConcept>,
    /// None for one without examples.
    taught: Option<Teaching>,
    layers: Vec<usize>,
    warnings: Vec<Warning>,
}

/// What a concept was learnt from.
struct Teaching {
    fitting: Fitting,
    positives: Vec<OwnedText>,
    negatives: Vec<OwnedText>,
}

/// States of a dataset that are needed.
pub struct Need {
    /// For the texts that are explained.
    of_texts: bool,
    /// For the random sets.
    of_random: bool,
    /// Which states.
    pub request: StatesRequest,
}

/// States of a dataset as they were gathered.
struct Gathered {
    need: Need,
    found: Arc<RowStates>,
}

impl TestedConcept {
    /// A concept at some hidden states; its own where none are named.
    ///
    /// # Errors
    /// The place of the first hidden state where it has no direction.
    pub fn new(concept: Concept, known: Arc<KnownConcept>, layers: Option<&[usize]>) -> Result<Self, usize> {
        let layers = layers.map_or_else(|| vec![known.layer], <[usize]>::to_vec);
        if let Some(missing) = layers.iter().position(|layer| !known.directions.contains_key(layer)) {
            return Err(missing);
        }
        let body = concept.body.filter(|body| !body.positives.is_empty() && !body.negatives.is_empty());
        let taught = concept.summary.learner.zip(body).map(|(learner, body)| Teaching {
            fitting: Fitting {
                learner,
                regularisation: concept.summary.regularisation.unwrap_or(Fitting::default().regularisation),
            },
            positives: body.positives.iter().map(OwnedText::from).collect(),
            negatives: body.negatives.iter().map(OwnedText::from).collect(),
        });
        Ok(TestedConcept { known, taught, layers, warnings: concept.summary.warnings })
    }

    /// Its identity.
    pub fn id(&self) -> &str {
        &self.known.id
    }

    fn name(&self) -> ConceptName {
        let KnownConcept { name, version, id, .. } = self.known.as_ref();
        ConceptName { name: name.clone(), version: *version, id: id.clone() }
    }
}

impl Need {
    /// The dataset that the states are of, and where it is named.
    pub fn dataset(&self, tcav: &Tcav) -> (DatasetId, &'static str) {
        if self.of_texts { (tcav.dataset, "/dataset") } else { (tcav.random, "/random") }
    }
}

/// Whether a model has a single output that can be tested, whatever the class.
pub fn has_one_output(model: &Model) -> bool {
    output(model) != TcavOutput::Logit
}

fn output(model: &Model) -> TcavOutput {
    let config = model.config();
    match (config.problem, config.labels.len()) {
        (Problem::Regression, _) => TcavOutput::Value,
        (Problem::SingleLabel, 2) => TcavOutput::Margin,
        (Problem::SingleLabel | Problem::MultiLabel, _) => TcavOutput::Logit,
    }
}

/// The pooling by which slopes are asked for: a push of all tokens is the same whether they were pooled or not.
fn of_slopes(pooling: Pooling) -> Pooling {
    match pooling {
        Pooling::Cls => Pooling::Cls,
        Pooling::Mean | Pooling::Tokens => Pooling::Mean,
    }
}

impl Tcav {
    /// The states of datasets that it takes: each dataset is gone through once for every pooling.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs: Vec<Need> = Vec::new();
        for pooling in [Pooling::Cls, Pooling::Mean] {
            let request = self.request(true, pooling, |own| of_slopes(own) == pooling);
            let of_random = self.random == self.dataset && self.has(pooling);
            needs.extend(request.map(|request| Need { of_texts: true, of_random, request }));
        }
        for pooling in [Pooling::Cls, Pooling::Mean, Pooling::Tokens] {
            if !needs.iter().any(|need| need.of_random && need.request.pooling == pooling) {
                let request = self.request(false, pooling, |own| own == pooling);
                needs.extend(request.map(|request| Need { of_texts: false, of_random: true, request }));
            }
        }
        needs
    }

    fn has(&self, pooling: Pooling) -> bool {
        self.concepts.iter().any(|concept| concept.known.pooling == pooling)
    }

    /// The states at which some of the concepts are tested; none where there is no such concept.
    fn request(
        &self,
        gradients: bool,
        pooling: Pooling,
        is_meant: impl Fn(Pooling) -> bool,
    ) -> Option<StatesRequest> {
        let meant = self.concepts.iter().filter(|concept| is_meant(concept.known.pooling));
        let mut layers: Vec<usize> = meant.flat_map(|concept| concept.layers.clone()).collect();
        layers.sort_unstable();
        layers.dedup();
        let truncate = self.options.truncate;
        (!layers.is_empty()).then_some(StatesRequest { layers: Some(layers), pooling, gradients, truncate })
    }

    /// Everything that the answer depends on.
    fn inputs(&self) -> String {
        let concepts: Vec<_> = self
            .concepts
            .iter()
            .map(|concept| json!({"concept": concept.name(), "layers": concept.layers}))
            .collect();
        json!({
            "concepts": concepts,
            "dataset": self.dataset.to_string(),
            "random": self.random.to_string(),
            "classes": self.classes,
            "random_sets": self.random_sets,
            "options": self.options,
        })
        .to_string()
    }

    /// Tests them, unless that was done before: `rows` are those of [`Self::needs`], in the same order.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn answer(
        self,
        engine: &Arc<Engine>,
        visit: &Visit,
        rows: Vec<Rows>,
    ) -> Result<crate::engine::Told, Fault> {
        let (model, inputs) = (self.model.clone(), self.inputs());
        let composition = Composition { shape: Shape::Tcav, version: VERSION, model, inputs };
        let asked = engine.clone();
        let make = async move { Ok(self.made(&asked, rows).await?) };
        Ok(engine.composed(visit, &composition, make).await?)
    }

    async fn made(&self, engine: &Arc<Engine>, rows: Vec<Rows>) -> Result<Made, Fault> {
        let gathering = |request: &StatesRequest| Gathering {
            engine: engine.clone(),
            model: self.model.clone(),
            request: request.clone(),
        };
        let mut gathered = Vec::new();
        for (need, rows) in self.needs().into_iter().zip(rows) {
            let found = gathering(&need.request).of_rows(&rows).await?;
            gathered.push(Gathered { need, found: Arc::new(found) });
        }
        let mut benches = Vec::new();
        for (place, concept) in self.concepts.iter().enumerate() {
            let examples = match &concept.taught {
                None => None,
                Some(taught) => {
                    let request = StatesRequest {
                        layers: Some(concept.layers.clone()),
                        pooling: concept.known.pooling,
                        gradients: false,
                        truncate: self.options.truncate,
                    };
                    let texts = [&taught.positives[..], &taught.negatives].concat();
                    Some(gathering(&request).of(&texts, |_| format!("/concepts/{place}")).await?)
                }
            };
            benches.push(self.bench(place, examples, &gathered)?);
        }
        let lab = Arc::new(self.lab(benches, &gathered)?);
        let operations = lab.operations(self.model.config().hidden_size);
        self.check_work(operations)?;
        let (at_work, alpha) = (lab.clone(), self.options.alpha);
        let tests = engine
            .work(operations / OPERATIONS_A_SECOND, move |job| {
                let crew: &dyn crate::explain::Crew = job.as_ref();
                testing::tested(&at_work, alpha, crew)
            })
            .await?;
        let tests =
            tests.map_err(|(place, error)| Fault::of_examples(&format!("/concepts/{place}"), error))?;
        let warnings = self.warnings(&lab, &tests);
        Ok(Made::new(&self.told(&gathered, tests), &warnings)?)
    }

    /// A concept with its random sets and resamples.
    fn bench(&self, place: usize, examples: Option<States>, gathered: &[Gathered]) -> Result<Bench, Fault> {
        let concept = &self.concepts[place];
        let pooling = concept.known.pooling;
        let of = |is_meant: &dyn Fn(&Need) -> bool| {
            let found = gathered.iter().find(|gathered| is_meant(&gathered.need));
            found.map(|gathered| gathered.found.clone()).unwrap_or_default()
        };
        let explained = of(&|need| need.of_texts && need.request.pooling == of_slopes(pooling));
        let random = of(&|need| need.of_random && need.request.pooling == pooling);
        let taught = concept.taught.as_ref();
        let known: Vec<&OwnedText> =
            taught.into_iter().flat_map(|taught| taught.positives.iter().chain(&taught.negatives)).collect();
        let size = taught.map_or(sets::SIZE_WITHOUT_EXAMPLES, |taught| taught.positives.len());
        let sets = sets::drawn(&random.rows, &known, size, self.random_sets, self.options.seed);
        let sets = sets.map_err(|there_are| self.too_few_sets(concept, size, there_are))?;
        let sides = taught.map(|taught| [taught.positives.len(), taught.negatives.len()]);
        let resamples = sides.map(|sides| sets::resamples(sides, self.options.repeats, self.options.seed));
        Ok(Bench {
            name: concept.name(),
            known: concept.known.clone(),
            layers: concept.layers.clone(),
            fitting: taught.map(|taught| taught.fitting),
            positives: sides.map_or(0, |[positives, _]| positives),
            examples,
            explained,
            random,
            size,
            sets,
            resamples: resamples.unwrap_or_default(),
        })
    }

    fn too_few_sets(&self, concept: &TestedConcept, size: usize, there_are: usize) -> Fault {
        let (pointer, wanted) = match self.random_sets {
            Some(wanted) if there_are >= sets::FEWEST => ("/random_sets", wanted),
            _ => ("/random", self.random_sets.unwrap_or(sets::FEWEST)),
        };
        let detail = format!(
            "{wanted} random sets of {size} texts are needed for concept `{}`, and the dataset has {there_are} without \
             its examples and counter-examples",
            concept.known.reference()
        );
        Fault::field(pointer, detail, "name a larger dataset as `random`, or ask for fewer `random_sets`")
    }

    /// Everything that is tested, with the classes that there are texts of.
    fn lab(&self, benches: Vec<Bench>, gathered: &[Gathered]) -> Result<Lab, Fault> {
        let labels = &self.model.config().labels;
        let aims = match (output(&self.model), &self.classes) {
            (TcavOutput::Margin, _) => vec![Aim::Margin],
            (TcavOutput::Value, _) => vec![Aim::Value],
            (TcavOutput::Logit, Some(classes)) => classes.iter().copied().map(Aim::Class).collect(),
            (TcavOutput::Logit, None) => (0..labels.len()).map(Aim::Class).collect(),
        };
        // All of them are of the same rows.
        let Some(explained) = gathered.iter().find(|gathered| gathered.need.of_texts) else {
            return Ok(Lab { benches, aims: Vec::new(), labels: labels.clone(), without_texts: Vec::new() });
        };
        if explained.found.states.count() == 0 {
            let detail = "none of its rows can be looked at: they are too long, or without a word";
            return Err(Fault::field("/dataset", detail, "name another dataset, or set `truncate` to true"));
        }
        let mut with_texts = Vec::new();
        let mut without_texts = Vec::new();
        for aim in aims {
            let texts = testing::texts_of(aim, self.options.texts, &explained.found, labels);
            match (aim, texts.is_empty()) {
                (Aim::Class(class), true) => without_texts.push(class),
                _ => with_texts.push((aim, texts)),
            }
        }
        if with_texts.is_empty() {
            let detail = "no row of the dataset is predicted, or labelled, as one of the classes";
            return Err(Fault::field("/texts", detail, "send \"all\", or name another dataset"));
        }
        Ok(Lab { benches, aims: with_texts, labels: labels.clone(), without_texts })
    }

    /// Refuses what would take too long.
    fn check_work(&self, operations: f64) -> Result<(), Fault> {
        match operations <= MOST_OPERATIONS {
            true => Ok(()),
            false => Err(Fault::field(
                "/concepts",
                format!(
                    "learning so many random concepts takes about {:.0} minutes of a thread",
                    operations / OPERATIONS_A_SECOND / 60.0
                ),
                "name fewer concepts or `layers`, or send fewer `random_sets` or `repeats`",
            )),
        }
    }

    fn told(&self, gathered: &[Gathered], tests: Vec<TcavTest>) -> Told {
        let view = |id: DatasetId, is_meant: &dyn Fn(&Need) -> bool| {
            let found = gathered.iter().find(|gathered| is_meant(&gathered.need));
            TextsView {
                id: id.to_string(),
                rows: found.map_or(0, |gathered| gathered.found.rows.len()),
                failed: found.map_or(0, |gathered| gathered.found.failed),
            }
        };
        Told {
            model: ModelName {
                id: self.model.id().to_owned(),
                fingerprint: self.model.fingerprint().to_owned(),
            },
            dataset: view(self.dataset, &|need| need.of_texts),
            random: view(self.random, &|need| need.of_random),
            output: output(&self.model),
            options: self.options,
            tests,
        }
    }
}
