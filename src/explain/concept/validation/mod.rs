//! Whether a concept is there at all: how often a direction tells unseen examples from unseen counter-examples, and
//! how often it would if the labels meant nothing.
//!
//! Cross-validation is nested: where the layer is chosen by how well it does, it is chosen inside each training part,
//! so that no text that judges a direction had a say in it (Varma & Simon 2006). The null distribution is that of the
//! whole procedure under shuffled labels (Ojala & Garriga 2010).

mod folds;
mod procedure;
mod statistics;
mod work;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::learner::{Fitting, Span};
use super::{ConceptError, Examples};
use crate::explain::cost::Passes;
use crate::explain::crew::{self, Crew};
use crate::explain::method::ExplainError;
pub(super) use folds::{OUTER, apart, deal, labels, right};
use procedure::{Held, Procedure};
pub use statistics::quantile;
pub(super) use statistics::{balanced, interval};
pub use work::work;
pub(super) use work::{of_fit, of_span};

/// Which hidden state a direction is learnt at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerChoice {
    /// That at which held-out examples are told apart best. A hidden state that is the same for every text, as the first
    /// token's embedding is, is not chosen: there is nothing to learn.
    #[default]
    Auto,
    /// This one, from 0.
    Fixed(usize),
}

/// How a concept is held against unseen examples and against chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Validating {
    /// How directions are learnt.
    pub fitting: Fitting,
    /// At which hidden state.
    pub layer: LayerChoice,
    /// Parts of the texts that are held out in turn, from 2.
    pub folds: usize,
    /// Parts of each training part that are held out in turn to choose the layer, from 2.
    pub inner_folds: usize,
    /// Shuffles of the labels behind the null distribution, from 1.
    pub permutations: usize,
    /// Resamples behind the interval, from 1.
    pub resamples: usize,
    /// What all chance comes from.
    pub seed: u64,
}

impl Default for Validating {
    fn default() -> Self {
        Validating {
            fitting: Fitting::default(),
            layer: LayerChoice::default(),
            folds: 5,
            inner_folds: 3,
            permutations: 49,
            resamples: 1000,
            seed: 0,
        }
    }
}

/// How well unseen examples are told apart. Every accuracy is balanced, the mean of the shares of examples and of
/// counter-examples that are told right: 0.5 is chance. A text of several rows votes by the mean of their values; one
/// whose value is exactly 0 counts half.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// The layer to learn at: the one asked for, or the first of those that are best in `by_layer`.
    pub layer: usize,
    /// Of all texts, each told by a direction, and at a layer, that it had no part in. 0 to 1.
    pub accuracy: f64,
    /// The 95 % bootstrap interval of `accuracy`, the texts of each side being resampled.
    pub interval: (f64, f64),
    /// The accuracy in each fold.
    pub fold_accuracies: Vec<f64>,
    /// The layer that each fold's training part has chosen.
    pub layers_chosen: Vec<usize>,
    /// The cross-validated accuracy at each layer, over `inner_folds` folds. The best of many is too good by chance: to
    /// choose by, not to report.
    pub by_layer: Vec<f64>,
    /// What comes out when labels mean nothing.
    pub null: Null,
}

/// The accuracy of the whole procedure, choice of the layer included, under shuffled labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Null {
    /// Its mean.
    pub mean: f64,
    /// Its 95th percentile.
    pub high: f64,
    /// The share of shuffles that do as well as the labels, these counted in: (1 + #) ∕ (permutations + 1).
    pub p_value: f64,
    /// How often labels were shuffled.
    pub permutations: usize,
}

impl Null {
    /// What an accuracy is held against: those under shuffled labels, at least one.
    pub(super) fn of(seen: f64, null: &[f64]) -> Self {
        Null {
            mean: null.iter().sum::<f64>() / null.len() as f64,
            high: quantile(null, 0.95),
            p_value: (1 + null.iter().filter(|one| **one >= seen).count()) as f64 / (null.len() + 1) as f64,
            permutations: null.len(),
        }
    }
}

