//! A direction from examples: that in which the states of a concept's examples differ from those of its
//! counter-examples, and the plane across it that parts the two.
//!
//! All three learners leave the intercept unpenalised and weigh both sides alike, however many texts each has. A text
//! weighs the same whether it has one row or many.
//!
//! Source: Kim et al. 2018, "Interpretability Beyond Feature Attribution: Quantitative Testing with Concept Activation
//! Vectors (TCAV)", arXiv:1711.11279; the difference of means: Martinez et al. 2016, and Marks & Tegmark 2023,
//! arXiv:2310.06824.

mod plane;
mod span;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(super) use plane::Plane;
pub(super) use span::{Part, Span};

use super::{ConceptError, Examples};

/// How a direction is learnt: `logistic`, logistic regression; `ridge`, ridge regression on 1 and −1;
/// `difference_of_means`, from the mean of the counter-examples to that of the examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "logistic")]
pub enum Learner {
    /// Logistic regression with a penalty on the squared length.
    #[default]
    Logistic,
    /// Ridge regression on 1 for the concept and −1 against it.
    Ridge,
    /// The mean of the examples minus that of the counter-examples.
    DifferenceOfMeans,
}

impl Learner {
    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Learner::Logistic => "logistic",
            Learner::Ridge => "ridge",
            Learner::DifferenceOfMeans => "difference_of_means",
        }
    }
}

/// Regularisations that give a direction: beyond them it is lost in rounding.
pub const REGULARISATIONS: RangeInclusive<f64> = 1e-6..=1e4;

/// A learner and how freely it learns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitting {
    /// The learner.
    pub learner: Learner,
    /// How much the losses of the examples weigh against the penalty, within [`REGULARISATIONS`]: scikit-learn's C for
    /// logistic regression, 1 ∕ alpha for ridge. The difference of means has no penalty and does not look at it.
    pub regularisation: f64,
}

impl Default for Fitting {
    fn default() -> Self {
        Fitting { learner: Learner::default(), regularisation: 1.0 }
    }
}

/// A learnt direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// A unit vector, `[hidden]`: towards the concept.
    pub vector: Vec<f64>,
    /// The length of the weights before they became a unit vector, above 0. For the difference of means: how far apart
    /// the means are.
    pub length: f64,
    /// A state x is on the concept's side where ⟨x, vector⟩ + intercept > 0.
    pub intercept: f64,
    /// For each row x_i of the examples its coefficient: vector = Σ dual_i x_i, and Σ dual_i = 0, both up to rounding.
    pub dual: Vec<f64>,
}

impl Fitting {
    /// Whether it can be met at all.
    ///
    /// # Errors
    /// A regularisation outside [`REGULARISATIONS`].
    pub fn check(&self) -> Result<(), ConceptError> {
        match REGULARISATIONS.contains(&self.regularisation) {
            true => Ok(()),
            false => {
                let fault = "must be a number from 0.000001 to 10000";
                Err(ConceptError::Setting { setting: "regularisation", fault })
            }
        }
    }
}

/// The direction of these examples.
///
/// - `logistic` minimises ½‖w‖² + C Σ s_i log(1 + exp(−y_i (⟨w, x_i⟩ + b))) with y_i = ±1, by Newton's method: what
///   scikit-learn's `LogisticRegression(C=C, class_weight="balanced")` minimises.
/// - `ridge` minimises Σ s_i (y_i − ⟨w, x_i⟩ − b)² + ‖w‖² ∕ C: scikit-learn's `Ridge(alpha=1/C)` with these weights.
/// - `difference_of_means` takes the difference of the sides' means, and the plane half way between them.
///
/// The weight s_i of a row is n ∕ (2 n_side), for n texts, over the number of its text's rows. The work grows with
/// r²·hidden + r³ for r rows, or with r·hidden² + hidden³ where there are more rows than hidden units.
///
/// # Errors
/// A side without examples ([`ConceptError::TooFew`]), states that are not finite, examples that do not differ from
/// the counter-examples, a regularisation outside [`REGULARISATIONS`]; [`ConceptError::Singular`] where numbers are so
/// large that no direction comes out.
pub fn fit(fitting: &Fitting, examples: &Examples) -> Result<Fitted, ConceptError> {
    fitting.check()?;
    let span = Span::new(examples)?;
    let all: Vec<usize> = (0..examples.is_concept.len()).collect();
    let part = Part::new(&span, &all, &examples.is_concept)?;
    let plane = Plane::fit(fitting, &part)?;
    let length = plane.length;
    let vector: Vec<f64> = plane.weights.iter().map(|weight| weight / length).collect();
    let from_centre: f64 = span.centre().iter().zip(&vector).map(|(centre, entry)| centre * entry).sum();
    let fitted = Fitted {
        intercept: plane.offset / length - from_centre,
        dual: plane.dual.iter().map(|coefficient| coefficient / length).collect(),
        vector,
        length,
    };
    let is_finite =
        length > 0.0 && fitted.intercept.is_finite() && fitted.vector.iter().all(|x| x.is_finite());
    is_finite.then_some(fitted).ok_or(ConceptError::Singular)
}
