//! Words and sentences of a text as it was sent, with offsets in Unicode code points.
//!
//! Boundaries are those of Unicode's UAX #29: `don't` is one word, punctuation marks are words of
//! their own, and scripts written without spaces fall into characters. This module is the one place
//! where bytes become code points.

use unicode_segmentation::UnicodeSegmentation;

/// A stretch of a text: `start..end` in Unicode code points, and the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// First code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// The characters between.
    pub text: String,
}

/// All word segments of UAX #29 that are not white space alone, in order.
///
/// Segments of nothing but invisible characters (zero-width spaces, direction marks, controls) are
/// among them, since a tokenizer may make a token of one; [`Span::is_visible`] tells them apart.
pub fn words(text: &str) -> Vec<Span> {
    spans(text.split_word_bounds()).filter(|span| !span.text.chars().all(char::is_whitespace)).collect()
}

/// All sentences of UAX #29, without the white space around them; blank ones are left out.
pub fn sentences(text: &str) -> Vec<Span> {
    spans(text.split_sentence_bounds()).filter_map(Span::trimmed).collect()
}

fn spans<'a>(segments: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Span> {
    segments.scan(0, |position, segment| {
        let start = *position;
        *position += segment.chars().count();
        Some(Span { start, end: *position, text: segment.to_owned() })
    })
}

impl Span {
    /// Whether a reader would see anything of it.
    pub fn is_visible(&self) -> bool {
        !self.text.chars().all(is_invisible)
    }

    /// The part of it before a code point.
    pub fn cut_at(mut self, position: usize) -> Span {
        if self.end > position {
            self.text = self.text.chars().take(position.saturating_sub(self.start)).collect();
            self.end = position.max(self.start);
        }
        self
    }

    fn trimmed(self) -> Option<Span> {
        let without_left = self.text.trim_start();
        let start = self.end - without_left.chars().count();
        let text = without_left.trim_end();
        (!text.is_empty()).then(|| Span { start, end: start + text.chars().count(), text: text.to_owned() })
    }
}

/// White space, controls, and the format characters that draw nothing.
fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The index of the span that holds a code point, in spans sorted by start.
pub fn span_at(spans: &[Span], position: usize) -> Option<usize> {
    let index = spans.partition_point(|span| span.end <= position);
    spans.get(index).is_some_and(|span| span.start <= position).then_some(index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(spans: &[Span]) -> Vec<&str> {
        spans.iter().map(|span| span.text.as_str()).collect()
    }

    #[test]
    fn an_apostrophe_keeps_its_word_whole_and_other_punctuation_stands_alone() {
        assert_eq!(texts(&words("I don't, really!!")), ["I", "don't", ",", "really", "!", "!"]);
    }

    #[test]
    fn an_address_falls_into_its_parts() {
        assert_eq!(
            texts(&words("see https://example.com/a?b=1")),
            ["see", "https", ":", "/", "/", "example.com", "/", "a", "?", "b", "=", "1"]
        );
    }

    #[test]
    fn han_characters_are_words_and_hebrew_reads_in_logical_order() {
        assert_eq!(texts(&words("好电影 good")), ["好", "电", "影", "good"]);
        assert_eq!(texts(&words("סרט טוב")), ["סרט", "טוב"]);
    }

    #[test]
    fn families_flags_and_combining_marks_stay_together_and_offsets_count_code_points() {
        let spans = words("a 👩‍👩‍👧 🇩🇪 e\u{301}t");
        assert_eq!(texts(&spans), ["a", "👩‍👩‍👧", "🇩🇪", "e\u{301}t"]);
        assert_eq!(
            spans.iter().map(|s| (s.start, s.end)).collect::<Vec<_>>(),
            [(0, 1), (2, 7), (8, 10), (11, 14)]
        );
    }

    #[test]
    fn tabs_and_newlines_are_no_words_and_a_zero_width_space_is_an_invisible_one() {
        assert_eq!(texts(&words("\tone\r\n two\n")), ["one", "two"]);
        let spans = words("a\u{200B}b");
        assert_eq!(spans.iter().map(Span::is_visible).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn sentences_carry_no_white_space_around_them() {
        let spans = sentences("  A fine film. It drags, though!\n\nStill: see it.  ");
        assert_eq!(texts(&spans), ["A fine film.", "It drags, though!", "Still: see it."]);
        assert_eq!((spans[0].start, spans[0].end), (2, 14));
    }

    proptest! {
        #[test]
        fn offsets_cut_the_words_and_sentences_back_out_of_any_text(text in any::<String>()) {
            let characters: Vec<char> = text.chars().collect();
            for spans in [words(&text), sentences(&text)] {
                let mut end = 0;
                for span in &spans {
                    prop_assert!(end <= span.start && span.start < span.end);
                    end = span.end;
                    prop_assert_eq!(&span.text, &characters[span.start..span.end].iter().collect::<String>());
                }
            }
        }

        #[test]
        fn every_character_that_is_not_white_space_lies_in_exactly_one_word(text in any::<String>()) {
            let spans = words(&text);
            for (position, character) in text.chars().enumerate() {
                let holders = spans.iter().filter(|s| s.start <= position && position < s.end).count();
                prop_assert!(holders == 1 || (holders == 0 && character.is_whitespace()));
                prop_assert_eq!(span_at(&spans, position).is_some(), holders == 1);
            }
        }
    }
}
