use proptest::prelude::*;

use super::judged::FIGURES;
use super::*;
use crate::engine::answer::{LabelScore, PredictionView};

/// A set has any name.
const SET: [u8; 32] = [7; 32];

/// Few resamples are enough where it is not looked at how good an interval is.
const DRAWS: Draws = Draws { resamples: 100, seed: 3 };

fn prediction(label: &str) -> PredictionView {
    let names = ["negative", "positive"];
    PredictionView {
        label: Some(label.into()),
        index: names.iter().position(|name| *name == label),
        labels: None,
        value: None,
        logits: vec![0.0, 1.0],
        scores: names.map(|label| LabelScore { label: label.into(), score: 0.5 }).to_vec(),
    }
}

/// A row that the model calls positive, with the figures of each method.
fn row(number: u64, label: Option<&str>, figures: &[[Option<f64>; FIGURES]]) -> JudgedRow {
    let judgement = |figures: &[Option<f64>; FIGURES]| {
        Some(Judgement { classes: 1, figures: *figures, work: Some(Work { gradients: number, forwards: 1 }) })
    };
    let text = JudgedText {
        prediction: prediction("positive"),
        tokens: 4,
        judgements: figures.iter().map(judgement).collect(),
        agreements: Vec::new(),
    };
    JudgedRow { row: number, label: label.map(str::to_owned), text: Some(text) }
}

/// All figures the same.
fn all(figure: f64) -> [Option<f64>; FIGURES] {
    [Some(figure); FIGURES]
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("method_{number}")).collect()
}

fn evaluated(rows: &[JudgedRow], methods: usize, draws: &Draws) -> Evaluation {
    let expected =
        |place: usize, tokens: usize, classes: usize| Some(Passes::new(place + tokens, 10 * classes));
    let contenders = Contenders { ids: &ids(methods), expected: &expected };
    evaluate(rows, &SET, &contenders, draws).unwrap()
}

fn listed(told: &MethodEvaluation) -> [FigureMean; FIGURES] {
    [
        told.comprehensiveness,
        told.sufficiency,
        told.log_odds_drop,
        told.leave_one_out_correlation,
        told.better_than_random_by,
        told.infidelity,
        told.max_sensitivity,
    ]
}

/// The place of a method among those asked for.
fn place(told: &MethodEvaluation) -> usize {
    told.method.trim_start_matches("method_").parse().unwrap()
}

/// Rows with any figures of three methods: comprehensiveness always is one, the others may be undefined.
fn rows() -> impl Strategy<Value = Vec<JudgedRow>> {
    let figure = prop::option::weighted(0.8, -2.0f64..2.0);
    let figures = (-1.0f64..1.0, prop::collection::vec(figure, FIGURES - 1)).prop_map(|(first, others)| {
        let mut listed = all(first);
        listed[1..].copy_from_slice(&others);
        listed
    });
    let label = prop::option::of(prop::sample::select(vec!["positive", "negative", "unheard"]));
    let drawn = (prop::collection::vec(figures, 3), label, prop::bool::weighted(0.9));
    prop::collection::vec(drawn, 0..12).prop_map(|rows| {
        let numbered = rows.into_iter().zip(0..);
        let each = numbered.map(|((figures, label, has_answer), number)| {
            let judged = row(number, label, &figures);
            if has_answer { judged } else { JudgedRow { text: None, ..judged } }
        });
        each.collect()
    })
}

