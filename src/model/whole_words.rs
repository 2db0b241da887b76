//! The tokens of a vocabulary that are words on their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::tokenizer::TextTokenizer;

/// Tokens of nothing but letters, with apostrophes and hyphens between them, whose text alone is tokenised to just
/// them: no pieces of words, no special or added tokens, no digits or punctuation.
#[derive(Debug, Clone, Default)]
pub struct WholeWords {
    by_id: BTreeMap<u32, Arc<str>>,
    by_text: HashMap<Arc<str>, u32>,
}

impl WholeWords {
    /// Tokenises every candidate of the vocabulary once.
    pub(super) fn of(tokenizer: &TextTokenizer) -> Self {
        let mut words = WholeWords::default();
        for (id, text) in tokenizer.own_vocabulary() {
            if is_word(&text) && tokenizer.bare_ids(&text).is_ok_and(|ids| ids == [id]) {
                let text: Arc<str> = text.into();
                words.by_id.insert(id, text.clone());
                words.by_text.insert(text, id);
            }
        }
        words
    }

    /// Ids and texts, by rising id.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        self.by_id.iter().map(|(id, text)| (*id, text.as_ref()))
    }

    /// Whether a token is a word on its own.
    pub fn contains(&self, id: u32) -> bool {
        self.by_id.contains_key(&id)
    }

    /// The text of a token that is one.
    pub fn text(&self, id: u32) -> Option<&str> {
        self.by_id.get(&id).map(AsRef::as_ref)
    }

    /// The token of a word, written as the vocabulary has it.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.by_text.get(word).copied()
    }
}

/// Letters, and between them what holds words together.
fn is_word(text: &str) -> bool {
    let inner = |character: char| matches!(character, '\'' | '’' | '-' | '‐');
    text.starts_with(char::is_alphabetic)
        && text.ends_with(char::is_alphabetic)
        && text.chars().all(|character| character.is_alphabetic() || inner(character))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::ModelConfig;

    fn words(directory: &str) -> (TextTokenizer, WholeWords) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let config = ModelConfig::read(&directory.join("config.json")).unwrap();
        let tokenizer = TextTokenizer::open(&directory, &config).unwrap();
        let words = WholeWords::of(&tokenizer);
        (tokenizer, words)
    }

    #[test]
    fn words_of_the_bundled_vocabulary_are_whole_and_nothing_else_is_among_them() {
        let (tokenizer, words) = words("models/movie-reviews");
        for word in ["awful", "good", "film", "a"] {
            let id = words.id(word).unwrap();
            assert_eq!(words.text(id), Some(word));
            assert!(words.contains(id));
        }
        for other in
            ["##ing", "[MASK]", "[UNK]", "[PAD]", "[unused7]", "!", "7", "1990", "Awful", "don't", ""]
        {
            assert_eq!(words.id(other), None, "{other}");
        }
        let mask = tokenizer.special().mask.unwrap();
        assert!(!words.contains(mask));
        assert_eq!(words.text(mask), None);
        assert!(words.iter().count() > 15_000);
    }

    #[test]
    fn words_come_by_rising_id_and_are_tokenised_to_themselves() {
        for directory in
            ["models/movie-reviews", "tests/fixtures/models/cased", "tests/fixtures/models/chinese"]
        {
            let (tokenizer, words) = words(directory);
            let all: Vec<(u32, &str)> = words.iter().collect();
            assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (id, text) in all.iter().step_by(97) {
                let encoding = tokenizer.encode(text, None).unwrap();
                assert_eq!(encoding.get_ids()[1..encoding.get_ids().len() - 1], [*id], "{text}");
            }
        }
    }

    #[test]
    fn a_cased_vocabulary_has_words_in_capitals() {
        let (_, words) = words("tests/fixtures/models/cased");
        for word in ["Film", "film", "NATO", "Paris"] {
            assert!(words.id(word).is_some(), "{word}");
        }
        assert_ne!(words.id("Film"), words.id("film"));
        assert_eq!(words.id("##e"), None);
    }

    #[test]
    fn a_han_character_is_a_word() {
        let (_, words) = words("tests/fixtures/models/chinese");
        for word in ["好", "影", "a"] {
            assert!(words.id(word).is_some(), "{word}");
        }
        for other in ["。", "，", "##a", "0", "[CLS]"] {
            assert_eq!(words.id(other), None, "{other}");
        }
    }

    #[test]
    fn apostrophes_and_hyphens_are_of_a_word_only_between_letters() {
        for word in ["don't", "co-op", "l’été", "好"] {
            assert!(is_word(word), "{word}");
        }
        for other in ["", "'tis", "co-", "-", "##ing", "a1", "a b", "ok!"] {
            assert!(!is_word(other), "{other}");
        }
    }
}
