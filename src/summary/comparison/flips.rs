//! Rows of which the two models say something else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;
use utoipa::ToSchema;

use crate::summary::sureness::{labels, margin};
use crate::summary::{Observation, Share};

/// Rows that have another label.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Flips {
    /// How many of the rows that both have answered; null if there are none.
    #[schema(required)]
    pub share: Option<Share>,
    /// The rows with another label in which the less sure of the two is surest, the surest first.
    #[schema(example = json!([]))]
    pub rows: Vec<Flip>,
}

/// A row that has another label.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// The number of the row, from 0.
    #[schema(example = 118)]
    pub row: u64,
    /// What the first says.
    pub a: Verdict,
    /// What the second says.
    pub b: Verdict,
}

/// What a model says of a row.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// One label; for multi-label models those over the threshold, perhaps none.
    #[schema(example = json!(["negative"]))]
    pub labels: Vec<String>,
    /// By how much, in logits; null where there is one label alone.
    #[schema(required, example = 0.4, minimum = 0)]
    pub margin: Option<f64>,
}

/// What was said of a row, in little room: there may be many rows, but few different things are said of them.
#[derive(Clone, Copy)]
struct Said {
    /// The place of the labels among all that were said.
    labels: usize,
    margin: Option<f64>,
}

/// What both models say of a row.
#[derive(Clone, Copy)]
struct Both {
    row: u64,
    /// The sets that the row is in, by their places in the first.
    sets: [Option<usize>; 2],
    a: Said,
    b: Said,
}

/// What both models say of every row.
#[derive(Default)]
pub(super) struct Verdicts {
    places: BTreeMap<Vec<String>, usize>,
    first: BTreeMap<u64, Said>,
    both: Vec<Both>,
}

impl Verdicts {
    /// Adds what the first says of a row. All of the first come before any of the second.
    pub fn add_first(&mut self, observation: &Observation) {
        if let Some(said) = self.said(observation) {
            self.first.insert(observation.row, said);
        }
    }

    /// Adds what the second says of a row, which is in these sets of the first.
    pub fn add_second(&mut self, observation: &Observation, sets: [Option<usize>; 2]) {
        let second = self.said(observation);
        if let (Some(a), Some(b)) = (self.first.remove(&observation.row), second) {
            self.both.push(Both { row: observation.row, sets, a, b });
        }
    }

    /// The rows of a set that have another label: how many, and so many of them.
    pub fn flips(&self, set: usize, most: usize) -> Flips {
        let of_set = || self.both.iter().filter(|both| both.sets.contains(&Some(set)));
        let mut flipped: Vec<&Both> = of_set().filter(|both| both.a.labels != both.b.labels).collect();
        let share = Share::new(flipped.len() as u64, of_set().count() as u64);
        let sureness = |both: &Both| both.a.margin.unwrap_or(0.0).min(both.b.margin.unwrap_or(0.0));
        // They are in the order of the rows, in which equal ones stay.
        flipped.sort_by(|one, other| sureness(other).total_cmp(&sureness(one)));
        flipped.truncate(most);
        let names: BTreeMap<usize, &Vec<String>> =
            self.places.iter().map(|(labels, place)| (*place, labels)).collect();
        let verdict = |said: Said| Verdict {
            labels: names.get(&said.labels).copied().cloned().unwrap_or_default(),
            margin: said.margin,
        };
        let flip = |both: &Both| Flip { row: both.row, a: verdict(both.a), b: verdict(both.b) };
        Flips { share, rows: flipped.into_iter().map(flip).collect() }
    }

    fn said(&mut self, observation: &Observation) -> Option<Said> {
        let prediction = &observation.reading.as_ref()?.prediction;
        let next = self.places.len();
        let labels = match self.places.entry(labels(prediction)) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => *entry.insert(next),
        };
        Some(Said { labels, margin: margin(prediction) })
    }
}
