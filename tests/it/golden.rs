//! The network against PyTorch, transformers and Captum: golden values made by
//! `tools/make_fixtures.py`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::support::golden::{BUNDLED, Case, Golden, assert_close, assert_values, model_directory};
use candle_core::Tensor;
use explaind::explain::attention::rollout::rollout;
use explaind::explain::attention::statistics::HeadStatistics;
use explaind::explain::crew::Alone;
use explaind::explain::granularity::Granularity;
use explaind::explain::{Attribution, Subject, attention, registry};
use explaind::model::{
    Batch, Cotangent, Encoder, HiddenEdit, Intervention, Keep, Matrix, Model, Trace, Wanted,
};
use serde_json::{Value, json};

/// ‖a − b‖∞ ≤ this · ‖b‖∞, for every tensor.
const TOLERANCE: f64 = 2e-5;

/// Logits near a decision boundary are small differences of large numbers: the same absolute error is
/// a larger share of them.
const LOGITS_TOLERANCE: f64 = 5e-5;

fn every_case(check: impl Fn(&Arc<Model>, &Case)) {
    for golden in Golden::all() {
        for case in &golden.cases {
            check(&golden.model, case);
        }
    }
}

fn batch(model: &Model, case: &Case) -> Batch {
    model.encoder().batch(&case.ids, &case.type_ids).expect("the golden ids fit the model")
}

fn forward(model: &Model, case: &Case) -> Trace {
    model.encoder().forward(&batch(model, case), Keep::Gradients).expect("the forward pass should run")
}

/// The checks below look at what a case has a golden value for; this one says what it must have.
#[test]
fn no_golden_value_is_missing() {
    for golden in Golden::all() {
        let config = golden.model.config();
        let tiny = golden.model.id() != BUNDLED;
        assert_eq!(golden.cases.len(), if tiny { 3 } else { 22 });
        assert_eq!(golden.cases.iter().filter(|case| case.interventions.is_object()).count(), 1);
        for case in &golden.cases {
            let mut names: Vec<String> = ["logits", "saliency_l2", "input_x_gradient", "ig50", "ig50_delta"]
                .map(String::from)
                .to_vec();
            if case.full {
                let others = [
                    "pooled",
                    "saliency_l1",
                    "ig50_mask",
                    "ig50_zero",
                    "ig512",
                    "rollout",
                    "entropy",
                    "entropy_sum",
                    "quality",
                    "special_mass",
                    "grad.pooled_sum.word_embeddings",
                ];
                names.extend(others.map(String::from));
                for class in 0..config.labels.len() {
                    names.push(format!("grad.{class}.word_embeddings"));
                    names.push(format!("grad.{class}.head_gates"));
                    if tiny || class == case.predicted {
                        names.extend((0..=config.layers).map(|l| format!("grad.{class}.hidden.{l}")));
                        names.extend((0..config.layers).map(|l| format!("grad.{class}.attention.{l}")));
                        let neurons = if tiny { (0..config.layers).collect() } else { vec![2, 4] };
                        names.extend(neurons.into_iter().map(|l| format!("grad.{class}.neurons.{l}")));
                    }
                }
            } else {
                names.push("rollout_cls".into());
            }
            if case.interventions.is_object() {
                names.push("grad.hidden_mid.word_embeddings".into());
            }
            for name in names {
                assert!(case.get(&name).is_some(), "{} {} has no golden `{name}`", case.model, case.id);
            }
        }
    }
}

#[test]
fn the_forward_pass_is_that_of_transformers() {
    every_case(|model, case| {
        let trace = forward(model, case);
        assert_values(case, "logits", trace.logits(0), LOGITS_TOLERANCE);
        case.when("pooled", |name| {
            assert_values(case, name, &trace.pooled().unwrap().values, TOLERANCE);
            assert_eq!(trace.hidden_states(), model.config().layers + 1);
            for l in 0..trace.hidden_states() {
                let hidden = trace.hidden(l).unwrap().values;
                assert_values(case, &format!("hidden.{l}"), &hidden, TOLERANCE);
            }
            assert_eq!(trace.attention_layers(), model.config().layers);
            for l in 0..trace.attention_layers() {
                let attention = trace.attention(l, 0).unwrap().values;
                assert_values(case, &format!("attention.{l}"), &attention, TOLERANCE);
            }
        });
    });
}

