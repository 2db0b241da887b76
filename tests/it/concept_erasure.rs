//! Concepts taken out through a server that listens: what is left is what a reader works out who alters the network and
//! probes the states alone.

use std::sync::Arc;

use explaind::config::Database;
use explaind::explain::concept::Examples;
use explaind::explain::concept::erasure::Eraser;
use explaind::explain::concept::erasure::probe::{Probing, Refit, probe};
use explaind::explain::concept::learner::{Fitting, Learner};
use explaind::explain::crew::Alone;
use explaind::model::{HiddenEdit, Intervention, Matrix, Model, Prediction, Text};
use serde_json::{Value, json};

use crate::concept_decomposition::{
    BLAME, LAYER, PRAISE, assert_told_alike, forget_examples, imported, learnt, states,
};
use crate::datasets::{JSON_LINES, lines, on_file, upload};
use crate::support::golden::load;
use crate::support::server::{Settings, TestServer};

const METHODS: [&str; 3] = ["nullspace", "inlp", "leace"];

/// Rows to predict: one label is none of the model's, one row has none, and the last is longer than the model takes.
const ROWS: [(&str, Option<&str>); 8] = [
    ("a great film", Some("positive")),
    ("a dull film", Some("negative")),
    ("great", Some("2")),
    ("dull and slow", Some("0")),
    ("a warm little tale", Some("mixed")),
    ("not bad", None),
    ("the worst movie of the year", Some("neutral")),
    ("what a great story with a dull end", Some("positive")),
];

fn rows() -> String {
    let line = |(text, label): (&str, Option<&str>)| json!({"text": text, "label": label}).to_string() + "\n";
    ROWS.map(line).concat() + &line(("good ".repeat(100).trim(), Some("positive")))
}

fn dataset(server: &TestServer) -> Value {
    upload(server, "", JSON_LINES, rows()).json()["id"].clone()
}

/// Examples that even a network without training tells apart.
fn given_away() -> Value {
    let words = ["film", "story", "plot", "script", "music", "cast", "end", "scene", "tale", "drama"];
    let said = |word: &str| words.map(|of| format!("{word} {word} {word} {of}"));
    json!({"positives": said("great"), "negatives": said("dull")})
}

fn erased(server: &TestServer, concept: &str, body: Value) -> Value {
    server.ok(&format!("/v1/concepts/{concept}/erasure"), body)
}

fn eraser(server: &TestServer, concept: &str, method: &str) -> Eraser {
    let document = server.get(&format!("/v1/concepts/{concept}/export")).json();
    let mut erasers = document["body"]["erasers"].as_array().unwrap().iter();
    let named = erasers.find(|named| named["method"] == method).unwrap();
    serde_json::from_value(named["eraser"].clone()).unwrap()
}

/// What the model puts out for a text at work with this eraser, or as it is.
fn logits(model: &Model, text: &str, eraser: Option<&Eraser>) -> Vec<f32> {
    let encoded = model.encode(Text { first: text, second: None }, false).unwrap();
    let mut batch = model.encoder().batch(&encoded.ids, &encoded.type_ids).unwrap();
    if let Some(Eraser { read, write, centre }) = eraser.cloned() {
        let edit = HiddenEdit::Affine { read, write, centre };
        batch.sequences[0].interventions = vec![Intervention::Hidden { point: LAYER, edit }].into();
    }
    model.encoder().logits(&batch).unwrap().remove(0)
}

/// The place of the largest number, the first of equals.
fn largest(numbers: &[f32]) -> usize {
    (0..numbers.len()).fold(0, |best, place| if numbers[place] > numbers[best] { place } else { best })
}

fn assert_close(told: &Value, expected: f64, what: &str) {
    let told = told.as_f64().unwrap_or_else(|| panic!("{what}: {told}"));
    assert!((told - expected).abs() < 1e-5, "{what}: {told} is not {expected}");
}

