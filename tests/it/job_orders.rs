//! Jobs as they are ordered: what is wrong with an order, and what a key stands for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use explaind::config::Database;
use serde_json::json;

use crate::datasets::{CSV, JSON_LINES, on_file, upload};
use crate::jobs::{JSON, asked_of, order};
use crate::support::eventually;
use crate::support::server::{Answer, Settings};

#[test]
fn a_key_stands_for_one_job() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let body = asked_of(&["good", "bad"]);
    let first = order(&server, JSON_LINES, Some("nightly-1"), body.clone());
    let again = order(&server, JSON_LINES, Some("nightly-1"), body.clone());
    assert_eq!((first.status, again.status), (202, 200), "{}", again.text());
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert_eq!(again.headers["location"], first.headers["location"]);
    let reused = order(&server, JSON_LINES, Some("nightly-1"), asked_of(&["good"])).problem(422);
    assert_eq!(reused["type"], "urn:explaind:problem:idempotency-key-reused");
    let other = order(&server, JSON_LINES, Some("nightly-2"), body.clone());
    let none = order(&server, JSON_LINES, None, body);
    assert_eq!((other.status, none.status), (202, 202));
    // What was refused does not take the key.
    let refused = order(&server, JSON_LINES, Some("nightly-3"), "{\"endpoint\":\"predict\"}\n{}");
    assert_eq!(refused.problem(422)["pointer"], "/2/text");
    eventually("the key is free again", || {
        order(&server, JSON_LINES, Some("nightly-3"), asked_of(&["good"])).status != 409
    });
    assert_eq!(order(&server, JSON_LINES, Some("nightly-3"), asked_of(&["good"])).status, 200);
    assert_eq!(server.get("/v1/jobs").json()["jobs"].as_array().unwrap().len(), 4);
    let long = "k".repeat(201);
    for key in ["", "a b", &long] {
        let problem = order(&server, JSON_LINES, Some(key), asked_of(&["good"])).problem(400);
        assert_eq!(problem["type"], "urn:explaind:problem:invalid-header", "{key}");
    }
    let twice = server.request("POST", "/v1/jobs").header("content-type", JSON_LINES);
    let twice = twice.header("idempotency-key", "a").header("idempotency-key", "b").body(asked_of(&["good"]));
    Answer::from(twice.send().unwrap()).problem(400);
}

