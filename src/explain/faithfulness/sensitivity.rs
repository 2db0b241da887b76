//! How far scores move when the text is moved by next to nothing.
//!
//! Source: Yeh et al. 2019, arXiv:1901.09392, section 3.2, on word embeddings and by sampling.

use super::of_players;
use crate::explain::Subject;
use crate::explain::attribution::perturbation::game::Players;
use crate::explain::chance::Chance;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, Configured, ExplainError};

/// How often the text is moved.
pub const DRAWS: usize = 4;

/// How far each entry of its word embeddings is moved at most.
pub const RADIUS: f64 = 0.02;

/// The largest change of each attribution's scores over all moves; none where all its scores are 0. Each move is a
/// forward pass and the method over again.
///
/// # Errors
/// As [`Configured::attribute`].
pub fn of(
    configured: &dyn Configured,
    subject: &Subject,
    granularity: Granularity,
    attributions: &[Attribution],
    seed: u64,
) -> Result<Vec<Option<f64>>, ExplainError> {
    let players = Players::new(subject, granularity);
    let classes = super::classes(subject, attributions);
    let mut chance = Chance::new("explaind max_sensitivity v1", seed, &subject.text().ids);
    let mut largest: Vec<Option<f64>> = vec![None; attributions.len()];
    for _ in 0..DRAWS {
        let embeddings = moved(subject.embeddings(), &mut chance);
        let elsewhere = subject.with_embeddings(embeddings, configured.keep())?;
        let again = configured.attribute(&elsewhere, &classes, seed)?;
        for ((largest, own), other) in largest.iter_mut().zip(attributions).zip(&again) {
            let change = change(&of_players(&players, &own.scores), &of_players(&players, &other.scores));
            *largest = change.map(|change| largest.map_or(change, |largest| largest.max(change)));
        }
    }
    Ok(largest)
}

/// Embeddings with uniform noise of at most [`RADIUS`] on every entry, in their order: r(2u − 1), added in double
/// precision.
pub fn moved(embeddings: &[f32], chance: &mut Chance) -> Vec<f32> {
    let moved = |entry: &f32| (f64::from(*entry) + RADIUS * (2.0 * chance.unit() - 1.0)) as f32;
    embeddings.iter().map(moved).collect()
}

/// ‖moved − own‖₂ / ‖own‖₂, from 0; none where all of `own` are 0.
pub fn change(own: &[f64], moved: &[f64]) -> Option<f64> {
    let length =
        |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let size = length(&mut own.iter().copied());
    let distance = length(&mut own.iter().zip(moved).map(|(own, moved)| moved - own));
    (size > 0.0).then(|| distance / size)
}
