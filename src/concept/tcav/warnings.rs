//! What to know before relying on the scores of concepts.

use std::collections::BTreeMap;

use super::testing::Lab;
use super::{Tcav, TcavTest};
use crate::engine::answer::{Warning, WarningCode};
use crate::explain::method::listed;

/// A random score this near to 0 or 1 has nearly all texts on one side.
const NEAR_THE_END: f64 = 0.05;

/// From this share of such random scores on, the score says little.
const NEARLY_ALL: f64 = 0.9;

impl Tcav {
    /// Those of the concepts themselves, and those of the tests.
    pub(super) fn warnings(&self, lab: &Lab, tests: &[TcavTest]) -> Vec<Warning> {
        let of_concepts = self.concepts.iter().flat_map(|concept| {
            let reference = concept.known.reference();
            concept.warnings.iter().map(move |warning| Warning {
                code: warning.code,
                message: format!("`{reference}`: {}", warning.message),
            })
        });
        let of_tests = [too_few_random_sets(tests), saturated(tests), without_texts(lab)];
        of_concepts.chain(of_tests.into_iter().flatten()).collect()
    }
}

/// No test can be significant with so few random sets.
fn too_few_random_sets(tests: &[TcavTest]) -> Option<Warning> {
    let few: Vec<&TcavTest> = tests.iter().filter(|test| test.significant.is_none()).collect();
    let needed = few.iter().filter_map(|test| test.random_sets_needed).max()?;
    let fewest = few.iter().map(|test| test.null.sets).min()?;
    Some(Warning {
        code: WarningCode::TooFewRandomSets,
        message: format!(
            "with {fewest} random sets no score can be told from chance where {} are judged together: that takes {needed}; \
             name a larger dataset as `random`, or ask about fewer concepts, layers and classes",
            tests.len()
        ),
    })
}

/// Whatever the direction, nearly all texts rise along it, or nearly all fall.
fn saturated(tests: &[TcavTest]) -> Option<Warning> {
    let is_saturated = |test: &&TcavTest| {
        let scores = &test.null.scores;
        let near = scores.iter().filter(|score| score.min(1.0 - **score) <= NEAR_THE_END).count();
        near as f64 >= NEARLY_ALL * scores.len() as f64
    };
    let mut layers: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for test in tests.iter().filter(is_saturated) {
        let named = layers.entry(test.layer).or_default();
        let reference = format!("`{}@{}`", test.concept.name, test.concept.version);
        if !named.contains(&reference) {
            named.push(reference);
        }
    }
    if layers.is_empty() {
        return None;
    }
    let at = layers.iter().map(|(layer, named)| format!("layer {layer} ({})", named.join(", ")));
    let at: Vec<String> = at.collect();
    Some(Warning {
        code: WarningCode::TcavSaturated,
        message: format!(
            "nearly all random concepts score 0 or 1 at {}: there, all texts rise or fall together along any direction, \
             and a score near 0 or 1 says nothing; at the last hidden state that is the rule, as only the first token's \
             row reaches the classifier; look at lower layers",
            listed(at.iter().map(String::as_str))
        ),
    })
}

/// Classes that there are no texts of.
fn without_texts(lab: &Lab) -> Option<Warning> {
    let labels: Vec<String> =
        lab.without_texts.iter().map(|class| format!("`{}`", lab.labels[*class])).collect();
    (!labels.is_empty()).then(|| Warning {
        code: WarningCode::ClassWithoutTexts,
        message: format!(
            "not tested, as no row of the dataset is of the class: {}; send \"all\" as `texts` to test them over every row",
            labels.join(", ")
        ),
    })
}
