//! Softmax attention of one sequence, all heads, and its way back.
//!
//! Queries, keys and values are read where the linear layers put them: a head is a range of columns.
//! Each head's keys and values are packed once, and everything large is a matrix product.

use super::activation::exp;
use super::buffer::Buffer;
use super::packed::{pack_columns, pack_rows};
use super::product::{Finish, Left, Out, Right, product};
use super::simd::{InstructionSet, Kernel, LANES, Simd};

/// The shape of the attention of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Heads, side by side in the columns.
    pub heads: usize,
    /// Columns of a head.
    pub head_size: usize,
    /// Rows of queries.
    pub queries: usize,
    /// Rows of keys and values.
    pub keys: usize,
}

/// Queries, `[queries, hidden]`, and keys and values side by side, `[keys, 2·hidden]`, of one sequence.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What each token looks for.
    pub queries: &'a [f32],
    /// What each token offers, and what it gives.
    pub keys_and_values: &'a [f32],
}

/// Gradients with respect to [`Inputs`], of the same shapes.
#[derive(Debug)]
pub struct InputGradients<'a> {
    /// Shaped like the queries.
    pub queries: &'a mut [f32],
    /// Shaped like keys and values.
    pub keys_and_values: &'a mut [f32],
}

impl Shape {
    /// From one row of probabilities to the next: the keys, filled up with zeros to whole vectors.
    pub fn row(&self) -> usize {
        self.keys.next_multiple_of(LANES)
    }

    /// Values of the probabilities of all heads.
    pub fn probabilities(&self) -> usize {
        self.heads * self.queries * self.row()
    }

    /// Queries that are worked on at a time: as many as keep their scores in the second-level cache.
    fn block(&self) -> usize {
        const SCORES: usize = 32 << 10;
        (SCORES / self.row()).max(8).min(self.queries)
    }

    fn hidden(&self) -> usize {
        self.heads * self.head_size
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_size as f32).sqrt()
    }

    fn head_panels(&self, rows: usize) -> usize {
        self.head_size.next_multiple_of(LANES) * rows
    }

    fn check(&self, inputs: &Inputs<'_>) {
        assert!(inputs.queries.len() == self.queries * self.hidden());
        assert!(inputs.keys_and_values.len() == self.keys * 2 * self.hidden());
    }
}

/// context `[queries, hidden]` and probabilities `[heads, queries, row]` of a sequence. Keys whose entry of
/// `hidden_keys` is true get probability 0; at least one must be false.
///
/// # Panics
/// Slices of lengths that do not fit: a fault of the caller.
pub fn attention(
    set: InstructionSet,
    shape: Shape,
    inputs: Inputs<'_>,
    hidden_keys: Option<&[bool]>,
    context: &mut [f32],
    probabilities: Option<&mut [f32]>,
) {
    shape.check(&inputs);
    let hidden = shape.hidden();
    assert!(context.len() == shape.queries * hidden);
    assert!(hidden_keys.is_none_or(|hide| hide.len() == shape.keys));
    let per_head = shape.queries * shape.row();
    let block = shape.block();
    let mut scratch = Buffer::take(if probabilities.is_some() { 0 } else { block * shape.row() });
    let mut kept = probabilities;
    assert!(kept.as_ref().is_none_or(|kept| kept.len() == shape.probabilities()));
    let mut key_panels = Buffer::take(shape.row() * shape.head_size);
    let mut value_panels = Buffer::take(shape.head_panels(shape.keys));
    for head in 0..shape.heads {
        let column = head * shape.head_size;
        let keys = &inputs.keys_and_values[column..];
        let values = &inputs.keys_and_values[hidden + column..];
        pack_rows(keys, 2 * hidden, shape.keys, shape.head_size, shape.scale(), &mut key_panels);
        pack_columns(values, 2 * hidden, shape.keys, shape.head_size, &mut value_panels);
        for first in (0..shape.queries).step_by(block) {
            let rows = block.min(shape.queries - first);
            let scores = match &mut kept {
                Some(kept) => &mut kept[head * per_head + first * shape.row()..][..rows * shape.row()],
                None => &mut scratch[..rows * shape.row()],
            };
            let queries = Left::rows(&inputs.queries[first * hidden + column..], rows, hidden);
            let right = Right { panels: &key_panels, depth: shape.head_size, columns: shape.keys };
            product(set, queries, right, Out::new(scores, shape.row()), Finish::Plain);
            set.run(Softmax { shape, hidden_keys, scores });
            let right = Right { panels: &value_panels, depth: shape.keys, columns: shape.head_size };
            let left = Left::rows(scores, rows, shape.row());
            let out = Out::new(&mut context[first * hidden + column..], hidden);
            product(set, left, right, out, Finish::Plain);
        }
    }
}

