use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::explain::chance::Chance;

fn golden(key: &str) -> Vec<Value> {
    let all: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/golden/concepts-significance.json"))
            .unwrap();
    all[key].as_array().unwrap().clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

#[test]
fn intervals_and_adjusted_p_values_are_those_of_statsmodels() {
    for case in golden("intervals") {
        let (low, high) = wilson(number(&case["successes"]), number(&case["of"]) as usize);
        let apart = (low - number(&case["low"])).abs() + (high - number(&case["high"])).abs();
        assert!(apart < 1e-12, "{low} to {high} is not {case}");
    }
    for case in golden("holm") {
        for (ours, theirs) in holm(&numbers(&case["p"])).into_iter().zip(numbers(&case["adjusted"])) {
            assert!((ours - theirs).abs() < 1e-12, "{ours} is not {theirs}: {case}");
        }
    }
}

#[test]
fn tests_of_two_means_are_those_of_scipy() {
    for case in golden("welch") {
        let ours = welch(&numbers(&case["a"]), &numbers(&case["b"])).unwrap();
        let near = |ours: f64, theirs: &Value| (ours / number(theirs) - 1.0).abs() < 1e-9;
        assert!(near(ours.t, &case["t"]), "{ours:?} is not {case}");
        assert!(near(ours.degrees_of_freedom, &case["degrees_of_freedom"]), "{ours:?} is not {case}");
        assert!(near(ours.p_value, &case["p_value"]), "{ours:?} is not {case}");
    }
}

#[test]
fn means_are_not_compared_where_nothing_varies_or_a_sample_is_a_single_value() {
    assert_eq!(welch(&[0.1, 0.1, 0.1], &[0.7, 0.7]), None);
    assert_eq!(welch(&[0.1, 0.2, 0.3], &[0.7]), None);
    assert_eq!(welch(&[], &[]), None);
    assert_eq!(welch(&[0.0, f64::NAN], &[0.1, 0.2]), None);
    assert_eq!(welch(&[f64::MAX, f64::MIN], &[0.1, 0.2]), None);
    let same = welch(&[0.25, 0.5], &[0.5, 0.25]).unwrap();
    assert_eq!((same.t, same.p_value), (0.0, 1.0));
}

#[test]
fn a_text_that_a_concept_does_not_move_speaks_for_neither_side() {
    assert_eq!(share(&[1.0, -2.0, 0.5, 1e-300]), 0.75);
    assert_eq!(share(&[1.0, 0.0, -0.0, -1.0]), 0.5);
    assert_eq!(share(&[]), 0.5);
}

#[test]
fn the_share_of_nothing_may_be_anything() {
    assert_eq!(wilson(0.0, 0), (0.0, 1.0));
}

#[test]
fn scores_as_far_from_the_usual_on_either_side_count_against_a_concept() {
    // 0.7 − 0.5 is less than 0.5 − 0.3 in floating point.
    assert_eq!(permutation_p(0.3, &[0.7, 0.4, 0.6]), 0.5);
    assert_eq!(permutation_p(0.7, &[0.3, 0.6, 0.4]), 0.5);
    assert_eq!(permutation_p(1.0, &[0.5; 19]), 0.05);
    assert_eq!(permutation_p(0.9, &[]), 1.0);
}

#[test]
fn what_is_usual_is_where_random_concepts_lie_not_one_half() {
    let usual: Vec<f64> = (0..39).map(|set| 0.8 + f64::from(set) / 400.0).collect();
    assert_eq!(permutation_p(0.2, &usual), 0.025);
    assert!(permutation_p(0.85, &usual) > 0.5);
}

#[test]
fn the_random_concepts_it_takes_grow_with_the_tests_and_not_by_rounding() {
    assert_eq!([1, 2, 3, 7, 10].map(|tests| sets_needed(tests, 0.05)), [19, 39, 59, 139, 199]);
    assert_eq!([1, 2, 3].map(|tests| sets_needed(tests, 0.1)), [9, 19, 29]);
    assert_eq!(sets_needed(1, 0.03), 33);
    assert_eq!(sets_needed(0, 0.05), 0);
}

#[test]
fn a_score_with_enough_random_ones_is_judged_and_one_with_too_few_is_told_how_many_it_takes() {
    let nulls = [vec![0.5; 59], vec![0.5; 58], vec![0.6; 59]];
    let verdicts = verdicts(&[1.0, 1.0, 0.6], &nulls, 0.05);
    let [found, untold, nothing] = verdicts.as_slice() else { panic!("{verdicts:?}") };
    assert_eq!((found.significant, found.sets_needed), (Some(true), None));
    assert!((found.adjusted - 0.05).abs() < 1e-15, "{found:?}");
    assert_eq!((untold.significant, untold.sets_needed), (None, Some(59)));
    assert_eq!((nothing.p_value, nothing.significant), (1.0, Some(false)));
}

proptest! {
    #[test]
    fn adjusting_keeps_the_order_and_never_makes_a_p_value_smaller(
        p in prop::collection::vec(0.0f64..=1.0, 1..20),
    ) {
        let adjusted = holm(&p);
        for (first, own) in p.iter().zip(&adjusted) {
            prop_assert!(first <= own && *own <= 1.0 && *own <= first * p.len() as f64);
            for (second, other) in p.iter().zip(&adjusted) {
                prop_assert!(first > second || own <= other, "{p:?} {adjusted:?}");
            }
        }
    }

    #[test]
    fn as_many_random_concepts_as_it_takes_are_enough_and_one_less_is_not(
        tests in 1usize..20,
        alpha in 0.01f64..0.5,
    ) {
        let seen = vec![1.0; tests];
        let needed = sets_needed(tests, alpha);
        let judged = |sets: usize| verdicts(&seen, &vec![vec![0.5; sets]; tests], alpha)[0].significant;
        prop_assert_eq!(judged(needed), Some(true));
        prop_assert!(needed == 0 || judged(needed - 1).is_none());
    }

    #[test]
    fn no_test_of_means_gives_what_is_not_a_number(
        a in prop::collection::vec(-1e200f64..1e200, 0..6),
        b in prop::collection::vec(-1e-200f64..1e-200, 0..6),
    ) {
        for test in [welch(&a, &b), welch(&b, &a), welch(&a, &a), welch(&b, &b)].into_iter().flatten() {
            prop_assert!(test.t.is_finite() && test.degrees_of_freedom.is_finite(), "{test:?}");
            prop_assert!((0.0..=1.0).contains(&test.p_value), "{test:?}");
        }
    }
}

/// Dimensions of the states, examples of each concept, texts that are scored, and random concepts.
const HIDDEN: usize = 32;
const EXAMPLES: usize = 10;
const TEXTS: usize = 80;
const RANDOM: usize = 19;

/// How strongly the class hangs on the planted direction.
const SLOPE: f64 = 2.0;

/// Whether a concept is called significant for a class f(x) = slope ⟨u, x⟩ + ½ xᵀAx, when its examples lie `shift` along u
/// from where all others are drawn. Directions are differences of means from one set of counter-examples.
fn is_found(shift: f64, seed: u64) -> bool {
    let mut chance = Chance::new("test of concepts", seed, &[]);
    let mut normals = |count: usize| -> Vec<f64> { (0..count).map(|_| chance.normal()).collect() };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let planted = normals(HIDDEN);
    let length = product(&planted, &planted).sqrt();
    let curvature = normals(HIDDEN * HIDDEN);
    let texts = normals(TEXTS * HIDDEN);
    let gradients = texts.chunks(HIDDEN).map(|text| -> Vec<f64> {
        let bent = curvature.chunks(HIDDEN).map(|row| product(row, text) / (HIDDEN as f64).sqrt());
        bent.zip(&planted).map(|(bent, u)| bent + SLOPE * u / length).collect()
    });
    let gradients: Vec<Vec<f64>> = gradients.collect();
    let mut mean = |shift: f64| -> Vec<f64> {
        let examples = normals(EXAMPLES * HIDDEN);
        let sum = |place: usize| examples.iter().skip(place).step_by(HIDDEN).sum::<f64>();
        (0..HIDDEN).map(|place| sum(place) / EXAMPLES as f64 + shift * planted[place] / length).collect()
    };
    let others = mean(0.0);
    let mut score = |shift: f64| {
        let direction: Vec<f64> = mean(shift).iter().zip(&others).map(|(a, b)| a - b).collect();
        share(&gradients.iter().map(|gradient| product(gradient, &direction)).collect::<Vec<_>>())
    };
    let seen = score(shift);
    let null = (0..RANDOM).map(|_| score(0.0)).collect();
    verdicts(&[seen], &[null], 0.05)[0].significant.unwrap()
}

#[test]
fn a_concept_that_is_none_is_called_significant_about_as_often_as_allowed() {
    let found = (0..200).filter(|seed| is_found(0.0, *seed)).count();
    // At 5 % each, more than 21 of 200 come up once in two thousand times.
    assert!((1..=21).contains(&found), "{found}");
}

#[test]
fn a_concept_that_the_class_hangs_on_is_found() {
    let found = (0..200).filter(|seed| is_found(4.0, *seed)).count();
    assert!(found >= 190, "{found}");
}
