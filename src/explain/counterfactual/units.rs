//! The words of a text as they are changed: those joined by hyphens as one, marks left aside.

use std::ops::Range;

use super::english;
use crate::model::words::{self, Span};
use crate::model::{EncodedText, Text};

/// Fewest letters of a word that is changed, where a character is not a word by itself.
const LETTERS: usize = 3;

/// Words beside function words that say something only with others: negations, quantities, and what stands for anything.
const LIGHT_WORDS: [&str; 50] = [
    "again",
    "ain't",
    "all",
    "any",
    "anybody",
    "anyone",
    "anything",
    "aren't",
    "can't",
    "cannot",
    "couldn't",
    "didn't",
    "doesn't",
    "don't",
    "enough",
    "even",
    "ever",
    "every",
    "everybody",
    "everyone",
    "everything",
    "few",
    "hadn't",
    "hasn't",
    "haven't",
    "isn't",
    "just",
    "many",
    "much",
    "neither",
    "never",
    "no",
    "nobody",
    "none",
    "nor",
    "not",
    "nothing",
    "nowhere",
    "only",
    "own",
    "shouldn't",
    "some",
    "somebody",
    "someone",
    "something",
    "still",
    "wasn't",
    "weren't",
    "won't",
    "wouldn't",
];

/// A word, or words joined by hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// 0 for the first text, 1 for the second of a pair.
    pub segment: usize,
    /// In code points of its own text.
    pub span: Range<usize>,
    /// As it is written.
    pub text: String,
    /// In lower case.
    pub lower: String,
    /// Its tokens, by their indices; empty where the tokenizer made none of it.
    pub tokens: Range<usize>,
    /// Whether it has to stay.
    pub is_protected: bool,
}

/// All of a text, or of a pair.
#[derive(Debug, Clone)]
pub(super) struct Units {
    all: Vec<Unit>,
    /// The characters of each text.
    parts: Vec<Vec<char>>,
}

impl Units {
    /// Those of a text as a model reads it.
    pub fn of(text: Text<'_>, encoded: &EncodedText, protected: &[String]) -> Self {
        let words = encoded.words.iter().map(|word| {
            let tokens =
                word.tokens.first().map_or(0..0, |first| *first..word.tokens[word.tokens.len() - 1] + 1);
            (word.segment, word.span.clone(), tokens)
        });
        let parts =
            std::iter::once(text.first).chain(text.second).map(|part| part.chars().collect()).collect();
        let mut units = Units { all: Vec::new(), parts };
        units.read(words);
        protected.iter().for_each(|entry| units.protect(entry));
        units
    }

    /// Those of a piece of text that no model has read.
    fn plain(text: &str) -> Self {
        let mut units = Units { all: Vec::new(), parts: vec![text.chars().collect()] };
        units.read(words::words(text).into_iter().map(|span| (0, span, 0..0)));
        units
    }

    fn read(&mut self, words: impl Iterator<Item = (usize, Span, Range<usize>)>) {
        for (segment, span, tokens) in words.filter(|(_, span, _)| !is_mark(&span.text)) {
            let Span { start, end, text } = span;
            let characters = &self.parts[segment];
            match self.all.last_mut() {
                Some(last) if last.segment == segment && characters[last.span.end..start] == ['-'] => {
                    last.text = characters[last.span.start..end].iter().collect();
                    last.lower = last.text.to_lowercase();
                    last.span.end = end;
                    last.tokens = joined(&last.tokens, &tokens);
                }
                _ => {
                    let lower = text.to_lowercase();
                    self.all.push(Unit {
                        segment,
                        span: start..end,
                        text,
                        lower,
                        tokens,
                        is_protected: false,
                    });
                }
            }
        }
    }

    /// Keeps words of a request, wherever they stand together or in a compound.
    fn protect(&mut self, entry: &str) {
        for run in self.runs_of(entry) {
            self.all[run].iter_mut().for_each(|unit| unit.is_protected = true);
        }
        let entry = entry.trim().to_lowercase();
        for unit in &mut self.all {
            unit.is_protected |= unit.lower.split('-').any(|part| part == entry);
        }
    }

