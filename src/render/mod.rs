//! Explanations for the eye.

pub mod terminal;
