//! The text as it was sent, each unit on its colour, and what the colours mean.

use std::fmt::Write;

use crate::engine::Answer;
use crate::engine::answer::Explanation;
use crate::explain::granularity::Granularity;
use crate::render::escape::escape;
use crate::render::number::signed;
use crate::render::palette::{self, LEVELS};
use crate::render::units::{Piece, Role, Unit, is_long, pieces, texts};
use crate::render::wording;

/// The texts, a pair side by side where there is room; long ones scroll.
pub fn draw(out: &mut String, answer: &Answer, units: &[Unit<'_>], explanation: Option<&Explanation>) {
    let scores = explanation.map(|explanation| explanation.scores.as_slice()).unwrap_or_default();
    let by_sentence = explanation.is_some_and(|explanation| explanation.granularity == Granularity::Sentence);
    let (largest, count) = (palette::largest(scores), texts(answer).count());
    if is_long(answer) {
        out.push_str("<div class=\"long\" tabindex=\"0\" role=\"region\" aria-label=\"Text\">\n");
    }
    if count > 1 {
        out.push_str("<div class=\"pair\">\n");
    }
    for segment in 0..count {
        if count > 1 {
            let _ = writeln!(out, "<div>\n<p class=\"quiet\">{}</p>", wording::TEXT_NAMES[segment.min(1)]);
        }
        paragraph(out, &pieces(answer, segment, units, scores), largest, by_sentence);
        if count > 1 {
            out.push_str("</div>\n");
        }
    }
    if count > 1 {
        out.push_str("</div>\n");
    }
    if is_long(answer) {
        out.push_str("</div>\n");
    }
}

/// One text; sentences have their scores behind them.
fn paragraph(out: &mut String, pieces: &[Piece<'_>], largest: f32, by_sentence: bool) {
    out.push_str("<p class=\"text\" dir=\"auto\" lang=\"\">");
    for piece in pieces {
        let text = escape(piece.text);
        let _ = match piece.role {
            Role::Scored(score) if by_sentence => scored(out, &text, score, largest)
                .and_then(|()| write!(out, "<b dir=\"ltr\">{}</b>", signed(score.into()))),
            Role::Scored(score) => scored(out, &text, score, largest),
            Role::Between => write!(out, "{text}"),
            Role::Unseen => write!(out, "<s title=\"cut off: the model did not see it\">{text}</s>"),
        };
    }
    out.push_str("</p>\n");
}

fn scored(out: &mut String, text: &str, score: f32, largest: f32) -> std::fmt::Result {
    let tint = palette::class(score, largest).map_or(String::new(), |class| format!(" class=\"{class}\""));
    write!(out, "<span{tint} title=\"{} {}\">{text}</span>", wording::isolated(text), signed(score.into()))
}

/// Special tokens with their scores: they stand nowhere in the text.
pub fn chips(out: &mut String, special: &[(&str, f32)], largest: f32) {
    if special.is_empty() {
        return;
    }
    out.push_str("<ul class=\"chips\" aria-label=\"Special tokens\">\n");
    for (token, score) in special {
        let tint = palette::class(*score, largest).unwrap_or_default();
        let (token, score) = (escape(token), signed((*score).into()));
        let _ = writeln!(out, "<li class=\"{tint}\"><bdi>{token}</bdi> {score}</li>");
    }
    out.push_str("</ul>\n");
}

/// What the colours mean, with the numbers at the ends of the scale.
pub fn legend(out: &mut String, explanation: &Explanation, largest: f32) {
    if largest == 0.0 {
        out.push_str("<p class=\"quiet\">All scores are zero.</p>\n");
        return;
    }
    let (against, speaks_for) = wording::scale_ends(explanation, largest);
    out.push_str("<p class=\"legend quiet\">");
    if let Some(against) = against {
        out.push_str(&against);
        scale(out, "against", (1..=LEVELS).rev());
    } else {
        out.push('0');
    }
    scale(out, "for", 1..=LEVELS);
    out.push_str(&speaks_for);
    let _ = writeln!(out, "<span>{}</span></p>", wording::faintest());
}

fn scale(out: &mut String, sign: &str, levels: impl Iterator<Item = usize>) {
    let _ = write!(out, "<span class=\"scale {sign}\" aria-hidden=\"true\">");
    levels.for_each(|level| {
        let _ = write!(out, "<i class=\"{sign} s{level}\"></i>");
    });
    out.push_str("</span>");
}
