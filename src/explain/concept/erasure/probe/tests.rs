use std::thread;

use super::*;
use crate::explain::concept::planted::Plan;
use crate::explain::concept::validation::{LayerChoice, Validating, validate};
use crate::explain::crew::{self, Alone, Task};
use crate::explain::method::ExplainError;
use crate::model::{Batch, Model};

const METHODS: [Erasure; 3] = [Erasure::Nullspace, Erasure::Inlp, Erasure::Leace];

const PLANTED: Plan = Plan { texts: 40, rows: 1, hidden: 16, apart: 8.0, seed: 0 };

/// Runs every task on a thread of its own, all at once.
struct Threads;

impl Crew for Threads {
    fn members(&self) -> usize {
        4
    }

    fn run(&self, tasks: Vec<Task>) -> Result<(), ExplainError> {
        let threads: Vec<_> = tasks.into_iter().map(|task| thread::spawn(task.work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| ExplainError::Panicked)?)
    }

    fn logits(&self, model: &Arc<Model>, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError> {
        crew::logits_of(model, &batches)
    }
}

fn refit(erasure: Erasure) -> Option<Refit> {
    Some(Refit { erasure, fitting: Fitting::default() })
}

fn probed(examples: &Examples, refit: Option<Refit>) -> Probed {
    probe(Arc::new(examples.clone()), refit, &Probing::default(), &Alone).unwrap()
}

/// Texts that one unit tells apart clearly and eight others each a little.
fn clear_and_vague() -> Examples {
    let mut examples = Plan { texts: 60, apart: 4.0, ..PLANTED }.examples();
    let width = examples.rows.width;
    for (row, text) in examples.rows.values.chunks_exact_mut(width).zip(&examples.texts) {
        let side = if examples.is_concept[*text] { 2.0 } else { -2.0 };
        row[1..9].iter_mut().for_each(|value| *value = side + 4.0 * (*value - 3.0));
    }
    examples
}

#[test]
fn a_planted_concept_is_found_and_not_after_least_squares_erasure() {
    for rows in [1, 3] {
        let examples = Plan { rows, ..PLANTED }.examples();
        let (untouched, after) = (probed(&examples, None), probed(&examples, refit(Erasure::Leace)));
        assert!(untouched.accuracy > 0.95 && untouched.interval.0 > 0.9, "{untouched:?}");
        assert!(untouched.null.p_value == 0.05 && untouched.null.high < 0.8, "{untouched:?}");
        // An eraser that knew the held-out texts would leave them on the wrong side.
        assert!((after.accuracy - 0.5).abs() < 0.25 && after.null.p_value > 0.05, "{after:?}");
        assert_eq!((after.fold_accuracies.len(), after.null.permutations), (5, 19));
        assert!(after.interval.0 <= after.accuracy && after.accuracy <= after.interval.1, "{after:?}");
    }
}

#[test]
fn one_direction_is_not_all_that_tells() {
    let examples = clear_and_vague();
    let after = METHODS.map(|erasure| probed(&examples, refit(erasure)).accuracy);
    assert!(after[0] > 0.65, "{after:?}");
    assert!(after[2] < after[0] - 0.1, "{after:?}");
}

#[test]
fn without_an_eraser_it_is_the_validation_at_one_layer() {
    let examples = Plan { apart: 1.5, rows: 2, ..PLANTED }.examples();
    let validating = Validating { layer: LayerChoice::Fixed(0), permutations: 19, ..Validating::default() };
    let expected = validate(Arc::new(vec![examples.clone()]), &validating, &Alone).unwrap();
    let told = probed(&examples, None);
    assert_eq!((told.accuracy, told.interval), (expected.accuracy, expected.interval));
    assert_eq!((told.fold_accuracies, told.null), (expected.fold_accuracies, expected.null));
}

#[test]
fn how_many_threads_there_are_changes_no_bit_and_the_seed_does() {
    let examples = Arc::new(Plan { texts: 8, apart: 1.5, ..PLANTED }.examples());
    for refit in METHODS.map(refit).into_iter().chain([None]) {
        let asked = Probing::default();
        let alone = probe(examples.clone(), refit, &asked, &Alone).unwrap();
        assert_eq!(probe(examples.clone(), refit, &asked, &Alone).unwrap(), alone);
        assert_eq!(probe(examples.clone(), refit, &asked, &Threads).unwrap(), alone);
    }
    let [one, other] = [0, 1].map(|seed| {
        let asked = Probing { seed, ..Probing::default() };
        probe(examples.clone(), None, &asked, &Alone).unwrap()
    });
    assert_ne!((one.accuracy, one.null), (other.accuracy, other.null));
}

#[test]
fn texts_that_are_all_the_same_are_told_by_half_and_no_error() {
    let mut examples = PLANTED.examples();
    examples.rows.values.fill(0.25);
    for refit in METHODS.map(refit).into_iter().chain([None]) {
        let told = probed(&examples, refit);
        assert_eq!((told.accuracy, told.interval, told.null.p_value), (0.5, (0.5, 0.5), 1.0));
    }
}

#[test]
fn what_cannot_be_probed_is_refused() {
    let examples = Arc::new(Plan { texts: 4, ..PLANTED }.examples());
    let said = |asked: Probing| probe(examples.clone(), None, &asked, &Alone).unwrap_err().to_string();
    let usual = Probing::default();
    assert_eq!(said(usual), "of the concept there are only 4 examples, and 5 are needed");
    assert_eq!(said(Probing { folds: 1, ..usual }), "`folds` must be at least 2");
    assert_eq!(said(Probing { permutations: 0, ..usual }), "`permutations` must be at least 1");
    assert_eq!(said(Probing { resamples: 0, ..usual }), "`resamples` must be at least 1");
    let mut infinite = (*examples).clone();
    infinite.rows.values[3] = f32::INFINITY;
    let asked = Probing { folds: 4, ..usual };
    for refit in METHODS.map(refit).into_iter().chain([None]) {
        let refused = probe(Arc::new(infinite.clone()), refit, &asked, &Alone);
        assert_eq!(refused, Err(ConceptError::NotFinite));
    }
}

#[test]
fn the_estimate_of_the_work_grows_with_what_is_fitted() {
    let of = |refit: Option<Refit>, asked: &Probing| work(60, 60, 384, refit.as_ref(), asked);
    let usual = Probing::default();
    let [nullspace, inlp, leace] = METHODS.map(|erasure| of(refit(erasure), &usual));
    assert!(of(None, &usual) < leace && of(None, &usual) < nullspace && nullspace < inlp);
    assert!(of(None, &Probing { permutations: 99, ..usual }) > of(None, &usual));
    assert!(of(None, &Probing { folds: 10, ..usual }) > of(None, &usual));
    assert!(work(60, 2000, 384, None, &usual) > of(None, &usual));
}
