//! A text seen through windows: runs of its tokens that overlap, each of which the model takes, and what they say
//! together.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{EncodeError, EncodedText, Matrix, Model, Text};

/// The most windows of a text.
pub const MOST_WINDOWS: usize = 64;

/// The most tokens of a text in windows: some methods take the square of its parts in memory.
pub const MOST_TOKENS: usize = 4096;

/// The least tokens of a window, special ones included.
pub const SMALLEST_WINDOW: usize = 8;

/// How the logits of windows become those of the text: `mean_logits` (their mean) or `max` (class by class, the
/// largest).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CombineWindows, example = "mean_logits")]
pub enum Combine {
    /// Their mean.
    #[default]
    MeanLogits,
    /// Class by class, the largest.
    Max,
}

/// Windows over a text, checked against the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Windows {
    /// Tokens of a window, special ones included: from [`SMALLEST_WINDOW`] to what the model takes.
    pub size: usize,
    /// Tokens that neighbours share: fewer than a window has of the text.
    pub overlap: usize,
    /// How their logits become those of the text.
    pub combine: Combine,
}

/// The rows of a text that one window has, special tokens included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    front: Range<usize>,
    run: Range<usize>,
    back: Range<usize>,
}

impl Windows {
    /// Tokenises a text whole, however long it is.
    ///
    /// # Errors
    /// A pair, more than [`MOST_WINDOWS`] windows or [`MOST_TOKENS`] tokens, and what else [`EncodeError`] has but a
    /// text that is too long for one pass.
    pub fn encode(&self, model: &Model, text: Text<'_>) -> Result<EncodedText, EncodeError> {
        if text.second.is_some() {
            return Err(EncodeError::PairInWindows);
        }
        let text = model.encode_whole(text)?;
        let (tokens, windows) = (text.tokens.len(), self.over(&text).len());
        if windows > MOST_WINDOWS {
            return Err(EncodeError::TooManyWindows { windows, most: MOST_WINDOWS });
        }
        match tokens > MOST_TOKENS {
            true => Err(EncodeError::TooLongInWindows { tokens, most: MOST_TOKENS }),
            false => Ok(text),
        }
    }

    /// The windows over a single text, in order: those that a tokenizer of Hugging Face makes with
    /// `max_length = size`, `stride = overlap` and `return_overflowing_tokens`.
    pub fn over(&self, text: &EncodedText) -> Vec<Window> {
        let tokens = text.tokens.len();
        let is_special = |index: &usize| text.tokens[*index].special;
        let front = (0..tokens).take_while(is_special).count();
        let back = tokens - (front..tokens).rev().take_while(is_special).count();
        let window = |run: Range<usize>| Window {
            front: 0..front,
            run: front + run.start..front + run.end,
            back: back..tokens,
        };
        self.runs(back - front, front + tokens - back).map(window).collect()
    }

    /// How many windows a text of so many tokens has, of which some are special.
    pub fn count(&self, tokens: usize, special: usize) -> usize {
        self.runs(tokens.saturating_sub(special), special).count()
    }

    /// The most tokens of a text, of which some are special.
    pub fn most_tokens(&self, special: usize) -> usize {
        (self.size + (MOST_WINDOWS - 1) * self.step(special)).min(MOST_TOKENS)
    }

    /// In one form: equal windows, equal strings.
    pub fn canonical(&self) -> String {
        // Fields serialise in the order they are declared.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn runs(&self, tokens: usize, special: usize) -> impl Iterator<Item = Range<usize>> {
        let (capacity, step) = (self.size.saturating_sub(special).max(1), self.step(special));
        let count = 1 + tokens.saturating_sub(capacity).div_ceil(step);
        (0..count).map(move |index| index * step..(index * step + capacity).min(tokens))
    }

    /// Tokens from the start of a window to that of the next.
    fn step(&self, special: usize) -> usize {
        self.size.saturating_sub(special + self.overlap).max(1)
    }
}

impl Window {
    /// All rows of a text of so many tokens.
    pub fn whole(tokens: usize) -> Self {
        Window { front: 0..0, run: 0..tokens, back: tokens..tokens }
    }

    /// Its rows of the text, ascending, in runs that may be empty.
    pub fn runs(&self) -> [Range<usize>; 3] {
        [self.front.clone(), self.run.clone(), self.back.clone()]
    }

    /// Adds rows of this window to those of the text: `[tokens, width]`.
    pub fn add_rows(&self, sums: &mut Matrix, of_window: &Matrix) {
        let width = sums.width;
        for (row, values) in self.rows().zip(of_window.iter()) {
            let place = &mut sums.values[row * width..][..width];
            place.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }

    /// Its rows of the text, ascending.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        self.runs().into_iter().flatten()
    }

    /// Its tokens that are not special, by their indices; of a whole text, all tokens.
    pub fn content(&self) -> Range<usize> {
        self.run.clone()
    }

    /// Number of its tokens, special ones included.
    pub fn tokens(&self) -> usize {
        self.front.len() + self.run.len() + self.back.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn windows(size: usize, overlap: usize) -> Windows {
        Windows { size, overlap, combine: Combine::default() }
    }

    #[test]
    fn windows_go_on_until_the_last_token_is_covered() {
        let runs = |tokens| -> Vec<(usize, usize)> {
            windows(8, 2).runs(tokens, 2).map(|run| (run.start, run.end)).collect()
        };
        assert_eq!(runs(6), [(0, 6)]);
        assert_eq!(runs(7), [(0, 6), (4, 7)]);
        assert_eq!(runs(10), [(0, 6), (4, 10)]);
        assert_eq!(runs(11), [(0, 6), (4, 10), (8, 11)]);
    }

    proptest! {
        #[test]
        fn every_token_is_in_a_window_and_neighbours_share_the_overlap(
            tokens in 1usize..300, size in 8usize..40, overlap in 0usize..6,
        ) {
            let windows = windows(size, overlap);
            let runs: Vec<_> = windows.runs(tokens, 2).collect();
            prop_assert_eq!((runs[0].start, runs[runs.len() - 1].end), (0, tokens));
            prop_assert!(runs.iter().all(|run| !run.is_empty() && run.len() <= size - 2));
            for pair in runs.windows(2) {
                prop_assert_eq!(pair[0].end - pair[1].start, overlap);
                prop_assert_eq!(pair[0].len(), size - 2);
                prop_assert!(pair[1].end > pair[0].end);
            }
            prop_assert_eq!(windows.count(tokens + 2, 2), runs.len());
            prop_assert_eq!(tokens + 2 <= windows.most_tokens(2), runs.len() <= MOST_WINDOWS);
        }
    }
}
