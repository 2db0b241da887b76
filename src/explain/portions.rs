//! How much runs together: enough to be worth fetching the weights from memory, and little enough that every worker has
//! some.

/// Sequences of one unit of work.
pub const SEQUENCES_TOGETHER: usize = 8;

/// Rows that those have together, where it is more than one.
pub const ROWS_TOGETHER: usize = 256;

/// Sequences of so many tokens that run together; at least one.
pub fn sequences_together(tokens: usize) -> usize {
    (ROWS_TOGETHER / tokens.max(1)).clamp(1, SEQUENCES_TOGETHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_run_together_and_a_long_one_alone() {
        let together = [1, 32, 33, 128, 129, 512].map(sequences_together);
        assert_eq!(together, [8, 8, 7, 2, 1, 1]);
    }
}
