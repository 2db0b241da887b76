//! Concepts taken apart through a server that listens: what is told is what a reader of the states works out.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use explaind::config::Database;
use serde_json::{Value, json};

use crate::datasets::{JSON_LINES, lines, on_file, upload};
use crate::support::eventually;
use crate::support::server::{Answer, Settings, TestServer};

pub const PRAISE: [&str; 6] = [
    "a great film",
    "great fun and very funny",
    "the cast is great",
    "a great story with a great end",
    "what a great little comedy",
    "the music was great",
];

pub const BLAME: [&str; 6] = [
    "a dull film",
    "so dull and very slow",
    "the plot is dull",
    "a dull story with no end",
    "what a dull long drama",
    "the script was dull",
];

/// The hidden state that the concepts of these tests are learnt at.
pub const LAYER: usize = 2;

/// Texts to look for the nearest among: the last is longer than the model takes.
fn reviews() -> String {
    let short = ["great", "dull", "a warm tale", "the worst movie of the year", "not bad at all", "rain"];
    let line = |text: &str| json!({"text": text, "label": "positive"}).to_string() + "\n";
    short.map(line).concat() + &json!({"text": "good ".repeat(100)}).to_string()
}

/// The id of a dataset of these reviews.
fn few(server: &TestServer) -> Value {
    upload(server, "", JSON_LINES, reviews()).json()["id"].clone()
}

/// A concept of the server's first model, from praise against blame and these fields more.
pub fn learnt(server: &TestServer, fields: Value) -> Value {
    let mut body = json!({
        "name": "praise", "layer": LAYER, "positives": PRAISE, "negatives": BLAME, "permutations": 19
    });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let answer = server.post("/v1/concepts", &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// A concept as a document, changed and taken in again.
pub fn imported(server: &TestServer, change: impl FnOnce(&mut Value)) {
    let mut document = server.get("/v1/concepts/praise/export").json();
    change(&mut document);
    let answer = server.post("/v1/concepts/import", &document);
    assert_eq!(answer.status, 201, "{}", answer.text());
}

/// Makes of a document one of a concept that nobody has taught.
pub fn forget_examples(document: &mut Value) {
    for field in ["learner", "regularisation", "validation"] {
        document["summary"][field] = Value::Null;
    }
    document["summary"]["origin"] = json!("discovered");
    document["summary"]["examples"] = json!({"positives": 0, "negatives": 0, "drawn_from": null});
    document["body"]["positives"] = json!([]);
    document["body"]["negatives"] = json!([]);
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The direction of a concept at these tests' layer.
fn direction(server: &TestServer, concept: &str) -> Value {
    let document = server.get(&format!("/v1/concepts/{concept}/export")).json();
    let mut directions = document["body"]["directions"].as_array().unwrap().iter();
    directions.find(|at| at["layer"] == LAYER).unwrap()["direction"].clone()
}

/// The rows of a text at these tests' layer.
pub fn states(server: &TestServer, text: &str, pooling: &str) -> Vec<Vec<f64>> {
    let told = server.ok("/v1/states", json!({"text": text, "layers": [LAYER], "pooling": pooling}));
    let bytes = BASE64_STANDARD.decode(told["states"]["values"].as_str().unwrap()).unwrap();
    let values: Vec<f64> =
        bytes.chunks_exact(4).map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap()))).collect();
    values.chunks(told["states"]["width"].as_u64().unwrap() as usize).map(<[f64]>::to_vec).collect()
}

fn examples() -> impl Iterator<Item = (&'static str, usize, &'static str)> {
    let side = |side, texts: [&'static str; 6]| {
        texts.into_iter().enumerate().map(move |(index, text)| (side, index, text))
    };
    side("positive", PRAISE).chain(side("negative", BLAME))
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    inner(a, a).sqrt()
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let unit = |unit: usize| rows.iter().map(|row| row[unit]).sum::<f64>() / rows.len() as f64;
    (0..rows[0].len()).map(unit).collect()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + b.abs())
}

fn decomposed(server: &TestServer, concept: &str, body: Value) -> Value {
    server.ok(&format!("/v1/concepts/{concept}/decomposition"), body)
}

