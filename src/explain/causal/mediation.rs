//! Natural effects through parts of the network: a part is set to what it is for the other text, and all else is left to
//! itself.

use std::ops::Range;

use super::{CHUNK, Contrast, Patch, Side};
use crate::explain::ExplainError;
use crate::model::{Activations, Intervention, Interventions, ModelConfig};

/// A part of the network that an effect may go through, for all tokens at once. Layers, heads and neurons count from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mediator {
    /// The contexts of all heads of a layer.
    Attention {
        /// The layer.
        layer: usize,
    },
    /// All neurons of a layer, after their activation function.
    FeedForward {
        /// The layer.
        layer: usize,
    },
    /// The context of one head.
    Head {
        /// The layer.
        layer: usize,
        /// The head.
        head: usize,
    },
    /// Consecutive neurons of a layer, after their activation function.
    Neurons {
        /// The layer.
        layer: usize,
        /// The neurons, at least one.
        neurons: Range<usize>,
    },
}

/// What the network says with a mediator as it is for the other text: one logit a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Mediated {
    /// Of the text, with the mediator as for the counterfactual.
    pub indirect: Vec<f32>,
    /// Of the counterfactual, with the mediator as for the text.
    pub direct: Vec<f32>,
}

/// The two sublayers of every layer: attention and feed-forward of the first, of the second, and so on.
pub fn sublayers(config: &ModelConfig) -> Vec<Mediator> {
    (0..config.layers)
        .flat_map(|layer| [Mediator::Attention { layer }, Mediator::FeedForward { layer }])
        .collect()
}

/// Every head, layer by layer.
pub fn heads(config: &ModelConfig) -> Vec<Mediator> {
    let of_layer = |layer: usize| (0..config.heads).map(move |head| Mediator::Head { layer, head });
    (0..config.layers).flat_map(of_layer).collect()
}

/// All neurons, layer by layer, in groups of so many; the last of a layer may have fewer.
pub fn neuron_groups(config: &ModelConfig, group: usize) -> Vec<Mediator> {
    let width = config.intermediate_size;
    let of_layer = |layer: usize| {
        let groups = (0..width).step_by(group).map(move |first| first..(first + group).min(width));
        groups.map(move |neurons| Mediator::Neurons { layer, neurons })
    };
    (0..config.layers).flat_map(of_layer).collect()
}

/// Passes that so many mediators take.
pub fn passes(mediators: usize) -> usize {
    2 * mediators
}

/// Bytes of the values that [`mediated`] has ready at a time to be put into passes over so many tokens.
pub fn value_bytes(mediators: &[Mediator], config: &ModelConfig, tokens: usize) -> usize {
    let of_pass = |mediator: &Mediator| mediator.width(config) * tokens * size_of::<f32>();
    let of_chunk = |chunk: &[Mediator]| passes(1) * chunk.iter().map(of_pass).sum::<usize>();
    mediators.chunks(CHUNK / passes(1)).map(of_chunk).max().unwrap_or(0)
}

/// The logits with each mediator as it is for the other text, both ways. How many passes have been run is `told` some at
/// a time. Mediators of one layer that stand together are run together.
///
/// # Errors
/// [`ExplainError::NotFinite`]; those of [`Subject::map`](crate::explain::Subject::map).
pub fn mediated(
    contrast: &Contrast<'_>,
    mediators: &[Mediator],
    told: &mut dyn FnMut(usize),
) -> Result<Vec<Mediated>, ExplainError> {
    let heads = contrast.model().config().heads;
    let patch = |mediator: &Mediator, into: Side| Patch {
        into,
        point: mediator.layer(),
        token: None,
        changes: mediator.as_in(&contrast.halves.of(into.other()).activations, heads),
    };
    let patches = mediators
        .iter()
        .flat_map(|mediator| [Side::Text, Side::Counterfactual].map(|into| patch(mediator, into)));
    let mut logits = contrast.run(patches, told)?.into_iter();
    let mut mediated = Vec::with_capacity(mediators.len());
    while let (Some(indirect), Some(direct)) = (logits.next(), logits.next()) {
        mediated.push(Mediated { indirect, direct });
    }
    Ok(mediated)
}

impl Mediator {
    fn layer(&self) -> usize {
        match self {
            Mediator::Attention { layer }
            | Mediator::FeedForward { layer }
            | Mediator::Head { layer, .. }
            | Mediator::Neurons { layer, .. } => *layer,
        }
    }

    /// How many numbers it is at one token.
    fn width(&self, config: &ModelConfig) -> usize {
        match self {
            Mediator::Attention { .. } => config.hidden_size,
            Mediator::FeedForward { .. } => config.intermediate_size,
            Mediator::Head { .. } => config.hidden_size / config.heads,
            Mediator::Neurons { neurons, .. } => neurons.len(),
        }
    }

    /// Sets it to what it is in another pass, in a network of so many heads a layer.
    fn as_in(&self, pass: &Activations, heads: usize) -> Interventions {
        let context = |layer: usize, head: usize| Intervention::HeadValues {
            layer,
            head,
            values: pass.head(layer, head, heads),
        };
        let neurons = |layer: usize, neurons: Range<usize>| Intervention::NeuronValues {
            layer,
            values: pass.neurons_of(layer, neurons.clone()),
            neurons,
        };
        let changes = match self {
            Mediator::Attention { layer } => (0..heads).map(|head| context(*layer, head)).collect(),
            Mediator::FeedForward { layer } => vec![neurons(*layer, 0..pass.neurons[*layer].width)],
            Mediator::Head { layer, head } => vec![context(*layer, *head)],
            Mediator::Neurons { layer, neurons: some } => vec![neurons(*layer, some.clone())],
        };
        changes.into()
    }
}
