//! Jobs through a server that listens: followed, read in either form, called off, deleted.

use serde_json::{Value, json};

use crate::datasets::{CSV, JSON_LINES, lines, on_file, upload};
use crate::support::eventually;
use crate::support::server::{Answer, TestServer};

pub const JSON: &str = "application/json";

/// Saliency of some texts, as JSON lines.
pub fn asked_of(texts: &[&str]) -> String {
    let rows = texts.iter().map(|text| json!({"text": text}).to_string() + "\n");
    let first = json!({"endpoint": "explain", "request": {"methods": ["saliency"]}}).to_string() + "\n";
    std::iter::once(first).chain(rows).collect()
}

pub fn order(server: &TestServer, content_type: &str, key: Option<&str>, body: impl Into<Vec<u8>>) -> Answer {
    let request = server.request("POST", "/v1/jobs").header("content-type", content_type);
    let request = match key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    };
    request.body(body.into()).send().unwrap().into()
}

/// Orders what should be taken on, and gives its place.
pub fn ordered(server: &TestServer, content_type: &str, body: impl Into<Vec<u8>>) -> String {
    let answer = order(server, content_type, None, body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let place = answer.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(place, format!("/v1/jobs/{}", answer.json()["id"].as_str().unwrap()));
    place
}

/// Waits for the end of a job, and gives what is told of it.
pub fn finished(server: &TestServer, place: &str) -> Value {
    eventually("the job is finished", || server.get(place).json()["state"] == "finished");
    server.get(place).json()
}

fn delete(server: &TestServer, path: &str) -> Answer {
    server.request("DELETE", path).send().unwrap().into()
}

fn accepting(server: &TestServer, path: &str, accept: &str) -> Answer {
    server.request("GET", path).header("accept", accept).send().unwrap().into()
}

/// A job over so many rows that a test can be faster.
fn endless(server: &TestServer) -> String {
    let request = json!({"options": {"integrated_gradients": {"steps": 500}}});
    let first = json!({"endpoint": "explain", "request": request}).to_string();
    ordered(server, JSON_LINES, first + "\n" + &lines("a film that goes on and on", 20_000))
}

#[test]
fn what_somebody_waits_for_goes_first_and_a_later_job_need_not_wait_for_the_end_of_an_earlier_one() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let long = endless(&server);
    eventually("the job has begun", || server.get(&long).json()["done"].as_u64() > Some(0));
    let short = ordered(&server, JSON_LINES, asked_of(&["A gripping film.", "It drags."]));
    for number in 0..20 {
        server.ok("/explain", json!({"text": format!("the film {number} is good")}));
    }
    finished(&server, &short);
    assert_eq!(server.get(&long).json()["state"], "running");
    let queued = "explaind_requests_total{route=\"/explain\",status=\"429\"}";
    assert_eq!(server.figure(queued), 0.0);
    assert!(server.figure("explaind_job_rows_total") > 2.0);
    assert_eq!(delete(&server, &long).status, 200);
}

#[test]
fn rows_get_the_bytes_that_each_text_gets_alone() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let long = "good ".repeat(2000);
    let texts = ["A gripping film.", "naïve 😀, \"quoted\"", &long, "It drags."];
    let place = ordered(&server, JSON_LINES, asked_of(&texts));
    let job = finished(&server, &place);
    assert_eq!(
        (&job["endpoint"], &job["request"], &job["rows"], &job["done"], &job["failed"]),
        (
            &json!("explain"),
            &json!({"methods": ["saliency"], "model": "three-labels"}),
            &json!(4),
            &json!(4),
            &json!(1)
        )
    );
    assert_eq!((&job["model"]["id"], &job["seconds_left"]), (&json!("three-labels"), &json!(0.0)));
    let shown: Value = serde_json::from_str(include_str!("../../openapi/examples/job.json")).unwrap();
    let names = |job: &Value| job.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&job), names(&shown), "the example of the description has other members");
    for time in ["created_at", "started_at", "ended_at"] {
        assert!(job[time].as_str().is_some_and(|time| time.ends_with('Z')), "{time} of {job}");
    }
    let results = server.get(&format!("{place}/results"));
    assert_eq!((results.status, results.content_type.as_str()), (200, JSON_LINES));
    assert_eq!(results.headers["explaind-job-state"], "finished");
    assert_eq!(results.headers["cache-control"], "no-store");
    let text = results.text();
    assert!(text.ends_with('\n'));
    assert_eq!(text.lines().count(), texts.len());
    for (row, (line, text)) in text.lines().zip(texts).enumerate() {
        let alone = server.post("/explain", &json!({"text": text, "methods": ["saliency"]}));
        if alone.status == 200 {
            assert_eq!(line, format!("{{\"row\":{row},\"answer\":{}}}", alone.text()));
            continue;
        }
        let mut problem = alone.problem(422);
        assert_eq!(problem["type"], "urn:explaind:problem:text-too-long");
        problem.as_object_mut().unwrap().remove("request_id");
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line, json!({"row": row, "error": problem}));
    }
    // The rows have become a dataset.
    let dataset = server.get(&format!("/v1/datasets/{}", job["dataset"].as_str().unwrap())).json();
    assert_eq!((&dataset["rows"], &dataset["name"]), (&json!(4), &Value::Null));
}

