//! What has one score, and where it stands in the text.

use crate::engine::Answer;
use crate::engine::answer::Explanation;
use crate::explain::granularity::Granularity;

/// Something that has one score: a word, a token or a sentence.
pub struct Unit<'a> {
    /// 0 for `text`, 1 for `text_pair`.
    pub segment: usize,
    /// First character, in Unicode code points of its own text.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// What it says.
    pub text: &'a str,
    /// Whether the tokenizer added it: it stands nowhere in the text.
    pub special: bool,
}

/// A unit with what it got.
pub struct Ranked<'u, 'a> {
    /// The unit.
    pub unit: &'u Unit<'a>,
    /// Its score.
    pub score: f32,
    /// How far chance moves the score: its standard error, for methods that sample.
    pub error: Option<f32>,
    /// The least and the greatest score with other baselines, where they were tried.
    pub band: Option<(f32, f32)>,
}

/// Texts of more words are long: they are drawn smaller, or scroll.
const LONG: usize = 200;

/// A stretch of a text.
#[derive(Debug, PartialEq)]
pub struct Piece<'a> {
    /// Its characters, as sent.
    pub text: &'a str,
    /// What it is to the model.
    pub role: Role,
}

/// What a stretch of text is to the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// A unit, with its score.
    Scored(f32),
    /// Space, or what no unit covers.
    Between,
    /// Cut off: the model did not see it.
    Unseen,
}

/// The units of an answer, in the order of their scores.
pub fn units(answer: &Answer, granularity: Granularity) -> Vec<Unit<'_>> {
    let unit = |segment, start, end, text, special| Unit { segment, start, end, text, special };
    match granularity {
        Granularity::Token => {
            answer.tokens.iter().map(|t| unit(t.segment, t.start, t.end, &t.text, t.special)).collect()
        }
        Granularity::Word => {
            answer.words.iter().map(|w| unit(w.segment, w.start, w.end, &w.text, false)).collect()
        }
        Granularity::Sentence => {
            let sentences = answer.sentences.iter().flatten();
            sentences.map(|s| unit(s.segment, s.start, s.end, &s.text, false)).collect()
        }
    }
}

/// The texts of an answer, in the order of their segments.
pub fn texts(answer: &Answer) -> impl Iterator<Item = &str> {
    [Some(&answer.text), answer.text_pair.as_ref()].into_iter().flatten().map(String::as_str)
}

/// Units with their scores, the strongest first; equals in the order of the text.
pub fn ranked<'u, 'a>(units: &'u [Unit<'a>], explanation: &Explanation) -> Vec<Ranked<'u, 'a>> {
    let errors = explanation.standard_errors.as_deref().unwrap_or_default();
    let bands: Vec<(f32, f32)> = bands(explanation).collect();
    let scored = units.iter().zip(&explanation.scores).enumerate();
    let mut ranked: Vec<_> = scored
        .map(|(index, (unit, score))| Ranked {
            unit,
            score: *score,
            error: errors.get(index).copied(),
            band: bands.get(index).copied(),
        })
        .collect();
    ranked.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
    ranked
}

/// The least and the greatest of each score with other baselines; none where none were tried.
pub fn bands(explanation: &Explanation) -> impl Iterator<Item = (f32, f32)> {
    let band = explanation.quality.iter().filter_map(|quality| quality.baseline_band.as_ref()).flatten();
    band.flat_map(|band| band.low.iter().copied().zip(band.high.iter().copied()))
}

/// Whether its texts are long.
pub fn is_long(answer: &Answer) -> bool {
    are_many(answer.words.len())
}

/// Whether texts of so many words are long.
pub fn are_many(words: usize) -> bool {
    words > LONG
}

/// The special tokens with their scores, where tokens have scores.
pub fn special<'a>(units: &[Unit<'a>], scores: &[f32]) -> Vec<(&'a str, f32)> {
    let scored = units.iter().zip(scores).filter(|(unit, _)| unit.special);
    scored.map(|(unit, score)| (unit.text, *score)).collect()
}

/// One text of an answer, cut into its units and what lies between them: together they are the text.
pub fn pieces<'a>(answer: &'a Answer, segment: usize, units: &[Unit<'_>], scores: &[f32]) -> Vec<Piece<'a>> {
    let Some(text) = texts(answer).nth(segment) else { return Vec::new() };
    let bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
    let characters = bytes.len() - 1;
    let mut pieces = Vec::new();
    let mut put = |from: usize, to: usize, role| {
        if from < to {
            pieces.push(Piece { text: &text[bytes[from]..bytes[to]], role });
        }
    };
    let mut position = 0;
    for (unit, score) in units.iter().zip(scores).filter(|(unit, _)| unit.segment == segment) {
        let end = unit.end.min(characters);
        if unit.start < position || unit.start >= end {
            continue;
        }
        put(position, unit.start, Role::Between);
        put(unit.start, end, Role::Scored(*score));
        position = end;
    }
    let seen = seen(answer, segment).unwrap_or(characters).clamp(position, characters);
    put(position, seen, Role::Between);
    put(seen, characters, Role::Unseen);
    pieces
}

/// Characters of a text that the model saw, where the text was cut.
fn seen(answer: &Answer, segment: usize) -> Option<usize> {
    let note = answer.truncated?;
    if segment == 0 { Some(note.kept_to_character) } else { note.kept_to_character_pair }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::answer::TruncationNote;
    use crate::render::sample;

    #[test]
    fn the_pieces_of_a_text_are_the_text() {
        for answer in sample::all() {
            for explanation in answer.explanations.iter().flatten() {
                let units = units(&answer, explanation.granularity);
                for (segment, text) in texts(&answer).enumerate() {
                    let pieces = pieces(&answer, segment, &units, &explanation.scores);
                    assert_eq!(pieces.iter().map(|piece| piece.text).collect::<String>(), text);
                }
            }
        }
    }

    #[test]
    fn offsets_count_code_points() {
        let answer = sample::words("né 🎬 là", &[0.1, 0.2, 0.3]);
        let units = units(&answer, Granularity::Word);
        let pieces = pieces(&answer, 0, &units, &[0.1, 0.2, 0.3]);
        assert_eq!(pieces[2], Piece { text: "🎬", role: Role::Scored(0.2) });
    }

    #[test]
    fn what_was_cut_off_is_told_from_what_the_model_saw() {
        let mut answer = sample::words("seen", &[0.5]);
        answer.text.push_str(" and not");
        let note = TruncationNote { tokens: 5, limit: 3, kept_to_character: 4, kept_to_character_pair: None };
        answer.truncated = Some(note);
        let units = units(&answer, Granularity::Word);
        let pieces = pieces(&answer, 0, &units, &[0.5]);
        assert_eq!(pieces.last(), Some(&Piece { text: " and not", role: Role::Unseen }));
    }

    #[test]
    fn offsets_past_the_text_reach_to_its_end_at_most() {
        let mut answer = sample::words("short", &[0.5]);
        answer.words[0].end = 99;
        let units = units(&answer, Granularity::Word);
        assert_eq!(pieces(&answer, 0, &units, &[0.5]).len(), 1);
    }
}
