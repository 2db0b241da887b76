//! Datasets through a server that listens: taken in, told of, given again, deleted.

use std::path::Path;

use explaind::config::Database;
use serde_json::{Value, json};

use crate::support::database::{execute, hold, number};
use crate::support::eventually;
use crate::support::server::{Answer, Settings, TestServer};

pub const JSON_LINES: &str = "application/x-ndjson";
pub const CSV: &str = "text/csv";

pub fn upload(server: &TestServer, query: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request = server.request("POST", &format!("/v1/datasets{query}"));
    request.header("content-type", content_type).body(body.into()).send().unwrap().into()
}

pub fn on_file(directory: &tempfile::TempDir) -> TestServer {
    Settings::tiny(&directory.path().join("x.db")).start()
}

/// A set of `count` short rows that begin with this word.
pub fn lines(word: &str, count: usize) -> String {
    (0..count).map(|row| format!("{{\"text\":\"{word} {row}\",\"label\":{}}}\n", row % 3)).collect()
}

fn delete(server: &TestServer, path: &str) -> Answer {
    server.request("DELETE", path).send().unwrap().into()
}

/// What the database holds of datasets: datasets, rows, uploads.
pub fn held(path: &Path) -> [i64; 3] {
    [
        number(path, "SELECT count(*) FROM datasets"),
        number(path, "SELECT count(*) FROM dataset_rows"),
        number(path, "SELECT count(*) FROM dataset_uploads"),
    ]
}

