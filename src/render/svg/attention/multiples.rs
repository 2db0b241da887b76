//! Several maps as small multiples: a row for each layer, a column for each head.

use super::heat::{self, Heat};
use super::labels::{self, Axis};
use super::{figures, is_many, map, scale, token_count};
use crate::engine::answer::{AttentionView, TokenView};
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::style::{LABEL, NOTE, SMALL};

/// The most cells a map has, across and down.
const CELLS: usize = 64;

/// Pixels of a map among many.
const SMALL_MAP: f32 = 108.0;

/// Pixels of a token in a map among few, and the least such a map has.
const LARGE_CELL: f32 = 13.0;
const LARGE_MAP: f32 = 220.0;

/// Names stand along the axes of few maps of at most so many tokens.
const NAMED: usize = 40;

/// Pixels that names take, above and to the left of a map.
const NAMES: f32 = 72.0;

/// Pixels for the name of a layer.
const ROW_LABEL: f32 = 58.0;

/// Pixels between maps.
const GAP: f32 = 16.0;

/// Pixels of a picture of these maps.
pub fn width(view: &AttentionView) -> f32 {
    let grid = Grid::new(view);
    2.0 * MARGIN + ROW_LABEL + view.heads.len() as f32 * grid.column() - GAP
}

/// Draws the maps and their scale, and gives how many tokens a cell stands for, across and down.
pub fn draw(
    canvas: &mut Canvas,
    view: &AttentionView,
    maps: &[Vec<Vec<Vec<f32>>>],
    names: &[TokenView],
) -> usize {
    canvas.heading(&LABEL, "Maps", "");
    canvas.skip(4.0);
    let grid = Grid::new(view);
    let block = heat::block(names.len(), CELLS);
    let largest = heat::largest(maps, block);
    for (column, head) in view.heads.iter().enumerate() {
        canvas.line(&NOTE, (grid.x(column), canvas.y() + 12.0), "start", &format!("head {head}"));
    }
    canvas.skip(NOTE.line + 2.0);
    for (row, layer) in view.layers.iter().enumerate() {
        let top = canvas.y() + grid.names;
        canvas.line(&NOTE, (MARGIN, top + 12.0), "start", &format!("layer {layer}"));
        for (column, head) in view.heads.iter().enumerate() {
            let Some(weights) = maps.get(row).and_then(|layer| layer.get(column)) else { continue };
            let place = (grid.x(column), top);
            let heat = Heat::new(weights, largest, block);
            let cell = grid.map / heat.cells.max(1) as f32;
            map(canvas, place, cell, &heat, &format!("Layer {layer}, head {head}"));
            if grid.names > 0.0 {
                let axis = Axis { style: &SMALL, token: cell, room: grid.names - 8.0 };
                labels::draw(canvas, place, &axis, names);
            }
            if let Some(statistics) = view.statistics.get(row).and_then(|layer| layer.get(column)) {
                figures(canvas, (place.0, top + grid.map), statistics);
            }
        }
        canvas.skip(grid.names + grid.map + 2.0 * SMALL.line + GAP);
    }
    scale::weights(canvas, largest);
    block
}

/// Where the maps stand.
struct Grid {
    /// Pixels of a map, across and down.
    map: f32,
    /// Pixels for the names of tokens, above and to the left of a map; 0 for no names.
    names: f32,
}

impl Grid {
    fn new(view: &AttentionView) -> Self {
        let tokens = token_count(view);
        match !is_many(view) && tokens <= NAMED {
            true => Grid { map: (LARGE_CELL * tokens as f32).max(LARGE_MAP), names: NAMES },
            false => Grid { map: SMALL_MAP, names: 0.0 },
        }
    }

    fn column(&self) -> f32 {
        self.names + self.map + GAP
    }

    fn x(&self, column: usize) -> f32 {
        MARGIN + ROW_LABEL + self.names + column as f32 * self.column()
    }
}