/// The way back: from the context's gradient `[queries, hidden]` to that of queries, keys and values, and of the
/// probabilities as free variables, where there is room for it.
///
/// # Panics
/// Slices of lengths that do not fit: a fault of the caller.
pub fn attention_vjp(
    set: InstructionSet,
    shape: Shape,
    inputs: Inputs<'_>,
    probabilities: &[f32],
    gradient: &[f32],
    out: InputGradients<'_>,
    mut to_probabilities: Option<&mut [f32]>,
) {
    shape.check(&inputs);
    let hidden = shape.hidden();
    assert!(probabilities.len() == shape.probabilities() && gradient.len() == shape.queries * hidden);
    assert!(out.queries.len() == inputs.queries.len());
    assert!(out.keys_and_values.len() == inputs.keys_and_values.len());
    assert!(to_probabilities.as_ref().is_none_or(|room| room.len() == probabilities.len()));
    let per_head = shape.queries * shape.row();
    let row = shape.row();
    let block = shape.block();
    let mut scores = Buffer::take(block * row);
    let mut value_panels = Buffer::take(row * shape.head_size);
    let mut key_panels = Buffer::take(shape.head_panels(shape.keys));
    let mut block_panels = Buffer::take(shape.head_panels(block));
    for head in 0..shape.heads {
        let column = head * shape.head_size;
        let keys = &inputs.keys_and_values[column..];
        let values = &inputs.keys_and_values[hidden + column..];
        pack_rows(values, 2 * hidden, shape.keys, shape.head_size, 1.0, &mut value_panels);
        pack_columns(keys, 2 * hidden, shape.keys, shape.head_size, &mut key_panels);
        for first in (0..shape.queries).step_by(block) {
            let rows = block.min(shape.queries - first);
            let scores = &mut scores[..rows * row];
            let here = head * per_head + first * row;
            let probabilities = &probabilities[here..][..rows * row];
            let queries = &inputs.queries[first * hidden + column..];
            let to_context = &gradient[first * hidden + column..];
            // The sums of keys and values go on from block to block, in the order of the queries.
            let goes_on = first > 0;
            let head_product =
                |left: Left<'_>, panels: &[f32], depth: usize, columns: usize, out: Out<'_>| {
                    product(set, left, Right { panels, depth, columns }, out, Finish::Plain);
                };

            let left = Left::rows(to_context, rows, hidden);
            head_product(left, &value_panels, shape.head_size, shape.keys, Out::new(scores, row));
            let room = to_probabilities.as_mut().map(|room| &mut room[here..][..rows * row]);
            set.run(SoftmaxVjp { shape, probabilities, gradient: scores, to_probabilities: room });

            let to_queries = Out::new(&mut out.queries[first * hidden + column..], hidden);
            let left = Left::rows(scores, rows, row);
            head_product(left, &key_panels, shape.keys, shape.head_size, to_queries);

            pack_columns(queries, hidden, rows, shape.head_size, &mut block_panels);
            let values = &mut out.keys_and_values[column..];
            let to_keys = Out { values, stride: 2 * hidden, goes_on };
            let left = Left::columns(scores, shape.keys, row);
            head_product(left, &block_panels, rows, shape.head_size, to_keys);

            pack_columns(to_context, hidden, rows, shape.head_size, &mut block_panels);
            let values = &mut out.keys_and_values[hidden + column..];
            let to_values = Out { values, stride: 2 * hidden, goes_on };
            let left = Left::columns(probabilities, shape.keys, row);
            head_product(left, &block_panels, rows, shape.head_size, to_values);
        }
    }
}

/// Scores become probabilities, row by row.
struct Softmax<'a> {
    shape: Shape,
    hidden_keys: Option<&'a [bool]>,
    scores: &'a mut [f32],
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let keys = self.shape.keys;
        for row in self.scores.chunks_exact_mut(self.shape.row()) {
            row[keys..].fill(f32::NEG_INFINITY);
            for (score, _) in
                row.iter_mut().zip(self.hidden_keys.unwrap_or_default()).filter(|(_, hide)| **hide)
            {
                *score = f32::NEG_INFINITY;
            }
            let (chunks, _) = row.as_chunks_mut::<LANES>();
            let mut largest = simd.splat(f32::NEG_INFINITY);
            for chunk in &*chunks {
                largest = simd.max(largest, simd.load(chunk));
            }
            let largest = simd.splat(simd.largest(largest));
            let mut total = simd.zero();
            for chunk in &mut *chunks {
                let value = exp(simd, simd.sub(simd.load(chunk), largest));
                total = simd.add(total, value);
                simd.store(chunk, value);
            }
            let share = simd.splat(1.0 / simd.sum(total));
            for chunk in chunks {
                simd.store(chunk, simd.mul(simd.load(chunk), share));
            }
        }
    }
}

/// p ⊙ (g − Σ p ⊙ g) / √head_size, row by row.
struct SoftmaxVjp<'a> {
    shape: Shape,
    probabilities: &'a [f32],
    gradient: &'a mut [f32],
    to_probabilities: Option<&'a mut [f32]>,
}

impl Kernel for SoftmaxVjp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (row, keys) = (self.shape.row(), self.shape.keys);
        let scale = simd.splat(self.shape.scale());
        for gradient in self.gradient.chunks_exact_mut(row) {
            gradient[keys..].fill(0.0);
        }
        if let Some(room) = self.to_probabilities {
            room.copy_from_slice(self.gradient);
        }
        for (gradient, probabilities) in
            self.gradient.chunks_exact_mut(row).zip(self.probabilities.chunks_exact(row))
        {
            let ((gradient, _), (probabilities, _)) =
                (gradient.as_chunks_mut::<LANES>(), probabilities.as_chunks());
            let mut along = simd.zero();
            for (g, p) in gradient.iter().zip(probabilities) {
                along = simd.mul_add(simd.load(g), simd.load(p), along);
            }
            let along = simd.splat(simd.sum(along));
            for (g, p) in gradient.iter_mut().zip(probabilities) {
                let centred = simd.sub(simd.load(g), along);
                simd.store(g, simd.mul(simd.mul(simd.load(p), centred), scale));
            }
        }
    }
}