#[test]
fn a_job_is_about_a_dataset_that_is_there_and_is_listed() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let dataset = upload(&server, "", CSV, "text\ngood\nbad\n").json()["id"].clone();
    let mut places = Vec::new();
    for body in [
        json!({"endpoint": "predict", "dataset": dataset}),
        json!({"endpoint": "attributions", "request": {"granularity": "token"}, "dataset": dataset}),
        json!({"endpoint": "attention", "request": {"layers": [0]}, "dataset": dataset}),
    ] {
        let place = ordered(&server, JSON, body.to_string());
        let job = finished(&server, &place);
        assert_eq!((&job["endpoint"], &job["dataset"]), (&body["endpoint"], &dataset));
        let mut request = body.get("request").cloned().unwrap_or(json!({}));
        request["model"] = json!("three-labels");
        assert_eq!(job["request"], request);
        places.push(place);
    }
    let text = server.get(&format!("{}/results", places[0])).text();
    let alone = server.post("/v1/predict", &json!({"text": "good"})).text();
    assert_eq!(text.lines().next().unwrap(), format!("{{\"row\":0,\"answer\":{alone}}}"));
    let listed = |query: &str| {
        let page = server.get(&format!("/v1/jobs{query}"));
        assert_eq!((page.status, page.headers["cache-control"].to_str().unwrap()), (200, "no-store"));
        page.json()
    };
    let all = listed("");
    assert_eq!(all["next"], Value::Null);
    let ids: Vec<String> = all["jobs"].as_array().unwrap().iter().map(id_of).collect();
    let newest_first: Vec<String> =
        places.iter().rev().map(|place| place.trim_start_matches("/v1/jobs/").to_owned()).collect();
    assert_eq!(ids, newest_first);
    let first = listed("?limit=2");
    let rest = listed(&format!("?limit=2&after={}", first["next"].as_str().unwrap()));
    assert_eq!((first["jobs"].as_array().unwrap().len(), &rest["next"]), (2, &Value::Null));
    assert_eq!(rest["jobs"][0], all["jobs"][2]);
}

fn id_of(job: &Value) -> String {
    job["id"].as_str().unwrap().to_owned()
}

#[test]
fn pages_and_the_stream_give_the_same_lines() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let first = json!({"endpoint": "predict"}).to_string();
    // More than are read from the database at a time.
    let place = ordered(&server, JSON_LINES, first + "\n" + &lines("row", 1203));
    finished(&server, &place);
    let whole = server.get(&format!("{place}/results"));
    assert!(!whole.headers.contains_key("link"));
    assert_eq!(whole.text().lines().count(), 1203);
    for limit in [100, 601, 1203, 100_000] {
        let (mut path, mut pages) = (format!("{place}/results?limit={limit}"), String::new());
        loop {
            let page = server.get(&path);
            assert!(page.text().lines().count() <= limit);
            pages += &page.text();
            let Some(link) = page.headers.get("link") else { break };
            let (next, relation) = link.to_str().unwrap().split_once(">; ").unwrap();
            assert_eq!(relation, "rel=\"next\"");
            path = next.trim_start_matches('<').to_owned();
        }
        assert_eq!(pages, whole.text(), "{limit}");
    }
    let last = server.get(&format!("{place}/results?after=1201")).text();
    assert!(last.starts_with("{\"row\":1202,") && last.lines().count() == 1, "{last}");
    assert_eq!(server.get(&format!("{place}/results?after=1202&limit=5")).text(), "");
    for query in
        ["limit=0", "limit=100001", "limit=x", "after=-1", "after=100000", "page=2", "limit=1&limit=1"]
    {
        let problem = server.get(&format!("{place}/results?{query}")).problem(400);
        assert_eq!(problem["type"], "urn:explaind:problem:invalid-query", "{query}");
    }
}

