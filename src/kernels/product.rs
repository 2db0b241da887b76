//! The matrix product.
//!
//! A tile of rows × columns is summed in registers, one term of every sum at a time. **Each sum runs
//! over its terms in order**, whatever the size of tile, block or matrix, so a value depends on its row and
//! its column alone: not on how many rows there are, nor on the instructions.

use super::activation::{Activation, value_and_slope};
use super::packed::Packed;
use super::simd::{InstructionSet, Kernel, LANES, Simd};

/// The left-hand matrix of a product, somewhere in a larger one.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    values: &'a [f32],
    rows: usize,
    stride: usize,
    transposed: bool,
}

impl<'a> Left<'a> {
    /// Rows that begin every `stride` values.
    pub fn rows(values: &'a [f32], rows: usize, stride: usize) -> Self {
        Left { values, rows, stride, transposed: false }
    }

    /// The transpose: *columns* that begin every `stride` values, `rows` values each.
    pub fn columns(values: &'a [f32], rows: usize, stride: usize) -> Self {
        Left { values, rows, stride, transposed: true }
    }

    fn reaches(&self, depth: usize) -> usize {
        match self.transposed {
            _ if self.rows == 0 || depth == 0 => 0,
            false => (self.rows - 1) * self.stride + depth,
            true => (depth - 1) * self.stride + self.rows,
        }
    }
}

/// The right-hand matrix of a product, packed.
#[derive(Debug, Clone, Copy)]
pub struct Right<'a> {
    /// See [`Packed`].
    pub panels: &'a [f32],
    /// Terms of each sum.
    pub depth: usize,
    /// Columns of the product.
    pub columns: usize,
}

impl<'a> From<&'a Packed> for Right<'a> {
    fn from(packed: &'a Packed) -> Self {
        Right { panels: packed.panels(), depth: packed.depth(), columns: packed.columns() }
    }
}

/// Where the product goes: rows that begin every `stride` values.
#[derive(Debug)]
pub struct Out<'a> {
    /// From the first value of the product on.
    pub values: &'a mut [f32],
    /// From one row to the next.
    pub stride: usize,
    /// Whether the product is added to what is there: the sums go on from it.
    pub goes_on: bool,
}

impl<'a> Out<'a> {
    /// In place of what is there.
    pub fn new(values: &'a mut [f32], stride: usize) -> Self {
        Out { values, stride, goes_on: false }
    }
}

/// What happens to each sum on its way out.
#[derive(Debug)]
pub enum Finish<'a> {
    /// Nothing.
    Plain,
    /// A bias is added, one a column.
    Bias(&'a [f32]),
    /// A bias is added, and a function applied; its derivative is put into `slopes`, shaped and spaced
    /// like the product, if it is wanted.
    Activate {
        /// One a column.
        bias: &'a [f32],
        /// The function.
        activation: Activation,
        /// Its derivative, for the way back.
        slopes: Option<&'a mut [f32]>,
    },
    /// A matrix, shaped and spaced like the product, is added.
    Plus(&'a [f32]),
    /// Each value is multiplied by its own of a matrix shaped and spaced like the product.
    Times(&'a [f32]),
}

/// out = finish(left · right)
///
/// # Panics
/// Slices too short for the shapes: a fault of the caller.
pub fn product(set: InstructionSet, left: Left<'_>, right: Right<'_>, out: Out<'_>, finish: Finish<'_>) {
    let needed = match left.rows {
        0 => return,
        rows => (rows - 1) * out.stride + right.columns,
    };
    assert!(left.values.len() >= left.reaches(right.depth), "the left matrix is too short");
    assert!(right.panels.len() >= right.columns.div_ceil(LANES) * LANES * right.depth, "panels are missing");
    assert!(out.values.len() >= needed && (out.stride >= right.columns || left.rows == 1));
    match &finish {
        Finish::Plain => {}
        Finish::Bias(bias) | Finish::Activate { bias, slopes: None, .. } => {
            assert!(bias.len() >= right.columns);
        }
        Finish::Activate { bias, slopes: Some(slopes), .. } => {
            assert!(bias.len() >= right.columns && slopes.len() >= needed);
        }
        Finish::Plus(matrix) | Finish::Times(matrix) => assert!(matrix.len() >= needed),
    }
    set.run(Product { left, right, out, finish });
}

struct Product<'a> {
    left: Left<'a>,
    right: Right<'a>,
    out: Out<'a>,
    finish: Finish<'a>,
}

/// Rows that are taken through all panels before the next: with [`BLOCK_DEPTH`], what of the left matrix
/// stays in the second-level cache.
const BLOCK_ROWS: usize = 240;

/// Terms that are summed before the tile is put away: one panel of that depth stays in the first-level
/// cache while all rows pass by.
const BLOCK_DEPTH: usize = 384;

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (rows, depth) = (self.left.rows, self.right.depth);
        let mut first_row = 0;
        while first_row < rows {
            let last_row = rows.min(first_row + BLOCK_ROWS);
            let mut first_term = 0;
            loop {
                let last_term = depth.min(first_term + BLOCK_DEPTH);
                self.block(simd, first_row..last_row, first_term..last_term);
                first_term = last_term;
                if first_term >= depth {
                    break;
                }
            }
            first_row = last_row;
        }
    }
}

