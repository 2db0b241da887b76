//! The concepts that come with the program, for the model that comes with it. What they are and where their sentences are
//! from stands in `data/concepts/README.md`.

use std::sync::LazyLock;

use super::Concept;
use super::exchange::Exported;
use crate::store::Milliseconds;

/// 2026-11-25, 00:00 UTC: when they were learnt.
const CREATED_AT: Milliseconds = 1_795_564_800_000;

/// As they are exported.
const DOCUMENTS: [&str; 5] = [
    include_str!("../../data/concepts/learnt/acting.json"),
    include_str!("../../data/concepts/learnt/humour.json"),
    include_str!("../../data/concepts/learnt/visuals.json"),
    include_str!("../../data/concepts/learnt/boredom.json"),
    include_str!("../../data/concepts/learnt/even_length.json"),
];

/// Those of a model, by its fingerprint.
pub fn of_model(fingerprint: &str) -> impl Iterator<Item = &'static Concept> {
    static CONCEPTS: LazyLock<Vec<Concept>> =
        LazyLock::new(|| DOCUMENTS.into_iter().filter_map(read).collect());
    CONCEPTS.iter().filter(move |concept| concept.fingerprint == fingerprint)
}

/// A concept of the program; none if it cannot be read, which a test rules out.
fn read(document: &str) -> Option<Concept> {
    let read = serde_json::from_str::<Exported>(document);
    if let Err(error) = &read {
        tracing::error!(%error, "a concept of the program cannot be read");
    }
    let exported = read.ok()?;
    Some(Concept {
        id: exported.id(),
        version: 1,
        created_at: CREATED_AT,
        is_bundled: true,
        name: exported.name,
        model: exported.model.id,
        fingerprint: exported.model.fingerprint,
        summary: exported.summary,
        body: Some(exported.body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_concept_of_the_program_can_be_read_and_is_what_an_import_takes() {
        for document in DOCUMENTS {
            let exported: Exported = serde_json::from_str(document).unwrap();
            let concept = read(document).unwrap();
            let directions = &concept.body.as_ref().unwrap().directions;
            let (hidden, layers) = (directions[0].direction.vector.len(), directions.len() - 1);
            assert_eq!(exported.check(hidden, layers), Ok(()));
            assert!(of_model(&concept.fingerprint).any(|known| known.name == concept.name));
        }
    }
}
