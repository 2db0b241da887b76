//! A change of some words, and several at once.

use std::ops::Range;
use std::sync::Arc;

use super::Strategy;
use super::units::Units;
use crate::explain::rewriting::{Rewrite, in_case_of, rewritten};
use crate::model::Text;

/// Units of the original in exchange for other words. Edits are in order of where they stand, then of what they say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edit {
    first: usize,
    end: usize,
    /// As it will be written; empty where the units are deleted.
    pub to: Arc<str>,
}

/// Edits in order, none of which overlap.
pub(super) type Edits = Vec<Edit>;

/// What is known of an edit beside what it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Notes {
    /// Where it comes from.
    pub strategy: Strategy,
    /// In nats, how much less likely the masked LM finds it than what stands there; from 0.
    pub unlikeliness: f64,
    /// How much more it leans towards the goal by itself than what stands there, −1 to 1.
    pub contrast: f64,
}

impl Edit {
    /// New words in the place of a run, written like its first.
    pub fn replacing(units: &Units, run: Range<usize>, words: &str) -> Self {
        let to = in_case_of(words, &units.get(run.start).text).into();
        Edit { first: run.start, end: run.end, to }
    }

    /// Nothing in the place of a run.
    pub fn deleting(run: Range<usize>) -> Self {
        Edit { first: run.start, end: run.end, to: "".into() }
    }

    /// The units that it changes.
    pub fn run(&self) -> Range<usize> {
        self.first..self.end
    }

    /// How many words it touches, before or after.
    pub fn words(&self) -> usize {
        (self.end - self.first).max(self.to.split_whitespace().count())
    }

    /// Whether both put the same words at two places.
    pub fn repeats(&self, other: &Edit) -> bool {
        !self.to.is_empty() && self.to == other.to
    }

    /// Whether both can be made at once.
    pub fn goes_with(&self, other: &Edit, units: &Units) -> bool {
        let (first, second) = if self < other { (self, other) } else { (other, self) };
        let in_one_text = units.get(first.first).segment == units.get(second.first).segment;
        first.end <= second.first && (!in_one_text || first.span(units).end <= second.span(units).start)
    }

    /// What it replaces, in code points.
    fn span(&self, units: &Units) -> Range<usize> {
        if self.to.is_empty() { units.cut(&self.run()) } else { units.span(&self.run()) }
    }

    /// The same as a change to the string.
    pub fn rewrite(&self, units: &Units) -> Rewrite {
        let segment = units.get(self.first).segment;
        Rewrite { segment, span: self.span(units), to: self.to.to_string() }
    }

    /// The edits that leave one end of it as it was, where it changes several words.
    pub fn lessened(&self, units: &Units) -> Vec<Edit> {
        let (first, end) = (self.first, self.end);
        if end - first < 2 {
            return Vec::new();
        }
        let words: Vec<&str> = self.to.split_whitespace().collect();
        let ends = match words.as_slice() {
            [] => [Some(String::new()), Some(String::new())],
            [_] => [None, None],
            [_, rest @ ..] => [Some(rest.join(" ")), Some(words[..words.len() - 1].join(" "))],
        };
        let runs = [first + 1..end, first..end - 1];
        let lessened = runs.into_iter().zip(ends).filter_map(|(run, to)| to.map(|to| (run, to)));
        lessened
            .map(|(run, to)| match to.is_empty() {
                true => Edit::deleting(run),
                false => Edit::replacing(units, run, &to.to_lowercase()),
            })
            .collect()
    }
}

/// A text with edits made: the text, and the second of a pair.
pub(super) fn edited(text: Text<'_>, units: &Units, edits: &[Edit]) -> (String, Option<String>) {
    let rewrites: Vec<Rewrite> = edits.iter().map(|edit| edit.rewrite(units)).collect();
    (rewritten(text.first, 0, &rewrites), text.second.map(|second| rewritten(second, 1, &rewrites)))
}

/// Edits with another among them, in order.
pub(super) fn with(edits: &[Edit], edit: &Edit) -> Edits {
    let mut edits = edits.to_vec();
    edits.insert(edits.partition_point(|other| other < edit), edit.clone());
    edits
}

/// Edits without the one at an index.
pub(super) fn without(edits: &[Edit], index: usize) -> Edits {
    let mut edits = edits.to_vec();
    edits.remove(index);
    edits
}
