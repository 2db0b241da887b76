//! States without one direction.

use super::Eraser;

/// h − v vᵀh for a unit vector v, `[hidden]`: the state's projection onto all that is orthogonal to the concept.
///
/// A learner may well find the concept again in what is left: the direction that tells best is not the only one that
/// tells. Source: the single step of Ravfogel et al. 2020, arXiv:2004.07667, section 3.2; as an intervention on a network
/// Elazar et al. 2021, arXiv:2006.00995.
pub fn nullspace(vector: &[f32]) -> Eraser {
    Eraser::orthogonal(vec![vector.to_vec()], vector.len())
}
