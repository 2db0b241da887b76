//! "As if this concept were absent": a network whose states are without some concepts, or have more of them.

use std::sync::Arc;

use super::Fault;
use crate::engine::Altered;
use crate::engine::answer::{Action, InterventionView};
use crate::engine::concepts::direction;
use crate::explain::concept::erasure::{Eraser, Erasure, nullspace};
use crate::explain::concept::known::KnownConcept;
use crate::model::{HiddenEdit, Intervention};

/// Most changes at a time.
pub const MOST_INTERVENTIONS: usize = 16;

/// The farthest that a concept is pushed, in standard deviations of usual texts.
pub const MOST_STRENGTH: f64 = 100.0;

/// What is wished to be done with a concept, as yet unchecked.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The concept.
    pub concept: Arc<KnownConcept>,
    /// What is done with it.
    pub action: Action,
    /// How it is erased; none means `nullspace`. Not with a push.
    pub method: Option<Erasure>,
    /// How far it is pushed, in standard deviations of usual texts. With a push alone.
    pub strength: Option<f64>,
    /// The hidden state; none means the concept's own.
    pub layer: Option<usize>,
}

/// The network that is altered in these ways, one after the other; `pointer` says where they stand in the request.
///
/// # Errors
/// The first wish that cannot be met.
pub fn altered(pointer: &str, wishes: &[Wish]) -> Result<Altered, Fault> {
    let (mut interventions, mut told) = (Vec::new(), Vec::new());
    for (place, wish) in wishes.iter().enumerate() {
        let (intervention, view) = wish.met(&format!("{pointer}/{place}"))?;
        interventions.push(intervention);
        told.push(view);
    }
    // Names, identities and finite numbers can always be written.
    let canonical = serde_json::to_string(&told).unwrap_or_default();
    Ok(Altered { interventions: interventions.into(), canonical, told })
}

type Change = (HiddenEdit, Option<Erasure>, Option<f64>);

impl Wish {
    /// The change to the network that is wished for, and how answers tell of it; `pointer` says where it stands in the
    /// request.
    ///
    /// # Errors
    /// It cannot be met.
    pub fn met(&self, pointer: &str) -> Result<(Intervention, InterventionView), Fault> {
        let layer = self.layer.unwrap_or(self.concept.layer);
        let (edit, method, strength) = match self.action {
            Action::Erase => self.erased(pointer, layer)?,
            Action::Push => self.pushed(pointer, layer)?,
        };
        let concept = self.concept.as_ref().into();
        let view = InterventionView { concept, action: self.action, method, strength, layer };
        Ok((Intervention::Hidden { point: layer, edit }, view))
    }

    fn erased(&self, pointer: &str, layer: usize) -> Result<Change, Fault> {
        if self.strength.is_some() {
            return Err(Fault::field(
                format!("{pointer}/strength"),
                "has no place beside `erase`, which takes all of the concept out",
                "leave it out, or send `\"action\": \"push\"`",
            ));
        }
        let method = self.method.unwrap_or(Erasure::Nullspace);
        let Eraser { read, write, centre } = self.eraser(pointer, method, layer)?;
        Ok((HiddenEdit::Affine { read, write, centre }, Some(method), None))
    }

    fn eraser(&self, pointer: &str, method: Erasure, layer: usize) -> Result<Eraser, Fault> {
        let concept = &self.concept;
        let kept = concept.erasers.get(&method).filter(|_| layer == concept.layer);
        match (kept, method) {
            (Some(eraser), _) => Ok(eraser.clone()),
            (None, Erasure::Nullspace) => {
                Ok(nullspace(&direction(concept, layer, &format!("{pointer}/layer"))?.vector))
            }
            (None, _) if layer != concept.layer && concept.erasers.contains_key(&method) => {
                Err(Fault::field(
                    format!("{pointer}/layer"),
                    format!(
                        "`{}` takes concept `{}` out at hidden state {} alone",
                        method.name(),
                        concept.reference(),
                        concept.layer
                    ),
                    "leave the field out, or erase by `nullspace`",
                ))
            }
            (None, _) => Err(Fault::field(
                format!("{pointer}/method"),
                format!(
                    "concept `{}` cannot be erased by `{}`: it was not learnt from examples",
                    concept.reference(),
                    method.name()
                ),
                "erase by `nullspace`",
            )),
        }
    }

