//! Many variants of a text through the network, a portion at a time.

use crate::explain::subject::check_finite;
use crate::explain::{ExplainError, Subject};
use crate::model::{Batch, Prediction};

/// Variants that are run before it is told how far one is.
const VARIANTS: usize = 64;

/// Bytes that those take at most, where it is more than one.
pub(super) const BYTES: usize = 16 << 20;

/// How many of these variants, by their bytes, are run next; at least one.
pub(super) fn portion(bytes: impl Iterator<Item = usize>) -> usize {
    let mut sum = 0;
    let within = |size: &usize| {
        sum += size;
        sum <= BYTES
    };
    bytes.take(VARIANTS).take_while(within).count().max(1)
}

/// What the model says of each batch, of one sequence each.
///
/// # Errors
/// [`ExplainError::NotFinite`], and as [`Subject::logits`].
pub(super) fn predictions(subject: &Subject, batches: Vec<Batch>) -> Result<Vec<Prediction>, ExplainError> {
    let logits = subject.logits(batches)?;
    check_finite(&logits)?;
    let config = subject.model().config();
    Ok(logits.into_iter().map(|logits| Prediction::new(config, logits)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_is_bounded_in_number_and_in_bytes_and_never_empty() {
        assert_eq!(portion([1; 100].into_iter()), VARIANTS);
        assert_eq!(portion([BYTES / 2; 5].into_iter()), 2);
        assert_eq!(portion([2 * BYTES; 5].into_iter()), 1);
        assert_eq!(portion([1; 3].into_iter()), 3);
    }
}
