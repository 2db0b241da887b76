//! Directions that nobody has named: parts that states are sums of (NMF), or groups that they fall into (k-means).
//!
//! Both go over the rows again and again, in pieces that are the same whatever crew does the work: so are the sums.

mod kmeans;
mod nmf;
mod passes;
mod seeds;
mod start;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ConceptError;
use crate::explain::crew::Crew;
use crate::explain::method::OptionFault;
use crate::model::Matrix;

/// How directions are found: `nmf`, parts that every state is a sum of, none of them less than nothing; `kmeans`, groups of
/// states that lie near each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "nmf")]
pub enum Discovery {
    /// Non-negative matrix factorisation: a state is about a sum of directions, each taken 0 times or more.
    #[default]
    Nmf,
    /// k-means: directions lead from the mean of all states to the mean of a group.
    #[serde(rename = "kmeans")]
    KMeans,
}

impl Discovery {
    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Discovery::Nmf => "nmf",
            Discovery::KMeans => "kmeans",
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seeking {
    /// How.
    pub method: Discovery,
    /// How many directions, 2 to 50.
    pub components: usize,
    /// Fixes what chance decides: where the search starts.
    pub seed: u64,
    /// The most times that all directions are improved, 1 to 1000.
    pub iterations: usize,
    /// The search ends once an iteration lowers the loss by no more than this share of it, 0 to 0.1.
    pub tolerance: f64,
}

/// The least and most directions that are looked for.
pub const COMPONENTS: (usize, usize) = (2, 50);

/// The most iterations that can be asked for.
pub const MOST_ITERATIONS: usize = 1000;

/// The greatest tolerance that can be asked for.
pub const GREATEST_TOLERANCE: f64 = 0.1;

impl Seeking {
    /// So many directions, in 200 iterations at most or until the loss falls by less than a hundred-thousandth.
    pub fn new(method: Discovery, components: usize, seed: u64) -> Self {
        Seeking { method, components, seed, iterations: 200, tolerance: 1e-5 }
    }

    /// Refuses what is out of range.
    ///
    /// # Errors
    /// The first of `components`, `iterations` and `tolerance` that is, and what would be right.
    pub fn check(&self) -> Result<(), OptionFault> {
        let (least, most) = COMPONENTS;
        let fault = |option: &str, given: String, right: String| {
            Err(OptionFault::new(option, format!("{given} is out of range; give {right}")))
        };
        if !(least..=most).contains(&self.components) {
            return fault("components", self.components.to_string(), format!("{least} to {most}"));
        }
        if !(1..=MOST_ITERATIONS).contains(&self.iterations) {
            return fault("iterations", self.iterations.to_string(), format!("1 to {MOST_ITERATIONS}"));
        }
        // Also false for what is not a number.
        if !(0.0..=GREATEST_TOLERANCE).contains(&self.tolerance) {
            return fault("tolerance", self.tolerance.to_string(), format!("0 to {GREATEST_TOLERANCE}"));
        }
        Ok(())
    }
}

/// Directions that were found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The directions, the largest first: by Σ activations² (NMF) or by the rows of their group (k-means). Fewer than were
    /// asked for where some came to nothing: parts that no row has or that cancel out, groups without rows or at the mean
    /// of all.
    pub components: Vec<Component>,
    /// The sum of the squares of what is left of the rows: what the parts do not add up to (NMF, of both signs' halves), or
    /// the distances from the groups' means (k-means).
    pub loss: f64,
    /// The share that is not left, 0 to 1: of Σ ‖row‖² (NMF) or of Σ ‖row − mean of all rows‖² (k-means).
    pub explained: f64,
    /// How often all directions were improved.
    pub iterations: usize,
    /// Whether the search ended because there was no more to gain, and not for want of iterations.
    pub converged: bool,
}

/// One direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// A unit vector, `[hidden]`.
    pub vector: Vec<f32>,
    /// How much of it is in each row, `[rows]`. NMF: how often the row takes it, 0 or more; a row is about the sum of all
    /// directions times its activations. k-means: ⟨row − mean of all rows, vector⟩.
    pub activations: Vec<f32>,
    /// Rows that belong to it: those whose largest activation it has (NMF; rows without any belong to none), or its group
    /// (k-means).
    pub size: usize,
}

/// Looks for directions in states, a row each. The same rows give the same bits on any crew; in another order they give the
/// same parts but for rounding (NMF), or other starts and so perhaps other groups (k-means).
///
/// # Errors
/// [`ConceptError::TooFew`] where there are fewer rows than directions; [`ConceptError::NotFinite`];
/// [`ConceptError::Singular`] where all rows are the same (k-means) or zero (NMF); [`ConceptError::CalledOff`].
pub fn discover(rows: &Arc<Matrix>, seeking: &Seeking, crew: &dyn Crew) -> Result<Found, ConceptError> {
    if rows.rows() < seeking.components {
        let (count, needed) = (rows.rows(), seeking.components);
        return Err(ConceptError::TooFew { side: "there are only", count, needed });
    }
    if rows.values.iter().any(|value| !value.is_finite()) {
        return Err(ConceptError::NotFinite);
    }
    let found = match seeking.method {
        Discovery::Nmf => nmf::discover(rows, seeking, crew)?,
        Discovery::KMeans => kmeans::discover(rows, seeking, crew)?,
    };
    if found.components.is_empty() {
        return Err(ConceptError::Singular);
    }
    // States near the end of single precision have activations beyond it.
    let activations = found.components.iter().flat_map(|component| &component.activations);
    match activations.into_iter().all(|activation| activation.is_finite()) {
        true => Ok(found),
        false => Err(ConceptError::NotFinite),
    }
}

/// What [`discover`] takes at worst, with every iteration run, in floating-point operations: those of its matrix products,
/// beside which the rest is small. Usually the search converges in a fraction of the iterations.
pub fn work(rows: usize, hidden: usize, seeking: &Seeking) -> f64 {
    match seeking.method {
        Discovery::Nmf => nmf::work(rows, hidden, seeking),
        Discovery::KMeans => kmeans::work(rows, hidden, seeking),
    }
}

/// A direction's vector of length 1 and its length before; none where it is nothing beside `scale`.
fn unit(vector: &[f64], scale: f64) -> Option<(Vec<f32>, f64)> {
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    let is_direction = length > scale * 1e-9;
    is_direction.then(|| (vector.iter().map(|value| (value / length) as f32).collect(), length))
}
