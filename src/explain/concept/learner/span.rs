//! States around their mean, in the smaller of two forms, and what learners ask of a part of them.
//!
//! No direction depends on where the states are measured from, since intercepts are free; around their mean the numbers
//! are small.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::{Llt, Solve};
use faer::{Accum, Mat, Par, Side};

use super::plane::{Dual, Plane};
use crate::explain::concept::{ConceptError, Examples};

/// What is left of a sum, as a share of its terms' sizes, that counts as rounding.
const ROUNDING: f64 = 1e-12;

/// The states of texts at one hidden state.
pub struct Span {
    centre: Vec<f64>,
    /// The rows of each text.
    texts: Vec<Range<usize>>,
    /// `[hidden, rows]`: each row minus the centre.
    states: Mat<f64>,
    /// How far each row is from the centre.
    lengths: Vec<f64>,
    /// `[rows, rows]`: the products of all pairs, where there are no more rows than hidden units.
    products: Option<Mat<f64>>,
}

/// Some of the texts, and on which side they are.
pub struct Part<'a> {
    span: &'a Span,
    /// Its rows, by their places among all.
    pub rows: Vec<usize>,
    /// 1 for each row of the concept, −1 for each against it.
    pub targets: Vec<f64>,
    /// The weight of each row. Both sides sum up to half the number of texts.
    pub weights: Vec<f64>,
    form: Form,
}

/// What learners compute with.
enum Form {
    /// `[rows, rows]`: products of the part's rows with one another.
    Products(Mat<f64>),
    /// `[hidden, rows]`: the part's rows.
    States(Mat<f64>),
}

impl Span {
    /// Gathers the states of all texts.
    ///
    /// # Errors
    /// States that are not finite.
    pub fn new(examples: &Examples) -> Result<Self, ConceptError> {
        let rows = &examples.rows;
        if !rows.values.iter().all(|value| value.is_finite()) {
            return Err(ConceptError::NotFinite);
        }
        let (hidden, count) = (rows.width, rows.rows());
        let mut centre = vec![0.0; hidden];
        for row in rows.iter() {
            centre.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        centre.iter_mut().for_each(|sum| *sum /= count.max(1) as f64);
        let states = Mat::from_fn(hidden, count, |unit, row| f64::from(rows.row(row)[unit]) - centre[unit]);
        let products = (count <= hidden).then(|| product(count, states.transpose(), states.as_ref()));
        let lengths = (0..count).map(|row| norm(states.col_as_slice(row))).collect();
        Ok(Span { centre, texts: rows_of(examples), states, lengths, products })
    }

    /// The mean of all rows, `[hidden]`.
    pub fn centre(&self) -> &[f64] {
        &self.centre
    }

    /// On which side of a plane each of these texts is, and how far: the mean over its rows x of ⟨w, x − centre⟩ + b.
    pub fn votes(&self, plane: &Plane, texts: &[usize]) -> Vec<f64> {
        let vote = |text: &usize| {
            let rows = self.texts[*text].clone();
            let count = rows.len() as f64;
            rows.map(|row| inner(self.states.col_as_slice(row), &plane.weights)).sum::<f64>() / count
                + plane.offset
        };
        texts.iter().map(vote).collect()
    }
}

impl<'a> Part<'a> {
    /// These texts of a span; one that is named twice counts twice. `is_concept` has the side of every text of the span.
    ///
    /// # Errors
    /// No text on one of the sides.
    pub fn new(span: &'a Span, texts: &[usize], is_concept: &[bool]) -> Result<Self, ConceptError> {
        let of_concept = texts.iter().filter(|text| is_concept[**text]).count();
        let sides = [texts.len() - of_concept, of_concept];
        for (side, count) in
            ["against the concept there are only", "of the concept there are only"].iter().zip(sides)
        {
            if count == 0 {
                return Err(ConceptError::TooFew { side, count, needed: 1 });
            }
        }
        let (mut rows, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for text in texts {
            let side = is_concept[*text];
            let balanced = texts.len() as f64 / (2 * sides[usize::from(side)]) as f64;
            let of_text = span.texts[*text].clone();
            weights.extend(of_text.clone().map(|_| balanced / of_text.len() as f64));
            targets.extend(of_text.clone().map(|_| if side { 1.0 } else { -1.0 }));
            rows.extend(of_text);
        }
        let form = match &span.products {
            Some(products) => {
                Form::Products(Mat::from_fn(rows.len(), rows.len(), |i, j| products[(rows[i], rows[j])]))
            }
            None => {
                let states = &span.states;
                Form::States(Mat::from_fn(states.nrows(), rows.len(), |unit, j| states[(unit, rows[j])]))
            }
        };
        Ok(Part { span, rows, targets, weights, form })
    }

    /// ⟨w, x_i − centre⟩ for each row, for w = Σ dual_j (x_j − centre).
    pub fn values(&self, dual: &[f64]) -> Vec<f64> {
        match &self.form {
            Form::Products(products) => {
                (0..dual.len()).map(|row| inner(products.col_as_slice(row), dual)).collect()
            }
            Form::States(states) => along(states, &against(states, dual)),
        }
    }

    /// The plane's weights, w = Σ dual_i (x_i − centre), and its offset.
    ///
    /// # Errors
    /// [`ConceptError::NoDifference`], where what the sum leaves is rounding; [`ConceptError::Singular`], where it is no
    /// number.
    pub fn plane(&self, dual: Dual) -> Result<Plane, ConceptError> {
        let Dual { coefficients, offset } = dual;
        let mut weights = vec![0.0; self.span.centre.len()];
        for (row, by) in self.rows.iter().zip(&coefficients) {
            add(&mut weights, *by, self.span.states.col_as_slice(*row));
        }
        let length = norm(&weights);
        let of_rows = self.rows.iter().zip(&coefficients).map(|(row, by)| by.abs() * self.span.lengths[*row]);
        if !length.is_finite() {
            return Err(ConceptError::Singular);
        }
        match length <= ROUNDING * of_rows.sum::<f64>() {
            true => Err(ConceptError::NoDifference),
            false => Ok(Plane { weights, length, offset, dual: coefficients }),
        }
    }

    /// Makes ready to solve (I + D K) a = v, for the matrix K of the products of all pairs of rows and a diagonal D of
    /// `strengths`, none below 0; none where that fails.
    pub fn system(&self, strengths: &[f64]) -> Option<System<'_>> {
        let roots: Vec<f64> = strengths.iter().map(|strength| strength.sqrt()).collect();
        // Never worse conditioned than the states are, and positive definite even where they are not.
        let matrix = match &self.form {
            Form::Products(products) => Mat::from_fn(roots.len(), roots.len(), |i, j| {
                roots[i] * products[(i, j)] * roots[j] + f64::from(u8::from(i == j))
            }),
            Form::States(states) => {
                let scaled =
                    Mat::from_fn(states.nrows(), roots.len(), |unit, j| states[(unit, j)] * roots[j]);
                let mut matrix = product(states.nrows(), scaled.as_ref(), scaled.transpose());
                (0..matrix.nrows()).for_each(|unit| matrix[(unit, unit)] += 1.0);
                matrix
            }
        };
        let factor = Llt::new(matrix.as_ref(), Side::Lower).ok()?;
        Some(System { part: self, strengths: strengths.to_vec(), roots, factor })
    }
}

/// The factored equations of a part: see [`Part::system`].
pub struct System<'a> {
    part: &'a Part<'a>,
    strengths: Vec<f64>,
    roots: Vec<f64>,
    factor: Llt<f64>,
}

