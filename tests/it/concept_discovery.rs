//! Directions that nobody has named, through a server that listens: what is told of them is what a reader of the states
//! works out.

use std::collections::BTreeMap;

use explaind::config::Database;
use explaind::engine::answer::states::decoded;
use explaind::model::prediction::softmax;
use explaind::model::{HiddenEdit, Intervention, Model, Text};
use serde_json::{Value, json};

use crate::datasets::{JSON_LINES, on_file, upload};
use crate::support::golden::load;
use crate::support::server::{Settings, TestServer};

pub const PATH: &str = "/v1/concepts/discoveries";

pub const REVIEWS: [&str; 12] = [
    "the film is good",
    "The Film is bad",
    "a good film , a good plot",
    "bad bad BAD film",
    "the plot is a film",
    "good , bad and the film",
    "is the film good ?",
    "a warm and funny story",
    "a dull , tired story",
    "the actor is great",
    "her acting is lovely",
    "it is a slow and boring tale",
];

/// The reviews with labels, and a row that is too long.
pub fn dataset(server: &TestServer) -> Value {
    let labels = ["positive", "negative"].into_iter().cycle();
    let rows = REVIEWS.iter().zip(labels).map(|(text, label)| json!({"text": text, "label": label}));
    let long = json!({"text": "good ".repeat(2000)});
    let body: String = rows.chain([long]).map(|row| row.to_string() + "\n").collect();
    upload(server, "", JSON_LINES, body).json()["id"].clone()
}

/// A model with a database in this directory.
fn serving(model: &'static str, directory: &tempfile::TempDir) -> TestServer {
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    Settings { models: vec![model], database, ..Settings::default() }.start()
}

pub fn floats(value: &Value) -> Vec<f64> {
    decoded(value.as_str().unwrap()).unwrap().into_iter().map(f64::from).collect()
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

pub fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-4 * one.abs().max(other.abs()).max(0.1)
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    (0..rows[0].len()).map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64).collect()
}

fn less(row: &[f64], other: &[f64]) -> Vec<f64> {
    row.iter().zip(other).map(|(a, b)| a - b).collect()
}

/// What `POST /v1/states` says of each review.
fn states(server: &TestServer, layer: usize, pooling: &str) -> Vec<Value> {
    let body = json!({"texts": REVIEWS, "layers": [layer], "pooling": pooling, "gradients": true});
    list(&server.ok("/v1/states", body)["results"]).to_vec()
}

fn rows_of(answer: &Value) -> Vec<Vec<f64>> {
    let width = answer["states"]["width"].as_u64().unwrap() as usize;
    floats(&answer["states"]["values"]).chunks(width).map(<[f64]>::to_vec).collect()
}

