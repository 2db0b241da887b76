//! What the colours mean.

use super::canvas::{Canvas, MARGIN};
use super::measure::generous_width;
use super::style::NOTE;
use crate::engine::answer::Explanation;
use crate::render::number::length;
use crate::render::palette::LEVELS;
use crate::render::wording;

/// Pixels of one level, across and down.
const STEP: (f32, f32) = (11.0, 12.0);

/// Draws the scale, with the numbers at its ends.
pub fn draw(canvas: &mut Canvas, explanation: &Explanation, largest: f32) {
    if largest == 0.0 {
        canvas.paragraph(&NOTE, "All scores are zero.");
        return;
    }
    let (against, speaks_for) = wording::scale_ends(explanation, largest);
    between(canvas, against.as_deref(), &speaks_for);
}

/// Draws the colours between what stands at both ends; without the first, those of one sign alone.
pub fn between(canvas: &mut Canvas, against: Option<&str>, speaks_for: &str) {
    let mut x = MARGIN;
    if let Some(against) = against {
        x = word(canvas, x, against);
        x = scale(canvas, x, "against", (1..=LEVELS).rev()) + STEP.0;
    } else {
        x = word(canvas, x, "0");
    }
    x = scale(canvas, x, "for", 1..=LEVELS);
    x = word(canvas, x + 8.0, speaks_for);
    word(canvas, x + 10.0, &wording::faintest());
    canvas.skip(NOTE.line);
}

/// Puts a word and gives where the next thing may begin.
fn word(canvas: &mut Canvas, x: f32, text: &str) -> f32 {
    canvas.line(&NOTE, (x, canvas.y() + NOTE.size - 1.0), "start", text);
    x + generous_width(text, NOTE.size) + 8.0
}

fn scale(canvas: &mut Canvas, x: f32, sign: &str, levels: impl Iterator<Item = usize>) -> f32 {
    let (top, bottom) = (length(canvas.y()), length(canvas.y() + STEP.1));
    let mut end = x;
    for level in levels {
        canvas.put(format_args!(
            "<rect class=\"{sign} s{level}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{}\"/>\n",
            length(end),
            STEP.0,
            STEP.1
        ));
        end += STEP.0;
    }
    let (x, width) = (length(x), length(end - x));
    canvas.put(format_args!("<path class=\"underline {sign}\" d=\"M{x} {bottom}h{width}\"/>\n"));
    end
}
