//! Changes to a text as a person would make them: in the string itself, whole words, white space left tidy. What comes out
//! is tokenised anew like any other text.

use std::ops::Range;

/// A stretch of a text that becomes another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rewrite {
    /// 0 for the first text, 1 for the second of a pair.
    pub segment: usize,
    /// What is replaced, in code points of its own text.
    pub span: Range<usize>,
    /// What stands there afterwards; empty where the stretch is deleted.
    pub to: String,
}

/// A text with some stretches rewritten, which knows where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The text.
    pub text: String,
    /// For each of its code points, the one of the original that it is; or, where it was written anew, the first of the
    /// stretch in whose place it stands.
    pub origins: Vec<usize>,
}

impl Rewritten {
    /// One text with some stretches rewritten; those of other segments are left aside. The stretches must not overlap;
    /// deleted ones that only white space parts are deleted as one.
    pub fn new(text: &str, segment: usize, rewrites: &[Rewrite]) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut out: Vec<Origin> = Vec::with_capacity(characters.len());
        let mut position = 0;
        for (span, to) in stretches(&characters, segment, rewrites) {
            out.extend((position..span.start).map(|origin| (characters[origin], origin)));
            position = span.end;
            match to.is_empty() {
                false => out.extend(to.chars().map(|character| (character, span.start))),
                true => position = close_gap(&mut out, &characters, span.end),
            }
        }
        out.extend((position..characters.len()).map(|origin| (characters[origin], origin)));
        let (text, origins) = out.into_iter().unzip();
        Rewritten { text, origins }
    }
}

/// A character with where it comes from.
type Origin = (char, usize);

/// The text of [`Rewritten`] alone.
pub fn rewritten(text: &str, segment: usize, rewrites: &[Rewrite]) -> String {
    Rewritten::new(text, segment, rewrites).text
}

/// Rewrites, in order, that make the same text without anything being tidied: a deletion takes the white space with it that
/// goes. Those of other segments are left aside.
pub fn exact(text: &str, segment: usize, rewrites: &[Rewrite]) -> Vec<Rewrite> {
    let mut exact: Vec<Rewrite> =
        rewrites.iter().filter(|rewrite| rewrite.segment == segment).cloned().collect();
    exact.sort_by_key(|rewrite| (rewrite.span.start, rewrite.span.end));
    let mut is_gone = vec![true; text.chars().count()];
    Rewritten::new(text, segment, rewrites).origins.into_iter().for_each(|origin| is_gone[origin] = false);
    // Of a stretch, its beginning may stand for what was written in its place.
    for rewrite in &exact {
        is_gone[rewrite.span.clone()].fill(false);
    }
    let mut last = 0;
    for rewrite in exact.iter_mut() {
        if rewrite.to.is_empty() {
            let Range { start, end } = rewrite.span;
            let before = (last..start).rev().take_while(|place| is_gone[*place]).count();
            let behind = is_gone[end..].iter().take_while(|is_gone| **is_gone).count();
            rewrite.span = start - before..end + behind;
        }
        last = rewrite.span.end;
    }
    exact
}

/// The stretches in order, with neighbouring deletions joined.
fn stretches<'a>(
    characters: &[char],
    segment: usize,
    rewrites: &'a [Rewrite],
) -> Vec<(Range<usize>, &'a str)> {
    let mut ordered: Vec<&Rewrite> = rewrites.iter().filter(|rewrite| rewrite.segment == segment).collect();
    ordered.sort_by_key(|rewrite| (rewrite.span.start, rewrite.span.end));
    let mut stretches: Vec<(Range<usize>, &str)> = Vec::new();
    for rewrite in ordered {
        match stretches.last_mut() {
            Some((last, to))
                if to.is_empty()
                    && rewrite.to.is_empty()
                    && is_blank(&characters[last.end..rewrite.span.start]) =>
            {
                last.end = rewrite.span.end;
            }
            _ => stretches.push((rewrite.span.clone(), &rewrite.to)),
        }
    }
    stretches
}

fn is_blank(characters: &[char]) -> bool {
    characters.iter().all(|character| character.is_whitespace())
}

