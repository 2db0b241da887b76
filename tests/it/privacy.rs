//! Texts never appear in logs or metrics, whatever happens to them.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::process::{Process, client};

/// Nothing else in the program says this.
const CANARY: &str = "zyxxcanary";

#[test]
fn a_text_is_never_in_the_log_nor_in_the_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(&directory.path().join("x.db"), &["--log", "trace"]);
    let sent = format!("the {CANARY} film is good");
    let bodies: Vec<(&str, Value)> = vec![
        ("/explain", json!({"text": sent})),
        ("/explain", json!({"texts": [sent, {"text": sent}, {"text": sent, CANARY: 1}, 5]})),
        ("/explain", json!({"text": sent, "methods": ["attention_rollout", "random", "saliency"]})),
        ("/explain", json!({"text": sent, "methods": [CANARY]})),
        ("/explain", json!({"text": sent, "target": CANARY})),
        ("/explain", json!({"text": sent, "model": CANARY})),
        ("/explain", json!({"text": sent, "text_pair": sent})),
        ("/explain", json!({"text": sent, CANARY: 1})),
        ("/explain", json!({"text": sent, "options": {CANARY: {}}})),
        (
            "/explain",
            json!({"text": sent, "options": {"integrated_gradients": {"baseline": {"text": sent}}}}),
        ),
        (
            "/explain",
            json!({"text": sent, "options": {"integrated_gradients": {"baseline": {"text": CANARY}}}}),
        ),
        ("/explain", json!({"text": sent.repeat(300)})),
        ("/explain", json!({"text": sent.repeat(300), "truncate": true, "methods": ["saliency"]})),
        ("/v1/predict", json!({"text": sent})),
        ("/v1/attention", json!({"text": sent})),
        ("/v1/attention", json!({"text": sent, "layers": [99]})),
    ];
    let mut ids = Vec::new();
    for (path, body) in bodies {
        for accept in ["application/json", "text/html", "image/svg+xml", CANARY] {
            let response =
                client().post(process.url(path)).header("accept", accept).json(&body).send().unwrap();
            if let Some(location) = response.headers().get("content-location") {
                ids.push(location.to_str().unwrap().to_owned());
            }
            assert_ne!(response.status(), 500);
        }
    }
    assert!(ids.len() > 4);
    ids.iter().for_each(|location| assert_eq!(process.get(location).status(), 200));
    for (query, content_type, body) in [
        (
            format!("?name={CANARY}"),
            "application/x-ndjson",
            json!({"text": sent, "label": CANARY}).to_string(),
        ),
        (String::new(), "application/x-ndjson", json!({"text": sent, CANARY: 1}).to_string()),
        (String::new(), "text/csv", format!("text,{CANARY}\n{sent},{CANARY}\n")),
        (String::new(), "text/csv", format!("text,{CANARY},{CANARY}\n")),
        (format!("?{CANARY}={CANARY}"), "text/csv", sent.clone()),
    ] {
        let request = client().post(process.url(&format!("/v1/datasets{query}")));
        let answer = request.header("content-type", content_type).body(body).send().unwrap();
        assert!([200, 201, 400, 422].contains(&answer.status().as_u16()));
        if let Some(location) = answer.headers().get("location") {
            let rows = format!("{}/rows", location.to_str().unwrap());
            assert!(process.get(&rows).text().unwrap().contains(CANARY));
        }
    }
    for path in
        [format!("/{CANARY}"), format!("/v1/explanations/{CANARY}"), format!("/explain?text={CANARY}")]
    {
        assert!(process.get(&path).status().is_client_error());
    }
    let not_json = client().post(process.url("/explain")).header("content-type", "application/json");
    not_json.body(format!("{{\"text\": {CANARY}}}")).send().unwrap();
    let other_type = client().post(process.url("/explain")).header("content-type", CANARY);
    other_type.body(sent.clone()).send().unwrap();
    for raw in [
        format!("{CANARY} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
        format!(
            "POST /explain HTTP/1.1\r\nhost: x\r\nx-request-timeout: {CANARY}\r\nconnection: close\r\n\r\n"
        ),
        format!("GET /{CANARY} nonsense {CANARY}\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(process.address()).unwrap();
        stream.write_all(raw.as_bytes()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // A request that is called off in the middle.
    let mut stream = TcpStream::connect(process.address()).unwrap();
    let body = json!({"text": sent.repeat(60), "truncate": true}).to_string();
    let head = "POST /explain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ";
    write!(stream, "{head}{}\r\n\r\n{body}", body.len()).unwrap();
    drop(stream);
    let metrics = process.get("/metrics").text().unwrap();
    assert!(metrics.contains("explaind_requests_total"));
    assert!(!metrics.to_lowercase().contains(CANARY), "{metrics}");
    let (_, log) = process.stop();
    assert!(log.lines().count() > 50, "the log should be talkative: {log}");
    let told: Vec<&str> = log.lines().filter(|line| line.to_lowercase().contains(CANARY)).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn every_line_of_the_log_about_a_request_has_its_id() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(&directory.path().join("x.db"), &[]);
    let request = client().post(process.url("/explain")).header("x-request-id", "audit-7");
    assert_eq!(request.json(&json!({"text": "good film"})).send().unwrap().status(), 200);
    let (_, log) = process.stop();
    let lines = log
        .lines()
        .filter(|line| line.contains("audit-7"))
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let told: Vec<Value> = lines.collect();
    assert!(!told.is_empty(), "{log}");
    let request =
        told.iter().find(|line| line["fields"]["message"] == "request").expect("one line a request");
    let fields = &request["fields"];
    assert_eq!(
        (&fields["route"], &fields["status"], &fields["outcome"]),
        (&json!("/explain"), &json!(200), &json!("ok"))
    );
}