#[test]
fn rows_are_taken_in_told_of_and_given_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let body = "{\"text\":\"Is it good?\",\"text_pair\":\"It is.\",\"label\":1,\"metadata\":{\"year\":2005,\"seen\":true}}\n\
                {\"text\":\"naïve 😀\",\"label\":\"0\",\"metadata\":{\"by\":\"a, b\"}}\n{\"text\":\"plain\"}";
    let answer = upload(&server, "?name=caf%C3%A9+one", JSON_LINES, body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let dataset = answer.json();
    let place = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    assert_eq!(answer.headers["location"].to_str().unwrap(), place);
    assert_eq!(
        (&dataset["name"], &dataset["rows"], &dataset["has_pairs"], &dataset["metadata"]),
        (&json!("café one"), &json!(3), &json!(true), &json!(["by", "seen", "year"]))
    );
    assert_eq!(dataset["labels"], json!([{"label": "0", "rows": 1}, {"label": "1", "rows": 1}]));
    assert_eq!((&dataset["source"], &dataset["bundled"]), (&Value::Null, &json!(false)));
    assert!(dataset["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(server.get(&place).json(), dataset);
    let rows = server.get(&format!("{place}/rows")).json();
    assert_eq!(
        rows,
        json!({"rows": [
            {"row": 0, "text": "Is it good?", "text_pair": "It is.", "label": "1", "metadata": {"year": 2005, "seen": true}},
            {"row": 1, "text": "naïve 😀", "text_pair": null, "label": "0", "metadata": {"by": "a, b"}},
            {"row": 2, "text": "plain", "text_pair": null, "label": null, "metadata": {}},
        ], "next": null})
    );
    let listed = server.get("/v1/datasets").json();
    assert_eq!(listed["datasets"][1], dataset);
    assert_eq!(listed["datasets"].as_array().unwrap().len(), 2);
}

#[test]
fn the_same_rows_are_one_dataset_in_either_format() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let first = upload(
        &server,
        "?name=first",
        JSON_LINES,
        "{\"text\":\"a\",\"label\":1,\"metadata\":{\"x\":\"y\"}}\n{\"text\":\"b, c\"}",
    );
    let table = "x,label,text\r\ny,1,a\r\n,,\"b, c\"\r\n";
    let again = upload(&server, "", CSV, table);
    assert_eq!((first.status, again.status), (201, 200), "{}", again.text());
    assert_eq!(again.json(), first.json(), "without a name, the name stays");
    assert!(!again.headers.contains_key("location"));
    let renamed = upload(&server, "?name=second", "text/csv; charset=UTF-8; header=present", table);
    assert_eq!((renamed.status, &renamed.json()["name"]), (200, &json!("second")));
    assert_eq!(renamed.json()["created_at"], first.json()["created_at"]);
    let other_order = upload(&server, "", CSV, "text,label,x\n\"b, c\",,\na,1,y\n");
    assert_eq!(other_order.status, 201);
    assert_ne!(other_order.json()["id"], first.json()["id"]);
    let path = directory.path().join("x.db");
    eventually("rows that are there twice are swept away", || held(&path) == [2, 4, 0]);
}

#[test]
fn faults_are_told_with_their_line_and_nothing_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let late = lines("good", 1200) + "{\"text\":\"fine\",\"colour\":\"red\"}\n" + &lines("more", 20_000);
    for (content_type, body, pointer) in [
        (JSON_LINES, late.as_str(), "/1201/colour"),
        (JSON_LINES, "{\"text\":\"\"}", "/1/text"),
        (JSON_LINES, "{\"text\":\"a\"}\nnonsense", "/2"),
        (JSON_LINES, "", "/1"),
        (JSON_LINES, "\n\n", "/1"),
        (CSV, "", "/1"),
        (CSV, "text,label\n", "/1"),
        (CSV, "text,text\na,b\n", "/1/text"),
        (CSV, "text,label\na,b\nc\n", "/3"),
        (CSV, "text\n\"a\n", "/2"),
    ] {
        let shown: String = body.chars().take(60).collect();
        let problem = upload(&server, "", content_type, body).problem(422);
        assert_eq!(problem["type"], "urn:explaind:problem:invalid-field", "{shown}");
        assert_eq!(problem["pointer"], pointer, "{shown}: {problem}");
        let line = format!("line {}: ", pointer[1..].split('/').next().unwrap());
        assert!(problem["detail"].as_str().unwrap().starts_with(&line), "{problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
    }
    assert_eq!(
        upload(&server, "", JSON_LINES, b"{\"text\":\"caf\xe9\"}".to_vec()).problem(422)["pointer"],
        "/1"
    );
    assert_eq!(server.get("/v1/datasets").json()["datasets"].as_array().unwrap().len(), 1);
    let path = directory.path().join("x.db");
    eventually("what was begun is swept away", || held(&path) == [0, 0, 0]);
}

#[test]
fn other_types_names_and_parameters_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    for taken in [
        "application/x-ndjson",
        "application/jsonl",
        "application/json-lines; charset=utf-8",
        "Application/JSONL",
    ] {
        assert!([200, 201].contains(&upload(&server, "", taken, "{\"text\":\"a\"}").status), "{taken}");
    }
    for refused in
        ["application/json", "text/plain", "text/csv; charset=latin1", "text/tab-separated-values", ""]
    {
        let problem = upload(&server, "", refused, "text\na").problem(415);
        assert!(problem["remedy"].as_str().unwrap().contains("text/csv"), "{refused}: {problem}");
    }
    let long = format!("?name={}", "n".repeat(201));
    let id = upload(&server, "", CSV, "text\na\n").json()["id"].as_str().unwrap().to_owned();
    let posted = ["?name=", "?name=a&name=b", "?nome=a", "?name=%ff", "?name=%0a", "?limit=1", long.as_str()];
    for query in posted {
        let problem = upload(&server, query, CSV, "text\na\n").problem(400);
        assert_eq!(problem["type"], "urn:explaind:problem:invalid-query", "{query}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{query}");
    }
    let asked = [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1&limit=1",
        "page=2",
        "after=x",
        "after=%",
    ];
    for query in asked {
        for path in ["/v1/datasets".to_owned(), format!("/v1/datasets/{id}/rows")] {
            let problem = server.get(&format!("{path}?{query}")).problem(400);
            assert_eq!(problem["type"], "urn:explaind:problem:invalid-query", "{path}?{query}");
            let name = query.split('=').next().unwrap();
            assert!(problem["detail"].as_str().unwrap().contains(&format!("`{name}`")), "{problem}");
        }
    }
    let single = server.get(&format!("/v1/datasets/{id}?limit=1")).problem(400);
    assert_eq!(single["type"], "urn:explaind:problem:unexpected-query");
    for path in ["/v1/datasets/x", "/v1/datasets/%ff", "/v1/datasets/x/rows"] {
        assert_eq!(server.get(path).problem(404)["type"], "urn:explaind:problem:no-such-dataset", "{path}");
    }
    let answer: Answer = server.request("PUT", "/v1/datasets").send().unwrap().into();
    answer.problem(405);
}

