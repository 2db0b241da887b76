//! The network's output and its gradient at many points of the space of word embeddings.

use std::sync::Arc;

use crate::explain::layout::Combination;
use crate::explain::method::ExplainError;
use crate::explain::subject::check_finite;
use crate::explain::windows::Window;
use crate::explain::{Output, Passes, Subject};
use crate::model::workspace::Workspace;
use crate::model::{Cotangent, Keep, Trace, Wanted};

/// Rows that run through the network together: enough to be worth fetching the weights from memory (one
/// node of 128 tokens at a time takes a tenth longer than two), few enough that others soon have their
/// turn and that a cancelled request stops.
const CHUNK_ROWS: usize = 256;

/// The most points that run through the network together, each of a text or a window of so many tokens.
pub fn points_together(tokens: usize) -> usize {
    (CHUNK_ROWS / tokens.max(1)).max(1)
}

/// What is evaluated at every point.
#[derive(Clone)]
pub struct Evaluation {
    /// The text whose tokens have other word embeddings at each point.
    pub subject: Subject,
    /// The output
    pub output: Output,
    /// of these classes.
    pub classes: Vec<usize>,
    /// How windows become one at every point.
    pub combination: Combination,
}

/// The network at one point, for one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated<T> {
    /// The output there.
    pub output: f64,
    /// What was read of its gradient, by the windows that the output depends on.
    pub windows: Vec<(usize, T)>,
}

/// A window at a point, by their indices. These run through the network.
type Place = (usize, usize);

/// The network at one place.
struct Ran<T> {
    logits: Vec<f32>,
    /// What was read of the gradient for each class.
    read: Vec<T>,
}

impl Evaluation {
    /// Runs the points through the network: one forward pass a point for all classes, one backward pass a point for
    /// each. `fill` appends the word embeddings of a window's rows at a point, `[rows, hidden]`; `read` makes of the
    /// output's gradient with respect to them what is kept: `[point][class]`.
    ///
    /// In windows, each of them has such passes; and where the way back depends on what all of them say, they first
    /// run forward alone, so that no more than a few are in memory at one time.
    ///
    /// # Errors
    /// [`ExplainError::Cancelled`], [`ExplainError::NotFinite`], [`ExplainError::Compute`].
    pub fn at<P, T>(
        &self,
        points: Vec<P>,
        fill: impl Fn(&P, &Window, &mut Vec<f32>) + Clone + Send + Sync + 'static,
        read: impl Fn(&Window, &[f32]) -> T + Send + Sync + 'static,
    ) -> Result<Vec<Vec<Evaluated<T>>>, ExplainError>
    where
        P: Send + Sync + 'static,
        T: Send + 'static,
    {
        let windows = self.subject.windows_of(&self.combination, self.output, &self.classes);
        let points = Arc::new(points);
        let places: Vec<Place> =
            (0..points.len()).flat_map(|point| windows.iter().map(move |window| (point, *window))).collect();
        let is_whole = self.subject.layout().windows().len() == 1;
        let known = match is_whole || (self.output == Output::Logit && self.combination.is_linear()) {
            true => None,
            false => Some(self.logits(&points, &places, &windows, fill.clone())?),
        };
        let classes = self.classes.len();
        let passes = move |unit: &Vec<Place>| Passes::new(unit.len(), unit.len() * classes);
        let (evaluation, asked) = (self.clone(), points.clone());
        let of_unit = move |unit: Vec<Place>| {
            evaluation.unit(&asked, &unit, known.as_deref().unwrap_or_default(), &fill, &read)
        };
        let units = self.subject.map(in_units(&self.subject, &places), passes, of_unit)?;
        let mut ran = units.into_iter().flatten();
        let of_point = |_| self.of_point(windows.iter().copied().zip(ran.by_ref()).collect());
        Ok((0..points.len()).map(of_point).collect())
    }

