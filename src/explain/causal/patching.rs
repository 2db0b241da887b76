//! Activation patching: one row of one hidden state of the text is set to that of its counterfactual.

use super::{Contrast, Patch, Side};
use crate::explain::ExplainError;
use crate::model::Interventions;

/// Passes that it takes at most, for so many layers and tokens: of the last hidden state, the first token's row alone is
/// read.
pub fn most_passes(layers: usize, tokens: usize) -> usize {
    layers * tokens + 1
}

/// Passes that it usually takes: of the embeddings' output, few rows differ.
pub fn expected_passes(layers: usize, tokens: usize) -> usize {
    (layers - 1) * tokens + 2
}

/// The logits of the text with the row of each hidden state (0 is the embeddings' output) and token as for the
/// counterfactual: `[hidden state][token][label]`. Where a row is the same in both texts, or is read by nobody, they are the
/// text's own, without a pass. How many passes have been run is `told` some at a time.
///
/// # Errors
/// [`ExplainError::NotFinite`]; those of [`Subject::map`](crate::explain::Subject::map).
pub fn patched(
    contrast: &Contrast<'_>,
    told: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Vec<f32>>>, ExplainError> {
    let (last, tokens) = (contrast.model().config().layers, contrast.subject.tokens());
    let [text, counterfactual] =
        [Side::Text, Side::Counterfactual].map(|side| &contrast.halves.of(side).activations.hidden);
    let matters = |(point, token): &(usize, usize)| {
        let is_read = *point < last || *token == 0;
        is_read && text[*point].row(*token) != counterfactual[*point].row(*token)
    };
    let places = || (0..=last).flat_map(|point| (0..tokens).map(move |token| (point, token)));
    let patches = places().filter(matters).map(|(point, token)| Patch {
        into: Side::Text,
        point,
        token: Some(token),
        changes: Interventions::none(),
    });
    let mut logits = contrast.run(patches, told)?.into_iter();
    let own = contrast.logits(Side::Text);
    let mut map = vec![vec![own.to_vec(); tokens]; last + 1];
    for ((point, token), logits) in places().filter(matters).zip(&mut logits) {
        map[point][token] = logits;
    }
    Ok(map)
}
