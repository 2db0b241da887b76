//! What is left of a model's task without a concept: what it says of the rows of a dataset, held against what it says as
//! it is.

use serde::Deserialize;

use super::view::{ErasureChange, ErasureFlip, ErasureTask};
use crate::dataset::Row;
use crate::engine::answer::PredictionView;
use crate::explain::chance::Chance;
use crate::summary::{Interval, Share, is_right, labels_said};

/// Resamples behind the interval of a change.
const RESAMPLES: usize = 1000;

/// Rows that are listed of those of which the model says something else.
const MOST_FLIPS: usize = 20;

/// What is read of an answer.
#[derive(Deserialize)]
pub struct Answered {
    /// What the model says.
    pub prediction: PredictionView,
}

/// What a model says of the rows of a dataset, in their order; none of those that it cannot read.
pub type Predictions = Vec<Option<PredictionView>>;

/// How often the model says what the dataset says; none where it never tells.
pub fn accuracy(rows: &[Row], said: &Predictions) -> Option<Share> {
    let known: Vec<bool> = judged(rows, said).flatten().collect();
    Share::new(known.iter().filter(|is_right| **is_right).count() as u64, known.len() as u64)
}

/// Rows whose label the model does not have.
pub fn unknown_labels(rows: &[Row], said: &Predictions) -> u64 {
    let is_regression = said.iter().flatten().any(|prediction| prediction.value.is_some());
    let unknown = judged(rows, said).filter(Option::is_none).count() as u64;
    if is_regression { 0 } else { unknown }
}

/// Of each row that has a label and an answer, whether they say the same; none where the model has no such label.
fn judged<'a>(rows: &'a [Row], said: &'a Predictions) -> impl Iterator<Item = Option<bool>> + 'a {
    let pairs = rows.iter().zip(said);
    pairs.filter_map(|(row, said)| Some(is_right(said.as_ref()?, row.label.as_deref()?)))
}

/// What is left of the task. A row that has no answer without the concept is left out.
pub fn task(rows: &[Row], before: &Predictions, after: &Predictions, seed: u64) -> ErasureTask {
    let both: Vec<(u64, &Row, &PredictionView, &PredictionView)> = (0..)
        .zip(rows)
        .zip(before.iter().zip(after))
        .filter_map(|((number, row), (before, after))| Some((number, row, before.as_ref()?, after.as_ref()?)))
        .collect();
    let mut flips: Vec<ErasureFlip> = both
        .iter()
        .map(|(number, row, before, after)| ErasureFlip {
            row: *number,
            text: row.text.clone(),
            text_pair: row.text_pair.clone(),
            from: labels_said(before),
            to: labels_said(after),
            change: moved(before, after),
        })
        .filter(|flip| flip.from != flip.to)
        .collect();
    let are_labels = both.iter().any(|(_, _, before, _)| before.value.is_none());
    let (all, same) = (both.len() as u64, (both.len() - flips.len()) as u64);
    // The sort is stable: of equals, the earlier row.
    flips.sort_by(|a, b| b.change.total_cmp(&a.change));
    flips.truncate(MOST_FLIPS);
    let moves: Vec<f64> = both.iter().map(|(_, _, before, after)| moved(before, after)).collect();
    ErasureTask {
        accuracy: accuracy(rows, after),
        agreement: Share::new(same, all).filter(|_| are_labels),
        change: change(&moves, seed),
        flips,
    }
}

/// How far the score of the label moves that was likeliest before, the first of equals; or the value.
fn moved(before: &PredictionView, after: &PredictionView) -> f64 {
    if let (Some(before), Some(after)) = (before.value, after.value) {
        return (f64::from(after) - f64::from(before)).abs();
    }
    let likeliest = before
        .scores
        .iter()
        .zip(&after.scores)
        .reduce(|best, other| if other.0.score > best.0.score { other } else { best });
    likeliest.map_or(0.0, |(before, after)| (f64::from(after.score) - f64::from(before.score)).abs())
}

