//! The one shape of every answer about a text, as it stands in JSON.

mod attention;
mod causes;
mod concepts;
mod edits;
mod explanation;
mod interventions;
mod prediction;
mod quality;
pub mod states;
mod text;
mod windows;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use attention::{AttentionView, HeadPlace, RouteView};
pub use causes::*;
pub use concepts::{ConceptName, ConceptScoreView, DerivativeView, LayerScore};
pub use edits::{EditView, EditedWords, EditsView, FlipView, FlipsView, SweepPoint};
pub use explanation::{ConvergenceView, Explanation, TargetView};
pub use interventions::{Action, InterventionView};
pub use prediction::{LabelScore, PredictionView};
pub use quality::{AgreementView, BandView, QualityView, TopOverlap};
pub use states::StatesView;
pub use text::{SentenceView, TokenView, TruncationNote, WordView};
pub use windows::{WindowView, WindowsView};

/// What there is to say about one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Identity of the answer, 64 hexadecimal digits: equal for equal questions to the same model.
    #[schema(
        example = "b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub id: String,
    /// The model that was asked.
    pub model: ModelName,
    /// The text as sent.
    #[schema(example = "A gripping film, though it drags a little.")]
    pub text: String,
    /// The second text of a pair, as sent; null for a single text.
    #[schema(required, example = json!(null))]
    pub text_pair: Option<String>,
    /// What was cut off; null where the whole text was read.
    #[schema(required)]
    pub truncated: Option<TruncationNote>,
    /// How the network was altered that everything else here is about, in the order in which the changes act; absent for
    /// the network as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([]))]
    pub interventions: Option<Vec<InterventionView>>,
    /// What the model says.
    pub prediction: PredictionView,
    /// What the model says as it is; absent where it was not altered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub prediction_without: Option<PredictionView>,
    /// The windows that the text was seen through; absent unless they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub windows: Option<WindowsView>,
    /// The network's rows, special tokens included, in order.
    #[schema(example = json!([
        {"index": 0, "text": "[CLS]", "start": 0, "end": 0, "word": null, "special": true, "segment": 0},
        {"index": 1, "text": "a", "start": 0, "end": 1, "word": 0, "special": false, "segment": 0}
    ]))]
    pub tokens: Vec<TokenView>,
    /// The words in order, those of the second text after those of the first.
    #[schema(example = json!([
        {"index": 0, "text": "A", "start": 0, "end": 1, "tokens": [1], "segment": 0},
        {"index": 1, "text": "gripping", "start": 2, "end": 10, "tokens": [2], "segment": 0}
    ]))]
    pub words: Vec<WordView>,
    /// The sentences in order; absent unless scores are given for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([{
        "index": 0, "text": "A gripping film, though it drags a little.", "start": 0, "end": 42,
        "words": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "segment": 0
    }]))]
    pub sentences: Option<Vec<SentenceView>>,
    /// One entry per method and target; absent unless an explanation was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([{
        "method": "integrated_gradients",
        "target": {"label": "positive", "index": 1},
        "output": "logit",
        "granularity": "word",
        "scores": [
            0.14889377, 0.9135737, 0.3287406, -0.054704953, 0.42352903, 0.20668884, -0.52627385,
            -0.052242007, -0.004035303, -0.022780962
        ],
        "special_scores": [0.0, 0.0],
        "convergence": {
            "delta": -0.00076945993, "tolerance": 0.013621583, "converged": true, "steps": 17,
            "gradients": 17, "baseline_output": -0.0055280956, "target_output": 1.3566302
        },
        "quality": null
    }]))]
    pub explanations: Option<Vec<Explanation>>,
    /// How far the methods agree, one entry for every two explanations of the same class by different methods; absent
    /// unless quality figures and more than one method were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([{
        "methods": ["integrated_gradients", "saliency"],
        "target": {"label": "positive", "index": 1},
        "spearman": 0.7818,
        "top_k": {"k": 5, "overlap": 0.8},
        "sign_agreement": null
    }]))]
    pub agreement: Option<Vec<AgreementView>>,
    /// Attention maps; absent unless they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attention: Option<AttentionView>,
    /// Hidden states; absent unless they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub states: Option<StatesView>,
    /// Scores of concepts, one entry for each that was asked for; absent unless any was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([]))]
    pub concepts: Option<Vec<ConceptScoreView>>,
    /// What the model would say with more or less of some concepts; absent unless that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub edits: Option<EditsView>,
    /// What a reader should know before trusting the rest; empty where there is nothing to say.
    #[schema(example = json!([]))]
    pub warnings: Vec<Warning>,
}

/// A model by name and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelName {
    /// Its id, as `GET /v1/models` lists it.
    #[schema(example = "movie-reviews")]
    pub id: String,
    /// Digest of configuration, labels, tokenizer and weights, 64 hexadecimal digits.
    #[schema(
        example = "567806b0f6fe7606f73d7a5888a241c3fb147ce75ced0a40337943fd786d3900",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub fingerprint: String,
}

