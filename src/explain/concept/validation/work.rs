//! What a validation takes, told before anything is computed.

use super::{LayerChoice, Validating};
use crate::explain::concept::learner::Learner;

/// Newton steps that a logistic regression usually takes.
const STEPS: f64 = 10.0;

/// Floating-point operations of [`super::validate`], roughly: for `texts` texts with `rows` rows in all, of so many hidden
/// units, at so many layers. An estimate by the sizes of the matrices, the same at every call; a core does some 10⁹ to
/// 10¹⁰ a second.
pub fn work(texts: usize, rows: usize, hidden: usize, layers: usize, asked: &Validating) -> f64 {
    let [all_texts, all_rows, width, layers] = [texts, rows, hidden, layers].map(|count| count as f64);
    let [folds, inner, runs] =
        [asked.folds, asked.inner_folds, asked.permutations + 1].map(|count| count as f64);
    let by_products = rows <= hidden;
    let fit = |rows: f64| of_fit(rows, width, asked.fitting.learner, by_products);
    let prepare = of_span(all_rows, width, by_products);
    let outer = all_rows * (1.0 - 1.0 / folds);
    let kept = 1.0 - 1.0 / inner;
    let choice = match asked.layer {
        LayerChoice::Auto => layers * inner * fit(outer * kept),
        LayerChoice::Fixed(_) => 0.0,
    };
    layers * prepare
        + layers * inner * fit(all_rows * kept)
        + runs * folds * (choice + fit(outer))
        + asked.resamples as f64 * all_texts
}

/// Those of gathering so many rows, of so many hidden units, for a learner.
pub fn of_span(rows: f64, width: f64, by_products: bool) -> f64 {
    if by_products { 2.0 * rows.powi(2) * width } else { 2.0 * rows * width }
}

/// Those of learning from so many rows that are gathered: `by_products` of one another, or as they are.
pub fn of_fit(rows: f64, width: f64, learner: Learner, by_products: bool) -> f64 {
    4.0 * rows * width
        + match (by_products, learner) {
            (true, Learner::DifferenceOfMeans) => 8.0 * rows.powi(2),
            (true, Learner::Ridge) => rows.powi(3) / 3.0 + 20.0 * rows.powi(2),
            (true, Learner::Logistic) => STEPS * (rows.powi(3) / 3.0 + 20.0 * rows.powi(2)),
            (false, Learner::DifferenceOfMeans) => 8.0 * rows * width,
            (false, Learner::Ridge) => 2.0 * rows * width.powi(2) + width.powi(3) / 3.0,
            (false, Learner::Logistic) => STEPS * (2.0 * rows * width.powi(2) + width.powi(3) / 3.0),
        }
}
