//! What is explained: one text through one model, with the passes that methods share.

use std::sync::Arc;

use super::cost::Passes;
use super::crew::{self, Crew};
use super::layout::{Combination, Layout};
use super::method::ExplainError;
use super::output::Output;
use super::windows::{Window, Windows};
use crate::model::{
    Batch, Cotangent, EncodedText, Gradients, Interventions, Keep, Matrix, Model, Prediction, Sequence,
    Trace, Wanted,
};

/// One tokenised text with its forward pass: whole, or in windows with a pass each. A clone is the same subject,
/// cheap to send to another thread.
#[derive(Clone)]
pub struct Subject(Arc<Parts>);

struct Parts {
    input: Input,
    /// Of the whole text: `[tokens, hidden]`.
    embeddings: Vec<f32>,
    /// Of each window; empty where nothing but the outputs was kept.
    traces: Vec<Trace>,
    /// `[window][label]`
    window_logits: Vec<Vec<f32>>,
    prediction: Prediction,
    crew: Arc<dyn Crew>,
}

/// A text as a network gets it, but for its word embeddings.
#[derive(Clone)]
struct Input {
    model: Arc<Model>,
    text: EncodedText,
    layout: Layout,
    /// Of every window, and of everything that methods make of it.
    interventions: Interventions,
}

impl Input {
    fn batch(&self, window: &Window, embeddings: &[f32]) -> Batch {
        let width = self.model.config().hidden_size;
        let mut rows = Vec::with_capacity(window.tokens() * width);
        for run in window.runs() {
            rows.extend_from_slice(&embeddings[run.start * width..run.end * width]);
        }
        Batch { word_embeddings: rows, sequences: vec![self.sequence(window)] }
    }

    fn sequence(&self, window: &Window) -> Sequence {
        let type_ids = window.rows().map(|row| self.text.type_ids[row]).collect();
        Sequence { type_ids, interventions: self.interventions.clone() }
    }
}

impl Subject {
    /// Runs the model over the text, keeping as much of it as `keep` says. All heavy work, this included,
    /// is done by the crew.
    ///
    /// # Errors
    /// [`ExplainError::NotFinite`] where the logits are not, [`ExplainError::Compute`].
    pub fn new(
        model: Arc<Model>,
        text: EncodedText,
        keep: Keep,
        crew: Arc<dyn Crew>,
    ) -> Result<Self, ExplainError> {
        let layout = Layout::whole(&text);
        Self::altered(model, text, layout, Interventions::none(), keep, crew)
    }

