//! A concept taken apart: its direction as a sum over its examples, and the texts that lie along it.

mod view;

use std::sync::Arc;

use serde_json::json;

use super::{Concept, Example, Fault, Gathering, RowStates, Rows, States};
use crate::engine::answer::{ConceptName, ModelName, Warning, WarningCode};
use crate::engine::parts::Made;
use crate::engine::{Composition, Engine, OwnedText, StatesRequest, Told, Visit};
use crate::explain::concept::decomposition::{Decomposition, Projected, decompose, ranked};
use crate::explain::concept::learner::{self, Fitting};
use crate::explain::concept::stability::cosine;
use crate::explain::concept::{ConceptError, Direction, Pooling};
use crate::identity::Shape;
use crate::model::Model;

pub use view::{CoefficientView, CoefficientsBy, DecompositionView, ExampleView, NearView, Side, TermView};

/// Raised whenever something else is told of the same.
const VERSION: u32 = 1;

/// From this cosine on, a direction that was learnt again is the one that is kept: the two differ by rounding alone.
const SAME_DIRECTION: f64 = 0.9999;

/// Operations that a thread does in a second, about.
const OPERATIONS_A_SECOND: f64 = 2e9;

/// Floating-point operations that it may take: a few minutes of a thread.
const MOST_OPERATIONS: f64 = 1e12;

/// A concept that is to be taken apart.
pub struct Decomposing {
    /// The model that it is of.
    pub model: Arc<Model>,
    /// The concept, with what it is made of.
    pub concept: Concept,
    /// The hidden state; there has to be a direction.
    pub layer: usize,
    /// The rows among which the nearest and farthest texts are looked for.
    pub rows: Rows,
    /// Entries of the curve, at most.
    pub terms: usize,
    /// Nearest and farthest texts, at most.
    pub most: usize,
    /// Whether long rows may be cut.
    pub truncate: bool,
}

/// What a concept is made of at one hidden state.
struct Parts {
    direction: Direction,
    /// The examples, those of the concept first.
    examples: Vec<ExampleView>,
    /// Learns as the concept was learnt; none for one that was found.
    fitting: Option<Fitting>,
}

/// A direction over the states of its examples.
struct Taken {
    by: CoefficientsBy,
    relearnt: Option<f64>,
    decomposition: Decomposition,
}

/// The states of rows that are needed to find the nearest of them.
pub fn states_of_rows(pooling: Pooling, layer: usize, truncate: bool) -> StatesRequest {
    // The mean of the tokens' scores is the score of their mean.
    let pooling = if pooling == Pooling::Cls { Pooling::Cls } else { Pooling::Mean };
    StatesRequest { layers: Some(vec![layer]), pooling, gradients: false, truncate }
}

/// Whether a concept has a direction at a hidden state.
///
/// # Errors
/// It has none.
pub fn check_layer(concept: &Concept, layer: usize) -> Result<(), Fault> {
    let directions = concept.body.iter().flat_map(|body| &body.directions);
    let layers: Vec<String> = directions.clone().map(|at| at.layer.to_string()).collect();
    match directions.into_iter().any(|at| at.layer == layer) {
        true => Ok(()),
        false => Err(Fault::field(
            "/layer",
            format!("`{}` has no direction at hidden state {layer}", concept.reference()),
            format!(
                "send one of these: {}; or leave it out for {}",
                layers.join(", "),
                concept.summary.layer
            ),
        )),
    }
}

