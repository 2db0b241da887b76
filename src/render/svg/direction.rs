//! Which way text runs: enough of the Unicode bidirectional algorithm to order the words of a line.

/// Which way text runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

impl Direction {
    /// The direction of the first letter; `None` where there is no letter.
    pub fn of(text: &str) -> Option<Direction> {
        text.chars().find_map(of_letter)
    }

    /// The direction of most letters.
    pub fn of_most(text: &str) -> Direction {
        let count = |wanted| text.chars().filter(|c| of_letter(*c) == Some(wanted)).count();
        if count(Direction::Rtl) > count(Direction::Ltr) { Direction::Rtl } else { Direction::Ltr }
    }
}

fn of_letter(character: char) -> Option<Direction> {
    let right_to_left = matches!(character as u32,
        0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFF | 0x10800..=0x10FFF | 0x1E800..=0x1EFFF);
    match character.is_alphabetic() {
        true if right_to_left => Some(Direction::Rtl),
        true => Some(Direction::Ltr),
        false => None,
    }
}

/// The order in which the items of a line stand, seen from its beginning (its right end, where `base`
/// runs right to left): runs against the base are turned round, with what stands between them.
pub fn visual_order(directions: &[Option<Direction>], base: Direction) -> Vec<usize> {
    let against = |index: usize| directions[index].is_some_and(|direction| direction != base);
    let with = |index: usize| directions[index] == Some(base);
    let mut order: Vec<usize> = (0..directions.len()).collect();
    let mut start = 0;
    while start < order.len() {
        if !against(start) {
            start += 1;
            continue;
        }
        let end = (start..order.len()).find(|index| with(*index)).unwrap_or(order.len());
        let last = (start..end).rfind(|index| against(*index)).unwrap_or(start);
        order[start..=last].reverse();
        start = end;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::Direction::{Ltr, Rtl};
    use super::*;

    #[test]
    fn letters_decide_and_digits_and_marks_do_not() {
        assert_eq!(Direction::of("«שלום"), Some(Rtl));
        assert_eq!(Direction::of("12!"), None);
        assert_eq!(Direction::of_most("הסרט Titanic היה מצוין"), Rtl);
        assert_eq!(Direction::of_most("the word שלום"), Ltr);
    }

    #[test]
    fn a_run_against_the_base_is_turned_round_with_what_stands_between() {
        let line = [Some(Ltr), None, Some(Rtl), None, Some(Rtl), None, Some(Ltr)];
        assert_eq!(visual_order(&line, Ltr), [0, 1, 4, 3, 2, 5, 6]);
        assert_eq!(visual_order(&[Some(Rtl), None, Some(Rtl)], Rtl), [0, 1, 2]);
    }
}
