//! What a forward pass leaves behind.

use std::ops::Range;

use candle_core::Result;

use super::activations::Inside;
use super::arrays::{HeadMaps, Matrix};
use super::candle_ops::CandleOps;
use super::encoder::{Batch, Sequence};
use super::interventions::Interventions;
use super::kernel_ops::KernelOps;
use super::ops::{Attending, Ops};

/// How much of a forward pass is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Pooled output and logits. In the last layer, only the rows that the pooler reads are computed.
    #[default]
    Outputs,
    /// Also what [`Encoder::backward`](super::Encoder::backward) needs, from pooled output and logits down:
    /// the last layer still for the pooler's rows alone.
    OutputGradients,
    /// Every hidden state and attention map.
    Trace,
    /// Everything: hidden states, attention maps, and what every backward needs.
    Gradients,
}

impl Keep {
    /// Enough for both.
    pub fn and(self, other: Keep) -> Keep {
        match (self.traces() || other.traces(), self.differentiates() || other.differentiates()) {
            (false, false) => Keep::Outputs,
            (false, true) => Keep::OutputGradients,
            (true, false) => Keep::Trace,
            (true, true) => Keep::Gradients,
        }
    }

    /// Whether hidden states and attention maps are kept.
    pub fn traces(self) -> bool {
        matches!(self, Keep::Trace | Keep::Gradients)
    }

    /// Whether what a backward pass needs is kept.
    pub fn differentiates(self) -> bool {
        matches!(self, Keep::OutputGradients | Keep::Gradients)
    }
}

/// What a forward pass leaves behind; made for an encoder, and filled again by each of its passes.
pub struct Trace(pub(super) AnyPass);

pub(super) enum AnyPass {
    Kernels(Pass<KernelOps>),
    Candle(Pass<CandleOps>),
}

/// The same, over one kind of operators.
pub struct Pass<O: Ops> {
    pub(super) ops: O,
    pub(super) heads: usize,
    pub(super) keep: Keep,
    /// The rows of each sequence.
    pub(super) rows: Vec<Range<usize>>,
    /// The row of each sequence whose last hidden state is read: the first, which is the pooler's, or any other.
    pub(super) read_rows: Vec<usize>,
    /// One row for each sequence: the queries where only the rows that are read are computed.
    pub(super) single_rows: Vec<Range<usize>>,
    pub(super) interventions: Vec<Interventions>,
    /// By sequence; empty if no key is hidden from anyone.
    pub(super) hidden_keys: Vec<Option<Vec<bool>>>,
    /// Whether the last layer was computed for the rows that are read alone.
    pub(super) only_read: bool,
    pub(super) hidden: Vec<O::Array>,
    pub(super) probabilities: Vec<O::Probabilities>,
    pub(super) pooled: Option<O::Array>,
    pub(super) logits: Vec<f32>,
    pub(super) embedding_norm: Option<O::Normalised>,
    pub(super) layers: Vec<SavedLayer<O>>,
    /// What [`Encoder::activations`](super::Encoder::activations) looks at, by layer; none in other passes.
    pub(super) inside: Option<Vec<Inside>>,
    /// Room for the sum of the embeddings.
    pub(super) embedded: Vec<f32>,
}

/// What the way back through a layer needs beside the attention probabilities.
pub(super) struct SavedLayer<O: Ops> {
    pub queries: O::Array,
    pub keys_and_values: O::Array,
    /// Before gates and values; with [`Keep::Gradients`].
    pub context: Option<O::Array>,
    pub attention_norm: O::Normalised,
    /// The activation function's derivatives times the neurons' gates, 0 where they were given values:
    /// `[rows, intermediate]`.
    pub slopes: O::Array,
    pub output_norm: O::Normalised,
}

impl<O: Ops> Pass<O> {
    pub(super) fn new(ops: O, heads: usize) -> Self {
        Pass {
            ops,
            heads,
            keep: Keep::Outputs,
            rows: Vec::new(),
            read_rows: Vec::new(),
            single_rows: Vec::new(),
            interventions: Vec::new(),
            hidden_keys: Vec::new(),
            only_read: false,
            hidden: Vec::new(),
            probabilities: Vec::new(),
            pooled: None,
            logits: Vec::new(),
            embedding_norm: None,
            layers: Vec::new(),
            inside: None,
            embedded: Vec::new(),
        }
    }

    /// Forgets the last pass: its arrays are free for others.
    pub(super) fn forget(&mut self) {
        self.keep = Keep::Outputs;
        self.rows.clear();
        self.read_rows.clear();
        self.single_rows.clear();
        self.interventions.clear();
        self.hidden_keys.clear();
        self.hidden.clear();
        self.probabilities.clear();
        self.pooled = None;
        self.logits.clear();
        self.embedding_norm = None;
        self.layers.clear();
        self.inside = None;
    }

