//! Who is who among results, responses and datasets: keys over everything they depend on, and recipes of how
//! responses are made of results.

mod dataset;
mod hexadecimal;
pub mod key;
pub mod recipe;

pub use dataset::{DatasetHasher, DatasetId};
pub use key::{ResponseId, ResultInputs, ResultKey};
pub use recipe::{Recipe, Shape};
