//! Texts against their counterfactuals, and words against a masked-LM head: golden values made by
//! `tools/make_fixtures.py`.

use std::sync::Arc;

use explaind::explain::Subject;
use explaind::explain::causal::Contrast;
use explaind::explain::causal::mediation::{Mediated, Mediator, heads, mediated, neuron_groups, sublayers};
use explaind::explain::causal::patching::patched;
use explaind::explain::counterfactual::language::{LanguageModel, pseudo_perplexity};
use explaind::explain::crew::Alone;
use explaind::model::{EncodedText, Keep, Model};

use crate::support::golden::{Case, Golden, assert_values};

/// ‖ours − golden‖∞ ≤ this · ‖golden‖∞.
const TOLERANCE: f64 = 1e-4;

/// How many of the likeliest tokens are kept.
const BEST: usize = 10;

fn every_case(models: Vec<Golden>, check: impl Fn(&Arc<Model>, &Case)) {
    for golden in models {
        assert!(!golden.cases.is_empty(), "{} has no cases", golden.model.id());
        golden.cases.iter().for_each(|case| check(&golden.model, case));
    }
}

fn assert_logits(model: &Model, encoded: &EncodedText, case: &Case, name: &str) {
    let encoder = model.encoder();
    let batch = encoder.batch(&encoded.ids, &encoded.type_ids).expect("the text should fit the model");
    let trace = encoder.forward(&batch, Keep::Outputs).expect("the forward pass should run");
    assert_values(case, name, trace.logits(0), TOLERANCE);
}

/// The text of a case beside its counterfactual.
fn contrasted(model: &Arc<Model>, case: &Case, check: impl Fn(&Contrast<'_>)) {
    let subject = Subject::new(model.clone(), case.encode(model), Keep::Outputs, Arc::new(Alone)).unwrap();
    let counterfactual = model.encode(case.counterfactual(), false).unwrap();
    check(&Contrast::new(&subject, &counterfactual).unwrap());
}

/// What the network says with each mediator as for the other text, under the names of `kind`.
fn assert_mediated(case: &Case, contrast: &Contrast<'_>, kind: &str, mediators: &[Mediator]) {
    let found = mediated(contrast, mediators, &mut |_| {}).unwrap();
    let assert_logits = |direction: &str, pick: fn(&Mediated) -> &Vec<f32>| {
        let logits: Vec<f32> = found.iter().flat_map(pick).copied().collect();
        assert_values(case, &format!("{kind}_{direction}"), &logits, TOLERANCE);
    };
    assert_logits("indirect", |mediated| &mediated.indirect);
    assert_logits("direct", |mediated| &mediated.direct);
}

fn assert_shape(case: &Case, name: &str, shape: &[usize]) {
    assert_eq!(case.tensor(name).dims(), shape, "{} {}.{name}", case.model, case.id);
}

#[test]
fn texts_and_their_counterfactuals_are_predicted_as_by_transformers() {
    every_case(Golden::of_causes(), |model, case| {
        let text = case.encode(model);
        let counterfactual = model.encode(case.counterfactual(), false).unwrap();
        assert_eq!(text.ids, case.ids);
        assert_eq!(counterfactual.ids, case.ids("counterfactual.input_ids"));
        assert_eq!(counterfactual.type_ids, case.type_ids, "of as many tokens");
        assert_logits(model, &text, case, "logits");
        assert_logits(model, &counterfactual, case, "counterfactual.logits");
    });
}

#[test]
fn with_parts_as_for_the_other_text_the_network_says_what_pytorch_says() {
    every_case(Golden::of_causes(), |model, case| {
        contrasted(model, case, |contrast| {
            let config = model.config();
            let (attention, feed_forward): (Vec<Mediator>, Vec<Mediator>) = sublayers(config)
                .into_iter()
                .partition(|mediator| matches!(mediator, Mediator::Attention { .. }));
            assert_mediated(case, contrast, "attention", &attention);
            assert_mediated(case, contrast, "feed_forward", &feed_forward);
            assert_mediated(case, contrast, "heads", &heads(config));
            assert_mediated(case, contrast, "neurons", &neuron_groups(config, case.group_size()));
        });
    });
}

#[test]
fn with_a_hidden_state_as_for_the_other_text_the_network_says_what_pytorch_says() {
    every_case(Golden::of_causes(), |model, case| {
        contrasted(model, case, |contrast| {
            let map = patched(contrast, &mut |_| {}).unwrap();
            assert_values(case, "patching", &map.concat().concat(), TOLERANCE);
        });
    });
}

#[test]
fn no_golden_value_of_a_part_is_missing() {
    every_case(Golden::of_causes(), |model, case| {
        let config = model.config();
        let (layers, labels) = (config.layers, config.labels.len());
        for direction in ["indirect", "direct"] {
            let name = |kind: &str| format!("{kind}_{direction}");
            let groups = config.intermediate_size.div_ceil(case.group_size());
            assert_shape(case, &name("heads"), &[layers, config.heads, labels]);
            assert_shape(case, &name("neurons"), &[layers, groups, labels]);
            assert_shape(case, &name("attention"), &[layers, labels]);
            assert_shape(case, &name("feed_forward"), &[layers, labels]);
        }
        assert_shape(case, "patching", &[layers + 1, case.ids.len(), labels]);
    });
}

#[test]
fn no_golden_value_of_a_word_is_missing() {
    every_case(Golden::of_masked_words(), |model, case| {
        assert_eq!(case.encode(model).ids, case.ids);
        let own = case.special.iter().filter(|special| !**special).count();
        assert_shape(case, "log_probabilities", &[own]);
        assert_shape(case, "pseudo_perplexity", &[1]);
        assert_shape(case, "best.log_probabilities", &[BEST]);
        assert_eq!(case.ids("best.ids").len(), BEST);
        assert!(!case.masked_positions().is_empty(), "{} {} masks a word", case.model, case.id);
    });
}

#[test]
fn a_masked_lm_finds_texts_as_likely_as_transformers_does() {
    every_case(Golden::of_masked_words(), |model, case| {
        let text = case.encode(model);
        let own: Vec<usize> = (0..text.tokens.len()).filter(|token| !text.tokens[*token].special).collect();
        let subject = Subject::new(model.clone(), text.clone(), Keep::Outputs, Arc::new(Alone)).unwrap();
        let language = LanguageModel::of(model.clone()).expect("it has a masked-LM head");
        let tokens: Vec<_> = own.iter().map(|token| (&text, *token)).collect();
        let surprises = language.surprises(&subject, &tokens).unwrap();
        let likelihoods: Vec<f32> = surprises.iter().map(|surprise| -*surprise as f32).collect();
        assert_values(case, "log_probabilities", &likelihoods, TOLERANCE);
        let perplexity = pseudo_perplexity(&surprises).unwrap();
        let golden = case.values("pseudo_perplexity")[0];
        assert!((perplexity - golden).abs() <= 10.0 * TOLERANCE * golden, "{perplexity} against {golden}");
    });
}
