//! How much memory a pass of the network takes, known before it runs.

use super::encoder::Encoder;
use super::forward::Keep;

/// Every tensor is in single precision.
const ELEMENT: usize = size_of::<f32>();

/// Tensors as wide as the hidden state that live at one time within a layer: input, queries, keys and
/// values (as rows and by head), contexts, the attention's output and its normalisation.
const WIDE_IN_A_LAYER: usize = 12;

/// Tensors as wide as the feed-forward layer at one time: before and after the activation function, and one
/// on the way.
const NEURONS_IN_A_LAYER: usize = 3;

/// Attention maps of a layer at one time: scores and probabilities.
const MAPS_IN_A_LAYER: usize = 2;

/// What a layer leaves for the backward pass, as wide as the hidden state: its input, projections, contexts,
/// and two normalisations.
const WIDE_SAVED: usize = 7;

impl Encoder {
    /// The most bytes that a pass over sequences of these lengths holds at one time: with
    /// [`Keep::Gradients`] including its backward pass. An estimate from above, from shapes alone.
    pub fn pass_bytes(&self, sequences: &[usize], keep: Keep) -> usize {
        let config = &self.config;
        let rows: usize = sequences.iter().sum();
        let wide = rows * config.hidden_size;
        let neurons = rows * config.intermediate_size;
        let maps: usize = sequences.iter().map(|tokens| config.heads * tokens * tokens).sum();

        let running = WIDE_IN_A_LAYER * wide + NEURONS_IN_A_LAYER * neurons + MAPS_IN_A_LAYER * maps;
        let elements = match keep {
            Keep::Outputs => running,
            Keep::Trace => running + config.layers * (wide + maps),
            // Backwards, a layer's tensors are there once more, as gradients.
            Keep::Gradients => 2 * running + config.layers * (WIDE_SAVED * wide + neurons + maps),
        };
        ELEMENT * elements
    }
}