/// The mean with its percentile interval; none of no numbers.
fn change(moves: &[f64], seed: u64) -> Option<ErasureChange> {
    let count = moves.len() as f64;
    let mean = moves.iter().sum::<f64>() / count;
    // Every method's rows are resampled alike, so that what they have in common cancels out of their differences.
    let mut chance = Chance::new("explaind concept erasure bootstrap v1", seed, &[]);
    let mut resampled = || moves.iter().map(|_| moves[chance.below(moves.len())]).sum::<f64>() / count;
    let resampled = (0..RESAMPLES).map(|_| resampled()).collect();
    let interval = (!moves.is_empty()).then(|| Interval::of(mean, resampled))??;
    Some(ErasureChange { mean, interval })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::answer::LabelScore;

    fn rows(count: usize) -> Vec<Row> {
        let row = |row: usize| Row { text: format!("row {row}"), ..Row::default() };
        (0..count).map(row).collect()
    }

    fn scores(of: &[f32]) -> Vec<LabelScore> {
        let labels = ["bad", "good"].into_iter().zip(of);
        labels.map(|(label, score)| LabelScore { label: label.into(), score: *score }).collect()
    }

    /// What a model of two labels says that holds the second one for so likely.
    fn single(good: f32) -> PredictionView {
        let index = usize::from(good > 0.5);
        PredictionView {
            label: Some(["bad", "good"][index].into()),
            index: Some(index),
            labels: None,
            value: None,
            logits: vec![0.0, 0.0],
            scores: scores(&[1.0 - good, good]),
        }
    }

    /// What a multi-label model says.
    fn several(bad: f32, good: f32) -> PredictionView {
        let over = scores(&[bad, good]).into_iter().filter(|scored| scored.score > 0.5);
        let labels = Some(over.map(|scored| scored.label).collect());
        PredictionView { label: None, index: None, labels, scores: scores(&[bad, good]), ..single(good) }
    }

    #[test]
    fn a_model_that_finds_no_label_is_followed_by_its_likeliest_one() {
        let task = task(&rows(1), &vec![Some(several(0.2, 0.4))], &vec![Some(several(0.9, 0.1))], 0);
        let flip = &task.flips[0];
        assert_eq!((flip.from.as_slice(), flip.to.as_slice()), (&[][..], &["bad".to_owned()][..]));
        assert!((flip.change - 0.3).abs() < 1e-6, "{flip:?}");
    }

    #[test]
    fn a_row_without_an_answer_is_left_out_of_everything() {
        let before = vec![Some(single(0.9)), None, Some(single(0.8))];
        let after = vec![Some(single(0.9)), Some(single(0.1)), None];
        let task = task(&rows(3), &before, &after, 0);
        assert_eq!(task.agreement.map(|share| (share.count, share.of)), Some((1, 1)));
        assert_eq!(task.change.map(|change| change.mean), Some(0.0));
        let nothing = super::task(&rows(1), &vec![None], &vec![None], 0);
        assert_eq!((nothing.agreement, nothing.change, nothing.accuracy), (None, None, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn rows_stay_or_are_listed_and_the_mean_lies_in_its_interval(
            moves in prop::collection::vec((0.0f32..1.0, 0.0f32..1.0), 1..60), seed: u64
        ) {
            let said = |of: fn(&(f32, f32)) -> f32| -> Predictions {
                moves.iter().map(|pair| Some(single(of(pair)))).collect()
            };
            let task = task(&rows(moves.len()), &said(|pair| pair.0), &said(|pair| pair.1), seed);
            let stay = task.agreement.unwrap();
            let turned = moves.len() - stay.count as usize;
            prop_assert_eq!(task.flips.len(), turned.min(MOST_FLIPS));
            prop_assert!(task.flips.is_sorted_by(|one, other| one.change >= other.change));
            for flip in &task.flips {
                let (before, after) = moves[flip.row as usize];
                prop_assert!((before > 0.5) != (after > 0.5));
                prop_assert!((flip.change - f64::from((after - before).abs())).abs() < 1e-6);
            }
            let change = task.change.unwrap();
            prop_assert!(change.interval.low <= change.mean && change.mean <= change.interval.high);
        }
    }
}
