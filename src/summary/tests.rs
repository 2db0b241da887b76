use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::comparison::{Comparison, Named, compare};
use super::*;
use crate::engine::answer::{LabelScore, PredictionView};
use crate::explain::Output;

/// A set has any name.
const SET: [u8; 32] = [7; 32];

/// Few resamples are enough where it is not looked at how good an interval is.
fn options() -> Options {
    Options { minimum_texts: 1, resamples: 100, ..Options::default() }
}

fn prediction(logits: [f32; 2]) -> PredictionView {
    let index = usize::from(logits[1] > logits[0]);
    let names = ["negative", "positive"];
    let scores = names.map(|label| LabelScore { label: label.into(), score: 0.5 });
    PredictionView {
        label: Some(names[index].into()),
        index: Some(index),
        labels: None,
        value: None,
        logits: logits.to_vec(),
        scores: scores.to_vec(),
    }
}

/// A row with the scores of some words for the second class.
fn observation(row: u64, logits: [f32; 2], scores: &[(&str, f64)]) -> Observation {
    let mut words: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (word, score) in scores {
        words.entry((*word).to_owned()).or_default().push(*score);
    }
    let class = Some(Class { index: 1, label: "positive".into() });
    let pushes = vec![Pushes { class, output: Some(Output::Logit), words }];
    let reading = Reading { prediction: prediction(logits), pushes, heads: Vec::new() };
    Observation { row, group: None, label: None, reading: Some(reading) }
}

fn summary(rows: &[Observation], options: &Options) -> Summary {
    summarise(rows, &SET, options).unwrap()
}

fn compared(a: &[Observation], b: &[Observation], options: &Options) -> Comparison {
    let named = |answers| Named { texts: SET, answers };
    compare::<[Observation], [Observation]>(&named(a), &named(b), options).unwrap().whole
}

/// Some rows of few words, with any scores and logits.
fn rows() -> impl Strategy<Value = Vec<Observation>> {
    let word = prop::sample::select(vec!["film", "good", "bad", "a", "plot"]);
    let scores = prop::collection::vec((word, -3.0f64..3.0), 0..8);
    let row = (scores, -4.0f32..4.0, -4.0f32..4.0);
    prop::collection::vec(row, 1..12).prop_map(|rows| {
        let numbered = rows.into_iter().zip(0..);
        numbered.map(|((scores, first, second), row)| observation(row, [first, second], &scores)).collect()
    })
}

