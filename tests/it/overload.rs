//! Many at once, too many, and those who cannot wait.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::golden::BUNDLED;
use crate::support::process::Process;
use crate::support::server::{Answer, Settings, TestServer};

/// Long enough that a test can do something while it is explained.
fn long_text(about: &str) -> String {
    format!("{about} {}", "a fine film that never ends ".repeat(60))
}

fn slow_body(about: &str) -> Value {
    json!({"text": long_text(about), "options": {"integrated_gradients": {"steps": 400}}})
}

fn bundled(most_requests: usize) -> TestServer {
    Settings { models: vec![BUNDLED], most_requests, ..Settings::default() }.start()
}

/// Sends a request and leaves the connection open.
fn send(server: &TestServer, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "POST /explain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    stream
}

fn with_timeout(server: &TestServer, body: &Value, seconds: &str) -> Answer {
    server.request("POST", "/explain").header("x-request-timeout", seconds).json(body).send().unwrap().into()
}

#[test]
fn many_identical_questions_at_once_are_computed_once() {
    let server = bundled(4);
    let body = json!({"text": "A moving film that many ask about at the same time."});
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask = || server.post("/explain", &body);
        let askers: Vec<_> = (0..24).map(|_| scope.spawn(ask)).collect();
        askers.into_iter().map(|asker| asker.join().unwrap()).collect()
    });
    for answer in &answers {
        assert_eq!(answer.status, 200, "those who only wait need no place: {}", answer.text());
        assert_eq!(answer.body, answers[0].body);
    }
    let computed = "explaind_compute_seconds_count{method=\"integrated_gradients\"}";
    assert_eq!(server.figure(computed), 1.0);
    let batch = server.ok("/explain", json!({"texts": vec!["Twice the same film."; 9]}));
    assert_eq!(batch["results"].as_array().unwrap().len(), 9);
    assert_eq!(server.figure(computed), 2.0, "a batch is no different");
}

#[test]
fn a_full_house_refuses_new_work_says_when_to_come_again_and_gives_what_it_knows() {
    let server = bundled(1);
    let known = server.post("/explain", &json!({"text": "A film that is known already."}));
    let slow = send(&server, &slow_body("first"));
    eventually("the slow one is under way", || server.figure("explaind_requests_in_progress") >= 1.0);
    eventually("and has its place", || {
        server.post("/explain", &json!({"text": "A film for which there is no place."})).status == 429
    });
    let refused = server.post("/explain", &json!({"text": "A film for which there is no place."}));
    let problem = refused.problem(429);
    assert_eq!(problem["type"], "urn:explaind:problem:over-capacity");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(wait >= 1);
    assert_eq!(refused.headers["cache-control"], "no-store");
    let batch =
        server.post("/explain", &json!({"texts": ["A film that is known already.", "And another one."]}));
    batch.problem(429);
    let again = server.post("/explain", &json!({"text": "A film that is known already."}));
    assert_eq!((again.status, again.body), (200, known.body), "answers from the cache need no place");
    drop(slow);
    eventually("the place is free", || {
        server.post("/explain", &json!({"text": "A film for which there is no place."})).status == 200
    });
}

#[test]
fn an_answer_that_is_late_is_a_504_and_its_work_stops() {
    let server = bundled(8);
    let answer = with_timeout(&server, &slow_body("late"), "0.3");
    let problem = answer.problem(504);
    assert_eq!(problem["type"], "urn:explaind:problem:deadline-exceeded");
    assert!(problem["remedy"].as_str().unwrap().contains("X-Request-Timeout"));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(!answer.headers.contains_key("content-location"));
    eventually("its work stops", || server.figure("explaind_called_off_total{phase=\"running\"}") == 1.0);
    for refused in ["0", "-1", "soon", "1e1", "", "121", "inf"] {
        let problem = with_timeout(&server, &json!({"text": "a film"}), refused).problem(400);
        assert_eq!(problem["type"], "urn:explaind:problem:invalid-header", "{refused}");
        assert!(problem["remedy"].as_str().unwrap().contains("120"), "{refused}");
    }
    assert_eq!(with_timeout(&server, &json!({"text": "a film"}), "60.5").status, 200);
}