    /// Where these words stand in the text, compared without case, with the same marks between them.
    pub fn runs_of(&self, words: &str) -> Vec<Range<usize>> {
        let wanted = Units::plain(words);
        let count = wanted.all.len();
        let is_here = |first: usize| {
            (0..count).all(|index| self.all[first + index].lower == wanted.all[index].lower)
                && (1..count).all(|index| {
                    let (here, there) = (self.gap(first + index - 1), wanted.gap(index - 1));
                    here.is_some_and(|here| there.is_some_and(|there| here.trim() == there.trim()))
                })
        };
        let last = (self.all.len() + 1).saturating_sub(count);
        let starts = (0..last).filter(|first| count > 0 && is_here(*first));
        starts.map(|first| first..first + count).collect()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// One.
    pub fn get(&self, index: usize) -> &Unit {
        &self.all[index]
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.all.iter()
    }

    /// What stands between a unit and the next; none behind the last of its text.
    pub fn gap(&self, index: usize) -> Option<String> {
        let (unit, next) = (self.all.get(index)?, self.all.get(index + 1)?);
        (unit.segment == next.segment)
            .then(|| self.parts[unit.segment][unit.span.end..next.span.start].iter().collect())
    }

    /// Whether nothing but white space is between a unit and the next.
    pub fn is_followed_closely(&self, index: usize) -> bool {
        self.gap(index).is_some_and(|gap| gap.chars().all(char::is_whitespace))
    }

    /// The unit before, in the same text.
    pub fn before(&self, index: usize) -> Option<&Unit> {
        let before = self.all.get(index.checked_sub(1)?)?;
        (before.segment == self.all[index].segment).then_some(before)
    }

    /// The unit that stands at `end`, if it is in the text of the one before.
    pub fn behind(&self, end: usize) -> Option<&Unit> {
        let behind = self.all.get(end)?;
        (behind.segment == self.all[end.checked_sub(1)?].segment).then_some(behind)
    }

    /// Where a run stands, in code points of its text.
    pub fn span(&self, run: &Range<usize>) -> Range<usize> {
        self.all[run.start].span.start..self.all[run.end - 1].span.end
    }

    /// What goes with a run that is taken out, in code points of its text: a comma that would be left before the end of a
    /// sentence, or at its beginning.
    pub fn cut(&self, run: &Range<usize>) -> Range<usize> {
        let Range { start, end } = self.span(run);
        let part = &self.parts[self.all[run.start].segment];
        let is_ink = |place: &usize| !part[*place].is_whitespace();
        let (before, behind) = ((0..start).rev().find(is_ink), (end..part.len()).find(is_ink));
        let ends =
            |place: Option<usize>| place.is_none_or(|place| matches!(part[place], '.' | '!' | '?' | ';'));
        let comma = |place: Option<usize>| place.filter(|place| part[*place] == ',');
        match (comma(before), comma(behind)) {
            (Some(comma), _) if ends(behind) => comma..end,
            (_, Some(comma)) if ends(before) => start..comma + 1,
            _ => start..end,
        }
    }

    /// What stands at some code points of the text that a unit is in.
    pub fn written(&self, unit: usize, span: Range<usize>) -> String {
        self.parts[self.all[unit].segment][span].iter().collect()
    }

    /// Whether a run is within one text, with tokens, and nothing of it is protected.
    pub fn is_free(&self, run: &Range<usize>) -> bool {
        let units = &self.all[run.clone()];
        units
            .iter()
            .all(|unit| unit.segment == units[0].segment && !unit.is_protected && !unit.tokens.is_empty())
    }

    /// Whether a unit says something by itself and may be changed; where `every_word`, grammatical words too.
    pub fn is_touchable(&self, index: usize, every_word: bool) -> bool {
        let unit = &self.all[index];
        self.is_free(&(index..index + 1))
            && if is_grammatical(&unit.lower) {
                every_word && is_plain(&unit.text)
            } else {
                says_something(&unit.text)
            }
    }

    /// All runs of so many units, in order.
    pub fn runs(&self, length: usize) -> impl Iterator<Item = Range<usize>> {
        (0..(self.len() + 1).saturating_sub(length)).map(move |first| first..first + length)
    }
}

/// Both, and what is between.
fn joined(first: &Range<usize>, second: &Range<usize>) -> Range<usize> {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second.clone(),
        (_, true) => first.clone(),
        _ => first.start.min(second.start)..first.end.max(second.end),
    }
}

/// Whether a word is of letters, long enough to mean something by itself.
pub(super) fn says_something(word: &str) -> bool {
    is_plain(word) && (word.chars().count() >= LETTERS || word.chars().any(stands_alone))
}

/// Whether a word, in lower case, holds a sentence together or weighs another, rather than saying something of its own.
/// Adverbs of degree in -ly do say something.
pub(super) fn is_grammatical(word: &str) -> bool {
    english::is_function_word(word)
        || (english::is_degree_word(word) && !word.ends_with("ly"))
        || LIGHT_WORDS.binary_search(&word.replace('’', "'").as_str()).is_ok()
}

/// Letters, and what joins them.
fn is_plain(word: &str) -> bool {
    word.starts_with(char::is_alphabetic)
        && word.chars().all(|character| character.is_alphabetic() || is_joining(character))
}

