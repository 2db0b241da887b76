//! Weighted least squares of a few hundred unknowns, with the errors of what they come to.
//!
//! The matrix of the normal equations is factored by Cholesky's method, in double precision and always in
//! the same order of operations.

/// Σ_i w_i (y_i − ⟨x_i, β⟩)² + ridge ‖β‖², for rows x_i that are written out when they are needed.
pub struct LeastSquares<R> {
    /// Writes row i.
    row: R,
    weights: Vec<f64>,
    width: usize,
    factor: Cholesky,
}

impl<R: Fn(usize, &mut [f64])> LeastSquares<R> {
    /// The problem of so many unknowns (`width`) with one row for each weight; none where it has no single
    /// solution.
    pub fn new(width: usize, weights: Vec<f64>, ridge: f64, row: R) -> Option<Self> {
        let mut matrix = vec![0.0; width * width];
        let mut x = vec![0.0; width];
        for (index, weight) in weights.iter().enumerate() {
            row(index, &mut x);
            for (place, value) in x.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                let upon = &mut matrix[place * width..][..=place];
                upon.iter_mut().zip(&x).for_each(|(sum, other)| *sum += weight * value * other);
            }
        }
        (0..width).for_each(|place| matrix[place * width + place] += ridge);
        Some(LeastSquares { row, weights, width, factor: Cholesky::of(matrix, width)? })
    }

    /// The β at which the sum is least.
    pub fn coefficients(&self, targets: &[f64]) -> Vec<f64> {
        let mut solution = self.towards(0, targets);
        self.factor.solve(&mut solution);
        solution
    }

    /// y_i − ⟨x_i, β⟩ for each row.
    pub fn residuals(&self, coefficients: &[f64], targets: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; self.width];
        let residual = |(index, target): (usize, &f64)| {
            (self.row)(index, &mut x);
            target - x.iter().zip(coefficients).map(|(x, slope)| x * slope).sum::<f64>()
        };
        targets.iter().enumerate().map(residual).collect()
    }

    /// By how much each cluster of rows, `cluster` neighbours that were drawn together, moves the
    /// coefficients: A⁻¹ Σ w_i x_i e_i over its rows, for the matrix A of the normal equations and the
    /// residuals e. The sum of their outer products is the sandwich estimate of the coefficients' covariance
    /// (White 1980; clustered: Liang & Zeger 1986).
    pub fn influences(&self, residuals: &[f64], cluster: usize) -> impl Iterator<Item = Vec<f64>> {
        residuals.chunks(cluster).enumerate().map(move |(index, residuals)| {
            let mut influence = self.towards(index * cluster, residuals);
            self.factor.solve(&mut influence);
            influence
        })
    }

    /// Σ w_i x_i y_i over the rows from `first` on that there are values y for.
    fn towards(&self, first: usize, values: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; self.width];
        let mut sums = vec![0.0; self.width];
        for (index, value) in (first..).zip(values) {
            (self.row)(index, &mut x);
            let weighted = self.weights[index] * value;
            sums.iter_mut().zip(&x).for_each(|(sum, x)| *sum += weighted * x);
        }
        sums
    }
}

/// The lower factor L of a matrix L Lᵀ, row by row.
struct Cholesky {
    lower: Vec<f64>,
    width: usize,
}

/// What is left of a diagonal entry, as a share of it, that counts as nothing.
const SINGULAR: f64 = 1e-10;

impl Cholesky {
    /// Factors the lower half of a symmetric matrix; none where it is not positive definite.
    fn of(mut matrix: Vec<f64>, width: usize) -> Option<Self> {
        for row in 0..width {
            let (above, below) = matrix.split_at_mut(row * width);
            let own = &mut below[..=row];
            for column in 0..row {
                let other = &above[column * width..][..=column];
                let known: f64 = own.iter().zip(&other[..column]).map(|(a, b)| a * b).sum();
                own[column] = (own[column] - known) / other[column];
            }
            let known: f64 = own[..row].iter().map(|entry| entry * entry).sum();
            let left = own[row] - known;
            // Also false for what is not a number.
            let definite = left > SINGULAR * own[row];
            own[row] = definite.then(|| left.sqrt())?;
        }
        Some(Cholesky { lower: matrix, width })
    }

