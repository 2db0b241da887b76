//! Which edits act together: each alone, the first few, every two, and all.

/// Some of up to 32 edits: bit i stands for edit i.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Combination(u32);

impl Combination {
    /// One edit.
    pub fn alone(edit: usize) -> Self {
        Combination(1 << edit)
    }

    /// Two edits.
    pub fn pair(first: usize, second: usize) -> Self {
        Combination((1 << first) | (1 << second))
    }

    /// The first so many edits; at least one.
    pub fn first(count: usize) -> Self {
        Combination(u32::MAX >> (32 - count))
    }

    /// Those of its edits that are also in another.
    pub fn and(self, other: Combination) -> Self {
        Combination(self.0 & other.0)
    }

    /// Those of some edits, by whether each of them is.
    pub fn of(chosen: impl Iterator<Item = bool>) -> Self {
        Combination(chosen.enumerate().fold(0, |bits, (edit, is_in)| bits | (u32::from(is_in) << edit)))
    }

    /// Whether there is no edit.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its edits, ascending.
    pub fn edits(self) -> impl Iterator<Item = usize> {
        (0..32).filter(move |edit| self.0 & (1 << edit) != 0)
    }
}

/// Every two of so many edits, in order.
pub(super) fn pairs(edits: usize) -> impl Iterator<Item = [usize; 2]> {
    (0..edits).flat_map(move |first| (first + 1..edits).map(move |second| [first, second]))
}

/// All that is asked of so many edits, each combination once: first each alone, then the first few, then the pairs.
pub(super) fn all(edits: usize) -> Vec<Combination> {
    let alone = (0..edits).map(Combination::alone);
    let in_order = (1..=edits).map(Combination::first);
    let pairs = pairs(edits).map(|[first, second]| Combination::pair(first, second));
    let mut all: Vec<Combination> = Vec::new();
    for combination in alone.chain(in_order).chain(pairs) {
        if !all.contains(&combination) {
            all.push(combination);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sets(edits: usize) -> Vec<Vec<usize>> {
        all(edits).into_iter().map(|combination| combination.edits().collect()).collect()
    }

    #[test]
    fn what_was_asked_already_is_not_asked_again() {
        assert_eq!(sets(1), [vec![0]]);
        assert_eq!(sets(2), [vec![0], vec![1], vec![0, 1]]);
        assert_eq!(sets(3), [vec![0], vec![1], vec![2], vec![0, 1], vec![0, 1, 2], vec![0, 2], vec![1, 2]]);
    }

    proptest! {
        #[test]
        fn a_combination_has_the_edits_it_was_made_of(chosen in prop::collection::vec(any::<bool>(), 0..32)) {
            let combination = Combination::of(chosen.iter().copied());
            let edits: Vec<usize> = (0..chosen.len()).filter(|edit| chosen[*edit]).collect();
            prop_assert_eq!(combination.edits().collect::<Vec<_>>(), edits);
            prop_assert_eq!(combination.is_empty(), !chosen.contains(&true));
        }

        #[test]
        fn every_two_and_all_are_among_them(edits in 1usize..=16) {
            let all = all(edits);
            prop_assert!(all.contains(&Combination::first(edits)));
            for [first, second] in pairs(edits) {
                prop_assert!(all.contains(&Combination::pair(first, second)));
            }
            // One alone, n − 1 more of the first few, and the pairs but the first.
            let expected = edits + edits - 1 + edits * (edits - 1) / 2 - usize::from(edits > 1);
            prop_assert_eq!(all.len(), expected);
        }
    }
}
