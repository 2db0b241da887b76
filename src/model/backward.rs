//! The hand-written backward pass: from any scalar of the output down to any named point, never to
//! the weights.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Result, Tensor};

use super::encoder::{Encoder, Layer, MaskedLmHead};
use super::forward::{Saved, SavedAttention, SavedLayer, Trace, with_row, without_direction};
use super::interventions::{HiddenEdit, Interventions};

/// The scalar whose gradient is wanted, by its derivative with respect to outputs of the network.
/// Parts that are none count as zero; sequences of a batch are independent, so each row may carry
/// a scalar of its own.
#[derive(Debug, Clone, Default)]
pub struct Cotangent {
    /// `[sequences, labels]`.
    pub logits: Option<Tensor>,
    /// `[sequences, hidden]`.
    pub pooled: Option<Tensor>,
    /// With respect to `hidden[l]`, `[rows, hidden]`, by l.
    pub hidden: BTreeMap<usize, Tensor>,
    /// `[rows, vocabulary]`; needs a masked-LM head.
    pub masked_lm_logits: Option<Tensor>,
}

impl Cotangent {
    /// One logit of every sequence.
    ///
    /// # Errors
    /// A class that the model does not have.
    pub fn logit(trace: &Trace, class: usize) -> Result<Self> {
        let (sequences, labels) = trace.logits.dims2()?;
        if class >= labels {
            candle_core::bail!("class {class} of a model with {labels} labels");
        }
        let mut row = vec![0f32; labels];
        row[class] = 1.0;
        Self::of_logits(&row, sequences, trace)
    }

    /// One and the same function of the logits for every sequence, by its derivative.
    ///
    /// # Errors
    /// A derivative of another length than the model has labels.
    pub fn of_logits(derivative: &[f32], sequences: usize, trace: &Trace) -> Result<Self> {
        let row = Tensor::new(derivative, trace.logits.device())?;
        let logits = row.unsqueeze(0)?.repeat((sequences, 1))?;
        Ok(Cotangent { logits: Some(logits), ..Cotangent::default() })
    }
}

/// Where gradients are wanted. Layers are encoder layers from 0, hidden states from 0 (embeddings).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// At the output of the word-embedding table.
    pub word_embeddings: bool,
    /// At these `hidden[l]`.
    pub hidden: Vec<usize>,
    /// At the attention probabilities of these layers.
    pub attention: Vec<usize>,
    /// At the head gates of these layers.
    pub head_gates: Vec<usize>,
    /// At the neurons (after the activation function and any gate) of these layers.
    pub neurons: Vec<usize>,
}

impl Wanted {
    /// The gradient that attributions need.
    pub fn word_embeddings() -> Self {
        Wanted { word_embeddings: true, ..Wanted::default() }
    }

    /// Whether anything below or at this encoder layer is wanted.
    fn reaches_layer(&self, layer: usize) -> bool {
        let at_or_below = |layers: &[usize]| layers.iter().any(|wanted| *wanted <= layer);
        self.word_embeddings
            || at_or_below(&self.hidden)
            || at_or_below(&self.attention)
            || at_or_below(&self.head_gates)
            || at_or_below(&self.neurons)
    }
}

/// Gradients at the points that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// `[rows, hidden]`.
    pub word_embeddings: Option<Tensor>,
    /// `[rows, hidden]`, by l.
    pub hidden: BTreeMap<usize, Tensor>,
    /// By layer, then sequence: `[heads, queries, keys]`.
    pub attention: BTreeMap<usize, Vec<Tensor>>,
    /// By layer: `[sequences, heads]`.
    pub head_gates: BTreeMap<usize, Tensor>,
    /// By layer: `[rows, intermediate]`.
    pub neurons: BTreeMap<usize, Tensor>,
}