    fn pushed(&self, pointer: &str, layer: usize) -> Result<Change, Fault> {
        if self.method.is_some() {
            return Err(Fault::field(
                format!("{pointer}/method"),
                "has no place beside `push`: it says how a concept is erased",
                "leave it out, or send `\"action\": \"erase\"`",
            ));
        }
        let remedy = format!(
            "send a number from −{MOST_STRENGTH} to {MOST_STRENGTH}: standard deviations of usual texts"
        );
        let pointer_to_strength = format!("{pointer}/strength");
        let strength = match self.strength {
            Some(strength) if strength.is_finite() && strength.abs() <= MOST_STRENGTH => strength + 0.0,
            Some(strength) => {
                return Err(Fault::field(pointer_to_strength, format!("is {strength}"), remedy));
            }
            None => {
                let detail = "is missing: how far the concept is pushed";
                return Err(Fault::field(pointer_to_strength, detail, remedy));
            }
        };
        let direction = direction(&self.concept, layer, &format!("{pointer}/layer"))?;
        Ok((direction.push(strength), None, Some(strength)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::explain::concept::{Direction, Pooling};

    fn at(vector: [f32; 2], spread: f64) -> Direction {
        Direction { vector: vector.to_vec(), intercept: 0.0, centre: vec![0.0; 2], spread }
    }

    /// With a direction at the hidden states 1 and 2, and an eraser at 2, its own.
    fn concept() -> Arc<KnownConcept> {
        let eraser =
            Eraser { read: vec![vec![1.0, 0.0]], write: vec![vec![1.0, 0.5]], centre: vec![3.0, 0.0] };
        Arc::new(KnownConcept {
            name: "acting".into(),
            version: 3,
            id: "7".into(),
            pooling: Pooling::Mean,
            layer: 2,
            directions: BTreeMap::from([(1, at([0.0, 1.0], 0.5)), (2, at([1.0, 0.0], 2.0))]),
            erasers: BTreeMap::from([(Erasure::Leace, eraser)]),
        })
    }

    fn wish() -> Wish {
        Wish { concept: concept(), action: Action::Erase, method: None, strength: None, layer: None }
    }

    fn edits(altered: &Altered) -> String {
        format!("{:?}", altered.interventions)
    }

    fn fault(wish: Wish) -> String {
        match altered("/interventions", &[wish]) {
            Err(Fault::Field(invalid)) => invalid.pointer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_concept_is_erased_at_its_own_layer_by_its_direction_where_nothing_else_is_said() {
        let said = altered("/interventions", &[wish()]).unwrap();
        let InterventionView { method, strength, layer, action, concept } = said.told[0].clone();
        assert_eq!((action, method, strength, layer), (Action::Erase, Some(Erasure::Nullspace), None, 2));
        assert_eq!((concept.name.as_str(), concept.version), ("acting", 3));
        assert!(edits(&said).contains("point: 2"), "{}", edits(&said));
        assert!(edits(&said).contains("read: [[1.0, 0.0]], write: [[1.0, 0.0]], centre: [0.0, 0.0]"));
        let elsewhere = altered("/interventions", &[Wish { layer: Some(1), ..wish() }]).unwrap();
        assert!(edits(&elsewhere).contains("read: [[0.0, 1.0]]"), "{}", edits(&elsewhere));
    }

    #[test]
    fn what_erases_at_one_layer_alone_is_refused_at_others_and_what_is_not_there_by_its_method() {
        let by_leace = Wish { method: Some(Erasure::Leace), ..wish() };
        let said = altered("/interventions", std::slice::from_ref(&by_leace)).unwrap();
        assert!(edits(&said).contains("centre: [3.0, 0.0]"), "{}", edits(&said));
        assert_eq!(fault(Wish { layer: Some(1), ..by_leace }), "/interventions/0/layer");
        assert_eq!(fault(Wish { method: Some(Erasure::Inlp), ..wish() }), "/interventions/0/method");
        assert_eq!(fault(Wish { layer: Some(0), ..wish() }), "/interventions/0/layer");
        assert_eq!(fault(Wish { strength: Some(1.0), ..wish() }), "/interventions/0/strength");
    }

    #[test]
    fn a_push_needs_a_strength_within_its_bounds_and_no_method() {
        let push = |strength| Wish { action: Action::Push, strength, ..wish() };
        for strength in [None, Some(f64::NAN), Some(f64::INFINITY), Some(100.5)] {
            assert_eq!(fault(push(strength)), "/interventions/0/strength", "{strength:?}");
        }
        let with_method = Wish { method: Some(Erasure::Nullspace), ..push(Some(1.0)) };
        assert_eq!(fault(with_method), "/interventions/0/method");
        let said = altered("/interventions", &[push(Some(-1.5))]).unwrap();
        assert!(edits(&said).contains("Add([-3.0, -0.0])"), "{}", edits(&said));
    }

    proptest! {
        #[test]
        fn equal_alterations_have_equal_forms_and_others_have_others(
            a in -100.0f64..100.0,
            b in -100.0f64..100.0,
        ) {
            let form = |strength| {
                let wish = Wish { action: Action::Push, strength: Some(strength), ..wish() };
                altered("", &[wish]).unwrap().canonical
            };
            prop_assert_eq!(form(a) == form(b), a == b);
            prop_assert_eq!(form(0.0), form(-0.0));
        }
    }
}
