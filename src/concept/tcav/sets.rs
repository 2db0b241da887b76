//! What is drawn: random sets that stand for a concept's examples, and resamples of the examples.

use std::collections::HashSet;

use crate::dataset::Row;
use crate::engine::OwnedText;
use crate::explain::chance::Chance;

/// Random sets that are drawn for a concept where no number is asked for, at most.
pub const MOST_DEFAULT_SETS: usize = 100;

/// Fewest random sets that anything can be said by.
pub const FEWEST: usize = 2;

/// Texts of a random set for a concept without examples: two halves of 15.
pub const SIZE_WITHOUT_EXAMPLES: usize = 30;

/// Draws sets of `size` texts each that have none in common, from rows by their places: no example or counter-example
/// of the concept is among them, and a text that stands in several rows counts once. As many as are wanted; else as many
/// as there are, up to [`MOST_DEFAULT_SETS`].
///
/// # Errors
/// How many there are, where these are fewer than are wanted or than [`FEWEST`].
pub fn drawn(
    rows: &[Row],
    known: &[&OwnedText],
    size: usize,
    wanted: Option<usize>,
    seed: u64,
) -> Result<Vec<Vec<usize>>, usize> {
    let mut seen: HashSet<(&str, Option<&str>)> =
        known.iter().map(|text| (text.text.as_str(), text.text_pair.as_deref())).collect();
    let is_new = |place: &usize| seen.insert((&rows[*place].text, rows[*place].text_pair.as_deref()));
    let free: Vec<usize> = (0..rows.len()).filter(is_new).collect();
    let there_are = free.len() / size.max(1);
    let count = wanted.unwrap_or(there_are.min(MOST_DEFAULT_SETS));
    if there_are < count || there_are < FEWEST {
        return Err(there_are);
    }
    let order = Chance::new("explaind tcav random sets v1", seed, &[]).permutation(free.len());
    let drawn: Vec<usize> = order.into_iter().map(|place| free[place]).collect();
    Ok(drawn.chunks_exact(size.max(1)).take(count).map(<[usize]>::to_vec).collect())
}

/// Bootstrap resamples of examples and counter-examples, which stand behind them: of each side as many as there are, with
/// replacement.
pub fn resamples([positives, negatives]: [usize; 2], repeats: usize, seed: u64) -> Vec<[Vec<usize>; 2]> {
    let mut chance = Chance::new("explaind tcav resamples v1", seed, &[]);
    let mut side = |first: usize, count: usize| -> Vec<usize> {
        (0..count).map(|_| first + chance.below(count)).collect()
    };
    (0..repeats).map(|_| [side(0, positives), side(positives, negatives)]).collect()
}
