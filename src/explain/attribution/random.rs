//! The control: scores that know nothing of the model. A method that does no better says nothing.

use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, NoOptions};
use crate::explain::{Cost, Subject};
use crate::model::Keep;

/// Independent uniform scores in [−1, 1), fixed by the seed and the tokens.
pub struct Random;

impl AttributionMethod for Random {
    const ID: &'static str = "random";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Control;
    const SUMMARY: &'static str = "Scores by chance: the control that every other method has to beat.";
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
        // A hash as the source of chance: unlike a generator's, its stream is the same for ever.
        let mut hasher = blake3::Hasher::new_derive_key("explaind random attribution v1");
        hasher.update(&seed.to_le_bytes());
        subject.text().ids.iter().for_each(|id| {
            hasher.update(&id.to_le_bytes());
        });
        let mut stream = hasher.finalize_xof();
        let scores = (0..subject.tokens())
            .map(|_| {
                let mut bytes = [0; 8];
                stream.fill(&mut bytes);
                // The upper 53 bits fill a double's mantissa exactly.
                let unit = (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64;
                2.0 * unit - 1.0
            })
            .collect();
        Ok(vec![Attribution { class: None, output: None, scores, convergence: None }])
    }
}
