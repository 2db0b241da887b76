//! What is told of a search for counterfactuals.

use std::sync::Arc;

use super::CounterfactualsPlan;
use crate::engine::Failure;
use crate::engine::answer::{
    ChangeView, CounterfactualView, CounterfactualsView, ModelName, OriginalView, PredictionView, TargetView,
    Warning, WarningCode,
};
use crate::engine::causes::followed::single;
use crate::engine::parts::Made;
use crate::explain::Subject;
use crate::explain::counterfactual::figures::diversity;
use crate::explain::counterfactual::{Change, Counterfactual, Found, Strategy};
use crate::model::Model;
use crate::model::words::words;

/// A counterfactual whose words are so many times less likely than those of the text, one by one, is hardly one that a
/// person would write.
const DISFLUENT: f64 = 4.0;

/// A search of one text.
pub(super) struct Answer<'a> {
    pub plan: &'a CounterfactualsPlan,
    pub subject: &'a Subject,
    pub original: OriginalView,
}

impl Answer<'_> {
    /// As it is told: what was found, and whether the search came to its end.
    ///
    /// # Errors
    /// As [`Made::new`].
    pub fn made(&self, found: &Found, complete: bool) -> Result<Made, Failure> {
        Made::new(&self.view(found, complete), &self.warnings(found, complete))
    }

    fn view(&self, found: &Found, complete: bool) -> CounterfactualsView {
        let labels = &self.plan.model.config().labels;
        let counterfactual = |one: &Counterfactual| CounterfactualView {
            text: one.first.clone(),
            text_pair: one.second.clone(),
            changes: one.changes.iter().map(ChangeView::from).collect(),
            prediction: PredictionView::new(labels, &one.prediction),
            flipped: one.flipped,
            edit_distance: single(one.edit_distance),
            closeness: single(one.closeness),
            fluency_before: perplexity(found.fluency_before),
            fluency_after: perplexity(one.fluency),
            minimal: one.minimal,
        };
        CounterfactualsView {
            id: None,
            model: name(&self.plan.model),
            infill_model: self.plan.infill_model().map(name),
            target: self.plan.target.map(|class| TargetView { label: labels[class].clone(), index: class }),
            original: self.original.clone(),
            counterfactuals: found.counterfactuals.iter().map(counterfactual).collect(),
            closest_miss: found.closest_miss.as_ref().map(counterfactual),
            diversity: diversity_of(&found.counterfactuals).map(single),
            forwards: found.forwards,
            complete,
            // They stand behind it.
            warnings: Vec::new(),
        }
    }

    fn warnings(&self, found: &Found, complete: bool) -> Vec<Warning> {
        let plan = self.plan;
        let without_head = plan.language.is_none().then(|| no_masked_lm(&plan.model, &plan.strategies));
        let spent = (found.spent && found.counterfactuals.len() < plan.n)
            .then(|| budget_spent(plan.budget, found.counterfactuals.len(), plan.n));
        let is_untouched = complete && !found.spent && found.counterfactuals.is_empty();
        let untouched = (is_untouched && found.closest_miss.is_none()).then(nothing_to_change);
        Warning::small_margin(plan.model.config(), self.subject.prediction())
            .into_iter()
            .chain(without_head)
            .chain(untouched)
            .chain(spent)
            .chain(disfluent(found))
            .collect()
    }
}

impl From<&Change> for ChangeView {
    fn from(change: &Change) -> Self {
        let rewrite = &change.rewrite;
        ChangeView {
            start: rewrite.span.start,
            end: rewrite.span.end,
            from: change.from.clone(),
            to: rewrite.to.clone(),
            strategy: change.strategy,
            segment: rewrite.segment,
        }
    }
}

fn name(model: &Arc<Model>) -> ModelName {
    ModelName { id: model.id().into(), fingerprint: model.fingerprint().into() }
}

/// None where it is beyond all numbers of single precision.
fn perplexity(value: Option<f64>) -> Option<f32> {
    value.map(single).filter(|value| value.is_finite())
}

/// Of texts by their words, those of a second text behind those of the first.
fn diversity_of(counterfactuals: &[Counterfactual]) -> Option<f64> {
    let both = |one: &Counterfactual| {
        let second = one.second.as_deref().map(words).unwrap_or_default();
        words(&one.first).into_iter().chain(second).map(|word| word.text).collect::<Vec<String>>()
    };
    let texts: Vec<Vec<String>> = counterfactuals.iter().map(both).collect();
    let texts: Vec<Vec<&str>> =
        texts.iter().map(|words| words.iter().map(String::as_str).collect()).collect();
    diversity(&texts)
}

fn no_masked_lm(model: &Model, strategies: &[Strategy]) -> Warning {
    let left_out = if strategies.contains(&Strategy::Infill) { "; `infill` is left out" } else { "" };
    Warning {
        code: WarningCode::NoMaskedLm,
        message: format!(
            "model `{}` has no masked-LM head, and no `infill_model` is named: nobody knows which words are expected, and \
             fluency is not judged{left_out}",
            model.id()
        ),
    }
}

fn nothing_to_change() -> Warning {
    Warning {
        code: WarningCode::NothingToChange,
        message: "there is no word that these strategies may change: all are protected, or there are none but marks and \
                  words that hold a sentence together"
            .into(),
    }
}

fn budget_spent(budget: usize, found: usize, wanted: usize) -> Warning {
    Warning {
        code: WarningCode::BudgetSpent,
        message: format!(
            "the budget of {budget} passes did not allow everything to be tried, and {found} of {wanted} counterfactuals \
             were found: a larger one may find more"
        ),
    }
}

/// The first counterfactual is much less likely, as language, than the text.
fn disfluent(found: &Found) -> Option<Warning> {
    let (before, after) = (found.fluency_before?, found.counterfactuals.first()?.fluency?);
    (after > DISFLUENT * before).then(|| Warning {
        code: WarningCode::Disfluent,
        message: format!(
            "the first counterfactual is hardly what a person would write: its pseudo-perplexity is {:.1} times that of \
             the text",
            after / before
        ),
    })
}

/// All that is known is what the model says of the text.
pub(super) fn nothing_yet() -> Found {
    Found { counterfactuals: Vec::new(), closest_miss: None, fluency_before: None, forwards: 0, spent: false }
}
