//! What methods have in common, and what sets their families apart.

use serde::Serialize;
use utoipa::ToSchema;

/// The families that methods belong to: `gradient` (by derivatives of the output), `perturbation` (by what
/// the output does when parts of the text are taken out), `attention` (by attention weights), `control` (by
/// chance, for comparison).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "gradient")]
pub enum Family {
    /// By derivatives of the output.
    Gradient,
    /// By what the output does when parts of the text are taken out.
    Perturbation,
    /// By attention weights.
    Attention,
    /// By chance, for comparison.
    Control,
}

impl Family {
    /// All families, in the order they are listed to users.
    pub const ALL: [Family; 4] = [Family::Gradient, Family::Perturbation, Family::Attention, Family::Control];

    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Family::Gradient => "gradient",
            Family::Perturbation => "perturbation",
            Family::Attention => "attention",
            Family::Control => "control",
        }
    }

    /// How its methods come by their scores, in a few words.
    pub fn means(self) -> &'static str {
        match self {
            Family::Gradient => "by derivatives of the output",
            Family::Perturbation => "by what the output does when parts of the text are taken out",
            Family::Attention => "by attention weights",
            Family::Control => "by chance, for comparison",
        }
    }

    /// What its methods have in common, and what that is worth: a paragraph.
    pub fn introduction(self) -> &'static str {
        match self {
            Family::Gradient => {
                "These methods ask how the output changes with the word embeddings, by passes backward through \
                 the network. They take few passes and score every token at once. What they see is the network \
                 between texts, where embeddings are no words: a gradient says what a small step would do, not \
                 what another word would. Those that go all the way from a baseline to the text have scores that \
                 add up to the output's change, and say so in `convergence`."
            }
            Family::Perturbation => {
                "These methods take parts of the text out and watch the output. They need nothing of the network \
                 but its answers, so a score can be checked by asking again with a part left out. They take many \
                 forward passes, and a text with holes is not what the model was trained on: what stands in place \
                 of a part is a choice that scores hang on. Those that draw at random tell how far chance moves \
                 each score, in `standard_errors`."
            }
            Family::Attention => {
                "These methods follow attention weights through the layers, from the token that the classifier \
                 reads, [CLS], back to the text. They show along which ways tokens mix, which is not yet why the \
                 model decides as it does: weights have no sign, and a token can be looked at and change nothing."
            }
            Family::Control => {
                "A control knows nothing of the model. Where a method does no better than it, the method says \
                 nothing."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_one_name_in_answers_and_in_words() {
        for family in Family::ALL {
            assert_eq!(serde_json::json!(family), family.name());
        }
    }
}