/// Takes away the white space that a deletion leaves too much, and says where the rest of the text begins. Between two
/// words the gap before stays; before a closing mark, behind an opening one, and at either end of the text there is none.
fn close_gap(out: &mut Vec<Origin>, characters: &[char], end: usize) -> usize {
    let gap_before = out.iter().rev().take_while(|(character, _)| character.is_whitespace()).count();
    let gap_after = characters[end..].iter().take_while(|character| character.is_whitespace()).count();
    let rest = end + gap_after;
    let before = out.len() - gap_before;
    if before == 0 {
        out.clear();
        return rest;
    }
    let Some(next) = characters.get(rest) else {
        out.truncate(before);
        return rest;
    };
    match (gap_before > 0, gap_after > 0) {
        (true, true) => rest,
        (true, false) => {
            if closes(*next) {
                out.truncate(before);
            }
            end
        }
        (false, true) if opens(out[before - 1].0) => rest,
        (false, _) => end,
    }
}

/// Marks that stand at the end of the word before them.
fn closes(character: char) -> bool {
    matches!(character, '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']' | '}' | '%' | '…' | '”' | '’' | '»')
}

/// Marks that stand at the beginning of the word behind them.
fn opens(character: char) -> bool {
    matches!(character, '(' | '[' | '{' | '“' | '‘' | '«' | '#' | '$' | '£' | '€')
}

