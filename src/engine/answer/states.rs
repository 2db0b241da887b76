//! Hidden states of a text.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::concept::Pooling;

/// Hidden states of a text, and the slopes of the logits there. Many numbers stand as one string: base64 (RFC 4648) of
/// little-endian 32-bit floats, in the order of the shape, the last index first to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "pooling": "mean", "layers": [0], "rows": 1, "width": 2, "values": "AACAPwAAAMA=", "gradients": "AAAAAAAAgD8AAIA/AAAAAA=="
}))]
pub struct StatesView {
    /// Which rows of the hidden states these are.
    pub pooling: Pooling,
    /// The hidden states, in the order asked for: 0 is the embeddings' output, l the output of the l-th layer.
    #[schema(example = json!([0]))]
    pub layers: Vec<usize>,
    /// Rows of each: 1, or one a token where they are not pooled.
    #[schema(example = 1)]
    pub rows: usize,
    /// Numbers in a row.
    #[schema(example = 2)]
    pub width: usize,
    /// The states, `[layer][row][width]`.
    #[schema(example = "AACAPwAAAMA=")]
    pub values: String,
    /// The derivative of each label's logit by a vector that is added to the rows which pooling looks at (all of them at
    /// once, where it is `mean` or `tokens`), `[label][layer][width]`; absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "AAAAAAAAgD8AAIA/AAAAAA==")]
    pub gradients: Option<String>,
}

/// Numbers as one string.
pub fn encoded(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    BASE64_STANDARD.encode(bytes)
}

/// Numbers from one string; none if it is none of ours.
pub fn decoded(text: &str) -> Option<Vec<f32>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let numbers = [1.0, -2.0, f32::MIN_POSITIVE, 0.1];
        assert_eq!(decoded(&encoded(&numbers)).as_deref(), Some(&numbers[..]));
        assert_eq!(encoded(&[1.0, -2.0]), "AACAPwAAAMA=");
        assert_eq!(decoded("AACAPwAA"), None, "half a number");
        assert_eq!(decoded("?"), None);
    }
}