    /// Replaces b by the x with L Lᵀ x = b.
    fn solve(&self, values: &mut [f64]) {
        let row = |index: usize| &self.lower[index * self.width..][..=index];
        for index in 0..self.width {
            let (solved, rest) = values.split_at_mut(index);
            let own = row(index);
            let known: f64 = solved.iter().zip(own).map(|(a, b)| a * b).sum();
            rest[0] = (rest[0] - known) / own[index];
        }
        for index in (0..self.width).rev() {
            let (rest, solved) = values.split_at_mut(index);
            let own = row(index);
            solved[0] /= own[index];
            rest.iter_mut().zip(own).for_each(|(value, entry)| *value -= entry * solved[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(
        rows: &[Vec<f64>],
        weights: &[f64],
        ridge: f64,
    ) -> Option<LeastSquares<impl Fn(usize, &mut [f64])>> {
        let rows = rows.to_vec();
        let row = move |index: usize, x: &mut [f64]| x.copy_from_slice(&rows[index]);
        LeastSquares::new(3, weights.to_vec(), ridge, row)
    }

    fn rows() -> impl Strategy<Value = Vec<(Vec<f64>, f64, f64)>> {
        let row = (prop::collection::vec(-1.0f64..1.0, 3), 0.1f64..2.0, -5.0f64..5.0);
        prop::collection::vec(row, 8..20)
    }

    proptest! {
        #[test]
        fn the_loss_has_no_slope_at_the_solution(drawn in rows(), ridge in 0.01f64..3.0) {
            let x: Vec<Vec<f64>> = drawn.iter().map(|(x, _, _)| x.clone()).collect();
            let weights: Vec<f64> = drawn.iter().map(|(_, weight, _)| *weight).collect();
            let targets: Vec<f64> = drawn.iter().map(|(_, _, target)| *target).collect();
            let fit = problem(&x, &weights, ridge).unwrap();
            let slopes = fit.coefficients(&targets);
            let residuals = fit.residuals(&slopes, &targets);
            for place in 0..3 {
                let pull: f64 = (0..x.len()).map(|i| weights[i] * residuals[i] * x[i][place]).sum();
                prop_assert!((pull - ridge * slopes[place]).abs() < 1e-9, "{pull} {slopes:?}");
            }
        }

        #[test]
        fn all_influences_together_move_the_solution_by_the_ridge_alone(drawn in rows(), ridge in 0.01f64..3.0) {
            let x: Vec<Vec<f64>> = drawn.iter().map(|(x, _, _)| x.clone()).collect();
            let weights: Vec<f64> = drawn.iter().map(|(_, weight, _)| *weight).collect();
            let targets: Vec<f64> = drawn.iter().map(|(_, _, target)| *target).collect();
            let fit = problem(&x, &weights, ridge).unwrap();
            let slopes = fit.coefficients(&targets);
            let residuals = fit.residuals(&slopes, &targets);
            // Σ A⁻¹ w x e = A⁻¹ ridge β, whatever the clusters: so A times it gives ridge β back.
            for cluster in [1, 2, 3] {
                let mut sum = vec![0.0; 3];
                for influence in fit.influences(&residuals, cluster) {
                    sum.iter_mut().zip(influence).for_each(|(sum, moved)| *sum += moved);
                }
                for place in 0..3 {
                    let by_rows = |(i, row): (usize, &Vec<f64>)| {
                        weights[i] * row[place] * row.iter().zip(&sum).map(|(a, b)| a * b).sum::<f64>()
                    };
                    let back: f64 = x.iter().enumerate().map(by_rows).sum::<f64>() + ridge * sum[place];
                    prop_assert!((back - ridge * slopes[place]).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn a_column_that_says_what_others_say_has_no_single_answer_but_for_a_ridge() {
        let rows: Vec<Vec<f64>> = (0..6).map(|i| [f64::from(i), 1.0, f64::from(i) + 1.0].to_vec()).collect();
        assert!(problem(&rows, &[1.0; 6], 0.0).is_none());
        assert!(problem(&rows, &[1.0; 6], 0.1).is_some());
        assert!(problem(&vec![vec![0.0; 3]; 6], &[1.0; 6], 0.0).is_none());
    }
}
