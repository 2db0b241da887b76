//! Where the factorisation starts: NNDSVD (Boutsidis & Gallopoulos 2008), from singular vectors found by iterating a random
//! subspace (Halko, Martinsson & Tropp 2011).

use std::ops::Range;
use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};

use super::passes::{blocks, each, parts, split};
use crate::explain::chance::Chance;
use crate::explain::concept::ConceptError;
use crate::explain::crew::Crew;
use crate::model::Matrix;

/// Dimensions of the subspace beyond the singular vectors that are wanted: the outermost converge slowly.
const SPARE: usize = 10;

/// How often the subspace is multiplied by XᵀX.
const ROUNDS: usize = 4;

/// A squared singular value below this share of the greatest is rounding.
const NOTHING: f64 = 1e-12;

/// Passes over the rows that a start takes, each with two products but the last, which has one.
pub(super) const PASSES: usize = ROUNDS + 2;

/// Dimensions of the subspace.
pub(super) fn dimensions(components: usize, rows: usize, width: usize) -> usize {
    (components + SPARE).min(rows).min(width)
}

/// Parts to start from, `[2 · hidden, components]`, for the split rows X: with zeros filled by a number of usual size
/// (NNDSVDa), and by small numbers drawn by chance (NNDSVDar). The sketch is drawn on the side of the columns, so the order
/// of the rows changes neither.
///
/// # Errors
/// [`ConceptError::CalledOff`], [`ConceptError::Singular`].
pub(super) fn starts(
    rows: &Arc<Matrix>,
    components: usize,
    seed: u64,
    crew: &dyn Crew,
) -> Result<[Mat<f64>; 2], ConceptError> {
    let mut chance = Chance::new("explaind nmf v1", seed, &[]);
    let (values, right) = singular(rows, components, &mut chance, crew)?;
    let left = signs(rows, &right, crew)?;
    let sparse = one_sided(components, &values, &right, &left);
    let magnitude = rows.values.iter().map(|value| f64::from(value.abs())).sum::<f64>();
    // An entry of either factor, were they all alike: it grows with the root of X, as the parts do.
    let usual = (magnitude / (rows.rows() * right.nrows() * components) as f64).sqrt();
    let by_usual = filled(&sparse, || usual);
    let by_chance = filled(&sparse, || usual / 100.0 * chance.normal().abs());
    Ok([by_usual, by_chance])
}

/// For each singular vector, its positive or its negative part, whichever says more of X; 0 beyond the rank of X.
fn one_sided(components: usize, values: &[f64], right: &Mat<f64>, left: &[(f64, f64)]) -> Mat<f64> {
    let mut parts = Mat::zeros(right.nrows(), components);
    for (component, value) in values.iter().enumerate().take(components) {
        let vector = right.col(component);
        let share = |sign: f64| vector.iter().map(|entry| (sign * entry).max(0.0).powi(2)).sum::<f64>();
        // How much of u and v, both of length 1, has that sign: the product of the two.
        let both = |sign: f64, of_left: f64| (share(sign) * of_left).sqrt() / value;
        let (plus, minus) = (both(1.0, left[component].0), both(-1.0, left[component].1));
        let (sign, weight) = if plus >= minus { (1.0, plus) } else { (-1.0, minus) };
        let scale = (value * weight / share(sign).max(f64::MIN_POSITIVE)).sqrt();
        let entries = parts.col_mut(component).iter_mut().zip(vector.iter());
        entries.for_each(|(part, entry)| *part = scale * (sign * entry).max(0.0));
    }
    parts
}

/// The parts with something in the place of zeros, column by column.
fn filled(sparse: &Mat<f64>, mut filling: impl FnMut() -> f64) -> Mat<f64> {
    let mut parts = sparse.clone();
    for component in 0..parts.ncols() {
        let zeros = parts.col_mut(component).iter_mut().filter(|part| **part == 0.0);
        zeros.for_each(|part| *part = filling());
    }
    parts
}

/// XᵀX Q for a basis Q.
fn normal(rows: &Arc<Matrix>, basis: &Arc<Mat<f64>>, crew: &dyn Crew) -> Result<Mat<f64>, ConceptError> {
    let (matrix, shared) = (rows.clone(), basis.clone());
    let of_part = move |part: Range<usize>| {
        let mut sum = Mat::zeros(shared.nrows(), shared.ncols());
        for block in blocks(part) {
            let values = split(&matrix, block.clone());
            let states = MatRef::from_row_major_slice(&values, block.len(), shared.nrows());
            let mut image = Mat::zeros(block.len(), shared.ncols());
            matmul(&mut image, Accum::Replace, states, &*shared, 1.0, Par::Seq);
            matmul(&mut sum, Accum::Add, states.transpose(), &image, 1.0, Par::Seq);
        }
        sum
    };
    let sums = each(crew, parts(rows.rows()), of_part)?;
    let nothing = Mat::zeros(basis.nrows(), basis.ncols());
    Ok(sums.into_iter().fold(nothing, |mut total, sum| {
        total += sum;
        total
    }))
}

