//! What answering a question about a text takes: passes of the network, seconds, bytes.

use super::pace::Pace;
use crate::explain::{Cost, Passes};
use crate::model::{Keep, Model};

/// What a text takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Tokens of the text.
    pub tokens: usize,
    /// Passes it will usually take.
    pub expected: Passes,
    /// Passes it may take.
    pub most: Passes,
    /// Bytes it holds from its forward pass to its end.
    pub held: usize,
    /// Bytes of its largest unit of work.
    pub unit: usize,
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
    /// A text of so many tokens whose own forward pass is kept so far, before any method.
    pub fn new(model: &Model, tokens: usize, keep: Keep) -> Self {
        let bytes = model.encoder().pass_bytes(&[tokens], keep);
        let held = if keep == Keep::Outputs { 0 } else { bytes };
        Demand { tokens, expected: Passes::FORWARD, most: Passes::FORWARD, held, unit: bytes }
    }

    /// Nothing: all there is to know of a text of so many tokens is known.
    pub fn nothing(tokens: usize) -> Self {
        Demand { tokens, expected: Passes::NONE, most: Passes::NONE, held: 0, unit: 0 }
    }

    /// Also a method, by its cost for the expected number of classes and for the largest.
    pub fn add(&mut self, model: &Model, expected: &Cost, most: &Cost) {
        self.expected = self.expected + expected.expected;
        self.most = self.most + most.most;
        if most.together > 0 {
            let together = vec![self.tokens; most.together];
            self.unit = self.unit.max(model.encoder().pass_bytes(&together, Keep::OutputGradients));
        }
    }

    /// What it asks of the house.
    pub fn need(&self, pace: &Pace) -> Need {
        let seconds = pace.seconds(self.expected, self.tokens);
        Need { seconds, held: self.held, unit: self.unit }
    }

    /// Seconds until the answer, on an idle machine: the text's own forward pass comes first, what follows
    /// is spread over all threads.
    pub fn seconds_alone(&self, pace: &Pace, threads: usize) -> f64 {
        let first = Passes { forwards: self.expected.forwards.min(1), backwards: 0 };
        let alone = pace.seconds(first, self.tokens);
        alone + (pace.seconds(self.expected, self.tokens) - alone) / threads as f64
    }

    /// Bytes at its peak, with all threads at work on it.
    pub fn bytes(&self, threads: usize) -> usize {
        self.held + threads * self.unit
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

    #[test]
    fn tokens_are_guessed_without_a_vocabulary() {
        let guess = |texts: &[&str]| probable_tokens(texts.iter().copied(), 512);
        assert!((8..=14).contains(&guess(&["A gripping film, though it drags a little."])));
        assert_eq!(guess(&["好看的电影"]), 7);
        assert!(guess(&["A film.", "Another film."]) > guess(&["A film."]));
        assert_eq!(guess(&["film ".repeat(10_000).as_str()]), 512);
    }

    #[test]
    fn what_follows_the_first_pass_is_spread_over_the_threads() {
        let pace = Pace::of(1e-3);
        let demand = Demand { expected: Passes::new(5, 2), ..Demand::nothing(10) };
        assert!((demand.seconds_alone(&pace, 1) - 0.09).abs() < 1e-9);
        assert!((demand.seconds_alone(&pace, 4) - 0.03).abs() < 1e-9);
        assert_eq!(Demand::nothing(10).seconds_alone(&pace, 4), 0.0);
    }
}
