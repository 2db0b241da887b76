//! The hand-written backward pass: from any scalar of the output down to any named point, never to
//! the weights.

use std::collections::BTreeMap;

use candle_core::Result;

use super::arrays::{HeadMaps, Matrix};
use super::network::{MaskedLmHead, Network};
use super::ops::{AttentionInputs, Ops, Then};
use super::trace::{Pass, SavedLayer, Trace};

/// The scalar whose gradient is wanted, by its derivative with respect to outputs of the network.
/// Parts that are none count as zero; sequences of a batch are independent, so each row may carry
/// a scalar of its own.
#[derive(Debug, Clone, Default)]
pub struct Cotangent {
    /// `[sequences, labels]`.
    pub logits: Option<Vec<f32>>,
    /// `[sequences, hidden]`.
    pub pooled: Option<Vec<f32>>,
    /// With respect to `hidden[l]`, `[rows, hidden]`, by l.
    pub hidden: BTreeMap<usize, Vec<f32>>,
    /// `[rows, vocabulary]`; needs a masked-LM head.
    pub masked_lm_logits: Option<Vec<f32>>,
}

impl Cotangent {
    /// One logit of every sequence.
    ///
    /// # Errors
    /// A class that the model does not have.
    pub fn logit(trace: &Trace, class: usize) -> Result<Self> {
        let labels = trace.logits(0).len();
        if class >= labels {
            candle_core::bail!("class {class} of a model with {labels} labels");
        }
        let mut derivative = vec![0f32; labels];
        derivative[class] = 1.0;
        Ok(Self::of_logits(&derivative, trace.rows().len()))
    }

    /// One and the same function of the logits for every sequence, by its derivative.
    pub fn of_logits(derivative: &[f32], sequences: usize) -> Self {
        Cotangent { logits: Some(derivative.repeat(sequences)), ..Cotangent::default() }
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
    /// At the head gates of these layers; 0 for heads that were given values.
    pub head_gates: Vec<usize>,
    /// At the neurons of these layers, as the next part reads them: after the activation function, any gate, and
    /// values in their place.
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
        self.word_embeddings || at_or_below(&self.hidden) || self.inside().any(|wanted| wanted <= layer)
    }

    /// The layers inside of which something is wanted.
    fn inside(&self) -> impl Iterator<Item = usize> {
        self.attention.iter().chain(&self.head_gates).chain(&self.neurons).copied()
    }
}

/// Gradients at the points that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// `[rows, hidden]`; empty unless it was wanted.
    pub word_embeddings: Matrix,
    /// `[rows, hidden]`, by l.
    pub hidden: BTreeMap<usize, Matrix>,
    /// By layer, then sequence.
    pub attention: BTreeMap<usize, Vec<HeadMaps>>,
    /// By layer: `[sequences, heads]`.
    pub head_gates: BTreeMap<usize, Matrix>,
    /// By layer: `[rows, intermediate]`.
    pub neurons: BTreeMap<usize, Matrix>,
}

impl Gradients {
    /// Forgets what was found.
    fn clear(&mut self) {
        self.word_embeddings.values.clear();
        self.hidden.clear();
        self.attention.clear();
        self.head_gates.clear();
        self.neurons.clear();
    }
}

impl<O: Ops> Network<O> {
    /// The vector–Jacobian product of `cotangent` through a kept forward pass.
    pub(super) fn backward(
        &self,
        pass: &Pass<O>,
        cotangent: &Cotangent,
        wanted: &Wanted,
        gradients: &mut Gradients,
    ) -> Result<()> {
        gradients.clear();
        self.check_wanted(pass, cotangent, wanted)?;
        let mut gradient = self.heads_backward(pass, cotangent)?;
        for (index, saved) in pass.layers.iter().enumerate().rev() {
            gradient = self.at_hidden(gradient, index + 1, pass, cotangent, wanted, gradients)?;
            if !wanted.reaches_layer(index) {
                return Ok(());
            }
            gradient = self.layer_backward(index, saved, pass, &gradient, wanted, gradients)?;
        }
        gradient = self.at_hidden(gradient, 0, pass, cotangent, wanted, gradients)?;
        if let (true, Some(saved)) = (wanted.word_embeddings, &pass.embedding_norm) {
            let sum = self.ops.norm_vjp(&self.embeddings.norm, saved, &gradient)?;
            self.ops.read(&sum, &mut gradients.word_embeddings.values)?;
            gradients.word_embeddings.width = self.config.hidden_size;
        }
        Ok(())
    }