/// Validates a concept. `layers` hold the same texts at each hidden state, from 0.
///
/// Each layer is prepared, and each fold under each shuffle learnt, as a task of the crew. What comes out does not depend
/// on how many run at a time.
///
/// # Errors
/// Settings that cannot be met; too few texts on a side; states that are not finite; numbers so large that no direction
/// comes out; [`ConceptError::CalledOff`]. Where the sides do not differ nothing is told apart, which is an accuracy of 0.5
/// and no error.
pub fn validate(
    layers: Arc<Vec<Examples>>,
    asked: &Validating,
    crew: &dyn Crew,
) -> Result<Validation, ConceptError> {
    check(&layers, asked)?;
    let is_concept = layers[0].is_concept.clone();
    let count = layers.len();
    let choice = choice(&layers);
    let spans = spread(crew, (0..count).collect(), move |layer| Span::new(&layers[layer]))?;
    let procedure = Arc::new(Procedure { spans, is_concept, choice, asked: *asked });

    let parts = (0..count).collect();
    let shared = procedure.clone();
    let by_layer = spread(crew, parts, move |layer| shared.accuracy_at(layer))?;
    let runs =
        (0..=asked.permutations).flat_map(|run| (0..asked.folds).map(move |fold| (run, fold))).collect();
    let shared = procedure.clone();
    let held = spread(crew, runs, move |(run, fold)| shared.held_out(run, fold))?;

    let of_run: Vec<&[Held]> = held.chunks(asked.folds).collect();
    let accuracy = |run: usize| {
        let labels = procedure.labels(run);
        balanced(of_run[run].iter().flat_map(|held| held.right_by_side(&labels)))
    };
    let seen = accuracy(0);
    let null: Vec<f64> = (1..=asked.permutations).map(accuracy).collect();
    let labels = procedure.labels(0);
    let right: Vec<(bool, f64)> = of_run[0].iter().flat_map(|held| held.right_by_side(&labels)).collect();
    Ok(Validation {
        layer: match asked.layer {
            LayerChoice::Auto => procedure.best(|layer| Ok(by_layer[layer]))?,
            LayerChoice::Fixed(layer) => layer,
        },
        accuracy: seen,
        interval: interval(&right, asked.resamples, asked.seed),
        fold_accuracies: of_run[0].iter().map(|held| balanced(held.right_by_side(&labels))).collect(),
        layers_chosen: of_run[0].iter().map(|held| held.layer).collect(),
        by_layer,
        null: Null::of(seen, &null),
    })
}

/// The layers that can be chosen: those whose rows are not all the same, or all if there is no such layer. Labels have no
/// say in it, so that shuffled ones have the same choice.
fn choice(layers: &[Examples]) -> Vec<usize> {
    let varies = |layer: &usize| {
        let rows = &layers[*layer].rows;
        rows.iter().any(|row| row != rows.row(0))
    };
    let all = 0..layers.len();
    let choice: Vec<usize> = all.clone().filter(varies).collect();
    if choice.is_empty() { all.collect() } else { choice }
}

/// Works on every item, as tasks of the crew; the first error in order counts.
pub(super) fn spread<I: Send + 'static, T: Send + 'static>(
    crew: &dyn Crew,
    items: Vec<I>,
    work: impl Fn(I) -> Result<T, ConceptError> + Send + Sync + 'static,
) -> Result<Vec<T>, ConceptError> {
    let outcomes = crew::map(crew, 0, items, |_| Passes::NONE, move |item| Ok(work(item)));
    outcomes.map_err(|_: ExplainError| ConceptError::CalledOff)?.into_iter().collect()
}

/// # Errors
/// What cannot be validated.
fn check(layers: &[Examples], asked: &Validating) -> Result<(), ConceptError> {
    asked.fitting.check()?;
    let at_least =
        |setting: &'static str, value: usize, least: usize, fault: &'static str| match value >= least {
            true => Ok(()),
            false => Err(ConceptError::Setting { setting, fault }),
        };
    at_least("folds", asked.folds, 2, "must be at least 2")?;
    at_least("inner_folds", asked.inner_folds, 2, "must be at least 2")?;
    at_least("permutations", asked.permutations, 1, "must be at least 1")?;
    at_least("resamples", asked.resamples, 1, "must be at least 1")?;
    let first =
        layers.first().ok_or(ConceptError::Setting { setting: "layers", fault: "must not be empty" })?;
    if let LayerChoice::Fixed(layer) = asked.layer
        && layer >= layers.len()
    {
        return Err(ConceptError::Setting { setting: "layer", fault: "must be one of the hidden states" });
    }
    if layers.iter().any(|layer| (&layer.texts, &layer.is_concept) != (&first.texts, &first.is_concept)) {
        return Err(ConceptError::Setting { setting: "layers", fault: "must all hold the same texts" });
    }
    let needed = needed(asked);
    let of_concept = first.is_concept.iter().filter(|is_concept| **is_concept).count();
    let sides = [
        ("of the concept there are only", of_concept),
        ("against the concept there are only", first.is_concept.len() - of_concept),
    ];
    match sides.into_iter().find(|(_, count)| *count < needed) {
        Some((side, count)) => Err(ConceptError::TooFew { side, count, needed }),
        None => Ok(()),
    }
}

/// The least number of texts of each side, so that every fold has one, and so has every inner fold of what is left: the
/// accuracy at each layer is told by inner folds whether the layer is chosen by it or not.
pub fn needed(asked: &Validating) -> usize {
    let least = asked.folds.max(asked.inner_folds);
    match asked.layer {
        LayerChoice::Fixed(_) => least,
        LayerChoice::Auto => {
            let suffices = |count: &usize| count - count.div_ceil(asked.folds) >= asked.inner_folds;
            // Two folds leave half, more folds more: twice as many always do.
            (least..2 * (least + 1)).find(suffices).unwrap_or(2 * (least + 1))
        }
    }
}