#[test]
fn a_batch_that_is_late_has_what_was_ready_and_says_what_was_not() {
    let server = bundled(8);
    let texts = json!(["A short film.", long_text("late")]);
    let options = json!({"integrated_gradients": {"steps": 400}});
    server.ok("/explain", json!({"texts": [texts[0]], "options": options}));
    let answer = with_timeout(&server, &json!({"texts": texts, "options": options}), "1.5");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let results = answer.json();
    assert!(results["results"][0]["id"].is_string());
    assert_eq!(results["results"][1]["error"]["status"], 504);
}

#[test]
fn one_waiter_that_cannot_wait_does_not_fail_the_other() {
    let server = bundled(8);
    let body = json!({"text": long_text("shared"), "options": {"integrated_gradients": {"steps": 60}}});
    let (hasty, patient) = std::thread::scope(|scope| {
        let hasty = scope.spawn(|| with_timeout(&server, &body, "0.4"));
        std::thread::sleep(Duration::from_millis(150));
        let patient = scope.spawn(|| server.post("/explain", &body));
        (hasty.join().unwrap(), patient.join().unwrap())
    });
    assert_eq!((hasty.status, patient.status), (504, 200), "{}", patient.text());
    // A fast machine may have the prediction already when the second one comes.
    let said = patient.headers["cache-status"].to_str().unwrap();
    let known = ["explaind; fwd=miss; stored; collapsed", "explaind; fwd=partial; stored; collapsed"];
    assert!(known.contains(&said), "{said}");
    assert_eq!(server.figure("explaind_called_off_total{phase=\"running\"}"), 0.0);
}

#[test]
fn a_long_explanation_does_not_keep_short_questions_waiting_to_its_end() {
    let server = bundled(8);
    let _slow = send(&server, &slow_body("endless"));
    eventually("the long one is under way", || server.figure("explaind_queue_seconds_count") == 1.0);
    for number in 0..3 {
        server.ok("/v1/predict", json!({"text": format!("Short question number {number}.")}));
    }
    let long = server.figure("explaind_compute_seconds_count{method=\"integrated_gradients\"}");
    assert_eq!(long, 0.0, "the short ones were answered first");
}

#[test]
fn who_could_not_be_answered_in_time_is_told_so_at_once_and_a_short_question_still_is() {
    let server = bundled(8);
    let _first = send(&server, &slow_body("ahead"));
    eventually("the first one is under way", || server.figure("explaind_queue_seconds_count") == 1.0);
    let asked = Instant::now();
    let refused = with_timeout(&server, &slow_body("behind"), "1");
    let problem = refused.problem(429);
    assert!(problem["detail"].as_str().unwrap().contains("the work that comes first"), "{problem}");
    assert!(problem["remedy"].as_str().unwrap().contains("X-Request-Timeout"), "{problem}");
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 1);
    assert!(asked.elapsed() < Duration::from_secs(1), "it did not wait for its end");
    assert_eq!(with_timeout(&server, &json!({"text": "A short film."}), "30").status, 200);
}

#[test]
fn work_beyond_the_memory_allowed_is_refused_unless_it_is_alone() {
    let server = Settings { models: vec![BUNDLED], most_work_bytes: 1, ..Settings::default() }.start();
    let first = send(&server, &slow_body("large"));
    eventually("the first one is under way", || server.figure("explaind_queue_seconds_count") == 1.0);
    let problem = server.post("/explain", &json!({"text": "A film that is not."})).problem(429);
    assert!(problem["detail"].as_str().unwrap().contains("memory"), "{problem}");
    drop(first);
    eventually("there is room again", || {
        server.post("/explain", &json!({"text": "A film that is not."})).status == 200
    });
}

#[test]
fn a_connection_on_which_nothing_comes_is_closed() {
    let head_time = Duration::from_millis(300);
    let server = Settings { models: vec!["three-labels"], head_time, ..Settings::default() }.start();
    for sent in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "POST /explain HTTP/1.1\r\nhost:",
        "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        // The test would hang here if the connection stayed open. With something unread, closing is a reset.
        let mut answer = String::new();
        let closed = stream.read_to_string(&mut answer).map_err(|error| error.kind());
        assert!(closed.is_ok() || closed == Err(ErrorKind::ConnectionReset), "{sent:?}: {closed:?}");
        let expected = if sent.starts_with("GET") { "HTTP/1.1 200" } else { "" };
        assert!(answer.starts_with(expected), "{sent:?}: {answer}");
    }
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_a_408() {
    let server = TestServer::shared();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head =
        "POST /explain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n";
    write!(stream, "{head}x-request-timeout: 0.2\r\nconnection: close\r\n\r\n{{\"text\":").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("urn:explaind:problem:body-too-slow"), "{answer}");
}

