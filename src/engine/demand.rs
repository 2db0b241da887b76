//! What answering a question about a text takes: passes of the network, seconds, bytes.

use super::pace::Pace;
use super::plan::ExplainPlan;
use crate::explain::attribution::gradient::evaluation::points_together;
use crate::explain::faithfulness;
use crate::explain::windows::MOST_WINDOWS;
use crate::explain::{Cost, Passes, Windows};
use crate::model::{Keep, Model};

/// What a text takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// How long the text is.
    pub extent: Extent,
    /// Passes it will usually take.
    pub expected: Passes,
    /// Passes it may take.
    pub most: Passes,
    /// Bytes it holds from its forward pass to its end.
    pub held: usize,
    /// Bytes of its largest unit of work.
    pub unit: usize,
}

/// How long a text is, and how much of it one pass runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Tokens of the text.
    pub tokens: usize,
    /// Windows that it is seen through; one for a text that is read whole.
    pub windows: usize,
    /// Tokens of the longest window, or of the longest text that it becomes.
    pub longest: usize,
}

/// What a request asks of the house at one time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Need {
    /// Seconds of one thread.
    pub seconds: f64,
    /// Bytes held.
    pub held: usize,
    /// Bytes of the largest unit.
    pub unit: usize,
}

impl Demand {
    /// A text whose own forward pass is kept so far, before any method.
    pub fn new(model: &Model, extent: Extent, keep: Keep) -> Self {
        let bytes = model.encoder().pass_bytes(&[extent.longest], keep);
        // Of many windows nothing is held: they run again when a gradient is wanted.
        let (held, runs) = match (keep, extent.windows) {
            (Keep::Outputs, _) => (0, 1),
            (_, 1) => (bytes, 1),
            _ => (0, 2),
        };
        let passes = Passes::FORWARD * (runs * extent.windows) as u64;
        Demand { extent, expected: passes, most: passes, held, unit: bytes }
    }

    /// Nothing: all there is to know of a text is known.
    pub fn nothing(extent: Extent) -> Self {
        Demand { extent, expected: Passes::NONE, most: Passes::NONE, held: 0, unit: 0 }
    }

    /// Also a method, by its cost for the expected number of classes and for the largest.
    pub fn add(&mut self, model: &Model, expected: &Cost, most: &Cost) {
        let Extent { windows, longest, .. } = self.extent;
        self.expected = self.expected + expected.expected * windows as u64;
        self.most = self.most + most.most * windows as u64;
        let mut together = most.together;
        if windows > 1 && together > 0 {
            // Where the way back depends on all windows, they run forward once more before it.
            let again = most.most.forwards.min(most.most.backwards) * windows as u64;
            self.most = self.most + Passes { forwards: again, backwards: 0 };
            together = together.max(points_together(longest));
        }
        if together > 0 {
            let together = vec![longest; together];
            self.unit = self.unit.max(model.encoder().pass_bytes(&together, Keep::OutputGradients));
        }
    }

    /// Also the explanations of a method of a plan, by its place there.
    pub fn add_method(&mut self, plan: &ExplainPlan, index: usize) {
        let (expected, most) = plan.target.counts(plan.model.config());
        let cost = |classes: usize| plan.methods[index].cost(self.extent.tokens, classes);
        let (expected, most) = (cost(expected), cost(most));
        self.add(&plan.model, &expected, &most);
    }

    /// Also the figures of how far these can be trusted.
    pub fn add_quality(&mut self, plan: &ExplainPlan, index: usize) {
        let Some(depth) = plan.quality else { return };
        let (configured, model) = (plan.methods[index].as_ref(), &plan.model);
        let (expected, most) = plan.target.counts(model.config());
        let tokens = self.extent.tokens;
        let cost = |classes: usize| faithfulness::cost(depth, configured, model, tokens, classes);
        let (expected, most) = (cost(expected), cost(most));
        self.add(model, &expected, &most);
    }

