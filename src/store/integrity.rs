//! Whether a row is what was once written, and what it takes.

use super::concepts::{FoundConcept, StoredConcept};
use super::datasets::StoredRow;
use super::jobs::{FoundAnswer, JobId, RowAnswer};
use super::{DamagedRow, Found, StoredResult};
use crate::identity::{Recipe, ResponseId, ResultKey, Shape};

/// What a database needs for a row beside its content, about.
const ROW_OVERHEAD: usize = 256;

/// What a response takes in a database, about.
pub const RESPONSE_BYTES: i64 = 400;

/// BLAKE3 over key, warnings and body.
pub fn digest(result: &StoredResult) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("explaind stored result");
    hasher.update(&result.key.0).update(&(result.warnings.len() as u64).to_le_bytes());
    *hasher.update(&result.warnings).update(&result.body).finalize().as_bytes()
}

/// A row that was read, with the digest that stands in it.
pub fn judged(result: StoredResult, digest_in_row: Vec<u8>) -> Found {
    match digest_in_row == digest(&result) {
        true => Found::Whole(result),
        false => Found::Damaged(DamagedRow { digest: digest_in_row, content: result }),
    }
}

/// BLAKE3 over a row's number in its dataset and its body.
pub fn row_digest(number: u64, body: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("explaind dataset row");
    *hasher.update(&number.to_le_bytes()).update(body).finalize().as_bytes()
}

/// A row of a dataset that was read, with the digest that stands beside it.
pub fn judged_row(number: u64, body: Vec<u8>, digest_in_row: &[u8]) -> StoredRow {
    let is_whole = digest_in_row == row_digest(number, &body);
    StoredRow { number, body: is_whole.then_some(body) }
}

/// BLAKE3 over whose answer it is, to which row, whether it is an error, and the body. What comes before the body has
/// always the same length.
pub fn answer_digest(job: JobId, answer: &RowAnswer) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("explaind stored answer");
    hasher.update(job.0.as_bytes()).update(&answer.row.to_le_bytes()).update(&[u8::from(answer.failed)]);
    *hasher.update(&answer.body).finalize().as_bytes()
}

/// An answer that was read, with the digest that stands beside it.
pub fn judged_answer(job: JobId, answer: RowAnswer, digest_in_row: &[u8]) -> FoundAnswer {
    match digest_in_row == answer_digest(job, &answer) {
        true => FoundAnswer::Whole(answer),
        false => FoundAnswer::Damaged { row: answer.row },
    }
}

/// BLAKE3 over a concept's id, version, name, model, fingerprint, summary and body. Before each part whose length is not
/// always the same stands its length.
pub fn concept_digest(concept: &StoredConcept) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("explaind stored concept");
    hasher.update(&concept.id.0).update(&concept.version.to_le_bytes());
    let (name, model, fingerprint) = (&concept.name, &concept.model, &concept.fingerprint);
    for part in [name.as_bytes(), model.as_bytes(), fingerprint.as_bytes(), &concept.summary, &concept.body] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}

/// A concept that was read, with the digest that stands beside it.
pub fn judged_concept(concept: StoredConcept, digest_in_row: &[u8]) -> FoundConcept {
    match digest_in_row == concept_digest(&concept) {
        true => FoundConcept::Whole(concept),
        false => FoundConcept::Damaged,
    }
}

/// What a result takes in a database, about.
pub fn row_bytes(result: &StoredResult) -> i64 {
    let bytes = result.body.len() + result.warnings.len() + ROW_OVERHEAD;
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// How a response is put together, from its row. A recipe that does not give its own id is damaged: as good
/// as none.
pub fn recipe(id: ResponseId, shape: &str, keys: &[u8]) -> Option<Recipe> {
    let keys = keys.as_chunks::<32>().0.iter().map(|key| ResultKey(*key)).collect();
    let recipe = Recipe { shape: Shape::named(shape)?, keys };
    (recipe.id() == id).then_some(recipe)
}
