use std::path::Path;

use super::*;
use crate::explain::crew::Alone;

const REVIEW: &str = "A slow, dull story with strange moments.";
const OTHER: &str = "A warm, great story with strange moments.";

fn model() -> Arc<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
    Arc::new(Model::load("three-labels", &path).unwrap())
}

fn sent(text: &str) -> OwnedText {
    OwnedText { text: text.into(), text_pair: None }
}

fn request(counterfactual: &str, mediators: &[Mediators]) -> MediationRequest {
    MediationRequest {
        counterfactual: sent(counterfactual),
        target: Target::Predicted,
        against: Against::Usual,
        mediators: mediators.into(),
        neuron_group: None,
    }
}

fn plan(request: MediationRequest) -> MediationPlan {
    MediationPlan::new(model(), request).unwrap()
}

fn encoded(model: &Model, text: &str) -> EncodedText {
    model.encode(Text { first: text, second: None }, false).unwrap()
}

/// The answer about a review, and what was written down last before it was there.
fn found(plan: &MediationPlan) -> [MediationView; 2] {
    let text = encoded(&plan.model, REVIEW);
    let subject = Subject::new(plan.model.clone(), text, Keep::Outputs, Arc::new(Alone)).unwrap();
    let draft = Draft::default();
    let made = plan.find(&sent(REVIEW), &subject, &draft).unwrap();
    [made, draft.read().unwrap()].map(|made| serde_json::from_slice(&made.body).unwrap())
}

#[test]
fn what_is_written_down_last_is_the_answer_but_for_its_end() {
    let [whole, last] = found(&plan(request(OTHER, &Mediators::ALL)));
    assert!(whole.complete && !last.complete);
    assert_eq!(MediationView { complete: true, ..last }, whole);
    assert!(whole.layers.is_some() && whole.heads.is_some());
    assert!(whole.neurons.is_some() && whole.patching.is_some());
}

#[test]
fn a_part_that_was_not_asked_for_is_left_out_and_not_paid_for() {
    let plan = plan(request(OTHER, &[Mediators::Heads]));
    let [whole, _] = found(&plan);
    let config = plan.model.config();
    let passes = 2 * config.layers * config.heads + Contrast::PASSES;
    assert_eq!(whole.forwards, 1 + passes);
    assert_eq!(plan.cost(12), Cost::exactly(Passes::new(passes, 0), 8));
    assert!(whole.layers.is_none() && whole.neurons.is_none() && whole.patching.is_none());
}

#[test]
fn what_runs_side_by_side_and_what_is_put_into_it_is_reckoned_with() {
    let sheet = |kind: Mediators| {
        let plan = plan(request(OTHER, &[kind]));
        let values = value_bytes(&plan.mediators_of(kind), plan.model.config(), 12);
        plan.bytes(12) - values - 2 * BYTES_A_NUMBER * plan.passes(12).1
    };
    assert_eq!(Mediators::ALL.map(sheet), [sheet(Mediators::Positions); 4]);
    let plan = plan(request(OTHER, &Mediators::ALL));
    assert_eq!([12, 100, 500].map(|tokens| plan.cost(tokens).together), [8, 2, 1]);
}

#[test]
fn more_passes_than_one_answer_may_take_are_refused_with_what_to_do() {
    let mut asked = plan(request(OTHER, &Mediators::ALL));
    let text = encoded(&asked.model, REVIEW);
    asked.check_text(&text).unwrap();
    // As many mediators as a large model has.
    asked.mediators = vec![Mediators::Neurons; 100];
    asked.group = 1;
    let Err(Failure::Field(refused)) = asked.check_text(&text) else { panic!("it is refused") };
    assert_eq!(refused.pointer, "/neuron_group");
    assert!(refused.detail.contains("24002 passes"), "{}", refused.detail);
}

#[test]
fn equal_questions_have_equal_options_however_they_are_put() {
    let model = model();
    let usual = plan(request(OTHER, &Mediators::ALL));
    let group = model.config().intermediate_size.div_ceil(24);
    let mut backwards = Mediators::ALL;
    backwards.reverse();
    let spelt = plan(MediationRequest { neuron_group: Some(group), ..request(OTHER, &backwards) });
    assert_eq!(usual.canonical_options(), spelt.canonical_options());
    let other = plan(request(REVIEW, &Mediators::ALL));
    assert_ne!(usual.canonical_options(), other.canonical_options());
    let without_neurons = plan(request(OTHER, &[Mediators::Heads]));
    assert!(without_neurons.canonical_options().contains(r#""neuron_group":null"#));
}