/// The greatest singular values of X that are not nothing, in falling order, and their right singular vectors.
fn singular(
    rows: &Arc<Matrix>,
    components: usize,
    chance: &mut Chance,
    crew: &dyn Crew,
) -> Result<(Vec<f64>, Arc<Mat<f64>>), ConceptError> {
    let width = 2 * rows.width;
    let drawn = (0..dimensions(components, rows.rows(), width))
        .map(|_| (0..width).map(|_| chance.normal()).collect())
        .collect();
    let mut basis = Arc::new(orthonormal(drawn, width));
    for _ in 0..ROUNDS {
        let image = normal(rows, &basis, crew)?;
        let columns = (0..image.ncols()).map(|column| image.col(column).iter().copied().collect());
        basis = Arc::new(orthonormal(columns.collect(), width));
    }
    let image = normal(rows, &basis, crew)?;
    let dimensions = basis.ncols();
    let mut within = Mat::zeros(dimensions, dimensions);
    matmul(&mut within, Accum::Replace, basis.transpose(), &image, 1.0, Par::Seq);
    let eigen = within.self_adjoint_eigen(Side::Lower).map_err(|_| ConceptError::Singular)?;
    // They come in rising order.
    let squares: Vec<f64> = eigen.S().column_vector().iter().rev().copied().collect();
    let greatest = squares.first().copied().unwrap_or_default();
    let is_something = |square: &&f64| **square > NOTHING * greatest;
    let values: Vec<f64> =
        squares.iter().take(components).take_while(is_something).map(|square| square.sqrt()).collect();
    let vector = |row: usize, column: usize| eigen.U()[(row, dimensions - 1 - column)];
    let rotation = Mat::from_fn(dimensions, values.len(), vector);
    let mut right = Mat::zeros(width, values.len());
    matmul(&mut right, Accum::Replace, &*basis, &rotation, 1.0, Par::Seq);
    Ok((values, Arc::new(right)))
}

/// For each right singular vector v, how much of Xv is positive and how much negative, as sums of squares.
fn signs(
    rows: &Arc<Matrix>,
    right: &Arc<Mat<f64>>,
    crew: &dyn Crew,
) -> Result<Vec<(f64, f64)>, ConceptError> {
    let (matrix, shared) = (rows.clone(), right.clone());
    let of_part = move |part: Range<usize>| {
        let mut sums = vec![(0.0, 0.0); shared.ncols()];
        for block in blocks(part) {
            let values = split(&matrix, block.clone());
            let states = MatRef::from_row_major_slice(&values, block.len(), shared.nrows());
            let mut image = Mat::zeros(block.len(), shared.ncols());
            matmul(&mut image, Accum::Replace, states, &*shared, 1.0, Par::Seq);
            for (column, sum) in sums.iter_mut().enumerate() {
                add_signs(sum, image.col(column).iter());
            }
        }
        sums
    };
    let sums = each(crew, parts(rows.rows()), of_part)?;
    Ok(sums.into_iter().fold(vec![(0.0, 0.0); right.ncols()], |mut total, sums| {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total = (total.0 + sum.0, total.1 + sum.1));
        total
    }))
}

fn add_signs<'a>(sum: &mut (f64, f64), values: impl Iterator<Item = &'a f64>) {
    for value in values {
        *(if *value > 0.0 { &mut sum.0 } else { &mut sum.1 }) += value * value;
    }
}

/// An orthonormal basis of what the columns span, by Gram and Schmidt, twice for the sake of rounding.
fn orthonormal(columns: Vec<Vec<f64>>, width: usize) -> Mat<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(columns.len());
    for mut column in columns {
        let before = dot(&column, &column).sqrt();
        for _ in 0..2 {
            for known in &basis {
                let along = dot(&column, known);
                column.iter_mut().zip(known).for_each(|(value, known)| *value -= along * known);
            }
        }
        let length = dot(&column, &column).sqrt();
        if length > 1e-12 * before {
            column.iter_mut().for_each(|value| *value /= length);
            basis.push(column);
        }
    }
    Mat::from_fn(width, basis.len(), |row, column| basis[column][row])
}
