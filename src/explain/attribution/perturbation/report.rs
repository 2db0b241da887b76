//! From what was found out about the parts of a text to scores of its tokens.

use super::game::Game;
use super::worths::Ends;
use crate::explain::Output;
use crate::explain::method::{Attribution, Convergence};

/// What was found out about the players, for one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// One per player.
    pub scores: Vec<f64>,
    /// For methods that sample, the standard deviation of each score.
    pub standard_errors: Option<Vec<f64>>,
}

/// What scores took that share the output's change out among the players.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Samples, or coalitions where nothing is left to chance.
    pub steps: usize,
    /// Altered texts that were run.
    pub forwards: usize,
}

impl Estimate {
    /// Scores without chance in them.
    pub fn exactly(scores: Vec<f64>) -> Self {
        Estimate { scores, standard_errors: None }
    }

    /// The scores of the text's tokens.
    pub fn attribution(&self, game: &Game, class: usize, output: Output) -> Attribution {
        let tokens = game.subject().tokens();
        let to_tokens = |values: &Vec<f64>| game.players().to_tokens(values, tokens);
        Attribution {
            standard_errors: self.standard_errors.as_ref().map(to_tokens),
            ..Attribution::new(class, output, to_tokens(&self.scores))
        }
    }

    /// The scores of the text's tokens, and how well they add up to the output's change.
    pub fn shares(
        &self,
        game: &Game,
        class: usize,
        output: Output,
        ends: Ends,
        effort: Effort,
    ) -> Attribution {
        let delta = self.scores.iter().sum::<f64>() - ends.change();
        // One per cent of what is explained, or a hundredth of a unit where that is less.
        let tolerance = (0.01 * ends.change().abs()).max(0.01);
        let convergence = Convergence {
            delta,
            tolerance,
            converged: delta.abs() <= tolerance,
            steps: effort.steps,
            gradients: 0,
            forwards: effort.forwards,
            baseline_output: ends.nobody,
            target_output: ends.everyone,
        };
        Attribution { convergence: Some(convergence), ..self.attribution(game, class, output) }
    }
}