#[test]
fn pages_lead_to_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let place = {
        let dataset = upload(&server, "", JSON_LINES, lines("row", 1234)).json();
        assert_eq!(dataset["rows"], 1234);
        format!("/v1/datasets/{}", dataset["id"].as_str().unwrap())
    };
    let (mut after, mut seen) = (String::new(), 0);
    loop {
        let page = server.get(&format!("{place}/rows?limit=500{after}")).json();
        for row in page["rows"].as_array().unwrap() {
            assert_eq!((&row["row"], &row["text"]), (&json!(seen), &json!(format!("row {seen}"))));
            seen += 1;
        }
        match page["next"].as_u64() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 1234);
    assert_eq!(server.get(&format!("{place}/rows")).json()["rows"].as_array().unwrap().len(), 100);
    let beyond = server.get(&format!("{place}/rows?after=999999")).json();
    assert_eq!(beyond, json!({"rows": [], "next": null}));
    for number in 0..6 {
        assert_eq!(upload(&server, "", CSV, format!("text\nset {number}\n")).status, 201);
    }
    let all = server.get("/v1/datasets").json();
    assert_eq!((all["datasets"].as_array().unwrap().len(), &all["next"]), (8, &Value::Null));
    assert_eq!(all["datasets"][0]["bundled"], true);
    for limit in [1, 2, 3, 7, 8] {
        let (mut after, mut listed) = (String::new(), Vec::new());
        loop {
            let page = server.get(&format!("/v1/datasets?limit={limit}{after}")).json();
            listed.extend(page["datasets"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(json!(listed), all["datasets"], "{limit}");
    }
}

#[test]
fn a_page_of_large_rows_ends_early() {
    let directory = tempfile::tempdir().unwrap();
    let server =
        Settings { dataset_bytes: 32 << 20, ..Settings::tiny(&directory.path().join("x.db")) }.start();
    let text = "good ".repeat(200_000);
    let rows: String = (0..20).map(|row| format!("{{\"text\":\"{text}{row}\"}}\n")).collect();
    let dataset = upload(&server, "", JSON_LINES, rows).json();
    let page = server.get(&format!("/v1/datasets/{}/rows", dataset["id"].as_str().unwrap())).json();
    let shown = page["rows"].as_array().unwrap().len();
    assert!((8..12).contains(&shown), "{shown} rows");
    assert_eq!(page["next"], json!(shown - 1));
}

#[test]
fn what_is_deleted_is_gone_with_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let body = lines("row", 1700);
    let dataset = upload(&server, "", JSON_LINES, body.clone()).json();
    let place = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    assert_eq!(delete(&server, &place).status, 204);
    for path in [place.clone(), format!("{place}/rows")] {
        assert_eq!(server.get(&path).problem(404)["type"], "urn:explaind:problem:no-such-dataset");
    }
    delete(&server, &place).problem(404);
    let path = directory.path().join("x.db");
    eventually("its rows are swept away", || held(&path) == [0, 0, 0]);
    assert_eq!(upload(&server, "", JSON_LINES, body).json()["id"], dataset["id"]);
}

#[test]
fn without_a_database_the_bundled_set_alone_can_be_read() {
    let memory =
        Settings { models: vec!["three-labels"], database: Some(Database::Memory), ..Settings::default() };
    let server = memory.start();
    let problem = upload(&server, "", CSV, "text\na\n").problem(409);
    assert_eq!(problem["type"], "urn:explaind:problem:no-database");
    assert!(problem["remedy"].as_str().unwrap().contains("database_url"), "{problem}");
    let listed = server.get("/v1/datasets").json();
    assert_eq!((listed["datasets"].as_array().unwrap().len(), &listed["next"]), (1, &Value::Null));
    reads_the_bundled_set(&server);
    delete(&server, &format!("/v1/datasets/{}", "0".repeat(64))).problem(404);
}

#[test]
fn the_bundled_set_is_like_any_other_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let bundled = reads_the_bundled_set(&server);
    let csv = include_bytes!("../../data/reference/movie-review-sentences.csv");
    let again = upload(&server, "?name=mine", CSV, csv.to_vec());
    assert_eq!((again.status, again.json()), (200, bundled.clone()), "its name is its own");
    let path = directory.path().join("x.db");
    eventually("it is not kept twice", || held(&path) == [0, 0, 0]);
}

