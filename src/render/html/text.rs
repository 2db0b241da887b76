//! The text as it was sent, each unit on its colour, and what the colours mean.

use std::fmt::Write;

use crate::engine::answer::Explanation;
use crate::render::escape::escape;
use crate::render::number::signed;
use crate::render::palette::{self, LEVELS};
use crate::render::units::{Piece, Role};
use crate::render::wording;

/// One text.
pub fn paragraph(out: &mut String, pieces: &[Piece<'_>], largest: f32) {
    out.push_str("<p class=\"text\" dir=\"auto\" lang=\"\">");
    for piece in pieces {
        let text = escape(piece.text);
        let _ = match piece.role {
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
