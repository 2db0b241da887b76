//! What the model would say under changes to text and network: under each alone, under all together, one after the other, and
//! what every two do beyond what each does alone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::combinations::{self, Combination};
use super::edits::{Edit, check_together};
use super::followed::{Before, Followed, single};
use super::together;
use super::variants::{Source, Variants};
use crate::engine::answer::{
    EffectView, InteractionView, ModelName, OriginalView, PredictionView, Warning, WhatIfView,
};
use crate::engine::draft::Draft;
use crate::engine::inquiry::Inquiry;
use crate::engine::parts::Made;
use crate::engine::plan::Target;
use crate::engine::{Failure, OwnedText};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::identity::Shape;
use crate::model::{EncodedText, Keep, Model, Prediction};

/// Bytes of a label's score and logit as they are written.
const BYTES_A_LABEL: usize = 64;

/// Bytes of a token of an edited text, as it is read and as it is written.
const BYTES_A_TOKEN: usize = 128;

/// Characters that a token of what is put in usually has, at least.
const CHARACTERS_A_TOKEN: usize = 3;

/// The fields of a what-if question, as yet unchecked.
#[derive(Debug, Clone)]
pub struct WhatIfRequest {
    /// The changes; 1 to 16.
    pub edits: Vec<Edit>,
    /// The class that is followed: one of them, or the predicted one.
    pub target: Target,
    /// What of it is followed.
    pub output: Output,
}

/// Everything about a what-if question but the text.
pub struct WhatIfPlan {
    model: Arc<Model>,
    edits: Vec<Edit>,
    told: Vec<Value>,
    sources: Vec<Source>,
    combinations: Vec<Combination>,
    followed: Followed,
}

impl WhatIfPlan {
    /// Checks a request against a model.
    ///
    /// # Errors
    /// [`Failure::Field`] for the first field that is not valid; [`Failure::At`] for a text to patch from that the model
    /// cannot read.
    pub fn new(model: Arc<Model>, request: WhatIfRequest) -> Result<Self, Failure> {
        let WhatIfRequest { edits, target, output } = request;
        let mut sources: Vec<Source> = Vec::new();
        for (place, edit) in edits.iter().enumerate() {
            let pointer = format!("/edits/{place}");
            edit.check(&pointer, &model).map_err(Failure::Field)?;
            if let Edit::Patch { layer, from, .. } = edit {
                let known = sources.iter().position(|source| source.sent == *from);
                let place = known.unwrap_or(sources.len());
                if known.is_none() {
                    sources.push(source(&model, &format!("{pointer}/from"), from)?);
                }
                sources[place].layers.insert(*layer);
            }
        }
        check_together(&edits).map_err(Failure::Field)?;
        Ok(WhatIfPlan {
            followed: Followed::new(&target, output, &model).map_err(Failure::Field)?,
            told: edits.iter().map(Edit::told).collect(),
            combinations: combinations::all(edits.len()),
            sources,
            edits,
            model,
        })
    }
}

fn source(model: &Model, pointer: &str, from: &OwnedText) -> Result<Source, Failure> {
    let encoded = model.encode(from.as_text(), false).map_err(|error| {
        let field = if error.segment() == 0 { "" } else { "/text_pair" };
        Failure::At { pointer: format!("{pointer}{field}"), failure: Box::new(Failure::Text(error)) }
    })?;
    Ok(Source { sent: from.clone(), encoded: Arc::new(encoded), layers: Default::default() })
}

/// An answer as far as it goes.
struct Answer<'a> {
    plan: &'a WhatIfPlan,
    original: OriginalView,
    before: Before<'a>,
    variants: Variants<'a>,
    /// Of the first combinations of the plan.
    predictions: Vec<Prediction>,
    forwards: usize,
    warnings: Vec<Warning>,
}