fn reads_the_bundled_set(server: &TestServer) -> Value {
    let bundled = server.get("/v1/datasets?limit=1").json()["datasets"][0].clone();
    assert_eq!((&bundled["bundled"], &bundled["name"]), (&json!(true), &json!("movie-review-sentences")));
    assert_eq!((&bundled["rows"], &bundled["created_at"]), (&json!(691), &json!("2026-11-24T00:00:00Z")));
    assert!(bundled["source"].as_str().unwrap().contains("CC BY 4.0"));
    let place = format!("/v1/datasets/{}", bundled["id"].as_str().unwrap());
    assert_eq!(server.get(&place).json(), bundled);
    let last = server.get(&format!("{place}/rows?limit=1000&after=688")).json();
    assert_eq!((last["rows"].as_array().unwrap().len(), &last["next"]), (2, &Value::Null));
    assert_eq!((&last["rows"][1]["row"], &last["rows"][1]["metadata"]), (&json!(690), &json!({})));
    let problem = delete(server, &place).problem(409);
    assert_eq!(problem["type"], "urn:explaind:problem:bundled-dataset");
    bundled
}

/// What a path says of a dataset that is there.
fn dataset_or_row<'a>(path: &str, dataset: &'a Value) -> &'a str {
    if path.ends_with("/rows") { "\"text\":\"a\"" } else { dataset["id"].as_str().unwrap() }
}

#[test]
fn while_the_database_fails_nobody_is_told_that_there_is_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let server = Settings::tiny(&path).start();
    let dataset = upload(&server, "", CSV, "text\na\n").json();
    let place = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    let held = hold(&path);
    let problem = upload(&server, "", CSV, "text\nb\n").problem(503);
    assert_eq!(problem["type"], "urn:explaind:problem:database-unavailable");
    // Somebody else writes for ever: what is there can be read still, until it is noticed that nothing can be written.
    for path in ["/v1/datasets", &place, &format!("{place}/rows")] {
        let answer = server.get(path);
        let is_told = answer.status == 200 && answer.text().contains(dataset_or_row(path, &dataset));
        assert!(is_told || answer.status == 503, "{path}: {} {}", answer.status, answer.text());
    }
    delete(&server, &place).problem(503);
    let bundled = server.get("/v1/datasets/%78").problem(404);
    assert_eq!(bundled["type"], "urn:explaind:problem:no-such-dataset", "what is no id is none in any case");
    drop(held);
    eventually("it comes back", || server.get(&place).status == 200);
}

#[test]
fn a_damaged_row_is_told_of_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let dataset = upload(&server, "", CSV, "text\na\n").json();
    let place = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    assert_eq!(execute(&directory.path().join("x.db"), "UPDATE dataset_rows SET body = x'7b'"), 1);
    assert_eq!(server.get(&format!("{place}/rows")).problem(500)["type"], "urn:explaind:problem:internal");
    assert_eq!(server.get(&place).status, 200);
}
