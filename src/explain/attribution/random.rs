//! The control: scores that know nothing of the model. A method that does no better says nothing.

use crate::explain::chance::Chance;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, NoOptions};
use crate::explain::{Cost, Subject};
use crate::model::Keep;

/// Independent uniform scores in [−1, 1), fixed by the seed and the tokens.
pub struct Random;

impl AttributionMethod for Random {
    const ID: &'static str = "random";
    const NAME: &'static str = "Random";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Control;
    const SUMMARY: &'static str = "Scores by chance: the control that every other method has to beat.";
    const FORMULA: &'static str = "φ_t uniform in [−1, 1), by the seed and the tokens";
    const EFFORT: &'static str = "Nothing.";
    const CAUTION: &'static str = "It explains nothing: it is there to be beaten.";
    const SOURCE: &'static str = "Adebayo et al. 2018, arXiv:1810.03292 (on the need for controls)";
    const SAMPLES: bool = true;
    const USES_TARGET: bool = false;
    const KEEP: Keep = Keep::Outputs;
    type Options = NoOptions;

    fn cost(_options: &NoOptions, _tokens: usize, _classes: usize) -> Cost {
        Cost::NOTHING
    }

    fn attribute(
        _options: &NoOptions,
        subject: &Subject,
        _classes: &[usize],
        seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let mut chance = Chance::new("explaind random attribution v1", seed, &subject.text().ids);
        let scores = (0..subject.tokens()).map(|_| 2.0 * chance.unit() - 1.0).collect();
        Ok(vec![Attribution::of_no_class(scores)])
    }
}