    /// Also another forward pass that is kept so far beside the text's own.
    pub fn hold_another(&mut self, model: &Model, keep: Keep) {
        let Extent { windows, longest, .. } = self.extent;
        if keep != Keep::Outputs && windows == 1 {
            self.held += model.encoder().pass_bytes(&[longest], keep);
        }
    }

    /// What it asks of the house.
    pub fn need(&self, pace: &Pace) -> Need {
        let seconds = pace.seconds(self.expected, self.extent.longest);
        Need { seconds, held: self.held, unit: self.unit }
    }

    /// Seconds until the answer, on an idle machine: the text's own forward pass comes first, what follows
    /// is spread over all threads.
    pub fn seconds_alone(&self, pace: &Pace, threads: usize) -> f64 {
        let first = Passes { forwards: self.expected.forwards.min(1), backwards: 0 };
        let alone = pace.seconds(first, self.extent.longest);
        alone + (pace.seconds(self.expected, self.extent.longest) - alone) / threads as f64
    }

    /// Bytes at its peak, with all threads at work on it.
    pub fn bytes(&self, threads: usize) -> usize {
        self.held + threads * self.unit
    }
}

impl Extent {
    /// A text of so many tokens that is read whole.
    pub fn whole(tokens: usize) -> Self {
        Extent { tokens, windows: 1, longest: tokens }
    }

    /// A text of so many tokens in windows, of which some are special.
    pub fn in_windows(tokens: usize, special: usize, windows: &Windows) -> Self {
        let count = windows.count(tokens, special).min(MOST_WINDOWS);
        Extent { tokens, windows: count, longest: windows.size.min(tokens) }
    }
}

/// Tokens that a text probably has, without a look into the vocabulary: four letters to a token in scripts
/// that are written so, a token a character in others, and the special ones.
pub fn probable_tokens<'a>(texts: impl Iterator<Item = &'a str>, most: usize) -> usize {
    let of = |text: &str| {
        // One byte in four begins an ASCII token; of others, every character does.
        let ascii = text.bytes().filter(u8::is_ascii).count();
        ascii.div_ceil(4) + text.chars().filter(|character| !character.is_ascii()).count() + 1
    };
    (1 + texts.map(of).sum::<usize>()).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Combine;

    #[test]
    fn tokens_are_guessed_without_a_vocabulary() {
        let guess = |texts: &[&str]| probable_tokens(texts.iter().copied(), 512);
        assert!((8..=14).contains(&guess(&["A gripping film, though it drags a little."])));
        assert_eq!(guess(&["好看的电影"]), 7);
        assert!(guess(&["A film.", "Another film."]) > guess(&["A film."]));
        assert_eq!(guess(&["film ".repeat(10_000).as_str()]), 512);
    }

    #[test]
    fn a_text_in_windows_is_as_long_as_its_longest_and_never_of_more_than_are_taken() {
        let windows = Windows { size: 32, overlap: 10, combine: Combine::default() };
        let extent = |tokens| Extent::in_windows(tokens, 2, &windows);
        assert_eq!(extent(12), Extent { tokens: 12, windows: 1, longest: 12 });
        assert_eq!(extent(52), Extent { tokens: 52, windows: 2, longest: 32 });
        assert_eq!(extent(1_000_000).windows, MOST_WINDOWS);
    }

    #[test]
    fn what_follows_the_first_pass_is_spread_over_the_threads() {
        let pace = Pace::of(1e-3);
        let nothing = Demand::nothing(Extent::whole(10));
        let demand = Demand { expected: Passes::new(5, 2), ..nothing };
        assert!((demand.seconds_alone(&pace, 1) - 0.09).abs() < 1e-9);
        assert!((demand.seconds_alone(&pace, 4) - 0.03).abs() < 1e-9);
        assert_eq!(nothing.seconds_alone(&pace, 4), 0.0);
    }
}
