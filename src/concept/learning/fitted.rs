//! What is fitted to the examples of a lesson, and how far it is there.

use std::sync::Arc;

use crate::concept::States;
use crate::concept::document::{Ends, NullView, StabilityView, ValidationView};
use crate::engine::answer::{Warning, WarningCode};
use crate::explain::concept::erasure::{self, Eraser, Erasure, INLP_ROUNDS};
use crate::explain::concept::learner;
use crate::explain::concept::stability::{Stability, stability};
use crate::explain::concept::validation::{Validating, Validation, validate};
use crate::explain::concept::{ConceptError, Direction, Examples};
use crate::explain::crew::map;
use crate::explain::{Crew, Passes};
use crate::model::Matrix;

/// Resamples behind the stability of a direction.
const REPEATS: usize = 10;

/// A concept whose accuracy comes about by chance more often than this is not taken to be there.
const LARGEST_P_VALUE: f64 = 0.05;

/// Directions of resamples that agree less than this hang on the very examples.
const LEAST_COSINE: f64 = 0.5;

/// What is fitted to all examples.
pub(super) struct Fitted {
    /// By hidden state; none where the two sides are the same there.
    pub directions: Vec<Option<Direction>>,
    pub erasers: Vec<(Erasure, Eraser)>,
    pub stability: Stability,
}

/// How far a concept is there, and what it is.
pub(super) fn judged(
    states: &States,
    positives: usize,
    negatives: usize,
    validating: &Validating,
    crew: &dyn Crew,
) -> Result<(Validation, Fitted), ConceptError> {
    let texts: Vec<usize> = (0..positives + negatives).collect();
    let is_concept: Vec<bool> = texts.iter().map(|text| *text < positives).collect();
    let chosen = states.some(&texts);
    let layers: Arc<Vec<Examples>> =
        Arc::new((0..states.layers.len()).map(|place| chosen.examples(place, is_concept.clone())).collect());
    let validation = validate(layers.clone(), validating, crew)?;
    // The counter-examples, and whatever else stands for a usual text.
    let usual = Arc::new(states.some(&(positives..states.count()).collect::<Vec<_>>()));
    let directions = directions(&layers, validation.layer, validating, &usual, crew)?;
    let vector = directions[validation.layer].as_ref().map(|direction| direction.vector.clone());
    let mut erasers = vec![(Erasure::Nullspace, erasure::nullspace(&vector.unwrap_or_default()))];
    let (layer, asked) = (validation.layer, *validating);
    let fit = move |piece: Piece| Ok(piece.fitted(&layers[layer], &asked));
    let pieces = vec![Piece::Inlp, Piece::Leace, Piece::Stability];
    let fitted = map(crew, 0, pieces, |_| Passes::NONE, fit).map_err(|_| ConceptError::CalledOff)?;
    let mut stability = None;
    for fit in fitted {
        match fit? {
            Fit::Eraser(method, eraser) => erasers.push((method, eraser)),
            Fit::Stability(told) => stability = Some(told),
        }
    }
    let stability = stability.ok_or(ConceptError::CalledOff)?;
    Ok((validation, Fitted { directions, erasers, stability }))
}

/// The direction at each hidden state; none where another than the concept's own shows no difference.
fn directions(
    layers: &Arc<Vec<Examples>>,
    layer: usize,
    validating: &Validating,
    usual: &Arc<States>,
    crew: &dyn Crew,
) -> Result<Vec<Option<Direction>>, ConceptError> {
    let (layers, usual, fitting) = (layers.clone(), usual.clone(), validating.fitting);
    let places = (0..layers.len()).collect();
    let fit = move |place: usize| {
        let fitted = learner::fit(&fitting, &layers[place]);
        Ok(fitted.map(|fitted| direction(&fitted, &usual, place)))
    };
    let fits = map(crew, 0, places, |_| Passes::NONE, fit).map_err(|_| ConceptError::CalledOff)?;
    let of_place = |(place, fit): (usize, Result<Direction, ConceptError>)| match fit {
        Ok(direction) => Ok(Some(direction)),
        Err(_) if place != layer => Ok(None),
        Err(error) => Err(error),
    };
    fits.into_iter().enumerate().map(of_place).collect()
}

/// What is fitted beside the directions.
#[derive(Clone, Copy)]
enum Piece {
    Inlp,
    Leace,
    Stability,
}