#[test]
fn the_coefficients_of_a_difference_of_means_are_those_of_the_means() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    for (pooling, name) in [("mean", "means"), ("cls", "firsts"), ("tokens", "tokens")] {
        learnt(&server, json!({"name": name, "pooling": pooling, "learner": "difference_of_means"}));
        let told = decomposed(&server, name, json!({"dataset": few(&server)}));
        assert_eq!((&told["pooling"], &told["layer"]), (&json!(pooling), &json!(LAYER)));
        assert_eq!(told["coefficients_by"], "learner");
        assert!(told["relearnt_cosine"].as_f64().unwrap() > 0.9999, "{}", told["relearnt_cosine"]);
        assert_eq!(told["warnings"], json!([]));
        // Of a text of several rows, each has its share.
        let texts = |texts: [&str; 6]| texts.map(|text| mean(&states(&server, text, pooling)));
        let (praise, blame) = (mean(&texts(PRAISE)), mean(&texts(BLAME)));
        let apart: Vec<f64> = praise.iter().zip(&blame).map(|(a, b)| a - b).collect();
        let size = 1.0 / (6.0 * norm(&apart));
        let coefficients = told["coefficients"].as_array().unwrap();
        assert_eq!(coefficients.len(), 12);
        for (told, (side, index, text)) in coefficients.iter().zip(examples()) {
            let example = json!({"side": side, "index": index, "text": text, "text_pair": null});
            assert_eq!(told["example"], example);
            let expected = if side == "positive" { size } else { -size };
            assert!(close(told["coefficient"].as_f64().unwrap(), expected, 1e-4), "{told} is not {expected}");
        }
        assert!(told["residual"].as_f64().unwrap() < 1e-4, "{}", told["residual"]);
    }
}

#[test]
fn every_learner_s_direction_is_the_sum_of_its_examples() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    for learner in ["logistic", "ridge"] {
        learnt(&server, json!({"name": learner, "learner": learner}));
        let told = decomposed(&server, learner, json!({"dataset": few(&server)}));
        assert_eq!(told["coefficients_by"], "learner");
        let mut left = numbers(&direction(&server, learner)["vector"]);
        for (told, (_, _, text)) in told["coefficients"].as_array().unwrap().iter().zip(examples()) {
            let by = told["coefficient"].as_f64().unwrap();
            left.iter_mut().zip(&states(&server, text, "mean")[0]).for_each(|(left, x)| *left -= by * x);
        }
        assert!(norm(&left) < 1e-4, "{learner} leaves {}", norm(&left));
        assert!(close(told["residual"].as_f64().unwrap(), norm(&left), 1e-6));
    }
}

#[test]
fn a_direction_that_its_examples_do_not_give_is_told_of_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, json!({}));
    imported(&server, |document| {
        document["name"] = json!("turned");
        for at in document["body"]["directions"].as_array_mut().unwrap() {
            let mut vector = numbers(&at["direction"]["vector"]);
            vector.rotate_left(5);
            at["direction"]["vector"] = json!(vector);
        }
    });
    let told = decomposed(&server, "turned", json!({"dataset": few(&server)}));
    assert_eq!(told["coefficients_by"], "least_squares");
    assert!(told["relearnt_cosine"].as_f64().unwrap() < 0.9999);
    assert_eq!(told["warnings"][0]["code"], "concept_not_relearnt");
    let mut left = numbers(&direction(&server, "turned")["vector"]);
    let rows: Vec<Vec<f64>> =
        examples().map(|(_, _, text)| states(&server, text, "mean").remove(0)).collect();
    for (told, row) in told["coefficients"].as_array().unwrap().iter().zip(&rows) {
        let by = told["coefficient"].as_f64().unwrap();
        left.iter_mut().zip(row).for_each(|(left, x)| *left -= by * x);
    }
    let residual = told["residual"].as_f64().unwrap();
    assert!(residual > 0.01 && close(residual, norm(&left), 1e-4), "{residual} is not {}", norm(&left));
    // Nothing nearer is to be had: what is left is at right angles to every example.
    for row in &rows {
        assert!(inner(row, &left).abs() < 1e-4 * norm(row), "{}", inner(row, &left));
    }
}

#[test]
fn the_curve_begins_with_the_example_at_the_least_angle_and_comes_nearer_with_each() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, json!({}));
    let told = decomposed(&server, "praise", json!({"terms": 5, "dataset": few(&server)}));
    let curve = told["curve"].as_array().unwrap();
    assert_eq!(curve.len(), 5);
    let vector = numbers(&direction(&server, "praise")["vector"]);
    let angle = |text: &str| {
        let row = states(&server, text, "mean").remove(0);
        inner(&row, &vector).abs() / norm(&row)
    };
    let angles: Vec<f64> = examples().map(|(_, _, text)| angle(text)).collect();
    let best = angles.iter().copied().fold(0.0, f64::max);
    assert!(close(curve[0]["cosine"].as_f64().unwrap(), best, 1e-4), "{} is not {best}", curve[0]);
    let first = examples().nth(angles.iter().position(|angle| *angle == best).unwrap()).unwrap();
    assert_eq!(
        (&curve[0]["example"]["side"], &curve[0]["example"]["index"]),
        (&json!(first.0), &json!(first.1))
    );
    let mut last = 1.0;
    for (place, term) in curve.iter().enumerate() {
        let [residual, cosine] = ["residual", "cosine"].map(|field| term[field].as_f64().unwrap());
        assert_eq!((&term["terms"], &term["token"]), (&json!(place + 1), &Value::Null));
        assert!(residual <= last, "{residual} after {last}");
        assert!(close(residual * residual + cosine * cosine, 1.0, 1e-9), "{term}");
        last = residual;
    }
}

