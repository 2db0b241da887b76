//! From scores of tokens to scores of words and sentences, by sums: nothing is lost or scaled.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::EncodedText;

/// The unit that scores are given for: `token` (one score per token, special ones included), `word` or
/// `sentence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "word")]
pub enum Granularity {
    /// One score per token, special ones included.
    Token,
    /// One score per word.
    #[default]
    Word,
    /// One score per sentence.
    Sentence,
}

impl Granularity {
    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Granularity::Token => "token",
            Granularity::Word => "word",
            Granularity::Sentence => "sentence",
        }
    }

    /// Adds token scores up: one score per unit, and those of the special tokens, in order, unless
    /// tokens were asked for.
    pub fn gather(self, text: &EncodedText, token_scores: &[f64]) -> (Vec<f64>, Option<Vec<f64>>) {
        let of_word =
            |word: usize| text.words[word].tokens.iter().map(|token| token_scores[*token]).sum::<f64>();
        let scores = match self {
            Granularity::Token => return (token_scores.to_vec(), None),
            Granularity::Word => (0..text.words.len()).map(of_word).collect(),
            Granularity::Sentence => text
                .sentences
                .iter()
                .map(|sentence| sentence.words.iter().map(|word| of_word(*word)).sum())
                .collect(),
        };
        let special = text.tokens.iter().zip(token_scores).filter(|(token, _)| token.special);
        (scores, Some(special.map(|(_, score)| *score).collect()))
    }
}
