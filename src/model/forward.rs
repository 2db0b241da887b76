//! The forward pass.

use std::ops::Range;

use candle_core::Result;

use super::arrays::Matrix;
use super::encoder::Batch;
use super::interventions::Interventions;
use super::network::{Layer, Network};
use super::ops::Ops;
use super::trace::{Keep, Pass, SavedLayer};

impl<O: Ops> Network<O> {
    /// Runs the network over a batch that was checked.
    pub(super) fn forward(&self, batch: &Batch, keep: Keep, pass: &mut Pass<O>) -> Result<()> {
        pass.begin(batch, keep);
        let embedded = self.embed(batch, pass)?;
        let mut hidden = self.edit(embedded, 0, &pass.rows, &pass.interventions)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let only_first = pass.only_first && index + 1 == self.layers.len();
            let output = self.layer_forward(layer, index, &hidden, only_first, pass)?;
            let output = self.edit(output, index + 1, &pass.rows, &pass.interventions)?;
            let input = std::mem::replace(&mut hidden, output);
            if keep.traces() {
                pass.hidden.push(input);
            }
        }
        let first = match pass.only_first {
            true => None,
            false => Some(self.ops.pick_rows(&hidden, &pass.first_rows)?),
        };
        let pooled = self.ops.tanh(self.ops.apply(&self.pooler, first.as_ref().unwrap_or(&hidden))?)?;
        self.ops.read(&self.ops.apply(&self.classifier, &pooled)?, &mut pass.logits)?;
        pass.pooled = Some(pooled);
        if keep.traces() {
            pass.hidden.push(hidden);
        }
        Ok(())
    }

    /// Masked-LM logits `[rows, vocabulary]` of last-layer hidden states; none where the checkpoint has no
    /// masked-LM head.
    pub(super) fn masked_lm_logits(&self, last_hidden: &Matrix) -> Result<Option<Matrix>> {
        let Some(head) = &self.masked_lm else { return Ok(None) };
        let hidden = self.ops.array(&last_hidden.values, last_hidden.width)?;
        let (transformed, _) =
            self.ops.apply_activated(&head.transform, self.config.activation, &hidden, false)?;
        let (normalised, _) = self.ops.add_norm(&head.norm, transformed, None, false)?;
        let mut values = Vec::new();
        self.ops.read(&self.ops.apply(self.decoder(head)?, &normalised)?, &mut values)?;
        Ok(Some(Matrix { values, width: self.config.vocabulary_size }))
    }

    fn embed(&self, batch: &Batch, pass: &mut Pass<O>) -> Result<O::Array> {
        let width = self.config.hidden_size;
        let mut sum = std::mem::take(&mut pass.embedded);
        self.add_embeddings(batch, &mut sum);
        let array = self.ops.array(&sum, width)?;
        pass.embedded = sum;
        let keep = pass.keep.differentiates();
        let (output, saved) = self.ops.add_norm(&self.embeddings.norm, array, None, keep)?;
        pass.embedding_norm = saved;
        Ok(output)
    }

    /// Word, position and type embeddings, added up: `[rows, hidden]` in place of what `sum` held.
    pub(super) fn add_embeddings(&self, batch: &Batch, sum: &mut Vec<f32>) {
        let width = self.config.hidden_size;
        sum.clear();
        sum.extend_from_slice(&batch.word_embeddings);
        let tokens = batch.sequences.iter().flat_map(|sequence| sequence.type_ids.iter().enumerate());
        for (row, (position, type_id)) in sum.chunks_exact_mut(width).zip(tokens) {
            let types = &self.embeddings.types[*type_id as usize * width..][..width];
            let positions = &self.embeddings.positions[position * width..][..width];
            for ((value, of_type), of_position) in row.iter_mut().zip(types).zip(positions) {
                *value = *value + of_type + of_position;
            }
        }
    }

    /// One layer: `[rows, hidden]` → `[rows, hidden]`, or → `[sequences, hidden]` with `only_first`.
    fn layer_forward(
        &self,
        layer: &Layer<O>,
        index: usize,
        input: &O::Array,
        only_first: bool,
        pass: &mut Pass<O>,
    ) -> Result<O::Array> {
        let keep = pass.keep;
        let back = keep.differentiates();
        let picked = match only_first {
            true => Some(self.ops.pick_rows(input, &pass.first_rows)?),
            false => None,
        };
        let residual = picked.as_ref().unwrap_or(input);
        let queries = self.ops.apply(&layer.query, residual)?;
        let keys_and_values = self.ops.apply(&layer.key_and_value, input)?;
        let attending = pass.attending(only_first);
        let (context, probabilities) =
            self.ops.attention(&attending, &queries, &keys_and_values, keep != Keep::Outputs)?;
        let (context, gated) = self.gate_heads(context, index, pass)?;
        let end = self.after_attention(index, gated.as_ref().unwrap_or(&context), residual, back, pass)?;
        pass.probabilities.extend(probabilities);
        if let (Some(attention_norm), Some(slopes), Some(output_norm)) =
            (end.attention_norm, end.slopes, end.output_norm)
        {
            let context = keep.traces().then_some(context);
            let saved = SavedLayer { queries, keys_and_values, context, attention_norm, slopes, output_norm };
            pass.layers.push(saved);
        }
        Ok(end.output)
    }

    /// The rest of a layer, from the context of its heads (after their gates) and the residual, `[rows, hidden]`
    /// each; with what the way back needs if it is wanted.
    pub(super) fn after_attention(
        &self,
        index: usize,
        context: &O::Array,
        residual: &O::Array,
        keep: bool,
        pass: &Pass<O>,
    ) -> Result<LayerEnd<O>> {
        let layer = &self.layers[index];
        let attended = self.ops.apply(&layer.attention_output, context)?;
        let (attended, attention_norm) =
            self.ops.add_norm(&layer.attention_norm, attended, Some(residual), keep)?;
        let (neurons, slopes) =
            self.ops.apply_activated(&layer.intermediate, self.config.activation, &attended, keep)?;
        let gated = |array| self.gate_neurons(array, index, &pass.rows, &pass.interventions);
        let (neurons, slopes) = (gated(neurons)?, slopes.map(gated).transpose()?);
        let output = self.ops.apply(&layer.output, &neurons)?;
        let (output, output_norm) = self.ops.add_norm(&layer.output_norm, output, Some(&attended), keep)?;
        Ok(LayerEnd { output, attention_norm, slopes, output_norm })
    }

    /// The context as it is, and with each head times its gate where there are gates.
    fn gate_heads(
        &self,
        context: O::Array,
        layer: usize,
        pass: &Pass<O>,
    ) -> Result<(O::Array, Option<O::Array>)> {
        let Some(factors) = self.head_factors(layer, &pass.interventions) else { return Ok((context, None)) };
        let every_row: Vec<usize> = (0..pass.rows.last().map_or(0, |rows| rows.end)).collect();
        let copy = self.ops.pick_rows(&context, &every_row)?;
        Ok((context, Some(self.ops.scale_columns(copy, &pass.rows, &factors)?)))
    }

    /// Rows as wide as the context, `[rows, hidden]`, with the columns of each head times its gate.
    pub(super) fn scale_heads(
        &self,
        array: O::Array,
        layer: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
    ) -> Result<O::Array> {
        match self.head_factors(layer, interventions) {
            None => Ok(array),
            Some(factors) => self.ops.scale_columns(array, rows, &factors),
        }
    }

    /// The factor of each column of the context, by sequence; none where no head is gated.
    fn head_factors(&self, layer: usize, interventions: &[Interventions]) -> Option<Vec<Option<Vec<f32>>>> {
        let spread = |gates: Vec<f32>| -> Vec<f32> {
            gates.iter().flat_map(|gate| std::iter::repeat_n(*gate, self.config.head_size())).collect()
        };
        let gates = |i: &Interventions| i.head_gates(layer, self.config.heads).map(spread);
        factors(interventions, gates)
    }

    /// `[rows, intermediate]` with each neuron times its gate.
    pub(super) fn gate_neurons(
        &self,
        neurons: O::Array,
        layer: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
    ) -> Result<O::Array> {
        let width = self.config.intermediate_size;
        match factors(interventions, |i| i.neuron_gates(layer, width)) {
            None => Ok(neurons),
            Some(factors) => self.ops.scale_columns(neurons, rows, &factors),
        }
    }

    /// Applies the edits of `hidden[point]`.
    pub(super) fn edit(
        &self,
        hidden: O::Array,
        point: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
    ) -> Result<O::Array> {
        self.edited(hidden, point, rows, interventions, |changes, rows| changes.apply(point, rows))
    }

    /// Changes the rows of those sequences that have edits of `hidden[point]`: rarely any, so it is done on
    /// plain numbers.
    pub(super) fn edited(
        &self,
        hidden: O::Array,
        point: usize,
        rows: &[Range<usize>],
        interventions: &[Interventions],
        change: impl Fn(&Interventions, &mut [f32]),
    ) -> Result<O::Array> {
        if !interventions.iter().any(|interventions| interventions.edit_hidden(point)) {
            return Ok(hidden);
        }
        let width = self.config.hidden_size;
        let mut values = Vec::new();
        self.ops.read(&hidden, &mut values)?;
        for (rows, interventions) in rows.iter().zip(interventions) {
            change(interventions, &mut values[rows.start * width..rows.end * width]);
        }
        self.ops.array(&values, width)
    }
}

/// What a layer makes of the context of its heads: its output, and what the way back needs.
pub(super) struct LayerEnd<O: Ops> {
    /// `[rows, hidden]`.
    pub output: O::Array,
    attention_norm: Option<O::Normalised>,
    slopes: Option<O::Array>,
    output_norm: Option<O::Normalised>,
}

/// The factors of each sequence; none where no sequence has any.
fn factors(
    interventions: &[Interventions],
    of: impl Fn(&Interventions) -> Option<Vec<f32>>,
) -> Option<Vec<Option<Vec<f32>>>> {
    if interventions.iter().all(Interventions::is_empty) {
        return None;
    }
    let factors: Vec<Option<Vec<f32>>> = interventions.iter().map(of).collect();
    factors.iter().any(Option::is_some).then_some(factors)
}
