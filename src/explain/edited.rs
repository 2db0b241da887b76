//! A text with some of its words rewritten, as the network gets it.

use super::rewriting::{Rewrite, Rewritten};
use crate::model::text::Word;
use crate::model::{EncodeError, EncodedText, Model, Text};

/// A text after changes to its words, tokenised anew, which knows what became of each word of the original.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// The text.
    pub text: String,
    /// The second text of a pair.
    pub text_pair: Option<String>,
    /// Both as the network gets them.
    pub encoded: EncodedText,
    /// For each word of the original, the tokens that stand for it now; empty where it was deleted, or where the tokenizer
    /// made none of it.
    pub tokens: Vec<Vec<usize>>,
}

impl Edited {
    /// A text without any change.
    pub fn untouched(sent: Text<'_>, encoded: &EncodedText) -> Self {
        Edited {
            text: sent.first.to_owned(),
            text_pair: sent.second.map(str::to_owned),
            encoded: encoded.clone(),
            tokens: encoded.words.iter().map(|word| word.tokens.clone()).collect(),
        }
    }

    /// A text with `words`, some stretches of which are rewritten.
    ///
    /// # Errors
    /// The model cannot read what comes out: nothing is left of it, or it is too long.
    pub fn new(
        model: &Model,
        sent: Text<'_>,
        words: &[Word],
        rewrites: &[Rewrite],
    ) -> Result<Self, EncodeError> {
        let originals: Vec<&str> = std::iter::once(sent.first).chain(sent.second).collect();
        let rewritten: Vec<Rewritten> = originals
            .iter()
            .enumerate()
            .map(|(segment, text)| Rewritten::new(text, segment, rewrites))
            .collect();
        let mut texts = rewritten.iter().map(|rewritten| rewritten.text.as_str());
        let text = Text { first: texts.next().unwrap_or_default(), second: texts.next() };
        let encoded = model.encode(text, false)?;
        let mut tokens = vec![Vec::new(); words.len()];
        for (segment, (original, rewritten)) in originals.iter().zip(&rewritten).enumerate() {
            let owners = owners(original, segment, words);
            let characters: Vec<char> = rewritten.text.chars().collect();
            for (index, token) in encoded.tokens.iter().enumerate() {
                if token.special || token.segment != segment {
                    continue;
                }
                // Byte-level tokenizers count the space before a word into its token.
                let visible = (token.start..token.end).find(|place| !characters[*place].is_whitespace());
                let origin = rewritten.origins.get(visible.unwrap_or(token.start));
                if let Some(Some(word)) = origin.map(|origin| owners[*origin]) {
                    tokens[word].push(index);
                }
            }
        }
        Ok(Edited { text: text.first.to_owned(), text_pair: text.second.map(str::to_owned), encoded, tokens })
    }
}

/// The word of each code point of a text; none between words.
fn owners(text: &str, segment: usize, words: &[Word]) -> Vec<Option<usize>> {
    let mut owners = vec![None; text.chars().count()];
    for (index, word) in words.iter().enumerate().filter(|(_, word)| word.segment == segment) {
        owners[word.span.start..word.span.end].fill(Some(index));
    }
    owners
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn model(name: &str) -> Model {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name);
        Model::load(name, &path).unwrap()
    }

    fn edited(model: &Model, sent: Text<'_>, changes: &[(usize, &str)]) -> Result<Edited, EncodeError> {
        let words = model.encode(sent, false).unwrap().words;
        let rewrite = |(word, to): &(usize, &str)| Rewrite {
            segment: words[*word].segment,
            span: words[*word].span.start..words[*word].span.end,
            to: (*to).to_owned(),
        };
        Edited::new(model, sent, &words, &changes.iter().map(rewrite).collect::<Vec<_>>())
    }

    fn pieces(edited: &Edited, word: usize) -> Vec<&str> {
        edited.tokens[word].iter().map(|token| edited.encoded.tokens[*token].text.as_str()).collect()
    }

    #[test]
    fn a_text_that_nothing_is_done_to_is_the_text() {
        let model = model("three-labels");
        let sent = Text { first: "A funny, unlovely film.", second: None };
        let encoded = model.encode(sent, false).unwrap();
        assert_eq!(edited(&model, sent, &[]).unwrap(), Edited::untouched(sent, &encoded));
    }

    #[test]
    fn each_word_of_the_original_has_the_tokens_that_stand_for_it_now() {
        let model = model("three-labels");
        let sent = Text { first: "A funny film, and good.", second: None };
        let edited = edited(&model, sent, &[(0, ""), (1, "long dull"), (3, ";")]).unwrap();
        assert_eq!(edited.text, "long dull film; and good.");
        let said: Vec<Vec<&str>> = (0..edited.tokens.len()).map(|word| pieces(&edited, word)).collect();
        assert_eq!(
            said,
            [vec![], vec!["long", "dull"], vec!["film"], vec![";"], vec!["and"], vec!["good"], vec!["."]]
        );
    }

    #[test]
    fn both_texts_of_a_pair_are_edited_each_in_its_own_place() {
        let model = model("pairs");
        let sent = Text { first: "the film is good", second: Some("the film is bad") };
        let edited = edited(&model, sent, &[(3, "fun"), (4, "")]).unwrap();
        assert_eq!(
            (edited.text.as_str(), edited.text_pair.as_deref()),
            ("the film is fun", Some("film is bad"))
        );
        let first = edited.tokens[3][0];
        assert_eq!(edited.encoded.tokens[first].segment, 0);
        assert!(edited.tokens[4].is_empty());
        assert_eq!(edited.encoded.tokens[edited.tokens[7][0]].segment, 1);
    }

    #[test]
    fn a_text_of_which_nothing_is_left_cannot_be_read() {
        let model = model("three-labels");
        let sent = Text { first: "Good film", second: None };
        let nothing = edited(&model, sent, &[(0, ""), (1, "")]);
        assert_eq!(nothing, Err(EncodeError::Blank { segment: 0 }));
    }
}
