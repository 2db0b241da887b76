//! Answers are kept by content: the same bytes from memory, from the database, after a restart or a kill.

use std::collections::HashSet;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::database;
use crate::support::eventually;
use crate::support::golden::model_directory;
use crate::support::process::{Process, client};
use crate::support::server::{Answer, Settings, TestServer};

const TEXT: &str = "the film is good";

fn status(answer: &Answer) -> &str {
    answer.headers["cache-status"].to_str().unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

fn database_in(directory: &tempfile::TempDir) -> std::path::PathBuf {
    directory.path().join("nested").join("explaind.db")
}

#[test]
fn the_same_question_gets_the_same_bytes_from_either_tier_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let server = Settings::tiny(&path).start();
    for (path_asked, body) in [
        ("/explain", json!({"text": "the film is good", "granularity": "sentence", "target": "all"})),
        ("/v1/predict", json!({"text": "the film is bad"})),
        ("/v1/attention", json!({"text": "the film is not bad", "heads": [0]})),
    ] {
        let first = server.post(path_asked, &body);
        assert!(status(&first).starts_with("explaind; fwd="), "{}", status(&first));
        assert!(status(&first).ends_with("; stored"), "{}", status(&first));
        let second = server.post(path_asked, &body);
        assert_eq!(status(&second), "explaind; hit; detail=memory");
        let restarted = Settings::tiny(&path).start();
        let third = restarted.post(path_asked, &body);
        assert_eq!(status(&third), "explaind; hit; detail=durable");
        let fourth = restarted.post(path_asked, &body);
        assert_eq!(status(&fourth), "explaind; hit; detail=memory");
        let location = header(&first, "content-location").unwrap().to_owned();
        let again = restarted.get(&location);
        for answer in [&second, &third, &fourth, &again] {
            assert_eq!(answer.text(), first.text());
            assert_eq!(header(answer, "etag"), header(&first, "etag"));
        }
        let mut batch = body.clone();
        let text = batch.as_object_mut().unwrap().remove("text");
        batch["texts"] = json!(["another text", text]);
        let batched = server.post(path_asked, &batch);
        let single = first.text();
        assert!(batched.text().ends_with(&format!(",{single}]}}")), "a batch holds the very bytes");
    }
}

#[test]
fn every_method_is_kept_by_itself() {
    let server = Settings { models: vec!["three-labels"], ..Settings::default() }.start();
    let computed =
        |method: &str| server.figure(&format!("explaind_compute_seconds_count{{method=\"{method}\"}}"));
    let ask = |methods: &[&str]| server.post("/explain", &json!({"text": TEXT, "methods": methods}));
    let one = ask(&["saliency"]);
    let two = ask(&["input_x_gradient", "saliency"]);
    assert_eq!(status(&two), "explaind; fwd=partial; stored");
    assert_eq!((computed("saliency"), computed("input_x_gradient")), (1.0, 1.0));
    let swapped = ask(&["saliency", "input_x_gradient"]);
    assert_eq!(status(&swapped), "explaind; hit; detail=memory");
    let explanations = |answer: &Answer| answer.json()["explanations"].as_array().unwrap().clone();
    assert_eq!(explanations(&one)[0], explanations(&two)[1]);
    assert_eq!(explanations(&swapped)[0], explanations(&two)[1]);
    assert_ne!(one.json()["id"], two.json()["id"]);
    assert_ne!(swapped.json()["id"], two.json()["id"]);
    let predicted = server.post("/v1/predict", &json!({"text": TEXT}));
    assert_eq!(status(&predicted), "explaind; hit; detail=memory", "a prediction is part of an explanation");
}

#[test]
fn a_prediction_is_the_same_bytes_whatever_is_asked_beside_it() {
    let ask = |path: &str, body: Value| {
        // A server of its own each time, so that nothing comes from a cache.
        let server = Settings { models: vec!["three-labels"], ..Settings::default() }.start();
        let answer = server.post(path, &body).json();
        ["model", "text", "prediction", "tokens", "words"].map(|field| answer[field].to_string())
    };
    let alone = ask("/v1/predict", json!({"text": TEXT}));
    assert_eq!(ask("/explain", json!({"text": TEXT})), alone);
    assert_eq!(ask("/explain", json!({"text": TEXT, "methods": ["attention_rollout", "random"]})), alone);
    assert_eq!(ask("/v1/attention", json!({"text": TEXT, "layers": [0]})), alone);
}

