//! How edited texts read, to the masked LM.

use super::language::own_tokens;
use super::slots::Reading;
use super::trials::Trial;
use crate::explain::{ExplainError, Subject};
use crate::model::{EncodedText, Text};

/// How far from a change it is still heard, in tokens.
const WITHIN: usize = 2;

/// How surprising a new token may be, in nats.
const USUAL: f64 = 3.0;

/// An edited text as the masked LM reads it.
pub(super) struct Heard {
    encoded: EncodedText,
    /// Its tokens but the special ones, by their indices.
    own: Vec<usize>,
    /// For each of these, the same token of the original, by its index; none for new ones.
    kept: Vec<Option<usize>>,
    /// For each of these, −ln p with itself masked, where it is known.
    surprises: Vec<Option<f64>>,
}

impl Heard {
    /// A text of which nothing is known yet; none where the masked LM cannot read it.
    pub fn new(reading: &Reading, trial: &Trial) -> Option<Self> {
        let text = Text { first: &trial.first, second: trial.second.as_deref() };
        let encoded = reading.language.encoded(text)?;
        let (before, own) = (own_tokens(&reading.encoded), own_tokens(&encoded));
        let ids = |text: &EncodedText, own: &[usize]| own.iter().map(|token| text.ids[*token]).collect();
        let (old_ids, new_ids): (Vec<u32>, Vec<u32>) = (ids(&reading.encoded, &before), ids(&encoded, &own));
        let kept = aligned(&old_ids, &new_ids).into_iter().map(|old| old.map(|old| before[old])).collect();
        let surprises = vec![None; own.len()];
        Some(Heard { encoded, own, kept, surprises })
    }

    /// The own tokens near a change, by their places among those.
    pub fn near_changes(&self, reading: &Reading) -> Vec<usize> {
        let before = own_tokens(&reading.encoded);
        let old: Vec<Option<usize>> =
            self.kept.iter().map(|old| old.and_then(|old| before.binary_search(&old).ok())).collect();
        near(&old, before.len())
    }

    /// Those of some places that are not known, as tokens of the text.
    pub fn unknown(&self, places: &[usize]) -> Vec<usize> {
        places.iter().filter(|place| self.surprises[**place].is_none()).copied().collect()
    }

    /// All places.
    pub fn places(&self) -> Vec<usize> {
        (0..self.own.len()).collect()
    }

    /// What the changes cost in fluency, in nats: how much more surprising the tokens around them have become, and how much
    /// more than usual new ones are.
    pub fn penalty(&self, reading: &Reading, places: &[usize]) -> f64 {
        let of_token = |place: &usize| {
            let surprise = self.surprises[*place]?;
            let usual = self.kept[*place].map_or(Some(USUAL), |old| reading.surprises[old])?;
            Some((surprise - usual).max(0.0))
        };
        places.iter().filter_map(of_token).sum()
    }

    /// −ln p of all own tokens; none where one is not known.
    pub fn all(&self) -> Option<Vec<f64>> {
        self.surprises.iter().copied().collect()
    }
}

/// Asks the masked LM for what is unknown at places of some texts: a forward pass each.
///
/// # Errors
/// Those of the crew; [`ExplainError::NotFinite`].
pub(super) fn listen(
    reading: &Reading,
    subject: &Subject,
    texts: &mut [(&mut Heard, Vec<usize>)],
) -> Result<(), ExplainError> {
    let tokens: Vec<(&EncodedText, usize)> = texts
        .iter()
        .flat_map(|(heard, places)| places.iter().map(|place| (&heard.encoded, heard.own[*place])))
        .collect();
    let mut surprises = reading.language.surprises(subject, &tokens)?.into_iter();
    for (heard, places) in texts {
        for place in places {
            heard.surprises[*place] = surprises.next();
        }
    }
    Ok(())
}

/// For each new token, the old one that it is in a longest common subsequence; none for the others.
fn aligned(old: &[u32], new: &[u32]) -> Vec<Option<usize>> {
    let ahead = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[ahead..], &new[ahead..]);
    let behind = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (rows, columns) = (old_rest.len() - behind, new_rest.len() - behind);
    // The length of the longest common subsequence of what is left from each place on.
    let mut longest = vec![vec![0usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            longest[row][column] = match old_rest[row] == new_rest[column] {
                true => longest[row + 1][column + 1] + 1,
                false => longest[row + 1][column].max(longest[row][column + 1]),
            };
        }
    }
    let mut aligned: Vec<Option<usize>> = (0..ahead).map(Some).collect();
    let mut row = 0;
    for column in 0..columns {
        while row < rows
            && old_rest[row] != new_rest[column]
            && longest[row + 1][column] >= longest[row][column + 1]
            && longest[row + 1][column] > 0
        {
            row += 1;
        }
        let is_same = row < rows && old_rest[row] == new_rest[column];
        aligned.push(is_same.then_some(ahead + row));
        row += usize::from(is_same);
    }
    aligned.extend((0..behind).map(|place| Some(old.len() - behind + place)));
    aligned
}

/// The new tokens that stand near a change, those that are new among them.
fn near(kept: &[Option<usize>], old: usize) -> Vec<usize> {
    let mut is_near = vec![false; kept.len()];
    let mut mark = |first: usize, end: usize| {
        let (first, end) = (first.saturating_sub(WITHIN), (end + WITHIN).min(kept.len()));
        is_near[first..end].fill(true);
    };
    // Where the next old token would be expected.
    let mut expected = 0;
    for (place, old) in kept.iter().enumerate() {
        match old {
            None => mark(place, place + 1),
            Some(old) => {
                if *old != expected {
                    mark(place, place);
                }
                expected = old + 1;
            }
        }
    }
    if expected != old {
        mark(kept.len(), kept.len());
    }
    (0..kept.len()).filter(|place| is_near[*place]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_that_stay_are_found_again_and_those_around_a_change_are_near() {
        let old = [1, 2, 3, 4, 5, 6, 7, 8];
        let replaced = aligned(&old, &[1, 2, 3, 9, 5, 6, 7, 8]);
        assert_eq!(replaced, [0, 1, 2, 8, 4, 5, 6, 7].map(|index| (index < 8).then_some(index)));
        assert_eq!(near(&replaced, 8), [1, 2, 3, 4, 5]);
        let deleted = aligned(&old, &[1, 2, 3, 6, 7, 8]);
        assert_eq!(deleted, [0, 1, 2, 5, 6, 7].map(Some));
        assert_eq!(near(&deleted, 8), [1, 2, 3, 4]);
        assert_eq!(near(&aligned(&old, &old), 8), [] as [usize; 0]);
        assert_eq!(near(&aligned(&old, &old[..5]), 8), [3, 4]);
    }

    proptest! {
        #[test]
        fn an_alignment_is_in_order_and_of_equal_tokens(
            old in prop::collection::vec(0u32..4, 0..12),
            new in prop::collection::vec(0u32..4, 0..12),
        ) {
            let aligned = aligned(&old, &new);
            prop_assert_eq!(aligned.len(), new.len());
            let pairs: Vec<(usize, usize)> =
                aligned.iter().enumerate().filter_map(|(new, old)| Some(((*old)?, new))).collect();
            prop_assert!(pairs.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(pairs.iter().all(|(first, second)| old[*first] == new[*second]));
        }
    }
}
