//! Hidden states through a server that listens.

use explaind::config::Database;
use explaind::engine::answer::states::decoded;
use serde_json::{Value, json};

use crate::datasets::JSON_LINES;
use crate::jobs::{finished, ordered};
use crate::support::server::{Answer, Settings, TestServer};

const TEXT: &str = "A funny, boring film.";

/// The states of a text in the tiny model, which has hidden states 0 to 3 of 24 numbers, and three labels.
fn states(server: &TestServer, changes: &Value) -> Value {
    let mut body = json!({"text": TEXT, "model": "three-labels"});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    server.ok("/v1/states", body)
}

fn floats(states: &Value, name: &str) -> Vec<f32> {
    decoded(states[name].as_str().unwrap()).unwrap_or_else(|| panic!("{name} of {states}"))
}

/// The rows of the only hidden state there is.
fn rows(states: &Value) -> Vec<Vec<f32>> {
    floats(states, "values").chunks_exact(24).map(<[f32]>::to_vec).collect()
}

fn near(one: &[f32], other: &[f64]) {
    assert_eq!(one.len(), other.len());
    let largest = other.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    for (one, other) in one.iter().zip(other) {
        assert!((f64::from(*one) - other).abs() <= 1e-6 * largest, "{one}, not {other}");
    }
}

#[test]
fn pooled_states_are_those_of_the_tokens() {
    let server = TestServer::shared();
    for layer in 0..=3 {
        let of = |pooling: &str| {
            let told = states(&server, &json!({"layers": [layer], "pooling": pooling}));
            let count = told["tokens"].as_array().unwrap().len();
            let states = told["states"].clone();
            assert_eq!((&states["pooling"], &states["layers"]), (&json!(pooling), &json!([layer])));
            assert_eq!(states["rows"], if pooling == "tokens" { count } else { 1 });
            assert_eq!((&states["width"], states.get("gradients")), (&json!(24), None));
            rows(&states)
        };
        let tokens = of("tokens");
        assert_eq!(of("cls"), tokens[..1].to_vec());
        let sum = |unit: usize| tokens.iter().map(|row| f64::from(row[unit])).sum::<f64>();
        let means: Vec<f64> = (0..24).map(|unit| sum(unit) / tokens.len() as f64).collect();
        near(&of("mean")[0], &means);
    }
}

#[test]
fn all_layers_are_given_in_the_order_asked_for() {
    let server = TestServer::shared();
    let all = states(&server, &json!({}))["states"].clone();
    assert_eq!((&all["pooling"], &all["layers"]), (&json!("mean"), &json!([0, 1, 2, 3])));
    let all = rows(&all);
    assert_eq!(all.len(), 4);
    let some = states(&server, &json!({"layers": [3, 1]}))["states"].clone();
    assert_eq!((&some["layers"], &some["rows"]), (&json!([3, 1]), &json!(1)));
    assert_eq!(rows(&some), [all[3].clone(), all[1].clone()]);
}

#[test]
fn gradients_are_given_for_every_label_and_foretell_each_other() {
    let server = TestServer::shared();
    let of = |pooling: &str, layers: &[usize]| {
        let told = states(&server, &json!({"layers": layers, "pooling": pooling, "gradients": true}));
        let gradients = floats(&told["states"], "gradients");
        assert_eq!(
            gradients.len(),
            3 * layers.len() * 24,
            "[label][layer][width], however many rows there are"
        );
        gradients
    };
    // All tokens moved alike are moved alike, whether their states are pooled or not.
    assert_eq!(of("tokens", &[0, 2]), of("mean", &[0, 2]));
    // Only the first token is read behind the last layer.
    assert_eq!(of("cls", &[3]), of("mean", &[3]));
    assert_ne!(of("cls", &[1]), of("mean", &[1]));
    let both = of("mean", &[1, 2]);
    for (label, gradients) in of("mean", &[2]).chunks_exact(24).enumerate() {
        assert_eq!(gradients, &both[(label * 2 + 1) * 24..][..24]);
        assert!(gradients.iter().any(|slope| *slope != 0.0));
    }
    let plain = states(&server, &json!({"layers": [2]}))["states"]["values"].clone();
    let with = states(&server, &json!({"layers": [2], "gradients": true}))["states"]["values"].clone();
    assert_eq!(plain, with, "what else is asked for changes no state");
}

#[test]
fn the_same_question_gets_the_same_bytes_whatever_company_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().join("x.db"));
    let server = Settings::tiny_on(database.clone()).start();
    let body = json!({"text": TEXT, "pooling": "tokens", "gradients": true});
    let first = server.post("/v1/states", &body);
    assert_eq!(first.status, 200, "{}", first.text());
    let again = server.post("/v1/states", &body);
    assert_eq!(again.headers["cache-status"], "explaind; hit; detail=memory");
    let spelt_out = json!({
        "text": TEXT, "text_pair": null, "model": "three-labels", "layers": [0, 1, 2, 3], "pooling": "tokens",
        "gradients": true, "truncate": false, "dry_run": false
    });
    let restarted = Settings::tiny_on(database).start();
    let recalled = restarted.get(first.headers["content-location"].to_str().unwrap());
    for answer in
        [again, server.post("/v1/states", &spelt_out), restarted.post("/v1/states", &body), recalled]
    {
        assert_eq!((&answer.body, &answer.headers["etag"]), (&first.body, &first.headers["etag"]));
    }
    // Other threads, another company, nothing from a cache.
    let fresh = Settings { models: vec!["three-labels"], threads: 3, ..Settings::default() }.start();
    let company = ["the end", TEXT, "a long dull story, and a window at the end of the street", "rain"];
    let many = json!({"texts": company, "pooling": "tokens", "gradients": true});
    let results = fresh.ok("/v1/states", many)["results"].clone();
    assert_eq!(results[1], first.json());
    let others = [
        json!({"text": TEXT}),
        json!({"text": TEXT, "pooling": "tokens"}),
        json!({"text": TEXT, "layers": [0]}),
    ];
    for other in others {
        assert_ne!(server.ok("/v1/states", other)["id"], first.json()["id"]);
    }
}

