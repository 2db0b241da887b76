//! Changes to the inside of the network at named points, applied to one sequence of a batch.
//!
//! Every one of them passes gradients on correctly: explaining an altered network is as exact as
//! explaining the network itself.

use std::ops::Range;
use std::sync::Arc;

use candle_core::Result;

use super::config::ModelConfig;
pub use super::hidden_edit::{HiddenEdit, MOST_EDIT_RANK};

/// One change at one point of the network.
#[derive(Debug, Clone, PartialEq)]
pub enum Intervention {
    /// No token can attend to these tokens, in any layer (their own rows stay). At least one token
    /// must stay visible.
    TokenMask {
        /// Indices of the hidden tokens.
        tokens: Vec<usize>,
    },
    /// The context of one attention head is multiplied by `gate` before the output projection:
    /// 0 removes the head, 1 changes nothing.
    HeadGate {
        /// Encoder layer, from 0.
        layer: usize,
        /// Head, from 0.
        head: usize,
        /// The factor.
        gate: f32,
    },
    /// Feed-forward neurons are multiplied by `gate` after their activation function.
    NeuronGate {
        /// Encoder layer, from 0.
        layer: usize,
        /// Neurons, from 0.
        neurons: Vec<usize>,
        /// The factor.
        gate: f32,
    },
    /// The context of one attention head (weights × values, before the output projection) becomes these values,
    /// whatever its gate. Of two for one head the later holds.
    HeadValues {
        /// Encoder layer, from 0.
        layer: usize,
        /// Head, from 0.
        head: usize,
        /// `[tokens, head size]`, row by row.
        values: Arc<[f32]>,
    },
    /// Feed-forward neurons, after their activation function, become these values, whatever their gates. Of two for
    /// one neuron the later holds.
    NeuronValues {
        /// Encoder layer, from 0.
        layer: usize,
        /// Neurons, from 0; at least one.
        neurons: Range<usize>,
        /// `[tokens, neurons]`, row by row.
        values: Arc<[f32]>,
    },
    /// `hidden[point]` is edited before anything reads it.
    Hidden {
        /// 0 is the embeddings' output, l the output of the l-th layer.
        point: usize,
        /// What happens to it.
        edit: HiddenEdit,
    },
}

impl Intervention {
    /// Refuses what does not fit the network, or a sequence of so many tokens.
    ///
    /// # Errors
    /// An index out of range, a vector of another width, or vectors of other numbers than are taken.
    pub(super) fn check(&self, config: &ModelConfig, tokens: usize) -> Result<()> {
        let within = |what: &str, value: usize, bound: usize| match value < bound {
            true => Ok(()),
            false => candle_core::bail!("intervention on {what} {value}, but there are {bound}"),
        };
        match self {
            Intervention::TokenMask { tokens: hidden } => {
                hidden.iter().try_for_each(|token| within("token", *token, tokens))
            }
            Intervention::HeadGate { layer, head, .. } => {
                within("layer", *layer, config.layers)?;
                within("head", *head, config.heads)
            }
            Intervention::NeuronGate { layer, neurons, .. } => {
                within("layer", *layer, config.layers)?;
                neurons.iter().try_for_each(|neuron| within("neuron", *neuron, config.intermediate_size))
            }
            Intervention::HeadValues { layer, head, values } => {
                within("layer", *layer, config.layers)?;
                within("head", *head, config.heads)?;
                check_values(&format!("head {head}"), *layer, values, tokens, config.head_size())
            }
            Intervention::NeuronValues { layer, neurons, values } => {
                within("layer", *layer, config.layers)?;
                if neurons.is_empty() {
                    let Range { start, end } = neurons;
                    candle_core::bail!("intervention on neurons {start} to before {end}, which are none");
                }
                within("neuron", neurons.end - 1, config.intermediate_size)?;
                let place = format!("neurons {} to {}", neurons.start, neurons.end - 1);
                check_values(&place, *layer, values, tokens, neurons.len())
            }
            Intervention::Hidden { point, edit } => {
                within("hidden state", *point, config.layers + 1)?;
                if let HiddenEdit::Replace { token, .. } = edit {
                    within("token", *token, tokens)?;
                }
                edit.check(config.hidden_size)
            }
        }
    }

    /// Whether it is a change for certain tokens, by their indices.
    fn names_tokens(&self) -> bool {
        matches!(
            self,
            Intervention::TokenMask { .. }
                | Intervention::HeadValues { .. }
                | Intervention::NeuronValues { .. }
                | Intervention::Hidden { edit: HiddenEdit::Replace { .. }, .. }
        )
    }
}

fn check_values(place: &str, layer: usize, values: &[f32], tokens: usize, width: usize) -> Result<()> {
    match values.len() == tokens * width {
        true => Ok(()),
        false => candle_core::bail!(
            "intervention on {place} of layer {layer} with {} values, expected {width} for each of {tokens} tokens",
            values.len()
        ),
    }
}

/// Values in the place of some columns of a sequence's rows.
pub(super) struct NewColumns<'a> {
    pub columns: Range<usize>,
    /// `[tokens, columns]`
    values: &'a [f32],
}