    fn check_wanted(&self, pass: &Pass<O>, cotangent: &Cotangent, wanted: &Wanted) -> Result<()> {
        let layers = self.layers.len();
        if !pass.keep.differentiates() || pass.layers.len() != layers {
            candle_core::bail!("this pass was not kept for gradients");
        }
        let mut points = wanted.hidden.iter().chain(cotangent.hidden.keys());
        if points.any(|point| *point > layers) || wanted.inside().any(|layer| layer >= layers) {
            candle_core::bail!("a gradient is wanted at a layer beyond the {layers} there are");
        }
        let from_hidden = cotangent.masked_lm_logits.is_some() || !cotangent.hidden.is_empty();
        let inside = wanted.inside().next().is_some();
        if !pass.keep.traces() && (from_hidden || inside || !wanted.hidden.is_empty()) {
            candle_core::bail!("this pass was kept for gradients of word embeddings alone");
        }
        Ok(())
    }

    /// From the outputs of pooler, classifier and masked-LM head to the last hidden state, or to its first
    /// rows where only those were computed.
    fn heads_backward(&self, pass: &Pass<O>, cotangent: &Cotangent) -> Result<O::Array> {
        let width = self.config.hidden_size;
        let to_first = self.pooler_backward(pass, cotangent)?;
        if pass.only_read {
            return match to_first {
                Some(gradient) => Ok(gradient),
                None => self.ops.array(&vec![0.0; pass.rows.len() * width], width),
            };
        }
        let rows = pass.rows.last().map_or(0, |rows| rows.end);
        let mut gradient = self.ops.array(&vec![0.0; rows * width], width)?;
        if let Some(to_first) = to_first {
            gradient = self.ops.add_rows(gradient, &pass.read_rows, &to_first)?;
        }
        match (&cotangent.masked_lm_logits, &self.masked_lm, pass.hidden.last()) {
            (None, _, _) => Ok(gradient),
            (Some(logits), Some(head), Some(last)) => {
                let more = self.masked_lm_backward(head, last, logits)?;
                self.plus(gradient, &more, rows)
            }
            (Some(_), _, _) => candle_core::bail!("the model has no masked-LM head"),
        }
    }

    fn pooler_backward(&self, pass: &Pass<O>, cotangent: &Cotangent) -> Result<Option<O::Array>> {
        let Some(output) = &pass.pooled else { return Ok(None) };
        let width = self.config.hidden_size;
        let direct = cotangent.pooled.as_ref().map(|pooled| self.ops.array(pooled, width)).transpose()?;
        let to_pooled = match (&cotangent.logits, direct) {
            (Some(logits), direct) => {
                let logits = self.ops.array(logits, self.config.labels.len())?;
                let then = direct.as_ref().map_or(Then::Nothing, Then::Plus);
                self.ops.linear_vjp(&self.classifier, &logits, then)?
            }
            (None, Some(direct)) => direct,
            (None, None) => return Ok(None),
        };
        let to_preactivation = self.ops.tanh_vjp(output, to_pooled)?;
        self.ops.linear_vjp(&self.pooler, &to_preactivation, Then::Nothing).map(Some)
    }

    fn masked_lm_backward(
        &self,
        head: &MaskedLmHead<O>,
        last: &O::Array,
        logits: &[f32],
    ) -> Result<O::Array> {
        let activation = self.config.activation;
        let (transformed, slopes) = self.ops.apply_activated(&head.transform, activation, last, true)?;
        let (_, norm) = self.ops.add_norm(&head.norm, transformed, None, true)?;
        let (Some(slopes), Some(norm)) = (slopes, norm) else {
            candle_core::bail!("the operators kept nothing for the way back");
        };
        let logits = self.ops.array(logits, self.config.vocabulary_size)?;
        let gradient = self.ops.linear_vjp(self.decoder(head)?, &logits, Then::Nothing)?;
        let gradient = self.ops.norm_vjp(&head.norm, &norm, &gradient)?;
        let gradient = self.times(gradient, &slopes)?;
        self.ops.linear_vjp(&head.transform, &gradient, Then::Nothing)
    }

    fn plus(&self, gradient: O::Array, more: &O::Array, rows: usize) -> Result<O::Array> {
        self.ops.add_rows(gradient, &(0..rows).collect::<Vec<_>>(), more)
    }

    /// Element by element, where it happens once a text.
    fn times(&self, gradient: O::Array, slopes: &O::Array) -> Result<O::Array> {
        let (mut values, mut factors) = (Vec::new(), Vec::new());
        self.ops.read(&gradient, &mut values)?;
        self.ops.read(slopes, &mut factors)?;
        values.iter_mut().zip(&factors).for_each(|(value, factor)| *value *= factor);
        self.ops.array(&values, self.config.hidden_size)
    }