#[test]
fn a_batch_has_the_states_of_each_text_and_the_problems_of_others() {
    let server = TestServer::shared();
    let items = json!([TEXT, "", {"text": TEXT}, 7, {"text": "a", "colour": "red"}]);
    let told = server.ok("/v1/states", json!({"texts": items, "model": "three-labels", "layers": [2]}));
    let results = told["results"].as_array().unwrap();
    let alone = states(&server, &json!({"layers": [2]}));
    assert_eq!((results.len(), &results[0], &results[2]), (5, &alone, &alone));
    for (place, pointer) in [(1, "/texts/1"), (3, "/texts/3"), (4, "/texts/4/colour")] {
        assert_eq!(results[place]["error"]["pointer"], pointer, "{}", results[place]);
    }
}

#[test]
fn a_dry_run_tells_what_states_would_take() {
    let server = Settings { models: vec!["three-labels"], ..Settings::default() }.start();
    let dry = |body: Value| server.ok("/v1/states", body)["results"][0].clone();
    let plain = dry(json!({"text": TEXT, "dry_run": true}));
    assert_eq!(plain["forwards"], json!({"expected": 1, "most": 1}));
    assert_eq!(plain["backwards"], json!({"expected": 0, "most": 0}));
    let with = dry(json!({"text": TEXT, "dry_run": true, "gradients": true}));
    assert_eq!(with["backwards"], json!({"expected": 3, "most": 3}), "one for each label");
    assert_eq!(server.figure("explaind_units_seconds_total"), 0.0, "nothing is done");
}

#[test]
fn what_is_wrong_with_a_question_for_states_is_told_with_its_place() {
    let server = TestServer::shared();
    let long = "the ".repeat(50);
    for (changes, pointer) in [
        (json!({"colour": "red"}), "/colour"),
        (json!({"text": null}), "/text"),
        (json!({"text": " "}), "/text"),
        (json!({"text": 7}), "/text"),
        (json!({"text": TEXT, "texts": ["a"]}), "/texts"),
        (json!({"text": null, "texts": []}), "/texts"),
        (json!({"model": "nobody"}), "/model"),
        (json!({"layers": []}), "/layers"),
        (json!({"layers": [4]}), "/layers/0"),
        (json!({"layers": [0, 3, 0]}), "/layers/2"),
        (json!({"layers": [-1]}), "/layers/0"),
        (json!({"layers": 2}), "/layers"),
        (json!({"pooling": "max"}), "/pooling"),
        (json!({"pooling": 1}), "/pooling"),
        (json!({"gradients": "yes"}), "/gradients"),
        (json!({"truncate": 1}), "/truncate"),
        (json!({"dry_run": "no"}), "/dry_run"),
        (json!({"model": "one-type-id", "text_pair": "a"}), "/text_pair"),
        (json!({"text": long}), "/text"),
    ] {
        let mut body = json!({"text": TEXT, "model": "three-labels"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let problem = server.problem("/v1/states", body, 422);
        assert_eq!(problem["pointer"], pointer, "{changes}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    let cut = states(&server, &json!({"text": long, "truncate": true, "pooling": "tokens", "layers": [0]}));
    assert_eq!((&cut["states"]["rows"], cut["truncated"].is_object()), (&json!(40), true));
}

#[test]
fn rows_of_a_dataset_have_their_states_by_a_job() {
    let directory = tempfile::tempdir().unwrap();
    let server = Settings::tiny(&directory.path().join("x.db")).start();
    let request = json!({"layers": [2], "pooling": "cls"});
    let first = json!({"endpoint": "states", "request": request}).to_string() + "\n";
    let place = ordered(&server, JSON_LINES, first + &json!({"text": TEXT}).to_string() + "\n");
    finished(&server, &place);
    let results = server.get(&format!("{place}/results")).text();
    let line: Value = serde_json::from_str(results.lines().next().unwrap()).unwrap();
    assert_eq!(line["answer"], states(&server, &json!({"layers": [2], "pooling": "cls"})));
}

#[test]
fn states_are_drawn_as_a_reading_of_the_text() {
    let server = TestServer::shared();
    let body = json!({"text": TEXT, "model": "three-labels"});
    let request = server.request("POST", "/v1/states").header("accept", "image/svg+xml").json(&body);
    let drawn: Answer = request.send().unwrap().into();
    assert_eq!((drawn.status, drawn.content_type.as_str()), (200, "image/svg+xml"));
    let picture = drawn.text();
    assert_eq!(roxmltree::Document::parse(&picture).unwrap().root_element().tag_name().name(), "svg");
}
