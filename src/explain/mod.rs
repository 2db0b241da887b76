//! The methods: plain synchronous functions over a model. No async, no HTTP, no SQL, no threads: what is
//! heavy goes to a [`Crew`].
//!
//! A new method is one file in its family and one line in [`registry`].

#[cfg(test)]
mod altered_tests;
mod alternatives;
pub mod attention;
pub mod attribution;
pub mod cancellation;
pub mod causal;
pub mod chance;
pub mod concept;
pub mod cost;
pub mod counterfactual;
pub mod crew;
pub mod edited;
pub mod faithfulness;
pub mod family;
pub mod granularity;
pub mod layout;
pub mod method;
pub mod output;
pub mod portions;
pub mod registry;
pub mod rewriting;
pub mod schema;
pub mod subject;
pub mod windows;

pub use cancellation::Cancellation;
pub use cost::{Cost, Passes};
pub use crew::Crew;
pub use method::{Attribution, Configured, Convergence, ExplainError, Family, Method, OptionFault};
pub use output::Output;
pub use subject::Subject;
pub use windows::{Combine, Windows};