impl Decomposing {
    /// Takes it apart, unless that was done before.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn told(self, engine: &Arc<Engine>, visit: &Visit) -> Result<Told, Fault> {
        let composition = Composition {
            shape: Shape::Decomposition,
            version: VERSION,
            model: self.model.clone(),
            inputs: self.inputs(),
        };
        let asked = engine.clone();
        let make = async move { Ok(self.made(&asked).await?) };
        Ok(engine.composed(visit, &composition, make).await?)
    }

    /// Everything that the answer depends on, in one form.
    fn inputs(&self) -> String {
        json!({
            "concept": self.concept.id.to_string(),
            "version": self.concept.version,
            "layer": self.layer,
            "dataset": self.rows.dataset.to_string(),
            "terms": self.terms,
            "most": self.most,
            "truncate": self.truncate,
        })
        .to_string()
    }

    async fn made(self, engine: &Arc<Engine>) -> Result<Made, Fault> {
        let parts = self.parts()?;
        let pooling = self.concept.summary.pooling;
        let gathering = |request| Gathering { engine: engine.clone(), model: self.model.clone(), request };
        // They were learnt from, so that those which are too long may be cut.
        let layers = Some(vec![self.layer]);
        let of_examples = StatesRequest { layers, pooling, gradients: false, truncate: true };
        let texts: Vec<OwnedText> = parts.examples.iter().map(OwnedText::from).collect();
        let states = gathering(of_examples).of(&texts, |_| String::new()).await?;
        let of_rows = states_of_rows(pooling, self.layer, self.truncate);
        let near = gathering(of_rows).of_rows(&self.rows).await?;
        let operations = operations(&states, self.terms);
        if operations > MOST_OPERATIONS {
            return Err(Fault::field(
                "/terms",
                format!(
                    "taking a concept of so many examples apart takes about {:.0} minutes of a thread",
                    operations / OPERATIONS_A_SECOND / 60.0
                ),
                "ask for fewer `terms`, or learn the concept from fewer examples, pooled by `mean`",
            ));
        }
        let seconds = operations / OPERATIONS_A_SECOND;
        let found = engine.work_alone(seconds, move || Ok(self.found(&parts, &states, &near))).await?;
        let (view, warnings) = found.map_err(Fault::of_arithmetic)?;
        Ok(Made::new(&view, &warnings)?)
    }

    fn parts(&self) -> Result<Parts, Fault> {
        let damaged = || Fault::Damaged(self.concept.name.clone());
        let body = self.concept.body.as_ref().ok_or_else(damaged)?;
        let at = body.directions.iter().find(|at| at.layer == self.layer).ok_or_else(damaged)?;
        let summary = &self.concept.summary;
        let sides = [(Side::Positive, &body.positives), (Side::Negative, &body.negatives)];
        let examples = sides.into_iter().flat_map(|(side, examples)| {
            examples.iter().enumerate().map(move |(index, example)| ExampleView::new(side, index, example))
        });
        Ok(Parts {
            direction: at.direction.clone(),
            examples: examples.collect(),
            fitting: summary
                .learner
                .zip(summary.regularisation)
                .map(|(learner, regularisation)| Fitting { learner, regularisation }),
        })
    }

    fn found(
        &self,
        parts: &Parts,
        states: &States,
        near: &RowStates,
    ) -> Result<(DecompositionView, Vec<Warning>), ConceptError> {
        let taken = match parts.examples.is_empty() {
            true => None,
            false => Some(taken(parts, states, self.terms)?),
        };
        let scored = near.states.rows.first();
        let (nearest, farthest) = scored.map_or_else(Default::default, |rows| {
            let (nearest, farthest) = ranked(rows, &parts.direction, self.most);
            let told = |rows: Vec<Projected>| rows.iter().map(|at| near_view(near, at, parts)).collect();
            (told(nearest), told(farthest))
        });
        let decomposition = taken.as_ref().map(|taken| &taken.decomposition);
        let view = DecompositionView {
            id: String::new(),
            model: ModelName { id: self.model.id().into(), fingerprint: self.model.fingerprint().into() },
            concept: ConceptName {
                name: self.concept.name.clone(),
                version: self.concept.version,
                id: self.concept.id.to_string(),
            },
            layer: self.layer,
            pooling: self.concept.summary.pooling,
            coefficients_by: taken.as_ref().map(|taken| taken.by),
            relearnt_cosine: taken.as_ref().and_then(|taken| taken.relearnt),
            coefficients: decomposition.map_or_else(Vec::new, |of| coefficients(of, parts, states)),
            residual: decomposition.map(|of| of.residual),
            curve: decomposition.map_or_else(Vec::new, |of| curve(of, parts, states, &self.concept)),
            dataset: self.rows.dataset.to_string(),
            rows: near.rows.len() as u64,
            failed: near.failed,
            nearest,
            farthest,
            warnings: Vec::new(),
        };
        Ok((view, taken.and_then(|taken| warning(&taken)).into_iter().collect()))
    }
}