    /// The same, of a text in windows.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn in_windows(
        model: Arc<Model>,
        text: EncodedText,
        windows: Windows,
        keep: Keep,
        crew: Arc<dyn Crew>,
    ) -> Result<Self, ExplainError> {
        let layout = Layout::of(windows, &text);
        Self::altered(model, text, layout, Interventions::none(), keep, crew)
    }

    /// The same, of a text laid out in some way, through an altered network. Whatever methods make of the text goes
    /// through it too: what they explain is the altered network.
    ///
    /// # Errors
    /// As [`Self::new`]; interventions that do not fit the model, or that name tokens: methods take tokens out, and
    /// windows count their own.
    pub fn altered(
        model: Arc<Model>,
        text: EncodedText,
        layout: Layout,
        interventions: Interventions,
        keep: Keep,
        crew: Arc<dyn Crew>,
    ) -> Result<Self, ExplainError> {
        refuse_names_of_tokens(&interventions)?;
        let embeddings = model.encoder().word_embeddings(&text.ids)?;
        Self::of_embeddings(Input { model, text, layout, interventions }, embeddings, keep, crew)
    }

    fn of_embeddings(
        input: Input,
        embeddings: Vec<f32>,
        keep: Keep,
        crew: Arc<dyn Crew>,
    ) -> Result<Self, ExplainError> {
        let Input { model, layout, .. } = &input;
        let windows = layout.windows();
        let batches: Vec<Batch> = windows.iter().map(|window| input.batch(window, &embeddings)).collect();
        // What would be kept of many windows is too much to hold: they run again when a gradient is wanted.
        let keep = if windows.len() > 1 { Keep::Outputs } else { keep };
        let (traces, window_logits) = match keep {
            Keep::Outputs => (Vec::new(), crew.logits(model, batches)?),
            _ => {
                let traces = traced(model, batches, keep, layout.longest(), crew.as_ref())?;
                let logits = traces.iter().map(|trace| trace.logits(0).to_vec()).collect();
                (traces, logits)
            }
        };
        check_finite(&window_logits)?;
        let prediction = Prediction::new(model.config(), layout.combination().combined(&window_logits));
        let parts = Parts { input, embeddings, traces, window_logits, prediction, crew };
        Ok(Subject(Arc::new(parts)))
    }

    /// The same text with other word embeddings, `[tokens, hidden]`, and a forward pass of its own through the same
    /// network.
    ///
    /// # Errors
    /// As [`Self::new`]; embeddings of another shape.
    pub fn with_embeddings(&self, embeddings: Vec<f32>, keep: Keep) -> Result<Self, ExplainError> {
        let parts = &self.0;
        if embeddings.len() != parts.embeddings.len() {
            return Err(candle_core::Error::Msg("embeddings of another shape than the text's".into()).into());
        }
        Self::of_embeddings(parts.input.clone(), embeddings, keep, parts.crew.clone())
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.0.input.model
    }

    /// The tokenised text.
    pub fn text(&self) -> &EncodedText {
        &self.0.input.text
    }

    /// Number of tokens of the whole text.
    pub fn tokens(&self) -> usize {
        self.text().tokens.len()
    }

    /// The word embeddings of the whole text: `[tokens, hidden]`. The network gets them as [`Self::batches`] lays
    /// them out.
    pub fn embeddings(&self) -> &[f32] {
        &self.0.embeddings
    }

    /// How the text is laid out.
    pub fn layout(&self) -> &Layout {
        &self.0.input.layout
    }

    /// How the network is altered that the text goes through.
    pub fn interventions(&self) -> &Interventions {
        &self.0.input.interventions
    }

    /// The text with these word embeddings, `[tokens, hidden]`, as the network gets it: one batch a window.
    pub fn batches(&self, embeddings: &[f32]) -> Vec<Batch> {
        self.layout().windows().iter().map(|window| self.batch(window, embeddings)).collect()
    }

    /// One window of the text with these word embeddings of the whole text, `[tokens, hidden]`.
    pub fn batch(&self, window: &Window, embeddings: &[f32]) -> Batch {
        self.0.input.batch(window, embeddings)
    }

    /// What the network gets of a window beside its word embeddings.
    pub fn sequence(&self, window: &Window) -> Sequence {
        self.0.input.sequence(window)
    }

    /// The forward pass.
    ///
    /// # Errors
    /// Nothing but the outputs was kept of it: no method that reads a trace was asked for. A text in several
    /// windows: there are as many passes.
    pub fn trace(&self) -> Result<&Trace, ExplainError> {
        match self.0.traces.as_slice() {
            [trace] => Ok(trace),
            [] => Err(untraced()),
            _ => {
                Err(candle_core::Error::Msg("a text in windows has no forward pass of its own".into()).into())
            }
        }
    }

    /// What the model says of the text.
    pub fn prediction(&self) -> &Prediction {
        &self.0.prediction
    }

    /// The same text through the network altered in another way, with a forward pass of its own.
    ///
    /// # Errors
    /// As [`Self::altered`].
    pub fn through(&self, interventions: Interventions, keep: Keep) -> Result<Self, ExplainError> {
        refuse_names_of_tokens(&interventions)?;
        let parts = &self.0;
        let input = Input { interventions, ..parts.input.clone() };
        Self::of_embeddings(input, parts.embeddings.clone(), keep, parts.crew.clone())
    }

    /// The logits of each window, `[window][label]`; of a whole text, its own.
    pub fn window_logits(&self) -> &[Vec<f32>] {
        &self.0.window_logits
    }

    /// How the logits of windows become those of the text, as it is at the text itself and linear everywhere: the
    /// windows that are the largest there are so all along, as the class that is explained is the same.
    pub fn pinned(&self) -> Combination {
        self.layout().combination().pinned(self.window_logits())
    }

    /// The windows that an output of these classes depends on, where `combination` makes one of all, by their indices.
    pub fn windows_of(&self, combination: &Combination, output: Output, classes: &[usize]) -> Vec<usize> {
        let all: Vec<usize> = (0..self.prediction().logits.len()).collect();
        let labels = if output == Output::Logit { classes } else { &all };
        combination.windows_of(self.layout().windows().len(), labels)
    }

    /// An output of a class for this text.
    pub fn output(&self, output: Output, class: usize) -> f64 {
        output.value(self.model().config().problem, &self.prediction().logits, class)
    }

    /// How many items of [`Self::map`] are worked on at a time.
    pub fn crew_members(&self) -> usize {
        self.0.crew.members()
    }

    /// Works on every item, each on one thread, several at a time, and gives the outcomes in order.
    /// `passes` says how often an item runs the network over the text, or over one of its windows. What takes long
    /// belongs in here.
    ///
    /// # Errors
    /// That of the first item in order that failed; [`ExplainError::Cancelled`].
    pub fn map<I: Send + 'static, T: Send + 'static>(
        &self,
        items: Vec<I>,
        passes: impl Fn(&I) -> Passes,
        work: impl Fn(I) -> Result<T, ExplainError> + Send + Sync + 'static,
    ) -> Result<Vec<T>, ExplainError> {
        crew::map(self.0.crew.as_ref(), self.layout().longest(), items, passes, work)
    }

    /// The logits of other batches: one row for each sequence, in order. They may travel with those of
    /// other requests.
    ///
    /// # Errors
    /// As [`Self::map`].
    pub fn logits(&self, batches: Vec<Batch>) -> Result<Vec<Vec<f32>>, ExplainError> {
        self.0.crew.logits(self.model(), batches)
    }

    /// The gradient of an output of each class with respect to the word embeddings: `[tokens, hidden]`.
    ///
    /// # Errors
    /// A subject whose forward was not kept for gradients.
    pub fn gradients(&self, output: Output, classes: &[usize]) -> Result<Vec<Matrix>, ExplainError> {
        let windows = self.layout().windows().len();
        let subject = self.clone();
        if windows == 1 {
            let gradient = move |class| subject.gradient(output, class, 0, subject.trace()?);
            return self.map(classes.to_vec(), |_| Passes::new(0, 1), gradient);
        }
        let asked = classes.to_vec();
        let of_window = move |window: usize| {
            let batch = subject.batch(&subject.layout().windows()[window], subject.embeddings());
            let trace = subject.model().encoder().forward(&batch, Keep::OutputGradients)?;
            let gradient = |class: &usize| subject.gradient(output, *class, window, &trace);
            Ok((window, asked.iter().map(gradient).collect::<Result<Vec<_>, ExplainError>>()?))
        };
        let width = self.model().config().hidden_size;
        let nothing = Matrix { values: vec![0.0; self.embeddings().len()], width };
        let mut sums = vec![nothing; classes.len()];
        let all: Vec<usize> = (0..windows).collect();
        // So many at a time that nobody idles, and that few gradients are in memory.
        for some in all.chunks(2 * self.crew_members()) {
            let passes = |_: &usize| Passes::new(1, classes.len());
            for (window, gradients) in self.map(some.to_vec(), passes, of_window.clone())? {
                sums.iter_mut().zip(gradients).for_each(|(sum, gradient)| {
                    self.layout().windows()[window].add_rows(sum, &gradient);
                });
            }
        }
        Ok(sums)
    }

    /// That of one window's rows.
    fn gradient(
        &self,
        output: Output,
        class: usize,
        window: usize,
        trace: &Trace,
    ) -> Result<Matrix, ExplainError> {
        let derivative = self.derivative(output, class);
        let derivative = self.layout().combination().derivative(self.window_logits(), window, &derivative);
        let cotangent = Cotangent::of_logits(&derivative, 1);
        let encoder = self.model().encoder();
        Ok(encoder.backward(trace, &cotangent, &Wanted::word_embeddings())?.word_embeddings)
    }

    /// The gradients of an output of a class wherever they are wanted: one backward pass, which takes long.
    ///
    /// # Errors
    /// A subject whose forward was not kept for these gradients; a text in several windows.
    pub fn gradients_at(
        &self,
        output: Output,
        class: usize,
        wanted: &Wanted,
    ) -> Result<Gradients, ExplainError> {
        let cotangent = Cotangent::of_logits(&self.derivative(output, class), 1);
        Ok(self.model().encoder().backward(self.trace()?, &cotangent, wanted)?)
    }

    /// The derivative of an output by the text's logits.
    fn derivative(&self, output: Output, class: usize) -> Vec<f32> {
        output.derivative(self.model().config().problem, &self.prediction().logits, class)
    }
}

/// Refuses logits that are not finite.
///
/// # Errors
/// [`ExplainError::NotFinite`].
pub fn check_finite(logits: &[Vec<f32>]) -> Result<(), ExplainError> {
    match logits.iter().flatten().all(|logit| logit.is_finite()) {
        true => Ok(()),
        false => Err(ExplainError::NotFinite),
    }
}

fn refuse_names_of_tokens(interventions: &Interventions) -> Result<(), ExplainError> {
    match interventions.name_tokens() {
        false => Ok(()),
        true => {
            let message = "a text is explained through a network that is altered for all tokens alike";
            Err(candle_core::Error::Msg(message.into()).into())
        }
    }
}

fn untraced() -> ExplainError {
    candle_core::Error::Msg("the text's forward pass was not kept".into()).into()
}

fn traced(
    model: &Arc<Model>,
    batches: Vec<Batch>,
    keep: Keep,
    tokens: usize,
    crew: &dyn Crew,
) -> Result<Vec<Trace>, ExplainError> {
    let model = model.clone();
    let run = move |batch: Batch| Ok(model.encoder().forward(&batch, keep)?);
    crew::map(crew, tokens, batches, |_| Passes::FORWARD, run)
}