#[test]
fn what_does_not_change_an_answer_does_not_change_its_id() {
    let server = TestServer::shared();
    let id = |body: Value| server.ok("/explain", body)["id"].clone();
    let plain = id(json!({"text": TEXT, "model": "three-labels"}));
    let spelt_out = json!({
        "text": TEXT, "text_pair": null, "model": "three-labels", "target": "predicted",
        "methods": ["integrated_gradients"], "granularity": "word", "quality": "none", "truncate": false,
        "seed": 7, "options": {"integrated_gradients": {"max_gradients": 129, "output": "logit", "steps": null}}
    });
    assert_eq!(id(spelt_out), plain, "defaults are filled in, and the seed of what does not sample is none");
    let others = [
        json!({"text": "the film is good ", "model": "three-labels"}),
        json!({"text": TEXT, "model": "three-labels", "truncate": true}),
        json!({"text": TEXT, "model": "three-labels", "target": 0}),
        json!({"text": TEXT, "model": "three-labels", "granularity": "token"}),
        json!({"text": TEXT, "model": "three-labels", "options": {"integrated_gradients": {"steps": 9}}}),
        json!({"text": TEXT, "model": "three-labels", "methods": ["random"], "seed": 1}),
        json!({"text": TEXT, "model": "three-labels", "methods": ["random"], "seed": 2}),
        json!({"text": TEXT, "model": "multi-label"}),
    ];
    let ids: HashSet<String> = others.into_iter().map(|body| id(body).to_string()).collect();
    assert_eq!(ids.len(), 8);
    assert!(!ids.contains(&plain.to_string()));
}

#[test]
fn any_change_of_configuration_labels_tokenizer_or_weights_changes_the_id() {
    let database = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("m");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(model_directory("three-labels")).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let change = |file: &str, from: &str, to: &str| {
        let path = copy.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has {from}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    let id = || {
        let model = format!("m={}", copy.display());
        let process = Process::start(&database.path().join("x.db"), &["--model", &model]);
        let answer: Value = process.post("/v1/predict", &json!({"text": TEXT, "model": "m"})).json().unwrap();
        answer["id"].as_str().unwrap().to_owned()
    };
    let mut ids = vec![id()];
    let config: Value = serde_json::from_slice(&std::fs::read(copy.join("config.json")).unwrap()).unwrap();
    let label = config["id2label"]["0"].as_str().unwrap();
    change("config.json", &format!("\"0\": \"{label}\""), "\"0\": \"renamed\"");
    ids.push(id());
    change("config.json", "\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": 1e-11");
    ids.push(id());
    change("tokenizer.json", "{", "{ ");
    ids.push(id());
    let path = copy.join("model.safetensors");
    let mut weights = std::fs::read(&path).unwrap();
    let last = weights.len() - 2;
    weights[last] ^= 1;
    std::fs::write(&path, weights).unwrap();
    ids.push(id());
    let distinct: HashSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), 5, "{ids:?}");
}

#[test]
fn an_answer_can_be_had_again_by_its_id_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    let server = Settings::tiny(&database_in(&directory)).start();
    let first = server.post("/explain", &json!({"text": TEXT}));
    let location = header(&first, "content-location").unwrap();
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/v1/explanations/{id}"));
    assert_eq!(header(&first, "etag"), Some(format!("\"{id}\"").as_str()));
    let mut tags = HashSet::new();
    for (accept, content_type) in [
        ("application/json", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        ("image/svg+xml", "image/svg+xml"),
    ] {
        let get = |tag: Option<&str>| -> Answer {
            let request = server.request("GET", location).header("accept", accept);
            let request = tag.into_iter().fold(request, |request, tag| request.header("if-none-match", tag));
            request.send().unwrap().into()
        };
        let whole = get(None);
        assert_eq!((whole.status, whole.content_type.as_str()), (200, content_type));
        assert_eq!(header(&whole, "vary"), Some("accept"));
        let tag = header(&whole, "etag").unwrap().to_owned();
        for same in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".into()] {
            let unchanged = get(Some(&same));
            assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "{same}");
            assert_eq!(header(&unchanged, "etag"), Some(tag.as_str()));
            assert_eq!(header(&unchanged, "vary"), Some("accept"));
        }
        assert_eq!(get(Some("\"other\"")).status, 200);
        let posted: Answer = server
            .request("POST", "/explain")
            .header("accept", accept)
            .json(&json!({"text": TEXT}))
            .send()
            .unwrap()
            .into();
        assert_eq!((posted.body, posted.content_type), (whole.body, whole.content_type));
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 3, "each form has a tag of its own");
    let unknown = "0".repeat(64);
    for (id, told) in [(unknown.as_str(), "made"), ("x", "64"), (&id[1..], "64"), (&id.to_uppercase(), "64")]
    {
        let problem = server.get(&format!("/v1/explanations/{id}")).problem(404);
        assert_eq!(problem["type"], "urn:explaind:problem:not-kept");
        let _ = told;
    }
}

