//! Matrices laid out for the matrix product: panels of sixteen columns, row after row.

use super::buffer::Buffer;
use super::simd::LANES;

/// The right-hand matrix of a product, `[depth, columns]`, in panels: sixteen columns of row 0, the
/// same of row 1, …; then the next sixteen. Columns that are missing to a whole panel are zeros.
#[derive(Debug)]
pub struct Packed {
    panels: Buffer,
    depth: usize,
    columns: usize,
}

impl Packed {
    /// The matrix whose *rows* are the product's columns: a weight `[out, in]` for x·Wᵀ.
    pub fn of_rows(matrix: &[f32], rows: usize, width: usize) -> Self {
        let mut panels = Buffer::zeros(rows.div_ceil(LANES) * LANES * width);
        pack_rows(matrix, width, rows, width, 1.0, &mut panels);
        Packed { panels, depth: width, columns: rows }
    }

    /// A matrix as it is: a weight `[out, in]` for y·W.
    pub fn of_columns(matrix: &[f32], rows: usize, width: usize) -> Self {
        let mut panels = Buffer::zeros(width.div_ceil(LANES) * LANES * rows);
        pack_columns(matrix, width, rows, width, &mut panels);
        Packed { panels, depth: rows, columns: width }
    }

    /// Terms of each sum.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns of the product.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The panels, one after the other.
    pub fn panels(&self) -> &[f32] {
        &self.panels
    }
}

/// Packs the transpose of a matrix of which a row begins every `stride` values, times a factor. Every value of
/// the panels is written.
pub fn pack_rows(matrix: &[f32], stride: usize, rows: usize, width: usize, factor: f32, panels: &mut [f32]) {
    for (panel, panel_of) in panels.chunks_exact_mut(LANES * width).take(rows.div_ceil(LANES)).enumerate() {
        let first = panel * LANES;
        let here = LANES.min(rows - first);
        if here < LANES {
            panel_of.fill(0.0);
        }
        for lane in 0..here {
            let row = &matrix[(first + lane) * stride..][..width];
            for (value, lanes) in row.iter().zip(panel_of.chunks_exact_mut(LANES)) {
                lanes[lane] = value * factor;
            }
        }
    }
}

/// Packs a matrix of which a row begins every `stride` values. Every value of the panels is written.
pub fn pack_columns(matrix: &[f32], stride: usize, rows: usize, width: usize, panels: &mut [f32]) {
    for (panel, panel_of) in panels.chunks_exact_mut(LANES * rows).take(width.div_ceil(LANES)).enumerate() {
        let first = panel * LANES;
        let here = LANES.min(width - first);
        for (row, lanes) in panel_of.chunks_exact_mut(LANES).enumerate() {
            lanes[..here].copy_from_slice(&matrix[row * stride + first..][..here]);
            lanes[here..].fill(0.0);
        }
    }
}
