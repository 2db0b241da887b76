//! How sure a model is of what it says.

use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::answer::PredictionView;

/// A row of which the model is not sure.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnsureRow {
    /// The number of the row, from 0.
    #[schema(example = 118)]
    pub row: u64,
    /// What the model says: one label; for multi-label models those over the threshold, perhaps none.
    #[schema(example = json!(["negative"]))]
    pub labels: Vec<String>,
    /// By how much, in logits.
    #[schema(example = 0.013, minimum = 0)]
    pub margin: f64,
}

/// By how much the model says what it says, in logits: the largest logit less the next one; for multi-label models the
/// smallest |logit|, which is how far the nearest label is from the threshold. None for regressions, and where there is
/// one label alone.
pub(super) fn margin(prediction: &PredictionView) -> Option<f64> {
    if prediction.value.is_some() {
        return None;
    }
    let logits = prediction.logits.iter().map(|logit| f64::from(*logit));
    if prediction.labels.is_some() {
        return logits.map(f64::abs).min_by(f64::total_cmp);
    }
    let mut sorted: Vec<f64> = logits.collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    match sorted[..] {
        [largest, next, ..] => Some(largest - next),
        _ => None,
    }
}

/// What the model says: one label, those over the threshold, or none at all for regressions.
pub(crate) fn labels(prediction: &PredictionView) -> Vec<String> {
    match (&prediction.label, &prediction.labels) {
        (Some(label), _) => vec![label.clone()],
        (None, labels) => labels.iter().flatten().cloned().collect(),
    }
}

/// The rows of the smallest margins; of equal ones, the earlier.
#[derive(Default)]
pub(super) struct LeastSure(Vec<UnsureRow>);

impl LeastSure {
    /// Adds a row, unless so many are less sure.
    pub fn add(&mut self, row: u64, prediction: &PredictionView, margin: f64, most: usize) {
        let place = self.0.partition_point(|other| other.margin <= margin);
        if place < most {
            self.0.insert(place, UnsureRow { row, labels: labels(prediction), margin });
            self.0.truncate(most);
        }
    }

    /// Those that were added, the least sure first.
    pub fn into_rows(self) -> Vec<UnsureRow> {
        self.0
    }
}
