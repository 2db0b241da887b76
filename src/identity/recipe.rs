//! How a response is put together from results: enough to make its bytes again, a year later.

use crate::identity::{ResponseId, ResultKey};

/// Which parts a response has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The prediction alone.
    Predict,
    /// The prediction with explanations.
    Explain,
    /// The same with the list of sentences that the scores belong to.
    ExplainSentences,
    /// The prediction with explanations, and how far they agree.
    ExplainAgreement,
    /// The same with the list of sentences that the scores belong to.
    ExplainSentencesAgreement,
    /// The prediction with attention maps.
    Attention,
    /// The prediction with hidden states.
    States,
    /// The prediction with scores of concepts.
    ConceptScores,
    /// The prediction along edits of concepts.
    ConceptEdits,
    /// A concept that was learnt.
    Concept,
    /// How much classes depend on concepts.
    Tcav,
    /// A concept taken apart into its examples.
    Decomposition,
    /// What is left of a concept and of the task when the concept is taken out.
    Erasure,
    /// Concepts that nobody has named.
    Discovery,
    /// Texts near to one, of which the model says something else.
    Counterfactuals,
    /// What the model would say under changes to text and network.
    WhatIf,
    /// What the model would say without each word.
    Grid,
    /// What inside the network brings a change of the prediction about.
    Mediation,
}

const SHAPES: [Shape; 18] = [
    Shape::Predict,
    Shape::Explain,
    Shape::ExplainSentences,
    Shape::ExplainAgreement,
    Shape::ExplainSentencesAgreement,
    Shape::Attention,
    Shape::States,
    Shape::ConceptScores,
    Shape::ConceptEdits,
    Shape::Concept,
    Shape::Tcav,
    Shape::Decomposition,
    Shape::Erasure,
    Shape::Discovery,
    Shape::Counterfactuals,
    Shape::WhatIf,
    Shape::Grid,
    Shape::Mediation,
];

impl Shape {
    /// Its name in ids and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Predict => "predict",
            Shape::Explain => "explain",
            Shape::ExplainSentences => "explain-sentences",
            Shape::ExplainAgreement => "explain-agreement",
            Shape::ExplainSentencesAgreement => "explain-sentences-agreement",
            Shape::Attention => "attention",
            Shape::States => "states",
            Shape::ConceptScores => "concept-scores",
            Shape::ConceptEdits => "concept-edits",
            Shape::Concept => "concept",
            Shape::Tcav => "tcav",
            Shape::Decomposition => "decomposition",
            Shape::Erasure => "erasure",
            Shape::Discovery => "discovery",
            Shape::Counterfactuals => "counterfactuals",
            Shape::WhatIf => "what-if",
            Shape::Grid => "grid",
            Shape::Mediation => "mediation",
        }
    }

    /// Whether its answers begin with the model's reading of a text: prediction, tokens and words.
    pub fn has_reading(self) -> bool {
        match self {
            Shape::Predict
            | Shape::Explain
            | Shape::ExplainSentences
            | Shape::ExplainAgreement
            | Shape::ExplainSentencesAgreement
            | Shape::Attention
            | Shape::States
            | Shape::ConceptScores
            | Shape::ConceptEdits => true,
            Shape::Concept
            | Shape::Tcav
            | Shape::Decomposition
            | Shape::Erasure
            | Shape::Discovery
            | Shape::Counterfactuals
            | Shape::WhatIf
            | Shape::Grid
            | Shape::Mediation => false,
        }
    }

    /// The shape of a name.
    pub fn named(name: &str) -> Option<Self> {
        SHAPES.into_iter().find(|shape| shape.name() == name)
    }
}

/// A response: its shape, and the keys of its results, that of the reading (prediction, tokens and
/// words) first where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// How the results are put together.
    pub shape: Shape,
    /// The results, in order; never empty.
    pub keys: Vec<ResultKey>,
}

impl Recipe {
    /// The identity of the response.
    pub fn id(&self) -> ResponseId {
        ResponseId::new(self.shape.name(), &self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_found_by_its_own_name() {
        for shape in SHAPES {
            assert_eq!(Shape::named(shape.name()), Some(shape));
        }
        assert_eq!(Shape::named("Explain"), None);
    }
}
