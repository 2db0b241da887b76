//! Concepts against PyTorch: golden values made by `tools/make_fixtures.py`. What the API tells is asked over HTTP; what
//! it is made of, networks with edited hidden states, through the library.

use std::sync::Arc;

use explaind::config::Database;
use explaind::engine::answer::states::decoded;
use explaind::explain::concept::erasure::nullspace;
use explaind::explain::crew::Alone;
use explaind::explain::granularity::Granularity;
use explaind::explain::layout::Layout;
use explaind::explain::{Output, Subject, registry};
use explaind::model::{HiddenEdit, Intervention, Interventions, Keep, Model};
use serde_json::{Value, json};

use crate::support::golden::{Case, Golden, WITH_CONCEPTS, assert_close, assert_values};
use crate::support::server::{Settings, TestServer};

/// ‖ours − golden‖∞ ≤ this · ‖golden‖∞.
const TOLERANCE: f64 = 1e-4;

const POOLINGS: [&str; 2] = ["cls", "mean"];

fn every_case(mut check: impl FnMut(&Arc<Model>, &Case)) {
    for golden in Golden::of_concepts() {
        for case in &golden.cases {
            check(&golden.model, case);
        }
    }
}

/// All models with golden values, with a database in this directory.
fn server(directory: &tempfile::TempDir) -> TestServer {
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    Settings { models: WITH_CONCEPTS.to_vec(), database, ..Settings::default() }.start()
}

/// The same cases on the kernels alone, which is what the server runs on.
fn every_case_of_a_server(mut check: impl FnMut(&Model, &Case)) {
    let mut seen = Vec::new();
    for golden in Golden::of_concepts() {
        if seen.contains(&golden.model.id().to_owned()) {
            continue;
        }
        seen.push(golden.model.id().to_owned());
        golden.cases.iter().for_each(|case| check(&golden.model, case));
    }
    assert_eq!(seen.len(), WITH_CONCEPTS.len());
}

/// The body of a question about a case, with further fields.
fn question(case: &Case, further: Value) -> Value {
    let mut body = json!({"text": case.text, "text_pair": case.text_pair, "model": case.model});
    body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    body
}