#[test]
fn terms_of_a_concept_of_tokens_are_tokens_of_its_examples() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, json!({"pooling": "tokens"}));
    let told = decomposed(&server, "praise", json!({"terms": 50, "dataset": few(&server)}));
    let vector = numbers(&direction(&server, "praise")["vector"]);
    let first = &told["curve"][0];
    let rows = states(&server, first["example"]["text"].as_str().unwrap(), "tokens");
    let row = &rows[first["token"].as_u64().unwrap() as usize];
    let cosine = inner(row, &vector).abs() / norm(row);
    assert!(close(first["cosine"].as_f64().unwrap(), cosine, 1e-4), "{first} is not {cosine}");
    for term in told["curve"].as_array().unwrap() {
        let rows = states(&server, term["example"]["text"].as_str().unwrap(), "tokens").len();
        assert!(term["token"].as_u64().unwrap() < rows as u64, "{term}");
    }
}

#[test]
fn the_nearest_and_farthest_rows_are_those_of_the_largest_and_smallest_scores() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let dataset = few(&server);
    for pooling in ["mean", "tokens", "cls"] {
        let name = format!("of-{pooling}");
        learnt(&server, json!({"name": name, "pooling": pooling}));
        let told = decomposed(&server, &name, json!({"dataset": dataset, "most": 2}));
        assert_eq!((&told["rows"], &told["failed"]), (&json!(6), &json!(1)));
        assert_eq!(told["dataset"], dataset);
        let direction = direction(&server, &name);
        let [vector, centre] = ["vector", "centre"].map(|part| numbers(&direction[part]));
        let texts = reviews();
        let texts: Vec<Value> = texts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut scores: Vec<(usize, f64)> = texts[..6]
            .iter()
            .map(|row| {
                let rows = states(&server, row["text"].as_str().unwrap(), pooling);
                mean(&rows).iter().zip(&centre).map(|(h, c)| h - c).collect::<Vec<f64>>()
            })
            .map(|from_centre| inner(&from_centre, &vector))
            .enumerate()
            .collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1));
        let farthest: Vec<_> = scores.iter().rev().copied().collect();
        for (field, expected) in [("nearest", &scores), ("farthest", &farthest)] {
            let told = told[field].as_array().unwrap();
            assert_eq!(told.len(), 2);
            for (told, (row, score)) in told.iter().zip(expected) {
                assert_eq!((&told["row"], &told["text"]), (&json!(row), &texts[*row]["text"]));
                assert_eq!((&told["label"], &told["text_pair"]), (&json!("positive"), &Value::Null));
                let standardised = score / direction["spread"].as_f64().unwrap();
                assert!(close(told["score"].as_f64().unwrap(), *score, 1e-4), "{told} is not {score}");
                assert!(close(told["standardised"].as_f64().unwrap(), standardised, 1e-4), "{told}");
            }
        }
    }
}

#[test]
fn long_rows_are_looked_at_where_they_may_be_cut() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let dataset = few(&server);
    learnt(&server, json!({}));
    let told = decomposed(&server, "praise", json!({"dataset": dataset, "truncate": true}));
    assert_eq!((&told["rows"], &told["failed"]), (&json!(7), &json!(0)));
}

#[test]
fn a_concept_without_examples_is_told_by_the_texts_along_it_alone() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, json!({}));
    imported(&server, |document| {
        document["name"] = json!("found");
        forget_examples(document);
    });
    let body = json!({"most": 1, "dataset": few(&server)});
    let told = decomposed(&server, "found", body.clone());
    assert_eq!((&told["coefficients"], &told["curve"]), (&json!([]), &json!([])));
    for field in ["coefficients_by", "relearnt_cosine", "residual"] {
        assert_eq!(told[field], Value::Null, "{field}");
    }
    let taught = decomposed(&server, "praise", body);
    assert_eq!((&told["nearest"], &told["farthest"]), (&taught["nearest"], &taught["farthest"]));
}