#[test]
fn what_is_left_of_the_task_is_what_the_altered_network_says() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, json!({}));
    let told = erased(&server, "praise", json!({"dataset": dataset(&server)}));
    assert_eq!((&told["rows"], &told["failed"], &told["unknown_labels"]), (&json!(8), &json!(1), &json!(1)));
    assert_eq!((&told["layer"], &told["pooling"]), (&json!(LAYER), &json!("mean")));
    let model = load("three-labels");
    let labels = &model.config().labels;
    let meant = |label: &str| labels.iter().position(|known| known == label).or(label.parse().ok());
    let before: Vec<Vec<f32>> = ROWS.iter().map(|(text, _)| logits(&model, text, None)).collect();
    let right = |said: &[Vec<f32>]| {
        let known = ROWS
            .iter()
            .zip(said)
            .filter_map(|((_, label), logits)| meant((*label)?).map(|label| label == largest(logits)));
        known.filter(|is_right| *is_right).count()
    };
    let accuracy = &told["untouched"]["accuracy"];
    assert_eq!((&accuracy["count"], &accuracy["of"]), (&json!(right(&before)), &json!(6)));
    let names: Vec<&Value> =
        told["erasures"].as_array().unwrap().iter().map(|erasure| &erasure["method"]).collect();
    assert_eq!(names, METHODS);
    for erasure in told["erasures"].as_array().unwrap() {
        let method = erasure["method"].as_str().unwrap();
        let eraser = eraser(&server, "praise", method);
        assert_eq!(erasure["rank"], json!(eraser.rank()), "{method}");
        let after: Vec<Vec<f32>> = ROWS.iter().map(|(text, _)| logits(&model, text, Some(&eraser))).collect();
        let moved: Vec<f64> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| {
                let [was, is] = [before, after]
                    .map(|logits| Prediction::new(model.config(), logits.clone()).scores[largest(before)]);
                f64::from(is - was).abs()
            })
            .collect();
        let task = &erasure["task"];
        let change = &task["change"];
        assert_close(&change["mean"], moved.iter().sum::<f64>() / 8.0, method);
        assert!(moved.iter().any(|moved| *moved > 1e-4), "{method} changes nothing");
        let [low, high] = ["low", "high"].map(|end| change["interval"][end].as_f64().unwrap());
        let mean = change["mean"].as_f64().unwrap();
        assert!(low <= mean && mean <= high && low < high, "{change}");
        let turned: Vec<usize> =
            (0..8).filter(|row| largest(&before[*row]) != largest(&after[*row])).collect();
        let agreement = &task["agreement"];
        assert_eq!((&agreement["count"], &agreement["of"]), (&json!(8 - turned.len()), &json!(8)));
        assert_eq!((&task["accuracy"]["count"], &task["accuracy"]["of"]), (&json!(right(&after)), &json!(6)));
        let flips = task["flips"].as_array().unwrap();
        assert_eq!(flips.len(), turned.len(), "{method}");
        let changes: Vec<f64> = flips.iter().map(|flip| flip["change"].as_f64().unwrap()).collect();
        assert!(changes.is_sorted_by(|one, other| one >= other), "{changes:?}");
        for flip in flips {
            let row = flip["row"].as_u64().unwrap() as usize;
            assert!(turned.contains(&row), "{method}: {flip}");
            assert_eq!(flip["text"], ROWS[row].0);
            assert_eq!(flip["from"], json!([labels[largest(&before[row])]]));
            assert_eq!(flip["to"], json!([labels[largest(&after[row])]]));
            assert_close(&flip["change"], moved[row], method);
        }
    }
}

/// The examples' states as the server tells them.
fn gathered(server: &TestServer, pooling: &str) -> Arc<Examples> {
    let mut examples =
        Examples { rows: Matrix { values: Vec::new(), width: 0 }, texts: Vec::new(), is_concept: Vec::new() };
    for (number, text) in PRAISE.iter().chain(&BLAME).enumerate() {
        for row in states(server, text, pooling) {
            examples.rows.width = row.len();
            examples.rows.values.extend(row.iter().map(|value| *value as f32));
            examples.texts.push(number);
        }
        examples.is_concept.push(number < PRAISE.len());
    }
    Arc::new(examples)
}

