//! Parts of one pass in another, against whole passes.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::mediation::{Mediated, Mediator, heads, mediated, neuron_groups, passes, sublayers, value_bytes};
use super::patching::{expected_passes, most_passes, patched};
use super::*;
use crate::explain::crew::Alone;
use crate::model::{HiddenEdit, Intervention, Keep, Text};

static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
    Arc::new(Model::load("three-labels", &path).unwrap())
});

fn encoded(text: &str) -> EncodedText {
    MODEL.encode(Text { first: text, second: None }, false).unwrap()
}

fn text() -> EncodedText {
    encoded("the film is good and the plot is old")
}

fn counterfactual() -> EncodedText {
    encoded("the film is bad and the plot is old")
}

fn subject() -> Subject {
    Subject::new(MODEL.clone(), text(), Keep::Outputs, Arc::new(Alone)).unwrap()
}

/// What the network says of a text in a whole pass with these changes.
fn whole(text: &EncodedText, changes: Vec<Intervention>) -> Vec<f32> {
    let encoder = MODEL.encoder();
    let mut batch = encoder.batch(&text.ids, &text.type_ids).unwrap();
    batch.sequences[0].interventions = changes.into();
    encoder.logits(&batch).unwrap().remove(0)
}

fn inside(text: &EncodedText) -> Activations {
    let encoder = MODEL.encoder();
    encoder.activations(&encoder.batch(&text.ids, &text.type_ids).unwrap()).unwrap()
}

fn effects(contrast: &Contrast<'_>, mediators: &[Mediator]) -> Vec<Mediated> {
    mediated(contrast, mediators, &mut |_| {}).unwrap()
}

#[test]
fn an_effect_is_that_of_a_whole_pass_with_the_mediator_set_by_hand() {
    let (subject, heads_a_layer) = (subject(), MODEL.config().heads);
    let contrast = Contrast::new(&subject, &counterfactual()).unwrap();
    let (x, other) = (inside(&text()), inside(&counterfactual()));
    assert_eq!(contrast.logits(Side::Text), x.logits);
    assert_eq!(contrast.logits(Side::Counterfactual), other.logits);
    let all = heads(MODEL.config());
    assert_eq!(all.len(), MODEL.config().layers * heads_a_layer);
    for (mediator, found) in all.iter().zip(effects(&contrast, &all)) {
        let Mediator::Head { layer, head } = *mediator else { panic!("heads alone") };
        let set = |pass: &Activations| {
            vec![Intervention::HeadValues { layer, head, values: pass.head(layer, head, heads_a_layer) }]
        };
        assert_eq!(found.indirect, whole(&text(), set(&other)), "{mediator:?}");
        assert_eq!(found.direct, whole(&counterfactual(), set(&x)), "{mediator:?}");
    }
    let groups = neuron_groups(MODEL.config(), 11);
    for (mediator, found) in groups.iter().zip(effects(&contrast, &groups)) {
        let Mediator::Neurons { layer, neurons } = mediator.clone() else { panic!("neurons alone") };
        let values = other.neurons_of(layer, neurons.clone());
        let set = vec![Intervention::NeuronValues { layer, neurons, values }];
        assert_eq!(found.indirect, whole(&text(), set), "{mediator:?}");
    }
}

#[test]
fn a_group_of_all_neurons_is_the_sublayer() {
    let (subject, config) = (subject(), MODEL.config());
    let contrast = Contrast::new(&subject, &counterfactual()).unwrap();
    let of_layers = effects(&contrast, &sublayers(config));
    let of_groups = effects(&contrast, &neuron_groups(config, config.intermediate_size));
    assert_eq!(of_groups.len(), config.layers);
    for (pair, group) in of_layers.chunks(2).zip(&of_groups) {
        assert_eq!(&pair[1], group);
        assert_ne!(pair[0], pair[1]);
    }
}

