//! The control that HotFlip is (Ebrahimi et al. 2018, arXiv:1712.06751): any word that the gradient at the word itself points
//! at, whatever it means and however it reads.

use std::sync::Arc;

use super::{Candidate, Ground, NO_CONTRAST, PER_UNIT};
use crate::explain::counterfactual::Strategy;
use crate::explain::counterfactual::edit::{Edit, Notes};
use crate::explain::counterfactual::lexis::{dot, mean, most_gaining};
use crate::explain::counterfactual::slots::Slots;
use crate::explain::counterfactual::trials::Trials;
use crate::explain::{ExplainError, Passes};

/// The best of all words at each free unit.
///
/// # Errors
/// Those of the crew.
pub(super) fn candidates(
    ground: &Ground<'_>,
    slots: &mut Slots,
    trials: &mut Trials<'_>,
) -> Result<Vec<Candidate>, ExplainError> {
    let (subject, units) = (ground.subject, ground.units);
    let Some(gradient) = slots.gradient(subject, &ground.search.goal, &mut trials.budget)? else {
        return Ok(Vec::new());
    };
    let free: Vec<usize> = (0..units.len()).filter(|unit| units.is_free(&(*unit..*unit + 1))).collect();
    let slope_at = |unit: &usize| {
        let tokens = units.get(*unit).tokens.clone();
        let slope = mean(&gradient.values, gradient.width, tokens.clone());
        let own = mean(subject.embeddings(), gradient.width, tokens);
        let own = dot(&own, &slope);
        (slope, own)
    };
    let slopes: Vec<(Vec<f32>, f64)> = free.iter().map(slope_at).collect();
    let (model, vocabulary) = (subject.model().clone(), Arc::clone(&ground.vocabulary));
    // One more, since the word itself may be among them.
    let work = move |(slope, own): (Vec<f32>, f64)| {
        let best = most_gaining(&model, &vocabulary, &slope, PER_UNIT + 1, |_| true)?;
        Ok(best.into_iter().map(|(word, gain)| (word, gain - own)).collect::<Vec<_>>())
    };
    let best = subject.map(slopes, |_| Passes::NONE, work)?;
    let of_unit = |(unit, words): (usize, Vec<(Arc<str>, f64)>)| {
        let others = words.into_iter().filter(move |(word, _)| word.to_lowercase() != units.get(unit).lower);
        others.take(PER_UNIT).map(move |(word, gain)| Candidate {
            edit: Edit::replacing(units, unit..unit + 1, &word),
            notes: Notes { strategy: Strategy::Hotflip, unlikeliness: 0.0, contrast: NO_CONTRAST },
            score: ground.margin + gain,
        })
    };
    Ok(free.into_iter().zip(best).flat_map(of_unit).collect())
}