#[test]
fn masked_lm_logits_are_those_of_transformers() {
    let mut seen = 0;
    every_case(|model, case| {
        let trace = forward(model, case);
        let last = trace.hidden(model.config().layers).unwrap();
        let logits =
            || model.encoder().masked_lm_logits(&last).unwrap().expect("the model has a masked-LM head");
        case.when("mlm_logits", |name| assert_values(case, name, &logits().values, TOLERANCE));
        for position in 0..case.ids.len() {
            case.when(&format!("mlm_logits.{position}"), |name| {
                assert_values(case, name, logits().row(position), TOLERANCE);
            });
        }
    });
    for golden in Golden::all() {
        seen += usize::from(
            golden.cases.iter().any(|case| case.names().any(|name| name.starts_with("mlm_logits"))),
        );
    }
    assert!(seen >= 2, "a tiny model and the bundled one have masked-LM goldens");
}

/// candle-transformers' own BERT, which shares no code with ours: a third opinion, on every logit.
#[test]
fn masked_lm_logits_are_those_of_candle_transformers() {
    use candle_transformers::models::bert::{BertForMaskedLM, Config};

    let device = candle_core::Device::Cpu;
    for name in ["three-labels", BUNDLED] {
        let golden = Golden::of(name);
        let directory = model_directory(name);
        let stored = candle_core::safetensors::load(directory.join("model.safetensors"), &device).unwrap();
        let mut tensors: HashMap<String, Tensor> = stored
            .into_iter()
            .map(|(name, tensor)| (name, tensor.to_dtype(candle_core::DType::F32).unwrap()))
            .collect();
        for (part, source) in
            [("weight", "bert.embeddings.word_embeddings.weight"), ("bias", "cls.predictions.bias")]
        {
            let tied = tensors[source].clone();
            tensors.insert(format!("cls.predictions.decoder.{part}"), tied);
        }
        let config: Config =
            serde_json::from_slice(&std::fs::read(directory.join("config.json")).unwrap()).unwrap();
        let weights = candle_nn::VarBuilder::from_tensors(tensors, candle_core::DType::F32, &device);
        let theirs = BertForMaskedLM::load(weights, &config).unwrap();
        for case in &golden.cases {
            let row = |ids: &[u32]| Tensor::new(ids, &device).unwrap().unsqueeze(0).unwrap();
            let expected = theirs.forward(&row(&case.ids), &row(&case.type_ids), None).unwrap();
            let trace = forward(&golden.model, case);
            let last = trace.hidden(golden.model.config().layers).unwrap();
            let ours = golden.model.encoder().masked_lm_logits(&last).unwrap().unwrap().values;
            let expected = expected.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let doubles = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
            assert_close(&format!("{name} {}", case.id), &doubles(ours), &doubles(expected), 1e-4);
        }
    }
}

#[test]
fn gradients_of_every_logit_at_every_point_are_those_of_pytorch() {
    every_case(|model, case| {
        let trace = forward(model, case);
        let layers: Vec<usize> = (0..model.config().layers).collect();
        let wanted = Wanted {
            word_embeddings: true,
            hidden: (0..=model.config().layers).collect(),
            attention: layers.clone(),
            head_gates: layers.clone(),
            neurons: layers.clone(),
        };
        for class in 0..model.config().labels.len() {
            let cotangent = Cotangent::logit(&trace, class).unwrap();
            let gradients = model.encoder().backward(&trace, &cotangent, &wanted).unwrap();
            let check = |point: &str, ours: &[f32]| {
                case.when(&format!("grad.{class}.{point}"), |name| {
                    assert_values(case, name, ours, TOLERANCE)
                });
            };
            check("word_embeddings", &gradients.word_embeddings.values);
            gradients.hidden.iter().for_each(|(l, ours)| check(&format!("hidden.{l}"), &ours.values));
            gradients
                .attention
                .iter()
                .for_each(|(l, ours)| check(&format!("attention.{l}"), &ours[0].values));
            gradients.neurons.iter().for_each(|(l, ours)| check(&format!("neurons.{l}"), &ours.values));
            let gates: Vec<f32> =
                gradients.head_gates.values().flat_map(|gates| gates.values.clone()).collect();
            check("head_gates", &gates);
        }
    });
}

