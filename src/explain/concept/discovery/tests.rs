//! Directions that are known are found again, as well as scikit-learn finds them.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::explain::chance::Chance;
use crate::explain::crew::{Alone, Task, logits_of};
use crate::explain::method::ExplainError;
use crate::model::{Batch, Model};

const BOTH: [Discovery; 2] = [Discovery::Nmf, Discovery::KMeans];

/// Does the last task first.
struct Backwards;

impl Crew for Backwards {
    fn members(&self) -> usize {
        1
    }

    fn run(&self, tasks: Vec<Task>) -> Result<(), ExplainError> {
        tasks.into_iter().rev().try_for_each(|task| (task.work)())
    }

    fn logits(&self, model: &Arc<Model>, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError> {
        logits_of(model, &batches)
    }
}

fn matrix(width: usize, values: Vec<f32>) -> Arc<Matrix> {
    Arc::new(Matrix { values, width })
}

fn noise(rows: usize, width: usize, seed: u64) -> Arc<Matrix> {
    let mut chance = Chance::new("noise", seed, &[]);
    matrix(width, (0..rows * width).map(|_| chance.normal() as f32).collect())
}

fn found(rows: &Arc<Matrix>, seeking: &Seeking) -> Found {
    discover(rows, seeking, &Alone).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn as_little_is_left_of_the_states_as_scikit_learn_leaves() {
    let golden = include_str!("../../../../tests/fixtures/golden/concepts-discovery.json");
    for case in serde_json::from_str::<Vec<Value>>(golden).unwrap() {
        let rows: Vec<Vec<f32>> = serde_json::from_value(case["rows"].clone()).unwrap();
        let rows = matrix(rows[0].len(), rows.concat());
        let method = serde_json::from_value(case["method"].clone()).unwrap();
        let components = case["components"].as_u64().unwrap() as usize;
        // Both end in local optima that hang on chance: so the mean over seeds.
        let losses = (0..6).map(|seed| found(&rows, &Seeking::new(method, components, seed)).loss);
        let ratio = losses.sum::<f64>() / 6.0 / case["loss"].as_f64().unwrap();
        assert!(ratio < 1.01, "{method:?} leaves {ratio} times as much of {}", case["kind"]);
    }
}

#[test]
fn parts_that_states_were_summed_of_are_found_again() {
    let (parts, width) = (4, 24);
    let mut chance = Chance::new("parts", 0, &[]);
    let planted: Vec<Vec<f32>> =
        (0..parts).map(|_| (0..width).map(|_| chance.normal() as f32).collect()).collect();
    let mut values = Vec::new();
    for _ in 0..200 {
        // Most states have one or two of the parts.
        let taken: Vec<f32> = (0..parts).map(|_| (chance.unit() * 5.0 - 3.0).max(0.0) as f32).collect();
        values.extend(
            (0..width).map(|place| (0..parts).map(|part| taken[part] * planted[part][place]).sum::<f32>()),
        );
    }
    let found = found(&matrix(width, values), &Seeking::new(Discovery::Nmf, parts, 0));
    for part in &planted {
        let nearest =
            found.components.iter().map(|component| cosine(&component.vector, part)).fold(-1.0, f64::max);
        assert!(nearest > 0.95, "{nearest}");
    }
}

#[test]
fn groups_that_lie_apart_are_found_whole_the_largest_first() {
    let mut chance = Chance::new("groups", 0, &[]);
    let group = |row: usize| [0, 0, 0, 1, 1, 2][row % 6];
    let values = (0..120).flat_map(|row| {
        let near: Vec<f64> =
            (0..3).map(|place| f64::from(u8::from(place == group(row))) * 20.0 + 5.0).collect();
        near.into_iter().map(|value| (value + chance.normal()) as f32).collect::<Vec<f32>>()
    });
    let found = found(&matrix(3, values.collect()), &Seeking::new(Discovery::KMeans, 3, 0));
    let sizes: Vec<usize> = found.components.iter().map(|component| component.size).collect();
    assert_eq!(sizes, [60, 40, 20]);
    assert!(found.converged && found.explained > 0.95, "{found:?}");
    for (place, component) in found.components.iter().enumerate() {
        for (row, activation) in component.activations.iter().enumerate() {
            assert_eq!(*activation > 5.0, group(row) == place, "row {row}: {activation}");
        }
    }
}

#[test]
fn another_iteration_never_raises_the_loss() {
    let rows = noise(60, 8, 0);
    for method in BOTH {
        let loss = |iterations: usize| {
            found(&rows, &Seeking { iterations, tolerance: 0.0, ..Seeking::new(method, 5, 1) }).loss
        };
        let losses: Vec<f64> = (1..40).map(loss).collect();
        assert!(losses.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-12)), "{method:?}: {losses:?}");
        assert!(losses[38] < losses[0], "{method:?}: {losses:?}");
    }
}

