//! Who is who among results, responses, datasets and concepts: keys over everything they depend on, and recipes of
//! how responses are made of results.

mod concept;
mod dataset;
mod hexadecimal;
pub mod key;
pub mod recipe;

pub use concept::ConceptId;
pub use dataset::{DatasetHasher, DatasetId};
pub use key::{ResponseId, ResultInputs, ResultKey};
pub use recipe::{Recipe, Shape};
