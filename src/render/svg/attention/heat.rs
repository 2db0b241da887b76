//! One attention map as a few strokes: runs of equal colour.

use std::fmt::Write;

use crate::render::palette::HEAT_LEVELS;

/// A map, ready to draw.
pub struct Heat {
    /// Cells across and down.
    pub cells: usize,
    /// For each level, the runs of cells that have it, as SVG path data in cells. Level 0 is empty: it
    /// is the ground.
    pub paths: Vec<String>,
}

impl Heat {
    /// Of `[query][key]`, on a scale whose end is `largest`; a cell stands for `block` tokens, across and down.
    pub fn new(weights: &[Vec<f32>], largest: f32, block: usize) -> Self {
        let cells = means(weights, block);
        let mut paths = vec![String::new(); HEAT_LEVELS + 1];
        for (row, values) in cells.iter().enumerate() {
            let levels: Vec<usize> = values.iter().map(|value| level(*value, largest)).collect();
            let mut start = 0;
            for run in levels.chunk_by(|a, b| a == b) {
                if run[0] > 0 {
                    let _ = write!(paths[run[0]], "M{start} {row}h{}", run.len());
                }
                start += run.len();
            }
        }
        Heat { cells: cells.len(), paths }
    }
}

/// Tokens, across and down, that one cell stands for where there are at most so many cells.
pub fn block(tokens: usize, cells: usize) -> usize {
    tokens.div_ceil(cells).max(1)
}

/// The largest cell of all maps.
pub fn largest(maps: &[Vec<Vec<Vec<f32>>>], block: usize) -> f32 {
    let cells = maps.iter().flatten().flat_map(|map| means(map, block));
    cells.flatten().fold(0.0, f32::max)
}

/// Weights spread over many orders; their square roots less so.
fn level(value: f32, largest: f32) -> usize {
    if largest <= 0.0 || value <= 0.0 {
        return 0;
    }
    (((value / largest).sqrt() * HEAT_LEVELS as f32).round() as usize).min(HEAT_LEVELS)
}

/// The means of square blocks; those at the end may be smaller.
fn means(weights: &[Vec<f32>], block: usize) -> Vec<Vec<f32>> {
    if block == 1 {
        return weights.to_vec();
    }
    let columns = weights.first().map_or(0, |row| row.len().div_ceil(block));
    let mean = |rows: &[Vec<f32>], column: usize| {
        let cells = rows.iter().flat_map(|row| row.iter().skip(column * block).take(block));
        let (count, sum) = cells.fold((0usize, 0.0f32), |(count, sum), weight| (count + 1, sum + weight));
        sum / count.max(1) as f32
    };
    weights.chunks(block).map(|rows| (0..columns).map(|column| mean(rows, column)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_level_are_one_stroke_and_nothing_is_drawn_for_nothing() {
        let heat = Heat::new(&[vec![1.0, 1.0, 0.0], vec![0.0, 0.0, 1.0], vec![0.0; 3]], 1.0, 1);
        assert_eq!(heat.paths[HEAT_LEVELS], "M0 0h2M2 1h1");
        assert!(heat.paths[..HEAT_LEVELS].iter().all(String::is_empty));
    }

    #[test]
    fn many_tokens_are_drawn_as_means_of_blocks() {
        assert_eq!([1, 64, 65, 512].map(|tokens| block(tokens, 64)), [1, 1, 2, 8]);
        assert_eq!(means(&vec![vec![1.0, 3.0, 8.0]; 3], 2), [[2.0, 8.0], [2.0, 8.0]]);
        assert_eq!(Heat::new(&vec![vec![0.1; 512]; 512], 0.1, 8).cells, 64);
    }
}