    /// The logits of every window at each point, `[point][window]`: those of the text itself where nothing depends on a
    /// window.
    fn logits<P: Send + Sync + 'static>(
        &self,
        points: &Arc<Vec<P>>,
        places: &[Place],
        windows: &[usize],
        fill: impl Fn(&P, &Window, &mut Vec<f32>) + Send + Sync + 'static,
    ) -> Result<Vec<Vec<Vec<f32>>>, ExplainError> {
        let (evaluation, points) = (self.clone(), points.clone());
        let of_unit = move |unit: Vec<Place>| {
            let mut workspace = evaluation.subject.model().encoder().workspace();
            evaluation.forward(&points, &unit, Keep::Outputs, &fill, &mut workspace)?;
            let trace = &workspace.trace;
            Ok((0..unit.len()).map(|place| trace.logits(place).to_vec()).collect::<Vec<_>>())
        };
        let units = in_units(&self.subject, places);
        let passes = |unit: &Vec<Place>| Passes::new(unit.len(), 0);
        let logits = self.subject.map(units, passes, of_unit)?.concat();
        let of_point = |some: &[Vec<f32>]| self.with_rest(windows.iter().copied().zip(some.iter().cloned()));
        Ok(logits.chunks(windows.len()).map(of_point).collect())
    }

    /// The logits of all windows from those of some.
    fn with_rest(&self, some: impl Iterator<Item = (usize, Vec<f32>)>) -> Vec<Vec<f32>> {
        let mut all = self.subject.window_logits().to_vec();
        some.for_each(|(window, logits)| all[window] = logits);
        all
    }

    fn forward<P>(
        &self,
        points: &[P],
        places: &[Place],
        keep: Keep,
        fill: &impl Fn(&P, &Window, &mut Vec<f32>),
        workspace: &mut Workspace,
    ) -> Result<(), ExplainError> {
        let windows = self.subject.layout().windows();
        let batch = &mut workspace.batch;
        batch.clear();
        for (point, window) in places {
            batch.sequences.push(self.subject.sequence(&windows[*window]));
            fill(&points[*point], &windows[*window], &mut batch.word_embeddings);
        }
        self.subject.model().encoder().forward_into(batch, keep, &mut workspace.trace)?;
        match workspace.trace.all_logits().iter().all(|logit| logit.is_finite()) {
            true => Ok(()),
            false => Err(ExplainError::NotFinite),
        }
    }

    fn unit<P, T>(
        &self,
        points: &[P],
        places: &[Place],
        known: &[Vec<Vec<f32>>],
        fill: &impl Fn(&P, &Window, &mut Vec<f32>),
        read: &impl Fn(&Window, &[f32]) -> T,
    ) -> Result<Vec<Ran<T>>, ExplainError> {
        let (encoder, windows) = (self.subject.model().encoder(), self.subject.layout().windows());
        let mut workspace = encoder.workspace();
        self.forward(points, places, Keep::OutputGradients, fill, &mut workspace)?;
        let Workspace { trace, gradients, .. } = &mut *workspace;
        let ran = |place| Ran {
            logits: trace.logits(place).to_vec(),
            read: Vec::with_capacity(self.classes.len()),
        };
        let mut ran: Vec<Ran<T>> = (0..places.len()).map(ran).collect();
        let mut cotangent = Cotangent::default();
        for class in &self.classes {
            let derivatives = cotangent.logits.get_or_insert_default();
            derivatives.clear();
            for (index, place) in places.iter().enumerate() {
                derivatives.extend(self.derivative(trace, index, *place, known, *class));
            }
            encoder.backward_into(trace, &cotangent, &Wanted::word_embeddings(), gradients)?;
            let width = gradients.word_embeddings.width;
            for ((ran, rows), (_, window)) in ran.iter_mut().zip(trace.rows()).zip(places) {
                let gradient = &gradients.word_embeddings.values[rows.start * width..rows.end * width];
                ran.read.push(read(&windows[*window], gradient));
            }
        }
        Ok(ran)
    }

    /// The derivative of the output by the logits of a sequence, which is the window of `place`. Where the logits of
    /// all windows are not `known`, it does not depend on them.
    fn derivative(
        &self,
        trace: &Trace,
        sequence: usize,
        (point, window): Place,
        known: &[Vec<Vec<f32>>],
        class: usize,
    ) -> Vec<f32> {
        let problem = self.subject.model().config().problem;
        let of = |logits: &[f32]| self.output.derivative(problem, logits, class);
        if self.subject.layout().windows().len() == 1 {
            return of(trace.logits(sequence));
        }
        let windows = known.get(point).map_or(self.subject.window_logits(), Vec::as_slice);
        self.combination.derivative(windows, window, &of(&self.combination.combined(windows)))
    }

    /// From a point's windows to its classes.
    fn of_point<T>(&self, windows: Vec<(usize, Ran<T>)>) -> Vec<Evaluated<T>> {
        let logits = windows.iter().map(|(window, ran)| (*window, ran.logits.clone()));
        let combined = self.combination.combined(&self.with_rest(logits));
        let problem = self.subject.model().config().problem;
        let mut read: Vec<_> =
            windows.into_iter().map(|(window, ran)| (window, ran.read.into_iter())).collect();
        let of_class = |class: &usize| Evaluated {
            output: self.output.value(problem, &combined, *class),
            windows: read.iter_mut().filter_map(|(window, read)| Some((*window, read.next()?))).collect(),
        };
        self.classes.iter().map(of_class).collect()
    }
}

/// The logits of a text with other word embeddings, `[tokens, hidden]`, by forward passes alone: `[window][label]`.
///
/// # Errors
/// [`ExplainError::Cancelled`], [`ExplainError::NotFinite`], [`ExplainError::Compute`].
pub fn logits_at(subject: &Subject, embeddings: &[f32]) -> Result<Vec<Vec<f32>>, ExplainError> {
    let logits = subject.logits(subject.batches(embeddings))?;
    check_finite(&logits)?;
    Ok(logits)
}

/// Cuts places of a method into units of work, no larger than that everyone has something to do. How they
/// are cut changes no bit.
fn in_units(subject: &Subject, places: &[Place]) -> Vec<Vec<Place>> {
    let share = places.len().div_ceil(subject.crew_members());
    let together = points_together(subject.layout().longest()).min(share.max(1));
    places.chunks(together).map(<[Place]>::to_vec).collect()
}

/// ⟨end_t − start_t, gradient_t⟩ for each token t, in double precision.
pub fn along(end: &[f32], start: &[f32], gradient: &[f32], width: usize) -> Vec<f64> {
    let ends = end.chunks_exact(width).zip(start.chunks_exact(width));
    let of_token = |(slopes, (end, start)): (&[f32], (&[f32], &[f32]))| {
        let terms = slopes.iter().zip(end.iter().zip(start));
        terms.map(|(slope, (end, start))| f64::from(*slope) * (f64::from(*end) - f64::from(*start))).sum()
    };
    gradient.chunks_exact(width).zip(ends).map(of_token).collect()
}

/// The same for the tokens of one window, with `end` and `start` of the whole text.
pub fn along_window(window: &Window, end: &[f32], start: &[f32], gradient: &[f32], width: usize) -> Vec<f64> {
    let mut gradient = gradient;
    let mut scores = Vec::with_capacity(window.tokens());
    for run in window.runs() {
        let (own, rest) = gradient.split_at(run.len() * width);
        let rows = run.start * width..run.end * width;
        scores.extend(along(&end[rows.clone()], &start[rows], own, width));
        gradient = rest;
    }
    scores
}
