//! Sets and scores on states that were made up.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::sets::{drawn, resamples};
use super::testing::{Aim, Bench, Lab, tested, texts_of};
use super::{TcavTest, TestedTexts};
use crate::concept::{RowStates, States};
use crate::dataset::Row;
use crate::engine::OwnedText;
use crate::engine::answer::{ConceptName, PredictionView};
use crate::explain::chance::Chance;
use crate::explain::concept::known::KnownConcept;
use crate::explain::concept::learner::{Fitting, Learner, fit};
use crate::explain::concept::{Direction, Examples, Pooling};
use crate::explain::crew::Alone;
use crate::model::Matrix;

const HIDDEN: usize = 24;
const LAYER: usize = 3;

fn row(text: impl Into<String>) -> Row {
    Row { text: text.into(), ..Row::default() }
}

fn text(text: &str) -> OwnedText {
    OwnedText { text: text.into(), text_pair: None }
}

proptest! {
    #[test]
    fn random_sets_share_no_text_and_hold_no_example(count in 0usize..200, size in 1usize..20, seed in 0u64..5) {
        let rows: Vec<Row> = (0..count).map(|number| row(format!("text {}", number % 150))).collect();
        let known = [text("text 1"), text("text 7"), text("elsewhere")];
        let known: Vec<&OwnedText> = known.iter().collect();
        let different: HashSet<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        let free = different.iter().filter(|text| !known.iter().any(|known| known.text == **text)).count();
        match drawn(&rows, &known, size, None, seed) {
            Err(there_are) => prop_assert!(there_are == free / size && there_are < 2),
            Ok(sets) => {
                prop_assert_eq!(sets.len(), (free / size).min(100));
                prop_assert!(sets.iter().all(|set| set.len() == size));
                let texts: Vec<&str> = sets.iter().flatten().map(|place| rows[*place].text.as_str()).collect();
                let distinct: HashSet<&str> = texts.iter().copied().collect();
                prop_assert_eq!(distinct.len(), texts.len());
                prop_assert!(known.iter().all(|known| !distinct.contains(known.text.as_str())));
                let fewer = drawn(&rows, &known, size, Some(2), seed).unwrap();
                prop_assert_eq!(&fewer[..], &sets[..2]);
                prop_assert_eq!(drawn(&rows, &known, size, Some(free / size + 1), seed), Err(free / size));
            }
        }
    }
}

#[test]
fn resamples_take_as_many_of_each_side_as_there_are() {
    let drawn = resamples([7, 5], 20, 0);
    assert_eq!(drawn.len(), 20);
    for [positives, negatives] in &drawn {
        assert_eq!((positives.len(), negatives.len()), (7, 5));
        assert!(
            positives.iter().all(|text| *text < 7) && negatives.iter().all(|text| (7..12).contains(text))
        );
    }
    assert_ne!(drawn[0], drawn[1]);
}

fn prediction(index: usize) -> PredictionView {
    PredictionView {
        label: Some(format!("label {index}")),
        index: Some(index),
        labels: None,
        value: None,
        logits: Vec::new(),
        scores: Vec::new(),
    }
}

/// Normal numbers with variance 1, apart along the first unit.
fn states(chance: &mut Chance, count: usize, apart: impl Fn(usize) -> f64) -> States {
    let mut values = Vec::new();
    for text in 0..count {
        let shift = |unit: usize| if unit == 0 { apart(text) } else { 0.0 };
        values.extend((0..HIDDEN).map(|unit| (shift(unit) + chance.normal()) as f32));
    }
    States {
        layers: vec![LAYER],
        rows: vec![Matrix { values, width: HIDDEN }],
        texts: (0..count).collect(),
        predictions: vec![prediction(0); count],
        ..States::default()
    }
}

