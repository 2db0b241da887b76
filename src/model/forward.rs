//! The forward pass, and the trace it leaves.

use std::ops::Range;

use candle_core::{Result, Tensor};

use super::encoder::{Batch, Encoder, Layer};
use super::interventions::{HiddenEdit, Interventions};
use super::ops::{Attended, Normalised, Projections};

/// How much of a forward pass is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Pooled output and logits.
    Outputs,
    /// Also every hidden state and attention map.
    Trace,
    /// Also what [`Encoder::backward`] needs.
    Gradients,
}

/// What a forward pass leaves behind.
pub struct Trace {
    /// The rows of each sequence.
    pub rows: Vec<Range<usize>>,
    /// `hidden[0]` is the embeddings' output, `hidden[l]` layer l's, each `[rows, hidden]`, after any
    /// edit. Empty with [`Keep::Outputs`].
    pub hidden: Vec<Tensor>,
    /// Attention probabilities by layer (from 0) and sequence, each `[heads, queries, keys]`.
    /// Empty with [`Keep::Outputs`].
    pub attention: Vec<Vec<Tensor>>,
    /// tanh of the pooler over each sequence's first token: `[sequences, hidden]`.
    pub pooled: Tensor,
    /// `[sequences, labels]`.
    pub logits: Tensor,
    pub(super) saved: Option<Saved>,
}

/// What the backward pass needs beyond the trace.
pub(super) struct Saved {
    pub interventions: Vec<Interventions>,
    pub embedding_norm: Normalised,
    pub layers: Vec<SavedLayer>,
}

pub(super) struct SavedLayer {
    /// By sequence.
    pub attention: Vec<SavedAttention>,
    pub attention_norm: Normalised,
    /// Before the activation function: `[rows, intermediate]`.
    pub preactivation: Tensor,
    pub output_norm: Normalised,
}

pub(super) struct SavedAttention {
    pub projections: Projections,
    pub probabilities: Tensor,
    /// Before head gates: `[heads, tokens, head_size]`.
    pub context: Tensor,
}