    /// Adds the scalar's own derivative at `hidden[point]`, records the gradient there, and takes it
    /// back through the edits of that point.
    fn at_hidden(
        &self,
        gradient: O::Array,
        point: usize,
        pass: &Pass<O>,
        cotangent: &Cotangent,
        wanted: &Wanted,
        gradients: &mut Gradients,
    ) -> Result<O::Array> {
        let gradient = match cotangent.hidden.get(&point) {
            Some(direct) => {
                let direct = self.ops.array(direct, self.config.hidden_size)?;
                self.plus(gradient, &direct, pass.rows.last().map_or(0, |rows| rows.end))?
            }
            None => gradient,
        };
        if wanted.hidden.contains(&point) {
            gradients.hidden.insert(point, self.matrix(&gradient, self.config.hidden_size)?);
        }
        self.hand_back_edits(gradient, point, &pass.rows, &pass.interventions)
    }

    /// The values of an array.
    pub(super) fn matrix(&self, array: &O::Array, width: usize) -> Result<Matrix> {
        let mut values = Vec::new();
        self.ops.read(array, &mut values)?;
        Ok(Matrix { values, width })
    }

    /// From a layer's output to its input, recording what is wanted on the way.
    fn layer_backward(
        &self,
        index: usize,
        saved: &SavedLayer<O>,
        pass: &Pass<O>,
        gradient: &O::Array,
        wanted: &Wanted,
        gradients: &mut Gradients,
    ) -> Result<O::Array> {
        let (ops, layer) = (&self.ops, &self.layers[index]);
        let only_read = pass.only_read && index + 1 == self.layers.len();
        let to_output = ops.norm_vjp(&layer.output_norm, &saved.output_norm, gradient)?;
        if wanted.neurons.contains(&index) {
            let to_neurons = ops.linear_vjp(&layer.output, &to_output, Then::Nothing)?;
            gradients.neurons.insert(index, self.matrix(&to_neurons, self.config.intermediate_size)?);
        }
        let to_preactivation = ops.linear_vjp(&layer.output, &to_output, Then::Times(&saved.slopes))?;
        let to_attended = ops.linear_vjp(&layer.intermediate, &to_preactivation, Then::Plus(&to_output))?;

        let to_sum = ops.norm_vjp(&layer.attention_norm, &saved.attention_norm, &to_attended)?;
        let to_gated = ops.linear_vjp(&layer.attention_output, &to_sum, Then::Nothing)?;
        let to_context = self.heads_gates_backward(index, saved, pass, to_gated, wanted, gradients)?;
        let inputs = AttentionInputs {
            queries: &saved.queries,
            keys_and_values: &saved.keys_and_values,
            probabilities: &pass.probabilities[index],
        };
        let of_probabilities = wanted.attention.contains(&index);
        let attention =
            ops.attention_vjp(&pass.attending(only_read), inputs, &to_context, of_probabilities)?;
        if let Some(probabilities) = attention.probabilities {
            let maps = (0..pass.rows.len()).map(|sequence| pass.maps(&probabilities, sequence, only_read));
            gradients.attention.insert(index, maps.collect::<Result<_>>()?);
        }
        let through_queries = ops.linear_vjp(&layer.query, &attention.queries, Then::Plus(&to_sum))?;
        match only_read {
            false => {
                let then = Then::Plus(&through_queries);
                ops.linear_vjp(&layer.key_and_value, &attention.keys_and_values, then)
            }
            true => {
                let rest = ops.linear_vjp(&layer.key_and_value, &attention.keys_and_values, Then::Nothing)?;
                ops.add_rows(rest, &pass.read_rows, &through_queries)
            }
        }
    }

    /// Through the head gates: the gradient of the context as it is read becomes that of the context before gates and
    /// values.
    fn heads_gates_backward(
        &self,
        index: usize,
        saved: &SavedLayer<O>,
        pass: &Pass<O>,
        to_gated: O::Array,
        wanted: &Wanted,
        gradients: &mut Gradients,
    ) -> Result<O::Array> {
        if let (true, Some(context)) = (wanted.head_gates.contains(&index), &saved.context) {
            let hidden = self.config.hidden_size;
            let (to_gated, context) = (self.matrix(&to_gated, hidden)?, self.matrix(context, hidden)?);
            let mut values = Vec::with_capacity(pass.rows.len() * self.config.heads);
            let head_size = self.config.head_size();
            for (rows, changes) in pass.rows.iter().zip(&pass.interventions) {
                for head in 0..self.config.heads {
                    let columns = head * head_size..(head + 1) * head_size;
                    if changes.head_values(index, head_size).any(|new| new.columns == columns) {
                        values.push(0.0);
                        continue;
                    }
                    let products = rows.clone().flat_map(|row| {
                        to_gated.row(row)[columns.clone()].iter().zip(&context.row(row)[columns.clone()])
                    });
                    values.push(products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32);
                }
            }
            gradients.head_gates.insert(index, Matrix { values, width: self.config.heads });
        }
        self.hand_back_heads(to_gated, index, &pass.rows, &pass.interventions)
    }
}