#[test]
fn what_is_left_of_the_concept_is_what_a_fresh_learner_finds_where_neither_it_nor_the_eraser_has_looked() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    for pooling in ["mean", "cls", "tokens"] {
        let name = format!("of-{pooling}");
        // The probe is a logistic regression whatever the concept was learnt by.
        learnt(&server, json!({"name": name, "pooling": pooling, "learner": "ridge", "regularisation": 2.0}));
        let body = json!({"folds": 3, "permutations": 29, "seed": 5, "dataset": dataset(&server)});
        let told = erased(&server, &name, body);
        let asked = Probing { folds: 3, permutations: 29, seed: 5, ..Probing::default() };
        let fitting = Fitting { learner: Learner::Ridge, regularisation: 2.0 };
        let erasures = told["erasures"].as_array().unwrap().iter().map(|erasure| {
            let way = serde_json::from_value(erasure["method"].clone()).unwrap();
            (&erasure["probe"], Some(Refit { erasure: way, fitting }))
        });
        let examples = gathered(&server, pooling);
        for (told, refit) in [(&told["untouched"]["probe"], None)].into_iter().chain(erasures) {
            let expected = probe(examples.clone(), refit, &asked, &Alone).unwrap();
            assert_close(&told["accuracy"], expected.accuracy, pooling);
            assert_close(&told["interval"]["low"], expected.interval.0, pooling);
            assert_close(&told["interval"]["high"], expected.interval.1, pooling);
            let folds = told["folds"].as_array().unwrap();
            assert_eq!(folds.len(), 3);
            for (told, expected) in folds.iter().zip(&expected.fold_accuracies) {
                assert_close(told, *expected, pooling);
            }
            assert_close(&told["null"]["p_value"], expected.null.p_value, pooling);
            assert_close(&told["null"]["mean"], expected.null.mean, pooling);
            assert_eq!(told["null"]["permutations"], 29);
        }
    }
}

#[test]
fn a_concept_that_words_give_away_is_found_as_it_is_and_by_chance_after_least_squares_erasure() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, given_away());
    let told = erased(&server, "praise", json!({"methods": ["leace"], "dataset": dataset(&server)}));
    assert_eq!(told["erasures"].as_array().unwrap().len(), 1);
    let number = |value: &Value| value.as_f64().unwrap();
    let (before, after) = (&told["untouched"]["probe"], &told["erasures"][0]["probe"]);
    assert!(number(&before["accuracy"]) > 0.8 && number(&before["interval"]["low"]) > 0.6, "{before}");
    assert!(number(&after["accuracy"]) < number(&before["accuracy"]) - 0.2, "{before} {after}");
    // By chance, and not always wrong.
    let [low, high] = ["low", "high"].map(|end| number(&after["interval"][end]));
    assert!(low <= 0.6 && high >= 0.4, "{after}");
    let codes = |warnings: &Value| -> Vec<Value> {
        warnings.as_array().unwrap().iter().map(|warning| warning["code"].clone()).collect()
    };
    assert!(!codes(&told["warnings"]).contains(&json!("concept_remains")), "{}", told["warnings"]);
    assert!(!codes(&told["warnings"]).contains(&json!("concept_absent")), "{}", told["warnings"]);
}

#[test]
fn an_eraser_that_does_nothing_leaves_the_task_as_it_is_and_the_probe_is_of_the_way_it_is_named_after() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, given_away());
    imported(&server, |document| {
        document["name"] = json!("missed");
        for named in document["body"]["erasers"].as_array_mut().unwrap() {
            let eraser = &mut named["eraser"];
            let nothing = vec![vec![0.0; 24]; eraser["read"].as_array().unwrap().len()];
            eraser["write"] = json!(nothing);
        }
    });
    let body = json!({"methods": ["nullspace"], "dataset": dataset(&server)});
    let told = erased(&server, "missed", body.clone());
    let erasure = &told["erasures"][0];
    assert_eq!((&erasure["task"]["change"]["mean"], &erasure["task"]["flips"]), (&json!(0.0), &json!([])));
    assert_eq!(erasure["task"]["agreement"]["share"], 1.0);
    let taught = erased(&server, "praise", body);
    assert_eq!(erasure["probe"], taught["erasures"][0]["probe"]);
    assert_ne!(taught["erasures"][0]["task"]["change"]["mean"], 0.0);
}

#[test]
fn a_concept_without_examples_is_erased_in_the_way_it_has_and_not_probed() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, json!({}));
    imported(&server, |document| {
        document["name"] = json!("found");
        forget_examples(document);
        document["body"]["erasers"].as_array_mut().unwrap().retain(|named| named["method"] == "nullspace");
    });
    let body = json!({"dataset": dataset(&server)});
    let told = erased(&server, "found", body.clone());
    assert_eq!(told["untouched"]["probe"], Value::Null);
    assert_eq!(told["erasures"].as_array().unwrap().len(), 1);
    assert_eq!(told["erasures"][0]["probe"], Value::Null);
    let taught = erased(&server, "praise", body);
    assert_eq!(told["erasures"][0]["task"], taught["erasures"][0]["task"]);
    let problem =
        server.problem("/v1/concepts/found/erasure", json!({"methods": ["nullspace", "leace"]}), 422);
    assert_eq!(problem["pointer"], "/methods/1");
}

