//! What is asked of one text about concepts.

pub mod edits;
pub mod scores;

use super::answer::ConceptName;
use super::plan::Invalid;
use crate::explain::concept::Direction;
use crate::explain::concept::known::KnownConcept;

impl From<&KnownConcept> for ConceptName {
    fn from(concept: &KnownConcept) -> Self {
        ConceptName { name: concept.name.clone(), version: concept.version, id: concept.id.clone() }
    }
}

/// The direction of a concept at a hidden state that is named at `pointer`.
///
/// # Errors
/// It has none there.
pub fn direction<'a>(
    concept: &'a KnownConcept,
    layer: usize,
    pointer: &str,
) -> Result<&'a Direction, Invalid> {
    concept.directions.get(&layer).ok_or_else(|| {
        let layers: Vec<String> = concept.directions.keys().map(usize::to_string).collect();
        Invalid::new(
            pointer,
            format!("concept `{}` has no direction at hidden state {layer}", concept.reference()),
            format!("send one of {}, or leave the field out for that of the concept", layers.join(", ")),
        )
    })
}