#[test]
fn a_table_has_the_scores_of_the_explanations() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let texts = ["A gripping, odd film.", "naïve 😀 \"quoted\"", &"good ".repeat(2000)];
    let place = ordered(&server, JSON_LINES, asked_of(&texts));
    finished(&server, &place);
    let path = format!("{place}/results");
    let answer = accepting(&server, &path, "text/csv");
    assert_eq!(answer.content_type, "text/csv; charset=utf-8; header=present");
    assert_eq!(answer.headers["vary"], "accept");
    let table = table(&answer.text());
    let names =
        ["row", "text", "prediction", "method", "target", "unit", "start", "end", "token_or_word", "score"];
    assert_eq!(table[0], names);
    for line in server.get(&path).text().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let row = line["row"].to_string();
        let of_row: Vec<&Vec<String>> = table[1..].iter().filter(|cells| cells[0] == row).collect();
        if line["answer"].is_null() {
            assert!(of_row.is_empty(), "what failed has no lines");
            continue;
        }
        let answer = &line["answer"];
        let scores = answer["explanations"][0]["scores"].as_array().unwrap();
        assert_eq!(of_row.len(), scores.len());
        for ((cells, score), word) in of_row.iter().zip(scores).zip(answer["words"].as_array().unwrap()) {
            assert_eq!(cells[9].parse::<f32>().unwrap(), score.as_f64().unwrap() as f32);
            assert_eq!((&cells[1], &cells[8]), (&text_of(&answer["text"]), &text_of(&word["text"])));
            assert_eq!((&cells[6], &cells[7]), (&word["start"].to_string(), &word["end"].to_string()));
            assert_eq!((cells[3].as_str(), cells[5].as_str()), ("saliency", "word"));
            assert_eq!(cells[2], text_of(&answer["prediction"]["label"]));
            assert_eq!(cells[4], text_of(&answer["explanations"][0]["target"]["label"]));
        }
        let sum: f64 = of_row.iter().map(|cells| cells[9].parse::<f64>().unwrap()).sum();
        let expected: f64 = scores.iter().map(|score| score.as_f64().unwrap()).sum();
        assert!((sum - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{sum} is not {expected}");
    }
    for (accept, status) in
        [("application/x-ndjson", 200), ("*/*", 200), ("text/*", 200), ("image/png", 406), ("text/html", 406)]
    {
        assert_eq!(accepting(&server, &path, accept).status, status, "{accept}");
    }
    let problem = accepting(&server, &path, "text/html").problem(406);
    assert!(problem["remedy"].as_str().unwrap().contains("text/csv"), "{problem}");
}

#[test]
fn a_table_of_predictions_has_a_line_for_each_label() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let place =
        ordered(&server, JSON_LINES, "{\"endpoint\":\"predict\"}\n{\"text\":\"good\"}\n{\"text\":\"bad\"}");
    finished(&server, &place);
    let table = table(&accepting(&server, &format!("{place}/results"), "text/csv").text());
    assert_eq!((table.len(), table[0].join(",").as_str()), (7, "row,prediction,label,score"));
    let alone = server.post("/v1/predict", &json!({"text": "bad"})).json()["prediction"].clone();
    for (cells, scored) in table[4..].iter().zip(alone["scores"].as_array().unwrap()) {
        assert_eq!(cells[..3], ["1".to_owned(), text_of(&alone["label"]), text_of(&scored["label"])]);
        assert_eq!(cells[3].parse::<f32>().unwrap(), scored["score"].as_f64().unwrap() as f32);
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The lines of a table (RFC 4180), each with its cells.
fn table(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut cells, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => cell.extend(rest.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !quoted => assert_eq!(rest.peek(), Some(&'\n')),
            '\n' if !quoted => {
                cells.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut cells));
            }
            other => cell.push(other),
        }
    }
    assert!(!quoted && cell.is_empty() && cells.is_empty(), "the table has an end");
    lines
}

