//! Layer normalisation, with the sum before it and its way back.

use super::simd::{InstructionSet, Kernel, LANES, Simd};

/// The parameters of a layer normalisation.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// Gain, one a column.
    pub gain: &'a [f32],
    /// Shift, one a column.
    pub shift: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// What the way back needs, written on the way there.
#[derive(Debug)]
pub struct Normalised<'a> {
    /// (x − mean) / deviation, `[rows, width]`.
    pub values: &'a mut [f32],
    /// 1 / deviation, one a row.
    pub scales: &'a mut [f32],
}

/// values ← norm(values + residual), row by row.
///
/// # Panics
/// Slices of lengths that do not fit: a fault of the caller.
pub fn add_norm(
    set: InstructionSet,
    norm: Norm<'_>,
    values: &mut [f32],
    residual: Option<&[f32]>,
    saved: Option<Normalised<'_>>,
) {
    let width = norm.gain.len();
    assert!(width > 0 && norm.shift.len() == width && values.len().is_multiple_of(width));
    assert!(residual.is_none_or(|residual| residual.len() == values.len()));
    if let Some(saved) = &saved {
        assert!(saved.values.len() == values.len() && saved.scales.len() == values.len() / width);
    }
    set.run(AddNorm { norm, values, residual, saved });
}

/// The gradient with respect to what was normalised.
///
/// # Panics
/// Slices of lengths that do not fit: a fault of the caller.
pub fn norm_vjp(
    set: InstructionSet,
    gain: &[f32],
    values: &[f32],
    scales: &[f32],
    gradient: &[f32],
    out: &mut [f32],
) {
    let width = gain.len();
    assert!(width > 0 && values.len() == scales.len() * width);
    assert!(gradient.len() == values.len() && out.len() == values.len());
    set.run(NormVjp { gain, values, scales, gradient, out });
}

struct AddNorm<'a> {
    norm: Norm<'a>,
    values: &'a mut [f32],
    residual: Option<&'a [f32]>,
    saved: Option<Normalised<'a>>,
}

impl Kernel for AddNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let AddNorm { norm, values, residual, mut saved } = self;
        let width = norm.gain.len();
        for (index, row) in values.chunks_exact_mut(width).enumerate() {
            let here = index * width..(index + 1) * width;
            if let Some(residual) = residual {
                each(simd, row, &residual[here.clone()], |a, b| simd.add(a, b));
            }
            let mean = sum(simd, row, |x| x) / width as f32;
            let mean = simd.splat(mean);
            let variance = sum(simd, row, |x| {
                let centred = simd.sub(x, mean);
                simd.mul(centred, centred)
            });
            // Lanes beyond the row count as x = 0 in the sums: each put mean² into the variance.
            let beyond = (width.next_multiple_of(LANES) - width) as f32;
            let mean_lane = simd.lanes(mean)[0];
            let variance = (variance - beyond * mean_lane * mean_lane) / width as f32;
            let scale = 1.0 / (variance.max(0.0) + norm.epsilon).sqrt();
            let scales = simd.splat(scale);
            apply(simd, row, |x| simd.mul(simd.sub(x, mean), scales));
            if let Some(saved) = &mut saved {
                saved.values[here].copy_from_slice(row);
                saved.scales[index] = scale;
            }
            each(simd, row, norm.gain, |x, gain| simd.mul(x, gain));
            each(simd, row, norm.shift, |x, shift| simd.add(x, shift));
        }
    }
}

struct NormVjp<'a> {
    gain: &'a [f32],
    values: &'a [f32],
    scales: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for NormVjp<'_> {
    type Output = ();

    /// With g = gradient ⊙ gain: (g − mean(g) − x̂ · mean(g ⊙ x̂)) / deviation.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.gain.len();
        let rows = self.gradient.chunks_exact(width).zip(self.values.chunks_exact(width));
        for ((row, out), scale) in rows.zip(self.out.chunks_exact_mut(width)).zip(self.scales) {
            let (gradient, values) = row;
            out.copy_from_slice(gradient);
            each(simd, out, self.gain, |a, b| simd.mul(a, b));
            let mean = simd.splat(sum(simd, out, |x| x) / width as f32);
            let along = simd.splat(-sum_of_products(simd, out, values) / width as f32);
            let scale = simd.splat(*scale);
            each(simd, out, values, |g, x| simd.mul(simd.mul_add(x, along, simd.sub(g, mean)), scale));
        }
    }
}

/// Up to sixteen values; zeros after them.
#[inline(always)]
fn partial<S: Simd>(simd: S, values: &[f32]) -> S::V {
    let mut lanes = [0.0; LANES];
    lanes[..values.len()].copy_from_slice(values);
    simd.load(&lanes)
}

#[inline(always)]
fn sum<S: Simd>(simd: S, row: &[f32], of: impl Fn(S::V) -> S::V) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut total = simd.zero();
    for chunk in chunks {
        total = simd.add(total, of(simd.load(chunk)));
    }
    if !rest.is_empty() {
        total = simd.add(total, of(partial(simd, rest)));
    }
    simd.sum(total)
}

#[inline(always)]
fn sum_of_products<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut total = simd.zero();
    for (a, b) in a.iter().zip(b) {
        total = simd.mul_add(simd.load(a), simd.load(b), total);
    }
    total = simd.mul_add(partial(simd, rest_a), partial(simd, rest_b), total);
    simd.sum(total)
}

#[inline(always)]
fn apply<S: Simd>(simd: S, row: &mut [f32], of: impl Fn(S::V) -> S::V) {
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        simd.store(chunk, of(simd.load(chunk)));
    }
    if !rest.is_empty() {
        let lanes = simd.lanes(of(partial(simd, rest)));
        rest.copy_from_slice(&lanes[..rest.len()]);
    }
}

#[inline(always)]
fn each<S: Simd>(simd: S, row: &mut [f32], other: &[f32], of: impl Fn(S::V, S::V) -> S::V) {
    let ((chunks, rest), (others, other_rest)) = (row.as_chunks_mut::<LANES>(), other.as_chunks::<LANES>());
    for (chunk, other) in chunks.iter_mut().zip(others) {
        simd.store(chunk, of(simd.load(chunk), simd.load(other)));
    }
    if !rest.is_empty() {
        let lanes = simd.lanes(of(partial(simd, rest), partial(simd, other_rest)));
        rest.copy_from_slice(&lanes[..rest.len()]);
    }
}