#[test]
fn groups_of_texts_are_told_as_a_reader_of_the_states_finds_them() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let body = json!({
        "dataset": dataset(&server), "layer": 2, "pooling": "mean", "method": "kmeans", "components": 3, "top": 50
    });
    let told = server.ok(PATH, body);
    assert_eq!(told["options"], json!({"components": 3, "top": 50, "seed": 0, "truncate": false}));
    assert_eq!((&told["rows"], &told["failed"], &told["states"]), (&json!(12), &json!(1), &json!(12)));
    let answers = states(&server, 2, "mean");
    let pooled: Vec<Vec<f64>> = answers.iter().map(|answer| rows_of(answer).remove(0)).collect();
    let centre = mean(&pooled);
    assert!(floats(&told["centre"]).iter().zip(&centre).all(|(told, real)| close(*told, *real)));
    let around: Vec<Vec<f64>> = pooled.iter().map(|row| less(row, &centre)).collect();
    let total: f64 = around.iter().map(|row| dot(row, row)).sum();
    assert!(close(number(&told["explained"]), 1.0 - number(&told["loss"]) / total), "{told}");
    let components = list(&told["components"]);
    assert_eq!(components.len(), 3);
    let sizes: Vec<u64> = components.iter().map(|each| each["size"].as_u64().unwrap()).collect();
    assert!(sizes.iter().sum::<u64>() == 12 && sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    for (index, component) in components.iter().enumerate() {
        assert_eq!(component["index"], index);
        assert!(close(number(&component["share"]) * 12.0, number(&component["size"])));
        let vector = floats(&component["vector"]);
        assert!(close(dot(&vector, &vector), 1.0));
        let scores: Vec<f64> = around.iter().map(|row| dot(row, &vector)).collect();
        assert!(close(number(&component["spread"]), (dot(&scores, &scores) / 11.0).sqrt()));
        assert_eq!(component["top_words"], Value::Null);
        let texts = list(&component["top_texts"]);
        assert_eq!(texts.len(), scores.iter().filter(|score| **score > 0.0).count());
        assert!(texts.is_sorted_by(|a, b| number(&a["activation"]) >= number(&b["activation"])));
        for text in texts {
            let row = text["row"].as_u64().unwrap() as usize;
            assert!(close(number(&text["activation"]), scores[row]), "{text}");
            let label = ["positive", "negative"][row % 2];
            assert_eq!((&text["text"], &text["label"]), (&json!(REVIEWS[row]), &json!(label)));
        }
        for (label, told) in list(&component["importance"]["tcav"]).iter().enumerate() {
            let derivatives: Vec<f64> = answers
                .iter()
                .map(|answer| {
                    let slopes = floats(&answer["states"]["gradients"]);
                    dot(&slopes[label * vector.len()..][..vector.len()], &vector)
                })
                .collect();
            let rising = derivatives.iter().filter(|derivative| **derivative > 0.0).count() as f64;
            assert!(close(number(&told["share"]), rising / 12.0), "{told}");
            assert!((number(&told["mean_derivative"]) - dot(&derivatives, &[1.0 / 12.0; 12])).abs() < 1e-5);
            assert_eq!((&told["target"]["index"], &told["against"]), (&json!(label), &Value::Null));
        }
    }
}

/// Logits of a text without a direction at a layer, or of the text as it is.
fn logits(model: &Model, text: &str, without: Option<(usize, Vec<f32>)>) -> Vec<f32> {
    let encoded = model.encode(Text { first: text, second: None }, false).unwrap();
    let mut batch = model.encoder().batch(&encoded.ids, &encoded.type_ids).unwrap();
    if let Some((point, vector)) = without {
        let edit = Intervention::Hidden { point, edit: HiddenEdit::Project(vector) };
        batch.sequences[0].interventions = vec![edit].into();
    }
    model.encoder().logits(&batch).unwrap().remove(0)
}

fn highest(scores: &[f32]) -> usize {
    (0..scores.len()).fold(0, |best, index| if scores[index] > scores[best] { index } else { best })
}

#[test]
fn what_is_said_without_a_direction_is_what_the_network_says_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let told = server.ok(PATH, json!({"dataset": dataset(&server), "layer": 1, "components": 4}));
    let model = load("three-labels");
    let mut moved = 0.0_f64;
    for component in list(&told["components"]) {
        let vector = decoded(component["vector"].as_str().unwrap()).unwrap();
        let (mut flips, mut changes) = (0, Vec::new());
        for text in REVIEWS {
            let usual = softmax(&logits(&model, text, None));
            let without = softmax(&logits(&model, text, Some((1, vector.clone()))));
            flips += usize::from(highest(&usual) != highest(&without));
            changes.push(f64::from((without[highest(&usual)] - usual[highest(&usual)]).abs()));
        }
        let erasure = &component["importance"]["erasure"];
        assert_eq!((&erasure["rows"], &erasure["changed"]["count"]), (&json!(12), &json!(flips)));
        assert!(close(number(&erasure["changed"]["share"]), flips as f64 / 12.0));
        let change = changes.iter().sum::<f64>() / 12.0;
        assert!((number(&erasure["mean_change"]) - change).abs() < 1e-5, "{erasure} is not {change}");
        moved = moved.max(change);
    }
    assert!(moved > 1e-4, "no direction matters");
}