impl Encoder {
    /// The vector–Jacobian product of `cotangent` through a kept forward pass. One trace serves any
    /// number of calls: several classes need one forward.
    ///
    /// # Errors
    /// A trace made without [`super::Keep::Gradients`], points the network does not have, shapes that
    /// do not fit.
    pub fn backward(&self, trace: &Trace, cotangent: &Cotangent, wanted: &Wanted) -> Result<Gradients> {
        let Some(saved) = &trace.saved else {
            candle_core::bail!("this trace was not kept for gradients");
        };
        self.check_wanted(wanted, cotangent)?;
        let mut gradients = Gradients::default();
        let mut gradient = self.heads_backward(trace, cotangent)?;
        for (index, (layer, saved_layer)) in self.layers.iter().zip(&saved.layers).enumerate().rev() {
            let point = index + 1;
            gradient = self.at_hidden(gradient, point, trace, saved, cotangent, wanted, &mut gradients)?;
            if !wanted.reaches_layer(index) {
                return Ok(gradients);
            }
            let context = LayerContext {
                index,
                layer,
                saved: saved_layer,
                interventions: &saved.interventions,
                rows: &trace.rows,
            };
            gradient = self.layer_backward(&context, &gradient, wanted, &mut gradients)?;
        }
        gradient = self.at_hidden(gradient, 0, trace, saved, cotangent, wanted, &mut gradients)?;
        if wanted.word_embeddings {
            let sum = self.ops.layer_norm_vjp(&self.embeddings.norm, &saved.embedding_norm, &gradient)?;
            gradients.word_embeddings = Some(sum);
        }
        Ok(gradients)
    }

    fn check_wanted(&self, wanted: &Wanted, cotangent: &Cotangent) -> Result<()> {
        let layers = self.layers.len();
        let points = wanted.hidden.iter().chain(cotangent.hidden.keys());
        let in_layers = wanted.attention.iter().chain(&wanted.head_gates).chain(&wanted.neurons);
        if points.clone().any(|point| *point > layers) || in_layers.clone().any(|layer| *layer >= layers) {
            candle_core::bail!("a gradient is wanted at a layer beyond the {layers} there are");
        }
        Ok(())
    }

    /// From the outputs of pooler, classifier and masked-LM head to the last hidden state.
    fn heads_backward(&self, trace: &Trace, cotangent: &Cotangent) -> Result<Tensor> {
        let last = trace
            .hidden
            .last()
            .ok_or_else(|| candle_core::Error::Msg("the trace has no hidden states".into()))?;
        let mut gradient = last.zeros_like()?;
        let through_classifier =
            cotangent.logits.as_ref().map(|logits| self.classifier.vjp(logits)).transpose()?;
        let to_pooled = match (through_classifier, &cotangent.pooled) {
            (Some(from_logits), Some(pooled)) => Some((from_logits + pooled)?),
            (Some(from_logits), None) => Some(from_logits),
            (None, pooled) => pooled.clone(),
        };
        if let Some(to_pooled) = to_pooled {
            let to_first = self.pooler.vjp(&self.ops.tanh_vjp(&trace.pooled, &to_pooled)?)?;
            let first_rows: Vec<u32> = trace.rows.iter().map(|range| range.start as u32).collect();
            gradient = gradient.index_add(&Tensor::new(first_rows, self.ops.device())?, &to_first, 0)?;
        }
        match (&cotangent.masked_lm_logits, &self.masked_lm) {
            (None, _) => Ok(gradient),
            (Some(logits), Some(head)) => gradient + self.masked_lm_backward(head, last, logits)?,
            (Some(_), None) => candle_core::bail!("the model has no masked-LM head"),
        }
    }

    fn masked_lm_backward(&self, head: &MaskedLmHead, last: &Tensor, logits: &Tensor) -> Result<Tensor> {
        let preactivation = head.transform.apply(last)?;
        let transformed = self.ops.activate(self.config.activation, &preactivation)?;
        let (_, norm) = self.ops.layer_norm(&head.norm, &transformed)?;
        let gradient = self.ops.layer_norm_vjp(&head.norm, &norm, &head.decoder.vjp(logits)?)?;
        head.transform.vjp(&self.ops.activate_vjp(self.config.activation, &preactivation, &gradient)?)
    }