impl Answer<'_> {
    /// Runs the next combinations; false where there are none left.
    fn go_on(&mut self, subject: &Subject) -> Result<bool, Failure> {
        let rest = &self.plan.combinations[self.predictions.len()..];
        if rest.is_empty() {
            return Ok(false);
        }
        let portion = together::portion(rest.iter().map(|combination| self.variants.bytes(*combination)));
        let batches = rest[..portion].iter().map(|combination| self.variants.batch(*combination));
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        self.predictions.extend(together::predictions(subject, batches)?);
        self.forwards += portion;
        Ok(true)
    }

    fn known(&self, combination: Combination) -> Option<&Prediction> {
        let place = self.plan.combinations.iter().position(|asked| *asked == combination)?;
        self.predictions.get(place)
    }

    fn change(&self, combination: Combination) -> Option<f64> {
        self.known(combination).map(|prediction| self.before.change_by(prediction))
    }

    fn effect(&self, combination: Combination) -> Option<EffectView> {
        let prediction = self.known(combination)?;
        let edited = self.variants.edited(combination);
        Some(EffectView {
            text: edited.map(|edited| edited.text.clone()),
            text_pair: edited.and_then(|edited| edited.text_pair.clone()),
            prediction: PredictionView::new(&self.plan.model.config().labels, prediction),
            output: single(self.before.value_by(prediction)),
            change: single(self.before.change_by(prediction)),
            flipped: self.before.is_flipped_by(prediction),
        })
    }

    /// F(both) − F(first) − F(second) + F(none).
    fn interaction(&self, edits: [usize; 2]) -> Option<InteractionView> {
        let both = Combination::pair(edits[0], edits[1]);
        let alone = self.change(Combination::alone(edits[0]))? + self.change(Combination::alone(edits[1]))?;
        Some(InteractionView {
            edits,
            output: single(self.before.value_by(self.known(both)?)),
            interaction: single(self.change(both)? - alone),
        })
    }

    /// F(all) − F(none), less what each does alone.
    fn beyond_the_sum(&self) -> Option<f64> {
        let count = self.plan.edits.len();
        let alone: Option<Vec<f64>> = (0..count).map(|edit| self.change(Combination::alone(edit))).collect();
        Some(self.change(Combination::first(count))? - alone?.iter().sum::<f64>())
    }

    fn view(&self, complete: bool) -> WhatIfView {
        let (plan, count) = (self.plan, self.plan.edits.len());
        let effects = |combination: fn(usize) -> Combination, range: std::ops::Range<usize>| {
            range.map_while(|edit| self.effect(combination(edit))).collect()
        };
        WhatIfView {
            id: None,
            model: ModelName { id: plan.model.id().into(), fingerprint: plan.model.fingerprint().into() },
            original: self.original.clone(),
            target: self.before.target(),
            output: self.before.output(),
            before: single(self.before.value()),
            edits: plan.told.clone(),
            alone: effects(Combination::alone, 0..count),
            together: self.effect(Combination::first(count)),
            in_order: effects(Combination::first, 1..count + 1),
            interactions: combinations::pairs(count).filter_map(|edits| self.interaction(edits)).collect(),
            interaction: self.beyond_the_sum().map(single),
            forwards: self.forwards,
            complete,
            // They stand behind it.
            warnings: Vec::new(),
        }
    }

    fn made(&self, complete: bool) -> Result<Made, Failure> {
        Made::new(&self.view(complete), &self.warnings)
    }
}

impl Inquiry for WhatIfPlan {
    fn model(&self) -> &Arc<Model> {
        &self.model
    }

    fn truncate(&self) -> bool {
        false
    }

    fn shape(&self) -> Shape {
        Shape::WhatIf
    }

    fn version(&self) -> u32 {
        1
    }

    fn canonical_options(&self) -> String {
        json!({"edits": self.told, "followed": self.followed.canonical()}).to_string()
    }

    fn keep(&self) -> Keep {
        Keep::Outputs
    }

    fn cost(&self, _tokens: usize) -> Cost {
        let forwards = self.combinations.len() + self.sources.len();
        Cost::exactly(Passes::new(forwards, 0), usize::from(!self.sources.is_empty()))
    }

    fn longest(&self, tokens: usize) -> usize {
        let written = self.edits.iter().map(Edit::characters_written);
        let longer =
            tokens + written.map(|characters| characters.div_ceil(CHARACTERS_A_TOKEN)).sum::<usize>();
        longer.min(self.model.config().positions)
    }

    fn bytes(&self, tokens: usize) -> usize {
        let tokens = self.longest(tokens);
        let a_variant = BYTES_A_LABEL * self.model.config().labels.len() + BYTES_A_TOKEN * tokens;
        let states: usize = self.sources.iter().map(|source| source.layers.len()).sum();
        let of_states = states * tokens * self.model.config().hidden_size * size_of::<f32>();
        self.combinations.len() * a_variant + of_states + together::BYTES
    }

    fn check_text(&self, text: &EncodedText) -> Result<(), Failure> {
        for (place, edit) in self.edits.iter().enumerate() {
            edit.check_words(&format!("/edits/{place}"), text.words.len()).map_err(Failure::Field)?;
        }
        Ok(())
    }

    fn find(&self, sent: &OwnedText, subject: &Subject, draft: &Draft) -> Result<Made, Failure> {
        let variants = Variants::new(&self.edits, &self.sources, &self.combinations, sent, subject)?;
        let mut answer = Answer {
            plan: self,
            original: OriginalView::new(sent, subject),
            before: self.followed.of(subject),
            variants,
            predictions: Vec::new(),
            // The text's own.
            forwards: 1,
            warnings: Warning::small_margin(self.model.config(), subject.prediction()).into_iter().collect(),
        };
        draft.write(answer.made(false)?);
        if !self.sources.is_empty() {
            answer.variants.take_states()?;
            answer.forwards += self.sources.len();
        }
        while answer.go_on(subject)? {
            draft.write(answer.made(false)?);
        }
        answer.made(true)
    }
}
