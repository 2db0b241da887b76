//! The network against PyTorch, transformers and Captum: golden values made by
//! `tools/make_fixtures.py`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::support::golden::{BUNDLED, Case, Golden, assert_close, assert_tensor, model_directory};
use candle_core::Tensor;
use explaind::explain::attention::rollout::rollout;
use explaind::explain::attention::statistics::HeadStatistics;
use explaind::explain::crew::Alone;
use explaind::explain::{Attribution, Subject, attention, registry};
use explaind::model::{
    Batch, Cotangent, Encoder, HiddenEdit, Intervention, Keep, Model, Sequence, Trace, Wanted,
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
        assert_tensor(case, "logits", &trace.logits.flatten_all().unwrap(), LOGITS_TOLERANCE);
        case.when("pooled", |name| {
            assert_tensor(case, name, &trace.pooled.flatten_all().unwrap(), TOLERANCE);
            for (l, hidden) in trace.hidden.iter().enumerate() {
                assert_tensor(case, &format!("hidden.{l}"), hidden, TOLERANCE);
            }
            for (l, layer) in trace.attention.iter().enumerate() {
                assert_tensor(case, &format!("attention.{l}"), &layer[0], TOLERANCE);
            }
        });
    });
}

#[test]
fn masked_lm_logits_are_those_of_transformers() {
    let mut seen = 0;
    every_case(|model, case| {
        let trace = forward(model, case);
        let last = trace.hidden.last().unwrap();
        let logits =
            || model.encoder().masked_lm_logits(last).unwrap().expect("the model has a masked-LM head");
        case.when("mlm_logits", |name| assert_tensor(case, name, &logits(), TOLERANCE));
        for position in 0..case.ids.len() {
            case.when(&format!("mlm_logits.{position}"), |name| {
                assert_tensor(case, name, &logits().get(position).unwrap(), TOLERANCE);
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
            let ours =
                golden.model.encoder().masked_lm_logits(trace.hidden.last().unwrap()).unwrap().unwrap();
            let numbers = |tensor: &Tensor| -> Vec<f64> {
                tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
            };
            assert_close(&format!("{name} {}", case.id), &numbers(&ours), &numbers(&expected), 1e-4);
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
            let check = |point: &str, ours: &Tensor| {
                case.when(&format!("grad.{class}.{point}"), |name| {
                    assert_tensor(case, name, ours, TOLERANCE)
                });
            };
            check("word_embeddings", gradients.word_embeddings.as_ref().unwrap());
            gradients.hidden.iter().for_each(|(l, ours)| check(&format!("hidden.{l}"), ours));
            gradients.attention.iter().for_each(|(l, ours)| check(&format!("attention.{l}"), &ours[0]));
            gradients.neurons.iter().for_each(|(l, ours)| check(&format!("neurons.{l}"), ours));
            let gates: Vec<&Tensor> = gradients.head_gates.values().collect();
            check("head_gates", &Tensor::cat(&gates, 0).unwrap());
        }
    });
}

#[test]
fn gradients_of_pooled_hidden_and_masked_lm_outputs_are_those_of_pytorch() {
    every_case(|model, case| {
        let trace = forward(model, case);
        let gradient = |cotangent: Cotangent| {
            let gradients = model.encoder().backward(&trace, &cotangent, &Wanted::word_embeddings()).unwrap();
            gradients.word_embeddings.unwrap()
        };
        case.when("grad.pooled_sum.word_embeddings", |name| {
            let cotangent =
                Cotangent { pooled: Some(trace.pooled.ones_like().unwrap()), ..Cotangent::default() };
            assert_tensor(case, name, &gradient(cotangent), TOLERANCE);
        });
        case.when("grad.hidden_mid.word_embeddings", |name| {
            let middle = BTreeMap::from([(model.config().layers / 2, case.tensor("cotangent.hidden_mid"))]);
            assert_tensor(
                case,
                name,
                &gradient(Cotangent { hidden: middle, ..Cotangent::default() }),
                TOLERANCE,
            );
        });
        case.when("grad.mlm.word_embeddings", |name| {
            let vocabulary = model.config().vocabulary_size;
            let rows: Vec<Tensor> = match case.get("cotangent.mlm") {
                Some(whole) => vec![whole],
                None => (0..case.ids.len())
                    .map(|row| match case.get(&format!("cotangent.mlm.{row}")) {
                        Some(values) => values.unsqueeze(0).unwrap(),
                        None => {
                            Tensor::zeros((1, vocabulary), candle_core::DType::F32, &candle_core::Device::Cpu)
                                .unwrap()
                        }
                    })
                    .collect(),
            };
            let masked_lm_logits = Some(Tensor::cat(&rows, 0).unwrap());
            assert_tensor(
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
                assert_tensor(
                    case,
                    &format!("{name}.logits"),
                    &trace.logits.flatten_all().unwrap(),
                    LOGITS_TOLERANCE,
                );
                let cotangent = Cotangent::logit(&trace, case.predicted).unwrap();
                let gradients = encoder.backward(&trace, &cotangent, &Wanted::word_embeddings()).unwrap();
                let ours = gradients.word_embeddings.unwrap();
                assert_tensor(case, &format!("{name}.grad.word_embeddings"), &ours, TOLERANCE);
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
    let tensor = |name: &str| case.tensor(&format!("intervention.{name}"));
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
        ("hidden_add", hidden("hidden_add", HiddenEdit::Add(tensor("hidden_add.vector")))),
        ("hidden_project", hidden("hidden_project", HiddenEdit::Project(tensor("hidden_project.direction")))),
        (
            "hidden_replace",
            hidden(
                "hidden_replace",
                HiddenEdit::Replace {
                    token: index(&of("hidden_replace")["row"]),
                    value: tensor("hidden_replace.value"),
                },
            ),
        ),
    ]
}

/// The scores of a method for the predicted class of a case.
fn attribute(model: &Arc<Model>, case: &Case, method: &str, options: Value) -> Attribution {
    let text = case.encode(model);
    assert_eq!(text.ids, case.ids, "case {} is tokenised as by transformers", case.id);
    let configured =
        registry::find(method).expect("a known method").configure(Some(&options), model).unwrap();
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
        let maps = attention::layers(&trace.attention, 0).unwrap();
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

/// candle's autograd over the same forward pass: a second opinion on the hand-written backward.
#[test]
fn the_hand_written_backward_agrees_with_automatic_differentiation() {
    every_case(|model, case| {
        let embeddings = batch(model, case).word_embeddings;
        let variable = candle_core::Var::from_tensor(&embeddings).unwrap();
        let sequences = vec![Sequence { type_ids: case.type_ids.clone(), interventions: Default::default() }];
        let tracked = Batch { word_embeddings: variable.as_tensor().clone(), sequences };
        let trace = model.encoder().forward(&tracked, Keep::Gradients).unwrap();
        let output = trace.logits.get(0).unwrap().get(case.predicted).unwrap();
        let automatic = output.backward().unwrap();
        let theirs = automatic.get(&variable).expect("the output depends on the embeddings");

        let untracked = forward(model, case);
        let cotangent = Cotangent::logit(&untracked, case.predicted).unwrap();
        let gradients = model.encoder().backward(&untracked, &cotangent, &Wanted::word_embeddings()).unwrap();
        let ours = gradients.word_embeddings.unwrap();
        let largest = theirs.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        let apart = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(apart <= 1e-5 * largest, "{} {}: {apart} of {largest}", case.model, case.id);
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
    let trace = encoder.forward(&Encoder::join(batches).unwrap(), Keep::Gradients).unwrap();
    let cotangent = Cotangent::logit(&trace, 0).unwrap();
    let wanted = Wanted { word_embeddings: true, hidden: vec![0], head_gates: vec![0], ..Wanted::default() };
    let gradients = encoder.backward(&trace, &cotangent, &wanted).unwrap();
    let last = trace.hidden.last().unwrap();
    let masked_lm = encoder.masked_lm_logits(last).unwrap();
    (0..batches.len())
        .map(|sequence| {
            let rows = trace.rows[sequence].clone();
            let of_rows = |tensor: &Tensor| tensor.narrow(0, rows.start, rows.len()).unwrap();
            let mut tensors = vec![
                trace.logits.get(sequence).unwrap(),
                trace.pooled.get(sequence).unwrap(),
                of_rows(last),
                of_rows(gradients.word_embeddings.as_ref().unwrap()),
                of_rows(&gradients.hidden[&0]),
                gradients.head_gates[&0].get(sequence).unwrap(),
            ];
            tensors.extend(trace.attention.iter().map(|layer| layer[sequence].clone()));
            tensors.extend(masked_lm.as_ref().map(|logits| of_rows(logits).narrow(1, 0, 250).unwrap()));
            let values = tensors.iter().flat_map(|t| t.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            values.map(f32::to_bits).collect()
        })
        .collect()
}

/// A small generator, so that the mixes are the same in every run.
struct Shuffle(u64);

impl Shuffle {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below
    }
}
