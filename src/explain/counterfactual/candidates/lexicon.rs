//! Pairs of the request: whoever asks knows what may stand for what.

use super::{Candidate, ENOUGH, FULL_CONTRAST, Ground};
use crate::explain::counterfactual::Strategy;
use crate::explain::counterfactual::edit::{Edit, Notes};
use crate::explain::counterfactual::lexis::embedding;
use crate::explain::counterfactual::slots::Slots;

/// Pairs are tried before all else.
const AHEAD: f64 = 2.0;

/// Wherever the words of a pair stand free.
pub(super) fn candidates(ground: &Ground<'_>, slots: &Slots) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for pair in &ground.search.lexicon {
        let to = pair.to.trim();
        let embedding = embedding(ground.subject.model(), to);
        for run in ground.units.runs_of(&pair.from).into_iter().filter(|run| ground.units.is_free(run)) {
            let estimate = run.len() == 1;
            let estimate = slots.slot(run.start).zip(embedding.as_ref()).filter(|_| estimate);
            let estimate = estimate.map_or(ground.margin, |(slot, embedding)| slot.estimate(embedding));
            let notes = Notes { strategy: Strategy::Lexicon, unlikeliness: 0.0, contrast: FULL_CONTRAST };
            let edit = Edit::replacing(ground.units, run, to);
            candidates.push(Candidate { edit, notes, score: AHEAD + estimate.min(ENOUGH) });
        }
    }
    candidates
}