#[test]
fn gradients_of_pooled_hidden_and_masked_lm_outputs_are_those_of_pytorch() {
    every_case(|model, case| {
        let trace = forward(model, case);
        let gradient = |cotangent: Cotangent| {
            let gradients = model.encoder().backward(&trace, &cotangent, &Wanted::word_embeddings()).unwrap();
            gradients.word_embeddings.values
        };
        case.when("grad.pooled_sum.word_embeddings", |name| {
            let ones = vec![1.0; trace.pooled().unwrap().values.len()];
            let cotangent = Cotangent { pooled: Some(ones), ..Cotangent::default() };
            assert_values(case, name, &gradient(cotangent), TOLERANCE);
        });
        case.when("grad.hidden_mid.word_embeddings", |name| {
            let middle = BTreeMap::from([(model.config().layers / 2, case.singles("cotangent.hidden_mid"))]);
            assert_values(
                case,
                name,
                &gradient(Cotangent { hidden: middle, ..Cotangent::default() }),
                TOLERANCE,
            );
        });
        case.when("grad.mlm.word_embeddings", |name| {
            let vocabulary = model.config().vocabulary_size;
            let row = |row: usize| {
                let name = format!("cotangent.mlm.{row}");
                case.get(&name).map_or_else(|| vec![0.0; vocabulary], |_| case.singles(&name))
            };
            let masked_lm_logits = Some(match case.get("cotangent.mlm") {
                Some(_) => case.singles("cotangent.mlm"),
                None => (0..case.ids.len()).flat_map(row).collect(),
            });
            assert_values(
                case,
                name,
                &gradient(Cotangent { masked_lm_logits, ..Cotangent::default() }),
                TOLERANCE,
            );
        });
    });
}

#[test]
fn interventions_change_logits_and_gradients_as_hooks_in_pytorch_do() {
    let mut checked = 0;
    for golden in Golden::all() {
        for case in golden.cases.iter().filter(|case| case.interventions.is_object()) {
            for (kind, intervention) in interventions(case) {
                let mut batch = batch(&golden.model, case);
                batch.sequences[0].interventions = vec![intervention].into();
                let encoder = golden.model.encoder();
                let trace = encoder.forward(&batch, Keep::Gradients).unwrap();
                let name = format!("intervention.{kind}");
                assert_values(case, &format!("{name}.logits"), trace.logits(0), LOGITS_TOLERANCE);
                let cotangent = Cotangent::logit(&trace, case.predicted).unwrap();
                let gradients = encoder.backward(&trace, &cotangent, &Wanted::word_embeddings()).unwrap();
                let ours = gradients.word_embeddings.values;
                assert_values(case, &format!("{name}.grad.word_embeddings"), &ours, TOLERANCE);
                checked += 1;
            }
        }
    }
    assert!(checked >= 48, "six kinds for each of eight models, not {checked}");
}

fn interventions(case: &Case) -> Vec<(&'static str, Intervention)> {
    let index = |value: &Value| value.as_u64().expect("an index") as usize;
    let indices = |value: &Value| value.as_array().expect("a list").iter().map(index).collect();
    let gate = |value: &Value| value.as_f64().expect("a number") as f32;
    let of = |kind: &str| &case.interventions[kind];
    let vector = |name: &str| case.singles(&format!("intervention.{name}"));
    let hidden =
        |kind: &str, edit: HiddenEdit| Intervention::Hidden { point: index(&of(kind)["layer"]), edit };
    vec![
        ("token_mask", Intervention::TokenMask { tokens: indices(&of("token_mask")["tokens"]) }),
        (
            "head_gate",
            Intervention::HeadGate {
                layer: index(&of("head_gate")["layer"]),
                head: index(&of("head_gate")["head"]),
                gate: gate(&of("head_gate")["gate"]),
            },
        ),
        (
            "neuron_gate",
            Intervention::NeuronGate {
                layer: index(&of("neuron_gate")["layer"]),
                neurons: indices(&of("neuron_gate")["neurons"]),
                gate: gate(&of("neuron_gate")["gate"]),
            },
        ),
        ("hidden_add", hidden("hidden_add", HiddenEdit::Add(vector("hidden_add.vector")))),
        ("hidden_project", hidden("hidden_project", HiddenEdit::Project(vector("hidden_project.direction")))),
        (
            "hidden_replace",
            hidden(
                "hidden_replace",
                HiddenEdit::Replace {
                    token: index(&of("hidden_replace")["row"]),
                    value: vector("hidden_replace.value"),
                },
            ),
        ),
    ]
}