/// The hidden states at which a case has directions.
fn points(case: &Case) -> Vec<usize> {
    let layers = case.described["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer.as_u64().unwrap() as usize).collect()
}

fn strengths(case: &Case) -> Vec<f64> {
    case.described["strengths"].as_array().unwrap().iter().map(|by| by.as_f64().unwrap()).collect()
}

fn spread(case: &Case) -> f64 {
    case.described["spread"].as_f64().unwrap()
}

fn numbers(list: &Value) -> Vec<f64> {
    let numbers = list.as_array().unwrap_or_else(|| panic!("{list} is no list")).iter();
    numbers.map(|number| number.as_f64().unwrap()).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// A case through a network whose hidden state is edited.
fn altered(model: &Arc<Model>, case: &Case, point: usize, edit: HiddenEdit) -> Subject {
    let text = case.encode(model);
    assert_eq!(text.ids, case.ids, "case {} is tokenised as by transformers", case.id);
    let layout = Layout::whole(&text);
    let edits: Interventions = vec![Intervention::Hidden { point, edit }].into();
    Subject::altered(model.clone(), text, layout, edits, Keep::Gradients, Arc::new(Alone)).unwrap()
}

fn pushed(case: &Case, point: usize, strength: f64) -> HiddenEdit {
    let direction = case.values(&format!("direction.{point}"));
    HiddenEdit::Add(direction.iter().map(|value| (strength * spread(case) * value) as f32).collect())
}

#[test]
fn no_golden_value_of_a_concept_is_missing() {
    every_case(|model, case| {
        let config = model.config();
        assert_eq!((points(case), strengths(case).len()), (vec![1, config.layers], 9));
        let mut names = Vec::new();
        for pooling in POOLINGS {
            for layer in 0..=config.layers {
                names.push(format!("hidden.{layer}.{pooling}"));
                names.extend((0..config.labels.len()).map(|c| format!("grad.{c}.hidden.{layer}.{pooling}")));
            }
        }
        for point in points(case) {
            let of_a_point = [
                format!("direction.{point}"),
                format!("centre.{point}"),
                format!("token_scores.{point}"),
                format!("score.{point}"),
                format!("steered.{point}.logits"),
                format!("projected.{point}.logits"),
                format!("projected.{point}.grad.word_embeddings"),
                format!("projected.{point}.input_x_gradient"),
                format!("oblique.{point}.read"),
                format!("oblique.{point}.write"),
                format!("oblique.{point}.logits"),
            ];
            names.extend(of_a_point);
        }
        for name in names {
            assert!(case.get(&name).is_some(), "{} {} has no golden `{name}`", case.model, case.id);
        }
    });
}

#[test]
fn states_and_their_gradients_are_those_of_transformers() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(&directory);
    every_case_of_a_server(|model, case| {
        for pooling in POOLINGS {
            let body = question(case, json!({"pooling": pooling, "gradients": true}));
            let states = &server.ok("/v1/states", body)["states"];
            let (layers, width) = (model.config().layers + 1, model.config().hidden_size);
            assert_eq!(states["layers"], json!((0..layers).collect::<Vec<_>>()));
            assert_eq!((&states["rows"], &states["width"]), (&json!(1), &json!(width)));
            let floats = |name: &str| decoded(states[name].as_str().unwrap()).expect("base64 of floats");
            let (values, gradients) = (floats("values"), floats("gradients"));
            assert_eq!(values.len(), layers * width);
            assert_eq!(gradients.len(), model.config().labels.len() * layers * width);
            for (layer, state) in values.chunks_exact(width).enumerate() {
                assert_values(case, &format!("hidden.{layer}.{pooling}"), state, TOLERANCE);
            }
            for (label, gradients) in gradients.chunks_exact(layers * width).enumerate() {
                for (layer, gradient) in gradients.chunks_exact(width).enumerate() {
                    let name = format!("grad.{label}.hidden.{layer}.{pooling}");
                    assert_values(case, &name, gradient, TOLERANCE);
                }
            }
        }
    });
}

/// A concept made by hand, at one hidden state, as another server would export it.
fn document(model: &Model, case: &Case, name: &str, point: usize) -> Value {
    let direction = json!({
        "vector": case.singles(&format!("direction.{point}")),
        "intercept": 0.0,
        "centre": case.singles(&format!("centre.{point}")),
        "spread": spread(case),
    });
    json!({
        "format": 1,
        "name": name,
        "model": {"id": model.id(), "fingerprint": model.fingerprint()},
        "summary": {
            "description": null, "origin": "discovered", "layer": point, "pooling": "mean", "learner": null,
            "regularisation": null, "seed": 0, "examples": {"positives": 0, "negatives": 0, "drawn_from": null},
            "validation": null, "warnings": []
        },
        "body": {
            "positives": [], "negatives": [], "directions": [{"layer": point, "direction": direction}], "erasers": []
        }
    })
}

#[test]
fn scores_of_tokens_and_texts_are_projections_on_the_direction() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(&directory);
    every_case_of_a_server(|model, case| {
        for point in points(case) {
            let name = format!("{}-{point}", case.model);
            let answer = server.post("/v1/concepts/import", &document(model, case, &name, point));
            // The direction is the same for all cases of a model: only the first one is new.
            assert_eq!(answer.status, if case.id == "0" { 201 } else { 200 }, "{}", answer.text());
            let told = server.ok(&format!("/v1/concepts/{name}/scores"), question(case, json!({})));
            let scores = &told["concepts"][0];
            assert_eq!((&scores["layer"], &scores["concept"]["name"]), (&json!(point), &json!(name)));
            let what = |of: &str| format!("{} {}.{of}.{point}", case.model, case.id);

            let golden = case.values(&format!("token_scores.{point}"));
            assert_close(&what("token_scores"), &numbers(&scores["tokens"]), &golden, TOLERANCE);
            // What is left of a mean of both signs is as exact as what it is a mean of.
            let largest = golden.iter().fold(0.0f64, |largest, score| largest.max(score.abs()));
            let (score, mean) =
                (scores["score"].as_f64().unwrap(), case.values(&format!("score.{point}"))[0]);
            assert!((score - mean).abs() <= TOLERANCE * largest, "{}: {score}, not {mean}", what("score"));
            let standardised = scores["standardised"].as_f64().unwrap();
            assert!((standardised - score / spread(case)).abs() < 1e-5, "{standardised} of {score}");
            let of_layer =
                json!({"layer": point, "score": scores["score"], "standardised": scores["standardised"]});
            assert_eq!(scores["layers"], json!([of_layer]));

            let direction = case.values(&format!("direction.{point}"));
            let labels = model.config().labels.len();
            let derivatives = scores["derivatives"].as_array().unwrap();
            assert_eq!(derivatives.len(), labels);
            for (label, derivative) in derivatives.iter().enumerate() {
                let gradient = case.values(&format!("grad.{label}.hidden.{point}.mean"));
                let golden: f64 = gradient.iter().zip(&direction).map(|(slope, v)| slope * v).sum();
                let size = gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
                let ours = derivative["value"].as_f64().unwrap();
                assert!(
                    (ours - golden).abs() <= TOLERANCE * size,
                    "{}: {ours}, not {golden}",
                    what("derivative")
                );
                assert_eq!(derivative["target"]["index"], label);
            }
        }
    });
}

