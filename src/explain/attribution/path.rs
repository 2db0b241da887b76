//! The straight line of word embeddings from a baseline to a text, and the output's slope along it.

use candle_core::{D, DType, Tensor};

use crate::explain::method::ExplainError;
use crate::explain::{Output, Passes, Subject};
use crate::model::{Batch, Cotangent, Encoder, Keep, Wanted};

/// x′ + α (x − x′) in the space of word embeddings. A clone is the same path.
#[derive(Clone)]
pub struct Path {
    subject: Subject,
    output: Output,
    baseline: Tensor,
    /// x − x′ in double precision: `[tokens, hidden]`.
    difference: Tensor,
}

/// The network at one point of a path, for one class.
#[derive(Debug, Clone, PartialEq)]
pub struct PathPoint {
    /// The output there.
    pub output: f64,
    /// For each token t, ⟨x_t − x′_t, ∂output/∂e_t⟩: the output's slope along the path by token.
    pub slopes: Vec<f64>,
}

/// Rows that run through the network together: enough to fill a matrix product, few enough that
/// one text occupies all threads, that others soon have their turn, and that a cancelled request stops.
const CHUNK_ROWS: usize = 160;

/// Points of a path that run through the network together: a function of the text alone, so that neither
/// scores nor costs depend on what else is at work.
pub fn points_together(tokens: usize) -> usize {
    (CHUNK_ROWS / tokens.max(1)).max(1)
}

impl Path {
    /// The path from `baseline` `[tokens, hidden]` to the subject's text.
    ///
    /// # Errors
    /// A baseline of another shape.
    pub fn new(subject: &Subject, output: Output, baseline: Tensor) -> Result<Self, ExplainError> {
        let end = subject.batch().word_embeddings.to_dtype(DType::F64)?;
        let difference = (end - baseline.to_dtype(DType::F64)?)?;
        Ok(Path { subject: subject.clone(), output, baseline, difference })
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
        let chunks = positions.chunks(points_together(self.subject.tokens())).map(<[f64]>::to_vec).collect();
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
        let logits = finite(self.subject.logits(vec![self.batch(&[0.0])?])?)?;
        Ok(classes.iter().map(|class| self.output.value(self.problem(), &logits[0], *class)).collect())
    }

    fn evaluate_chunk(
        &self,
        positions: &[f64],
        classes: &[usize],
    ) -> Result<Vec<Vec<PathPoint>>, ExplainError> {
        let encoder = self.subject.model().encoder();
        let trace = encoder.forward(&self.batch(positions)?, Keep::Gradients)?;
        let logits = finite(trace.logits.to_vec2()?)?;
        let mut points: Vec<Vec<PathPoint>> = vec![Vec::with_capacity(classes.len()); positions.len()];
        for class in classes {
            let derivatives: Vec<f32> =
                logits.iter().flat_map(|row| self.output.derivative(self.problem(), row, *class)).collect();
            let derivatives = Tensor::from_vec(derivatives, trace.logits.dims(), trace.logits.device())?;
            let cotangent = Cotangent { logits: Some(derivatives), ..Cotangent::default() };
            let gradients = encoder.backward(&trace, &cotangent, &Wanted::word_embeddings())?;
            let Some(gradient) = gradients.word_embeddings else { continue };
            for ((point, rows), row) in points.iter_mut().zip(&trace.rows).zip(&logits) {
                let gradient = gradient.narrow(0, rows.start, rows.len())?.to_dtype(DType::F64)?;
                let slopes = (gradient * &self.difference)?.sum(D::Minus1)?.to_vec1()?;
                point.push(PathPoint { output: self.output.value(self.problem(), row, *class), slopes });
            }
        }
        Ok(points)
    }

    fn problem(&self) -> crate::model::Problem {
        self.subject.model().config().problem
    }

    fn batch(&self, positions: &[f64]) -> Result<Batch, ExplainError> {
        let own = self.subject.batch();
        let points = positions
            .iter()
            .map(|position| {
                Ok(Batch { word_embeddings: self.embeddings(*position)?, sequences: own.sequences.clone() })
            })
            .collect::<Result<Vec<_>, ExplainError>>()?;
        Ok(Encoder::join(&points)?)
    }

    /// The ends are taken as they are: baseline + (text − baseline) need not round to the text.
    fn embeddings(&self, position: f64) -> candle_core::Result<Tensor> {
        let end = &self.subject.batch().word_embeddings;
        if position == 0.0 {
            Ok(self.baseline.clone())
        } else if position == 1.0 {
            Ok(end.clone())
        } else {
            &self.baseline + ((end - &self.baseline)? * position)?
        }
    }
}

fn finite(logits: Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>, ExplainError> {
    match logits.iter().flatten().all(|logit| logit.is_finite()) {
        true => Ok(logits),
        false => Err(ExplainError::NotFinite),
    }
}
