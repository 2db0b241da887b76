//! What is not needed for a flip is undone.

use std::collections::BTreeMap;

use super::Strategy;
use super::candidates::{Ground, deletion_fits, is_beginning};
use super::edit::{Edit, Edits, Notes, with, without};
use super::trials::Trials;
use crate::explain::ExplainError;

/// Edits that still flip the text, without those that can be undone, and with as little of each as it takes; and whether it
/// was tried to undo every single one of them.
///
/// # Errors
/// Those of the crew; [`ExplainError::NotFinite`].
pub(super) fn pruned(
    ground: &Ground<'_>,
    trials: &mut Trials<'_>,
    notes: &mut BTreeMap<Edit, Notes>,
    mut edits: Edits,
) -> Result<(Edits, bool), ExplainError> {
    loop {
        let fewer: Vec<Edits> = if edits.len() > 1 { each_undone(&edits) } else { Vec::new() };
        if let Some(best) = best_flip(trials, &fewer)? {
            edits = best;
            continue;
        }
        let less = each_lessened(ground, notes, &edits);
        if let Some(best) = best_flip(trials, &less)? {
            edits = best;
            continue;
        }
        let is_minimal = fewer.iter().all(|edits| trials.has_tried(edits));
        return Ok((edits, is_minimal));
    }
}

fn each_undone(edits: &[Edit]) -> Vec<Edits> {
    (0..edits.len()).map(|index| without(edits, index)).collect()
}

/// The edits with one end of one of them as it was. What is new takes over what is known of the whole.
fn each_lessened(ground: &Ground<'_>, notes: &mut BTreeMap<Edit, Notes>, edits: &[Edit]) -> Vec<Edits> {
    let mut all = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        let Some(known) = notes.get(edit).copied() else { continue };
        if !matches!(known.strategy, Strategy::Delete | Strategy::Infill) {
            continue;
        }
        for less in edit.lessened(ground.units).into_iter().filter(|less| reads_well(ground, edit, less)) {
            notes.entry(less.clone()).or_insert(known);
            all.push(with(&without(edits, index), &less));
        }
    }
    all
}

/// Whether the rest of a deletion leaves no article before the wrong sound and no joining word with nothing to join.
fn reads_well(ground: &Ground<'_>, whole: &Edit, less: &Edit) -> bool {
    let restores_beginning =
        less.run().start > whole.run().start && is_beginning(&ground.units.get(whole.run().start).lower);
    !less.to.is_empty() || (!restores_beginning && deletion_fits(ground.units, &less.run()))
}

/// Of some edits, those that flip the text the furthest.
fn best_flip(trials: &mut Trials<'_>, all: &[Edits]) -> Result<Option<Edits>, ExplainError> {
    trials.run(all)?;
    let flips = all.iter().filter_map(|edits| Some((trials.margin(edits)?, edits)));
    let flips = flips.filter(|(margin, _)| *margin > 0.0);
    let best = flips.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    Ok(best.map(|(_, edits)| edits.clone()))
}