/// A word written like another: in capitals, with a capital, or as it is. A single capital letter counts as a capital at
/// the beginning.
pub fn in_case_of(word: &str, model: &str) -> String {
    let letters: Vec<char> = model.chars().filter(|character| character.is_alphabetic()).collect();
    let capitals = letters.iter().filter(|letter| letter.is_uppercase()).count();
    match letters.first() {
        Some(_) if letters.len() > 1 && capitals == letters.len() => word.to_uppercase(),
        Some(first) if first.is_uppercase() => {
            let mut characters = word.chars();
            let first = characters.next().map(|first| first.to_uppercase().to_string());
            first.unwrap_or_default() + characters.as_str()
        }
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::words::words;

    /// A text with some of its words, by their indices, rewritten.
    fn with(text: &str, changes: &[(usize, &str)]) -> String {
        let words = words(text);
        let rewrite = |(word, to): &(usize, &str)| Rewrite {
            segment: 0,
            span: words[*word].start..words[*word].end,
            to: (*to).to_owned(),
        };
        rewritten(text, 0, &changes.iter().map(rewrite).collect::<Vec<_>>())
    }

    #[test]
    fn a_word_is_replaced_where_it_stands_and_nothing_else_moves() {
        assert_eq!(with("A  gripping\tfilm.", &[(1, "dull")]), "A  dull\tfilm.");
        assert_eq!(with("好电影", &[(0, "坏")]), "坏电影");
        assert_eq!(with("the good film", &[(2, "play"), (0, "a")]), "a good play");
    }

    #[test]
    fn a_deleted_word_takes_one_gap_with_it() {
        assert_eq!(with("a gripping film.", &[(1, "")]), "a film.");
        assert_eq!(with("a gripping film.", &[(2, "")]), "a gripping.");
        assert_eq!(with("a gripping film .", &[(2, "")]), "a gripping .");
        assert_eq!(with("gripping film", &[(0, "")]), "film");
        assert_eq!(with("  gripping film", &[(0, "")]), "film");
        assert_eq!(with("gripping film \n", &[(1, "")]), "gripping");
        assert_eq!(with("(good film)", &[(1, "")]), "(film)");
        assert_eq!(with("a film (good)", &[(3, "")]), "a film ()");
        assert_eq!(with("a well-made film", &[(1, "")]), "a -made film");
        assert_eq!(with("a\ngood film", &[(1, "")]), "a\nfilm");
    }

    #[test]
    fn neighbours_are_deleted_as_one() {
        assert_eq!(with("a very, very good film", &[(1, ""), (2, ""), (3, "")]), "a good film");
        assert_eq!(with("all of it", &[(0, ""), (1, ""), (2, "")]), "");
        assert_eq!(with("so good , so true .", &[(2, ""), (3, ""), (4, "")]), "so good .");
    }

    #[test]
    fn a_replacement_is_written_as_what_it_replaces() {
        assert_eq!(in_case_of("dull", "Gripping"), "Dull");
        assert_eq!(in_case_of("dull", "GRIPPING"), "DULL");
        assert_eq!(in_case_of("dull", "gripping"), "dull");
        assert_eq!(in_case_of("an", "A"), "An");
        assert_eq!(in_case_of("émouvant", "Triste"), "Émouvant");
        assert_eq!(in_case_of("Hitchcock", "someone"), "Hitchcock");
        assert_eq!(in_case_of("dull", "!"), "dull");
    }

    proptest! {
        #[test]
        fn a_text_without_changes_stays_as_it_is(text in any::<String>()) {
            prop_assert_eq!(rewritten(&text, 0, &[]), text);
        }

        #[test]
        fn replacing_every_word_by_itself_changes_nothing(text in any::<String>()) {
            let same = |word: crate::model::words::Span| Rewrite { segment: 0, span: word.start..word.end, to: word.text };
            let rewrites: Vec<Rewrite> = words(&text).into_iter().map(same).collect();
            prop_assert_eq!(rewritten(&text, 0, &rewrites), text);
        }

        #[test]
        fn exact_rewrites_make_the_same_text_as_they_stand(
            text in "[a-z .,()\n]{1,40}",
            chosen in prop::collection::vec(0usize..3, 40),
        ) {
            let chosen = words(&text).into_iter().zip(chosen).filter(|(_, what)| *what > 0);
            let rewrite = |(word, what): (crate::model::words::Span, usize)| {
                let to = if what == 1 { String::new() } else { "new".to_owned() };
                Rewrite { segment: 0, span: word.start..word.end, to }
            };
            let rewrites: Vec<Rewrite> = chosen.map(rewrite).collect();
            let characters: Vec<char> = text.chars().collect();
            let (mut made, mut position) = (String::new(), 0);
            for rewrite in exact(&text, 0, &rewrites) {
                made.extend(&characters[position..rewrite.span.start]);
                made.push_str(&rewrite.to);
                position = rewrite.span.end;
            }
            made.extend(&characters[position..]);
            prop_assert_eq!(made, rewritten(&text, 0, &rewrites));
        }

        #[test]
        fn what_is_not_deleted_is_all_there(text in "[a-z .,()]{0,40}", chosen in prop::collection::vec(any::<bool>(), 40)) {
            let words = words(&text);
            let (mut rewrites, mut kept) = (Vec::new(), String::new());
            for (word, is_chosen) in words.into_iter().zip(chosen) {
                match is_chosen {
                    true => rewrites.push(Rewrite { segment: 0, span: word.start..word.end, to: String::new() }),
                    false => kept.push_str(&word.text),
                }
            }
            let visible: String = rewritten(&text, 0, &rewrites).chars().filter(|c| !c.is_whitespace()).collect();
            prop_assert_eq!(visible, kept);
        }

        #[test]
        fn every_character_knows_where_it_comes_from(text in "[a-z .,()]{0,40}", chosen in prop::collection::vec(0usize..3, 40)) {
            let original: Vec<char> = text.chars().collect();
            let mut rewrites = Vec::new();
            for (word, what) in words(&text).into_iter().zip(chosen).filter(|(_, what)| *what > 0) {
                let to = if what == 1 { String::new() } else { "§§".into() };
                rewrites.push(Rewrite { segment: 0, span: word.start..word.end, to });
            }
            let Rewritten { text, origins } = Rewritten::new(&text, 0, &rewrites);
            prop_assert_eq!(text.chars().count(), origins.len());
            prop_assert!(origins.is_sorted());
            for (character, origin) in text.chars().zip(origins) {
                let rewrite = rewrites.iter().find(|rewrite| rewrite.span.contains(&origin));
                match rewrite {
                    Some(rewrite) => prop_assert_eq!((character, origin), ('§', rewrite.span.start)),
                    None => prop_assert_eq!(character, original[origin]),
                }
            }
        }
    }
}
