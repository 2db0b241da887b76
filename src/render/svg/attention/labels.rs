//! The names of tokens along the axes of a map.

use crate::engine::answer::TokenView;
use crate::render::escape::escape;
use crate::render::number::length;
use crate::render::svg::canvas::Canvas;
use crate::render::svg::measure::fitted;
use crate::render::svg::style::SMALL;

/// Pixels that the names take, above and to the left of a map.
pub const ROOM: f32 = 72.0;

/// Names queries on the left and keys above; `cell` is the size of a cell in pixels.
pub fn draw(canvas: &mut Canvas, (x, y): (f32, f32), cell: f32, tokens: &[TokenView]) {
    for (index, token) in tokens.iter().enumerate() {
        let name = fitted(&token.text, SMALL.size, ROOM - 8.0);
        let middle = (index as f32 + 0.5) * cell + SMALL.size * 0.35;
        canvas.line(&SMALL, (x - 5.0, y + middle), "end", &name);
        canvas.put(format_args!(
            "<text class=\"{}\" transform=\"translate({} {})rotate(-90)\">{}</text>\n",
            SMALL.class,
            length(x + middle),
            length(y - 5.0),
            escape(&name)
        ));
    }
}
