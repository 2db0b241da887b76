//! A concept that is at work: what is needed to find it in a text, to push it and to take it out.

use std::collections::BTreeMap;

use super::erasure::{Eraser, Erasure};
use super::{Direction, Pooling};

/// A concept of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownConcept {
    /// What people call it.
    pub name: String,
    /// Tells those of one name apart, from 1.
    pub version: u32,
    /// Its identity in hexadecimal: a hash of its definition.
    pub id: String,
    /// Which rows it was learnt from.
    pub pooling: Pooling,
    /// The hidden state that it is found at, 0 (embeddings) to the number of layers.
    pub layer: usize,
    /// Its directions, by hidden state: at `layer`, and perhaps at others.
    pub directions: BTreeMap<usize, Direction>,
    /// What takes it out of the states at `layer`.
    pub erasers: BTreeMap<Erasure, Eraser>,
}

impl KnownConcept {
    /// Its direction at its own layer. There always is one.
    pub fn direction(&self) -> Option<&Direction> {
        self.directions.get(&self.layer)
    }

    /// The version that is meant, as it is written: `name@version`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}
