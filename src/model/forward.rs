//! The forward pass.

use candle_core::Result;

use super::activations::Inside;
use super::encoder::Batch;
use super::network::{Layer, Network};
use super::ops::Ops;
use super::trace::{Keep, Pass, SavedLayer};

impl<O: Ops> Network<O> {
    /// Runs the network over a batch that was checked.
    pub(super) fn forward(&self, batch: &Batch, keep: Keep, pass: &mut Pass<O>) -> Result<()> {
        pass.begin(batch, keep, |_| 0);
        let hidden = self.through_layers(batch, pass)?;
        self.read_out(hidden, pass)
    }

    /// From the embeddings to the last hidden state of a pass that has begun: `[rows, hidden]`, or the rows that are
    /// read, `[sequences, hidden]`, where only those were computed.
    pub(super) fn through_layers(&self, batch: &Batch, pass: &mut Pass<O>) -> Result<O::Array> {
        let embedded = self.embed(batch, pass)?;
        self.through_layers_from(0, embedded, pass)
    }

    /// The same from `hidden[point]` on, `[rows, hidden]`, as it is before any edit of it.
    pub(super) fn through_layers_from(
        &self,
        point: usize,
        state: O::Array,
        pass: &mut Pass<O>,
    ) -> Result<O::Array> {
        let mut hidden = self.edit(state, point, &pass.rows, &pass.interventions)?;
        for (index, layer) in self.layers.iter().enumerate().skip(point) {
            let only_read = pass.only_read && index + 1 == self.layers.len();
            let output = self.layer_forward(layer, index, &hidden, only_read, pass)?;
            let output = self.edit(output, index + 1, &pass.rows, &pass.interventions)?;
            let input = std::mem::replace(&mut hidden, output);
            if pass.keep.traces() {
                pass.hidden.push(input);
            }
        }
        Ok(hidden)
    }

    /// From the last hidden state to the logits.
    pub(super) fn read_out(&self, hidden: O::Array, pass: &mut Pass<O>) -> Result<()> {
        let picked = self.read_rows(&hidden, pass)?;
        let pooled = self.ops.tanh(self.ops.apply(&self.pooler, picked.as_ref().unwrap_or(&hidden))?)?;
        self.ops.read(&self.ops.apply(&self.classifier, &pooled)?, &mut pass.logits)?;
        pass.pooled = Some(pooled);
        if pass.keep.traces() {
            pass.hidden.push(hidden);
        }
        Ok(())
    }

    /// The rows of the last hidden state that are read; none if it has no others.
    pub(super) fn read_rows(&self, hidden: &O::Array, pass: &Pass<O>) -> Result<Option<O::Array>> {
        match pass.only_read {
            true => Ok(None),
            false => self.ops.pick_rows(hidden, &pass.read_rows).map(Some),
        }
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

    /// One layer: `[rows, hidden]` → `[rows, hidden]`, or → `[sequences, hidden]` with `only_read`.
    fn layer_forward(
        &self,
        layer: &Layer<O>,
        index: usize,
        input: &O::Array,
        only_read: bool,
        pass: &mut Pass<O>,
    ) -> Result<O::Array> {
        let keep = pass.keep;
        let back = keep.differentiates();
        let picked = match only_read {
            true => Some(self.ops.pick_rows(input, &pass.read_rows)?),
            false => None,
        };
        let residual = picked.as_ref().unwrap_or(input);
        let queries = self.ops.apply(&layer.query, residual)?;
        let keys_and_values = self.ops.apply(&layer.key_and_value, input)?;
        let attending = pass.attending(only_read);
        let (context, probabilities) =
            self.ops.attention(&attending, &queries, &keys_and_values, keep != Keep::Outputs)?;
        let before = self.kept_before_changes(&context, index, pass)?;
        let context = self.change_heads(context, index, &pass.rows, &pass.interventions)?;
        let end = self.after_attention(index, &context, residual, back, pass)?;
        if let Some(inside) = &mut pass.inside {
            let contexts = self.matrix(&context, self.config.hidden_size)?;
            let neurons = self.matrix(&end.neurons, self.config.intermediate_size)?;
            inside.push(Inside { contexts, neurons });
        }
        pass.probabilities.extend(probabilities);
        if let (Some(attention_norm), Some(slopes), Some(output_norm)) =
            (end.attention_norm, end.slopes, end.output_norm)
        {
            let context = keep.traces().then(|| before.unwrap_or(context));
            let saved = SavedLayer { queries, keys_and_values, context, attention_norm, slopes, output_norm };
            pass.layers.push(saved);
        }
        Ok(end.output)
    }

    /// A copy of the context, where it is kept and something else is read.
    fn kept_before_changes(
        &self,
        context: &O::Array,
        layer: usize,
        pass: &Pass<O>,
    ) -> Result<Option<O::Array>> {
        if pass.keep != Keep::Gradients || !pass.interventions.iter().any(|i| i.change_heads(layer)) {
            return Ok(None);
        }
        let every_row: Vec<usize> = (0..pass.rows.last().map_or(0, |rows| rows.end)).collect();
        self.ops.pick_rows(context, &every_row).map(Some)
    }

    /// The rest of a layer, from the context of its heads (after all changes) and the residual, `[rows, hidden]`
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
        let (rows, interventions) = (&pass.rows, &pass.interventions);
        let neurons = self.change_neurons(neurons, index, rows, interventions)?;
        let slopes =
            slopes.map(|slopes| self.hand_back_neurons(slopes, index, rows, interventions)).transpose()?;
        let output = self.ops.apply(&layer.output, &neurons)?;
        let (output, output_norm) = self.ops.add_norm(&layer.output_norm, output, Some(&attended), keep)?;
        Ok(LayerEnd { output, neurons, attention_norm, slopes, output_norm })
    }
}

/// What a layer makes of the context of its heads: its output, and what the way back needs.
pub(super) struct LayerEnd<O: Ops> {
    /// `[rows, hidden]`.
    pub output: O::Array,
    /// After all changes: `[rows, intermediate]`.
    neurons: O::Array,
    attention_norm: Option<O::Normalised>,
    slopes: Option<O::Array>,
    output_norm: Option<O::Normalised>,
}