#[test]
fn a_hundred_kills_lose_no_answer_that_was_given_and_leave_no_half_of_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("explaind.db");
    let mut given: Vec<(String, Vec<u8>)> = Vec::new();
    let mut texts = 0;
    for round in 0..100u64 {
        let process = Process::start(&path, &[]);
        // What was given before the last kill is still there, to the byte.
        for (id, body) in given.iter().rev().take(3) {
            let again = process.get(&format!("/v1/explanations/{id}"));
            assert_eq!(again.status(), 200, "round {round}: {id} was given and is lost");
            assert_eq!(again.bytes().unwrap(), body.as_slice());
        }
        let (sender, answers) = mpsc::channel();
        let askers: Vec<_> = (0..3)
            .map(|asker| {
                let (sender, url) = (sender.clone(), process.url("/explain"));
                std::thread::spawn(move || {
                    let client = client();
                    for number in 0.. {
                        let text = format!("film {round} {asker} is good {}", texts + number);
                        let body = json!({"text": text, "methods": ["saliency", "random"]});
                        let Ok(response) = client.post(&url).json(&body).send() else { return };
                        let Ok(bytes) = response.bytes() else { return };
                        sender.send(bytes.to_vec()).unwrap();
                    }
                })
            })
            .collect();
        drop(sender);
        // At another moment of the writer's round each time.
        std::thread::sleep(Duration::from_millis(15 + (round * 37) % 120));
        process.kill();
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        for body in answers {
            let answer: Value = serde_json::from_slice(&body).expect("what is given is whole");
            given.push((answer["id"].as_str().unwrap().to_owned(), body));
            texts += 1;
        }
    }
    assert!(given.len() > 200, "the kills should come between many answers, not {}", given.len());
    database::assert_whole(&path);
    let process = Process::start(&path, &[]);
    for (id, body) in &given {
        let again = process.get(&format!("/v1/explanations/{id}"));
        assert_eq!(again.bytes().unwrap(), body.as_slice(), "{id}");
    }
}

#[test]
fn what_is_kept_stays_within_the_limits_of_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let settings =
        Settings { disk_bytes: 200_000, memory_bytes: 50_000, threads: 1, ..Settings::tiny(&path) };
    let server = settings.start();
    let mut ids = Vec::new();
    for number in 0..200 {
        let body = json!({"text": format!("film number {number} is good"), "methods": ["saliency"]});
        ids.push(server.ok("/explain", body)["id"].as_str().unwrap().to_owned());
    }
    let bytes = || database::number(&path, "SELECT coalesce(sum(bytes), 0) FROM results");
    let evicted = || server.figure("explaind_cache_evictions_total{tier=\"durable\"}");
    eventually("the database shrinks to its limit", || evicted() > 0.0 && bytes() <= 200_000);
    assert!(bytes() > 50_000, "and not to nothing");
    assert!(server.figure("explaind_cache_evictions_total{tier=\"memory\"}") > 0.0);
    server.get("/metrics");
    assert!(server.figure("explaind_cache_bytes{tier=\"memory\"}") <= 50_000.0);
    database::assert_whole(&path);
    let last = server.get(&format!("/v1/explanations/{}", ids[199]));
    assert_eq!(last.status, 200, "what was used last is kept");
    let first = server.get(&format!("/v1/explanations/{}", ids[0]));
    assert_eq!(first.problem(404)["type"], "urn:explaind:problem:not-kept");
}

#[test]
fn what_is_too_old_is_gone_from_both_tiers_and_computed_again_to_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let server = Settings { age: Some(Duration::from_millis(1500)), ..Settings::tiny(&path) }.start();
    let first = server.post("/explain", &json!({"text": TEXT}));
    let location = header(&first, "content-location").unwrap();
    assert_eq!(server.get(location).status, 200);
    std::thread::sleep(Duration::from_millis(1600));
    server.get(location).problem(404);
    let again = server.post("/explain", &json!({"text": TEXT}));
    assert_eq!((status(&again), again.text()), ("explaind; fwd=miss; stored", first.text()));
    assert_eq!(server.get(location).text(), first.text());
    std::thread::sleep(Duration::from_millis(1600));
    let left = || {
        database::number(&path, "SELECT (SELECT count(*) FROM results) + (SELECT count(*) FROM responses)")
    };
    eventually("the database forgets it", || left() == 0);
}