#[test]
fn pushing_along_a_direction_moves_the_logits_as_in_pytorch() {
    every_case(|model, case| {
        for point in points(case) {
            let name = format!("steered.{point}.logits");
            let what = format!("{} {}.{name}", case.model, case.id);
            let alone: Vec<f32> = strengths(case)
                .iter()
                .flat_map(|by| {
                    altered(model, case, point, pushed(case, point, *by)).prediction().logits.clone()
                })
                .collect();
            assert_close(&what, &wide(&alone), &case.values(&name), TOLERANCE);

            // All of them side by side in one batch, each sequence edited by itself.
            let encoder = model.encoder();
            let mut batch = encoder.batch(&case.ids, &case.type_ids).unwrap();
            let (rows, sequence) = (batch.word_embeddings.clone(), batch.sequences[0].clone());
            batch.clear();
            for by in strengths(case) {
                let edit = Intervention::Hidden { point, edit: pushed(case, point, by) };
                let mut sequence = sequence.clone();
                sequence.interventions = vec![edit].into();
                batch.word_embeddings.extend_from_slice(&rows);
                batch.sequences.push(sequence);
            }
            let together: Vec<f32> = encoder.logits(&batch).unwrap().concat();
            assert_close(&what, &wide(&together), &case.values(&name), TOLERANCE);
        }
    });
}

#[test]
fn without_a_direction_logits_and_gradients_are_those_of_pytorch() {
    every_case(|model, case| {
        for point in points(case) {
            let vector = case.singles(&format!("direction.{point}"));
            let eraser = nullspace(&vector);
            let affine = HiddenEdit::Affine { read: eraser.read, write: eraser.write, centre: eraser.centre };
            // An eraser that is read back from a database is the same map.
            for edit in [HiddenEdit::Project(vector), affine] {
                let subject = altered(model, case, point, edit);
                let name = format!("projected.{point}");
                assert_values(case, &format!("{name}.logits"), &subject.prediction().logits, TOLERANCE);
                let gradients = subject.gradients(Output::Logit, &[case.predicted]).unwrap();
                let of_words = &gradients[0].values;
                assert_values(case, &format!("{name}.grad.word_embeddings"), of_words, TOLERANCE);

                let method = registry::find("input_x_gradient").unwrap();
                let configured = method.configure(None, model, Granularity::Token).unwrap();
                let attribution =
                    configured.attribute(&subject, &[case.predicted], 0).unwrap().swap_remove(0);
                let name = format!("{name}.input_x_gradient");
                let what = format!("{} {}.{name}", case.model, case.id);
                assert_close(&what, &attribution.scores, &case.values(&name), TOLERANCE);
            }
        }
    });
}

#[test]
fn what_is_read_along_one_direction_and_taken_out_along_another_is_that_of_pytorch() {
    every_case(|model, case| {
        for point in points(case) {
            let vector = |name: &str| case.singles(&format!("{name}.{point}"));
            let oblique = |name: &str| vec![case.singles(&format!("oblique.{point}.{name}"))];
            let edit = HiddenEdit::Affine {
                read: oblique("read"),
                write: oblique("write"),
                centre: vector("centre"),
            };
            let subject = altered(model, case, point, edit);
            let name = format!("oblique.{point}.logits");
            assert_values(case, &name, &subject.prediction().logits, TOLERANCE);
        }
    });
}
