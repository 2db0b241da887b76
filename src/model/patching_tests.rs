//! What it does to a network to be given values of heads and neurons, on both kinds of operators.

use std::ops::Range;
use std::sync::Arc;

use super::interventions_tests::{
    IDS, affine, assert_gradients_are_differences, encoders, gradient, numbers, product, through,
};
use super::{Cotangent, Encoder, HiddenEdit, Intervention, Interventions, Keep, Wanted};

fn head(encoder: &Encoder, layer: usize, head: usize, seed: usize) -> Intervention {
    let values = numbers(IDS.len() * encoder.config().head_size(), seed).into();
    Intervention::HeadValues { layer, head, values }
}

fn neurons(layer: usize, neurons: Range<usize>, seed: usize) -> Intervention {
    let values = numbers(IDS.len() * neurons.len(), seed).into();
    Intervention::NeuronValues { layer, neurons, values }
}

/// Values of a head and of neurons in each layer, among all other changes that gradients pass.
fn company(encoder: &Encoder) -> Vec<Intervention> {
    let mut changes = vec![
        Intervention::HeadGate { layer: 0, head: 0, gate: 0.5 },
        Intervention::HeadGate { layer: 1, head: 1, gate: 3.0 },
        Intervention::NeuronGate { layer: 1, neurons: vec![1, 12, 30], gate: -0.5 },
        Intervention::Hidden { point: 1, edit: affine(encoder) },
        Intervention::Hidden { point: 2, edit: HiddenEdit::Add(numbers(encoder.config().hidden_size, 3)) },
    ];
    for layer in 0..encoder.config().layers {
        changes.extend([head(encoder, layer, 1, layer), neurons(layer, 5..20, layer + 4)]);
    }
    changes
}

fn logits(encoder: &Encoder, changes: Vec<Intervention>) -> Vec<f32> {
    encoder.logits(&through(encoder, changes.into())).unwrap().remove(0)
}

#[test]
fn gradients_past_values_of_heads_and_neurons_are_differences_of_the_altered_logits() {
    for encoder in encoders() {
        for layer in 0..encoder.config().layers {
            for change in [head(&encoder, layer, 2, 1), neurons(layer, 3..30, 2)] {
                let batch = through(&encoder, vec![change].into());
                assert_gradients_are_differences(&encoder, &batch, &format!("layer {layer}"));
            }
        }
        let batch = through(&encoder, company(&encoder).into());
        assert_gradients_are_differences(&encoder, &batch, "among others");
    }
}

#[test]
fn nothing_passes_a_layer_whose_heads_have_values_but_what_goes_around_them() {
    for encoder in encoders() {
        let all: Vec<Intervention> =
            (0..encoder.config().heads).map(|index| head(&encoder, 2, index, index)).collect();
        let batch = through(&encoder, all.into());
        let trace = encoder.forward(&batch, Keep::Gradients).unwrap();
        let wanted = Wanted { hidden: vec![2], head_gates: vec![2], attention: vec![2], ..Wanted::default() };
        let cotangent = Cotangent::logit(&trace, 0).unwrap();
        let gradients = encoder.backward(&trace, &cotangent, &wanted).unwrap();
        assert!(gradients.head_gates[&2].values.iter().all(|value| *value == 0.0));
        assert!(gradients.attention[&2][0].values.iter().all(|value| *value == 0.0));
        let (first, others) = gradients.hidden[&2].values.split_at(encoder.config().hidden_size);
        assert!(first.iter().any(|value| *value != 0.0));
        assert!(others.iter().all(|value| *value == 0.0));
    }
}

#[test]
fn derivatives_by_gates_are_differences_and_zero_where_a_head_has_values() {
    for encoder in encoders() {
        let batch = through(&encoder, company(&encoder).into());
        let trace = encoder.forward(&batch, Keep::Gradients).unwrap();
        let wanted = Wanted { head_gates: vec![1], ..Wanted::default() };
        let cotangent = Cotangent::logit(&trace, 1).unwrap();
        let gates = encoder.backward(&trace, &cotangent, &wanted).unwrap().head_gates.remove(&1).unwrap();
        for index in 0..encoder.config().heads {
            let at = |gate: f32| {
                let mut changes = company(&encoder);
                changes.push(Intervention::HeadGate { layer: 1, head: index, gate });
                f64::from(logits(&encoder, changes)[1])
            };
            let change = (at(1.02) - at(0.98)) / 0.04;
            let derivative = f64::from(gates.row(0)[index]);
            let tolerance = 3e-4 + 0.02 * derivative.abs();
            assert!((change - derivative).abs() < tolerance, "head {index}: {change} for {derivative}");
            assert_eq!(derivative == 0.0, index == 1);
        }
    }
}

