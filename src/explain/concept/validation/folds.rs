//! Which texts are held out, and what they are called when labels are shuffled.

use crate::explain::chance::Chance;

/// What the folds that judge are dealt by.
pub const OUTER: &str = "explaind concept folds v1";

/// The side of each text in a run: the true one in run 0, shuffled in all others.
pub fn labels(is_concept: &[bool], seed: u64, run: usize) -> Vec<bool> {
    if run == 0 {
        return is_concept.to_vec();
    }
    let mut chance = Chance::new("explaind shuffled concepts v1", seed, &[run as u32]);
    chance.permutation(is_concept.len()).into_iter().map(|text| is_concept[text]).collect()
}

/// The fold of each of these texts, by chance. The texts of each side are dealt out in random order, the second side from
/// where the first ended, so that folds differ by one text at most, of each side and in all.
pub fn deal(mut chance: Chance, texts: &[usize], labels: &[bool], folds: usize) -> Vec<usize> {
    let mut dealt = vec![0; texts.len()];
    let mut next = 0;
    for side in [true, false] {
        let places: Vec<usize> = (0..texts.len()).filter(|place| labels[texts[*place]] == side).collect();
        for index in chance.permutation(places.len()) {
            dealt[places[index]] = next % folds;
            next += 1;
        }
    }
    dealt
}

/// The texts in a fold, and the others.
pub fn apart(texts: &[usize], folds: &[usize], fold: usize) -> (Vec<usize>, Vec<usize>) {
    let (held, training): (Vec<_>, Vec<_>) = texts.iter().zip(folds).partition(|(_, own)| **own == fold);
    let texts = |of: Vec<(&usize, &usize)>| of.into_iter().map(|(text, _)| *text).collect();
    (texts(held), texts(training))
}

/// How right a text is told by a value, above 0 for the concept: 0 or 1, and half where the value is exactly 0.
pub fn right(value: f64, is_concept: bool) -> f64 {
    match value {
        0.0 => 0.5,
        _ => f64::from(u8::from((value > 0.0) == is_concept)),
    }
}
