//! The text as it was sent, each unit on its colour.

use super::canvas::{Canvas, MARGIN};
use super::direction::Direction;
use super::layout::{Item, lines};
use super::measure::{fitted, has_square, width};
use super::style::{BODY, LABEL};
use crate::render::escape::escape;
use crate::render::number::{length, signed};
use crate::render::palette;
use crate::render::units::{Piece, Role};
use crate::render::wording::isolated;

/// Pixels of a tint, from top to bottom.
const TINT: f32 = 25.0;

/// From the top of a line to its baseline.
const BASELINE: f32 = 21.0;

/// Characters drawn of what was cut off; it can be a thousand times what the model saw.
const UNSEEN: usize = 300;

/// Pixels of a chip, from top to bottom.
const CHIP: f32 = 22.0;

/// Draws one text.
pub fn draw(canvas: &mut Canvas, pieces: &[Piece<'_>], largest: f32) {
    canvas.put(format_args!("<g class=\"{}\" text-anchor=\"middle\">\n", BODY.class));
    let shown: Vec<Piece<'_>> = pieces.iter().map(shown).collect();
    for line in lines(&shown, BODY.size, canvas.room()) {
        for run in line.chunk_by(|a, b| a.piece == b.piece) {
            match pieces[run[0].piece].role {
                Role::Scored(score) => scored(canvas, run, score, largest),
                Role::Between => run.iter().for_each(|item| word(canvas, item, "")),
                Role::Unseen => run.iter().for_each(|item| word(canvas, item, " class=\"unseen\"")),
            }
        }
        canvas.skip(BODY.line);
    }
    canvas.put(format_args!("</g>\n"));
}

/// A piece as far as it is drawn: of what the model did not see, the beginning.
fn shown<'a>(piece: &Piece<'a>) -> Piece<'a> {
    let end = match piece.role {
        Role::Unseen => piece.text.char_indices().nth(UNSEEN).map_or(piece.text.len(), |(byte, _)| byte),
        Role::Scored(_) | Role::Between => piece.text.len(),
    };
    Piece { text: &piece.text[..end], role: piece.role }
}

/// Special tokens with their scores: they stand nowhere in the text.
pub fn chips(canvas: &mut Canvas, special: &[(&str, f32)], largest: f32) {
    if special.is_empty() {
        return;
    }
    canvas.skip(6.0);
    let mut x = MARGIN;
    for (token, score) in special {
        let content = format!("{} {}", fitted(token, LABEL.size, 160.0), signed((*score).into()));
        let chip = width(&content, LABEL.size) + 16.0;
        if x + chip > MARGIN + canvas.room() {
            x = MARGIN;
            canvas.skip(CHIP + 6.0);
        }
        let y = canvas.y();
        let (left, top) = (length(x), length(y));
        let tint = palette::class(*score, largest).unwrap_or_else(|| "frame".to_owned());
        canvas.put(format_args!(
            "<rect class=\"{tint}\" x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{CHIP}\" rx=\"11\"/>\n",
            length(chip)
        ));
        canvas.line(&LABEL, (x + chip / 2.0, y + 15.5), "middle", &content);
        x += chip + 8.0;
    }
    canvas.skip(CHIP);
}

/// One unit, or what of it stands on one line.
fn scored(canvas: &mut Canvas, run: &[Item], score: f32, largest: f32) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
    let content: String = run.iter().map(|item| item.text.as_str()).collect();
    canvas.put(format_args!("<g><title>{} {}</title>", escape(&isolated(&content)), signed(score.into())));
    let class = palette::class(score, largest);
    // A hair of the ground shows between two units that touch.
    let (left, tinted) = (MARGIN + first.x + 0.5, last.x + last.width - first.x - 1.0);
    let (left, tinted, top) = (length(left), length(tinted.max(1.0)), canvas.y());
    if let Some(class) = &class {
        canvas.put(format_args!(
            "<rect class=\"{class}\" x=\"{left}\" y=\"{}\" width=\"{tinted}\" height=\"{TINT}\" rx=\"2\"/>",
            length(top + 2.0)
        ));
    }
    run.iter().for_each(|item| word(canvas, item, ""));
    if class.is_some() {
        let (sign, y) = (palette::sign(score), length(top + 2.0 + TINT));
        canvas.put(format_args!("<path class=\"underline {sign}\" d=\"M{left} {y}h{tinted}\"/>"));
    }
    canvas.put(format_args!("</g>\n"));
}

fn word(canvas: &mut Canvas, item: &Item, class: &str) {
    if item.text == " " {
        return;
    }
    let (x, y) = (length(MARGIN + item.x + item.width / 2.0), length(canvas.y() + BASELINE));
    // Fonts differ: the word takes the room that was measured, or tints and gaps would not fit it.
    let exact = match item.text.chars().count() > 1 && !has_square(&item.text) {
        true => format!(
            " textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"",
            length(width(&item.text, BODY.size))
        ),
        false => String::new(),
    };
    let direction = if item.direction == Direction::Rtl { " direction=\"rtl\"" } else { "" };
    let text = escape(&item.text);
    canvas.put(format_args!("<text{class} x=\"{x}\" y=\"{y}\"{direction}{exact}>{text}</text>"));
}
