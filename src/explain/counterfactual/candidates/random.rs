//! The control by chance: random words at random places.

use super::{Candidate, Ground, NO_CONTRAST};
use crate::explain::chance::Chance;
use crate::explain::counterfactual::Strategy;
use crate::explain::counterfactual::edit::{Edit, Notes};

/// How many are drawn.
const DRAWN: usize = 64;

/// Drawn anew for each seed and text, the same ones at every level.
pub(super) fn candidates(ground: &Ground<'_>) -> Vec<Candidate> {
    let units = ground.units;
    let free: Vec<usize> = (0..units.len()).filter(|unit| units.is_free(&(*unit..*unit + 1))).collect();
    if free.is_empty() || ground.vocabulary.is_empty() {
        return Vec::new();
    }
    let ids = &ground.subject.text().ids;
    let mut chance = Chance::new("explaind random counterfactual v1", ground.search.seed, ids);
    let drawn = (0..DRAWN).map(|_| {
        let unit = free[chance.below(free.len())];
        let word = &ground.vocabulary[chance.below(ground.vocabulary.len())].text;
        Candidate {
            edit: Edit::replacing(units, unit..unit + 1, word),
            notes: Notes { strategy: Strategy::Random, unlikeliness: 0.0, contrast: NO_CONTRAST },
            score: 0.0,
        }
    });
    drawn.collect()
}
