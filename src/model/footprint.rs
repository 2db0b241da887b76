//! How much memory a pass of the network takes, known before it runs.

use super::encoder::Encoder;
use super::trace::Keep;

/// Every number is in single precision.
const ELEMENT: usize = size_of::<f32>();

/// Matrices as wide as the hidden state that live at one time within a layer: input, queries, keys and
/// values, context, the attention's output, and the layer's.
const WIDE_IN_A_LAYER: usize = 7;

/// What a layer leaves for the backward pass, as wide as the hidden state: queries, keys, values, and two
/// normalisations.
const WIDE_SAVED: usize = 5;

/// Buffers are rounded up by an eighth at most.
const ROUNDING: (usize, usize) = (9, 8);

impl Encoder {
    /// The most bytes that a pass over sequences of these lengths holds at one time, with its backward pass
    /// where it is kept for one. An estimate from above, from shapes alone: it counts every row of the last layer, so it
    /// holds for altered networks too, where all of them are computed.
    pub fn pass_bytes(&self, sequences: &[usize], keep: Keep) -> usize {
        let config = self.config();
        let rows: usize = sequences.iter().sum();
        let wide = rows * config.hidden_size;
        let neurons = rows * config.intermediate_size;
        // Rows of a map are filled up to whole vectors.
        let maps: usize =
            sequences.iter().map(|tokens| config.heads * tokens * tokens.next_multiple_of(16)).sum();

        let running = WIDE_IN_A_LAYER * wide + 2 * neurons;
        let traced = if keep.traces() { config.layers * 2 * wide } else { 0 };
        let kept_maps = if keep == Keep::Outputs { 0 } else { config.layers * maps };
        let saved = if keep.differentiates() { config.layers * (WIDE_SAVED * wide + neurons) } else { 0 };
        ELEMENT * (running + traced + kept_maps + saved) * ROUNDING.0 / ROUNDING.1
    }
}
