//! What the colours of maps and patches mean.

use crate::render::number::{length, plain};
use crate::render::palette::HEAT_LEVELS;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::measure::generous_width;
use crate::render::svg::style::{NOTE, SMALL};

/// Pixels of one level, across and down.
const STEP: (f32, f32) = (11.0, 12.0);

/// From nothing to the largest weight. Colours grow with the square root, so a quarter is in the middle.
pub fn weights(canvas: &mut Canvas, largest: f32) {
    let largest = f64::from(largest);
    draw(canvas, "weight", ["0".to_owned(), plain(largest / 4.0), plain(largest)]);
}

/// Draws the levels after their name, with the numbers at their beginning, middle and end.
pub fn draw(canvas: &mut Canvas, name: &str, numbers: [String; 3]) {
    let y = canvas.y();
    canvas.line(&NOTE, (MARGIN, y + 11.0), "start", name);
    let left = MARGIN + generous_width(name, NOTE.size) + 16.0;
    for level in 1..=HEAT_LEVELS {
        level_at(canvas, (left + (level - 1) as f32 * STEP.0, y), level, STEP);
    }
    for (place, number) in numbers.iter().enumerate() {
        let x = left + place as f32 * HEAT_LEVELS as f32 * STEP.0 / 2.0;
        canvas.line(&SMALL, (x, y + STEP.1 + SMALL.line - 2.0), "middle", number);
    }
    canvas.skip(STEP.1 + SMALL.line + 8.0);
}

/// A rectangle in the colour of a level, from its left top corner.
pub fn level_at(canvas: &mut Canvas, (x, y): (f32, f32), level: usize, (width, height): (f32, f32)) {
    let (x, middle, width, height) = (length(x), length(y + height / 2.0), length(width), length(height));
    canvas.put(format_args!(
        "<path class=\"h{level}\" stroke-width=\"{height}\" d=\"M{x} {middle}h{width}\"/>\n"
    ));
}