/// Events as they come, each with its name, its id and its data.
fn events(text: &str) -> Vec<(String, u64, Value)> {
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let data = serde_json::from_str(field("data:")?).unwrap();
        Some((field("event:")?.to_owned(), field("id:")?.parse().unwrap(), data))
    };
    text.split("\n\n").filter_map(event).collect()
}

#[test]
fn events_lead_to_the_end_and_say_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let first = json!({"endpoint": "explain"}).to_string();
    let place = ordered(&server, JSON_LINES, first + "\n" + &lines("a film to follow", 400));
    let answer = server.get(&format!("{place}/events"));
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "text/event-stream"));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let told = events(&answer.text());
    let (name, done, job) = told.last().unwrap();
    assert_eq!((name.as_str(), *done, &job["state"]), ("end", 400, &json!("finished")));
    assert_eq!(job, &server.get(&place).json());
    for pair in told.windows(2) {
        assert_eq!(pair[0].0, "progress");
        assert!(pair[0].1 <= pair[1].1 && pair[0].2 != pair[1].2);
    }
    for (name, done, job) in &told {
        assert_eq!(&json!(done), &job["done"], "{name}");
    }
    // What is over is told in any case.
    let again = |last: &str| -> Answer {
        let request = server.request("GET", &format!("{place}/events")).header("last-event-id", last);
        request.send().unwrap().into()
    };
    let told = events(&again("400").text());
    assert_eq!((told.len(), told[0].0.as_str()), (1, "end"));
    for last in ["x", "-1", "", "1.5"] {
        assert_eq!(again(last).problem(400)["type"], "urn:explaind:problem:invalid-header", "{last}");
    }
}

#[test]
fn a_stream_of_events_ends_when_the_server_stops() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let place = endless(&server);
    let follower = std::thread::spawn({
        let (server, path) = (server.clone(), format!("{place}/events"));
        move || events(&server.get(&path).text())
    });
    eventually("the job is begun", || server.get(&place).json()["done"].as_u64() > Some(0));
    server.state.close();
    let told = follower.join().unwrap();
    assert!(told.iter().all(|(name, _, _)| name == "progress"), "{told:?}");
    assert_eq!(server.get(&format!("{place}/events")).problem(503)["type"], "urn:explaind:problem:draining");
    assert_eq!(server.get(&place).status, 200);
    let refused = order(&server, JSON_LINES, None, asked_of(&["good"]));
    assert_eq!(refused.problem(503)["type"], "urn:explaind:problem:draining");
    assert_eq!(delete(&server, &place).status, 200);
}

#[test]
fn a_job_is_called_off_and_then_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let place = endless(&server);
    let results = format!("{place}/results");
    eventually("something is done", || !server.get(&results).body.is_empty());
    let so_far = server.get(&results);
    assert!(["queued", "running"].contains(&so_far.headers["explaind-job-state"].to_str().unwrap()));
    let cancelled = delete(&server, &place);
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")));
    assert_eq!(cancelled.json()["seconds_left"], 0.0);
    let job = server.get(&place).json();
    assert_eq!(job["state"], "cancelled");
    assert!(job["done"].as_u64() < job["rows"].as_u64() && job["ended_at"].is_string(), "{job}");
    let kept = server.get(&results);
    assert_eq!(kept.headers["explaind-job-state"], "cancelled");
    assert!(kept.text().starts_with(so_far.text().lines().next().unwrap()));
    let told = events(&server.get(&format!("{place}/events")).text());
    assert_eq!((told.len(), told[0].0.as_str()), (1, "end"));
    assert_eq!(delete(&server, &place).status, 204);
    for path in [&place, &results, &format!("{place}/events")] {
        assert_eq!(server.get(path).problem(404)["type"], "urn:explaind:problem:no-such-job", "{path}");
    }
    delete(&server, &place).problem(404);
    assert_eq!(server.get("/v1/jobs").json(), json!({"jobs": [], "next": null}));
    for path in ["/v1/jobs/x", "/v1/jobs/%ff", "/v1/jobs/019E3A5C-7D41-7C02-9B1E-5F0D3C2A8E64"] {
        assert_eq!(server.get(path).problem(404)["type"], "urn:explaind:problem:no-such-job", "{path}");
    }
}