fn words(summary: &Summary) -> &[Word] {
    summary.whole.words.first().map_or(&[], |class| &class.words)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn words_add_up_to_the_scores_of_all_texts(rows in rows()) {
        let summary = summary(&rows, &options());
        let scores: Vec<f64> = rows.iter().flat_map(|row| &row.reading).flat_map(|reading| &reading.pushes)
            .flat_map(|pushes| pushes.words.values().flatten().copied()).collect();
        let told = words(&summary);
        prop_assert_eq!(told.iter().map(|word| word.count).sum::<u64>(), scores.len() as u64);
        let sum: f64 = told.iter().map(|word| word.mean * word.count as f64).sum();
        prop_assert!((sum - scores.iter().sum::<f64>()).abs() < 1e-9);
        prop_assert!(told.windows(2).all(|pair| pair[0].mean.abs() >= pair[1].mean.abs()));
        for word in told {
            prop_assert!(word.texts <= word.count && word.examples.len() as u64 <= word.texts.min(3));
            prop_assert_eq!(word.standard_deviation.is_some(), word.count > 1);
        }
    }

    #[test]
    fn every_interval_holds_its_mean(rows in rows()) {
        for word in words(&summary(&rows, &options())) {
            prop_assert_eq!(word.interval.is_some(), word.texts > 1, "{:?}", word);
            if let Some(interval) = word.interval {
                prop_assert!(interval.low <= word.mean && word.mean <= interval.high, "{:?}", word);
            }
        }
    }

    #[test]
    fn rows_of_least_margin_are_those(rows in rows(), most in 1usize..5) {
        let summary = summary(&rows, &Options { least_sure: most, ..options() });
        let mut margins: Vec<f64> = rows.iter().flat_map(|row| &row.reading)
            .map(|reading| f64::from(reading.prediction.logits[0]) - f64::from(reading.prediction.logits[1]))
            .map(f64::abs).collect();
        margins.sort_by(f64::total_cmp);
        margins.truncate(most);
        let told: Vec<f64> = summary.whole.least_sure.iter().map(|row| row.margin).collect();
        prop_assert_eq!(told, margins);
    }

    #[test]
    fn exchanged_sets_differ_by_the_opposite(a in rows(), b in rows()) {
        let (there, back) = (compared(&a, &b, &options()), compared(&b, &a, &options()));
        prop_assert_eq!((&there.a, &there.b), (&back.b, &back.a));
        prop_assert_eq!(there.words.len(), back.words.len());
        for (one, other) in there.words.iter().zip(&back.words) {
            prop_assert_eq!((one.spearman, one.kendall), (other.spearman, other.kendall));
            for (one, other) in one.changed.iter().zip(&other.changed) {
                prop_assert_eq!((&one.word, one.difference), (&other.word, -other.difference));
                prop_assert_eq!(one.interval.is_some(), other.interval.is_some());
                if let (Some(one), Some(other)) = (one.interval, other.interval) {
                    prop_assert!((one.low + other.high).abs() + (one.high + other.low).abs() < 1e-9);
                }
            }
        }
        let (there, back) = (there.flips.unwrap(), back.flips.unwrap());
        prop_assert_eq!(there.share, back.share);
        let rows = |flips: &comparison::Flips| flips.rows.iter().map(|flip| flip.row).collect::<Vec<_>>();
        prop_assert_eq!(rows(&there), rows(&back));
    }

    #[test]
    fn a_set_is_like_itself(rows in rows()) {
        let comparison = compared(&rows, &rows, &options());
        for class in &comparison.words {
            for correlation in [class.spearman, class.kendall].into_iter().flatten() {
                prop_assert!((correlation - 1.0).abs() < 1e-12, "{}", correlation);
            }
            for word in &class.changed {
                prop_assert_eq!(word.difference, 0.0);
                let none = Interval { low: 0.0, high: 0.0 };
                prop_assert!(word.interval.is_none_or(|interval| interval == none), "{:?}", word);
            }
        }
        prop_assert_eq!(comparison.flips.unwrap().share.unwrap().count, 0);
    }

    #[test]
    fn correlations_go_by_order_alone(pairs in prop::collection::vec((-20i32..20, -20i32..20), 0..40)) {
        let of = |first: fn(f64) -> f64, second: fn(f64) -> f64| {
            let each = pairs.iter().map(|(a, b)| (first(f64::from(*a)), second(f64::from(*b))));
            let pairs: Vec<(f64, f64)> = each.collect();
            (spearman(&pairs), kendall(&pairs))
        };
        let plain = of(|x| x, |x| x);
        prop_assert_eq!(plain, of(|x| x * x * x, |x| (x / 10.0).exp()));
        let fallen = of(|x| -x, |x| x);
        for (one, other) in [(plain.0, fallen.0), (plain.1, fallen.1)] {
            prop_assert_eq!(one.is_some(), other.is_some());
            prop_assert!((one.unwrap_or(0.0) + other.unwrap_or(0.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn pairs_are_counted_as_one_by_one(pairs in prop::collection::vec((-4i32..4, -4i32..4), 0..30)) {
        let pairs: Vec<(f64, f64)> = pairs.into_iter().map(|(a, b)| (f64::from(a), f64::from(b))).collect();
        let (mut concordance, mut apart) = (0.0, [0.0, 0.0]);
        for (place, one) in pairs.iter().enumerate() {
            for other in &pairs[..place] {
                let sign = |difference: f64| if difference == 0.0 { 0.0 } else { difference.signum() };
                let (first, second) = (sign(one.0 - other.0), sign(one.1 - other.1));
                concordance += first * second;
                apart = [apart[0] + first.abs(), apart[1] + second.abs()];
            }
        }
        let scale = (apart[0] * apart[1]).sqrt();
        match kendall(&pairs) {
            None => prop_assert_eq!(scale, 0.0),
            Some(told) => prop_assert!((told - concordance / scale).abs() < 1e-12),
        }
    }

    #[test]
    fn a_share_is_within_its_interval(count in 0u64..1000, more in 0u64..1000) {
        let Some(share) = Share::new(count, count + more) else { return Ok(()) };
        let Interval { low, high } = share.interval;
        prop_assert!(0.0 <= low && low <= share.share && share.share <= high && high <= 1.0, "{:?}", share);
    }
}

#[test]
fn equal_scores_have_no_spread_and_nothing_is_no_number() {
    let rows: Vec<Observation> = (0..5)
        .map(|row| observation(row, [0.1, 0.1], &[("good", 0.1), ("bad", 0.1), ("bad", 0.1)]))
        .collect();
    let summary = summary(&rows, &options());
    for word in words(&summary) {
        assert!(word.standard_deviation.unwrap() < 1e-12 && (word.mean - 0.1).abs() < 1e-12, "{word:?}");
        let Interval { low, high } = word.interval.unwrap();
        assert!(low <= word.mean && word.mean <= high && high - low < 1e-12, "{word:?}");
    }
    let comparison = compared(&rows, &rows, &options());
    assert_eq!((comparison.words[0].spearman, comparison.words[0].kendall), (None, None));
    // What is no number would be null where a number must stand.
    let told = serde_json::to_string(&(&summary.whole, &comparison)).unwrap();
    let without = ["mean_value", "accuracy_drop", "agreement", "heads", "spearman", "kendall"];
    let nulls = without.iter().map(|name| told.matches(&format!("\"{name}\":null")).count()).sum::<usize>();
    assert_eq!(told.matches("null").count(), nulls, "{told}");
}

#[test]
fn what_failed_is_counted_and_nothing_else_of_it() {
    let mut rows = vec![observation(0, [0.0, 2.0], &[("good", 1.0)])];
    rows.push(Observation { row: 1, group: None, label: Some("positive".into()), reading: None });
    let summary = summary(&rows, &options());
    assert_eq!((summary.whole.rows, summary.whole.failed), (2, 1));
    assert_eq!(summary.whole.predictions.labels, [LabelRows { label: Some("positive".into()), rows: 1 }]);
    assert_eq!(summary.whole.predictions.agreement, None);
    assert_eq!(compared(&rows, &rows, &options()).flips.unwrap().share.unwrap().of, 1);
}

#[test]
fn labels_of_a_dataset_are_names_indices_or_unknown() {
    let labels = ["positive", "1", "0", "2", "good"];
    let rows: Vec<Observation> = labels
        .iter()
        .zip(0..)
        .map(|(label, row)| Observation { label: Some((*label).into()), ..observation(row, [0.0, 1.0], &[]) })
        .collect();
    let agreement = summary(&rows, &options()).whole.predictions.agreement.unwrap();
    let accuracy = agreement.accuracy.unwrap();
    assert_eq!((accuracy.count, accuracy.of, agreement.unknown_labels), (2, 3, 2));
}

#[test]
fn groups_are_told_beside_the_whole_and_are_not_too_many() {
    let grouped = |row: u64, group: String| Observation {
        group: Some(group),
        ..observation(row, [0.0, 1.0], &[("good", row as f64)])
    };
    let rows: Vec<Observation> = (0..20).map(|row| grouped(row, format!("\"{}\"", row % 3))).collect();
    let summary = summary(&rows, &options());
    assert_eq!(summary.whole.rows, 20);
    let told: Vec<(&str, u64)> =
        summary.groups.iter().map(|group| (group.value.as_str(), group.summary.rows)).collect();
    assert_eq!(told, [("\"0\"", 7), ("\"1\"", 7), ("\"2\"", 6)]);
    let word = &summary.groups[2].summary.words[0].words[0];
    assert_eq!((word.mean, word.examples[0].row), (9.5, 17));
    // A group is told as a set of its own would be.
    let alone: Vec<Observation> = rows
        .iter()
        .filter(|row| row.row % 3 == 2)
        .cloned()
        .map(|row| Observation { group: None, ..row })
        .collect();
    assert_eq!(summarise(alone.as_slice(), &SET, &options()).unwrap().whole, summary.groups[2].summary);
    // So are two groups of a value.
    let compared_alone = compared(&alone, &alone, &options());
    let named = || Named { texts: SET, answers: rows.as_slice() };
    let groups = compare(&named(), &named(), &options()).unwrap().groups;
    let told: Vec<&str> = groups.iter().map(|group| group.value.as_str()).collect();
    assert_eq!((told.len(), &groups[2].comparison), (3, &compared_alone), "{told:?}");
    let many: Vec<Observation> = (0..=MOST_GROUPS as u64).map(|row| grouped(row, row.to_string())).collect();
    assert_eq!(summarise(many.as_slice(), &SET, &options()), Err(SummaryError::TooManyGroups));
}

#[test]
fn other_texts_are_resampled_by_themselves_and_have_no_flips() {
    let rows: Vec<Observation> =
        (0..30).map(|row| observation(row, [0.0, 1.0], &[("good", row as f64 / 10.0)])).collect();
    let a = Named { texts: [1; 32], answers: rows.as_slice() };
    let b = Named { texts: [2; 32], answers: rows.as_slice() };
    let apart = compare(&a, &b, &options()).unwrap().whole;
    assert_eq!(apart.flips, None);
    let interval = apart.words[0].changed[0].interval.unwrap();
    assert!(interval.low < 0.0 && interval.high > 0.0, "{interval:?}");
}

#[test]
fn correlations_and_intervals_are_those_of_scipy_and_statsmodels() {
    let golden: Value =
        serde_json::from_str(include_str!("../../tests/fixtures/golden/statistics.json")).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(number).collect::<Vec<f64>>();
    for case in golden["correlations"].as_array().unwrap() {
        let pairs: Vec<(f64, f64)> =
            numbers(&case["first"]).into_iter().zip(numbers(&case["second"])).collect();
        for (ours, theirs) in [(spearman(&pairs), &case["spearman"]), (kendall(&pairs), &case["kendall"])] {
            assert!((ours.unwrap() - number(theirs)).abs() < 1e-12, "{ours:?} is not {theirs}: {case}");
        }
    }
    for case in golden["shares"].as_array().unwrap() {
        let share = Share::new(case["count"].as_u64().unwrap(), case["of"].as_u64().unwrap()).unwrap();
        let Interval { low, high } = share.interval;
        let apart = (low - number(&case["low"])).abs() + (high - number(&case["high"])).abs();
        assert!(apart < 1e-12, "{share:?} is not {case}");
    }
}

#[test]
fn nothing_and_one_pair_have_no_correlation_and_no_rows_no_share() {
    for pairs in [vec![], vec![(1.0, 2.0)], vec![(1.0, 2.0), (1.0, 3.0)]] {
        assert_eq!((spearman(&pairs), kendall(&pairs)), (None, None), "{pairs:?}");
    }
    assert_eq!(Share::new(0, 0), None);
    assert_eq!(summary(&[], &options()).whole.rows, 0);
}