#[test]
fn without_labels_there_is_no_accuracy_and_of_a_regression_no_agreement() {
    let directory = tempfile::tempdir().unwrap();
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    let models = vec!["regression", "multi-label"];
    let server = Settings { models, database, ..Settings::default() }.start();
    let plain: String = ROWS.iter().map(|(text, _)| json!({"text": text}).to_string() + "\n").collect();
    let plain = upload(&server, "", JSON_LINES, plain).json()["id"].clone();
    learnt(&server, json!({}));
    learnt(&server, json!({"name": "many", "model": "multi-label"}));
    let told = erased(&server, "praise", json!({"dataset": dataset(&server), "methods": ["leace"]}));
    let task = &told["erasures"][0]["task"];
    assert_eq!((&told["untouched"]["accuracy"], &told["unknown_labels"]), (&Value::Null, &json!(0)));
    for field in ["accuracy", "agreement"] {
        assert_eq!(task[field], Value::Null, "{field}");
    }
    assert_eq!(task["flips"], json!([]));
    let model = load("regression");
    let eraser = eraser(&server, "praise", "leace");
    let moved = ROWS.map(|(text, _)| {
        let [was, is] = [None, Some(&eraser)].map(|eraser| {
            let logits = logits(&model, text, eraser);
            f64::from(logits[0])
        });
        (is - was).abs()
    });
    assert_close(&task["change"]["mean"], moved.iter().sum::<f64>() / 8.0, "the value");
    let body = json!({"model": "multi-label", "dataset": plain, "methods": ["nullspace"]});
    let told = erased(&server, "many", body);
    let task = &told["erasures"][0]["task"];
    assert_eq!((&told["untouched"]["accuracy"], &task["accuracy"]), (&Value::Null, &Value::Null));
    assert_eq!(task["agreement"]["of"], 8);
}

#[test]
fn the_same_question_has_the_same_bytes_by_its_id_and_as_a_picture() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, json!({}));
    assert_told_alike(&server, "/v1/concepts/praise/erasure", &json!({"dataset": dataset(&server)}));
}

#[test]
fn an_answer_is_the_same_on_one_thread_and_on_three() {
    let told = [1, 3].map(|threads| {
        let directory = tempfile::tempdir().unwrap();
        let server = Settings { threads, ..Settings::tiny(&directory.path().join("x.db")) }.start();
        learnt(&server, json!({}));
        let dataset = dataset(&server);
        ["erasure", "decomposition"].map(|what| {
            server.post(&format!("/v1/concepts/praise/{what}"), &json!({"dataset": dataset})).text()
        })
    });
    assert_eq!(told[0], told[1]);
    assert!(told[0][0].contains("erasures"), "{}", told[0][0]);
}

#[test]
fn what_cannot_be_taken_out_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    let models = vec!["three-labels", "multi-label"];
    let server = Settings { models, database, ..Settings::default() }.start();
    learnt(&server, json!({}));
    let large = upload(&server, "", JSON_LINES, lines("great", 1001)).json()["id"].clone();
    for (body, pointer) in [
        (json!({"methods": []}), "/methods"),
        (json!({"methods": ["leace", "leace"]}), "/methods/1"),
        (json!({"methods": ["leace", "ablation"]}), "/methods/1"),
        (json!({"methods": [1]}), "/methods/0"),
        (json!({"methods": "leace"}), "/methods"),
        (json!({"folds": 1}), "/folds"),
        (json!({"folds": 21}), "/folds"),
        (json!({"folds": 7}), "/folds"),
        (json!({"permutations": 18}), "/permutations"),
        (json!({"permutations": 1000}), "/permutations"),
        (json!({"dataset": large}), "/dataset"),
        (json!({"dataset": "0".repeat(64)}), "/dataset"),
        (json!({"dataset": "mine"}), "/dataset"),
        (json!({"model": "nobody"}), "/model"),
        (json!({"seed": -1}), "/seed"),
    ] {
        let problem = server.problem("/v1/concepts/praise/erasure", body.clone(), 422);
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{body}");
    }
    server.problem("/v1/concepts/praise/erasure", json!({"layer": 1}), 422);
    for name in ["nobody", "praise@2", "praise@x"] {
        server.problem(&format!("/v1/concepts/{name}/erasure"), json!({}), 404);
    }
    let problem = server.problem("/v1/concepts/praise/erasure", json!({"model": "multi-label"}), 409);
    assert!(problem["type"].as_str().unwrap().ends_with("concept-of-another-model"), "{problem}");
}
