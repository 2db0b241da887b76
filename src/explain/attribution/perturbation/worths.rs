//! What coalitions are worth, found out once each.

use std::collections::HashMap;

use super::game::Coalition;
use crate::explain::method::ExplainError;

/// What coalitions are worth to each class that is asked for. A coalition that comes up again is not
/// evaluated again.
pub struct Worths<'a> {
    evaluate: Box<Evaluate<'a>>,
    known: HashMap<Members, Vec<f64>>,
    forwards: usize,
}

type Evaluate<'a> = dyn FnMut(&[Coalition]) -> Result<Vec<Vec<f64>>, ExplainError> + 'a;

/// A coalition in bits, 64 players a word.
type Members = Vec<u64>;

/// Coalitions that are remembered: a few megabytes, and more than any method but sampling of permutations
/// asks for. Those met later are evaluated anew whenever they come up.
const REMEMBERED: usize = 1 << 15;

/// What the two ends of a game are worth to one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ends {
    /// The output where every part is taken out.
    pub nobody: f64,
    /// The output of the text as it is.
    pub everyone: f64,
}

impl Ends {
    /// What all parts together do to the output.
    pub fn change(self) -> f64 {
        self.everyone - self.nobody
    }
}

impl<'a> Worths<'a> {
    /// Worths by a function that gives `[coalition][class]`.
    pub fn new(evaluate: impl FnMut(&[Coalition]) -> Result<Vec<Vec<f64>>, ExplainError> + 'a) -> Self {
        Worths { evaluate: Box::new(evaluate), known: HashMap::new(), forwards: 0 }
    }

    /// The worth of each coalition to each class: `[class][coalition]`, no row where there is no coalition.
    ///
    /// # Errors
    /// Those of the function that evaluates.
    pub fn of(&mut self, coalitions: &[Coalition]) -> Result<Vec<Vec<f64>>, ExplainError> {
        let members: Vec<Members> = coalitions.iter().map(members).collect();
        let mut places: HashMap<&Members, usize> = HashMap::new();
        let mut unknown: Vec<Coalition> = Vec::new();
        for (members, coalition) in members.iter().zip(coalitions) {
            if !self.known.contains_key(members) && !places.contains_key(members) {
                places.insert(members, unknown.len());
                unknown.push(coalition.clone());
            }
        }
        // The text as it is has been run already.
        self.forwards += unknown.iter().filter(|coalition| coalition.contains(&false)).count();
        let found = if unknown.is_empty() { Vec::new() } else { (self.evaluate)(&unknown)? };
        let worth = |members: &Members| match places.get(members) {
            Some(place) => &found[*place],
            None => &self.known[members],
        };
        let classes = members.first().map_or(0, |members| worth(members).len());
        let worth_to = |class: usize| members.iter().map(|members| worth(members)[class]).collect();
        let worths = (0..classes).map(worth_to).collect();
        self.remember(unknown, found);
        Ok(worths)
    }

    /// What nobody and everyone is worth to each class.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn ends(&mut self, players: usize) -> Result<Vec<Ends>, ExplainError> {
        let worths = self.of(&[vec![false; players], vec![true; players]])?;
        Ok(worths.iter().map(|ends| Ends { nobody: ends[0], everyone: ends[1] }).collect())
    }

    /// Altered texts that were run so far.
    pub fn forwards(&self) -> usize {
        self.forwards
    }

    fn remember(&mut self, coalitions: Vec<Coalition>, worths: Vec<Vec<f64>>) {
        let room = REMEMBERED.saturating_sub(self.known.len());
        self.known.extend(coalitions.iter().map(members).zip(worths).take(room));
    }
}

fn members(coalition: &Coalition) -> Members {
    let word = |players: &[bool]| players.iter().rev().fold(0, |word, member| word << 1 | u64::from(*member));
    coalition.chunks(64).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coalition_is_evaluated_once_for_all_classes_and_the_whole_text_is_no_forward() {
        let mut asked = Vec::new();
        let size = |coalition: &Coalition| coalition.iter().filter(|member| **member).count() as f64;
        let mut worths = Worths::new(|coalitions: &[Coalition]| {
            asked.push(coalitions.len());
            Ok(coalitions.iter().map(|coalition| vec![size(coalition), -size(coalition)]).collect())
        });
        assert_eq!(worths.ends(2).unwrap()[1], Ends { nobody: 0.0, everyone: -2.0 });
        let (first, second, both) = (vec![true, false], vec![false, true], vec![true, true]);
        let all = worths.of(&[first.clone(), both, first.clone(), second]).unwrap();
        assert_eq!(all, [[1.0, 2.0, 1.0, 1.0], [-1.0, -2.0, -1.0, -1.0]]);
        assert_eq!(worths.of(&[first]).unwrap(), [[1.0], [-1.0]]);
        assert_eq!(worths.forwards(), 3);
        drop(worths);
        assert_eq!(asked, [2, 2]);
    }

    #[test]
    fn coalitions_of_many_players_are_told_apart() {
        let one = |player: usize| (0..130).map(|index| index == player).collect::<Coalition>();
        let mut seen: Vec<Members> = (0..130).map(|player| members(&one(player))).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 130);
    }
}