/// A concept whose examples are `apart` from all other texts, in a model whose value rises along the same unit on most
/// texts.
fn lab(seed: u64, apart: f64, learner: Learner) -> Lab {
    let mut chance = Chance::new("test of tcav", seed, &[]);
    let examples = states(&mut chance, 20, |text| if text < 10 { apart } else { 0.0 });
    let random = states(&mut chance, 10 * 39, |_| 0.0);
    let mut explained = states(&mut chance, 101, |_| 0.0);
    let slope = states(&mut chance, 101, |_| 1.0);
    explained.slopes = slope.rows[0].iter().map(<[f32]>::to_vec).collect();
    let rows: Vec<Row> = (0..390).map(|number| row(format!("random {number}"))).collect();
    let fitting = Fitting { learner, ..Fitting::default() };
    let is_concept: Vec<bool> = (0..20).map(|text| text < 10).collect();
    let own: Examples = examples.examples(0, is_concept);
    let vector: Vec<f32> = fit(&fitting, &own).unwrap().vector.iter().map(|entry| *entry as f32).collect();
    let direction = Direction { vector, intercept: 0.0, centre: vec![0.0; HIDDEN], spread: 1.0 };
    let name = ConceptName { name: "planted".into(), version: 1, id: "0".into() };
    let known = KnownConcept {
        name: name.name.clone(),
        version: 1,
        id: name.id.clone(),
        pooling: Pooling::Mean,
        layer: LAYER,
        directions: BTreeMap::from([(LAYER, direction)]),
        erasers: BTreeMap::new(),
    };
    let bench = Bench {
        name,
        known: Arc::new(known),
        layers: vec![LAYER],
        fitting: Some(fitting),
        positives: 10,
        examples: Some(examples),
        explained: Arc::new(RowStates { states: explained, ..RowStates::default() }),
        size: 10,
        sets: drawn(&rows, &[], 10, Some(39), seed).unwrap(),
        resamples: resamples([10, 10], 5, seed),
        random: Arc::new(RowStates { rows, states: random, ..RowStates::default() }),
    };
    let aims = vec![(Aim::Value, (0..101).collect())];
    Lab { benches: vec![bench], aims, labels: Vec::new(), without_texts: Vec::new() }
}

fn test_of(lab: Lab) -> TcavTest {
    tested(&Arc::new(lab), 0.05, &Alone).unwrap().unwrap().remove(0)
}

#[test]
fn a_concept_that_moves_the_output_is_found() {
    for learner in [Learner::Logistic, Learner::Ridge, Learner::DifferenceOfMeans] {
        let found =
            (0..10).filter(|seed| test_of(lab(*seed, 6.0, learner)).significant == Some(true)).count();
        assert!(found >= 8, "{learner:?}: {found} of 10");
    }
}

#[test]
fn examples_that_are_random_texts_are_called_significant_no_more_often_than_alpha_allows() {
    let wrong = (0..200)
        .filter(|seed| test_of(lab(*seed, 0.0, Learner::DifferenceOfMeans)).significant == Some(true))
        .count();
    // 99.9 % of binomial numbers of 200 at 0.05 are at most 20.
    assert!((1..=20).contains(&wrong), "{wrong} of 200");
}

#[test]
fn resampled_examples_of_a_concept_that_is_there_score_alike() {
    let test = test_of(lab(1, 5.0, Learner::DifferenceOfMeans));
    let resampled = test.resampled.unwrap();
    assert_eq!(resampled.scores.len(), 5);
    assert!(resampled.scores.iter().all(|score| (score - test.score).abs() < 0.2), "{resampled:?}");
    assert!((test.null.low..=test.null.high).contains(&test.null.mean));
    assert!(resampled.welch.is_some());
}

#[test]
fn a_random_set_that_does_not_differ_from_the_counter_examples_moves_nothing() {
    let mut lab = lab(0, 5.0, Learner::DifferenceOfMeans);
    let bench = &mut lab.benches[0];
    let counter = bench.examples.as_ref().unwrap().some(&(10..20).collect::<Vec<_>>());
    let random = RowStates { states: counter, ..RowStates::default() };
    bench.random = Arc::new(random);
    bench.sets = vec![(0..10).collect(), (0..10).rev().collect()];
    let test = test_of(lab);
    assert_eq!(test.null.scores, [0.5, 0.5]);
}

#[test]
fn the_texts_of_a_class_are_those_that_are_predicted_or_labelled_so() {
    let labels = ["bad", "good"].map(String::from);
    let mut found = RowStates::default();
    for (label, predicted) in [(Some("good"), 0), (Some("1"), 1), (Some("2"), 1), (None, 0), (Some("bad"), 1)]
    {
        found.rows.push(Row { label: label.map(String::from), ..row("x") });
        found.states.predictions.push(prediction(predicted));
    }
    let of = |class: usize, over: TestedTexts| texts_of(Aim::Class(class), over, &found, &labels);
    assert_eq!(of(1, TestedTexts::Labelled), [0, 1]);
    assert_eq!(of(0, TestedTexts::Labelled), [4]);
    assert_eq!(of(1, TestedTexts::Predicted), [1, 2, 4]);
    assert_eq!(of(0, TestedTexts::All), [0, 1, 2, 3, 4]);
    assert_eq!(texts_of(Aim::Margin, TestedTexts::Predicted, &found, &labels).len(), 5);
    found.states.predictions[0].labels = Some(vec!["bad".into(), "good".into()]);
    assert_eq!(texts_of(Aim::Class(1), TestedTexts::Predicted, &found, &labels), [0, 1, 2, 4]);
}
