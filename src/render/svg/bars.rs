//! The strongest units with their numbers: what speaks against reaches to the left.

use super::canvas::{Canvas, MARGIN};
use super::measure::{FALLBACK_FONTS, fitted, generous_width};
use super::style::{LABEL, NOTE};
use crate::engine::answer::Explanation;
use crate::render::number::{length, signed};
use crate::render::palette::{largest, sign};
use crate::render::units::{Unit, ranked};
use crate::render::wording::unit_names;

/// Units listed; a page lists them all.
const LISTED: usize = 6;

/// The most pixels of the column of labels.
const LABELS: f32 = 200.0;

/// Pixels of the column of numbers.
const NUMBERS: f32 = 64.0;

/// Pixels of a bar, from top to bottom.
const BAR: f32 = 11.0;

/// Draws the strongest units, the strongest first.
pub fn draw(canvas: &mut Canvas, units: &[Unit<'_>], explanation: &Explanation) {
    let largest = largest(&explanation.scores);
    let ranked = ranked(units, &explanation.scores);
    if largest == 0.0 || ranked.len() < 2 {
        return;
    }
    let rows: Vec<(String, f32)> =
        ranked.iter().take(LISTED).map(|(unit, score)| (label(unit.text), *score)).collect();
    let labels = rows.iter().map(|(label, _)| generous_width(label, LABEL.size)).fold(0.0, f32::max);
    let numbers = MARGIN + labels.min(LABELS) + NUMBERS;
    let left = numbers + 16.0;
    let room = MARGIN + canvas.room() - left;
    let signs = explanation.scores.iter().any(|score| *score < 0.0);
    let (axis, longest) = if signs { (left + room / 2.0, room / 2.0) } else { (left, room) };
    let top = canvas.y();
    for (label, score) in rows {
        let baseline = canvas.y() + 14.0;
        canvas.line(&LABEL, (MARGIN, baseline), "start", &label);
        canvas.line(&LABEL, (numbers, baseline), "end", &signed(score.into()));
        let reach = score.abs() / largest * longest;
        let x = if score < 0.0 { axis - reach } else { axis };
        canvas.put(format_args!(
            "<rect class=\"bar {}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{BAR}\"/>\n",
            sign(score),
            length(x),
            length(canvas.y() + 4.0),
            length(reach)
        ));
        canvas.skip(LABEL.line);
    }
    let (axis, height) = (length(axis.round() + 0.5), length(canvas.y() - top));
    canvas.put(format_args!("<path class=\"axis\" d=\"M{axis} {}v{height}\"/>\n", length(top)));
    if ranked.len() > LISTED {
        canvas.skip(4.0);
        let names = unit_names(explanation.granularity).1;
        canvas.paragraph(&NOTE, &format!("The {LISTED} strongest of {} {names}.", ranked.len()));
    }
}

/// A unit on one line.
fn label(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    fitted(&words.join(" "), LABEL.size, LABELS / FALLBACK_FONTS)
}
