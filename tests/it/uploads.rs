//! Uploads that are too large, too slow, cut off, or of any rows at all.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::datasets::{CSV, JSON_LINES, held, lines, on_file, upload};
use crate::support::eventually;
use crate::support::process::{Process, client};
use crate::support::server::DATASET_LIMIT;

#[test]
fn more_than_may_be_sent_is_refused_with_or_without_a_length() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = "POST /v1/datasets HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/csv\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n", DATASET_LIMIT + 1).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("max_dataset_bytes"), "{answer}");
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(stream, "{head}transfer-encoding: chunked\r\n\r\n5\r\ntext\n\r\n").unwrap();
    let row = "good film\n".repeat(6000);
    for _ in 0..=(DATASET_LIMIT as usize / row.len() + 1) {
        // The server may hang up as soon as it has seen too much.
        if write!(stream, "{:x}\r\n{row}\r\n", row.len()).is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let path = directory.path().join("x.db");
    eventually("what was begun is swept away", || held(&path) == [0, 0, 0]);
}

/// Sends a part of a dataset, more than is written at a time, and nothing more.
fn begin(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "POST /v1/datasets HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    let rows = lines("cut off", 2000);
    write!(stream, "{head}{:x}\r\n{rows}\r\n", rows.len()).unwrap();
    stream
}

#[test]
fn an_upload_whose_client_goes_away_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let path = directory.path().join("x.db");
    let stream = begin(&server.address().to_string());
    eventually("rows are written as they come", || held(&path)[1] >= 1500);
    assert_eq!(server.get("/v1/datasets").json()["datasets"].as_array().unwrap().len(), 1);
    drop(stream);
    eventually("they go when the client has gone", || held(&path) == [0, 0, 0]);
}

#[test]
fn an_upload_that_a_kill_ends_is_swept_away_by_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let process = Process::start(&path, &[]);
    let whole = client().post(process.url("/v1/datasets")).header("content-type", CSV).body("text\na\n");
    assert_eq!(whole.send().unwrap().status(), 201);
    let _stream = begin(process.address());
    eventually("rows are written as they come", || held(&path)[1] >= 1500);
    process.kill();
    let process = Process::start(&path, &[]);
    let listed: Value = process.get("/v1/datasets").json().unwrap();
    assert_eq!(listed["datasets"].as_array().unwrap().len(), 2, "{listed}");
    eventually("the next start sweeps", || held(&path) == [1, 1, 0]);
}

#[test]
fn a_body_that_takes_too_long_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(stream, "POST /v1/datasets HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-timeout: 0.3\r\ncontent-type: text/csv\r\ncontent-length: 100\r\n\r\ntext\na\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

/// A text, a second one, a label and metadata; what is empty is left out.
type Row = (String, String, String, BTreeMap<String, String>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = || {
        prop_oneof![any::<String>(), "[ \",\r\n\ta-c'é😀]{1,9}"]
            .prop_filter("not blank", |text| !text.trim().is_empty())
    };
    let maybe = |some: &'static str| prop_oneof![Just(String::new()), some.prop_map(|text: String| text)];
    let metadata = prop::collection::btree_map("[k-m,\"]{1,2}", text(), 0..3);
    prop::collection::vec((text(), maybe("[a-c\",]{1,4}"), maybe("[a-c0-9, ]{1,3}"), metadata), 1..6)
}

fn as_json_lines(rows: &[Row]) -> String {
    let optional = |text: &String| (!text.is_empty()).then(|| text.clone());
    let line = |(text, pair, label, metadata): &Row| {
        json!({"metadata": metadata, "label": optional(label), "text_pair": optional(pair), "text": text})
            .to_string()
            + "\n"
    };
    rows.iter().map(line).collect()
}

fn as_csv(rows: &[Row]) -> String {
    let keys: std::collections::BTreeSet<&String> = rows.iter().flat_map(|row| row.3.keys()).collect();
    let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let mut csv = String::from("text,text_pair,label");
    keys.iter().for_each(|key| csv.extend([",", &quoted(key)]));
    for (text, pair, label, metadata) in rows {
        csv.push('\n');
        csv.push_str(&[text, pair, label].map(|cell| quoted(cell)).join(","));
        let cells = keys.iter().map(|key| metadata.get(*key).map_or(String::new(), |cell| quoted(cell)));
        cells.for_each(|cell| csv.extend([",", &cell]));
    }
    csv
}

#[test]
fn any_rows_have_one_id_in_both_formats_and_come_back_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let round_trip = |rows: Vec<Row>| {
        let from_json = upload(&server, "", JSON_LINES, as_json_lines(&rows));
        prop_assert!([200, 201].contains(&from_json.status), "{}", from_json.text());
        let from_csv = upload(&server, "", CSV, as_csv(&rows));
        prop_assert_eq!(from_csv.status, 200, "{}", from_csv.text());
        prop_assert_eq!(from_csv.json(), from_json.json());
        let place = format!("/v1/datasets/{}/rows", from_json.json()["id"].as_str().unwrap());
        let shown = |text: &String| if text.is_empty() { Value::Null } else { json!(text) };
        let expected = rows.iter().enumerate().map(|(row, (text, pair, label, metadata))| {
            json!({"row": row, "text": text, "text_pair": shown(pair), "label": shown(label), "metadata": metadata})
        });
        prop_assert_eq!(&server.get(&place).json()["rows"], &expected.collect::<Value>());
        Ok(())
    };
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&rows(), round_trip).unwrap();
}
