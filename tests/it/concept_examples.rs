//! The examples of the API's description that are about concepts are answers of the server, too.

use serde_json::{Value, json};

use crate::openapi::assert_shown;
use crate::support::golden::BUNDLED;
use crate::support::server::{Answer, Settings, TestServer};

const TEXT: &str = "The actors are wonderful.";

/// Numbers of a vector that are shown of a document: the others are much the same.
const NUMBERS_SHOWN: usize = 3;

/// Lists that are shown with so many items at most.
const ITEMS_SHOWN: usize = 2;

fn answer(server: &TestServer, path: &str, body: &Value) -> Value {
    let request = server.request("POST", path).header("x-request-id", "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64");
    let answer: Answer = request.json(body).send().unwrap().into();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// The same with long lists cut.
fn shortened(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let shown = if items.iter().all(Value::is_number) { NUMBERS_SHOWN } else { ITEMS_SHOWN };
            items.iter().take(shown).map(shortened).collect()
        }
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), shortened(member))).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn the_examples_of_concepts_are_what_the_server_answers() {
    let server = TestServer::shared();
    let asked = [
        ("states", "/v1/states", json!({"text": "A gripping film.", "layers": [6]})),
        ("states-batch", "/v1/states", json!({"texts": ["Good.", ""], "layers": [6]})),
        ("concept-scores", "/v1/concepts/acting/scores", json!({"text": TEXT})),
        ("concept-scores-batch", "/v1/concepts/acting/scores", json!({"texts": [TEXT, ""]})),
        ("concept-edits", "/v1/concepts/edits", edits(json!({"text": TEXT}))),
        (
            "concept-edits-batch",
            "/v1/concepts/edits",
            edits(json!({"texts": [TEXT, ""], "attribution": null})),
        ),
    ];
    for (name, path, body) in asked {
        assert_shown(name, &answer(&server, path, &body));
    }
    // What is cached already is told: a server that knows nothing yet.
    let fresh = Settings { models: vec![BUNDLED], ..Settings::default() }.start();
    for (name, path, body) in [
        ("states-dry-run", "/v1/states", json!({"text": "A gripping film.", "dry_run": true})),
        ("concept-scores-dry-run", "/v1/concepts/acting/scores", json!({"text": TEXT, "dry_run": true})),
        ("concept-edits-dry-run", "/v1/concepts/edits", edits(json!({"text": TEXT, "dry_run": true}))),
    ] {
        assert_shown(name, &answer(&fresh, path, &body));
    }
    assert_shown("concept", &server.get("/v1/concepts/acting").json());
    let listed = server.get("/v1/concepts?limit=1").json();
    assert_shown("concepts", &listed);
    assert_shown("concept-export", &shortened(&server.get("/v1/concepts/acting/export").json()));
}

fn edits(mut body: Value) -> Value {
    body["concepts"] = json!([{"concept": "boredom"}]);
    body["strengths"] = json!([-2, 0, 2]);
    body
}

#[test]
fn the_examples_of_what_is_made_of_concepts_are_what_the_server_answers() {
    let server = TestServer::shared();
    let made = [
        ("tcav", "/v1/concepts/tcav", json!({"concepts": ["boredom"], "layers": [3], "repeats": 3})),
        ("decomposition", "/v1/concepts/acting/decomposition", json!({"terms": 2, "most": 2})),
        ("erasure", "/v1/concepts/boredom/erasure", json!({"methods": ["nullspace"]})),
        (
            "discovery",
            "/v1/concepts/discoveries",
            json!({"method": "kmeans", "pooling": "mean", "components": 2, "top": 2}),
        ),
    ];
    for (name, path, body) in made {
        assert_shown(name, &shortened(&answer(&server, path, &body)));
    }
}
