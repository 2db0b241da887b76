//! Effects as a map: a cell for each, coloured by its sign and size.

use crate::render::escape::escape;
use crate::render::number::{length, signed};
use crate::render::palette;
use crate::render::svg::canvas::Canvas;
use crate::render::svg::legend;
use crate::render::svg::measure::generous_width;
use crate::render::svg::style::{NOTE, SMALL};

/// Pixels between two numbers along an axis, at least.
const BETWEEN: f32 = 4.0;

/// Effects with where and how they are drawn.
pub struct Map<'a> {
    /// The effects, row by row.
    pub values: &'a [Vec<f32>],
    /// The effect of the deepest colour.
    pub largest: f32,
    /// Pixels of a cell, across and down.
    pub cell: (f32, f32),
    /// Columns that one cell stands for: it shows the strongest of them.
    pub block: usize,
}

impl Map<'_> {
    /// Draws it from its left top corner; `said` is what an effect, by row and column, says under the pointer.
    pub fn draw(&self, canvas: &mut Canvas, (x, y): (f32, f32), said: impl Fn(usize, usize) -> String) {
        let (across, down) = self.cell;
        canvas.put(format_args!("<g class=\"map\">\n"));
        for (row, values) in self.values.iter().enumerate() {
            for (place, columns) in values.chunks(self.block.max(1)).enumerate() {
                let within = strongest(columns);
                let class =
                    palette::class(columns[within], self.largest).unwrap_or_else(|| "cell".to_owned());
                let title = escape(&said(row, place * self.block.max(1) + within));
                let [left, top] = [x + place as f32 * across, y + row as f32 * down].map(length);
                let (across, down) = (length(across), length(down));
                canvas.put(format_args!(
                    "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{across}\" height=\"{down}\"><title>{title}\
                     </title></rect>\n"
                ));
            }
        }
        let [left, top] = [x - 0.5, y - 0.5].map(length);
        let [across, down] =
            [self.columns() as f32 * across + 1.0, self.values.len() as f32 * down + 1.0].map(length);
        canvas.put(format_args!(
            "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{across}\" height=\"{down}\"/></g>\n"
        ));
    }

    /// Cells across.
    fn columns(&self) -> usize {
        self.values.iter().map(|row| row.len().div_ceil(self.block.max(1))).max().unwrap_or(0)
    }

    /// Numbers rows on the left, as far as there is room.
    pub fn row_numbers(&self, canvas: &mut Canvas, (x, y): (f32, f32)) {
        let down = self.cell.1;
        for row in (0..self.values.len()).step_by(every(down, SMALL.size + 1.0)) {
            let middle = y + (row as f32 + 0.5) * down + 0.35 * SMALL.size;
            canvas.line(&SMALL, (x - 5.0, middle), "end", &row.to_string());
        }
    }

    /// Numbers columns below, as far as there is room.
    pub fn column_numbers(&self, canvas: &mut Canvas, (x, y): (f32, f32)) {
        let (across, down) = self.cell;
        let widest = generous_width(&(self.columns() * self.block).to_string(), SMALL.size);
        let below = y + self.values.len() as f32 * down + SMALL.line;
        for place in (0..self.columns()).step_by(every(across, widest + BETWEEN)) {
            let middle = x + (place as f32 + 0.5) * across;
            canvas.line(&SMALL, (middle, below), "middle", &(place * self.block).to_string());
        }
    }
}

/// Of how many cells one is numbered.
fn every(cell: f32, needed: f32) -> usize {
    (needed / cell.max(f32::MIN_POSITIVE)).ceil().max(1.0) as usize
}

/// The place of the largest |effect|; the first of equals.
fn strongest(columns: &[f32]) -> usize {
    (1..columns.len())
        .fold(0, |best, place| if columns[place].abs() > columns[best].abs() { place } else { best })
}

/// The largest |effect| of a map.
pub fn largest(values: &[Vec<f32>]) -> f32 {
    values.iter().map(|row| palette::largest(row)).fold(0.0, f32::max)
}

/// What the colours mean, from the lowest to the highest.
pub fn scale(canvas: &mut Canvas, largest: f32) {
    match largest > 0.0 {
        true => {
            let [low, high] = [-largest, largest].map(|end| signed(end.into()));
            legend::between(canvas, Some(&low), &high);
        }
        false => canvas.paragraph(&NOTE, "All of it is zero."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_stands_for_several_shows_the_strongest_whatever_its_sign() {
        assert_eq!([strongest(&[0.1, -0.9, 0.3]), strongest(&[0.5, -0.5]), strongest(&[0.0])], [1, 0, 0]);
    }

    #[test]
    fn numbers_thin_out_where_they_would_touch() {
        assert_eq!([every(20.0, 11.0), every(11.0, 11.0), every(5.0, 11.0)], [1, 1, 3]);
    }
}
