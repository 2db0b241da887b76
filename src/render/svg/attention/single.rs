//! One head as a map that can be read: names on both axes, and weights under the pointer.

use super::heat::{self, Heat};
use super::labels::{self, Axis};
use super::{figures, map, scale};
use crate::engine::answer::{AttentionView, TokenView};
use crate::render::escape::escape;
use crate::render::number::{length, plain};
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::style::{LABEL, NOTE, SMALL};
use crate::render::wording::isolated;

/// The most cells the map has, across and down.
const CELLS: usize = 128;

/// Pixels of the map, across and down, and the most of a token.
const SIDE: f32 = 560.0;
const LARGEST_TOKEN: f32 = 56.0;

/// Pixels that names take, above and to the left.
const NAMES: f32 = 104.0;

/// Pixels of a picture of one map.
pub fn width() -> f32 {
    2.0 * MARGIN + NAMES + SIDE
}

/// Draws the map and its scale, and gives how many tokens a cell stands for, across and down.
pub fn draw(
    canvas: &mut Canvas,
    view: &AttentionView,
    maps: &[Vec<Vec<Vec<f32>>>],
    names: &[TokenView],
) -> usize {
    let block = heat::block(names.len(), CELLS);
    let Some(weights) = maps.first().and_then(|layer| layer.first()) else { return block };
    let title = format!("Layer {}, head {}", view.layers[0], view.heads[0]);
    canvas.heading(&LABEL, &title, "");
    let largest = heat::largest(maps, block);
    let heat = Heat::new(weights, largest, block);
    // The last cell may stand for fewer tokens, and is as large as the others.
    let across = (heat.cells * block).max(1) as f32;
    let token = (SIDE / across).min(LARGEST_TOKEN);
    let side = token * across;
    let (x, y) = (MARGIN + NAMES, canvas.y() + NAMES);
    canvas.line(&NOTE, (x - 5.0, y - 24.0), "end", "keys →");
    canvas.line(&NOTE, (x - 5.0, y - 5.0), "end", "queries ↓");
    map(canvas, (x, y), token * block as f32, &heat, &title);
    let axis = Axis { style: &NOTE, token, room: NAMES - 8.0 };
    labels::draw(canvas, (x, y), &axis, names);
    if axis.every() == 1 {
        pointed_at(canvas, (x, y), token, weights, names);
    }
    if let Some(statistics) = view.statistics.first().and_then(|layer| layer.first()) {
        figures(canvas, (x, y + side), statistics);
    }
    canvas.skip(NAMES + side + 2.0 * SMALL.line + 14.0);
    scale::weights(canvas, largest);
    if axis.every() > 1 {
        canvas.paragraph(&NOTE, &labels::thinned(axis.every()));
    }
    block
}

/// Every weight above 0 as a tooltip.
fn pointed_at(canvas: &mut Canvas, (x, y): (f32, f32), side: f32, weights: &[Vec<f32>], names: &[TokenView]) {
    let cell = length(side);
    for (row, (query, weights)) in names.iter().zip(weights).enumerate() {
        for (column, (key, weight)) in names.iter().zip(weights).enumerate().filter(|(_, cell)| *cell.1 > 0.0)
        {
            let [query, key] = [query, key].map(|token| escape(&isolated(&token.text)));
            let (x, y) = (length(x + column as f32 * side), length(y + row as f32 * side));
            let weight = plain((*weight).into());
            canvas.put(format_args!(
                "<rect class=\"cell\" x=\"{x}\" y=\"{y}\" width=\"{cell}\" height=\"{cell}\"><title>{query} → {key} \
                 {weight}</title></rect>\n"
            ));
        }
    }
}
