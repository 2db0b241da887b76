//! The shapes of batches, for the API's description: they are read and written piece by piece.

use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::Answer;
use crate::server::input::TextPair;
use crate::server::problem::Problem;

/// What a batch is answered with.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// One for each text, in the order they were sent: the answer it would have alone, or what is wrong.
    #[schema(example = json!([]))]
    results: Vec<BatchItem>,
}

/// An answer, or what is wrong with the text.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a batch is written piece by piece from bytes; this is its description")]
enum BatchItem {
    /// The answer to the text.
    Answer(Box<Answer>),
    /// What is wrong with the text.
    Failed(Failed),
}

/// A text of a batch that has no answer.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// What is wrong with the text.
    pub error: Problem,
}

/// A text of a batch: a string, or a pair. Items are read one by one, so that a bad one spoils no other; this
/// is what a good one looks like.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(example = "A gripping film, though it drags a little.")]
pub enum TextOrPair {
    /// A text.
    Text(String),
    /// A text that may have a second one beside it.
    Pair(TextPair),
}