    /// Adds the scalar's own derivative at `hidden[point]`, records the gradient there, and takes it
    /// back through the edits of that point.
    #[expect(clippy::too_many_arguments, reason = "one step of one loop; a struct would only rename them")]
    fn at_hidden(
        &self,
        gradient: Tensor,
        point: usize,
        trace: &Trace,
        saved: &Saved,
        cotangent: &Cotangent,
        wanted: &Wanted,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let gradient = match cotangent.hidden.get(&point) {
            Some(direct) => (gradient + direct)?,
            None => gradient,
        };
        if wanted.hidden.contains(&point) {
            gradients.hidden.insert(point, gradient.clone());
        }
        if saved.interventions.iter().all(|i| i.hidden_edits(point).next().is_none()) {
            return Ok(gradient);
        }
        let parts = trace
            .rows
            .iter()
            .zip(&saved.interventions)
            .map(|(range, interventions)| {
                let part = gradient.narrow(0, range.start, range.len())?;
                interventions.hidden_edits(point).rev().try_fold(part, |part, edit| match edit {
                    HiddenEdit::Add(_) => Ok(part),
                    HiddenEdit::Replace { token, value } => with_row(&part, *token, &value.zeros_like()?),
                    HiddenEdit::Project(direction) => without_direction(&part, direction),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, 0)
    }

    /// From a layer's output to its input, recording what is wanted on the way.
    fn layer_backward(
        &self,
        context: &LayerContext<'_>,
        gradient: &Tensor,
        wanted: &Wanted,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let LayerContext { index, layer, saved, interventions, rows } = *context;
        let to_output = self.ops.layer_norm_vjp(&layer.output_norm, &saved.output_norm, gradient)?;
        let to_neurons = layer.output.vjp(&to_output)?;
        if wanted.neurons.contains(&index) {
            gradients.neurons.insert(index, to_neurons.clone());
        }
        let to_neurons = self.gate_neurons(to_neurons, index, interventions.iter(), rows)?;
        let to_preactivation =
            self.ops.activate_vjp(self.config.activation, &saved.preactivation, &to_neurons)?;
        let to_attended = (layer.intermediate.vjp(&to_preactivation)? + to_output)?;

        let to_sum = self.ops.layer_norm_vjp(&layer.attention_norm, &saved.attention_norm, &to_attended)?;
        let to_context = layer.attention_output.vjp(&to_sum)?;
        let [to_queries, to_keys, to_values] =
            self.attention_backward(context, &to_context, wanted, gradients)?;
        let through_queries = layer.query.vjp(&to_queries)?;
        let through_keys = layer.key.vjp(&to_keys)?;
        let through_values = layer.value.vjp(&to_values)?;
        ((to_sum + through_queries)? + through_keys)? + through_values
    }

    /// From the gated context `[rows, hidden]` of a layer to its queries, keys and values.
    fn attention_backward(
        &self,
        context: &LayerContext<'_>,
        to_context: &Tensor,
        wanted: &Wanted,
        gradients: &mut Gradients,
    ) -> Result<[Tensor; 3]> {
        let LayerContext { index, saved, interventions, rows, .. } = *context;
        let mut parts: [Vec<Tensor>; 3] = Default::default();
        let mut to_probabilities = Vec::new();
        let mut to_gates = Vec::new();
        for ((range, interventions), saved) in rows.iter().zip(interventions).zip(&saved.attention) {
            let SavedAttention { projections, probabilities, context } = saved;
            let to_gated = self.by_head(to_context, range)?;
            if wanted.head_gates.contains(&index) {
                to_gates.push((&to_gated * context)?.sum((1, 2))?);
            }
            let to_context = self.gate_heads(&to_gated, interventions, index)?;
            let attention = self.ops.attention_vjp(projections, probabilities, &to_context)?;
            if wanted.attention.contains(&index) {
                to_probabilities.push(attention.probabilities);
            }
            let by_kind = [attention.queries, attention.keys, attention.values];
            for (part, gradient) in parts.iter_mut().zip(by_kind) {
                part.push(self.by_token(&gradient)?);
            }
        }
        if wanted.attention.contains(&index) {
            gradients.attention.insert(index, to_probabilities);
        }
        if wanted.head_gates.contains(&index) {
            gradients.head_gates.insert(index, Tensor::stack(&to_gates, 0)?);
        }
        let [queries, keys, values] = parts;
        Ok([Tensor::cat(&queries, 0)?, Tensor::cat(&keys, 0)?, Tensor::cat(&values, 0)?])
    }
}

/// One layer with everything its backward reads.
struct LayerContext<'a> {
    index: usize,
    layer: &'a Layer,
    saved: &'a SavedLayer,
    interventions: &'a [Interventions],
    rows: &'a [Range<usize>],
}
