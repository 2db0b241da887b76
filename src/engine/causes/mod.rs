//! What is asked of one text about causes: what would have to change, and what inside the model did it.

mod combinations;
pub mod counterfactuals;
mod edits;
mod followed;
pub mod grid;
pub mod mediation;
pub mod outcome;
#[cfg(test)]
mod tests;
mod together;
mod variants;
pub mod what_if;

pub use edits::{Edit, Head};
