//! Non-negative matrix factorisation of states: each is about a sum of parts, none taken less than 0 times.
//!
//! States have both signs, so their positive and negative parts stand side by side, X = [h⁺, h⁻] ≥ 0, and X ≈ U Wᵀ with
//! U, W ≥ 0 in the least-squares sense. A part w = [w⁺, w⁻] is the direction w⁺ − w⁻ among states. One column of U or W
//! after the other is set to what is best given all others (HALS: Cichocki & Phan 2009), several times for each product
//! with X, which is what costs time (Gillis & Glineur 2012).

use std::ops::Range;
use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};

use super::passes::{blocks, each, parts, split};
use super::{Component, Found, Seeking, start, unit};
use crate::explain::concept::ConceptError;
use crate::explain::crew::Crew;
use crate::model::Matrix;

/// How often each column is set between products with X.
const SWEEPS: usize = 3;

/// How often at first, where U is 0 still.
const FIRST_SWEEPS: usize = 20;

/// Iterations after which the better of the starts goes on alone: the losses they lead to differ by percents.
const RACE: usize = 20;

/// A loss below this share of Σ ‖row‖² is rounding.
const NOTHING: f64 = 1e-13;

pub(super) fn discover(
    rows: &Arc<Matrix>,
    seeking: &Seeking,
    crew: &dyn Crew,
) -> Result<Found, ConceptError> {
    let energy = rows.values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
    if energy == 0.0 {
        return Err(ConceptError::Singular);
    }
    let mut best: Option<Factors> = None;
    for wanted in start::starts(rows, seeking.components, seeking.seed, crew)? {
        let mut factors = Factors::new(wanted, rows.rows());
        factors.improve(rows, energy, seeking.iterations.min(RACE), seeking.tolerance, crew)?;
        best = match best {
            Some(best) if best.loss <= factors.loss => Some(best),
            _ => Some(factors),
        };
    }
    let mut factors = best.ok_or(ConceptError::Singular)?;
    factors.improve(rows, energy, seeking.iterations, seeking.tolerance, crew)?;
    Ok(Found {
        components: components(rows, &factors.wanted, &factors.taken),
        loss: factors.loss,
        explained: (1.0 - factors.loss / energy).max(0.0),
        iterations: factors.iterations,
        converged: factors.converged,
    })
}

/// X ≈ U Wᵀ.
struct Factors {
    /// The parts W, `[2 · hidden, components]`.
    wanted: Mat<f64>,
    /// How often each row takes each part, U, in pieces of `[rows, components]`.
    taken: Vec<Mat<f64>>,
    /// ‖X − U Wᵀ‖².
    loss: f64,
    iterations: usize,
    converged: bool,
}

impl Factors {
    fn new(wanted: Mat<f64>, rows: usize) -> Self {
        let taken = parts(rows).iter().map(|part| Mat::zeros(part.len(), wanted.ncols())).collect();
        Factors { wanted, taken, loss: f64::INFINITY, iterations: 0, converged: false }
    }

    /// Goes on until so many iterations are done, or there is no more to gain.
    fn improve(
        &mut self,
        rows: &Arc<Matrix>,
        energy: f64,
        iterations: usize,
        tolerance: f64,
        crew: &dyn Crew,
    ) -> Result<(), ConceptError> {
        while self.iterations < iterations && !self.converged {
            let sweeps = if self.iterations == 0 { FIRST_SWEEPS } else { SWEEPS };
            let taken = std::mem::take(&mut self.taken);
            let (taken, sums) = improve_weights(rows, &Arc::new(self.wanted.clone()), taken, sweeps, crew)?;
            self.taken = taken;
            (0..SWEEPS).for_each(|_| sweep(self.wanted.as_mut(), sums.images.as_ref(), sums.gram.as_ref()));
            let before = self.loss;
            self.loss = (energy + sums.change(&self.wanted)).max(0.0);
            self.iterations += 1;
            self.converged =
                before - self.loss <= tolerance * before.min(energy) || self.loss <= NOTHING * energy;
        }
        Ok(())
    }
}

pub(super) fn work(rows: usize, hidden: usize, seeking: &Seeking) -> f64 {
    let (rows, width, components) = (rows as f64, 2.0 * hidden as f64, seeking.components as f64);
    let subspace = start::dimensions(seeking.components, rows as usize, 2 * hidden) as f64;
    let starting = start::PASSES as f64 * 4.0 * rows * width * subspace;
    let products = 4.0 * rows * width * components;
    let grams = 2.0 * (rows + width) * components * components;
    let sweeps = SWEEPS as f64 * 2.0 * (rows + width) * components * components;
    let iterations = (seeking.iterations + seeking.iterations.min(RACE)) as f64;
    starting + iterations * (products + grams + sweeps)
}

/// What the rows' weights leave for the parts to be set by.
struct Sums {
    /// XᵀU, `[2 · hidden, components]`.
    images: Mat<f64>,
    /// UᵀU.
    gram: Mat<f64>,
}

impl Sums {
    fn zeros(width: usize, components: usize) -> Self {
        Sums { images: Mat::zeros(width, components), gram: Mat::zeros(components, components) }
    }

