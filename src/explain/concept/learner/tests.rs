use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::explain::concept::planted::Plan;
use crate::explain::concept::stability::cosine;
use crate::model::Matrix;

const LEARNERS: [Learner; 3] = [Learner::Logistic, Learner::Ridge, Learner::DifferenceOfMeans];

fn fitting(learner: Learner) -> Fitting {
    Fitting { learner, ..Fitting::default() }
}

fn planned() -> impl Strategy<Value = Examples> {
    let plan = (2usize..6, 1usize..4, 2usize..40, 0.0f64..4.0, any::<u64>());
    plan.prop_map(|(texts, rows, hidden, apart, seed)| Plan { texts, rows, hidden, apart, seed }.examples())
}

/// The same texts in another order.
fn reordered(examples: &Examples, order: &[usize]) -> Examples {
    let mut moved = Examples {
        rows: Matrix { values: Vec::new(), width: examples.rows.width },
        texts: Vec::new(),
        is_concept: order.iter().map(|text| examples.is_concept[*text]).collect(),
    };
    for (new, old) in order.iter().enumerate() {
        for row in (0..examples.texts.len()).filter(|row| examples.texts[*row] == *old) {
            moved.rows.values.extend(examples.rows.row(row));
            moved.texts.push(new);
        }
    }
    moved
}

/// The same rows with another value for each unit, made of the row's own.
fn with_rows(examples: &Examples, width: usize, value: impl Fn(&[f32], usize) -> f32) -> Examples {
    let rows = examples.rows.iter();
    let values = rows.flat_map(|row| (0..width).map(|unit| value(row, unit)).collect::<Vec<_>>()).collect();
    Examples { rows: Matrix { values, width }, ..examples.clone() }
}

