use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::explain::concept::learner::{Fitting, Learner, fit};
use crate::explain::concept::planted::Plan;

fn golden() -> Vec<(Matrix, Vec<f64>, Value)> {
    let golden: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/golden/concepts-arithmetic.json"))
            .unwrap();
    let case = |case: &Value| {
        let rows: Vec<Vec<f32>> = serde_json::from_value(case["rows"].clone()).unwrap();
        let rows = Matrix { width: rows[0].len(), values: rows.concat() };
        (rows, serde_json::from_value(case["vector"].clone()).unwrap(), case.clone())
    };
    golden["directions"].as_array().unwrap().iter().map(case).collect()
}

#[test]
fn few_rows_are_chosen_as_scikit_learn_chooses_them() {
    for (rows, vector, case) in golden() {
        let chosen: Vec<usize> = serde_json::from_value(case["chosen"].clone()).unwrap();
        let residuals: Vec<f64> = serde_json::from_value(case["residuals"].clone()).unwrap();
        let curve = decompose(&vector, None, &rows, chosen.len()).unwrap().curve;
        assert_eq!(curve.iter().map(|term| term.row).collect::<Vec<_>>(), chosen);
        for (term, residual) in curve.iter().zip(residuals) {
            assert!((term.residual - residual).abs() < 1e-9, "{term:?} leaves {residual}");
            assert!((term.cosine.powi(2) + term.residual.powi(2) - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn a_direction_of_another_origin_gets_the_shortest_coefficients_as_numpy_finds_them() {
    for (rows, vector, case) in golden() {
        let coefficients: Vec<f64> = serde_json::from_value(case["coefficients"].clone()).unwrap();
        let ours = decompose(&vector, None, &rows, 1).unwrap();
        let apart = ours.coefficients.iter().zip(&coefficients).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f64::max) < 1e-8, "{:?} is not {coefficients:?}", ours.coefficients);
        assert!((ours.residual - case["residual"].as_f64().unwrap()).abs() < 1e-9);
    }
}

proptest! {
    #[test]
    fn a_learnt_direction_is_the_sum_of_its_examples_and_the_curve_goes_down(
        texts in 2usize..8,
        hidden in 2usize..30,
        seed: u64,
    ) {
        let examples = Plan { texts, rows: 1, hidden, apart: 2.0, seed }.examples();
        for learner in [Learner::Logistic, Learner::Ridge, Learner::DifferenceOfMeans] {
            let fitted = fit(&Fitting { learner, ..Fitting::default() }, &examples).unwrap();
            let parts = decompose(&fitted.vector, Some(&fitted.dual), &examples.rows, 100).unwrap();
            prop_assert_eq!(&parts.coefficients, &fitted.dual);
            prop_assert!(parts.residual < 1e-9, "{}", parts.residual);
            let shortest = decompose(&fitted.vector, None, &examples.rows, 0).unwrap();
            prop_assert!(shortest.residual < 1e-9, "{}", shortest.residual);
            prop_assert!(parts.curve.len() <= hidden.min(2 * texts));
            prop_assert!(parts.curve.windows(2).all(|terms| terms[1].residual <= terms[0].residual));
            // All rows together span it.
            prop_assert!(parts.curve.last().unwrap().residual < 1e-6);
        }
    }
}

#[test]
fn a_direction_that_no_row_points_to_is_left_whole() {
    let rows = Matrix { values: vec![1.0, 0.0, 0.0, 0.0, 2.0, 0.0], width: 3 };
    let parts = decompose(&[0.0, 0.0, 1.0], None, &rows, 2).unwrap();
    assert_eq!((parts.coefficients, parts.residual, parts.curve), (vec![0.0, 0.0], 1.0, vec![]));
}

#[test]
fn rows_of_zeros_stand_for_nothing() {
    let rows = Matrix { values: vec![0.0; 6], width: 3 };
    let parts = decompose(&[0.0, 0.0, 1.0], None, &rows, 2).unwrap();
    assert_eq!((parts.coefficients, parts.residual, parts.curve), (vec![0.0, 0.0], 1.0, vec![]));
}

#[test]
fn what_cannot_be_taken_apart_is_refused() {
    let rows = Matrix { values: vec![1.0, 2.0, 3.0, 4.0], width: 2 };
    assert_eq!(decompose(&[0.0, 0.0], None, &rows, 1), Err(ConceptError::NoDifference));
    assert_eq!(decompose(&[0.0, f64::NAN], None, &rows, 1), Err(ConceptError::NotFinite));
    let said = |vector: &[f64], dual| decompose(vector, dual, &rows, 1).unwrap_err().to_string();
    assert_eq!(said(&[1.0], None), "`vector` must be as long as the rows");
    assert_eq!(said(&[1.0, 0.0], Some(&[1.0])), "`dual` must have one coefficient for each row");
}

#[test]
fn rows_are_ranked_along_a_direction_and_equals_keep_their_order() {
    let rows = Matrix { values: vec![1.0, 9.0, 3.0, 9.0, 1.0, 0.0, 2.0, 5.0], width: 2 };
    let direction = Direction { vector: vec![1.0, 0.0], intercept: 0.0, centre: vec![2.0, 7.0], spread: 1.0 };
    let (nearest, farthest) = ranked(&rows, &direction, 3);
    let told = |ranked: Vec<Projected>| -> Vec<(usize, f64)> {
        ranked.into_iter().map(|one| (one.row, one.projection)).collect()
    };
    assert_eq!(told(nearest), [(1, 1.0), (3, 0.0), (0, -1.0)]);
    assert_eq!(told(farthest), [(0, -1.0), (2, -1.0), (3, 0.0)]);
}
