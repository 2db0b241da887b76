//! States in which no linear learner finds a concept.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, Par};

use super::{Eraser, Means, weights};
use crate::explain::concept::{ConceptError, Examples};

/// Least-squares concept erasure: of all affine maps after which the examples' two means are the same, so that no linear
/// learner does better on them than by chance, the one that moves the examples least.
///
/// h′ = h − W⁺ P W (h − μ) with W = Σ^{−½}, P the orthogonal projection onto W c, Σ the covariance of the states and c their
/// covariance with the concept. As the concept is one of two values, this is h − a ⟨b, h − μ⟩ with b along Σ⁻¹ c and a along
/// c, scaled so that ⟨a, b⟩ = 1: `read` is the unit vector along b, `write` is a.
///
/// There are often fewer examples than dimensions, so Σ is shrunk towards a multiple of the identity, the more the fewer
/// they are; the means come out equal whatever Σ is. It is the eraser of the authors' package concept-erasure with its
/// defaults (their `constrain_cov_trace` never comes to bear on this one), but for two: a weak concept is erased too, where
/// their `svd_tol` would leave it, and no more than all of Σ is shrunk.
///
/// A text of several rows counts as one: its rows weigh so much less.
///
/// Source: Belrose et al. 2023, "LEACE: Perfect linear concept erasure in closed form", arXiv:2306.03819, theorem 4.3.
///
/// # Errors
/// Examples that do not differ, that are of one side only or not finite.
pub fn leace(examples: &Examples) -> Result<Eraser, ConceptError> {
    let means = Means::of(examples)?;
    let read = Spread::of(examples, &means.overall).solve(&means.difference)?;
    let length = read.iter().map(|value| value * value).sum::<f64>().sqrt();
    let along: f64 = read.iter().zip(&means.difference).map(|(b, c)| b / length * c).sum();
    // Also refuses what is not a number.
    if !(length > 0.0 && length.is_finite() && along > 0.0) {
        return Err(ConceptError::Singular);
    }
    Ok(Eraser {
        read: vec![read.iter().map(|value| (value / length) as f32).collect()],
        write: vec![means.difference.iter().map(|value| (value / along) as f32).collect()],
        centre: means.overall.iter().map(|value| *value as f32).collect(),
    })
}

/// How states lie about their mean.
struct Spread {
    /// `[rows, hidden]`: less the mean, times the root of the weight, so that AᵀA is the covariance.
    centred: Mat<f64>,
    /// AAᵀ where that is the smaller one, AᵀA otherwise; the lower half.
    products: Mat<f64>,
    /// `[rows, 1]`: 1 for the concept and 0 for others, less the mean, times the root of the weight.
    concept: Mat<f64>,
    texts: usize,
}

impl Spread {
    fn of(examples: &Examples, mean: &[f64]) -> Self {
        let weights = weights(examples);
        let (rows, hidden) = (examples.rows.rows(), examples.rows.width);
        let centred = Mat::from_fn(rows, hidden, |row, place| {
            weights[row].sqrt() * (f64::from(examples.rows.row(row)[place]) - mean[place])
        });
        let short = match rows < hidden {
            true => centred.as_ref(),
            false => centred.transpose(),
        };
        let mut products = Mat::zeros(short.nrows(), short.nrows());
        matmul(&mut products, Accum::Replace, short, short.transpose(), 1.0, Par::Seq);
        let is_concept = |row: usize| f64::from(u8::from(examples.is_concept[examples.texts[row]]));
        let share: f64 = weights.iter().enumerate().map(|(row, weight)| weight * is_concept(row)).sum();
        let concept = Mat::from_fn(rows, 1, |row, _| weights[row].sqrt() * (is_concept(row) - share));
        Spread { centred, products, concept, texts: examples.is_concept.len() }
    }

    /// (α, β) of the estimate α S + β I of the covariance, for the covariance S of n texts in p dimensions:
    /// α = 1 − tr(S)²/n / (‖S‖² − tr(S)²/p), but at least 0, and β = (1 − α) tr(S)/p.
    ///
    /// Source: Bodnar, Gupta & Parolya 2014, "On the strong convergence of the optimal linear shrinkage estimator for large
    /// dimensional covariance matrix", arXiv:1308.2608, with the identity as the target.
    fn shrinkage(&self) -> (f64, f64) {
        // The trace and the norm are the same for AAᵀ as for AᵀA.
        let size = self.products.nrows();
        let trace: f64 = (0..size).map(|place| self.products[(place, place)]).sum();
        let squares: f64 =
            (0..size).map(|column| self.products.col(column).iter().map(|x| x * x).sum::<f64>()).sum();
        let level = trace / self.centred.ncols() as f64;
        let unequal = squares - trace * level;
        let own = 1.0 - trace * trace / self.texts as f64 / unequal;
        // A covariance that is no less equal in all directions than chance makes it is taken for equal; that of one
        // dimension always is.
        let own = if own > 0.0 && unequal > 0.0 { own } else { 0.0 };
        (own, (1.0 - own) * level)
    }

    /// (α S + β I)⁻¹ c up to a factor, for c the difference of the examples' means.
    fn solve(mut self, difference: &[f64]) -> Result<Vec<f64>, ConceptError> {
        let (own, equal) = self.shrinkage();
        let size = self.products.nrows();
        for column in 0..size {
            self.products.col_mut(column).iter_mut().for_each(|value| *value *= own);
            self.products[(column, column)] += equal;
        }
        if self.centred.nrows() >= self.centred.ncols() {
            let mut solution = Mat::from_fn(size, 1, |place, _| difference[place]);
            solve_in_place(self.products.as_mut(), solution.as_mut())?;
            return Ok(solution.col(0).iter().copied().collect());
        }
        // c is along Aᵀz, and (α AᵀA + β I)⁻¹ Aᵀ = Aᵀ (α AAᵀ + β I)⁻¹.
        solve_in_place(self.products.as_mut(), self.concept.as_mut())?;
        let mut solution = Mat::zeros(self.centred.ncols(), 1);
        matmul(&mut solution, Accum::Replace, self.centred.transpose(), &self.concept, 1.0, Par::Seq);
        Ok(solution.col(0).iter().copied().collect())
    }
}

/// Replaces b by the x with M x = b, for a positive definite M whose lower half counts; M is overwritten.
fn solve_in_place(mut matrix: MatMut<'_, f64>, mut values: MatMut<'_, f64>) -> Result<(), ConceptError> {
    let size = matrix.nrows();
    let scratch = llt::factor::cholesky_in_place_scratch::<f64>(size, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    llt::factor::cholesky_in_place(matrix.as_mut(), Default::default(), Par::Seq, stack, Default::default())
        .map_err(|_| ConceptError::Singular)?;
    llt::solve::solve_in_place(matrix.as_ref(), values.as_mut(), Par::Seq, stack);
    Ok(())
}
