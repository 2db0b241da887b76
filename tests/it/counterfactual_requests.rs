//! Questions for counterfactuals as they are sent: what is filled in, refused, foreseen, kept, and cut short.

use serde_json::{Value, json};

use crate::openapi::assert_shown;
use crate::support::golden::BUNDLED;
use crate::support::server::{Answer, Settings, TestServer};

const PATH: &str = "/v1/counterfactuals";
const TEXT: &str = "A gripping film, though it drags a little.";

fn codes(answer: &Value) -> Vec<&str> {
    let warnings = answer["warnings"].as_array().unwrap().iter();
    warnings.map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn the_same_question_has_the_same_bytes_however_it_is_asked_and_is_kept() {
    let server = TestServer::shared();
    let first = server.post(PATH, &json!({"text": TEXT}));
    assert_eq!(first.status, 200, "{}", first.text());
    let spelt_out = json!({"text": TEXT, "model": BUNDLED, "target": "any", "infill_model": BUNDLED,
        "strategies": ["antonym", "delete", "infill", "substitute"], "protected": [], "max_changes": 4, "n": 3, "beam": 4,
        "budget": 1000, "seed": 12});
    let again = server.post(PATH, &spelt_out);
    assert_eq!(again.text(), first.text());
    assert!(again.headers["cache-status"].to_str().unwrap().contains("hit"));
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/v1/explanations/{id}")).text(), first.text());
    let alone = TestServer::with_threads(1).post(PATH, &json!({"text": TEXT}));
    assert_eq!(alone.text(), first.text(), "whatever the number of threads");

    for (field, value) in [
        ("target", json!("negative")),
        ("strategies", json!(["delete", "antonym"])),
        ("lexicon", json!([{"from": "film", "to": "play"}])),
        ("protected", json!(["film"])),
        ("max_changes", json!(3)),
        ("n", json!(2)),
        ("beam", json!(3)),
        ("budget", json!(999)),
        ("infill_model", json!("three-labels")),
    ] {
        let mut body = json!({"text": TEXT});
        body[field] = value;
        assert_ne!(server.ok(PATH, body)["id"], id, "{field} makes another question");
    }
}

#[test]
fn a_seed_counts_only_where_something_is_drawn() {
    let server = TestServer::shared();
    let asked = |strategy: &str, seed: u64| {
        let body = json!({"text": TEXT, "strategies": [strategy], "seed": seed, "n": 1, "budget": 60});
        server.ok(PATH, body)["id"].clone()
    };
    assert_eq!(asked("delete", 1), asked("delete", 2));
    assert_ne!(asked("random", 1), asked("random", 2));
}

#[test]
fn a_budget_is_kept() {
    let server = TestServer::shared();
    let text =
        "vera's three actors -- mollà , gil and bardem -- excel in insightful , empathetic performances .";
    let answer = server.ok(PATH, json!({"text": text, "budget": 50, "n": 10}));
    assert!(answer["forwards"].as_u64().unwrap() <= 50, "{answer}");
    assert_eq!(answer["complete"], true, "the search came to its end");
    assert!(codes(&answer).contains(&"budget_spent"), "{answer}");
    let generous = server.ok(PATH, json!({"text": "this is so bad .", "n": 1}));
    assert!(!codes(&generous).contains(&"budget_spent"), "{generous}");
}

#[test]
fn what_is_not_found_in_time_is_told_as_far_as_it_goes_and_not_kept() {
    let server = Settings { models: vec![BUNDLED], threads: 1, ..Settings::default() }.start();
    let text = [TEXT; 8].join(" ");
    let body = json!({"text": text, "budget": 20_000, "n": 10, "beam": 32, "max_changes": 10});
    for _ in 0..2 {
        let request = server.request("POST", PATH).header("x-request-timeout", "1.5").json(&body);
        let answer: Answer = request.send().unwrap().into();
        if answer.status == 504 {
            answer.problem(504);
            continue;
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(!answer.headers.contains_key("content-location"));
        let view = answer.json();
        assert_eq!((&view["complete"], &view["id"]), (&json!(false), &Value::Null));
        assert_eq!(view["original"]["text"], text);
        assert_eq!(
            view["original"]["prediction"],
            server.ok("/v1/predict", json!({"text": text}))["prediction"]
        );
    }
}

#[test]
fn a_model_without_a_masked_lm_head_goes_on_without_or_has_one_lent() {
    let server = TestServer::shared();
    let without = server.ok(PATH, json!({"text": TEXT, "model": "multi-label"}));
    assert_eq!(without["infill_model"], Value::Null);
    let warning = &without["warnings"].as_array().unwrap().iter().find(|one| one["code"] == "no_masked_lm");
    assert!(warning.unwrap()["message"].as_str().unwrap().contains("`infill` is left out"), "{without}");
    let texts = without["counterfactuals"].as_array().unwrap().iter();
    for one in texts.chain(without["closest_miss"].as_object().map(|_| &without["closest_miss"])) {
        assert_eq!((&one["fluency_before"], &one["fluency_after"]), (&Value::Null, &Value::Null));
        assert!(one["changes"].as_array().unwrap().iter().all(|change| change["strategy"] != "infill"));
    }
    let lent = server.ok(PATH, json!({"text": TEXT, "model": "multi-label", "infill_model": BUNDLED}));
    assert_eq!(lent["infill_model"]["id"], BUNDLED);
    assert!(!codes(&lent).contains(&"no_masked_lm"), "{lent}");
    for one in lent["counterfactuals"].as_array().unwrap() {
        assert!(one["fluency_before"].as_f64().unwrap() > 1.0);
    }
    let alone = json!({"text": TEXT, "model": "multi-label", "strategies": ["infill"]});
    assert_eq!(server.problem(PATH, alone.clone(), 422)["pointer"], "/strategies");
    let mut alone = alone;
    alone["infill_model"] = json!(BUNDLED);
    assert_eq!(server.ok(PATH, alone)["infill_model"]["id"], BUNDLED);
}

#[test]
fn a_counterfactual_that_nobody_would_write_is_warned_of() {
    let server = TestServer::shared();
    for text in [TEXT, "this is so bad .", "entertains by providing good , lively company ."] {
        for strategy in ["random", "hotflip", "substitute"] {
            let body = json!({"text": text, "strategies": [strategy], "n": 1, "budget": 3000});
            let answer = server.ok(PATH, body);
            let Some(first) = answer["counterfactuals"].get(0) else { continue };
            let fluency = |member: &str| first[member].as_f64().unwrap();
            let ratio = fluency("fluency_after") / fluency("fluency_before");
            if (ratio - 4.0).abs() > 1e-3 {
                assert_eq!(codes(&answer).contains(&"disfluent"), ratio > 4.0, "{ratio}: {answer}");
            }
        }
    }
}

#[test]
fn a_dry_run_foresees_no_more_than_the_budget() {
    let server = TestServer::shared();
    let foreseen = server.ok(PATH, json!({"text": TEXT, "budget": 400, "dry_run": true, "beam": 5}));
    let forwards = &foreseen["results"][0]["forwards"];
    assert_eq!(forwards["most"], 401, "the text's own beside the budget");
    assert!(forwards["expected"].as_u64().unwrap() < 401);
    assert!(foreseen["results"][0]["backwards"]["most"].as_u64().unwrap() <= 400 / 3);
}

#[test]
fn batches_and_drawings_are_answered_as_everywhere() {
    let server = TestServer::shared();
    let many = server.ok(PATH, json!({"texts": ["this is so bad .", " "], "n": 1}));
    assert_eq!(many["results"][0], server.ok(PATH, json!({"text": "this is so bad .", "n": 1})));
    assert_eq!(many["results"][1]["error"]["pointer"], "/texts/1");
    let request = server.request("POST", PATH).header("accept", "image/svg+xml");
    let drawing: Answer = request.json(&json!({"text": "this is so bad .", "n": 1})).send().unwrap().into();
    assert_eq!((drawing.status, &*drawing.content_type), (200, "image/svg+xml"), "{}", drawing.text());
    assert!(drawing.text().contains(": this is so bad . · Counterfactuals"));
}

#[test]
fn what_is_already_said_is_no_counterfactual() {
    let server = TestServer::shared();
    let said = server.ok("/v1/predict", json!({"text": TEXT}))["prediction"].clone();
    for target in [&said["label"], &said["index"]] {
        let problem = server.problem(PATH, json!({"text": TEXT, "target": target}), 422);
        assert_eq!(problem["pointer"], "/target");
        assert!(problem["detail"].as_str().unwrap().contains("already"), "{problem}");
    }
    let many = server.ok(PATH, json!({"texts": [TEXT, "this is so bad ."], "target": said["label"], "n": 1}));
    assert_eq!(many["results"][0]["error"]["pointer"], "/target");
    assert_eq!(many["results"][1]["target"]["label"], said["label"], "each text by itself");
}

#[test]
fn a_question_that_makes_no_sense_is_refused_by_its_place() {
    let server = TestServer::shared();
    let pair = json!({"from": "film", "to": "play"});
    let lexicon = |from: Value, to: Value| json!([pair, {"from": from, "to": to}]);
    for (field, value, pointer) in [
        ("model", json!("regression"), "/model"),
        ("model", json!("absent"), "/model"),
        ("infill_model", json!("absent"), "/infill_model"),
        ("infill_model", json!("regression"), "/infill_model"),
        ("target", json!("predicted"), "/target"),
        ("target", json!("all"), "/target"),
        ("target", json!("angry"), "/target"),
        ("target", json!(2), "/target"),
        ("target", json!(1.5), "/target"),
        ("strategies", json!([]), "/strategies"),
        ("strategies", json!(["magic"]), "/strategies/0"),
        ("strategies", json!(["delete", {"infill": null}]), "/strategies/1"),
        ("strategies", json!(["delete", "infill", "delete"]), "/strategies/2"),
        ("strategies", json!(["delete", "lexicon"]), "/strategies/1"),
        ("lexicon", json!([]), "/lexicon"),
        ("lexicon", json!(vec![pair.clone(); 201]), "/lexicon"),
        ("lexicon", json!(["film"]), "/lexicon/0"),
        ("lexicon", json!([pair, {"from": "film"}]), "/lexicon/1/to"),
        ("lexicon", lexicon(json!(" "), json!("play")), "/lexicon/1/from"),
        ("lexicon", lexicon(json!("film"), json!("")), "/lexicon/1/to"),
        ("lexicon", lexicon(json!("film"), json!("play ")), "/lexicon/1/to"),
        ("lexicon", lexicon(json!("film"), json!("Film")), "/lexicon/1/to"),
        ("lexicon", lexicon(json!(1), json!("film")), "/lexicon/1/from"),
        ("lexicon", json!([{"from": "film", "to": "play", "weight": 1}]), "/lexicon/0/weight"),
        ("protected", json!(["film", " "]), "/protected/1"),
        ("protected", json!(vec!["film"; 201]), "/protected"),
        ("protected", json!("film"), "/protected"),
        ("max_changes", json!(0), "/max_changes"),
        ("max_changes", json!(11), "/max_changes"),
        ("n", json!(0), "/n"),
        ("n", json!(11), "/n"),
        ("beam", json!(0), "/beam"),
        ("beam", json!(33), "/beam"),
        ("budget", json!(49), "/budget"),
        ("budget", json!(20_001), "/budget"),
        ("budget", json!(-1), "/budget"),
        ("seed", json!(-1), "/seed"),
        ("truncate", json!(true), "/truncate"),
    ] {
        let mut body = json!({"text": TEXT});
        body[field] = value.clone();
        let problem = server.problem(PATH, body, 422);
        assert_eq!(problem["pointer"], pointer, "{field} {value}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    let idle = json!({"text": TEXT, "strategies": ["delete"], "lexicon": [pair]});
    assert_eq!(server.problem(PATH, idle, 422)["pointer"], "/lexicon");
    assert_eq!(server.problem(PATH, json!({}), 422)["pointer"], "/text");
    let long = json!({"text": TEXT.repeat(100)});
    assert_eq!(server.problem(PATH, long, 422)["type"], "urn:explaind:problem:text-too-long");
}

#[test]
fn the_examples_of_counterfactuals_are_what_the_server_answers() {
    let server = TestServer::shared();
    let answer = |server: &TestServer, body: Value| {
        let request =
            server.request("POST", PATH).header("x-request-id", "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64");
        let answer: Answer = request.json(&body).send().unwrap().into();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    assert_shown("counterfactuals", &answer(&server, json!({"text": "A gripping film.", "n": 2})));
    assert_shown(
        "counterfactuals-batch",
        &answer(&server, json!({"texts": ["A gripping film.", ""], "n": 1})),
    );
    // What is cached already is told: a server that knows nothing yet.
    let fresh = Settings { models: vec![BUNDLED], ..Settings::default() }.start();
    assert_shown(
        "counterfactuals-dry-run",
        &answer(&fresh, json!({"text": "A gripping film.", "dry_run": true})),
    );
}