#[test]
fn gradients_at_neurons_with_values_are_differences_by_these_values() {
    for encoder in encoders() {
        let values = numbers(IDS.len() * 4, 5);
        let changed = |values: &[f32]| {
            let values: Arc<[f32]> = values.into();
            through(&encoder, vec![Intervention::NeuronValues { layer: 1, neurons: 6..10, values }].into())
        };
        let trace = encoder.forward(&changed(&values), Keep::Gradients).unwrap();
        let wanted = Wanted { neurons: vec![1], ..Wanted::default() };
        let cotangent = Cotangent::logit(&trace, 1).unwrap();
        let gradient = encoder.backward(&trace, &cotangent, &wanted).unwrap().neurons.remove(&1).unwrap();
        for (token, row) in gradient.iter().enumerate() {
            let at = |step: f32| {
                let mut values = values.clone();
                values[token * 4 + 2] += step;
                f64::from(encoder.logits(&changed(&values)).unwrap()[0][1])
            };
            let (change, derivative) = ((at(0.02) - at(-0.02)) / 0.04, f64::from(row[8]));
            let tolerance = 3e-4 + 0.02 * derivative.abs();
            assert!((change - derivative).abs() < tolerance, "token {token}: {change} for {derivative}");
        }
    }
}

#[test]
fn heads_and_neurons_given_their_own_values_change_no_bit() {
    for encoder in encoders() {
        let (layers, heads) = (encoder.config().layers, encoder.config().heads);
        let width = encoder.config().intermediate_size;
        let plain = through(&encoder, Interventions::none());
        let own = encoder.activations(&plain).unwrap();
        let mut changes = Vec::new();
        for layer in 0..layers {
            let of_head = |head| {
                let values = own.head(layer, head, heads);
                Intervention::HeadValues { layer, head, values }
            };
            changes.extend((0..heads).map(of_head));
            for neurons in [0..7, 5..width] {
                let values = own.neurons_of(layer, neurons.clone());
                changes.push(Intervention::NeuronValues { layer, neurons, values });
            }
        }
        for change in &changes {
            assert_eq!(logits(&encoder, vec![change.clone()]), own.logits);
        }
        let patched = through(&encoder, changes.into());
        assert_eq!(encoder.activations(&patched).unwrap(), own);
        let other = encoder.batch(&[3, 4, 5, 6, 7, 8, 9], &[0; 7]).unwrap();
        let together = encoder.logits(&Encoder::join([&other, &patched, &plain])).unwrap();
        assert_eq!(together[0], encoder.logits(&other).unwrap()[0]);
        assert_eq!(together[1..], [own.logits.clone(), own.logits.clone()]);
    }
}

#[test]
fn values_of_another_text_show_in_the_pass_where_they_were_put() {
    for encoder in encoders() {
        let heads = encoder.config().heads;
        let other = encoder.batch(&[9, 3, 30, 12, 4], &[0; 5]).unwrap();
        let other = encoder.activations(&other).unwrap();
        let own = encoder.activations(&through(&encoder, Interventions::none())).unwrap();
        let changes = vec![
            Intervention::HeadValues { layer: 1, head: 2, values: other.head(1, 2, heads) },
            Intervention::NeuronValues { layer: 2, neurons: 4..9, values: other.neurons_of(2, 4..9) },
        ];
        let patched = encoder.activations(&through(&encoder, changes.into())).unwrap();
        assert_eq!(patched.head(1, 2, heads), other.head(1, 2, heads));
        assert_eq!(patched.neurons_of(2, 4..9), other.neurons_of(2, 4..9));
        assert_eq!(patched.head(1, 1, heads), own.head(1, 1, heads));
        assert_eq!(patched.hidden[..2], own.hidden[..2]);
        assert_ne!(patched.neurons_of(2, 0..4), own.neurons_of(2, 0..4));
        assert_ne!(patched.logits, own.logits);
    }
}

#[test]
fn zeros_are_a_gate_of_zero_to_the_bit() {
    for encoder in encoders() {
        let zeros = |count: usize| -> Arc<[f32]> { vec![0.0; IDS.len() * count].into() };
        let head_size = encoder.config().head_size();
        for layer in 0..encoder.config().layers {
            let pairs = [
                (
                    Intervention::HeadValues { layer, head: 1, values: zeros(head_size) },
                    Intervention::HeadGate { layer, head: 1, gate: 0.0 },
                ),
                (
                    Intervention::NeuronValues { layer, neurons: 2..9, values: zeros(7) },
                    Intervention::NeuronGate { layer, neurons: (2..9).collect(), gate: 0.0 },
                ),
            ];
            for (values, gate) in pairs {
                let of = |change: Intervention| {
                    let batch = through(&encoder, vec![change].into());
                    let record = encoder.record(&batch).unwrap();
                    let relevance = encoder.attn_lrp(&record, &[0.0, 1.0, 0.0]).unwrap();
                    (encoder.logits(&batch).unwrap(), gradient(&encoder, &batch), relevance)
                };
                assert_eq!(of(values), of(gate));
            }
        }
    }
}

