//! A text as a binary tree of its parts, by how it is written: texts of a pair, sentences, phrases, words,
//! tokens.

use std::collections::HashMap;

use super::game::Players;
use crate::model::EncodedText;
use crate::model::text::Sentence;

/// One part of a text, or two neighbouring groups of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    players: Vec<usize>,
    halves: Option<Box<(Tree, Tree)>>,
}

impl Tree {
    /// The tree of a text. A pair falls into its texts, a text into its sentences, a sentence into phrases, each
    /// of which ends with a mark of punctuation, a phrase into its words, and a word into its tokens, down
    /// to the parts that the players are. None where there are no players.
    pub fn of_text(text: &EncodedText, players: &Players) -> Option<Tree> {
        let firsts: HashMap<usize, usize> =
            (0..players.len()).map(|player| (players.tokens(player)[0], player)).collect();
        // A player stands where its first token does.
        let word = |word: &usize| {
            let own = text.words[*word].tokens.iter().filter_map(|token| firsts.get(token));
            Tree::over(own.map(|player| Tree::leaf(*player)).collect())
        };
        let sentence = |sentence: &Sentence| {
            let phrases = sentence.words.split_inclusive(|word| is_punctuation(&text.words[*word].span.text));
            Tree::over(
                phrases.filter_map(|words| Tree::over(words.iter().filter_map(word).collect())).collect(),
            )
        };
        let texts = text.sentences.chunk_by(|one, next| one.segment == next.segment);
        Tree::over(texts.filter_map(|own| Tree::over(own.iter().filter_map(sentence).collect())).collect())
    }

    /// One player.
    pub fn leaf(player: usize) -> Self {
        Tree { players: vec![player], halves: None }
    }

    /// A tree over neighbouring groups: cut in the middle again and again, where they do not halve with
    /// one more in front. None of none.
    pub fn over(mut groups: Vec<Tree>) -> Option<Self> {
        if groups.len() < 2 {
            return groups.pop();
        }
        let back = groups.split_off(groups.len().div_ceil(2));
        let (front, back) = (Tree::over(groups)?, Tree::over(back)?);
        let players = front.players.iter().chain(&back.players).copied().collect();
        Some(Tree { players, halves: Some(Box::new((front, back))) })
    }

    /// The players in it.
    pub fn players(&self) -> &[usize] {
        &self.players
    }

    /// Its two halves; none where it is one player.
    pub fn halves(&self) -> Option<(&Tree, &Tree)> {
        self.halves.as_deref().map(|(front, back)| (front, back))
    }

    /// How often a group is cut in two if every one is, once with and once without each of the halves beside
    /// it and beside those around it: 2ᵈ times for a group at depth d.
    pub fn cuts(&self) -> usize {
        match self.halves() {
            None => 0,
            Some((front, back)) => {
                front.cuts().saturating_add(back.cuts()).saturating_mul(2).saturating_add(1)
            }
        }
    }
}

/// A word without a letter or a digit.
fn is_punctuation(word: &str) -> bool {
    !word.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree in brackets.
    fn written(tree: &Tree) -> String {
        match tree.halves() {
            None => tree.players()[0].to_string(),
            Some((front, back)) => format!("({} {})", written(front), written(back)),
        }
    }

    #[test]
    fn groups_are_halved_with_one_more_in_front() {
        let over = |count: usize| Tree::over((0..count).map(Tree::leaf).collect());
        assert_eq!(over(0), None);
        let written: Vec<String> = (1..=5).map(|count| written(&over(count).unwrap())).collect();
        assert_eq!(written, ["0", "(0 1)", "((0 1) 2)", "((0 1) (2 3))", "(((0 1) 2) (3 4))"]);
    }

    #[test]
    fn every_group_is_cut_with_and_without_those_around_it() {
        let over = |count: usize| Tree::over((0..count).map(Tree::leaf).collect()).unwrap();
        assert_eq!([1, 2, 3, 4, 8].map(|count| over(count).cuts()), [0, 1, 3, 5, 21]);
    }

    #[test]
    fn punctuation_has_no_letters_or_digits() {
        assert!([",", "!", "…", "—"].into_iter().all(is_punctuation));
        assert!(!["don't", "3", "电"].into_iter().any(is_punctuation));
    }
}