/// The defined figures of a method over rows, each with its row's number.
fn defined(rows: &[JudgedRow], method: usize, figure: usize) -> Vec<(u64, f64)> {
    let judged = |row: &JudgedRow| row.text.as_ref()?.judgements[method].as_ref()?.figures[figure];
    rows.iter().filter_map(|row| Some((row.row, judged(row)?))).collect()
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_figure_is_the_mean_of_the_rows_that_have_it_and_within_its_interval(rows in rows()) {
        let told = evaluated(&rows, 3, &DRAWS);
        let answered = rows.iter().filter(|row| row.text.is_some()).count() as u64;
        prop_assert_eq!((told.rows, told.failed), (rows.len() as u64, rows.len() as u64 - answered));
        for method in &told.leaderboard {
            prop_assert_eq!(method.rows, answered);
            for (figure, told) in listed(method).into_iter().enumerate() {
                let defined = defined(&rows, place(method), figure);
                prop_assert_eq!((told.rows, told.missing), (defined.len() as u64, answered - told.rows));
                prop_assert_eq!(told.mean.is_some(), !defined.is_empty());
                prop_assert_eq!(told.interval.is_some(), defined.len() > 1);
                let sum: f64 = defined.iter().map(|(_, figure)| figure).sum();
                prop_assert!(told.mean.is_none_or(|mean| close(mean, sum / defined.len() as f64)));
                if let (Some(mean), Some(Interval { low, high })) = (told.mean, told.interval) {
                    prop_assert!(low <= mean && mean <= high, "{:?}", told);
                }
            }
            let over_chance = defined(&rows, place(method), 4);
            let better = over_chance.iter().filter(|(_, figure)| *figure > 0.0).count() as u64;
            let share = method.better_than_random.map(|share| (share.count, share.of));
            prop_assert_eq!(share, (!over_chance.is_empty()).then_some((better, over_chance.len() as u64)));
        }
    }

    #[test]
    fn the_best_is_first_and_every_other_one_behind_it(rows in rows()) {
        let board = evaluated(&rows, 3, &DRAWS).leaderboard;
        prop_assert_eq!(board[0].behind_first, None);
        for pair in board.windows(2) {
            let means = [&pair[0], &pair[1]].map(|method| method.comprehensiveness.mean);
            prop_assert!(means[0] >= means[1], "{:?}", means);
            prop_assert_eq!(pair[1].behind_first.is_some(), means[1].is_some());
        }
        for method in &board[1..] {
            let Some(behind) = method.behind_first else { continue };
            let apart = board[0].comprehensiveness.mean.unwrap() - method.comprehensiveness.mean.unwrap();
            prop_assert!(behind.mean >= 0.0 && close(behind.mean, apart));
            prop_assert!(behind.interval.is_none_or(|it| it.low <= behind.mean && behind.mean <= it.high));
        }
    }

    #[test]
    fn right_and_wrong_rows_are_those_of_a_known_label_together(rows in rows()) {
        let told = evaluated(&rows, 3, &DRAWS);
        for method in &told.leaderboard {
            let Some(split) = method.comprehensiveness_by_prediction else {
                prop_assert_eq!(&told.predictions.agreement, &None);
                continue;
            };
            let accuracy = told.predictions.agreement.and_then(|agreement| agreement.accuracy);
            prop_assert_eq!(split.right.rows + split.wrong.rows, accuracy.map_or(0, |share| share.of));
            prop_assert_eq!(split.right.rows, accuracy.map_or(0, |share| share.count));
            let of = |label: &str| {
                let labelled: Vec<JudgedRow> =
                    rows.iter().filter(|row| row.label.as_deref() == Some(label)).cloned().collect();
                defined(&labelled, place(method), 0).iter().map(|(_, figure)| figure).sum::<f64>()
            };
            for (told, label) in [(split.right, "positive"), (split.wrong, "negative")] {
                prop_assert!(close(told.mean.unwrap_or(0.0) * told.rows as f64, of(label)));
            }
        }
    }

    #[test]
    fn intervals_are_those_of_means_weighted_row_by_row(rows in rows()) {
        let told = evaluated(&rows, 3, &DRAWS);
        let options = Options { resamples: DRAWS.resamples, seed: DRAWS.seed, ..Options::default() };
        let resampler = Resampler::new(&SET, &options);
        for method in &told.leaderboard {
            let figures = defined(&rows, place(method), 0);
            let mut means = Vec::new();
            for resample in 0..DRAWS.resamples {
                let weighted = figures.iter().map(|(row, figure)| {
                    let mut weights = Vec::new();
                    resampler.weights(*row, &mut weights);
                    (f64::from(weights[resample]), *figure)
                });
                let (sum, count) = weighted.fold((0.0, 0.0), |(sum, count), (weight, figure)| {
                    (sum + weight * figure, count + weight)
                });
                means.extend((count > 0.0).then(|| sum / count));
            }
            let Some(interval) = method.comprehensiveness.interval else { continue };
            let expected = Interval::of(method.comprehensiveness.mean.unwrap(), means).unwrap();
            prop_assert!(close(interval.low, expected.low) && close(interval.high, expected.high));
        }
    }
}

