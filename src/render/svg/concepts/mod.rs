//! What there is to see of concepts.

pub mod concept;
pub mod decomposition;
pub mod discovery;
pub mod edits;
pub mod erasure;
pub mod scores;
pub mod tcav;

use crate::render::number::length;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::measure::{FALLBACK_FONTS, fitted};
use crate::render::svg::style::LABEL;

/// Pixels of the column of labels, of that of numbers, and between both and the bars.
const LABELS: f32 = 400.0;
const NUMBERS: f32 = 76.0;
const GAP: f32 = 16.0;

/// Numbers with bars around an axis in the middle: what is below 0 reaches to the left.
fn signed_bars(canvas: &mut Canvas, rows: &[(String, f64)], written: impl Fn(f64) -> String) {
    let largest = rows.iter().map(|(_, number)| number.abs()).fold(0.0, f64::max);
    let left = MARGIN + LABELS + NUMBERS + GAP;
    let half = (MARGIN + canvas.room() - left) / 2.0;
    let (axis, top) = (left + half, canvas.y());
    for (label, number) in rows {
        let baseline = canvas.y() + 14.0;
        let words: Vec<&str> = label.split_whitespace().collect();
        let label = fitted(&words.join(" "), LABEL.size, LABELS / FALLBACK_FONTS);
        canvas.line(&LABEL, (MARGIN, baseline), "start", &label);
        canvas.line(&LABEL, (left - GAP, baseline), "end", &written(*number).replace('-', "−"));
        if largest > 0.0 {
            let reach = half * (number.abs() / largest) as f32;
            let (sign, x) = if *number < 0.0 { ("against", axis - reach) } else { ("for", axis) };
            let (x, y, reach) = (length(x), length(canvas.y() + 4.0), length(reach));
            canvas.put(format_args!(
                "<rect class=\"bar {sign}\" x=\"{x}\" y=\"{y}\" width=\"{reach}\" height=\"11\"/>\n"
            ));
        }
        canvas.skip(LABEL.line);
    }
    let (axis, top, height) = (length(axis.round() + 0.5), length(top), length(canvas.y() - top));
    canvas.put(format_args!("<path class=\"axis\" d=\"M{axis} {top}v{height}\"/>\n"));
}