#[test]
fn the_later_values_of_one_place_hold_whatever_its_gates() {
    for encoder in encoders() {
        let gate = Intervention::HeadGate { layer: 1, head: 2, gate: 0.25 };
        let (one, other) = (head(&encoder, 1, 2, 1), head(&encoder, 1, 2, 2));
        let alone = logits(&encoder, vec![other.clone()]);
        assert_ne!(alone, logits(&encoder, vec![one.clone()]));
        assert_eq!(alone, logits(&encoder, vec![one.clone(), other.clone()]));
        assert_eq!(alone, logits(&encoder, vec![gate.clone(), other.clone()]));
        assert_eq!(alone, logits(&encoder, vec![other, gate]));

        let first = numbers(IDS.len() * 4, 3);
        let values: Vec<f32> = first.chunks(4).flat_map(|row| row[..2].to_vec()).collect();
        let without_overlap = Intervention::NeuronValues { layer: 0, neurons: 1..3, values: values.into() };
        let gate = Intervention::NeuronGate { layer: 0, neurons: vec![2, 4], gate: 7.0 };
        let (early, late) = (neurons(0, 1..5, 3), neurons(0, 3..8, 4));
        let overlapping = logits(&encoder, vec![early.clone(), late.clone(), gate]);
        assert_eq!(overlapping, logits(&encoder, vec![without_overlap, late.clone()]));
        assert_ne!(overlapping, logits(&encoder, vec![late, early]));
    }
}

#[test]
fn kernels_and_candle_agree_on_a_network_with_values() {
    let [ours, theirs] = encoders().map(|encoder| {
        let batch = through(&encoder, company(&encoder).into());
        let mut all = encoder.logits(&batch).unwrap().remove(0);
        all.extend(gradient(&encoder, &batch));
        all
    });
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!((ours - theirs).abs() < 1e-4 * (1.0 + theirs.abs()), "{ours} against {theirs}");
    }
}

#[test]
fn multipliers_account_for_the_whole_difference_to_a_baseline_with_the_same_values() {
    for encoder in encoders() {
        let text = through(&encoder, company(&encoder).into());
        let mut baseline = encoder.batch(&[0; IDS.len()], &[0; IDS.len()]).unwrap();
        baseline.sequences = text.sequences.clone();
        let record = encoder.record(&Encoder::join([&text, &baseline])).unwrap();
        assert_eq!(record.logits(0), encoder.logits(&text).unwrap()[0]);
        let multipliers = encoder.rescale(&record, &[0.0, 1.0, 0.0]).unwrap();
        let pairs = text.word_embeddings.iter().zip(&baseline.word_embeddings);
        let steps: Vec<f32> = pairs.map(|(own, start)| own - start).collect();
        let explained = product(&multipliers.values, &steps);
        let difference = f64::from(record.logits(0)[1]) - f64::from(record.logits(1)[1]);
        assert!((explained - difference).abs() < 1e-3, "{explained} for {difference}");

        baseline.sequences[0].interventions = vec![head(&encoder, 1, 1, 8)].into();
        let unequal = encoder.record(&Encoder::join([&text, &baseline])).unwrap();
        let refused = encoder.rescale(&unequal, &[0.0, 1.0, 0.0]).err().unwrap().to_string();
        assert!(refused.contains("one and the same network"), "{refused}");
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let [encoder, _] = encoders();
    let refusal = |change: Intervention| {
        let batch = through(&encoder, vec![change].into());
        encoder.logits(&batch).err().unwrap().to_string()
    };
    let says = |change: Intervention, what: &str| {
        let refusal = refusal(change);
        assert!(refusal.contains(what), "{refusal}");
    };
    says(head(&encoder, 3, 0, 1), "layer 3, but there are 3");
    says(head(&encoder, 0, 3, 1), "head 3, but there are 3");
    says(neurons(3, 0..2, 1), "layer 3, but there are 3");
    says(neurons(0, 38..41, 1), "neuron 40, but there are 40");
    says(neurons(0, 4..4, 1), "neurons 4 to before 4, which are none");
    let short: Arc<[f32]> = vec![0.0; 39].into();
    says(
        Intervention::HeadValues { layer: 1, head: 2, values: short.clone() },
        "head 2 of layer 1 with 39 values, expected 8 for each of 5 tokens",
    );
    says(
        Intervention::NeuronValues { layer: 0, neurons: 3..13, values: short },
        "neurons 3 to 12 of layer 0 with 39 values, expected 10 for each of 5 tokens",
    );
}

#[test]
fn values_suit_the_text_alone_that_they_were_made_for() {
    let [encoder, _] = encoders();
    for change in [head(&encoder, 0, 0, 1), neurons(0, 0..1, 1)] {
        assert!(Interventions::from(vec![change]).name_tokens());
    }
    let gate = Intervention::HeadGate { layer: 0, head: 0, gate: 0.0 };
    assert!(!Interventions::from(vec![gate]).name_tokens());
}
