use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::explain::chance::Chance;

/// A row a text.
fn texts(rows: &[Vec<f32>], is_concept: &[bool]) -> Examples {
    let rows = Matrix { width: rows[0].len(), values: rows.concat() };
    Examples { texts: (0..rows.rows()).collect(), rows, is_concept: is_concept.to_vec() }
}

/// The mean of the concept's rows less that of the others, a text counting as one.
fn difference(examples: &Examples) -> Vec<f64> {
    let mean = |side: bool| -> Vec<f64> {
        let of_side = examples.is_concept.iter().filter(|is_concept| **is_concept == side).count() as f64;
        let mut sums = vec![0.0; examples.rows.width];
        for (row, text) in examples.rows.iter().zip(&examples.texts) {
            let rows = examples.texts.iter().filter(|other| *other == text).count() as f64;
            if examples.is_concept[*text] == side {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x) / rows / of_side);
            }
        }
        sums
    };
    mean(true).iter().zip(mean(false)).map(|(a, b)| a - b).collect()
}

fn erased(eraser: &Eraser, examples: &Examples) -> Examples {
    let mut examples = examples.clone();
    eraser.apply(&mut examples.rows);
    examples
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn axis(place: usize, width: usize) -> Vec<f64> {
    (0..width).map(|other| f64::from(u8::from(other == place))).collect()
}

/// A learner that knows the axes alone, and finds the one on which the means are furthest apart.
fn widest_axis(examples: &Examples) -> Result<Vec<f64>, ConceptError> {
    let apart = difference(examples);
    let widest = (0..apart.len()).max_by(|a, b| apart[*a].abs().total_cmp(&apart[*b].abs())).unwrap();
    Ok(axis(widest, apart.len()))
}

/// Texts in six dimensions, of which those of the concept are moved along three.
fn moved_along_three_axes() -> Examples {
    let mut chance = Chance::new("test of erasure", 0, &[]);
    let mut rows: Vec<Vec<f32>> = (0..12).map(|_| (0..6).map(|_| chance.normal() as f32).collect()).collect();
    rows.extend_from_within(..);
    for row in &mut rows[..12] {
        (row[0], row[2], row[5]) = (row[0] + 1.0, row[2] - 3.0, row[5] + 0.5);
    }
    texts(&rows, &[[true; 12], [false; 12]].concat())
}

#[test]
fn least_squares_erasers_are_those_of_the_authors() {
    let golden: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/golden/concepts-significance.json"))
            .unwrap();
    for case in golden["leace"].as_array().unwrap() {
        let rows: Vec<Vec<f32>> = serde_json::from_value(case["rows"].clone()).unwrap();
        let is_concept: Vec<bool> = serde_json::from_value(case["is_concept"].clone()).unwrap();
        let projection: Vec<Vec<f32>> = serde_json::from_value(case["projection"].clone()).unwrap();
        let centre: Vec<f32> = serde_json::from_value(case["centre"].clone()).unwrap();
        let eraser = leace(&texts(&rows, &is_concept)).unwrap();
        assert_eq!(eraser.rank(), 1);
        assert!(apart(&eraser.centre, &centre) < 1e-5);
        for (place, theirs) in projection.iter().enumerate() {
            let unit = axis(place, centre.len());
            let taken = eraser.read[0].iter().map(|read| eraser.write[0][place] * read);
            let ours: Vec<f32> = unit.iter().zip(taken).map(|(one, taken)| *one as f32 - taken).collect();
            assert!(apart(&ours, theirs) < 1e-5, "row {place}: {ours:?} is not {theirs:?}");
        }
    }
}

/// Texts of one to three rows, on both sides, with fewer or more texts than dimensions.
fn examples() -> impl Strategy<Value = Examples> {
    (1usize..16).prop_flat_map(|width| {
        let row = prop::collection::vec(-5.0f32..5.0, width);
        let text = (prop::collection::vec(row, 1..4), any::<bool>());
        prop::collection::vec(text, 4..24).prop_map(move |drawn| {
            let of_text = |(index, (rows, _)): (usize, &(Vec<Vec<f32>>, bool))| vec![index; rows.len()];
            let mut is_concept: Vec<bool> = drawn.iter().map(|(_, is_concept)| *is_concept).collect();
            (is_concept[0], is_concept[1]) = (true, false);
            Examples {
                texts: drawn.iter().enumerate().flat_map(of_text).collect(),
                rows: Matrix { width, values: drawn.iter().flat_map(|(rows, _)| rows.concat()).collect() },
                is_concept,
            }
        })
    })
}

proptest! {
    #[test]
    fn after_least_squares_erasure_the_means_are_the_same(examples in examples()) {
        let eraser = leace(&examples);
        prop_assume!(eraser != Err(ConceptError::NoDifference));
        let left = difference(&erased(&eraser.unwrap(), &examples));
        prop_assert!(left.iter().all(|left| left.abs() < 1e-5), "{left:?}");
    }

    #[test]
    fn erasing_twice_is_erasing_once(examples in examples()) {
        let eraser = leace(&examples);
        prop_assume!(eraser != Err(ConceptError::NoDifference));
        let eraser = eraser.unwrap();
        let vector = eraser.read[0].clone();
        for eraser in [eraser, nullspace(&vector), inlp(&examples, 3, widest_axis).unwrap()] {
            let once = erased(&eraser, &examples);
            let twice = erased(&eraser, &once);
            prop_assert!(apart(&once.rows.values, &twice.rows.values) < 1e-4);
        }
    }

    #[test]
    fn states_without_the_concept_stay_as_they_are(examples in examples()) {
        let eraser = leace(&examples);
        prop_assume!(eraser != Err(ConceptError::NoDifference));
        let eraser = eraser.unwrap();
        let mut without = examples.clone();
        // Nothing is read from what is moved back along the reading vector, a unit vector, to the centre's height.
        Eraser { write: eraser.read.clone(), ..eraser.clone() }.apply(&mut without.rows);
        prop_assert!(apart(&erased(&eraser, &without).rows.values, &without.rows.values) < 1e-4);
    }

    #[test]
    fn a_text_told_over_again_within_itself_counts_as_one(examples in examples()) {
        let once = leace(&examples);
        prop_assume!(once != Err(ConceptError::NoDifference));
        let mut again = examples.clone();
        let of_first = examples.texts.iter().filter(|text| **text == 0).count();
        let rows = &examples.rows.values[..of_first * examples.rows.width];
        again.rows.values.splice(0..0, rows.iter().copied());
        again.texts.splice(0..0, vec![0; of_first]);
        let (once, again) = (once.unwrap(), leace(&again).unwrap());
        prop_assert!(apart(&once.read[0], &again.read[0]) < 1e-4, "{once:?} {again:?}");
        prop_assert!(apart(&once.write[0], &again.write[0]) < 1e-4, "{once:?} {again:?}");
    }
}

#[test]
fn nullspace_projection_takes_out_one_direction_and_nothing_else() {
    let mut rows = Matrix { width: 3, values: vec![3.0, 4.0, 5.0, -4.0, 3.0, 1.0] };
    let eraser = nullspace(&[0.6, 0.8, 0.0]);
    eraser.apply(&mut rows);
    assert_eq!(eraser.rank(), 1);
    assert!(apart(&rows.values, &[0.0, 0.0, 5.0, -4.0, 3.0, 1.0]) < 1e-6, "{rows:?}");
}

#[test]
fn iterative_projection_goes_on_until_the_learner_finds_nothing() {
    let examples = moved_along_three_axes();
    let eraser = inlp(&examples, 10, widest_axis).unwrap();
    assert_eq!(eraser.rank(), 3);
    let left = erased(&eraser, &examples);
    for (row, before) in left.rows.iter().zip(examples.rows.iter()) {
        assert_eq!(row, [0.0, before[1], 0.0, before[3], before[4], 0.0]);
    }
    assert_eq!(inlp(&examples, 2, widest_axis).unwrap().rank(), 2);
    // Where the means are the same they are so in all directions: a learner of means is done at once.
    let of_means = |examples: &Examples| {
        let apart = difference(examples);
        let length = apart.iter().map(|x| x * x).sum::<f64>().sqrt();
        Ok(apart.iter().map(|x| x / length).collect())
    };
    assert_eq!(inlp(&examples, 10, of_means).unwrap().rank(), 1);
}

#[test]
fn iterative_projection_by_no_rounds_leaves_everything() {
    let examples = moved_along_three_axes();
    let eraser = inlp(&examples, 0, widest_axis).unwrap();
    assert_eq!((eraser.rank(), erased(&eraser, &examples)), (0, examples));
}

#[test]
fn directions_that_are_no_right_angles_apart_are_taken_out_together_and_none_twice() {
    let examples = moved_along_three_axes();
    let mut known = vec![axis(1, 6), vec![0.0, 0.6, 0.0, 0.8, 0.0, 0.0], vec![0.0, 0.8, 0.0, 0.6, 0.0, 0.0]];
    known.reverse();
    let eraser = inlp(&examples, 10, |_| Ok(known.pop().unwrap())).unwrap();
    assert_eq!(eraser.rank(), 2);
    assert!(erased(&eraser, &examples).rows.iter().all(|row| row[1].abs() < 1e-6 && row[3].abs() < 1e-6));
}

#[test]
fn what_a_learner_refuses_is_not_taken_for_an_end() {
    let mut answers = vec![Err(ConceptError::CalledOff), Ok(axis(0, 6))];
    let refused = inlp(&moved_along_three_axes(), 10, |_| answers.pop().unwrap());
    assert_eq!(refused, Err(ConceptError::CalledOff));
}

#[test]
fn there_is_nothing_to_erase_where_examples_do_not_differ() {
    let same =
        texts(&[vec![1.0, 2.0], vec![1.0, 2.0], vec![0.0, 5.0], vec![0.0, 5.0]], &[true, false, true, false]);
    assert_eq!(leace(&same), Err(ConceptError::NoDifference));
    assert_eq!(inlp(&same, 3, widest_axis), Err(ConceptError::NoDifference));
    let one_side = texts(&[vec![1.0], vec![2.0]], &[true, true]);
    assert!(matches!(leace(&one_side), Err(ConceptError::TooFew { .. })));
    for infinite in [f32::NAN, f32::INFINITY] {
        let states = texts(&[vec![1.0, infinite], vec![2.0, 1.0]], &[true, false]);
        assert_eq!(leace(&states), Err(ConceptError::NotFinite));
    }
}

#[test]
fn a_way_to_erase_is_called_the_same_everywhere() {
    for erasure in [Erasure::Nullspace, Erasure::Inlp, Erasure::Leace] {
        assert_eq!(serde_json::to_value(erasure).unwrap(), erasure.name());
    }
}