    /// Forgets the last pass, and is ready for the next, in which this row of each sequence is read: a token's index,
    /// by the sequence's.
    pub(super) fn begin(&mut self, batch: &Batch, keep: Keep, read: impl Fn(usize) -> usize) {
        self.forget();
        self.keep = keep;
        let mut next = 0;
        for (index, sequence) in batch.sequences.iter().enumerate() {
            self.rows.push(next..next + sequence.tokens());
            self.read_rows.push(next + read(index));
            self.single_rows.push(index..index + 1);
            self.interventions.push(sequence.interventions.clone());
            next += sequence.tokens();
        }
        if batch.sequences.iter().any(|sequence| !sequence.interventions.is_empty()) {
            let hidden = batch.sequences.iter().map(Sequence::hidden_keys);
            self.hidden_keys.extend(hidden);
        }
        self.only_read = !keep.traces() && self.interventions.iter().all(Interventions::is_empty);
    }

    /// Who attends to whom in a layer.
    pub(super) fn attending(&self, only_read: bool) -> Attending<'_> {
        Attending {
            heads: self.heads,
            queries: if only_read { &self.single_rows } else { &self.rows },
            keys: &self.rows,
            hidden_keys: &self.hidden_keys,
        }
    }

    fn hidden(&self, point: usize, width: usize) -> Result<Matrix> {
        let Some(array) = self.hidden.get(point) else {
            candle_core::bail!("hidden state {point} was not kept");
        };
        let mut values = Vec::new();
        self.ops.read(array, &mut values)?;
        Ok(Matrix { values, width })
    }

    fn attention(&self, layer: usize, sequence: usize) -> Result<HeadMaps> {
        let (Some(probabilities), true) = (self.probabilities.get(layer), self.keep.traces()) else {
            candle_core::bail!("the attention of layer {layer} was not kept");
        };
        self.maps(probabilities, sequence, false)
    }

    /// Probabilities of a sequence, or what is shaped like them.
    pub(super) fn maps(
        &self,
        probabilities: &O::Probabilities,
        sequence: usize,
        only_read: bool,
    ) -> Result<HeadMaps> {
        let attending = self.attending(only_read);
        let (queries, keys) = (attending.queries[sequence].len(), attending.keys[sequence].len());
        let mut values = Vec::new();
        self.ops.read_probabilities(probabilities, &attending, sequence, &mut values)?;
        Ok(HeadMaps { values, heads: self.heads, queries, keys })
    }

    fn pooled(&self) -> Result<Matrix> {
        let Some(pooled) = &self.pooled else {
            candle_core::bail!("nothing has passed through the network yet");
        };
        let mut values = Vec::new();
        self.ops.read(pooled, &mut values)?;
        let width = values.len() / self.rows.len();
        Ok(Matrix { values, width })
    }
}

/// Calls the same on either kind of pass.
macro_rules! on_pass {
    ($trace:expr, $pass:ident => $call:expr) => {
        match &$trace.0 {
            AnyPass::Kernels($pass) => $call,
            AnyPass::Candle($pass) => $call,
        }
    };
}

impl Trace {
    /// The rows of each sequence.
    pub fn rows(&self) -> &[Range<usize>] {
        on_pass!(self, pass => &pass.rows)
    }

    /// The logits of one sequence, one a label.
    pub fn logits(&self, sequence: usize) -> &[f32] {
        on_pass!(self, pass => {
            let labels = pass.logits.len() / pass.rows.len();
            &pass.logits[sequence * labels..][..labels]
        })
    }

    /// Forgets the last pass: its memory is free for others.
    pub(super) fn forget(&mut self) {
        match &mut self.0 {
            AnyPass::Kernels(pass) => pass.forget(),
            AnyPass::Candle(pass) => pass.forget(),
        }
    }

    /// The logits of all sequences, one after the other.
    pub fn all_logits(&self) -> &[f32] {
        on_pass!(self, pass => &pass.logits)
    }

    /// tanh of the pooler over each sequence's first token: `[sequences, hidden]`.
    ///
    /// # Errors
    /// Nothing has passed yet.
    pub fn pooled(&self) -> Result<Matrix> {
        on_pass!(self, pass => pass.pooled())
    }

    /// Hidden states that were kept.
    pub fn hidden_states(&self) -> usize {
        on_pass!(self, pass => pass.hidden.len())
    }

    /// `hidden[0]` is the embeddings' output, `hidden[l]` layer l's, each `[rows, hidden]`, after any edit.
    ///
    /// # Errors
    /// It was not kept.
    pub fn hidden(&self, point: usize) -> Result<Matrix> {
        let width = self.pooled()?.width;
        on_pass!(self, pass => pass.hidden(point, width))
    }

    /// Layers whose attention was kept.
    pub fn attention_layers(&self) -> usize {
        on_pass!(self, pass => if pass.keep.traces() { pass.probabilities.len() } else { 0 })
    }

    /// The attention probabilities of a sequence in a layer, from 0; each row sums to 1.
    ///
    /// # Errors
    /// They were not kept.
    pub fn attention(&self, layer: usize, sequence: usize) -> Result<HeadMaps> {
        on_pass!(self, pass => pass.attention(layer, sequence))
    }
}
