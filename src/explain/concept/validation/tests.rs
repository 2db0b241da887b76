use std::thread;

use super::*;
use crate::explain::concept::learner::Learner;
use crate::explain::concept::planted::Plan;
use crate::explain::crew::{Alone, Task};
use crate::model::{Batch, Model};

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

/// Runs nothing: whoever asked has gone.
struct Gone;

impl Crew for Gone {
    fn members(&self) -> usize {
        1
    }

    fn run(&self, _tasks: Vec<Task>) -> Result<(), ExplainError> {
        Err(ExplainError::Cancelled)
    }

    fn logits(&self, _model: &Arc<Model>, _batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError> {
        Err(ExplainError::Cancelled)
    }
}

const NOISE: Plan = Plan { texts: 12, rows: 1, hidden: 32, apart: 0.0, seed: 0 };

/// Noise at every layer but one.
fn planted_at(layer: usize, layers: usize, plan: Plan) -> Arc<Vec<Examples>> {
    let at = |place: usize| {
        let apart = if place == layer { plan.apart } else { 0.0 };
        Plan { apart, seed: plan.seed * 100 + place as u64, ..plan }.examples()
    };
    Arc::new((0..layers).map(at).collect())
}

fn asked(learner: Learner) -> Validating {
    Validating {
        fitting: Fitting { learner, ..Fitting::default() },
        permutations: 19,
        ..Validating::default()
    }
}

#[test]
fn a_planted_concept_is_found_at_its_layer() {
    for learner in [Learner::Logistic, Learner::Ridge, Learner::DifferenceOfMeans] {
        for rows in [1, 3] {
            let layers = planted_at(2, 4, Plan { apart: 8.0, rows, ..NOISE });
            let found = validate(layers, &asked(learner), &Alone).unwrap();
            assert_eq!((found.layer, &found.layers_chosen), (2, &vec![2; 5]), "{found:?}");
            assert!(found.accuracy > 0.9 && found.by_layer[2] > 0.9, "{found:?}");
            assert!(found.null.high < found.accuracy && found.null.p_value == 0.05, "{found:?}");
            assert!(found.interval.0 <= found.accuracy && found.accuracy <= found.interval.1, "{found:?}");
            assert_eq!(
                (found.fold_accuracies.len(), found.by_layer.len(), found.null.permutations),
                (5, 4, 19)
            );
        }
    }
}

#[test]
fn at_another_layer_a_planted_concept_is_not_found() {
    let layers = planted_at(2, 4, Plan { apart: 8.0, ..NOISE });
    let fixed = Validating { layer: LayerChoice::Fixed(1), ..asked(Learner::Logistic) };
    let found = validate(layers, &fixed, &Alone).unwrap();
    assert_eq!((found.layer, &found.layers_chosen), (1, &vec![1; 5]));
    assert!(found.accuracy < 0.85 && found.by_layer[2] > 0.9, "{found:?}");
}

#[test]
fn labels_that_mean_nothing_are_told_by_chance_however_many_layers_are_tried() {
    let runs = 60;
    let found: Vec<Validation> = (0..runs)
        .map(|seed| {
            let layers = planted_at(0, 4, Plan { seed, ..NOISE });
            let asked = Validating { seed, resamples: 10, ..asked(Learner::DifferenceOfMeans) };
            validate(layers, &asked, &Alone).unwrap()
        })
        .collect();
    let mean = |of: &dyn Fn(&Validation) -> f64| found.iter().map(of).sum::<f64>() / runs as f64;
    let accuracy = mean(&|one| one.accuracy);
    assert!((accuracy - 0.5).abs() < 0.08, "{accuracy}");
    // The best layer's own figure is too good: that is why it is not the accuracy.
    let optimistic = mean(&|one| one.by_layer[one.layer]);
    assert!(optimistic > accuracy + 0.05, "{optimistic} {accuracy}");
    // Four standard errors about a uniform distribution, and some more on the high side for ties.
    let p_value = mean(&|one| one.null.p_value);
    assert!((0.38..0.72).contains(&p_value), "{p_value}");
    let small = mean(&|one| f64::from(u8::from(one.null.p_value <= 0.2)));
    assert!(small > 0.0 && small < 0.41, "{small}");
}

#[test]
fn how_many_threads_there_are_changes_no_bit_and_the_seed_does() {
    let layers = planted_at(1, 3, Plan { texts: 6, apart: 1.5, ..NOISE });
    let asked = asked(Learner::Logistic);
    let alone = validate(layers.clone(), &asked, &Alone).unwrap();
    assert_eq!(validate(layers.clone(), &asked, &Threads).unwrap(), alone);
    let other = validate(layers, &Validating { seed: 1, ..asked }, &Alone).unwrap();
    assert_ne!((other.accuracy, other.null), (alone.accuracy, alone.null));
}

#[test]
fn layers_at_which_all_texts_are_the_same_are_chance_and_no_error() {
    let constant = |mut examples: Examples| {
        examples.rows.values.fill(0.25);
        examples
    };
    let layers: Vec<Examples> = planted_at(1, 2, Plan { apart: 8.0, ..NOISE }).to_vec();
    let first = constant(layers[0].clone());
    let found = validate(Arc::new(vec![first.clone(), layers[1].clone()]), &asked(Learner::Logistic), &Alone);
    let found = found.unwrap();
    assert_eq!((found.layer, found.by_layer[0]), (1, 0.5));
    let nothing = validate(Arc::new(vec![first]), &asked(Learner::Ridge), &Alone).unwrap();
    assert_eq!((nothing.accuracy, nothing.interval, nothing.null.p_value), (0.5, (0.5, 0.5), 1.0));
}

#[test]
fn a_layer_at_which_all_texts_are_the_same_is_never_chosen() {
    let mut worse_than_chance = 0;
    for seed in 0..10 {
        let mut layers: Vec<Examples> = planted_at(0, 2, Plan { seed, ..NOISE }).to_vec();
        layers[0].rows.values.fill(0.25);
        let asked = asked(Learner::DifferenceOfMeans);
        let found = validate(Arc::new(layers), &asked, &Alone).unwrap();
        assert_eq!((found.layer, found.layers_chosen), (1, vec![1; 5]));
        worse_than_chance += usize::from(found.by_layer[1] < 0.5);
    }
    assert!(worse_than_chance > 0, "chance never had a say in it");
}

#[test]
fn work_that_is_called_off_ends() {
    let layers = planted_at(0, 1, NOISE);
    assert_eq!(validate(layers, &asked(Learner::Ridge), &Gone), Err(ConceptError::CalledOff));
}

#[test]
fn what_cannot_be_validated_is_refused() {
    let layers = planted_at(0, 2, Plan { texts: 4, ..NOISE });
    let said = |asked: Validating| validate(layers.clone(), &asked, &Alone).unwrap_err().to_string();
    let usual = asked(Learner::Ridge);
    assert_eq!(said(usual), "of the concept there are only 4 examples, and 5 are needed");
    // Two folds hold half of the texts out, and three inner folds need three of the rest.
    let two_folds = Validating { folds: 2, ..usual };
    assert_eq!(said(two_folds), "of the concept there are only 4 examples, and 6 are needed");
    assert!(validate(layers.clone(), &Validating { folds: 4, ..usual }, &Alone).is_ok());
    assert_eq!(said(Validating { folds: 1, ..usual }), "`folds` must be at least 2");
    assert_eq!(said(Validating { inner_folds: 1, ..usual }), "`inner_folds` must be at least 2");
    assert_eq!(said(Validating { permutations: 0, ..usual }), "`permutations` must be at least 1");
    assert_eq!(said(Validating { resamples: 0, ..usual }), "`resamples` must be at least 1");
    let fixed = Validating { layer: LayerChoice::Fixed(2), ..usual };
    assert_eq!(said(fixed), "`layer` must be one of the hidden states");
    let fitting = Fitting { regularisation: 0.0, ..usual.fitting };
    assert_eq!(
        said(Validating { fitting, ..usual }),
        "`regularisation` must be a number from 0.000001 to 10000"
    );
}

#[test]
fn the_estimate_of_the_work_grows_with_what_is_asked() {
    let of = |texts, rows, hidden, layers, asked: &Validating| work(texts, rows, hidden, layers, asked);
    let usual = asked(Learner::Logistic);
    let least = of(80, 80, 384, 7, &usual);
    for more in [
        of(160, 160, 384, 7, &usual),
        of(80, 800, 384, 7, &usual),
        of(80, 80, 768, 7, &usual),
        of(80, 80, 384, 13, &usual),
        of(80, 80, 384, 7, &Validating { permutations: 99, ..usual }),
        of(80, 80, 384, 7, &Validating { folds: 10, ..usual }),
    ] {
        assert!(more > least);
    }
    assert!(of(80, 80, 384, 7, &asked(Learner::Ridge)) < least);
    assert!(
        of(80, 80, 384, 7, &asked(Learner::DifferenceOfMeans)) < of(80, 80, 384, 7, &asked(Learner::Ridge))
    );
    assert!(of(80, 80, 384, 7, &Validating { layer: LayerChoice::Fixed(3), ..usual }) < least);
}

#[test]
fn quantiles_lie_between_the_numbers_in_a_straight_line() {
    let numbers = [4.0, 1.0, 3.0, 2.0];
    assert_eq!(
        [0.0, 0.5, 0.95, 1.0].map(|share| quantile(&numbers, share)),
        [1.0, 2.5, 3.8499999999999996, 4.0]
    );
    assert_eq!(quantile(&[7.0], 0.025), 7.0);
}
