//! A direction as a sum over its examples: which of them it is made of, and which lie along it.
//!
//! Source of orthogonal matching pursuit: Pati, Rezaiifar & Krishnaprasad 1993, "Orthogonal Matching Pursuit".

#[cfg(test)]
mod tests;

use faer::Mat;

use super::{ConceptError, Direction};
use crate::model::Matrix;

/// What is left of a row or of a direction, as a share of it, that counts as nothing.
const NOTHING: f64 = 1e-10;

/// A direction v in terms of rows x_i.
#[derive(Debug, Clone, PartialEq)]
pub struct Decomposition {
    /// One coefficient c_i a row.
    pub coefficients: Vec<f64>,
    /// ‖v − Σ c_i x_i‖ ∕ ‖v‖, at least 0. That of a learnt direction is rounding; another has one if it leaves the span
    /// of the rows.
    pub residual: f64,
    /// How well few rows do, one more with each term.
    pub curve: Vec<Term>,
}

/// A row that joins those that stand for a direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// The row.
    pub row: usize,
    /// ‖v − p‖ ∕ ‖v‖ for the nearest p that the rows so far span, 0 to 1, never rising.
    pub residual: f64,
    /// The cosine between v and p, 0 to 1, never falling.
    pub cosine: f64,
}

/// A row and how far along a direction it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Projected {
    /// The row.
    pub row: usize,
    /// ⟨x − centre, v⟩.
    pub projection: f64,
}

/// Takes a direction apart over rows. `dual` are the coefficients of the learner that it comes from, one a row
/// ([`super::learner::Fitted::dual`]); a direction of another origin has none, and gets the shortest coefficients among
/// those that come nearest to it. The curve has `terms` terms, or fewer where more rows cannot come nearer.
///
/// # Errors
/// Values that are not finite, a direction without length, coefficients or entries that do not fit the rows.
pub fn decompose(
    vector: &[f64],
    dual: Option<&[f64]>,
    rows: &Matrix,
    terms: usize,
) -> Result<Decomposition, ConceptError> {
    let is_finite = vector.iter().all(|entry| entry.is_finite()) && rows.values.iter().all(|x| x.is_finite());
    if !is_finite {
        return Err(ConceptError::NotFinite);
    }
    if vector.len() != rows.width {
        return Err(ConceptError::Setting { setting: "vector", fault: "must be as long as the rows" });
    }
    if dual.is_some_and(|dual| dual.len() != rows.rows()) {
        return Err(ConceptError::Setting {
            setting: "dual",
            fault: "must have one coefficient for each row",
        });
    }
    let length = norm(vector);
    if length == 0.0 {
        return Err(ConceptError::NoDifference);
    }
    let coefficients = match dual {
        Some(dual) => dual.to_vec(),
        None => least_squares(vector, rows)?,
    };
    let mut left = vector.to_vec();
    for (row, coefficient) in rows.iter().zip(&coefficients) {
        left.iter_mut().zip(row).for_each(|(left, value)| *left -= coefficient * f64::from(*value));
    }
    Ok(Decomposition { residual: norm(&left) / length, coefficients, curve: pursue(vector, rows, terms) })
}

/// Orthogonal matching pursuit: each term is the row at the least angle to what is left of the direction (the first of
/// equals), after which the projection onto all rows so far is taken away.
fn pursue(vector: &[f64], rows: &Matrix, terms: usize) -> Vec<Term> {
    let lengths: Vec<f64> = rows.iter().map(|row| norm(&widened(row))).collect();
    let length = norm(vector);
    let mut left = vector.to_vec();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut curve: Vec<Term> = Vec::new();
    while curve.len() < terms.min(rows.rows()) {
        let angle = |row: usize| match lengths[row] > 0.0 {
            true => inner(&widened(rows.row(row)), &left).abs() / lengths[row],
            false => 0.0,
        };
        let mut best = (0, 0.0);
        for row in (0..rows.rows()).filter(|row| curve.iter().all(|term| term.row != *row)) {
            let angle = angle(row);
            if angle > best.1 {
                best = (row, angle);
            }
        }
        let (row, angle) = best;
        if angle <= NOTHING * length {
            break;
        }
        let mut fresh = widened(rows.row(row));
        // Once leaves rounding behind that the second time takes away.
        for _ in 0..2 {
            basis.iter().for_each(|known| take_away(&mut fresh, known));
        }
        let height = norm(&fresh);
        if height <= NOTHING * lengths[row] {
            break;
        }
        fresh.iter_mut().for_each(|entry| *entry /= height);
        take_away(&mut left, &fresh);
        basis.push(fresh);
        let residual = (norm(&left) / length).min(1.0);
        // What is left is at right angles to the nearest point.
        curve.push(Term { row, residual, cosine: (1.0 - residual * residual).sqrt() });
    }
    curve
}

/// The shortest c among those for which Σ c_i x_i comes nearest to a vector, by singular values; those that are less
/// than rounding of the largest count as 0.
fn least_squares(vector: &[f64], rows: &Matrix) -> Result<Vec<f64>, ConceptError> {
    let matrix = Mat::from_fn(rows.width, rows.rows(), |unit, row| f64::from(rows.row(row)[unit]));
    let parts = matrix.thin_svd().map_err(|_| ConceptError::Singular)?;
    let singular = parts.S().column_vector();
    let largest = (0..singular.nrows()).map(|k| singular[k]).fold(0.0, f64::max);
    let least = largest * f64::EPSILON * rows.width.max(rows.rows()) as f64;
    let mut coefficients = vec![0.0; rows.rows()];
    for k in (0..singular.nrows()).filter(|k| singular[*k] > least) {
        let along: f64 = vector.iter().enumerate().map(|(unit, entry)| parts.U()[(unit, k)] * entry).sum();
        let by = along / singular[k];
        coefficients.iter_mut().enumerate().for_each(|(row, sum)| *sum += by * parts.V()[(row, k)]);
    }
    Ok(coefficients)
}

/// The rows farthest along a direction, and those farthest against it, up to `most` of each, the most extreme first and
/// equals in their order. A row is in both lists where there are fewer than twice as many rows.
pub fn ranked(rows: &Matrix, direction: &Direction, most: usize) -> (Vec<Projected>, Vec<Projected>) {
    let project = |(row, values): (usize, &[f32])| {
        let from_centre =
            values.iter().zip(&direction.centre).map(|(x, centre)| f64::from(*x) - f64::from(*centre));
        let projection = from_centre.zip(&direction.vector).map(|(x, entry)| x * f64::from(*entry)).sum();
        Projected { row, projection }
    };
    // The sort is stable.
    let mut nearest: Vec<Projected> = rows.iter().enumerate().map(project).collect();
    let mut farthest = nearest.clone();
    nearest.sort_by(|a, b| b.projection.total_cmp(&a.projection));
    farthest.sort_by(|a, b| a.projection.total_cmp(&b.projection));
    nearest.truncate(most);
    farthest.truncate(most);
    (nearest, farthest)
}

fn widened(row: &[f32]) -> Vec<f64> {
    row.iter().map(|value| f64::from(*value)).collect()
}

fn inner(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn norm(values: &[f64]) -> f64 {
    inner(values, values).sqrt()
}

/// Takes the projection onto a unit vector away.
fn take_away(from: &mut [f64], unit: &[f64]) {
    let along = inner(from, unit);
    from.iter_mut().zip(unit).for_each(|(from, entry)| *from -= along * entry);
}