#[test]
fn what_became_too_old_in_memory_alone_can_be_had_again_once_it_was_asked_for_anew() {
    let settings = Settings {
        models: vec!["three-labels"],
        age: Some(Duration::from_millis(500)),
        ..Settings::default()
    };
    let server = settings.start();
    for _ in 0..2 {
        let answer = server.post("/explain", &json!({"text": TEXT}));
        assert_eq!(server.get(header(&answer, "content-location").unwrap()).text(), answer.text());
        std::thread::sleep(Duration::from_millis(600));
    }
}

#[test]
fn a_stored_result_that_was_damaged_is_computed_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let whole = Settings::tiny(&path).start().post("/explain", &json!({"text": TEXT}));
    let changed = database::execute(
        &path,
        "UPDATE results SET body = CAST(replace(CAST(body AS TEXT), '0', '1') AS BLOB)",
    );
    assert!(changed > 0);
    let server = Settings::tiny(&path).start();
    let location = header(&whole, "content-location").unwrap();
    server.get(location).problem(404);
    assert!(server.figure("explaind_durable_damaged_results_total") >= 1.0);
    let again = server.post("/explain", &json!({"text": TEXT}));
    assert_eq!(again.text(), whole.text());
    assert_eq!(server.get(location).text(), whole.text());
}

#[test]
fn a_database_that_fails_does_not_stop_explanations_and_is_used_again_once_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let server = Settings::tiny(&path).start();
    assert_eq!(server.get("/readyz").json()["cache"], json!({"durable": "ok", "detail": null}));
    let held = database::hold(&path);
    let answer = server.post("/explain", &json!({"text": "a film while the database is held"}));
    assert_eq!((answer.status, header(&answer, "content-location")), (200, None));
    assert_eq!(status(&answer), "explaind; fwd=miss");
    eventually("the failure shows", || server.get("/readyz").json()["status"] == "degraded");
    let health = server.get("/readyz");
    assert_eq!((health.status, &health.json()["cache"]["durable"]), (200, &json!("failing")));
    // The writer finds it locked; on a busy machine, whoever waits for the writer may give up first.
    let detail = health.json()["cache"]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("locked") || detail.contains("timed out"), "{detail}");
    assert_eq!(server.figure("explaind_durable_healthy"), 0.0);
    let quick = Instant::now();
    assert_eq!(server.post("/explain", &json!({"text": "one more film"})).status, 200);
    assert!(quick.elapsed() < Duration::from_secs(30));
    drop(held);
    eventually("it comes back by itself", || server.get("/readyz").json()["status"] == "ok");
    let later = server.post("/explain", &json!({"text": "one more film"}));
    let location = header(&later, "content-location").expect("what is in memory alone is written now");
    assert_eq!(Settings::tiny(&path).start().get(location).text(), later.text());
}

#[test]
fn what_the_database_evicted_is_written_again_when_it_is_given_from_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let server = Settings { disk_bytes: 100_000, ..Settings::tiny(&path) }.start();
    let ask = || server.post("/explain", &json!({"text": TEXT, "methods": ["saliency"]}));
    let location = header(&ask(), "content-location").unwrap().to_owned();
    for number in 0..100 {
        server.ok("/explain", json!({"text": format!("film {number} is bad"), "methods": ["saliency"]}));
    }
    let evictions = || server.figure("explaind_cache_evictions_total{tier=\"durable\"}");
    eventually("the database makes room", || evictions() > 0.0);
    let again = ask();
    assert_eq!(status(&again), "explaind; hit; detail=memory");
    assert_eq!(header(&again, "content-location"), Some(location.as_str()));
    assert_eq!(Settings::tiny(&path).start().get(&location).text(), again.text(), "a promise is kept");
}

#[test]
fn a_write_that_the_database_rolls_back_by_itself_does_not_spoil_those_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let server = Settings::tiny(&path).start();
    // What SQLite does when the disk is full: the statement fails, and the transaction is gone.
    let full =
        "CREATE TRIGGER full BEFORE INSERT ON results BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END";
    database::execute(&path, full);
    let refused = server.post("/explain", &json!({"text": TEXT}));
    assert_eq!((refused.status, header(&refused, "content-location")), (200, None));
    assert!(server.figure("explaind_durable_failures_total") >= 1.0);
    database::execute(&path, "DROP TRIGGER full");
    eventually("it is written in the end", || {
        header(&server.post("/explain", &json!({"text": TEXT})), "content-location").is_some()
    });
    database::assert_whole(&path);
}