/// The kept direction over the states of its examples: with the coefficients of the learner where they give this very
/// direction again.
fn taken(parts: &Parts, states: &States, terms: usize) -> Result<Taken, ConceptError> {
    let sides = parts.examples.iter().map(|example| example.side == Side::Positive);
    let examples = states.examples(0, sides.collect());
    let vector: Vec<f64> = parts.direction.vector.iter().map(|entry| f64::from(*entry)).collect();
    // Examples that cannot be learnt from, as those of another server may be, give no coefficients.
    let refitted = parts.fitting.and_then(|fitting| learner::fit(&fitting, &examples).ok());
    let relearnt = refitted.as_ref().map(|fitted| cosine(&fitted.vector, &vector));
    let is_same = relearnt.is_some_and(|cosine| cosine > SAME_DIRECTION);
    let dual = refitted.filter(|_| is_same).map(|fitted| fitted.dual);
    Ok(Taken {
        by: if is_same { CoefficientsBy::Learner } else { CoefficientsBy::LeastSquares },
        relearnt,
        decomposition: decompose(&vector, dual.as_deref(), &examples.rows, terms)?,
    })
}

fn coefficients(of: &Decomposition, parts: &Parts, states: &States) -> Vec<CoefficientView> {
    let mut sums = vec![0.0; parts.examples.len()];
    for (text, coefficient) in states.texts.iter().zip(&of.coefficients) {
        sums[*text] += coefficient;
    }
    let examples = parts.examples.iter().cloned().zip(sums);
    examples
        .map(|(example, coefficient)| CoefficientView { example, coefficient: coefficient + 0.0 })
        .collect()
}

fn curve(of: &Decomposition, parts: &Parts, states: &States, concept: &Concept) -> Vec<TermView> {
    let are_tokens = concept.summary.pooling == Pooling::Tokens;
    let view = |(place, term): (usize, &crate::explain::concept::decomposition::Term)| {
        let text = states.texts[term.row];
        let first = states.texts.partition_point(|other| *other < text);
        TermView {
            terms: place + 1,
            example: parts.examples[text].clone(),
            token: are_tokens.then(|| term.row - first),
            residual: term.residual,
            cosine: term.cosine,
        }
    };
    of.curve.iter().enumerate().map(view).collect()
}

fn near_view(near: &RowStates, at: &Projected, parts: &Parts) -> NearView {
    let row = &near.rows[at.row];
    NearView {
        row: near.numbers[at.row],
        text: row.text.clone(),
        text_pair: row.text_pair.clone(),
        label: row.label.clone(),
        score: at.projection,
        standardised: at.projection / parts.direction.spread,
    }
}

fn warning(taken: &Taken) -> Option<Warning> {
    let found = match taken.relearnt {
        Some(cosine) => {
            format!("the direction that its examples give here has a cosine of {cosine:.4} with it")
        }
        None => "its examples give no direction here".into(),
    };
    (taken.by == CoefficientsBy::LeastSquares).then(|| Warning {
        code: WarningCode::ConceptNotRelearnt,
        message: format!(
            "the coefficients are not those that the kept direction was learnt with: {found}; they are the shortest ones \
             whose sum comes nearest to it"
        ),
    })
}

/// Operations of taking a direction apart, roughly: learning it once more, and the pursuit.
fn operations(states: &States, terms: usize) -> f64 {
    let Some(rows) = states.rows.first() else { return 0.0 };
    let [count, width, terms] = [rows.rows(), rows.width, terms].map(|count| count as f64);
    let least = count.min(width);
    10.0 * (2.0 * count * width * least + least.powi(3)) + 4.0 * terms * count * width
}

impl ExampleView {
    fn new(side: Side, index: usize, example: &Example) -> Self {
        ExampleView { side, index, text: example.text.clone(), text_pair: example.text_pair.clone() }
    }
}

impl From<&ExampleView> for OwnedText {
    fn from(example: &ExampleView) -> Self {
        OwnedText { text: example.text.clone(), text_pair: example.text_pair.clone() }
    }
}
