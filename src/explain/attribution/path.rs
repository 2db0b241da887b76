//! The straight line of word embeddings from a baseline to a text, and the output's slope along it.

use std::sync::Arc;

use crate::explain::method::ExplainError;
use crate::explain::{Output, Passes, Subject};
use crate::model::workspace::Workspace;
use crate::model::{Batch, Cotangent, Keep, Problem, Wanted};

/// x′ + α (x − x′) in the space of word embeddings. A clone is the same path.
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

/// Rows that run through the network together: enough to be worth fetching the weights from memory (one
/// node of 128 tokens at a time takes a tenth longer than two), few enough that others soon have their
/// turn and that a cancelled request stops.
const CHUNK_ROWS: usize = 256;

/// The most points of a path that run through the network together.
pub fn points_together(tokens: usize) -> usize {
    (CHUNK_ROWS / tokens.max(1)).max(1)
}

impl Path {
    /// The path from `baseline` `[tokens, hidden]` to the subject's text.
    ///
    /// # Errors
    /// A baseline of another shape.
    pub fn new(subject: &Subject, output: Output, baseline: Vec<f32>) -> Result<Self, ExplainError> {
        if baseline.len() != subject.batch().word_embeddings.len() {
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
        // No larger than that everyone has something to do; how they are cut changes no bit.
        let share = positions.len().div_ceil(self.subject.crew_members());
        let together = points_together(self.subject.tokens()).min(share.max(1));
        let chunks = positions.chunks(together).map(<[f64]>::to_vec).collect();
        let gradients = classes.len();
        let passes = move |chunk: &Vec<f64>| Passes::new(chunk.len(), chunk.len() * gradients);
        let (path, classes) = (self.clone(), classes.to_vec());
        let evaluate = move |chunk: Vec<f64>| path.evaluate_chunk(&chunk, &classes);
        Ok(self.subject.map(chunks, passes, evaluate)?.into_iter().flatten().collect())
    }

    /// The output at the baseline for each class, by a forward pass alone.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn baseline_outputs(&self, classes: &[usize]) -> Result<Vec<f64>, ExplainError> {
        let mut batch = Batch::default();
        self.fill(&mut batch, &[0.0]);
        let logits = self.subject.logits(vec![batch])?.concat();
        finite(&logits)?;
        Ok(classes.iter().map(|class| self.output.value(self.problem(), &logits, *class)).collect())
    }

    fn evaluate_chunk(
        &self,
        positions: &[f64],
        classes: &[usize],
    ) -> Result<Vec<Vec<PathPoint>>, ExplainError> {
        let encoder = self.subject.model().encoder();
        let mut workspace = encoder.workspace();
        let Workspace { batch, trace, gradients } = &mut *workspace;
        let mut cotangent = Cotangent::default();
        self.fill(batch, positions);
        encoder.forward_into(batch, Keep::OutputGradients, trace)?;
        finite(trace.all_logits())?;
        let mut points: Vec<Vec<PathPoint>> = vec![Vec::with_capacity(classes.len()); positions.len()];
        for class in classes {
            let derivatives = cotangent.logits.get_or_insert_default();
            derivatives.clear();
            for node in 0..positions.len() {
                let logits = trace.logits(node);
                derivatives.extend(self.output.derivative(self.problem(), logits, *class));
            }
            encoder.backward_into(trace, &cotangent, &Wanted::word_embeddings(), gradients)?;
            for (node, (point, rows)) in points.iter_mut().zip(trace.rows()).enumerate() {
                let width = gradients.word_embeddings.width;
                let gradient = &gradients.word_embeddings.values[rows.start * width..rows.end * width];
                let output = self.output.value(self.problem(), trace.logits(node), *class);
                point.push(PathPoint { output, slopes: self.slopes(gradient, width) });
            }
        }
        Ok(points)
    }

    /// ⟨x_t − x′_t, gradient_t⟩ for each token t, in double precision.
    fn slopes(&self, gradient: &[f32], width: usize) -> Vec<f64> {
        let end = self.subject.batch().word_embeddings.chunks_exact(width);
        let ends = end.zip(self.baseline.chunks_exact(width));
        let along = |(slopes, (end, start)): (&[f32], (&[f32], &[f32]))| {
            let ends = end.iter().zip(start);
            let terms = slopes.iter().zip(ends);
            terms.map(|(slope, (end, start))| f64::from(*slope) * (f64::from(*end) - f64::from(*start))).sum()
        };
        gradient.chunks_exact(width).zip(ends).map(along).collect()
    }

    fn problem(&self) -> Problem {
        self.subject.model().config().problem
    }

    /// The batch of the points at these positions. The ends are taken as they are: baseline + (text −
    /// baseline) need not round to the text.
    fn fill(&self, batch: &mut Batch, positions: &[f64]) {
        let own = self.subject.batch();
        batch.sequences.resize(positions.len(), own.sequences[0].clone());
        batch.word_embeddings.clear();
        for position in positions {
            let alpha = *position as f32;
            match alpha {
                0.0 => batch.word_embeddings.extend_from_slice(&self.baseline),
                1.0 => batch.word_embeddings.extend_from_slice(&own.word_embeddings),
                _ => {
                    let ends = own.word_embeddings.iter().zip(self.baseline.iter());
                    batch.word_embeddings.extend(ends.map(|(end, start)| start + (end - start) * alpha));
                }
            }
        }
    }
}

fn finite(logits: &[f32]) -> Result<(), ExplainError> {
    match logits.iter().all(|logit| logit.is_finite()) {
        true => Ok(()),
        false => Err(ExplainError::NotFinite),
    }
}