impl NewColumns<'_> {
    /// Puts them into the rows of the sequence, `[tokens, width]`.
    pub fn put(&self, rows: &mut [f32], width: usize) {
        let values = self.values.chunks_exact(self.columns.len());
        for (row, values) in rows.chunks_exact_mut(width).zip(values) {
            row[self.columns.clone()].copy_from_slice(values);
        }
    }
}

/// The changes to the network for one sequence, in the order they act. A clone is cheap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interventions(Option<Arc<[Intervention]>>);

impl Interventions {
    /// The network as it is.
    pub fn none() -> Self {
        Interventions::default()
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// For each of `tokens` tokens, whether it is hidden from attention; none if all are seen.
    pub(super) fn hidden_keys(&self, tokens: usize) -> Option<Vec<bool>> {
        if self.is_empty() {
            return None;
        }
        let mut hidden = vec![false; tokens];
        for intervention in self.iter() {
            if let Intervention::TokenMask { tokens } = intervention {
                tokens.iter().for_each(|token| hidden[*token] = true);
            }
        }
        hidden.contains(&true).then_some(hidden)
    }

    /// The factor of each head of a layer; none if all are 1.
    pub(super) fn head_gates(&self, wanted_layer: usize, heads: usize) -> Option<Vec<f32>> {
        let mut gates = vec![1.0; heads];
        for intervention in self.iter() {
            if let Intervention::HeadGate { layer, head, gate } = intervention
                && *layer == wanted_layer
            {
                gates[*head] *= gate;
            }
        }
        gates.iter().any(|gate| *gate != 1.0).then_some(gates)
    }

    /// The factor of each neuron of a layer; none if all are 1.
    pub(super) fn neuron_gates(&self, wanted_layer: usize, width: usize) -> Option<Vec<f32>> {
        let mut gates = vec![1.0; width];
        for intervention in self.iter() {
            if let Intervention::NeuronGate { layer, neurons, gate } = intervention
                && *layer == wanted_layer
            {
                neurons.iter().for_each(|neuron| gates[*neuron] *= gate);
            }
        }
        gates.iter().any(|gate| *gate != 1.0).then_some(gates)
    }

    /// Whether heads of a layer are gated or given values.
    pub(super) fn change_heads(&self, wanted_layer: usize) -> bool {
        self.iter().any(|intervention| match intervention {
            Intervention::HeadGate { layer, .. } | Intervention::HeadValues { layer, .. } => {
                *layer == wanted_layer
            }
            _ => false,
        })
    }

    /// What takes the place of heads of a layer in its context, in the order given.
    pub(super) fn head_values(
        &self,
        wanted_layer: usize,
        head_size: usize,
    ) -> impl Iterator<Item = NewColumns<'_>> {
        self.iter().filter_map(move |intervention| match intervention {
            Intervention::HeadValues { layer, head, values } if *layer == wanted_layer => {
                Some(NewColumns { columns: head * head_size..(head + 1) * head_size, values })
            }
            _ => None,
        })
    }

    /// What takes the place of neurons of a layer, in the order given.
    pub(super) fn neuron_values(&self, wanted_layer: usize) -> impl Iterator<Item = NewColumns<'_>> {
        self.iter().filter_map(move |intervention| match intervention {
            Intervention::NeuronValues { layer, neurons, values } if *layer == wanted_layer => {
                Some(NewColumns { columns: neurons.clone(), values })
            }
            _ => None,
        })
    }

    /// Whether any is a change for certain tokens, by their indices: it suits the text that it was made for alone.
    pub fn name_tokens(&self) -> bool {
        self.iter().any(Intervention::names_tokens)
    }

    /// Whether `hidden[point]` is edited.
    pub(super) fn edit_hidden(&self, point: usize) -> bool {
        self.hidden_edits(point).next().is_some()
    }

    /// Edits the rows of `hidden[point]`, `[tokens, hidden]`.
    pub(super) fn apply(&self, point: usize, rows: &mut [f32]) {
        self.hidden_edits(point).for_each(|edit| edit.apply(rows));
    }

    /// Takes gradients by `hidden[point]`, `[tokens, hidden]`, back through its edits.
    pub(super) fn hand_back(&self, point: usize, rows: &mut [f32]) {
        self.hidden_edits(point).rev().for_each(|edit| edit.hand_back(rows));
    }

    /// The edits of `hidden[point]`, in the order they were given.
    fn hidden_edits(&self, wanted_point: usize) -> impl DoubleEndedIterator<Item = &HiddenEdit> {
        self.iter().filter_map(move |intervention| match intervention {
            Intervention::Hidden { point, edit } if *point == wanted_point => Some(edit),
            _ => None,
        })
    }

    /// The changes in the order they were given.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Intervention> {
        self.0.iter().flat_map(|interventions| interventions.iter())
    }
}

impl From<Vec<Intervention>> for Interventions {
    fn from(interventions: Vec<Intervention>) -> Self {
        Interventions((!interventions.is_empty()).then(|| interventions.into()))
    }
}