#[test]
fn an_interval_is_about_as_wide_as_that_of_the_normal_distribution() {
    let rows: Vec<JudgedRow> =
        (0..200).map(|number| row(number, None, &[all(number as f64 / 200.0)])).collect();
    let told = evaluated(&rows, 1, &Draws { resamples: 10_000, seed: 0 }).leaderboard[0].comprehensiveness;
    let interval = told.interval.unwrap();
    // Evenly spread over an interval of length 1: the variance is 1/12.
    let expected = 2.0 * 1.96 * (1.0f64 / 12.0 / 200.0).sqrt();
    let width = interval.high - interval.low;
    assert!((width / expected - 1.0).abs() < 0.1, "{width} is not about {expected}");
}

#[test]
fn what_rows_have_in_common_cancels_out_of_a_difference() {
    let each = |number: u64| row(number, None, &[all(number as f64), all(number as f64 + 0.5)]);
    let rows: Vec<JudgedRow> = (0..20).map(each).collect();
    let board = evaluated(&rows, 2, &DRAWS).leaderboard;
    assert_eq!(board.iter().map(place).collect::<Vec<_>>(), [1, 0]);
    let own = board[0].comprehensiveness.interval.unwrap();
    assert!(own.high - own.low > 1.0, "{own:?}");
    let behind = board[1].behind_first.unwrap();
    let Interval { low, high } = behind.interval.unwrap();
    assert!(close(behind.mean, 0.5) && close(low, 0.5) && close(high, 0.5), "{behind:?}");
}

#[test]
fn costs_are_means_over_rows_and_null_where_nobody_knows() {
    let rows: Vec<JudgedRow> = [1, 2].map(|number| row(number, None, &[all(0.5), all(0.25)])).to_vec();
    let board = evaluated(&rows, 2, &DRAWS).leaderboard;
    assert_eq!(board[1].cost.expected, Some(MeanPasses { forwards: 5.0, backwards: 10.0 }));
    assert_eq!(board[1].cost.counted, Some(CountedWork { rows: 2, gradients: 1.5, forwards: 1.0 }));
    let contenders = Contenders { ids: &ids(2), expected: &|_, _, _| None };
    let unknown = evaluate(rows.as_slice(), &SET, &contenders, &DRAWS).unwrap();
    assert_eq!(unknown.leaderboard[0].cost.expected, None);
}

#[test]
fn agreement_is_the_mean_over_rows_and_every_two_methods_are_there() {
    let agreed = |number: u64, spearman: Option<f64>, overlap: f64| {
        let mut row = row(number, None, &[all(0.0), all(0.0), all(0.0)]);
        row.text.as_mut().unwrap().agreements = vec![Agreed { methods: [0, 2], spearman, overlap }];
        row
    };
    let rows = [agreed(0, Some(0.5), 1.0), agreed(1, None, 0.5), agreed(2, Some(-0.25), 0.0)];
    let told = evaluated(&rows, 3, &DRAWS).agreement;
    let pairs: Vec<[&str; 2]> = told.iter().map(|pair| pair.methods.each_ref().map(String::as_str)).collect();
    assert_eq!(pairs, [["method_0", "method_1"], ["method_0", "method_2"], ["method_1", "method_2"]]);
    assert_eq!((told[0].rows, told[0].spearman, told[0].overlap), (0, None, None));
    assert_eq!((told[1].rows, told[1].missing), (3, 1));
    assert_eq!((told[1].spearman, told[1].overlap), (Some(0.125), Some(0.5)));
}

#[test]
fn a_set_in_which_everything_failed_has_a_leaderboard_of_nulls() {
    let rows = [0, 1].map(|number| JudgedRow { row: number, label: Some("positive".into()), text: None });
    let told = evaluated(&rows, 2, &DRAWS);
    assert_eq!((told.rows, told.failed), (2, 2));
    for (method, expected) in told.leaderboard.iter().zip(["method_0", "method_1"]) {
        assert_eq!((method.method.as_str(), method.rows), (expected, 0));
        assert_eq!((method.comprehensiveness.mean, method.behind_first), (None, None));
        assert_eq!((method.better_than_random, method.cost.expected), (None, None));
    }
}