#[test]
fn many_rows_take_a_job_and_have_its_answer() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let dataset = upload(&server, "", JSON_LINES, lines("great", 1001)).json()["id"].clone();
    learnt(&server, json!({}));
    let body = json!({"dataset": dataset, "most": 1});
    let first = server.post("/v1/concepts/praise/decomposition", &body);
    assert_eq!(first.status, 202, "{}", first.text());
    let job = first.json();
    assert_eq!((&job["endpoint"], &job["request"]["layers"]), (&json!("states"), &json!([LAYER])));
    eventually("the job is finished", || {
        server.post("/v1/concepts/praise/decomposition", &body).status == 200
    });
    let told = decomposed(&server, "praise", body);
    assert_eq!((&told["rows"], &told["failed"]), (&json!(1001), &json!(0)));
}

#[test]
fn the_same_question_has_the_same_bytes_by_its_id_and_as_a_picture() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, json!({}));
    assert_told_alike(&server, "/v1/concepts/praise/decomposition", &json!({"dataset": few(&server)}));
}

/// Asks the same again and again: by the question, by the id, and for a picture.
pub fn assert_told_alike(server: &TestServer, path: &str, body: &Value) {
    let first = server.post(path, body);
    assert_eq!(first.status, 200, "{path}: {}", first.text());
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.headers["etag"].to_str().unwrap(), format!("\"{id}\""));
    assert!(first.headers["cache-status"].to_str().unwrap().contains("fwd=miss"));
    let again = server.post(path, body);
    assert_eq!((again.status, &again.body), (200, &first.body), "{path}");
    assert!(again.headers["cache-status"].to_str().unwrap().contains("hit"));
    let place = format!("/v1/explanations/{id}");
    assert_eq!(first.headers["content-location"].to_str().unwrap(), place);
    assert_eq!(server.get(&place).body, first.body, "{path}");
    let drawn = |request: reqwest::blocking::RequestBuilder| -> Answer {
        request.header("accept", "image/svg+xml").send().unwrap().into()
    };
    let posted = drawn(server.request("POST", path).json(body));
    let recalled = drawn(server.request("GET", &place));
    assert_eq!((posted.status, posted.content_type.as_str()), (200, "image/svg+xml"), "{path}");
    assert_eq!(posted.body, recalled.body, "{path}");
    let text = posted.text();
    let picture = roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let numbers = picture.descendants().flat_map(|node| node.attributes());
    assert!(numbers.into_iter().all(|number| !number.value().contains("NaN")), "{path}: {text}");
    assert!(text.contains("praise"), "{path}");
    let refused: Answer =
        server.request("POST", path).header("accept", "text/html").json(body).send().unwrap().into();
    refused.problem(406);
}

#[test]
fn what_cannot_be_taken_apart_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    let models = vec!["three-labels", "multi-label"];
    let server = Settings { models, database, ..Settings::default() }.start();
    learnt(&server, json!({}));
    imported(&server, |document| {
        document["name"] = json!("narrow");
        document["body"]["directions"].as_array_mut().unwrap().retain(|at| at["layer"] == LAYER);
    });
    let unknown = "0".repeat(64);
    for (body, pointer) in [
        (json!({"terms": 0}), "/terms"),
        (json!({"terms": 51}), "/terms"),
        (json!({"terms": "ten"}), "/terms"),
        (json!({"most": 0}), "/most"),
        (json!({"most": 101}), "/most"),
        (json!({"layer": 4}), "/layer"),
        (json!({"layer": -1}), "/layer"),
        (json!({"dataset": "mine"}), "/dataset"),
        (json!({"dataset": unknown}), "/dataset"),
        (json!({"model": "nobody"}), "/model"),
        (json!({"truncate": 1}), "/truncate"),
    ] {
        let problem = server.problem("/v1/concepts/praise/decomposition", body.clone(), 422);
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{body}");
    }
    let problem = server.problem("/v1/concepts/narrow/decomposition", json!({"layer": 1}), 422);
    assert_eq!(problem["pointer"], "/layer");
    assert!(problem["remedy"].as_str().unwrap().contains("send one of these: 2;"), "{problem}");
    server.problem("/v1/concepts/praise/decomposition", json!({"depth": 1}), 422);
    for name in ["nobody", "praise@2", "praise@x"] {
        server.problem(&format!("/v1/concepts/{name}/decomposition"), json!({}), 404);
    }
    let problem = server.problem("/v1/concepts/praise/decomposition", json!({"model": "multi-label"}), 409);
    assert!(problem["type"].as_str().unwrap().ends_with("concept-of-another-model"), "{problem}");
}
