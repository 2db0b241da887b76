//! The names of tokens along the axes of a map.

use crate::engine::answer::TokenView;
use crate::render::escape::escape;
use crate::render::number::length;
use crate::render::svg::canvas::Canvas;
use crate::render::svg::measure::{FALLBACK_FONTS, fitted};
use crate::render::svg::style::TextStyle;

/// Pixels from the names to what they name.
const GAP: f32 = 5.0;

/// Pixels between two lines of names, beside their size.
const LEADING: f32 = 1.5;

/// How names stand along an axis.
pub struct Axis {
    /// How they look.
    pub style: &'static TextStyle,
    /// Pixels from one token to the next.
    pub token: f32,
    /// Pixels that a name may take.
    pub room: f32,
}

impl Axis {
    /// Of how many tokens one is named, so that no name touches the next.
    pub fn every(&self) -> usize {
        ((self.style.size + LEADING) / self.token.max(f32::MIN_POSITIVE)).ceil().max(1.0) as usize
    }

    /// The names that have room, each with the middle of its token, in pixels from the first token's edge.
    fn names<'a>(&self, tokens: &'a [TokenView]) -> impl Iterator<Item = (f32, String)> + 'a {
        let (size, room, token, every) = (self.style.size, self.room, self.token, self.every());
        let named = tokens.iter().enumerate().step_by(every);
        named.map(move |(index, named)| {
            ((index as f32 + 0.5) * token, fitted(&named.text, size, room / FALLBACK_FONTS))
        })
    }

    /// From the middle of a line of letters to its baseline.
    fn drop(&self) -> f32 {
        self.style.size * 0.35
    }
}

/// Names queries on the left and keys above.
pub fn draw(canvas: &mut Canvas, (x, y): (f32, f32), axis: &Axis, tokens: &[TokenView]) {
    for (middle, name) in axis.names(tokens) {
        canvas.line(axis.style, (x - GAP, y + middle + axis.drop()), "end", &name);
        turned(canvas, axis.style, (x + middle + axis.drop(), y - GAP), "start", &name);
    }
}

/// Names the columns of a diagram below it.
pub fn below(canvas: &mut Canvas, (x, y): (f32, f32), axis: &Axis, tokens: &[TokenView]) {
    for (middle, name) in axis.names(tokens) {
        turned(canvas, axis.style, (x + middle + axis.drop(), y + GAP), "end", &name);
    }
}

/// Says that names are left out.
pub fn thinned(every: usize) -> String {
    format!("There is no room for all names: one token in {every} is named.")
}

/// A line of text that runs upwards; `anchor` says which end is at the place: start (below) or end (above).
fn turned(canvas: &mut Canvas, style: &TextStyle, (x, y): (f32, f32), anchor: &str, text: &str) {
    let (class, x, y, text) = (style.class, length(x), length(y), escape(text));
    canvas.put(format_args!(
        "<text class=\"{class}\" text-anchor=\"{anchor}\" transform=\"translate({x} {y})rotate(-90)\">{text}</text>\n"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::svg::style::NOTE;

    #[test]
    fn names_thin_out_where_they_would_touch() {
        let every = |token: f32| Axis { style: &NOTE, token, room: 90.0 }.every();
        assert_eq!([every(56.0), every(14.0), every(13.9), every(7.0), every(1.0)], [1, 1, 2, 2, 14]);
    }
}
