//! Changes to the inside of the network at named points, applied to one sequence of a batch.
//!
//! Every one of them passes gradients on correctly: explaining an altered network is as exact as
//! explaining the network itself.

/// One change at one point of the network.
#[derive(Debug, Clone)]
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
    /// `hidden[point]` is edited before anything reads it.
    Hidden {
        /// 0 is the embeddings' output, l the output of the l-th layer.
        point: usize,
        /// What happens to it.
        edit: HiddenEdit,
    },
}

/// What can be done to a hidden state.
#[derive(Debug, Clone)]
pub enum HiddenEdit {
    /// A vector `[hidden]` is added to every row.
    Add(Vec<f32>),
    /// The row of one token becomes this vector `[hidden]`.
    Replace {
        /// Index of the token.
        token: usize,
        /// Its new row.
        value: Vec<f32>,
    },
    /// The component along a **unit** vector `[hidden]` is taken out of every row: h − v vᵀh.
    Project(Vec<f32>),
}

/// The changes to the network for one sequence, in the order they act.
#[derive(Debug, Clone, Default)]
pub struct Interventions(Vec<Intervention>);

impl Interventions {
    /// The network as it is.
    pub fn none() -> Self {
        Interventions::default()
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For each of `tokens` tokens, whether it is hidden from attention; none if all are seen.
    pub(super) fn hidden_keys(&self, tokens: usize) -> Option<Vec<bool>> {
        if self.is_empty() {
            return None;
        }
        let mut hidden = vec![false; tokens];
        for intervention in &self.0 {
            if let Intervention::TokenMask { tokens } = intervention {
                tokens.iter().for_each(|token| hidden[*token] = true);
            }
        }
        hidden.contains(&true).then_some(hidden)
    }

    /// The factor of each head of a layer; none if all are 1.
    pub(super) fn head_gates(&self, wanted_layer: usize, heads: usize) -> Option<Vec<f32>> {
        let mut gates = vec![1.0; heads];
        for intervention in &self.0 {
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
        for intervention in &self.0 {
            if let Intervention::NeuronGate { layer, neurons, gate } = intervention
                && *layer == wanted_layer
            {
                neurons.iter().for_each(|neuron| gates[*neuron] *= gate);
            }
        }
        gates.iter().any(|gate| *gate != 1.0).then_some(gates)
    }

    /// The edits of `hidden[point]`, in the order they were given.
    pub(super) fn hidden_edits(&self, wanted_point: usize) -> impl DoubleEndedIterator<Item = &HiddenEdit> {
        self.0.iter().filter_map(move |intervention| match intervention {
            Intervention::Hidden { point, edit } if *point == wanted_point => Some(edit),
            _ => None,
        })
    }

    /// The changes in the order they were given.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Intervention> {
        self.0.iter()
    }
}

impl From<Vec<Intervention>> for Interventions {
    fn from(interventions: Vec<Intervention>) -> Self {
        Interventions(interventions)
    }
}
