//! `/v1/counterfactuals`, `/v1/interventions`: what would have to change, and what inside the network did it.

pub mod counterfactuals;
mod edits;
pub mod grid;
pub mod mediation;
pub mod what_if;
