//! English opposites, from a list.

use super::fits::fits;
use super::{Candidate, FULL_CONTRAST, Ground, score};
use crate::explain::counterfactual::edit::{Edit, Notes};
use crate::explain::counterfactual::lexis::embedding;
use crate::explain::counterfactual::slots::Slots;
use crate::explain::counterfactual::{Strategy, english};

/// The most unlikely that an opposite may be to the masked LM, in nats.
const MOST_UNLIKELY: f64 = 8.0;

/// How unlikely it is taken to be where the masked LM does not tell.
const UNTOLD: f64 = 2.0;

/// What is listed of the words of a text.
pub(super) fn candidates(ground: &Ground<'_>, slots: &Slots) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for unit in 0..ground.units.len() {
        let run = unit..unit + 1;
        let Some(slot) = slots.slot(unit) else { continue };
        for opposite in english::opposites(&ground.units.get(unit).lower) {
            let expectation = slots.expectation(unit);
            let told = expectation.and_then(|there| Some(there.unlikeliness(there.opposite(opposite)?)));
            let unlikeliness = told.unwrap_or(UNTOLD);
            if unlikeliness > MOST_UNLIKELY || !fits(ground.units, &run, opposite) {
                continue;
            }
            let embedding = embedding(ground.subject.model(), opposite);
            let estimate = embedding.map_or(slot.margin, |embedding| slot.estimate(&embedding));
            let notes = Notes { strategy: Strategy::Antonym, unlikeliness, contrast: FULL_CONTRAST };
            candidates.push(Candidate {
                edit: Edit::replacing(ground.units, run.clone(), opposite),
                notes,
                score: score(estimate, unlikeliness, FULL_CONTRAST),
            });
        }
    }
    candidates
}