#[test]
fn words_are_what_their_tokens_are_on_average_in_lower_case_and_at_least_three_times() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let body =
        json!({"dataset": dataset(&server), "layer": 2, "method": "kmeans", "components": 3, "top": 50});
    let told = server.ok(PATH, body);
    let answers = states(&server, 2, "tokens");
    let texts: Vec<Vec<Vec<f64>>> = answers.iter().map(rows_of).collect();
    let all: Vec<Vec<f64>> = texts.concat();
    assert_eq!((&told["pooling"], &told["states"]), (&json!("tokens"), &json!(all.len())));
    let centre = mean(&all);
    for component in list(&told["components"]) {
        let vector = floats(&component["vector"]);
        let mut words: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (answer, rows) in answers.iter().zip(&texts) {
            for word in list(&answer["words"]) {
                let tokens = list(&word["tokens"]).iter().map(|token| token.as_u64().unwrap() as usize);
                let scores: Vec<f64> =
                    tokens.map(|token| dot(&less(&rows[token], &centre), &vector)).collect();
                let score = scores.iter().sum::<f64>() / scores.len() as f64;
                words.entry(word["text"].as_str().unwrap().to_lowercase()).or_default().push(score);
            }
        }
        let mean = |scores: &Vec<f64>| scores.iter().sum::<f64>() / scores.len() as f64;
        words.retain(|_, scores| scores.len() >= 3 && mean(scores) > 0.0);
        let listed = list(&component["top_words"]);
        assert_eq!(listed.len(), words.len(), "{listed:?} against {words:?}");
        assert!(listed.is_sorted_by(|a, b| number(&a["activation"]) >= number(&b["activation"])));
        for word in listed {
            let scores = &words[word["word"].as_str().unwrap()];
            assert_eq!(word["count"], scores.len());
            assert!(close(number(&word["activation"]), mean(scores)), "{word}");
        }
    }
}

#[test]
fn parts_are_the_default_in_the_tokens_of_the_middle_layer() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let told = server.ok(PATH, json!({"dataset": dataset(&server), "top": 2}));
    assert_eq!(
        (&told["method"], &told["layer"], &told["pooling"], &told["options"]["components"]),
        (&json!("nmf"), &json!(2), &json!("tokens"), &json!(10))
    );
    for component in list(&told["components"]) {
        let (texts, words) = (list(&component["top_texts"]), list(&component["top_words"]));
        assert!(texts.len() <= 2 && words.len() <= 2);
        assert!(texts.iter().chain(words).all(|each| number(&each["activation"]) > 0.0));
    }
    let cut = server.ok(PATH, json!({"dataset": told["dataset"], "truncate": true}));
    assert_eq!((&cut["rows"], &cut["failed"]), (&json!(13), &json!(0)));
}

#[test]
fn a_model_of_two_labels_has_a_margin_and_a_regression_has_nothing_to_flip() {
    for (model, outputs) in [("cased", 1), ("multi-label", 4), ("regression", 1)] {
        let directory = tempfile::tempdir().unwrap();
        let server = serving(model, &directory);
        let told = server.ok(
            PATH,
            json!({"dataset": dataset(&server), "pooling": "cls", "method": "kmeans", "components": 2}),
        );
        for component in list(&told["components"]) {
            let importance = &component["importance"];
            let tcav = list(&importance["tcav"]);
            assert_eq!(tcav.len(), outputs, "{model}");
            assert_eq!(tcav[0]["against"].is_object(), model == "cased", "{importance}");
            assert_eq!(importance["erasure"]["changed"].is_null(), model == "regression", "{importance}");
            for share in tcav {
                let [low, high] = ["low", "high"].map(|end| number(&share["interval"][end]));
                assert!(0.0 <= low && low <= number(&share["share"]) && number(&share["share"]) <= high);
            }
        }
        if model != "cased" {
            continue;
        }
        let layer = told["layer"].as_u64().unwrap() as usize;
        let answers = states(&server, layer, "cls");
        for component in list(&told["components"]) {
            let vector = floats(&component["vector"]);
            let margins = answers.iter().map(|answer| {
                let slopes = floats(&answer["states"]["gradients"]);
                let (first, second) = slopes.split_at(vector.len());
                dot(&less(second, first), &vector)
            });
            let mean = margins.sum::<f64>() / 12.0;
            assert!((number(&component["importance"]["tcav"][0]["mean_derivative"]) - mean).abs() < 1e-5);
        }
    }
}
