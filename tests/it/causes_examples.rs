//! The examples of the API's description that are about causes are answers of the server, too.

use serde_json::{Value, json};

use crate::openapi::assert_shown;
use crate::support::golden::BUNDLED;
use crate::support::server::{Answer, Settings, TestServer};

const TEXT: &str = "A gripping film, though it drags a little.";

fn answer(server: &TestServer, path: &str, body: &Value) -> Value {
    let request = server.request("POST", path).header("x-request-id", "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64");
    let answer: Answer = request.json(body).send().unwrap().into();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

fn edited(mut body: Value) -> Value {
    body["edits"] = json!([{"action": "replace", "word": 1, "with": "dull"}, {"action": "delete", "words": [4, 5, 6, 7, 8]}]);
    body
}

#[test]
fn the_examples_of_what_if_are_what_the_server_answers() {
    let server = TestServer::shared();
    let short = json!({"action": "mask", "words": [1]});
    for (name, path, body) in [
        ("what-if", "/v1/interventions", edited(json!({"text": TEXT}))),
        ("what-if-batch", "/v1/interventions", json!({"texts": ["A gripping film.", ""], "edits": [short]})),
        ("grid", "/v1/interventions/grid", json!({"text": "A gripping film."})),
        (
            "grid-batch",
            "/v1/interventions/grid",
            json!({"texts": ["A gripping film.", ""], "actions": ["delete"]}),
        ),
    ] {
        assert_shown(name, &answer(&server, path, &body));
    }
    // What is cached already is told: a server that knows nothing yet.
    let fresh = Settings { models: vec![BUNDLED], ..Settings::default() }.start();
    for (name, path, body) in [
        ("what-if-dry-run", "/v1/interventions", edited(json!({"text": TEXT, "dry_run": true}))),
        ("grid-dry-run", "/v1/interventions/grid", json!({"text": TEXT, "dry_run": true})),
    ] {
        assert_shown(name, &answer(&fresh, path, &body));
    }
}
