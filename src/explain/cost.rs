//! What a method costs, in passes of the network over the text that it explains.

use std::ops::{Add, Mul};

/// Passes over all tokens of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passes {
    /// From embeddings to logits.
    pub forwards: u64,
    /// From logits back to embeddings.
    pub backwards: u64,
}

/// What a method will take, beyond the text's own forward pass, which all methods of a request share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// What it usually takes.
    pub expected: Passes,
    /// What it takes at worst.
    pub most: Passes,
    /// Copies of the text that one unit of work runs together, with what a way back from the logits needs: they
    /// are in memory at one time.
    pub together: usize,
}

impl Passes {
    /// Nothing to run.
    pub const NONE: Passes = Passes { forwards: 0, backwards: 0 };

    /// One forward pass.
    pub const FORWARD: Passes = Passes { forwards: 1, backwards: 0 };

    /// So many forward passes, and so many backward.
    pub fn new(forwards: usize, backwards: usize) -> Self {
        Passes { forwards: forwards as u64, backwards: backwards as u64 }
    }
}

impl Add for Passes {
    type Output = Passes;

    fn add(self, other: Passes) -> Passes {
        Passes { forwards: self.forwards + other.forwards, backwards: self.backwards + other.backwards }
    }
}

impl Mul<u64> for Passes {
    type Output = Passes;

    fn mul(self, times: u64) -> Passes {
        Passes { forwards: self.forwards * times, backwards: self.backwards * times }
    }
}

impl Cost {
    /// A method that reads what the text's own forward pass leaves, and runs nothing.
    pub const NOTHING: Cost = Cost { expected: Passes::NONE, most: Passes::NONE, together: 0 };

    /// A method that always takes the same.
    pub fn exactly(passes: Passes, together: usize) -> Self {
        Cost { expected: passes, most: passes, together }
    }
}