#[test]
fn a_client_that_goes_away_stops_its_work() {
    // Time enough, so that nobody is refused for the work ahead.
    let deadline = Duration::from_secs(24 * 60 * 60);
    let server = Settings { models: vec![BUNDLED], deadline, ..Settings::default() }.start();
    let first = send(&server, &slow_body("one"));
    let second = send(&server, &slow_body("two"));
    eventually("two workers are at it", || server.figure("explaind_queue_seconds_count") == 2.0);
    let third = send(&server, &slow_body("three"));
    eventually("the third one waits", || server.figure("explaind_queued") == 1.0);
    drop(third);
    eventually("the one that waits leaves the queue", || {
        server.figure("explaind_called_off_total{phase=\"queued\"}") == 1.0
    });
    drop((first, second));
    eventually("both stop between two chunks", || {
        server.figure("explaind_called_off_total{phase=\"running\"}") == 2.0
    });
    let gone = "explaind_requests_total{route=\"/explain\",status=\"499\",outcome=\"client-gone\"}";
    assert_eq!(server.figure(gone), 3.0);
    assert_eq!(server.post("/explain", &json!({"text": "A film for who comes next."})).status, 200);
}

#[test]
fn a_failure_of_one_method_is_not_that_of_another_who_shares_the_flight() {
    let server = TestServer::shared();
    let text = "a flight that two of three methods survive";
    let bad = json!({"text": text, "methods": ["saliency", "integrated_gradients"],
        "options": {"integrated_gradients": {"baseline": {"text": "short"}}}});
    let good = json!({"text": text, "methods": ["saliency"]});
    std::thread::scope(|scope| {
        let bad = scope.spawn(|| server.post("/explain", &bad).status);
        let good = scope.spawn(|| server.post("/explain", &good).status);
        assert_eq!((bad.join().unwrap(), good.join().unwrap()), (422, 200));
    });
    assert_eq!(server.post("/explain", &bad).status, 422, "a failure is never kept");
}

#[test]
fn being_told_to_stop_finishes_what_is_under_way_within_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("explaind.toml");
    std::fs::write(&file, "drain_seconds = 60\n").unwrap();
    let config = format!("--config={}", file.display());
    let process = Process::start_with(BUNDLED, &directory.path().join("x.db"), &[&config]);
    let url = process.url("/explain");
    let body = json!({"text": long_text("last"), "options": {"integrated_gradients": {"steps": 20}}});
    let asked = std::thread::spawn(move || {
        crate::support::process::client().post(url).json(&body).send().map(|response| response.status())
    });
    let metrics = || process.get("/metrics").text().unwrap();
    eventually("the request is under way", || {
        crate::support::server::figure(&metrics(), "explaind_requests_in_progress") >= 2.0
    });
    let told = Instant::now();
    let (status, log) = process.stop();
    assert!(status.success(), "{log}");
    assert_eq!(asked.join().unwrap().unwrap(), 200, "{log}");
    assert!(told.elapsed() < Duration::from_secs(60));
    assert!(log.contains("stopping"), "{log}");
}

#[test]
fn what_takes_longer_than_the_limit_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("explaind.toml");
    std::fs::write(&file, "drain_seconds = 1\n").unwrap();
    let config = format!("--config={}", file.display());
    let process = Process::start_with(BUNDLED, &directory.path().join("x.db"), &[&config]);
    let mut stream = TcpStream::connect(process.address()).unwrap();
    let body = slow_body("too long").to_string();
    write!(
        stream,
        "POST /explain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    eventually("the request is under way", || {
        let page = process.get("/metrics").text().unwrap();
        crate::support::server::figure(&page, "explaind_requests_in_progress") >= 2.0
    });
    let (status, log) = process.stop();
    assert!(status.success(), "{log}");
    assert!(log.contains("still under way"), "{log}");
    let mut nothing = String::new();
    let _ = stream.read_to_string(&mut nothing);
    assert_eq!(nothing, "");
}