#[test]
fn the_same_rows_give_the_same_bits_whoever_does_the_work() {
    let rows = noise(2100, 6, 0);
    for method in BOTH {
        let seeking = Seeking { iterations: 15, ..Seeking::new(method, 4, 0) };
        assert_eq!(discover(&rows, &seeking, &Backwards), discover(&rows, &seeking, &Alone), "{method:?}");
    }
}

#[test]
fn rows_in_another_order_have_the_same_parts() {
    let rows = noise(80, 10, 3);
    let order = Chance::new("order", 0, &[]).permutation(80);
    let moved = matrix(10, order.iter().flat_map(|row| rows.row(*row).to_vec()).collect());
    let seeking = Seeking { iterations: 10, tolerance: 0.0, ..Seeking::new(Discovery::Nmf, 4, 0) };
    let (before, after) = (found(&rows, &seeking), found(&moved, &seeking));
    for (before, after) in before.components.iter().zip(&after.components) {
        assert!(cosine(&before.vector, &after.vector) > 1.0 - 1e-6);
        for (place, row) in order.iter().enumerate() {
            let (before, after) = (before.activations[*row], after.activations[place]);
            assert!((before - after).abs() < 1e-3, "row {row}: {before}, then {after}");
        }
    }
}

#[test]
fn states_of_four_times_the_size_have_four_times_the_activations() {
    let rows = noise(50, 8, 5);
    let larger = matrix(8, rows.values.iter().map(|value| value * 4.0).collect());
    for method in BOTH {
        let seeking = Seeking::new(method, 3, 0);
        let (once, four) = (found(&rows, &seeking), found(&larger, &seeking));
        for (once, four) in once.components.iter().zip(&four.components) {
            assert!(cosine(&once.vector, &four.vector) > 1.0 - 1e-9, "{method:?}");
            for (once, four) in once.activations.iter().zip(&four.activations) {
                assert!((4.0 * once - four).abs() < 1e-4, "{method:?}: {once}, then {four}");
            }
        }
    }
}

#[test]
fn fewer_kinds_of_states_than_directions_give_fewer_directions() {
    let kinds = [[1.0f32, 0.0, 2.0], [0.0, -3.0, 0.0], [4.0, 4.0, -1.0]];
    let rows = matrix(3, (0..30).flat_map(|row| kinds[row % 3]).collect());
    let groups = found(&rows, &Seeking::new(Discovery::KMeans, 5, 0));
    assert_eq!(groups.components.iter().map(|component| component.size).collect::<Vec<_>>(), [10, 10, 10]);
    assert!(groups.converged && groups.loss < 1e-9, "{groups:?}");
    let parts = found(&rows, &Seeking::new(Discovery::Nmf, 5, 0));
    assert!(parts.explained > 0.99, "{parts:?}");
}

