//! What a model says of a set, and how often the dataset says the same.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Share;
use super::sureness::{labels, margin};
use crate::engine::answer::PredictionView;

/// What the model says.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Predictions {
    /// How many rows have which label, the most first; empty for regressions.
    #[schema(example = json!([{"label": "positive", "rows": 355}, {"label": "negative", "rows": 336}]))]
    pub labels: Vec<LabelRows>,
    /// The mean margin over rows, in logits; null where there is none.
    #[schema(required, example = 3.2, minimum = 0)]
    pub mean_margin: Option<f64>,
    /// The mean value over rows; null unless the model is a regression.
    #[schema(required, example = json!(null))]
    pub mean_value: Option<f64>,
    /// How often the dataset says the same; null where it has no labels, and for regressions.
    #[schema(required)]
    pub agreement: Option<Agreement>,
}

/// How many rows have a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelRows {
    /// The label; null for rows without any, in multi-label models.
    #[schema(required, example = "positive")]
    pub label: Option<String>,
    /// Rows; in multi-label models a row counts for each of its labels.
    #[schema(example = 355, minimum = 1)]
    pub rows: u64,
}

/// How often model and dataset agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Rows with the dataset's label, of those whose label is one of the model's; null if there are none. A
    /// multi-label model agrees where it gives that label and no other.
    #[schema(required)]
    pub accuracy: Option<Share>,
    /// Rows with a label that the model does not have: neither one of its labels nor the index of one.
    #[schema(example = 0)]
    pub unknown_labels: u64,
}

/// Predictions as they are counted.
#[derive(Default)]
pub(super) struct PredictionTally {
    labels: BTreeMap<Option<String>, u64>,
    margins: RunningMean,
    values: RunningMean,
    right: u64,
    known: u64,
    unknown: u64,
}

#[derive(Default)]
struct RunningMean {
    sum: f64,
    count: u64,
}

impl RunningMean {
    fn add(&mut self, number: f64) {
        self.sum += number;
        self.count += 1;
    }

    fn told(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl PredictionTally {
    /// Adds what the model says of a row, and what the dataset says.
    pub fn add(&mut self, prediction: &PredictionView, label: Option<&str>) {
        if let Some(value) = prediction.value {
            self.values.add(value.into());
            return;
        }
        if let Some(margin) = margin(prediction) {
            self.margins.add(margin);
        }
        let said = labels(prediction);
        match said.is_empty() {
            true => *self.labels.entry(None).or_default() += 1,
            false => said.iter().for_each(|said| *self.labels.entry(Some(said.clone())).or_default() += 1),
        }
        match label.map(|label| is_right(prediction, label)) {
            None => {}
            Some(None) => self.unknown += 1,
            Some(Some(is_right)) => {
                self.known += 1;
                self.right += u64::from(is_right);
            }
        }
    }

    /// What is told of them.
    pub fn told(&self) -> Predictions {
        let mut labels: Vec<LabelRows> =
            self.labels.iter().map(|(label, rows)| LabelRows { label: label.clone(), rows: *rows }).collect();
        // They are sorted, so equal counts stay in the order of the labels.
        labels.sort_by_key(|label| std::cmp::Reverse(label.rows));
        let agreement =
            Agreement { accuracy: Share::new(self.right, self.known), unknown_labels: self.unknown };
        Predictions {
            labels,
            mean_margin: self.margins.told(),
            mean_value: self.values.told(),
            agreement: (self.known + self.unknown > 0).then_some(agreement),
        }
    }
}

/// Whether the model says what the dataset says: that label, and no other. None where it is not one of the model's labels,
/// and for regressions.
pub(crate) fn is_right(prediction: &PredictionView, label: &str) -> Option<bool> {
    let label = meant(label, prediction)?;
    prediction.value.is_none().then(|| labels(prediction) == [label])
}

/// The label of the model that the dataset means: by its name, or else by its index, as datasets of numbers have it.
fn meant<'a>(label: &str, prediction: &'a PredictionView) -> Option<&'a str> {
    let by_name = prediction.scores.iter().find(|scored| scored.label == label);
    let by_index = || prediction.scores.get(label.parse::<usize>().ok()?);
    by_name.or_else(by_index).map(|scored| scored.label.as_str())
}