fn farthest(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn directions_are_those_of_scikit_learn() {
    let golden: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/golden/concepts-arithmetic.json"))
            .unwrap();
    let mut compared = 0;
    for case in golden["examples"].as_array().unwrap() {
        let rows: Vec<Vec<f32>> = serde_json::from_value(case["rows"].clone()).unwrap();
        let examples = Examples {
            rows: Matrix { width: rows[0].len(), values: rows.concat() },
            texts: serde_json::from_value(case["texts"].clone()).unwrap(),
            is_concept: serde_json::from_value(case["is_concept"].clone()).unwrap(),
        };
        for fit in case["fits"].as_array().unwrap() {
            let fitting = Fitting {
                learner: serde_json::from_value(fit["learner"].clone()).unwrap(),
                regularisation: fit["regularisation"].as_f64().unwrap(),
            };
            let ours = super::fit(&fitting, &examples).unwrap();
            let vector: Vec<f64> = serde_json::from_value(fit["vector"].clone()).unwrap();
            let [length, intercept] = ["length", "intercept"].map(|name| fit[name].as_f64().unwrap());
            assert!(farthest(&ours.vector, &vector) < 1e-8, "{}: {fitting:?}", case["name"]);
            assert!((ours.length / length - 1.0).abs() < 1e-8, "{}: {fitting:?}", case["name"]);
            assert!((ours.intercept - intercept).abs() < 1e-8, "{}: {fitting:?}", case["name"]);
            compared += 1;
        }
    }
    assert_eq!(compared, 42);
}

proptest! {
    #[test]
    fn a_direction_is_a_unit_vector_and_the_sum_of_its_examples(examples in planned()) {
        for learner in LEARNERS {
            let fitted = fit(&fitting(learner), &examples).unwrap();
            prop_assert!((cosine(&fitted.vector, &fitted.vector) - 1.0).abs() < 1e-12);
            prop_assert!((fitted.vector.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12);
            let mut sum = vec![0.0; examples.rows.width];
            for (row, by) in examples.rows.iter().zip(&fitted.dual) {
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += by * f64::from(*value));
            }
            prop_assert!(farthest(&sum, &fitted.vector) < 1e-9);
            prop_assert!(fitted.dual.iter().sum::<f64>().abs() < 1e-9);
        }
    }

    #[test]
    fn a_direction_does_not_depend_on_the_order_of_its_examples(examples in planned()) {
        let texts = examples.is_concept.len();
        let order: Vec<usize> = (0..texts).map(|text| (text + texts / 2) % texts).rev().collect();
        for learner in LEARNERS {
            let [one, other] =
                [&examples, &reordered(&examples, &order)].map(|examples| fit(&fitting(learner), examples).unwrap());
            prop_assert!(farthest(&one.vector, &other.vector) < 1e-9);
            prop_assert!((one.intercept - other.intercept).abs() < 1e-8);
        }
    }

    #[test]
    fn units_that_say_nothing_change_nothing(examples in planned()) {
        // With so many units the arithmetic runs over products of rows, otherwise over rows themselves.
        let own = examples.rows.width;
        let wide = with_rows(&examples, own + 60, |row, unit| row.get(unit).copied().unwrap_or_default());
        for learner in LEARNERS {
            let [narrow, wide] = [&examples, &wide].map(|examples| fit(&fitting(learner), examples).unwrap());
            prop_assert!(farthest(&narrow.vector, &wide.vector[..own]) < 1e-9);
            prop_assert!(wide.vector[own..].iter().all(|entry| *entry == 0.0));
            prop_assert!((narrow.intercept - wide.intercept).abs() < 1e-8);
        }
    }

    #[test]
    fn what_all_states_have_in_common_moves_the_intercept_alone(examples in planned()) {
        // Coarse numbers, which single precision holds before and after.
        let coarse = with_rows(&examples, examples.rows.width, |row, unit| (row[unit] * 64.0).round() / 64.0);
        let moved = with_rows(&coarse, coarse.rows.width, |row, unit| row[unit] + 32.0);
        for learner in LEARNERS {
            let (Ok(one), Ok(other)) = (fit(&fitting(learner), &coarse), fit(&fitting(learner), &moved)) else {
                continue;
            };
            prop_assert!(farthest(&one.vector, &other.vector) < 1e-9);
            let shift: f64 = one.vector.iter().map(|entry| 32.0 * entry).sum();
            prop_assert!((one.intercept - shift - other.intercept).abs() < 1e-7);
        }
    }

    #[test]
    fn the_opposite_concept_lies_the_opposite_way(examples in planned()) {
        let mut opposite = examples.clone();
        opposite.is_concept.iter_mut().for_each(|side| *side = !*side);
        for learner in LEARNERS {
            let [one, other] = [&examples, &opposite].map(|examples| fit(&fitting(learner), examples).unwrap());
            let turned: Vec<f64> = other.vector.iter().map(|entry| -entry).collect();
            prop_assert!(farthest(&one.vector, &turned) < 1e-9);
            prop_assert!((one.intercept + other.intercept).abs() < 1e-8);
        }
    }

    #[test]
    fn a_text_whose_rows_come_twice_weighs_no_more(examples in planned()) {
        let mut twice = examples.clone();
        (twice.texts, twice.rows.values) = (Vec::new(), Vec::new());
        for (row, text) in examples.rows.iter().zip(&examples.texts) {
            for _ in 0..if text % 3 == 0 { 2 } else { 1 } {
                twice.texts.push(*text);
                twice.rows.values.extend(row);
            }
        }
        for learner in LEARNERS {
            let [once, twice] = [&examples, &twice].map(|examples| fit(&fitting(learner), examples).unwrap());
            prop_assert!(farthest(&once.vector, &twice.vector) < 1e-9);
        }
    }
}

#[test]
fn examples_on_either_side_of_a_gap_are_all_told_right() {
    let examples = Plan { texts: 20, rows: 1, hidden: 6, apart: 14.0, seed: 1 }.examples();
    for learner in LEARNERS {
        for regularisation in [1e-6, 1.0, 1e4] {
            let fitted = fit(&Fitting { learner, regularisation }, &examples).unwrap();
            for (row, side) in examples.rows.iter().zip(&examples.is_concept) {
                let along: f64 = row.iter().zip(&fitted.vector).map(|(x, entry)| f64::from(*x) * entry).sum();
                assert_eq!(along + fitted.intercept > 0.0, *side, "{learner:?} {regularisation}");
            }
        }
    }
}

#[test]
fn hard_problems_have_a_direction_too() {
    // Mixed sides, many rows, large states and hardly a penalty: rounding is largest.
    let mixed = Plan { texts: 150, rows: 1, hidden: 12, apart: 0.3, seed: 2 }.examples();
    let large = with_rows(&mixed, 12, |row, unit| 20.0 * row[unit]);
    for examples in [mixed, large] {
        let directions = [1e3, 1e4].map(|regularisation| {
            fit(&Fitting { learner: Learner::Logistic, regularisation }, &examples).unwrap().vector
        });
        assert!(cosine(&directions[0], &directions[1]) > 0.9999);
    }
}

#[test]
fn sides_that_do_not_differ_have_no_direction() {
    let mut same = Plan { texts: 3, rows: 1, hidden: 5, apart: 0.0, seed: 3 }.examples();
    let first = same.rows.values.clone();
    same.rows.values = first.chunks(5).flat_map(|row| [row, row].concat()).collect();
    same.texts = (0..12).collect();
    same.is_concept = (0..12).map(|text| text % 2 == 0).collect();
    let constant = with_rows(&same, 5, |_, unit| 0.1 + unit as f32);
    for examples in [same, constant] {
        for learner in LEARNERS {
            assert_eq!(fit(&fitting(learner), &examples), Err(ConceptError::NoDifference), "{learner:?}");
        }
    }
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    let examples = Plan { texts: 3, rows: 1, hidden: 5, apart: 1.0, seed: 4 }.examples();
    for learner in LEARNERS {
        let mut one_sided = examples.clone();
        one_sided.is_concept = vec![true; 6];
        let error = fit(&fitting(learner), &one_sided).unwrap_err();
        assert_eq!(error.to_string(), "against the concept there are only 0 examples, and 1 are needed");
        for bad in [f32::NAN, f32::INFINITY] {
            let mut broken = examples.clone();
            broken.rows.values[7] = bad;
            assert_eq!(fit(&fitting(learner), &broken), Err(ConceptError::NotFinite));
        }
        for regularisation in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e5] {
            let error = fit(&Fitting { learner, regularisation }, &examples).unwrap_err();
            assert_eq!(error.to_string(), "`regularisation` must be a number from 0.000001 to 10000");
        }
    }
}

#[test]
fn the_largest_states_give_a_direction_or_an_error_but_nothing_that_is_not_finite() {
    let examples = Plan { texts: 3, rows: 1, hidden: 5, apart: 1.0, seed: 5 }.examples();
    let huge = with_rows(&examples, 5, |row, unit| row[unit] * 1e37);
    for learner in LEARNERS {
        if let Ok(fitted) = fit(&fitting(learner), &huge) {
            assert!(fitted.vector.iter().chain(&fitted.dual).all(|entry| entry.is_finite()), "{fitted:?}");
        }
    }
}