/// What came of it.
enum Fit {
    Eraser(Erasure, Eraser),
    Stability(Stability),
}

impl Piece {
    fn fitted(self, examples: &Examples, asked: &Validating) -> Result<Fit, ConceptError> {
        let refit = |examples: &Examples| learner::fit(&asked.fitting, examples).map(|fitted| fitted.vector);
        Ok(match self {
            Piece::Inlp => Fit::Eraser(Erasure::Inlp, erasure::inlp(examples, INLP_ROUNDS, refit)?),
            Piece::Leace => Fit::Eraser(Erasure::Leace, erasure::leace(examples)?),
            Piece::Stability => Fit::Stability(stability(examples, &asked.fitting, REPEATS, asked.seed)?),
        })
    }
}

/// A fitted direction, measured from usual texts.
fn direction(fitted: &learner::Fitted, usual: &States, place: usize) -> Direction {
    let vector: Vec<f32> = fitted.vector.iter().map(|value| *value as f32).collect();
    let (centre, spread) = measured(&usual.rows[place], &usual.texts, usual.count(), &vector);
    Direction { vector, intercept: fitted.intercept, centre, spread }
}

/// The mean of the rows of some texts, a text counting as one, and the standard deviation of the texts' scores along a
/// vector (1 where they are all the same).
pub(in crate::concept) fn measured(
    rows: &Matrix,
    texts: &[usize],
    count: usize,
    vector: &[f32],
) -> (Vec<f32>, f64) {
    let mut means = vec![vec![0.0f64; rows.width]; count];
    let mut sizes = vec![0usize; count];
    for (row, text) in rows.iter().zip(texts) {
        sizes[*text] += 1;
        means[*text].iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    for (mean, size) in means.iter_mut().zip(&sizes) {
        mean.iter_mut().for_each(|sum| *sum /= (*size).max(1) as f64);
    }
    let mut centre = vec![0.0f64; rows.width];
    for mean in &means {
        centre.iter_mut().zip(mean).for_each(|(sum, value)| *sum += value / count.max(1) as f64);
    }
    let score = |mean: &Vec<f64>| -> f64 {
        mean.iter().zip(&centre).zip(vector).map(|((h, c), v)| (h - c) * f64::from(*v)).sum()
    };
    let scores: Vec<f64> = means.iter().map(score).collect();
    let variance = scores.iter().map(|score| score * score).sum::<f64>() / (count.max(2) - 1) as f64;
    let spread = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    (centre.iter().map(|value| *value as f32).collect(), spread)
}

/// What is told of how far it is there.
pub(super) fn view(validation: &Validation, stability: &Stability) -> ValidationView {
    let (low, high) = validation.interval;
    let null = &validation.null;
    ValidationView {
        accuracy: validation.accuracy,
        interval: Ends { low, high },
        folds: validation.fold_accuracies.clone(),
        layers_chosen: validation.layers_chosen.clone(),
        by_layer: validation.by_layer.clone(),
        null: NullView {
            mean: null.mean,
            high: null.high,
            p_value: null.p_value,
            permutations: null.permutations,
        },
        stability: StabilityView {
            mean_cosine: stability.mean_cosine,
            least_cosine: stability.least_cosine,
            repeats: stability.repeats,
        },
    }
}

/// What to know before relying on it.
pub(super) fn warnings(view: &ValidationView) -> Vec<Warning> {
    let absent = (view.null.p_value > LARGEST_P_VALUE || view.interval.low <= 0.5).then(|| Warning {
        code: WarningCode::ConceptAbsent,
        message: format!(
            "the model's states do not show this concept: its accuracy on texts that it was not learnt from is {:.2} \
             (95 % interval {:.2} to {:.2}), and shuffled labels do as well with p = {:.2}; what is said by it is not to \
             be relied on",
            view.accuracy, view.interval.low, view.interval.high, view.null.p_value
        ),
    });
    let unstable = (view.stability.mean_cosine < LEAST_COSINE).then(|| Warning {
        code: WarningCode::ConceptUnstable,
        message: format!(
            "the direction hangs on the very examples: those of resampled examples have a mean cosine of {:.2} with it; \
             send more examples",
            view.stability.mean_cosine
        ),
    });
    absent.into_iter().chain(unstable).collect()
}
