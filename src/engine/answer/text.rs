//! A text as tokens, words and sentences. All positions count Unicode code points of the text as sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a cut text was kept; characters are Unicode code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TruncationNote {
    /// Tokens the whole text has, special ones included.
    #[schema(example = 540)]
    pub tokens: usize,
    /// Tokens the model takes, special ones included.
    #[schema(example = 512)]
    pub limit: usize,
    /// Characters kept of `text`, in Unicode code points from its start.
    #[schema(example = 2391)]
    pub kept_to_character: usize,
    /// Characters kept of `text_pair`, in Unicode code points from its start; absent for a single text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 120)]
    pub kept_to_character_pair: Option<usize>,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenView {
    /// Its place among the tokens, from 0.
    #[schema(example = 8)]
    pub index: usize,
    /// Its piece in the vocabulary.
    #[schema(example = "##s")]
    pub text: String,
    /// First character, in Unicode code points of its own text, from 0; 0 for special tokens.
    #[schema(example = 31)]
    pub start: usize,
    /// One past the last character, in Unicode code points of its own text; 0 for special tokens.
    #[schema(example = 32)]
    pub end: usize,
    /// The index of the word that holds its first character; null for special tokens.
    #[schema(required, example = 6)]
    pub word: Option<usize>,
    /// Whether the tokenizer added it: it stands for no characters of the text.
    #[schema(example = false)]
    pub special: bool,
    /// The text it is of: 0 for `text`, 1 for `text_pair`.
    #[schema(example = 0, maximum = 1)]
    pub segment: usize,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WordView {
    /// Its place among the words, from 0.
    #[schema(example = 6)]
    pub index: usize,
    /// Its characters, as sent.
    #[schema(example = "drags")]
    pub text: String,
    /// First character, in Unicode code points of its own text, from 0.
    #[schema(example = 27)]
    pub start: usize,
    /// One past the last character, in Unicode code points of its own text.
    #[schema(example = 32)]
    pub end: usize,
    /// The indices of its tokens, ascending.
    #[schema(example = json!([7, 8]))]
    pub tokens: Vec<usize>,
    /// The text it is of: 0 for `text`, 1 for `text_pair`.
    #[schema(example = 0, maximum = 1)]
    pub segment: usize,
}

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentenceView {
    /// Its place among the sentences, from 0.
    #[schema(example = 0)]
    pub index: usize,
    /// Its characters, as sent.
    #[schema(example = "A gripping film, though it drags a little.")]
    pub text: String,
    /// First character, in Unicode code points of its own text, from 0.
    #[schema(example = 0)]
    pub start: usize,
    /// One past the last character, in Unicode code points of its own text.
    #[schema(example = 42)]
    pub end: usize,
    /// The indices of its words, ascending.
    #[schema(example = json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))]
    pub words: Vec<usize>,
    /// The text it is of: 0 for `text`, 1 for `text_pair`.
    #[schema(example = 0, maximum = 1)]
    pub segment: usize,
}