/// Something a reader should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// Stable, for programs.
    pub code: WarningCode,
    /// Plain words, for people.
    #[schema(example = "no label reaches the threshold; the likeliest one is explained instead")]
    pub message: String,
}

/// The kinds of warning: `truncated` (the end of the text was cut off, as `truncate` allows),
/// `not_converged` (the scores do not add up within the tolerance, or had not settled when the budget
/// was spent), `no_label_over_threshold` (a multi-label model finds no label; the likeliest is explained),
/// `small_margin` (the next label is nearly as likely, or a label is close to the threshold), `special_tokens_dominate`
/// (they hold more than half of the sum of all |scores|), `no_better_than_random` (the strongest parts matter no more
/// than parts by chance), `baseline_sensitive` (another baseline turns the strongest score or changes the order),
/// `methods_disagree` (two methods find different parts strongest, or the opposite order), `prediction_differs` (the
/// model does not predict `expected_label`), `concept_absent` (the model's states do not show a concept),
/// `concept_unstable` (the direction of a concept hangs on its very examples), `too_few_random_sets` (with so few, no
/// score of a concept can be told from chance), `tcav_saturated` (random concepts score 0 or 1, too),
/// `class_without_texts` (a class is not tested, as there are no texts of it), `concept_not_relearnt` (its examples give
/// another direction here than the one that is kept), `concept_remains` (it is found again after it was taken out),
/// `fewer_components` (there are fewer directions to discover than were asked for), `no_masked_lm` (no masked-LM head is at
/// hand, so that nobody knows which words are expected), `disfluent` (the best counterfactual is hardly what a person would
/// write), `budget_spent` (the budget ended the search before all was found that was asked for), `nothing_to_change` (there is no
/// word that the strategies may change), `small_total_effect` (there
/// is next to nothing to be mediated).
/// `docs/quality.md`, `docs/concepts.md` and `docs/counterfactuals.md` have the thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "no_label_over_threshold")]
pub enum WarningCode {
    /// The end of the text was cut off, as `truncate` allows.
    Truncated,
    /// The scores do not add up within the tolerance, or had not settled when the budget was spent.
    NotConverged,
    /// A multi-label model finds no label; the likeliest is explained.
    NoLabelOverThreshold,
    /// The next label is nearly as likely, or a label is close to the threshold.
    SmallMargin,
    /// Special tokens hold more than half of the sum of all |scores|.
    SpecialTokensDominate,
    /// The strongest parts matter no more than parts by chance.
    NoBetterThanRandom,
    /// Another baseline turns the strongest score or changes the order.
    BaselineSensitive,
    /// Two methods find different parts strongest, or the opposite order.
    MethodsDisagree,
    /// The model does not predict the label that was expected.
    PredictionDiffers,
    /// The model's states do not show a concept.
    ConceptAbsent,
    /// The direction of a concept hangs on its very examples.
    ConceptUnstable,
    /// There are too few random sets for any score to be told from chance.
    TooFewRandomSets,
    /// Random concepts score 0 or 1, too.
    TcavSaturated,
    /// A class is not tested, as there are no texts of it.
    ClassWithoutTexts,
    /// The examples of a concept give another direction here than the one that is kept.
    ConceptNotRelearnt,
    /// A concept is found again after it was taken out.
    ConceptRemains,
    /// There are fewer directions to discover than were asked for.
    FewerComponents,
    /// No masked-LM head is at hand, so that nobody knows which words are expected.
    NoMaskedLm,
    /// The best counterfactual is hardly what a person would write.
    Disfluent,
    /// The budget ended the search before all was found that was asked for.
    BudgetSpent,
    /// There is no word that the strategies may change.
    NothingToChange,
    /// There is next to nothing to be mediated.
    SmallTotalEffect,
}

impl WarningCode {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            WarningCode::Truncated => "truncated",
            WarningCode::NotConverged => "not_converged",
            WarningCode::NoLabelOverThreshold => "no_label_over_threshold",
            WarningCode::SmallMargin => "small_margin",
            WarningCode::SpecialTokensDominate => "special_tokens_dominate",
            WarningCode::NoBetterThanRandom => "no_better_than_random",
            WarningCode::BaselineSensitive => "baseline_sensitive",
            WarningCode::MethodsDisagree => "methods_disagree",
            WarningCode::PredictionDiffers => "prediction_differs",
            WarningCode::ConceptAbsent => "concept_absent",
            WarningCode::ConceptUnstable => "concept_unstable",
            WarningCode::TooFewRandomSets => "too_few_random_sets",
            WarningCode::TcavSaturated => "tcav_saturated",
            WarningCode::ClassWithoutTexts => "class_without_texts",
            WarningCode::ConceptNotRelearnt => "concept_not_relearnt",
            WarningCode::ConceptRemains => "concept_remains",
            WarningCode::FewerComponents => "fewer_components",
            WarningCode::NoMaskedLm => "no_masked_lm",
            WarningCode::Disfluent => "disfluent",
            WarningCode::BudgetSpent => "budget_spent",
            WarningCode::NothingToChange => "nothing_to_change",
            WarningCode::SmallTotalEffect => "small_total_effect",
        }
    }
}
