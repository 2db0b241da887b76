//! The first pass: everything is counted, of the whole set and of each of its groups.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;

use super::heads::{HeadPlace, HeadTotals};
use super::predictions::PredictionTally;
use super::sureness::{LeastSure, margin};
use super::words::WordTally;
use super::{Answers, MOST_GROUPS, MOST_WORDS, Observation, Options, SummaryError};

/// What is counted of one set.
#[derive(Default)]
pub(super) struct Tally {
    pub rows: u64,
    pub failed: u64,
    pub predictions: PredictionTally,
    pub least_sure: LeastSure,
    pub words: WordTally,
    pub heads: BTreeMap<HeadPlace, HeadTotals>,
}

impl Tally {
    /// Counts a row, and says how many words are new.
    fn see(&mut self, observation: &Observation, options: &Options) -> usize {
        self.rows += 1;
        let Some(reading) = &observation.reading else {
            self.failed += 1;
            return 0;
        };
        self.predictions.add(&reading.prediction, observation.label.as_deref());
        if let Some(margin) = margin(&reading.prediction) {
            self.least_sure.add(observation.row, &reading.prediction, margin, options.least_sure);
        }
        for head in &reading.heads {
            self.heads.entry((head.layer, head.head)).or_default().add(head);
        }
        let pushes = reading.pushes.iter();
        pushes.map(|pushes| self.words.entry(pushes.class.clone()).or_default().add(pushes)).sum()
    }
}

/// The whole set, and its groups.
#[derive(Default)]
pub(super) struct Sets {
    /// The whole, then its groups as they came.
    pub tallies: Vec<Tally>,
    /// The place of each group among the tallies, by its value.
    pub groups: BTreeMap<String, usize>,
    words: usize,
}

impl Sets {
    /// Counts all answers, and looks at each row while it goes by.
    pub fn count<A: Answers + ?Sized>(
        answers: &A,
        options: &Options,
        mut look: impl FnMut(&Observation),
    ) -> Result<Self, SummaryError<A::Error>> {
        let mut sets = Sets { tallies: vec![Tally::default()], ..Sets::default() };
        let mut fault = None;
        answers
            .each(&mut |observation| {
                look(observation);
                match sets.see(observation, options) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        fault = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })
            .map_err(SummaryError::Answers)?;
        match fault {
            Some(fault) => Err(fault),
            None => Ok(sets),
        }
    }

    fn see<E>(&mut self, observation: &Observation, options: &Options) -> Result<(), SummaryError<E>> {
        if let Some(value) = &observation.group {
            let (count, next) = (self.groups.len(), self.tallies.len());
            if let Entry::Vacant(entry) = self.groups.entry(value.clone()) {
                if count == MOST_GROUPS {
                    return Err(SummaryError::TooManyGroups);
                }
                entry.insert(next);
                self.tallies.push(Tally::default());
            }
        }
        for set in self.of(observation).into_iter().flatten() {
            self.words += self.tallies[set].see(observation, options);
        }
        if self.words > MOST_WORDS { Err(SummaryError::TooManyWords) } else { Ok(()) }
    }

    /// The sets that a row is in, by their places: the whole, and a group if there are groups.
    pub fn of(&self, observation: &Observation) -> [Option<usize>; 2] {
        let group = observation.group.as_ref().and_then(|value| self.groups.get(value));
        [Some(0), group.copied()]
    }
}