impl Encoder {
    /// Runs the network.
    ///
    /// # Errors
    /// A batch that does not fit the network: shapes, positions, interventions out of range.
    pub fn forward(&self, batch: &Batch, keep: Keep) -> Result<Trace> {
        self.check(batch)?;
        let rows = row_ranges(batch);
        let (embedded, embedding_norm) = self.embed(batch)?;
        let mut hidden = self.edit(embedded, 0, batch, &rows)?;
        let mut trace_hidden = Vec::new();
        let mut trace_attention = Vec::new();
        let mut saved_layers = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let (output, saved) = self.layer_forward(layer, index, &hidden, batch, &rows)?;
            let output = self.edit(output, index + 1, batch, &rows)?;
            let input = std::mem::replace(&mut hidden, output);
            if keep >= Keep::Trace {
                trace_hidden.push(input);
                trace_attention.push(saved.attention.iter().map(|a| a.probabilities.clone()).collect());
            }
            if keep == Keep::Gradients {
                saved_layers.push(saved);
            }
        }
        let first_rows: Vec<u32> = rows.iter().map(|range| range.start as u32).collect();
        let first = hidden.index_select(&Tensor::new(first_rows, self.ops.device())?, 0)?;
        let pooled = self.ops.tanh(&self.pooler.apply(&first)?)?;
        let logits = self.classifier.apply(&pooled)?;
        if keep >= Keep::Trace {
            trace_hidden.push(hidden);
        }
        let saved = (keep == Keep::Gradients).then(|| Saved {
            interventions: batch.sequences.iter().map(|s| s.interventions.clone()).collect(),
            embedding_norm,
            layers: saved_layers,
        });
        Ok(Trace { rows, hidden: trace_hidden, attention: trace_attention, pooled, logits, saved })
    }

    /// Masked-LM logits `[rows, vocabulary]` of last-layer hidden states `[rows, hidden]`; none where
    /// the checkpoint has no masked-LM head.
    ///
    /// # Errors
    /// Rows of another width.
    pub fn masked_lm_logits(&self, last_hidden: &Tensor) -> Result<Option<Tensor>> {
        let Some(head) = &self.masked_lm else { return Ok(None) };
        let transformed = self.ops.activate(self.config.activation, &head.transform.apply(last_hidden)?)?;
        let (normalised, _) = self.ops.layer_norm(&head.norm, &transformed)?;
        head.decoder.apply(&normalised).map(Some)
    }

    fn embed(&self, batch: &Batch) -> Result<(Tensor, Normalised)> {
        let device = self.ops.device();
        let positions: Vec<u32> = batch.sequences.iter().flat_map(|s| 0..s.tokens() as u32).collect();
        let types: Vec<u32> = batch.sequences.iter().flat_map(|s| s.type_ids.iter().copied()).collect();
        let positions = self.embeddings.positions.index_select(&Tensor::new(positions, device)?, 0)?;
        let types = self.embeddings.types.index_select(&Tensor::new(types, device)?, 0)?;
        let sum = ((&batch.word_embeddings + types)? + positions)?;
        self.ops.layer_norm(&self.embeddings.norm, &sum)
    }

    fn layer_forward(
        &self,
        layer: &Layer,
        index: usize,
        input: &Tensor,
        batch: &Batch,
        rows: &[Range<usize>],
    ) -> Result<(Tensor, SavedLayer)> {
        let queries = layer.query.apply(input)?;
        let keys = layer.key.apply(input)?;
        let values = layer.value.apply(input)?;
        let mut attention = Vec::with_capacity(rows.len());
        let mut contexts = Vec::with_capacity(rows.len());
        for (range, sequence) in rows.iter().zip(&batch.sequences) {
            let projections = Projections {
                queries: self.by_head(&queries, range)?,
                keys: self.by_head(&keys, range)?,
                values: self.by_head(&values, range)?,
            };
            let hidden_keys = sequence.interventions.hidden_keys(range.len());
            let Attended { probabilities, context } =
                self.ops.attention(&projections, hidden_keys.as_deref())?;
            let gated = self.gate_heads(&context, &sequence.interventions, index)?;
            contexts.push(self.by_token(&gated)?);
            attention.push(SavedAttention { projections, probabilities, context });
        }
        let context = Tensor::cat(&contexts, 0)?;
        let attended = (layer.attention_output.apply(&context)? + input)?;
        let (attended, attention_norm) = self.ops.layer_norm(&layer.attention_norm, &attended)?;

        let preactivation = layer.intermediate.apply(&attended)?;
        let neurons = self.ops.activate(self.config.activation, &preactivation)?;
        let neurons =
            self.gate_neurons(neurons, index, batch.sequences.iter().map(|s| &s.interventions), rows)?;
        let output = (layer.output.apply(&neurons)? + attended)?;
        let (output, output_norm) = self.ops.layer_norm(&layer.output_norm, &output)?;
        Ok((output, SavedLayer { attention, attention_norm, preactivation, output_norm }))
    }

    /// The rows of one sequence as `[heads, tokens, head_size]`.
    pub(super) fn by_head(&self, rows: &Tensor, range: &Range<usize>) -> Result<Tensor> {
        rows.narrow(0, range.start, range.len())?
            .reshape((range.len(), self.config.heads, self.config.head_size()))?
            .transpose(0, 1)?
            .contiguous()
    }

    /// `[heads, tokens, head_size]` as rows `[tokens, hidden]`.
    pub(super) fn by_token(&self, heads: &Tensor) -> Result<Tensor> {
        let tokens = heads.dim(1)?;
        heads.transpose(0, 1)?.reshape((tokens, self.config.hidden_size))
    }

    /// `[heads, …]` with each head times its gate; gates multiply gradients likewise.
    pub(super) fn gate_heads(
        &self,
        heads: &Tensor,
        interventions: &Interventions,
        layer: usize,
    ) -> Result<Tensor> {
        match interventions.head_gates(layer, self.config.heads) {
            None => Ok(heads.clone()),
            Some(gates) => {
                heads.broadcast_mul(&Tensor::from_vec(gates, (self.config.heads, 1, 1), self.ops.device())?)
            }
        }
    }

    /// `[rows, intermediate]` with each neuron times its gate; gates multiply gradients likewise.
    pub(super) fn gate_neurons<'a>(
        &self,
        neurons: Tensor,
        layer: usize,
        interventions: impl Iterator<Item = &'a Interventions>,
        rows: &[Range<usize>],
    ) -> Result<Tensor> {
        let width = self.config.intermediate_size;
        let gates: Vec<Option<Vec<f32>>> = interventions.map(|i| i.neuron_gates(layer, width)).collect();
        if gates.iter().all(Option::is_none) {
            return Ok(neurons);
        }
        let parts = rows
            .iter()
            .zip(gates)
            .map(|(range, gates)| {
                let part = neurons.narrow(0, range.start, range.len())?;
                match gates {
                    None => Ok(part),
                    Some(gates) => part.broadcast_mul(&Tensor::new(gates, self.ops.device())?),
                }
            })
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, 0)
    }

    /// Applies the edits of `hidden[point]`.
    fn edit(&self, hidden: Tensor, point: usize, batch: &Batch, rows: &[Range<usize>]) -> Result<Tensor> {
        let edited = |sequence: usize| batch.sequences[sequence].interventions.hidden_edits(point);
        if (0..rows.len()).all(|sequence| edited(sequence).next().is_none()) {
            return Ok(hidden);
        }
        let parts =
            rows.iter()
                .enumerate()
                .map(|(sequence, range)| {
                    edited(sequence).try_fold(hidden.narrow(0, range.start, range.len())?, |part, edit| {
                        match edit {
                            HiddenEdit::Add(vector) => part.broadcast_add(vector),
                            HiddenEdit::Replace { token, value } => with_row(&part, *token, value),
                            HiddenEdit::Project(direction) => without_direction(&part, direction),
                        }
                    })
                })
                .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, 0)
    }
}

fn row_ranges(batch: &Batch) -> Vec<Range<usize>> {
    let mut next = 0;
    let range = |tokens: usize| {
        let start = next;
        next += tokens;
        start..next
    };
    batch.sequences.iter().map(|sequence| sequence.tokens()).map(range).collect()
}

/// `[tokens, hidden]` with one row replaced.
pub(super) fn with_row(rows: &Tensor, index: usize, value: &Tensor) -> Result<Tensor> {
    let count = rows.dim(0)?;
    let before = rows.narrow(0, 0, index)?;
    let after = rows.narrow(0, index + 1, count - index - 1)?;
    Tensor::cat(&[&before, &value.unsqueeze(0)?, &after], 0)
}

/// `[tokens, hidden]` without the component along a unit vector: symmetric, so its own transpose.
/// Summed row by row rather than by a matrix product, whose path depends on the number of rows.
pub(super) fn without_direction(rows: &Tensor, direction: &Tensor) -> Result<Tensor> {
    let along = rows.broadcast_mul(direction)?.sum_keepdim(1)?;
    rows - along.broadcast_mul(&direction.unsqueeze(0)?)?
}