impl System<'_> {
    /// The a with (I + D K) a = v.
    fn solve(&self, values: &[f64]) -> Vec<f64> {
        match &self.part.form {
            // (I + D K)⁻¹ = I − √D (I + √D K √D)⁻¹ √D K.
            Form::Products(_) => {
                let mut right = scaled(&self.part.values(values), &self.roots);
                self.solve_factored(&mut right);
                difference(values, &scaled(&right, &self.roots))
            }
            // (I + D K)⁻¹ = I − D X (I + Xᵀ D X)⁻¹ Xᵀ, for K = X Xᵀ.
            Form::States(states) => {
                let mut right = against(states, values);
                self.solve_factored(&mut right);
                difference(values, &scaled(&along(states, &right), &self.strengths))
            }
        }
    }

    /// The dual with a = t − D (K a + b) and Σ a = 0; none where the strengths are all but 0.
    pub fn dual(&self, targets: &[f64]) -> Option<Dual> {
        let (of_targets, of_offset) = (self.solve(targets), self.solve(&self.strengths));
        let offset = of_targets.iter().sum::<f64>() / of_offset.iter().sum::<f64>();
        let coefficients =
            of_targets.iter().zip(&of_offset).map(|(own, shared)| own - offset * shared).collect();
        offset.is_finite().then_some(Dual { coefficients, offset })
    }

    fn solve_factored(&self, right: &mut [f64]) {
        self.factor.solve_in_place(faer::ColMut::from_slice_mut(right));
    }
}

/// The rows of each text.
fn rows_of(examples: &Examples) -> Vec<Range<usize>> {
    let mut ranges = vec![0..0; examples.is_concept.len()];
    for (row, text) in examples.texts.iter().enumerate() {
        let range = &mut ranges[*text];
        *range = if range.start == range.end { row..row + 1 } else { range.start..row + 1 };
    }
    ranges
}

/// A square product of two matrices, on the calling thread alone.
fn product(width: usize, left: faer::MatRef<'_, f64>, right: faer::MatRef<'_, f64>) -> Mat<f64> {
    let mut result = Mat::zeros(width, width);
    matmul(result.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
    result
}

/// Σ c_j x_j over the columns x_j.
fn against(states: &Mat<f64>, coefficients: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; states.nrows()];
    coefficients.iter().enumerate().for_each(|(row, by)| add(&mut sum, *by, states.col_as_slice(row)));
    sum
}

/// ⟨w, x_j⟩ for each column x_j.
fn along(states: &Mat<f64>, weights: &[f64]) -> Vec<f64> {
    (0..states.ncols()).map(|row| inner(states.col_as_slice(row), weights)).collect()
}

fn inner(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn norm(values: &[f64]) -> f64 {
    inner(values, values).sqrt()
}

fn add(sum: &mut [f64], by: f64, values: &[f64]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += by * value);
}

fn scaled(values: &[f64], by: &[f64]) -> Vec<f64> {
    values.iter().zip(by).map(|(value, by)| value * by).collect()
}

fn difference(values: &[f64], others: &[f64]) -> Vec<f64> {
    values.iter().zip(others).map(|(value, other)| value - other).collect()
}
