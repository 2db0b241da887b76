//! What the model says of altered texts, each asked once.

use std::collections::{HashMap, HashSet};

use crate::explain::attribution::perturbation::game::{Coalition, Game};
use crate::explain::method::ExplainError;
use crate::explain::{Output, Subject};

/// The logits of coalitions of one text, as far as they have been asked for.
pub struct Worths {
    game: Game,
    logits: HashMap<Coalition, Vec<f32>>,
}

impl Worths {
    /// Nothing yet.
    pub fn of(game: Game) -> Self {
        Worths { game, logits: HashMap::new() }
    }

    /// How many parts the text has.
    pub fn players(&self) -> usize {
        self.game.players().len()
    }

    /// The text.
    pub fn subject(&self) -> &Subject {
        self.game.subject()
    }

    /// Runs those coalitions that are not known yet, all at once: so they can be run side by side.
    ///
    /// # Errors
    /// As [`Game::logits`].
    pub fn learn(&mut self, coalitions: impl IntoIterator<Item = Coalition>) -> Result<(), ExplainError> {
        let mut met = HashSet::new();
        let is_new =
            |coalition: &Coalition| !self.logits.contains_key(coalition) && met.insert(coalition.clone());
        let unknown: Vec<Coalition> = coalitions.into_iter().filter(is_new).collect();
        let found = self.game.logits(&unknown)?;
        self.logits.extend(unknown.into_iter().zip(found));
        Ok(())
    }

    /// An output of a class for each coalition, in order.
    ///
    /// # Errors
    /// As [`Self::learn`].
    pub fn values(
        &mut self,
        coalitions: Vec<Coalition>,
        output: Output,
        class: usize,
    ) -> Result<Vec<f64>, ExplainError> {
        self.learn(coalitions.iter().cloned())?;
        let problem = self.subject().model().config().problem;
        Ok(coalitions.iter().map(|coalition| output.value(problem, &self.logits[coalition], class)).collect())
    }
}