#[test]
fn a_database_file_that_was_taken_away_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let server = Settings::tiny(&path).start();
    std::fs::remove_file(&path).unwrap();
    eventually("it shows", || server.get("/readyz").json()["status"] == "degraded");
    let detail = server.get("/readyz").json()["cache"]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("restart"), "{detail}");
    let answer = server.post("/explain", &json!({"text": TEXT}));
    assert_eq!((answer.status, header(&answer, "content-location")), (200, None));
    let unknown = server.get(&format!("/v1/explanations/{}", "0".repeat(64)));
    assert_eq!(unknown.problem(503)["type"], "urn:explaind:problem:database-unavailable");
}

#[test]
fn a_database_that_cannot_be_used_is_named_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let garbage = directory.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database, however long it may be".repeat(100)).unwrap();
    let damaged = directory.path().join("damaged.db");
    Settings::tiny(&damaged).start().ok("/explain", json!({"text": TEXT}));
    database::execute(&damaged, "PRAGMA wal_checkpoint(TRUNCATE)");
    let mut bytes = std::fs::read(&damaged).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0x5a);
    std::fs::write(&damaged, bytes).unwrap();
    let below_a_file = garbage.join("explaind.db");
    for path in [garbage.as_path(), &damaged, &below_a_file, Path::new("/proc/explaind.db")] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_explaind"))
            .current_dir(model_directory("three-labels"))
            .args(["--listen", "127.0.0.1:0", "--model"])
            .arg(format!("m={}", model_directory("three-labels").display()))
            .arg(format!("--database-url=sqlite:{}", path.display()))
            .output()
            .unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{}: {message}", path.display());
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(message.contains("--database-url") && !message.contains("panicked"), "{message}");
    }
}

#[test]
fn without_any_tier_answers_are_given_and_not_promised() {
    let server = Settings { models: vec!["three-labels"], memory_bytes: 0, ..Settings::default() }.start();
    let answer = server.post("/explain", &json!({"text": TEXT}));
    assert_eq!((status(&answer), header(&answer, "content-location")), ("explaind; fwd=miss", None));
    assert_eq!(server.get("/readyz").json()["cache"]["durable"], "off");
    let again = server.post("/explain", &json!({"text": TEXT}));
    assert_eq!((status(&again), again.text()), ("explaind; fwd=miss", answer.text()));
}

#[test]
fn a_deleted_answer_is_gone_from_both_tiers_with_its_text_and_is_computed_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let server = Settings::tiny(&path).start();
    let body = json!({"text": "the film is secretly good", "methods": ["saliency"]});
    let first = server.post("/explain", &body);
    let location = header(&first, "content-location").unwrap().to_owned();
    let other = server.post("/explain", &json!({"text": TEXT, "methods": ["saliency"]}));
    let delete = || server.request("DELETE", &location).send().unwrap();
    assert_eq!(delete().status(), 204);
    assert_eq!(server.get(&location).problem(404)["type"], "urn:explaind:problem:not-kept");
    let again: Answer = delete().into();
    assert_eq!(again.problem(404)["type"], "urn:explaind:problem:not-kept");
    let with_text = "SELECT count(*) FROM results WHERE instr(body, 'secretly') > 0";
    assert_eq!(database::number(&path, with_text), 0);
    assert_eq!(server.get(header(&other, "content-location").unwrap()).status, 200);
    database::assert_whole(&path);
    let anew = server.post("/explain", &body);
    assert_eq!(status(&anew), "explaind; fwd=miss; stored");
    assert_eq!(anew.text(), first.text());
    let unknown: Answer = server.request("DELETE", "/v1/explanations/no-id").send().unwrap().into();
    unknown.problem(404);
}

#[test]
fn without_a_database_a_deleted_answer_is_forgotten_too() {
    let server = Settings { models: vec!["three-labels"], ..Settings::default() }.start();
    let answer = server.ok("/explain", json!({"text": TEXT, "methods": ["saliency"]}));
    let location = format!("/v1/explanations/{}", answer["id"].as_str().unwrap());
    assert_eq!(server.get(&location).status, 200);
    assert_eq!(server.request("DELETE", &location).send().unwrap().status(), 204);
    server.get(&location).problem(404);
}