fn is_joining(character: char) -> bool {
    // Marks that belong to the letter before: combining accents, vowel signs and joiners.
    matches!(character, '\'' | '’' | '-' | '‐' | '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5C7}' | '\u{64B}'..='\u{65F}' | '\u{200C}' | '\u{200D}')
}

/// Whether a character is written without spaces around its words.
fn stands_alone(character: char) -> bool {
    matches!(character, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Whether two words are of one script, as far as their first characters tell.
pub(super) fn same_script(first: &str, second: &str) -> bool {
    let script = |word: &str| word.chars().find(|character| character.is_alphabetic()).map(script_of);
    script(first) == script(second)
}

/// A number for each script: that of its block of 256 characters, where it has one for itself.
fn script_of(character: char) -> u32 {
    match character {
        '\0'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => 0,
        character if stands_alone(character) => 1,
        character => u32::from(character) >> 8,
    }
}

/// Whether a segment is of marks: neither letters, digits nor pictures.
fn is_mark(text: &str) -> bool {
    let is_picture =
        |character: char| matches!(character, '\u{2600}'..='\u{27BF}' | '\u{1F000}'..='\u{1FAFF}');
    !text.chars().any(|character| character.is_alphanumeric() || is_picture(character))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::Model;

    fn units(text: &str, protected: &[&str]) -> Units {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
        let model = Model::load("three-labels", &path).unwrap();
        let text = Text { first: text, second: None };
        let protected: Vec<String> = protected.iter().map(|entry| (*entry).to_owned()).collect();
        Units::of(text, &model.encode(text, false).unwrap(), &protected)
    }

    fn chosen(units: &Units, is_chosen: impl Fn(usize) -> bool) -> Vec<&str> {
        (0..units.len()).filter(|unit| is_chosen(*unit)).map(|unit| units.get(unit).text.as_str()).collect()
    }

    #[test]
    fn a_compound_is_one_unit_and_marks_are_none() {
        let units = units("A well-made, off-the-wall film - good!", &[]);
        assert_eq!(chosen(&units, |_| true), ["A", "well-made", "off-the-wall", "film", "good"]);
        assert_eq!(units.gap(1).as_deref(), Some(", "));
        assert_eq!(units.gap(4), None);
        assert!(units.get(1).tokens.len() >= 3);
    }

    #[test]
    fn words_that_say_something_are_touchable_and_function_words_at_loose_levels_alone() {
        let units = units("The 90s film was ok, très don't 好 👍", &[]);
        assert_eq!(chosen(&units, |unit| units.is_touchable(unit, false)), ["film", "très", "好"]);
        assert_eq!(
            chosen(&units, |unit| units.is_touchable(unit, true)),
            ["The", "film", "was", "très", "don't", "好"]
        );
    }

    #[test]
    fn protected_words_stay_alone_in_compounds_and_where_they_stand_together() {
        let units = units("a Good well-made film, good old time", &["good", "MADE", "Old Time"]);
        assert_eq!(
            chosen(&units, |unit| units.get(unit).is_protected),
            ["Good", "well-made", "good", "old", "time"]
        );
        assert!(!units.is_free(&(0..3)));
    }

    #[test]
    fn words_are_found_without_case_and_with_the_same_marks_between_them() {
        let units = units("Not good, not GOOD, good film", &[]);
        assert_eq!(units.runs_of("not good"), [0..2, 2..4]);
        assert_eq!(units.runs_of("good, not"), vec![1..3]);
        assert_eq!(units.runs_of("good film good"), vec![] as Vec<Range<usize>>);
        assert_eq!(units.runs_of("!"), vec![] as Vec<Range<usize>>);
    }

    #[test]
    fn a_comma_goes_with_what_it_would_be_left_of() {
        let cut = |text: &str, run: Range<usize>| {
            let units = units(text, &[]);
            units.written(run.start, units.cut(&run))
        };
        assert_eq!(cut("a good film, but not funny.", 3..6), ", but not funny");
        assert_eq!(cut("despite it all, a good film", 0..3), "despite it all,");
        assert_eq!(cut("good, old, new", 1..2), "old");
        assert_eq!(cut("good , old", 1..2), ", old");
    }

    #[test]
    fn light_words_are_in_order_and_grammatical() {
        assert!(LIGHT_WORDS.is_sorted());
        assert!(LIGHT_WORDS.iter().all(|word| is_grammatical(word)));
        assert!(is_grammatical("don’t") && is_grammatical("very") && !is_grammatical("terribly"));
    }

    #[test]
    fn scripts_are_told_apart() {
        assert!(same_script("good", "émouvant") && same_script("好", "かな"));
        assert!(!same_script("good", "хороший") && !same_script("טוב", "好"));
    }
}
