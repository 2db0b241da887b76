//! Changes to the inside of the network at named points, applied to one sequence of a batch.
//!
//! Every one of them passes gradients on correctly: explaining an altered network is as exact as
//! explaining the network itself.

use std::sync::Arc;

use candle_core::Result;

use super::config::ModelConfig;

/// The most vectors that an affine edit reads along.
pub const MOST_EDIT_RANK: usize = 64;

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
    /// What some vectors read in a row is taken out of it along others: h − Σ_k write_k ⟨read_k, h − centre⟩, for
    /// every row h.
    Affine {
        /// `[rank, hidden]`, of 1 to [`MOST_EDIT_RANK`] vectors.
        read: Vec<Vec<f32>>,
        /// As many: `[rank, hidden]`.
        write: Vec<Vec<f32>>,
        /// `[hidden]`
        centre: Vec<f32>,
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
            Intervention::TokenMask { .. } | Intervention::Hidden { edit: HiddenEdit::Replace { .. }, .. }
        )
    }
}

impl HiddenEdit {
    fn check(&self, hidden: usize) -> Result<()> {
        if let HiddenEdit::Affine { read, write, .. } = self
            && (read.len() != write.len() || !(1..=MOST_EDIT_RANK).contains(&read.len()))
        {
            candle_core::bail!(
                "an affine edit reads along {} vectors and writes along {}, expected as many of both, from 1 to {MOST_EDIT_RANK}",
                read.len(),
                write.len()
            );
        }
        match self.vectors().into_iter().find(|vector| vector.len() != hidden) {
            None => Ok(()),
            Some(vector) => {
                candle_core::bail!("a hidden-state edit has {} values, expected {hidden}", vector.len())
            }
        }
    }

    fn vectors(&self) -> Vec<&Vec<f32>> {
        match self {
            HiddenEdit::Add(vector) | HiddenEdit::Project(vector) => vec![vector],
            HiddenEdit::Replace { value, .. } => vec![value],
            HiddenEdit::Affine { read, write, centre } => {
                read.iter().chain(write).chain(std::iter::once(centre)).collect()
            }
        }
    }

    /// Edits the rows of a sequence, `[tokens, hidden]`.
    fn apply(&self, rows: &mut [f32]) {
        match self {
            HiddenEdit::Add(vector) => {
                let add = |row: &mut [f32]| row.iter_mut().zip(vector).for_each(|(v, a)| *v += a);
                rows.chunks_exact_mut(vector.len()).for_each(add);
            }
            HiddenEdit::Replace { token, value } => {
                rows[token * value.len()..][..value.len()].copy_from_slice(value);
            }
            HiddenEdit::Project(direction) => {
                let direction = std::slice::from_ref(direction);
                take_out(rows, direction, direction, None);
            }
            HiddenEdit::Affine { read, write, centre } => take_out(rows, read, write, Some(centre)),
        }
    }

    /// The way back: gradients by the edited rows become those by the rows as they were.
    fn hand_back(&self, rows: &mut [f32]) {
        match self {
            HiddenEdit::Add(_) => {}
            HiddenEdit::Replace { token, value } => rows[token * value.len()..][..value.len()].fill(0.0),
            // Symmetric, so its own transpose.
            HiddenEdit::Project(direction) => {
                let direction = std::slice::from_ref(direction);
                take_out(rows, direction, direction, None);
            }
            HiddenEdit::Affine { read, write, .. } => take_out(rows, write, read, None),
        }
    }
}

/// Every row h becomes h − Σ_k along_k ⟨read_k, h − centre⟩, in double precision and rounded once.
fn take_out(rows: &mut [f32], read: &[Vec<f32>], along: &[Vec<f32>], centre: Option<&Vec<f32>>) {
    let Some(width) = read.first().map(Vec::len) else { return };
    let (mut centred, mut taken) = (vec![0.0f64; width], vec![0.0f64; width]);
    for row in rows.chunks_exact_mut(width) {
        centred.iter_mut().zip(row.iter()).for_each(|(to, value)| *to = f64::from(*value));
        if let Some(centre) = centre {
            centred.iter_mut().zip(centre).for_each(|(to, value)| *to -= f64::from(*value));
        }
        taken.fill(0.0);
        for (read, along) in read.iter().zip(along) {
            let found: f64 = centred.iter().zip(read).map(|(value, entry)| value * f64::from(*entry)).sum();
            taken.iter_mut().zip(along).for_each(|(sum, entry)| *sum += found * f64::from(*entry));
        }
        row.iter_mut().zip(&taken).for_each(|(value, taken)| *value = (f64::from(*value) - taken) as f32);
    }
}

/// The changes to the network for one sequence, in the order they act. A clone is cheap.
#[derive(Debug, Clone, Default)]
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
