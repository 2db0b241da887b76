//! What an answer would take, told without making it.

use serde_json::{Value, json};

use crate::support::golden::BUNDLED;
use crate::support::server::{Answer, Settings, TestServer};

const REVIEW: &str = "A moving, sharply written film that doesn't overstay its welcome.";

fn dry(server: &TestServer, path: &str, mut body: Value) -> Value {
    body["dry_run"] = json!(true);
    server.ok(path, body)
}

fn range(expected: u64, most: u64) -> Value {
    json!({"expected": expected, "most": most})
}

#[test]
fn a_dry_run_tells_what_is_to_be_done_and_does_none_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("dry.db");
    let settings = || Settings {
        models: vec![BUNDLED],
        database: Some(explaind::config::Database::Sqlite(database.clone())),
        ..Settings::default()
    };
    let server = settings().start();
    let body = json!({"text": REVIEW, "methods": ["integrated_gradients", "saliency"],
        "options": {"integrated_gradients": {"steps": 50}}, "target": "all"});
    let told = dry(&server, "/explain", body.clone());
    assert_eq!((&told["dry_run"], &told["model"]["id"]), (&json!(true), &json!(BUNDLED)));
    assert_eq!(told.get("id"), None, "it is no answer");
    let text = &told["results"][0];
    assert_eq!(text["forwards"], range(52, 52), "its own, fifty on the path, and the baseline's");
    assert_eq!(text["backwards"], range(102, 102), "fifty and one for each of two classes");
    assert!(text["seconds"].as_f64().unwrap() > 0.0);
    assert!(text["bytes"].as_u64().unwrap() > 1_000_000);
    let cached = |text: &Value| -> Vec<Value> {
        text["parts"].as_array().unwrap().iter().map(|part| json!([part["name"], part["cached"]])).collect()
    };
    let parts = |flag: bool| {
        ["prediction", "integrated_gradients", "saliency"].map(|name| json!([name, flag])).to_vec()
    };
    assert_eq!(cached(text), parts(false));
    assert_eq!(server.figure("explaind_compute_seconds_count{method=\"prediction\"}"), 0.0);
    assert_eq!(server.figure("explaind_units_seconds_total"), 0.0);

    let answer = server.ok("/explain", body.clone());
    assert_eq!(text["tokens"], answer["tokens"].as_array().unwrap().len());
    let again = dry(&server, "/explain", body.clone());
    assert_eq!(cached(&again["results"][0]), parts(true));
    assert_eq!(again["results"][0]["forwards"], range(0, 0));
    assert_eq!((&again["total"]["seconds"], &again["total"]["bytes"]), (&json!(0.0), &json!(0)));
    let after_a_restart = dry(&settings().start(), "/explain", body);
    assert_eq!(cached(&after_a_restart["results"][0]), parts(true), "the durable tier knows it too");
}

#[test]
fn the_adaptive_rule_says_what_is_usual_and_what_is_the_most() {
    let server = TestServer::shared();
    let told = |options: Value| {
        let body = json!({"text": "A dry film.", "options": {"integrated_gradients": options}});
        let text = dry(&server, "/explain", body)["results"][0].clone();
        (text["forwards"].clone(), text["backwards"].clone())
    };
    assert_eq!(told(json!({})), (range(18, 130), range(17, 129)));
    assert_eq!(told(json!({"max_gradients": 9})), (range(10, 10), range(9, 9)));
    assert_eq!(told(json!({"max_gradients": 40})), (range(18, 34), range(17, 33)));
}

#[test]
fn a_dry_run_of_a_batch_adds_up_and_has_the_problems_of_its_texts() {
    let server = TestServer::shared();
    let body = json!({"texts": ["A dry batch of one.", "", "A dry batch of two, which is longer.", 7]});
    let told = dry(&server, "/v1/predict", body.clone());
    let results = told["results"].as_array().unwrap();
    let real = server.ok("/v1/predict", body);
    for place in [1, 3] {
        let problem = |answer: &Value| {
            let error = &answer["results"][place]["error"];
            (error["type"].clone(), error["pointer"].clone(), error["detail"].clone())
        };
        assert_eq!(problem(&told), problem(&real));
        assert!(results[place]["error"]["request_id"].is_string());
    }
    assert_eq!(told["total"]["forwards"], range(2, 2));
    let tokens = |place: usize| results[place]["tokens"].as_u64().unwrap();
    assert_eq!(told["total"]["tokens"], tokens(0) + tokens(2));
    assert_eq!(told["total"]["bytes"], results[2]["bytes"], "the largest one's");
}

#[test]
fn a_dry_run_refuses_what_the_answer_would_refuse() {
    let server = TestServer::shared();
    let long = "film ".repeat(2000);
    for (path, body) in [
        ("/explain", json!({"text": " "})),
        ("/explain", json!({"text": long})),
        ("/explain", json!({"text": "a", "methods": ["oracle"]})),
        ("/explain", json!({"text": "a", "options": {"integrated_gradients": {"steps": 0}}})),
        ("/v1/attributions", json!({"text": "a", "model": "nobody"})),
        ("/v1/predict", json!({"text": "a", "texts": ["b"]})),
        ("/v1/attention", json!({"text": long, "truncate": true})),
        ("/v1/attention", json!({"text": "a", "layers": [99]})),
    ] {
        let mut dry = body.clone();
        dry["dry_run"] = json!(true);
        let (mut dry, mut real) = (server.problem(path, dry, 422), server.problem(path, body, 422));
        (dry["request_id"], real["request_id"]) = (json!(null), json!(null));
        assert_eq!(dry, real);
    }
    server.problem("/explain", json!({"text": "a", "dryrun": true}), 422);
    server.problem("/explain", json!({"text": "a", "dry_run": "yes"}), 422);
}

#[test]
fn a_dry_run_is_json_that_nobody_keeps() {
    let server = TestServer::shared();
    let send = |accept: &str| -> Answer {
        let body = json!({"text": "A film to be drawn.", "dry_run": true});
        server.request("POST", "/explain").header("accept", accept).json(&body).send().unwrap().into()
    };
    let told = send("*/*");
    assert_eq!((told.status, told.content_type.as_str()), (200, "application/json"));
    assert_eq!(told.headers["cache-control"], "no-store");
    for absent in ["etag", "content-location", "cache-status"] {
        assert!(!told.headers.contains_key(absent), "{absent}");
    }
    for picture in ["image/svg+xml", "text/html"] {
        let problem = send(picture).problem(406);
        assert!(problem["remedy"].as_str().unwrap().contains("dry_run"), "{problem}");
    }
    let answer = server.post("/explain", &json!({"text": "A film to be drawn.", "dry_run": false}));
    assert!(answer.json()["id"].is_string(), "false is as good as nothing");
}
