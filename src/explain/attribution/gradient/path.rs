//! The straight line of word embeddings from a baseline to a text, and the output's slope along it.

use std::sync::Arc;

use super::evaluation::{Evaluated, Evaluation, along_window, logits_at};
use crate::explain::method::ExplainError;
use crate::explain::windows::Window;
use crate::explain::{Output, Subject};

/// x′ + α (x − x′) in the space of word embeddings. A clone is the same path.
///
/// Where the largest logit of all windows counts, it is that of the same window all along: the one that is the
/// largest at the text. So what the path adds up to is the change of one smooth function.
#[derive(Clone)]
pub struct Path {
    subject: Subject,
    output: Output,
    /// x′: `[tokens, hidden]`.
    baseline: Arc<Vec<f32>>,
}

/// The network at one point of a path, for one class.
#[derive(Debug, Clone, PartialEq)]
pub struct PathPoint {
    /// The output there.
    pub output: f64,
    /// For each token t, ⟨x_t − x′_t, ∂output/∂e_t⟩: the output's slope along the path by token.
    pub slopes: Vec<f64>,
}

impl Path {
    /// The path from `baseline` `[tokens, hidden]` to the subject's text.
    ///
    /// # Errors
    /// A baseline of another shape.
    pub fn new(subject: &Subject, output: Output, baseline: Vec<f32>) -> Result<Self, ExplainError> {
        if baseline.len() != subject.embeddings().len() {
            return Err(candle_core::Error::Msg("the baseline has another shape than the text".into()).into());
        }
        Ok(Path { subject: subject.clone(), output, baseline: Arc::new(baseline) })
    }

    /// The network at each position α, for each class: one forward pass for all classes of a point,
    /// one backward pass for each. Points come back in the order asked for.
    ///
    /// # Errors
    /// [`ExplainError::Cancelled`], [`ExplainError::NotFinite`], [`ExplainError::Compute`].
    pub fn evaluate(
        &self,
        positions: &[f64],
        classes: &[usize],
    ) -> Result<Vec<Vec<PathPoint>>, ExplainError> {
        let evaluation = Evaluation {
            subject: self.subject.clone(),
            output: self.output,
            classes: classes.to_vec(),
            combination: self.subject.pinned(),
        };
        let (from, to) = (self.clone(), self.clone());
        let width = self.subject.model().config().hidden_size;
        let fill =
            move |position: &f64, window: &Window, rows: &mut Vec<f32>| from.fill(*position, window, rows);
        let slopes = move |window: &Window, gradient: &[f32]| {
            along_window(window, to.subject.embeddings(), &to.baseline, gradient, width)
        };
        let points = evaluation.at(positions.to_vec(), fill, slopes)?;
        let of_class = |Evaluated { output, windows }| PathPoint {
            output,
            slopes: self.subject.layout().summed(windows),
        };
        let of_point = |point: Vec<Evaluated<Vec<f64>>>| point.into_iter().map(of_class).collect();
        Ok(points.into_iter().map(of_point).collect())
    }

    /// The output at the baseline for each class, by a forward pass alone.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn baseline_outputs(&self, classes: &[usize]) -> Result<Vec<f64>, ExplainError> {
        let windows = logits_at(&self.subject, &self.baseline)?;
        let logits = self.subject.pinned().combined(&windows);
        let problem = self.subject.model().config().problem;
        Ok(classes.iter().map(|class| self.output.value(problem, &logits, *class)).collect())
    }

    /// Appends a window's rows of the point at a position. The ends are taken as they are: baseline + (text −
    /// baseline) need not round to the text.
    fn fill(&self, position: f64, window: &Window, embeddings: &mut Vec<f32>) {
        let width = self.subject.model().config().hidden_size;
        let alpha = position as f32;
        for run in window.runs() {
            let rows = run.start * width..run.end * width;
            let (start, end) = (&self.baseline[rows.clone()], &self.subject.embeddings()[rows]);
            match alpha {
                0.0 => embeddings.extend_from_slice(start),
                1.0 => embeddings.extend_from_slice(end),
                _ => {
                    let ends = end.iter().zip(start);
                    embeddings.extend(ends.map(|(end, start)| start + (end - start) * alpha));
                }
            }
        }
    }
}
