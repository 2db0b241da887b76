//! Content keys: the identity of a result is what it was computed from.

pub mod key;
