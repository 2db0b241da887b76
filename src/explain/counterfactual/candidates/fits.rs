//! Whether new words can stand where they are put.

use std::ops::Range;

use crate::explain::counterfactual::edit::Edit;
use crate::explain::counterfactual::english;
use crate::explain::counterfactual::units::Units;

/// English auxiliaries, which none follows that is negated: "should", never "should haven't".
const AUXILIARIES: [&str; 25] = [
    "am", "are", "be", "been", "being", "can", "could", "did", "do", "does", "had", "has", "have", "is",
    "may", "might", "must", "ought", "shall", "should", "to", "was", "were", "will", "would",
];

/// Whether words go with what stands around a run: with an article before, without repeating a neighbour, and without
/// negating twice.
pub(super) fn fits(units: &Units, run: &Range<usize>, words: &str) -> bool {
    let words: Vec<&str> = words.split_whitespace().collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return false };
    let before = units.before(run.start);
    let repeats = before.is_some_and(|before| before.lower == *first)
        || units.behind(run.end).is_some_and(|behind| behind.lower == *last)
        || words.windows(2).any(|pair| pair[0] == pair[1]);
    !repeats
        && negates_once(units, run, &words)
        && article(units, run.start).is_none_or(|article| english::fits_article(article, first))
}

/// Whether new words that negate stand beside no other negation, and behind no auxiliary where they are one.
fn negates_once(units: &Units, run: &Range<usize>, words: &[&str]) -> bool {
    let before = units.before(run.start).map_or(String::new(), |before| straight(&before.lower));
    let behind = units.behind(run.end).map_or(String::new(), |behind| straight(&behind.lower));
    let is_negated_auxiliary = words.first().is_some_and(|word| straight(word).ends_with("n't"));
    if is_negated_auxiliary && AUXILIARIES.contains(&before.as_str()) {
        return false;
    }
    !words.iter().any(|word| negates(&straight(word))) || !(negates(&before) || negates(&behind))
}

fn negates(word: &str) -> bool {
    word.ends_with("n't") || matches!(word, "not" | "never" | "cannot")
}

/// With the apostrophe that the lists have.
fn straight(word: &str) -> String {
    word.replace('’', "'")
}

/// Whether a run can be taken out: what follows goes with an article before.
pub(in crate::explain::counterfactual) fn deletion_fits(units: &Units, run: &Range<usize>) -> bool {
    let Some(article) = article(units, run.start) else { return true };
    let follows_closely = units.is_followed_closely(run.end - 1);
    let behind = units.behind(run.end).filter(|_| follows_closely);
    behind.is_some_and(|behind| english::fits_article(article, &behind.lower))
}

/// Whether changes that are made together still go with the articles before them: each does by itself, but behind a deleted
/// word there may be a new one.
pub(in crate::explain::counterfactual) fn articles_fit(units: &Units, edits: &[Edit]) -> bool {
    let stands = |unit: usize| edits.iter().all(|edit| !edit.run().contains(&unit));
    edits.iter().all(|edit| {
        let first = edit.run().start;
        let Some(article) = article(units, first).filter(|_| stands(first - 1)) else { return true };
        let mut unit = first;
        while let Some(deleted) = edits.iter().find(|edit| edit.run().start == unit && edit.to.is_empty()) {
            unit = deleted.run().end;
        }
        if unit == first {
            return true;
        }
        let new = edits.iter().find(|edit| edit.run().start == unit).map(|edit| edit.to.to_string());
        let next = new.or_else(|| units.behind(unit).map(|behind| behind.lower.clone()));
        next.is_some_and(|next| {
            next.split_whitespace().next().is_some_and(|word| english::fits_article(article, word))
        })
    })
}

/// The article right before a unit.
fn article(units: &Units, unit: usize) -> Option<&str> {
    let before = units.before(unit)?;
    let is_article = matches!(before.lower.as_str(), "a" | "an") && units.is_followed_closely(unit - 1);
    is_article.then_some(before.lower.as_str())
}