#[test]
fn a_key_whose_request_is_still_coming_is_in_flight() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let body = asked_of(&["good", "bad"]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = "POST /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/jsonl\r\nidempotency-key: slow\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{}", body.len(), &body[..40]).unwrap();
    eventually("it is under way", || server.figure("explaind_requests_in_progress") > 0.0);
    // The key is taken as soon as the head is read.
    std::thread::sleep(Duration::from_millis(500));
    let second = order(&server, JSON_LINES, Some("slow"), body.clone());
    assert_eq!(second.problem(409)["type"], "urn:explaind:problem:idempotency-key-in-flight");
    assert_eq!(second.headers["retry-after"], "1");
    write!(stream, "{}", &body[40..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(order(&server, JSON_LINES, Some("slow"), body).status, 200);
}

#[test]
fn what_is_wrong_with_an_order_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let id = upload(&server, "", CSV, "text\ngood\n").json()["id"].as_str().unwrap().to_owned();
    let unknown = "0".repeat(64);
    let cases = [
        (json!({"dataset": id}), "/endpoint"),
        (json!({"endpoint": "models", "dataset": id}), "/endpoint"),
        (json!({"endpoint": null, "dataset": id}), "/endpoint"),
        (json!({"endpoint": {"predict": null}, "dataset": id}), "/endpoint"),
        (json!({"endpoint": "predict"}), "/dataset"),
        (json!({"endpoint": "predict", "dataset": "x"}), "/dataset"),
        (json!({"endpoint": "predict", "dataset": unknown}), "/dataset"),
        (json!({"endpoint": "predict", "dataset": id, "name": "x"}), "/name"),
        (json!({"endpoint": "predict", "dataset": id, "request": []}), "/request"),
        (json!({"endpoint": "predict", "dataset": id, "request": {"text": null}}), "/request/text"),
        (json!({"endpoint": "predict", "dataset": id, "request": {"text_pair": "a"}}), "/request/text_pair"),
        (json!({"endpoint": "predict", "dataset": id, "request": {"texts": []}}), "/request/texts"),
        (json!({"endpoint": "predict", "dataset": id, "request": {"dry_run": true}}), "/request/dry_run"),
        (json!({"endpoint": "predict", "dataset": id, "request": {"model": "x"}}), "/request/model"),
        (json!({"endpoint": "predict", "dataset": id, "request": {"methods": []}}), "/request/methods"),
        (json!({"endpoint": "explain", "dataset": id, "request": {"methods": ["x"]}}), "/request/methods/0"),
        (json!({"endpoint": "explain", "dataset": id, "request": {"seed": -1}}), "/request/seed"),
        (
            json!({"endpoint": "explain", "dataset": id, "request": {"options": {"integrated_gradients": {"step": 1}}}}),
            "/request/options/integrated_gradients/step",
        ),
        (json!({"endpoint": "attention", "dataset": id, "request": {"layers": [99]}}), "/request/layers/0"),
    ];
    for (body, pointer) in cases {
        let problem = order(&server, JSON, None, body.to_string()).problem(422);
        assert_eq!(problem["type"], "urn:explaind:problem:invalid-field", "{body}");
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    for body in ["{", "[]x", "{\"endpoint\":\"predict\"}{}"] {
        let problem = order(&server, JSON, None, body).problem(400);
        assert_eq!(problem["type"], "urn:explaind:problem:malformed-json", "{body}");
    }
    let twice =
        format!("{{\"endpoint\":\"explain\",\"dataset\":\"{id}\",\"request\":{{\"seed\":1,\"seed\":2}}}}");
    order(&server, JSON, None, twice).problem(422);
    for (body, pointer) in [
        ("{\"endpoint\":\"predict\",\"dataset\":\"x\"}\n{\"text\":\"a\"}", "/1/dataset"),
        ("{\"request\":{}}\n{\"text\":\"a\"}", "/1/endpoint"),
        ("{\"endpoint\":\"predict\",\"request\":{\"text\":\"a\"}}\n{\"text\":\"a\"}", "/1/request/text"),
        ("[]\n{\"text\":\"a\"}", "/1"),
        ("{\"endpoint\":\"predict\"}", "/2"),
        ("{\"endpoint\":\"predict\"}\n\n", "/2"),
        ("{\"endpoint\":\"predict\"}\n{\"text\":\"a\"}\n{\"text\":\"b\",\"colour\":1}\n", "/3/colour"),
        ("{\"endpoint\":\"predict\"}\n{\"text\":\" \"}", "/2/text"),
    ] {
        let problem = order(&server, JSON_LINES, None, body).problem(422);
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
        let line = format!("line {}: ", pointer[1..].split('/').next().unwrap());
        assert!(problem["detail"].as_str().unwrap().starts_with(&line), "{problem}");
    }
    assert_eq!(order(&server, CSV, None, "text\na\n").problem(415)["status"], 415);
    let query: Answer = server.request("POST", "/v1/jobs?limit=1").json(&json!({})).send().unwrap().into();
    assert_eq!(query.problem(400)["type"], "urn:explaind:problem:unexpected-query");
    assert_eq!(server.get("/v1/jobs?limit=0").problem(400)["type"], "urn:explaind:problem:invalid-query");
    assert_eq!(server.get("/v1/jobs").json()["jobs"], json!([]));
}

#[test]
fn a_job_has_no_more_rows_than_it_may_have() {
    let directory = tempfile::tempdir().unwrap();
    let server =
        Settings { dataset_bytes: 16 << 20, ..Settings::tiny(&directory.path().join("x.db")) }.start();
    let rows = "{\"text\":\"a\"}\n".repeat(100_001);
    let problem =
        order(&server, JSON_LINES, None, format!("{{\"endpoint\":\"predict\"}}\n{}", rows.trim_end()));
    assert!(problem.problem(422)["detail"].as_str().unwrap().contains("100000"));
    assert_eq!(server.get("/v1/datasets").json()["datasets"].as_array().unwrap().len(), 1, "nothing is kept");
    let id = upload(&server, "", JSON_LINES, rows).json()["id"].clone();
    let problem = order(&server, JSON, None, json!({"endpoint": "predict", "dataset": id}).to_string());
    assert_eq!(problem.problem(422)["pointer"], "/dataset");
}

#[test]
fn without_a_database_no_job_is_taken_on() {
    let memory =
        Settings { models: vec!["three-labels"], database: Some(Database::Memory), ..Settings::default() };
    let server = memory.start();
    let bundled = server.get("/v1/datasets").json()["datasets"][0]["id"].clone();
    let json = json!({"endpoint": "predict", "dataset": bundled}).to_string();
    for (content_type, body) in [(JSON, json), (JSON_LINES, asked_of(&["good"]))] {
        for key in [None, Some("nightly-1")] {
            let problem = order(&server, content_type, key, body.clone()).problem(409);
            assert_eq!(problem["type"], "urn:explaind:problem:no-database");
            assert!(problem["remedy"].as_str().unwrap().contains("database_url"), "{problem}");
        }
    }
}
