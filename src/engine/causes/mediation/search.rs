//! A search through the parts of the network, which writes down what it has so far.

use super::MediationPlan;
use crate::engine::Failure;
use crate::engine::answer::{
    Effect, Effects, GroupEffects, LayerEffects, MediationView, PatchingView, Warning, WarningCode,
};
use crate::engine::causes::followed::single;
use crate::engine::draft::Draft;
use crate::engine::parts::Made;
use crate::explain::ExplainError;
use crate::explain::causal::mediation::{Mediated, mediated};
use crate::explain::causal::patching::patched;
use crate::explain::causal::{Contrast, Mediators, Outcome, Side};

/// Shares of a total effect below this, in units of the outcome, would be shares of next to nothing.
const SMALL_TOTAL_EFFECT: f64 = 0.05;

/// A search that is under way.
pub struct Search<'a> {
    plan: &'a MediationPlan,
    contrast: Contrast<'a>,
    outcome: Outcome,
    sheet: Sheet<'a>,
}

/// What there is of an answer so far.
struct Sheet<'a> {
    view: MediationView,
    warnings: Vec<Warning>,
    draft: &'a Draft,
}

impl<'a> Sheet<'a> {
    /// Writes down what there is; the answer itself tells of what cannot be written.
    fn write(&self) {
        if let Ok(made) = Made::new(&self.view, &self.warnings) {
            self.draft.write(made);
        }
    }

    /// So many passes have been run.
    fn ran(&mut self, passes: usize) {
        self.view.forwards += passes;
        self.write();
    }
}

impl<'a> Search<'a> {
    /// One that has looked at no mediator yet, and has an answer to fill in.
    pub fn begun(
        plan: &'a MediationPlan,
        contrast: Contrast<'a>,
        outcome: Outcome,
        view: MediationView,
        draft: &'a Draft,
    ) -> Self {
        let sheet = Sheet { view, warnings: Vec::new(), draft };
        let mut search = Search { plan, contrast, outcome, sheet };
        search.sheet.warnings.extend(small_total_effect(search.total_effect()));
        search.sheet.write();
        search
    }

    /// The whole answer.
    ///
    /// # Errors
    /// Those of passes; see [`Made::new`].
    pub fn made(mut self) -> Result<Made, Failure> {
        for kind in &self.plan.mediators {
            self.go_through(*kind)?;
        }
        let Sheet { mut view, warnings, .. } = self.sheet;
        view.complete = true;
        Made::new(&view, &warnings)
    }

    fn go_through(&mut self, kind: Mediators) -> Result<(), ExplainError> {
        match kind {
            Mediators::Layers => {
                let effects = self.effects(kind)?;
                self.sheet.view.layers = Some(by_sublayer(&effects));
            }
            Mediators::Heads => {
                let effects = self.effects(kind)?;
                self.sheet.view.heads = Some(self.by_layer(&effects));
            }
            Mediators::Positions => self.sheet.view.patching = Some(self.patching()?),
            Mediators::Neurons => {
                let effects = self.effects(kind)?;
                let effects = self.by_layer(&effects);
                self.sheet.view.neurons = Some(GroupEffects { group: self.plan.group, effects });
            }
        }
        self.sheet.write();
        Ok(())
    }

    /// The effects through every mediator of a kind.
    fn effects(&mut self, kind: Mediators) -> Result<Vec<Effect>, ExplainError> {
        let mediators = self.plan.mediators_of(kind);
        let mediated = mediated(&self.contrast, &mediators, &mut |passes| self.sheet.ran(passes))?;
        let effect = |mediated: &Mediated| Effect {
            indirect: single(self.change(&mediated.indirect)),
            direct: single(self.change(&mediated.direct)),
        };
        Ok(mediated.iter().map(effect).collect())
    }

    fn patching(&mut self) -> Result<PatchingView, ExplainError> {
        let map = patched(&self.contrast, &mut |passes| self.sheet.ran(passes))?;
        let told = |whole: f64| -> Vec<Vec<f32>> {
            let share = |logits: &Vec<f32>| single(self.change(logits) / whole);
            map.iter().map(|state| state.iter().map(share).collect()).collect()
        };
        let total = self.total_effect();
        Ok(PatchingView { effects: told(1.0), recovered: (!is_small(total)).then(|| told(total)) })
    }

    fn total_effect(&self) -> f64 {
        self.change(self.contrast.logits(Side::Counterfactual))
    }

    /// How far these logits are from those of the text.
    fn change(&self, logits: &[f32]) -> f64 {
        self.outcome.value(logits) - self.outcome.value(self.contrast.logits(Side::Text))
    }

    /// Effects of as many mediators in each layer.
    fn by_layer(&self, effects: &[Effect]) -> Effects {
        let of_layer = effects.len() / self.plan.model.config().layers;
        let told = |pick: fn(&Effect) -> f32| {
            effects.chunks(of_layer).map(|layer| layer.iter().map(pick).collect()).collect()
        };
        Effects { indirect: told(|effect| effect.indirect), direct: told(|effect| effect.direct) }
    }
}

fn by_sublayer(effects: &[Effect]) -> Vec<LayerEffects> {
    let layer = |(layer, pair): (usize, &[Effect])| match pair {
        [attention, feed_forward] => {
            Some(LayerEffects { layer, attention: *attention, feed_forward: *feed_forward })
        }
        _ => None,
    };
    effects.chunks(2).enumerate().filter_map(layer).collect()
}

fn is_small(total_effect: f64) -> bool {
    total_effect.abs() < SMALL_TOTAL_EFFECT
}

fn small_total_effect(total: f64) -> Option<Warning> {
    is_small(total).then(|| Warning {
        code: WarningCode::SmallTotalEffect,
        message: format!(
            "the total effect is {total:.4}, nearer to 0 than {SMALL_TOTAL_EFFECT}: there is next to nothing to go through any \
             part, and no share of it is told"
        ),
    })
}
