//! How much classes depend on concepts, through a server that listens: the scores are what a reader of the states works out,
//! those of random concepts included.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use explaind::config::Database;
use explaind::explain::chance::Chance;
use serde_json::{Value, json};

use crate::datasets::{JSON_LINES, upload};
use crate::support::golden::BUNDLED;
use crate::support::server::{Settings, TestServer};

const POSITIVES: [&str; 5] = [
    "great acting by the cast",
    "a fine performance by the actor",
    "the acting is strange and the cast is tired",
    "her performance is a wonder",
    "the actor can act",
];

const NEGATIVES: [&str; 5] = [
    "the plot is slow",
    "a boring story with a dull ending",
    "the music and the camera are fine",
    "a long walk in the rain",
    "the script has a good joke",
];

const ADJECTIVES: [&str; 10] =
    ["good", "bad", "boring", "bright", "clever", "dark", "dull", "funny", "great", "grim"];

const NOUNS: [&str; 12] = [
    "film", "movie", "story", "plot", "script", "music", "drama", "comedy", "picture", "scene", "tale",
    "ending",
];

/// A server of these models, with a database in this directory.
pub fn serving(directory: &tempfile::TempDir, models: &[&'static str]) -> TestServer {
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    Settings { models: models.to_vec(), database, ..Settings::default() }.start()
}

/// Up to 120 sentences, no two of them alike.
pub fn sentences() -> impl Iterator<Item = String> {
    NOUNS.iter().flat_map(|noun| ADJECTIVES.iter().map(move |adjective| format!("the {noun} is {adjective}")))
}

/// Sentences as JSON lines, behind two examples of the concept and one sentence that stands there twice.
pub fn rows(label: impl Fn(usize) -> Value) -> (Vec<String>, String) {
    let known = [POSITIVES[1].to_owned(), NEGATIVES[2].to_owned(), "the film is good".to_owned()];
    let texts: Vec<String> = known.into_iter().chain(sentences()).collect();
    let line = |(row, text): (usize, &String)| json!({"text": text, "label": label(row)}).to_string() + "\n";
    let lines = texts.iter().enumerate().map(line).collect();
    (texts, lines)
}

pub fn dataset(server: &TestServer, lines: String) -> Value {
    upload(server, "", JSON_LINES, lines).json()["id"].clone()
}

/// Learns a concept, and gives its document.
pub fn learnt(server: &TestServer, name: &str, more: Value) -> Value {
    let mut body = json!({
        "name": name, "positives": POSITIVES, "negatives": NEGATIVES, "layer": 1, "learner": "difference_of_means",
        "permutations": 19
    });
    more.as_object().unwrap().iter().for_each(|(field, value)| body[field] = value.clone());
    let answer = server.post("/v1/concepts", &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    server.get(&format!("/v1/concepts/{name}/export")).json()
}

/// What a text says at a hidden state.
struct Reading {
    state: Vec<f64>,
    /// By label.
    slopes: Vec<Vec<f64>>,
    predicted: Value,
}

fn numbers(text: &Value) -> Vec<f64> {
    let bytes = BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
    let (numbers, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty());
    numbers.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
}

fn readings(server: &TestServer, model: &str, layer: usize, texts: &[&str]) -> Vec<Reading> {
    let body =
        json!({"model": model, "texts": texts, "layers": [layer], "pooling": "mean", "gradients": true});
    let answers = server.ok("/v1/states", body);
    let read = |answer: &Value| {
        let states = &answer["states"];
        let width = states["width"].as_u64().unwrap() as usize;
        Reading {
            state: numbers(&states["values"]),
            slopes: numbers(&states["gradients"]).chunks_exact(width).map(<[f64]>::to_vec).collect(),
            predicted: answer["prediction"]["index"].clone(),
        }
    };
    answers["results"].as_array().unwrap().iter().map(read).collect()
}

fn mean(states: &[&Reading]) -> Vec<f64> {
    let width = states[0].state.len();
    let of_unit = |unit| states.iter().map(|reading| reading.state[unit]).sum::<f64>() / states.len() as f64;
    (0..width).map(of_unit).collect()
}

/// From the mean of the others to that of some, as single-precision numbers of length 1.
fn direction(some: &[&Reading], others: &[&Reading]) -> Vec<f64> {
    let apart: Vec<f64> = mean(some).iter().zip(mean(others)).map(|(one, other)| one - other).collect();
    let length = apart.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
    apart.iter().map(|entry| f64::from((entry / length) as f32)).collect()
}

fn inner(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn rising(derivatives: &[f64]) -> f64 {
    derivatives.iter().filter(|derivative| **derivative > 0.0).count() as f64 / derivatives.len() as f64
}

fn assert_near(told: &Value, expected: f64, what: &str) {
    let value = told.as_f64().unwrap_or_else(|| panic!("{what}: {told} is no number"));
    assert!((value - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{what}: {value} is not {expected}");
}

/// Holds an answer about all texts against what a reader of the states, of the concept's document and of the definitions
/// works out.
fn assert_worked_out(server: &TestServer, model: &str, layer: usize) {
    let (texts, lines) = rows(|_| Value::Null);
    let id = dataset(server, lines);
    let document = learnt(server, "players", json!({"model": model, "layer": layer}));
    let body = json!({
        "concepts": ["players"], "model": model, "dataset": id, "random": id, "texts": "all", "random_sets": 19, "repeats": 3
    });
    let told = server.ok("/v1/concepts/tcav", body);
    assert_eq!((&told["dataset"]["rows"], &told["dataset"]["failed"]), (&json!(texts.len()), &json!(0)));
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let explained = readings(server, model, layer, &texts);
    let counter = readings(server, model, layer, &NEGATIVES);
    let counter: Vec<&Reading> = counter.iter().collect();

    // The sets: what is neither an example nor told twice, in the order that chance gives.
    let mut seen: BTreeSet<&str> = POSITIVES.into_iter().chain(NEGATIVES).collect();
    let free: Vec<usize> = (0..texts.len()).filter(|place| seen.insert(texts[*place])).collect();
    assert_eq!(free.len(), 120);
    let order = Chance::new("explaind tcav random sets v1", 0, &[]).permutation(free.len());
    let sets: Vec<Vec<&Reading>> = order
        .chunks_exact(5)
        .take(19)
        .map(|set| set.iter().map(|place| &explained[free[*place]]).collect())
        .collect();
    let random: Vec<Vec<f64>> = sets.iter().map(|set| direction(set, &counter)).collect();

    let directions = document["body"]["directions"].as_array().unwrap();
    let own = directions.iter().find(|at| at["layer"] == json!(layer)).unwrap();
    let own: Vec<f64> = serde_json::from_value::<Vec<f32>>(own["direction"]["vector"].clone())
        .unwrap()
        .into_iter()
        .map(f64::from)
        .collect();

    let labels = explained[0].slopes.len();
    let aims: Vec<Option<usize>> = if labels == 2 { vec![None] } else { (0..labels).map(Some).collect() };
    let tests = told["tests"].as_array().unwrap();
    assert_eq!(tests.len(), aims.len());
    let mut p_values = Vec::new();
    for (aim, test) in aims.iter().zip(tests) {
        let along = |vector: &[f64]| -> Vec<f64> {
            let of_text = |reading: &Reading| match aim {
                None => inner(&reading.slopes[1], vector) - inner(&reading.slopes[0], vector),
                Some(label) => inner(&reading.slopes[*label], vector),
            };
            explained.iter().map(of_text).collect()
        };
        let derivatives = along(&own);
        let score = rising(&derivatives);
        assert_eq!(test["target"]["index"], aim.map_or(Value::Null, |label| json!(label)));
        assert_eq!((&test["layer"], &test["texts"]), (&json!(layer), &json!(texts.len())));
        assert_near(&test["score"], score, "score");
        assert_near(
            &test["mean_derivative"],
            derivatives.iter().sum::<f64>() / derivatives.len() as f64,
            "mean derivative",
        );
        let null: Vec<f64> = random.iter().map(|vector| rising(&along(vector))).collect();
        assert_eq!((&test["null"]["sets"], &test["null"]["size"]), (&json!(19), &json!(5)));
        for (told, expected) in test["null"]["scores"].as_array().unwrap().iter().zip(&null) {
            assert_near(told, *expected, "a random score");
        }
        assert_near(&test["null"]["mean"], null.iter().sum::<f64>() / 19.0, "mean of random scores");
        let mean = (null.iter().sum::<f64>() + score) / (1.0 + null.len() as f64);
        let as_far = null.iter().filter(|null| (**null - mean).abs() >= (score - mean).abs() - 1e-12).count();
        p_values.push((1 + as_far) as f64 / 20.0);
        assert_near(&test["p_value"], p_values[p_values.len() - 1], "p-value");
        let [low, high] = ["low", "high"].map(|end| test["interval"][end].as_f64().unwrap());
        assert!(0.0 <= low && low <= score && score <= high && high <= 1.0, "{test}");
        assert_eq!(test["resampled"]["scores"].as_array().unwrap().len(), 3);
    }
    // Holm: the smallest times how many there are, and none below a smaller one.
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let mut largest = 0.0_f64;
    for (rank, place) in order.iter().enumerate() {
        largest = largest.max(p_values[*place] * (p_values.len() - rank) as f64).min(1.0);
        assert_near(&tests[*place]["adjusted_p_value"], largest, "adjusted p-value");
    }
}

#[test]
fn the_scores_of_every_class_are_what_a_reader_of_the_states_works_out() {
    let directory = tempfile::tempdir().unwrap();
    assert_worked_out(&serving(&directory, &["three-labels"]), "three-labels", 2);
}

#[test]
fn two_labels_have_one_test_of_the_margin_of_the_second_over_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let server = serving(&directory, &[BUNDLED]);
    assert_worked_out(&server, BUNDLED, 4);
    for (field, value) in [("classes", json!(["positive"])), ("texts", json!("predicted"))] {
        let problem =
            server.problem("/v1/concepts/tcav", json!({"concepts": ["players"], field: value}), 422);
        assert_eq!(problem["pointer"], format!("/{field}"), "{problem}");
    }
}

#[test]
fn a_class_is_tested_over_the_texts_that_are_predicted_or_labelled_as_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = serving(&directory, &["three-labels"]);
    // By name, by index, with a label of no model, and without one.
    let labels = [json!("negative"), json!("2"), json!("mixed"), Value::Null];
    let (texts, lines) = rows(|row| labels[row % 4].clone());
    let id = dataset(&server, lines);
    learnt(&server, "players", json!({}));
    let ask = |texts: &str| {
        let body = json!({"concepts": ["players"], "dataset": id, "random": id, "texts": texts});
        server.ok("/v1/concepts/tcav", body)
    };
    let counts = |told: &Value| -> Vec<(u64, u64)> {
        let number = |value: &Value| value.as_u64().unwrap();
        let tests = told["tests"].as_array().unwrap().iter();
        tests.map(|test| (number(&test["target"]["index"]), number(&test["texts"]))).collect()
    };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let predicted: Vec<Value> =
        readings(&server, "three-labels", 1, &texts).into_iter().map(|reading| reading.predicted).collect();
    let of_class = |class: u64| predicted.iter().filter(|index| **index == json!(class)).count() as u64;
    let expected: Vec<(u64, u64)> =
        (0..3).map(|class| (class, of_class(class))).filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts(&ask("predicted")), expected);
    let labelled = ask("labelled");
    assert_eq!(counts(&labelled), [(0, 31), (2, 31)]);
    let warnings = labelled["warnings"].as_array().unwrap();
    let missing = warnings.iter().find(|warning| warning["code"] == "class_without_texts").unwrap();
    assert!(missing["message"].as_str().unwrap().contains("`neutral`"), "{missing}");
}

#[test]
fn a_regression_has_one_test_and_a_model_of_many_labels_one_for_each_that_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let server = serving(&directory, &["multi-label", "regression"]);
    let (_, lines) = rows(|_| Value::Null);
    let id = dataset(&server, lines);
    learnt(&server, "players", json!({"model": "multi-label", "pooling": "tokens"}));
    learnt(&server, "stars", json!({"model": "regression", "pooling": "cls"}));
    let body = json!({
        "concepts": ["players"], "dataset": id, "random": id, "classes": ["suspense", 0], "texts": "all", "repeats": 2
    });
    let told = server.ok("/v1/concepts/tcav", body);
    let targets: Vec<&Value> =
        told["tests"].as_array().unwrap().iter().map(|test| &test["target"]["label"]).collect();
    assert_eq!(targets, [&json!("suspense"), &json!("humour")]);
    assert_eq!((&told["output"], &told["tests"][0]["pooling"]), (&json!("logit"), &json!("tokens")));
    let body = json!({"concepts": ["stars"], "model": "regression", "dataset": id, "random": id});
    let told = server.ok("/v1/concepts/tcav", body);
    assert_eq!((&told["output"], &told["options"]["texts"]), (&json!("value"), &json!("all")));
    assert_eq!((told["tests"].as_array().unwrap().len(), &told["tests"][0]["target"]), (1, &Value::Null));
}

#[test]
fn a_concept_scores_the_same_whatever_is_asked_beside_it_but_for_the_adjustment() {
    let directory = tempfile::tempdir().unwrap();
    let server = serving(&directory, &["three-labels"]);
    let (_, lines) = rows(|_| Value::Null);
    let id = dataset(&server, lines);
    learnt(&server, "players", json!({}));
    learnt(&server, "other", json!({"positives": NEGATIVES, "negatives": POSITIVES, "pooling": "cls"}));
    let ask = |concepts: Value, layers: Value| {
        let body = json!({
            "concepts": concepts, "layers": layers, "dataset": id, "random": id, "texts": "all", "repeats": 2
        });
        server.ok("/v1/concepts/tcav", body)
    };
    let alone = ask(json!(["players"]), json!([1]));
    let beside = ask(json!(["other", "players@1"]), json!([1, 2]));
    let tests = beside["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 12);
    let own = tests.iter().filter(|test| test["concept"]["name"] == "players" && test["layer"] == 1);
    let own: Vec<&Value> = own.collect();
    for (own, alone) in own.into_iter().zip(alone["tests"].as_array().unwrap()) {
        for field in ["concept", "target", "score", "mean_derivative", "null", "p_value", "resampled"] {
            assert_eq!(own[field], alone[field], "{field}");
        }
    }
}

#[test]
fn a_concept_without_examples_is_held_against_halves_of_random_sets() {
    let directory = tempfile::tempdir().unwrap();
    let server = serving(&directory, &["three-labels"]);
    let (_, lines) = rows(|_| Value::Null);
    let id = dataset(&server, lines);
    let mut document = learnt(&server, "players", json!({}));
    document["name"] = json!("found");
    for (field, value) in
        [("origin", json!("discovered")), ("learner", Value::Null), ("validation", Value::Null)]
    {
        document["summary"][field] = value;
    }
    document["body"]["positives"] = json!([]);
    document["body"]["negatives"] = json!([]);
    let at_its_own = |at: &Value| at["layer"] == 1;
    document["body"]["directions"].as_array_mut().unwrap().retain(at_its_own);
    assert_eq!(server.post("/v1/concepts/import", &document).status, 201);
    let body = json!({"concepts": ["found"], "dataset": id, "random": id, "texts": "all"});
    let told = server.ok("/v1/concepts/tcav", body.clone());
    let test = &told["tests"][0];
    // 122 different texts: an example of the other concept is a text like any other here.
    assert_eq!((&test["null"]["sets"], &test["null"]["size"]), (&json!(4), &json!(30)));
    assert_eq!(test["resampled"], Value::Null);
    let mut elsewhere = body;
    elsewhere["layers"] = json!([1, 2]);
    let problem = server.problem("/v1/concepts/tcav", elsewhere, 422);
    assert_eq!(problem["pointer"], "/layers/1");
    assert!(problem["detail"].as_str().unwrap().contains("found@1"), "{problem}");
}

#[test]
fn the_same_question_has_the_same_bytes_which_can_be_had_again_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let server = serving(&directory, &["three-labels"]);
    let (_, lines) = rows(|_| Value::Null);
    let id = dataset(&server, lines);
    learnt(&server, "players", json!({}));
    let body = json!({"concepts": ["players"], "dataset": id, "random": id, "texts": "all"});
    let first = server.post("/v1/concepts/tcav", &body);
    assert_eq!(first.status, 200, "{}", first.text());
    let spelt_out = json!({
        "concepts": ["players@1"], "model": "three-labels", "dataset": id, "random": id, "texts": "all", "classes": null,
        "layers": [1], "alpha": 0.05, "repeats": 10, "seed": 0, "truncate": false
    });
    let again = server.post("/v1/concepts/tcav", &spelt_out);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.headers["etag"], first.headers["etag"]);
    assert!(again.headers["cache-status"].to_str().unwrap().starts_with("explaind; hit"));
    let place = format!("/v1/explanations/{}", first.json()["id"].as_str().unwrap());
    assert_eq!(first.headers["content-location"].to_str().unwrap(), place);
    assert_eq!(server.get(&place).body, first.body);
    let drawn = server.request("POST", "/v1/concepts/tcav").header("accept", "image/svg+xml").json(&body);
    let drawn = crate::support::server::Answer::from(drawn.send().unwrap());
    assert_eq!((drawn.status, drawn.content_type.as_str()), (200, "image/svg+xml"));
    let picture = drawn.text();
    let document = roxmltree::Document::parse(&picture).unwrap();
    let points = document.descendants().filter(|node| node.has_tag_name("circle")).count();
    assert_eq!(points, first.json()["tests"].as_array().unwrap().len());
    let other = server.ok(
        "/v1/concepts/tcav",
        json!({
            "concepts": ["players"], "dataset": id, "random": id, "texts": "all", "seed": 1
        }),
    );
    assert_ne!(other["tests"][0]["null"]["scores"], first.json()["tests"][0]["null"]["scores"]);
    assert_eq!(other["tests"][0]["score"], first.json()["tests"][0]["score"]);
}