#[test]
fn what_cannot_be_done_is_said() {
    let failed = |rows: Arc<Matrix>, method: Discovery| discover(&rows, &Seeking::new(method, 4, 0), &Alone);
    for method in BOTH {
        let too_few = ConceptError::TooFew { side: "there are only", count: 3, needed: 4 };
        assert_eq!(failed(noise(3, 5, 0), method), Err(too_few));
        let endless = [vec![f32::INFINITY], vec![1.0; 19]].concat();
        assert_eq!(failed(matrix(4, endless), method), Err(ConceptError::NotFinite));
        assert_eq!(failed(matrix(4, vec![0.0; 40]), method), Err(ConceptError::Singular));
    }
    assert_eq!(failed(matrix(4, vec![0.1; 40]), Discovery::KMeans), Err(ConceptError::Singular));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let right = Seeking::new(Discovery::Nmf, 50, 0);
    assert_eq!(right.check(), Ok(()));
    for (wrong, option, range) in [
        (Seeking { components: 1, ..right }, "components", "2 to 50"),
        (Seeking { components: 51, ..right }, "components", "2 to 50"),
        (Seeking { iterations: 0, ..right }, "iterations", "1 to 1000"),
        (Seeking { tolerance: f64::NAN, ..right }, "tolerance", "0 to 0.1"),
    ] {
        let fault = wrong.check().unwrap_err();
        assert_eq!(fault.option.as_deref(), Some(option));
        assert!(fault.detail.ends_with(range), "{fault:?}");
    }
}

#[test]
fn a_method_has_one_name() {
    for method in BOTH {
        assert_eq!(serde_json::to_value(method).unwrap(), method.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_found_is_sound_for_any_states(
        values in prop::collection::vec(prop_oneof![Just(0.0f32), -3.0f32..3.0, -1e-20f32..1e-20, -1e18f32..1e18], 40),
        components in 2usize..6,
        seed in any::<u64>(),
    ) {
        let rows = matrix(4, values);
        for method in BOTH {
            let seeking = Seeking { iterations: 12, ..Seeking::new(method, components, seed) };
            match discover(&rows, &seeking, &Alone) {
                Err(error) => prop_assert_eq!(error, ConceptError::Singular),
                Ok(found) => sound(&rows, &found, method)?,
            }
        }
    }

    #[test]
    fn states_are_about_the_sum_of_their_parts(seed in any::<u64>(), components in 2usize..6) {
        let rows = noise(30, 5, seed);
        let found = found(&rows, &Seeking::new(Discovery::Nmf, components, seed));
        prop_assume!(found.components.len() == components);
        let mut left = 0.0;
        for (index, row) in rows.iter().enumerate() {
            for (place, value) in row.iter().enumerate() {
                let part = |part: &Component| f64::from(part.activations[index]) * f64::from(part.vector[place]);
                left += (f64::from(*value) - found.components.iter().map(part).sum::<f64>()).powi(2);
            }
        }
        // (a − b)² ≤ 2 (a² + b²) for what is left of the two halves.
        prop_assert!(left <= 2.0 * found.loss + 1e-3, "{left} of {}", found.loss);
    }
}

fn sound(rows: &Matrix, found: &Found, method: Discovery) -> Result<(), TestCaseError> {
    prop_assert!((0.0..=1.0).contains(&found.explained) && found.loss.is_finite(), "{found:?}");
    let owned: usize = found.components.iter().map(|component| component.size).sum();
    prop_assert!(owned <= rows.rows(), "{found:?}");
    for component in &found.components {
        let length: f64 = component.vector.iter().map(|value| f64::from(*value).powi(2)).sum();
        prop_assert!((length - 1.0).abs() < 1e-5, "{length}");
        prop_assert_eq!(component.activations.len(), rows.rows());
        let is_allowed =
            |activation: &f32| activation.is_finite() && (method == Discovery::KMeans || *activation >= 0.0);
        prop_assert!(component.activations.iter().all(is_allowed), "{component:?}");
    }
    Ok(())
}