use std::ops::Range;

impl Product<'_> {
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, rows: Range<usize>, terms: Range<usize>) {
        let panels = self.right.columns.div_ceil(LANES);
        let mut panel = 0;
        while panel < panels {
            let vectors = S::TILE_VECTORS.min(panels - panel);
            let mut row = rows.start;
            while row < rows.end {
                let height = S::TILE_ROWS.min(rows.end - row);
                let tile = Tile { row, panel, terms: terms.clone() };
                match vectors {
                    1 => self.tile_of_height::<S, 1>(simd, height, tile),
                    2 => self.tile_of_height::<S, 2>(simd, height, tile),
                    _ => self.tile_of_height::<S, 3>(simd, height, tile),
                }
                row += height;
            }
            panel += vectors;
        }
    }

    #[inline(always)]
    fn tile_of_height<S: Simd, const VECTORS: usize>(&mut self, simd: S, height: usize, tile: Tile) {
        match height {
            1 => self.tile::<S, 1, VECTORS>(simd, tile),
            2 => self.tile::<S, 2, VECTORS>(simd, tile),
            3 => self.tile::<S, 3, VECTORS>(simd, tile),
            4 => self.tile::<S, 4, VECTORS>(simd, tile),
            5 => self.tile::<S, 5, VECTORS>(simd, tile),
            6 => self.tile::<S, 6, VECTORS>(simd, tile),
            7 => self.tile::<S, 7, VECTORS>(simd, tile),
            _ => self.tile::<S, 8, VECTORS>(simd, tile),
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(&mut self, simd: S, tile: Tile) {
        if ROWS > S::TILE_ROWS || VECTORS > S::TILE_VECTORS {
            return;
        }
        let mut sums = [[simd.zero(); VECTORS]; ROWS];
        if tile.terms.start > 0 || self.out.goes_on {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = self.lanes(simd, &*self.out.values, &tile, row, vector);
                }
            }
        }
        match self.left.transposed {
            false => self.add_terms::<S, ROWS, VECTORS, false>(simd, &tile, &mut sums),
            true => self.add_terms::<S, ROWS, VECTORS, true>(simd, &tile, &mut sums),
        }
        let finished = tile.terms.end == self.right.depth;
        for (row, sums) in sums.iter().enumerate() {
            for (vector, sum) in sums.iter().enumerate() {
                match finished {
                    true => self.finish(simd, &tile, row, vector, *sum),
                    false => {
                        let place = self.place(&tile, row, vector);
                        put(simd, self.out.values, place, *sum);
                    }
                }
            }
        }
    }

    /// The heart of it: every sum of the tile, one term at a time.
    #[inline(always)]
    fn add_terms<S: Simd, const ROWS: usize, const VECTORS: usize, const TRANSPOSED: bool>(
        &self,
        simd: S,
        tile: &Tile,
        sums: &mut [[S::V; VECTORS]; ROWS],
    ) {
        let depth = self.right.depth;
        let left = self.left.values.as_ptr();
        let stride = self.left.stride;
        let mut tile_sums = *sums;
        // SAFETY: `product` has checked that the left matrix reaches as far as rows and depth say, and that
        // there are panels for all columns; rows, panels and terms of a tile are within those.
        unsafe {
            let left = match TRANSPOSED {
                false => left.add(tile.row * stride + tile.terms.start),
                true => left.add(tile.terms.start * stride + tile.row),
            };
            let panels = self.right.panels.as_ptr().add((tile.panel * depth + tile.terms.start) * LANES);
            for term in 0..tile.terms.len() {
                let mut weights = [simd.zero(); VECTORS];
                for (vector, weight) in weights.iter_mut().enumerate() {
                    *weight = simd.load(&*panels.add((vector * depth + term) * LANES).cast());
                }
                for (row, sums) in tile_sums.iter_mut().enumerate() {
                    let value = match TRANSPOSED {
                        false => *left.add(row * stride + term),
                        true => *left.add(term * stride + row),
                    };
                    let value = simd.splat(value);
                    for (sum, weight) in sums.iter_mut().zip(&weights) {
                        *sum = simd.mul_add(value, *weight, *sum);
                    }
                }
            }
        }
        *sums = tile_sums;
    }

    #[inline(always)]
    fn finish<S: Simd>(&mut self, simd: S, tile: &Tile, row: usize, vector: usize, sum: S::V) {
        let place = self.place(tile, row, vector);
        let column = place.column..place.column + place.width;
        let finished = match &mut self.finish {
            Finish::Plain => sum,
            Finish::Bias(bias) => simd.add(sum, get(simd, &bias[column])),
            Finish::Activate { bias, activation, slopes } => {
                let input = simd.add(sum, get(simd, &bias[column]));
                let (value, slope) = value_and_slope(simd, *activation, input);
                if let Some(slopes) = slopes {
                    put(simd, slopes, place, slope);
                }
                value
            }
            Finish::Plus(matrix) => simd.add(sum, get(simd, &matrix[place.first..][..place.width])),
            Finish::Times(matrix) => simd.mul(sum, get(simd, &matrix[place.first..][..place.width])),
        };
        put(simd, self.out.values, place, finished);
    }

    #[inline(always)]
    fn lanes<S: Simd>(&self, simd: S, matrix: &[f32], tile: &Tile, row: usize, vector: usize) -> S::V {
        let place = self.place(tile, row, vector);
        get(simd, &matrix[place.first..][..place.width])
    }

    #[inline(always)]
    fn place(&self, tile: &Tile, row: usize, vector: usize) -> Place {
        let column = (tile.panel + vector) * LANES;
        Place {
            first: (tile.row + row) * self.out.stride + column,
            column,
            width: LANES.min(self.right.columns - column),
        }
    }
}

#[derive(Clone)]
struct Tile {
    row: usize,
    panel: usize,
    terms: Range<usize>,
}

/// Where a vector of a tile lies in the product.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    column: usize,
    width: usize,
}

/// Up to sixteen values; zeros after them.
#[inline(always)]
fn get<S: Simd>(simd: S, values: &[f32]) -> S::V {
    match values.first_chunk::<LANES>() {
        Some(lanes) => simd.load(lanes),
        None => {
            let mut lanes = [0.0; LANES];
            lanes[..values.len()].copy_from_slice(values);
            simd.load(&lanes)
        }
    }
}

#[inline(always)]
fn put<S: Simd>(simd: S, matrix: &mut [f32], place: Place, value: S::V) {
    let values = &mut matrix[place.first..][..place.width];
    match values.first_chunk_mut::<LANES>() {
        Some(lanes) => simd.store(lanes, value),
        None => values.copy_from_slice(&simd.lanes(value)[..place.width]),
    }
}
