//! Scores from what the output does when parts of the text are taken out.

pub mod bounds;
pub mod exact_shapley;
pub mod game;
pub mod kernel_shap;
pub mod least_squares;
pub mod leave_one_out;
pub mod lime;
pub mod occlusion;
pub mod partition_shap;
pub mod replacement;
pub mod report;
pub mod shapley_sampling;
pub mod tree;
pub mod worths;

#[cfg(test)]
mod games;
#[cfg(test)]
mod tests;