#[test]
fn a_patched_row_is_that_of_a_whole_pass_and_what_changes_nothing_takes_none() {
    let (subject, layers) = (subject(), MODEL.config().layers);
    let contrast = Contrast::new(&subject, &counterfactual()).unwrap();
    let mut ran = 0;
    let map = patched(&contrast, &mut |passes| ran += passes).unwrap();
    let (other, tokens) = (inside(&counterfactual()), text().ids.len());
    assert_eq!((map.len(), map[0].len()), (layers + 1, tokens));
    for (point, state) in map.iter().enumerate() {
        for (token, logits) in state.iter().enumerate() {
            let edit = HiddenEdit::Replace { token, value: other.hidden[point].row(token).to_vec() };
            let set = vec![Intervention::Hidden { point, edit }];
            assert_eq!(*logits, whole(&text(), set), "hidden state {point}, token {token}");
        }
    }
    // One word differs, so that one row of the embeddings' output does.
    let changed = text().ids.iter().zip(&counterfactual().ids).filter(|(one, other)| one != other).count();
    assert_eq!(changed, 1);
    assert_eq!(ran, (layers - 1) * tokens + 2);
    assert_eq!(ran, expected_passes(layers, tokens));
    assert!(ran < most_passes(layers, tokens));
    assert_eq!(map[layers][0], contrast.logits(Side::Counterfactual));
}

#[test]
fn passes_are_told_as_they_are_run() {
    let subject = subject();
    let contrast = Contrast::new(&subject, &counterfactual()).unwrap();
    let groups = neuron_groups(MODEL.config(), 1);
    let mut told = Vec::new();
    mediated(&contrast, &groups, &mut |passes| told.push(passes)).unwrap();
    assert!(told.len() > 1 && told.iter().all(|passes| *passes <= CHUNK), "{told:?}");
    assert_eq!(told.iter().sum::<usize>(), passes(groups.len()));
}

#[test]
fn values_to_be_put_in_are_ready_for_one_chunk_of_passes_at_a_time() {
    let (config, pass, tokens) = (MODEL.config(), inside(&text()), text().ids.len());
    let ready = |mediators: &[Mediator]| value_bytes(mediators, config, tokens);
    let neurons = |count: usize| size_of_val(&*pass.neurons_of(0, 0..count));
    let head = size_of_val(&*pass.head(0, 0, config.heads));
    let (heads, single) = (heads(config), neuron_groups(config, 1));
    assert!(passes(heads.len()) < CHUNK && CHUNK < passes(single.len()));
    assert_eq!(ready(&heads), passes(heads.len()) * head);
    assert_eq!(ready(&single), CHUNK * neurons(1));
    let layer = config.heads * head + neurons(config.intermediate_size);
    assert_eq!(ready(&sublayers(config)), passes(config.layers) * layer);
    assert_eq!(ready(&[]), 0);
}

#[test]
fn a_text_of_another_length_is_no_counterfactual() {
    let subject = subject();
    let longer = encoded("the film is not good and the plot is old");
    let refused = Contrast::new(&subject, &longer).err().unwrap().to_string();
    assert!(refused.contains("another number of tokens"), "{refused}");
}

#[test]
fn an_outcome_is_a_logit_less_that_of_the_class_it_is_held_against() {
    let logits = [1.0, 4.0, 2.5];
    assert_eq!(Outcome { target: 1, against: Some(2) }.value(&logits), 1.5);
    assert_eq!(Outcome { target: 1, against: None }.value(&logits), 4.0);
}

proptest! {
    #[test]
    fn every_neuron_of_every_layer_is_in_one_group(group in 1usize..70) {
        let config = MODEL.config();
        let mut next = vec![0; config.layers];
        for mediator in neuron_groups(config, group) {
            let Mediator::Neurons { layer, neurons } = mediator else { panic!("neurons alone") };
            prop_assert_eq!(neurons.start, next[layer]);
            prop_assert!(!neurons.is_empty() && neurons.len() <= group);
            next[layer] = neurons.end;
        }
        prop_assert_eq!(next, vec![config.intermediate_size; config.layers]);
    }
}