    /// ‖X − U Wᵀ‖² − ‖X‖² = −2 ⟨XᵀU, W⟩ + ⟨UᵀU, WᵀW⟩.
    fn change(&self, wanted: &Mat<f64>) -> f64 {
        let inner = |a: &Mat<f64>, b: &Mat<f64>| {
            let of_column = |column: usize| {
                a.col(column).iter().zip(b.col(column).iter()).map(|(a, b)| a * b).sum::<f64>()
            };
            (0..a.ncols()).map(of_column).sum::<f64>()
        };
        inner(&self.gram, &gram(wanted)) - 2.0 * inner(&self.images, wanted)
    }
}

/// AᵀA.
fn gram(of: &Mat<f64>) -> Mat<f64> {
    let mut gram = Mat::zeros(of.ncols(), of.ncols());
    matmul(&mut gram, Accum::Replace, of.transpose(), of, 1.0, Par::Seq);
    gram
}

/// Sets the rows' weights U, given and returned part by part, by the parts W.
fn improve_weights(
    rows: &Arc<Matrix>,
    wanted: &Arc<Mat<f64>>,
    taken: Vec<Mat<f64>>,
    sweeps: usize,
    crew: &dyn Crew,
) -> Result<(Vec<Mat<f64>>, Sums), ConceptError> {
    let (matrix, shared, between) = (rows.clone(), wanted.clone(), Arc::new(gram(wanted)));
    let of_part = move |(part, mut taken): (Range<usize>, Mat<f64>)| {
        let (width, components) = (shared.nrows(), shared.ncols());
        let mut sums = Sums::zeros(width, components);
        for block in blocks(part.clone()) {
            let values = split(&matrix, block.clone());
            let states = MatRef::from_row_major_slice(&values, block.len(), width);
            let mut images = Mat::zeros(block.len(), components);
            matmul(&mut images, Accum::Replace, states, &*shared, 1.0, Par::Seq);
            let mut weights = taken.as_mut().subrows_mut(block.start - part.start, block.len());
            (0..sweeps).for_each(|_| sweep(weights.as_mut(), images.as_ref(), (*between).as_ref()));
            let weights = weights.as_ref();
            matmul(&mut sums.images, Accum::Add, states.transpose(), weights, 1.0, Par::Seq);
            matmul(&mut sums.gram, Accum::Add, weights.transpose(), weights, 1.0, Par::Seq);
        }
        (taken, sums)
    };
    let items = parts(rows.rows()).into_iter().zip(taken).collect();
    let mut total = Sums::zeros(wanted.nrows(), wanted.ncols());
    let mut improved = Vec::new();
    for (weights, sums) in each(crew, items, of_part)? {
        total.images += sums.images;
        total.gram += sums.gram;
        improved.push(weights);
    }
    Ok((improved, total))
}

/// Sets each column of a factor F in turn to what makes ‖X − F Gᵀ‖ least, none below 0, from the images X G and the gram
/// matrix GᵀG of the other factor. A column whose counterpart is 0 stays: it may be wanted again.
fn sweep(mut factor: MatMut<'_, f64>, images: MatRef<'_, f64>, gram: MatRef<'_, f64>) {
    let mut slope = vec![0.0; factor.nrows()];
    for component in 0..factor.ncols() {
        let own = gram[(component, component)];
        if own > 0.0 {
            slope.iter_mut().zip(images.col(component).iter()).for_each(|(slope, image)| *slope = *image);
            for other in 0..factor.ncols() {
                let shared = gram[(other, component)];
                let column = factor.as_ref().col(other);
                slope.iter_mut().zip(column.iter()).for_each(|(slope, value)| *slope -= shared * value);
            }
            let column = factor.as_mut().col_mut(component);
            column.iter_mut().zip(&slope).for_each(|(value, slope)| *value = (*value + slope / own).max(0.0));
        }
    }
}

/// Parts as directions among states, with the rows' weights in units of their length.
fn components(rows: &Matrix, wanted: &Mat<f64>, taken: &[Mat<f64>]) -> Vec<Component> {
    let column = |component: usize| -> Vec<f64> {
        taken.iter().flat_map(|weights| weights.col(component).iter().copied()).collect()
    };
    let direction = |component: usize| {
        let part: Vec<f64> = wanted.col(component).iter().copied().collect();
        let (plus, minus) = part.split_at(rows.width);
        let states: Vec<f64> = plus.iter().zip(minus).map(|(plus, minus)| plus - minus).collect();
        let scale = part.iter().map(|value| value * value).sum::<f64>().sqrt();
        let (vector, length) = unit(&states, scale)?;
        let activations: Vec<f64> = column(component).iter().map(|weight| weight * length).collect();
        let energy = activations.iter().map(|activation| activation * activation).sum::<f64>();
        (energy > 0.0).then_some((vector, activations, energy))
    };
    let mut found: Vec<_> = (0..wanted.ncols()).filter_map(direction).collect();
    found.sort_by(|a, b| b.2.total_cmp(&a.2));
    let mut sizes = vec![0; found.len()];
    for row in 0..rows.rows() {
        let most = found.iter().map(|(_, activations, _)| activations[row]).fold(0.0, f64::max);
        let owner = found.iter().position(|(_, activations, _)| most > 0.0 && activations[row] == most);
        owner.into_iter().for_each(|owner| sizes[owner] += 1);
    }
    let component = |((vector, activations, _), size): ((Vec<f32>, Vec<f64>, f64), usize)| Component {
        vector,
        activations: activations.into_iter().map(|activation| activation as f32).collect(),
        size,
    };
    found.into_iter().zip(sizes).map(component).collect()
}
