//! Who is who among results and responses: keys over everything they depend on, and recipes of how
//! responses are made of results.

pub mod key;
pub mod recipe;

pub use key::{ResponseId, ResultInputs, ResultKey};
pub use recipe::{Recipe, Shape};
