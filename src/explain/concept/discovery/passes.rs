//! Going over all rows: in parts for the tasks of a crew, and within those in blocks that fit into a cache.

use std::ops::Range;

use crate::explain::concept::ConceptError;
use crate::explain::cost::Passes;
use crate::explain::crew::{self, Crew};
use crate::model::Matrix;

/// Rows of one task: some 20 milliseconds' work at most.
const PART: usize = 1024;

/// Rows that are in double precision at a time.
const BLOCK: usize = 128;

/// All rows, in order, a task's at a time. The cuts depend on nothing but their number.
pub(super) fn parts(rows: usize) -> Vec<Range<usize>> {
    cut(0..rows, PART).collect()
}

/// A part's rows, in order, a block at a time.
pub(super) fn blocks(part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    cut(part, BLOCK)
}

fn cut(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(length).map(move |first| first..(first + length).min(end))
}

/// Works on every item as a task of a crew, and gives the outcomes in order.
///
/// # Errors
/// [`ConceptError::CalledOff`].
pub(super) fn each<I: Send + 'static, T: Send + 'static>(
    crew: &dyn Crew,
    items: Vec<I>,
    work: impl Fn(I) -> T + Send + Sync + 'static,
) -> Result<Vec<T>, ConceptError> {
    crew::map(crew, 0, items, |_| Passes::NONE, move |item| Ok(work(item)))
        .map_err(|_| ConceptError::CalledOff)
}

/// Positive and negative parts of rows side by side, `[rows, 2 · hidden]`, none below 0.
pub(super) fn split(rows: &Matrix, block: Range<usize>) -> Vec<f64> {
    let mut values = vec![0.0; block.len() * 2 * rows.width];
    for (index, halves) in block.zip(values.chunks_exact_mut(2 * rows.width)) {
        let (plus, minus) = halves.split_at_mut(rows.width);
        for ((plus, minus), value) in plus.iter_mut().zip(minus).zip(rows.row(index)) {
            *plus = f64::from(value.max(0.0));
            *minus = f64::from((-value).max(0.0));
        }
    }
    values
}

/// Rows less their mean, `[rows, hidden]`.
pub(super) fn centred(rows: &Matrix, mean: &[f64], block: Range<usize>) -> Vec<f64> {
    let mut values = vec![0.0; block.len() * rows.width];
    for (index, centred) in block.zip(values.chunks_exact_mut(rows.width)) {
        for ((centred, value), mean) in centred.iter_mut().zip(rows.row(index)).zip(mean) {
            *centred = f64::from(*value) - mean;
        }
    }
    values
}