/// The scores of a method for the predicted class of a case.
fn attribute(model: &Arc<Model>, case: &Case, method: &str, options: Value) -> Attribution {
    let text = case.encode(model);
    assert_eq!(text.ids, case.ids, "case {} is tokenised as by transformers", case.id);
    let configured = registry::find(method)
        .expect("a known method")
        .configure(Some(&options), model, Granularity::Token)
        .unwrap();
    let subject = Subject::new(model.clone(), text, configured.keep(), Arc::new(Alone)).unwrap();
    configured.attribute(&subject, &[case.predicted], 0).unwrap().swap_remove(0)
}

fn assert_scores(case: &Case, name: &str, scores: &[f64], tolerance: f64) {
    let expected = case.values(name);
    assert_close(&format!("{} {}.{name}", case.model, case.id), scores, &expected, tolerance);
}

#[test]
fn gradient_methods_are_those_of_captum() {
    every_case(|model, case| {
        let methods = [
            ("saliency_l1", "saliency", json!({"norm": "l1"})),
            ("saliency_l2", "saliency", json!({"norm": "l2"})),
            ("input_x_gradient", "input_x_gradient", json!({})),
        ];
        for (name, method, options) in methods {
            case.when(name, |name| {
                assert_scores(case, name, &attribute(model, case, method, options.clone()).scores, 2e-5);
            });
        }
    });
}

#[test]
fn integrated_gradients_at_fixed_steps_are_those_of_captum_for_every_baseline() {
    every_case(|model, case| {
        let runs = [
            ("ig50", 50, "pad"),
            ("ig50_mask", 50, "mask"),
            ("ig50_zero", 50, "zero"),
            ("ig512", 512, "pad"),
        ];
        for (name, steps, baseline) in runs {
            case.when(name, |name| {
                let ours = attribute(
                    model,
                    case,
                    "integrated_gradients",
                    json!({"steps": steps, "baseline": baseline}),
                );
                assert_scores(case, name, &ours.scores, 1e-4);
                let convergence = ours.convergence.expect("a path method reports convergence");
                assert_eq!((convergence.steps, convergence.gradients), (steps, steps));
                if name == "ig50" {
                    let scale = ours.scores.iter().fold(1.0f64, |largest, score| largest.max(score.abs()));
                    let delta = case.values("ig50_delta")[0];
                    assert!((convergence.delta - delta).abs() <= 1e-4 * scale, "{} {}", case.model, case.id);
                }
            });
        }
    });
}

#[test]
fn adaptive_integrated_gradients_keep_their_promise_against_512_nodes() {
    every_case(|model, case| {
        case.when("ig512", |name| {
            let ours = attribute(model, case, "integrated_gradients", json!({}));
            let convergence = ours.convergence.expect("a path method reports convergence");
            if convergence.converged {
                assert!(convergence.delta.abs() <= convergence.tolerance);
                assert_scores(case, name, &ours.scores, 0.03);
            } else {
                // Kinks of relu and random weights may need more than the budget; a trained model may not.
                assert!(convergence.gradients > 64 && case.model != BUNDLED, "{} {}", case.model, case.id);
            }
        });
    });
}

#[test]
fn adaptive_integrated_gradients_of_real_sentences_take_few_gradients_and_agree_with_captum() {
    let golden = Golden::of(BUNDLED);
    let mut gradients = 0;
    for case in &golden.cases {
        let ours = attribute(&golden.model, case, "integrated_gradients", json!({}));
        let convergence = ours.convergence.expect("a path method reports convergence");
        assert!(convergence.converged, "{}", case.text);
        assert_scores(case, "ig50", &ours.scores, 0.05);
        gradients += convergence.gradients;
    }
    assert!(gradients <= 25 * golden.cases.len(), "{gradients} for {} texts", golden.cases.len());
}

#[test]
fn rollout_and_head_statistics_are_those_of_numpy_and_scipy() {
    every_case(|model, case| {
        let trace = forward(model, case);
        let maps = attention::layers(&trace, 0).unwrap();
        let rolled = rollout(&maps);
        case.when("rollout", |name| assert_scores(case, name, &rolled.concat(), TOLERANCE));
        case.when("rollout_cls", |name| {
            assert_scores(case, name, &rolled[0], TOLERANCE);
            assert_eq!(attribute(model, case, "attention_rollout", json!({})).scores, rolled[0]);
        });
        case.when("entropy", |_| {
            let of = |figure: fn(&HeadStatistics) -> f64| -> Vec<f64> {
                let heads = maps.iter().flat_map(|layer| &layer.heads);
                heads.map(|head| figure(&HeadStatistics::new(head, &case.special))).collect()
            };
            assert_scores(case, "entropy", &of(|s| s.entropy), TOLERANCE);
            assert_scores(case, "entropy_sum", &of(|s| s.entropy_sum), TOLERANCE);
            assert_scores(case, "quality", &of(|s| s.quality), TOLERANCE);
            assert_scores(case, "special_mass", &of(|s| s.special_token_mass), TOLERANCE);
        });
    });
}

