//! Attention maps as small multiples: a row for each layer, a column for each head.

mod heat;
mod labels;

use heat::Heat;

use super::canvas::{Canvas, MARGIN};
use super::style::{NOTE, SMALL, TITLE};
use crate::engine::answer::{AttentionView, TokenView};
use crate::explain::attention::statistics::HeadStatistics;
use crate::render::number::{length, plain};
use crate::render::palette::HEAT_LEVELS;

/// Pixels of a map among many.
const SMALL_MAP: f32 = 108.0;

/// Pixels of a token in a map among few, and the least such a map has.
const LARGE_CELL: f32 = 13.0;
const LARGE_MAP: f32 = 220.0;

/// Names stand along the axes of at most so many maps, of at most so many tokens.
const NAMED: (usize, usize) = (4, 40);

/// Pixels for the name of a layer.
const ROW_LABEL: f32 = 58.0;

/// Pixels between maps.
const GAP: f32 = 16.0;

/// Pixels of a picture of these maps.
pub fn width(view: &AttentionView) -> f32 {
    let grid = Grid::new(view);
    2.0 * MARGIN + ROW_LABEL + view.heads.len() as f32 * grid.column() - GAP
}

/// Draws the maps, with what their colours and figures mean.
pub fn draw(canvas: &mut Canvas, view: &AttentionView, tokens: &[TokenView]) {
    canvas.skip(18.0);
    canvas.heading(&TITLE, "Attention", "");
    canvas.skip(6.0);
    let grid = Grid::new(view);
    let largest = heat::largest(&view.weights);
    for (column, head) in view.heads.iter().enumerate() {
        canvas.line(&NOTE, (grid.x(column), canvas.y() + 12.0), "start", &format!("head {head}"));
    }
    canvas.skip(NOTE.line + 2.0);
    for (row, layer) in view.layers.iter().enumerate() {
        let top = canvas.y() + grid.names;
        canvas.line(&NOTE, (MARGIN, top + 12.0), "start", &format!("layer {layer}"));
        for (column, head) in view.heads.iter().enumerate() {
            let Some(weights) = view.weights.get(row).and_then(|layer| layer.get(column)) else { continue };
            let place = (grid.x(column), top);
            let statistics = view.statistics.get(row).and_then(|layer| layer.get(column));
            map(canvas, place, &grid, &Heat::new(weights, largest), &format!("Layer {layer}, head {head}"));
            if grid.names > 0.0 {
                labels::draw(canvas, place, grid.map / weights.len().max(1) as f32, tokens);
            }
            if let Some(statistics) = statistics {
                figures(canvas, (place.0, top + grid.map), statistics);
            }
        }
        canvas.skip(grid.names + grid.map + 2.0 * SMALL.line + GAP);
    }
    scale(canvas, largest);
    canvas.paragraph(&NOTE, &caption(view));
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
        match view.layers.len() * view.heads.len() <= NAMED.0 && tokens <= NAMED.1 {
            true => Grid { map: (LARGE_CELL * tokens as f32).max(LARGE_MAP), names: labels::ROOM },
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

fn token_count(view: &AttentionView) -> usize {
    view.weights.iter().flatten().map(Vec::len).max().unwrap_or(0)
}

fn map(canvas: &mut Canvas, (x, y): (f32, f32), grid: &Grid, heat: &Heat, title: &str) {
    let cell = grid.map / heat.cells.max(1) as f32;
    // Cells are strokes one cell wide: their middle is half a cell down.
    canvas.put(format_args!(
        "<g><title>{title}</title><g class=\"heat\" transform=\"translate({} {})scale({cell:.4})\">\n",
        length(x),
        length(y + cell / 2.0)
    ));
    for (level, path) in heat.paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        canvas.put(format_args!("<path class=\"h{level}\" d=\"{path}\"/>\n"));
    }
    let (x, y, side) = (length(x - 0.5), length(y - 0.5), length(grid.map + 1.0));
    canvas.put(format_args!(
        "</g><rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\"/></g>\n"
    ));
}

fn figures(canvas: &mut Canvas, (x, y): (f32, f32), statistics: &HeadStatistics) {
    let lines = [
        format!("entropy {:.2}", statistics.entropy_normalized),
        format!("special {:.2}", statistics.special_token_mass),
    ];
    for (index, line) in lines.iter().enumerate() {
        canvas.line(&SMALL, (x, y + (index + 1) as f32 * SMALL.line), "start", line);
    }
}

/// The colours from nothing to the largest weight.
fn scale(canvas: &mut Canvas, largest: f32) {
    let (y, step) = (canvas.y(), 11.0);
    canvas.line(&NOTE, (MARGIN, y + 11.0), "start", "weight 0");
    let left = MARGIN + 58.0;
    for level in 1..=HEAT_LEVELS {
        let x = length(left + (level - 1) as f32 * step);
        let middle = length(y + 6.0);
        canvas
            .put(format_args!("<path class=\"h{level}\" stroke-width=\"12\" d=\"M{x} {middle}h{step}\"/>\n"));
    }
    let right = left + HEAT_LEVELS as f32 * step + 8.0;
    canvas.line(&NOTE, (right, y + 11.0), "start", &plain(largest.into()));
    canvas.skip(NOTE.line + 4.0);
}

fn caption(view: &AttentionView) -> String {
    let mut said = "Rows of a map are queries, columns keys, in the order of the tokens. Colours grow with the \
                    square root of a weight. Entropy: 0 looks at one token, 1 at all alike. Special: the share \
                    of the attention that special tokens get."
        .to_owned();
    let (tokens, block) = (token_count(view), heat::block(token_count(view)));
    if block > 1 {
        said.push_str(&format!(
            " {tokens} tokens are too many to draw: a cell is the mean of {block} × {block}."
        ));
    }
    said
}