/// Texts in random company, on two threads at once: not one bit may differ.
#[test]
fn a_text_gets_the_same_bits_whatever_travels_with_it() {
    for golden in Golden::all() {
        let encoder = golden.model.encoder();
        let alone: Vec<Vec<u32>> =
            golden.cases.iter().map(|case| bits(encoder, &[batch(&golden.model, case)])[0].clone()).collect();
        let mut order = Shuffle(7);
        for size in [2, 3, 5, 9, 17] {
            let picks: Vec<usize> = (0..size).map(|_| order.next(golden.cases.len())).collect();
            let company: Vec<Batch> =
                picks.iter().map(|pick| batch(&golden.model, &golden.cases[*pick])).collect();
            let together = std::thread::scope(|scope| {
                let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| bits(encoder, &company))).collect();
                workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
            });
            for results in together {
                for (pick, bits) in picks.iter().zip(results) {
                    assert!(bits == alone[*pick], "{} case {pick} among {size}", golden.model.id());
                }
            }
        }
    }
}

/// Logits, pooled output, hidden states, attention and gradients of each sequence, bit by bit.
fn bits(encoder: &Encoder, batches: &[Batch]) -> Vec<Vec<u32>> {
    let trace = encoder.forward(&Encoder::join(batches), Keep::Gradients).unwrap();
    let cotangent = Cotangent::logit(&trace, 0).unwrap();
    let wanted = Wanted { word_embeddings: true, hidden: vec![0], head_gates: vec![0], ..Wanted::default() };
    let gradients = encoder.backward(&trace, &cotangent, &wanted).unwrap();
    let layers = encoder.config().layers;
    let last = trace.hidden(layers).unwrap();
    let masked_lm = encoder.masked_lm_logits(&last).unwrap();
    let bits_of = |sequence: usize| {
        let rows = trace.rows()[sequence].clone();
        let of_rows = |matrix: &Matrix| -> Vec<f32> {
            rows.clone().flat_map(|row| matrix.row(row)[..matrix.width.min(400)].to_vec()).collect()
        };
        let mut values = trace.logits(sequence).to_vec();
        values.extend(trace.pooled().unwrap().row(sequence));
        values.extend(of_rows(&last));
        values.extend(of_rows(&gradients.word_embeddings));
        values.extend(of_rows(&gradients.hidden[&0]));
        values.extend(gradients.head_gates[&0].row(sequence));
        (0..layers).for_each(|layer| values.extend(trace.attention(layer, sequence).unwrap().values));
        masked_lm.iter().for_each(|logits| values.extend(of_rows(logits)));
        values.into_iter().map(f32::to_bits).collect()
    };
    (0..batches.len()).map(bits_of).collect()
}

/// What nobody asked for is not computed, and that changes nothing of what was.
#[test]
fn a_pass_that_keeps_less_gives_the_same_bits() {
    every_case(|model, case| {
        let (encoder, batch) = (model.encoder(), batch(model, case));
        let all = forward(model, case);
        let less = encoder.forward(&batch, Keep::OutputGradients).unwrap();
        let least = encoder.forward(&batch, Keep::Outputs).unwrap();
        assert_eq!(all.all_logits(), less.all_logits());
        assert_eq!(all.all_logits(), least.all_logits());
        let cotangent = Cotangent::logit(&all, case.predicted).unwrap();
        let gradient = |trace: &Trace| {
            let gradients = encoder.backward(trace, &cotangent, &Wanted::word_embeddings()).unwrap();
            gradients.word_embeddings.values
        };
        assert_eq!(gradient(&all), gradient(&less), "{} {}", case.model, case.id);
        assert!(less.hidden(0).is_err() && less.attention(0, 0).is_err());
        assert!(encoder.backward(&least, &cotangent, &Wanted::word_embeddings()).is_err());
    });
}

/// A small generator, so that the mixes are the same in every run.
struct Shuffle(u64);

impl Shuffle {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below
    }
}
