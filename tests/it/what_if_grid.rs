//! A text without each of its words, through a server that listens.

use std::time::Duration;

use explaind::model::Text;
use serde_json::{Value, json};

use crate::support::golden::{BUNDLED, load};
use crate::support::server::{Answer, Settings, TestServer};

const PATH: &str = "/v1/interventions/grid";
const TINY: &str = "three-labels";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// What a tiny model says of a text with these tokens masked.
fn masked(text: &str, tokens: &[usize]) -> Vec<f32> {
    let model = load(TINY);
    let mut encoded = model.encode(Text { first: text, second: None }, false).unwrap();
    let mask = model.tokenizer().special().mask.unwrap();
    tokens.iter().for_each(|token| encoded.ids[*token] = mask);
    let batch = model.encoder().batch(&encoded.ids, &encoded.type_ids).unwrap();
    model.encoder().logits(&batch).unwrap()[0].clone()
}

#[test]
fn every_cell_is_what_the_model_says_without_the_word() {
    let server = TestServer::shared();
    let text = "An unlovely film, and fun!";
    let without = [
        "unlovely film, and fun!",
        "An film, and fun!",
        "An unlovely, and fun!",
        "An unlovely film and fun!",
        "An unlovely film, fun!",
        "An unlovely film, and!",
        "An unlovely film, and fun",
    ];
    let answer = server.ok(PATH, json!({"model": TINY, "text": text, "target": "neutral"}));
    assert_eq!(answer["target"], json!({"label": "neutral", "index": 1}));
    assert_eq!((&answer["output"], &answer["complete"]), (&json!("logit"), &json!(true)));
    let (before, label) = (number(&answer["before"]), &answer["original"]["prediction"]["label"]);
    let words = answer["original"]["words"].as_array().unwrap();
    for (place, rest) in without.iter().enumerate() {
        let cell = &answer["delete"][place];
        let said = server.ok("/v1/predict", json!({"model": TINY, "text": rest}))["prediction"].clone();
        assert_eq!(cell["output"], said["logits"][1], "{rest}: to the last digit");
        assert_eq!(cell["flipped"], json!(said["label"] != *label));
        assert!((number(&cell["change"]) - (number(&cell["output"]) - before)).abs() < 1e-6);

        let cell = &answer["mask"][place];
        let tokens = words[place]["tokens"].as_array().unwrap();
        let tokens: Vec<usize> = tokens.iter().map(|token| token.as_u64().unwrap() as usize).collect();
        let expected = f64::from(masked(text, &tokens)[1]);
        assert!((number(&cell["output"]) - expected).abs() < 1e-5, "{cell} without {place}: not {expected}");
    }
    assert_eq!(answer["delete"].as_array().unwrap().len(), 7);
    assert_eq!(answer["forwards"], 15, "its own and two for each word");
}

#[test]
fn an_action_that_is_not_asked_for_has_no_cells() {
    let server = TestServer::shared();
    let asked =
        |actions: Value| server.ok(PATH, json!({"model": TINY, "text": "A funny film", "actions": actions}));
    let both = asked(Value::Null);
    assert_eq!(
        asked(json!(["mask", "delete"]))["id"],
        both["id"],
        "the order of actions is no other question"
    );
    let deleted = asked(json!(["delete"]));
    assert_eq!((&deleted["delete"], &deleted["mask"]), (&both["delete"], &Value::Null));
    let masked = asked(json!(["mask"]));
    assert_eq!((&masked["delete"], &masked["mask"]), (&Value::Null, &both["mask"]));
    assert_eq!(masked["forwards"], 4);
}

#[test]
fn a_text_without_its_only_word_has_no_cell_there() {
    let server = TestServer::shared();
    let answer = server.ok(PATH, json!({"model": TINY, "text": "Good"}));
    assert_eq!(answer["delete"], json!([null]));
    assert!(answer["mask"][0]["output"].is_number());
    assert_eq!((&answer["complete"], &answer["forwards"]), (&json!(true), &json!(2)));
    let answer = server.ok(PATH, json!({"model": "pairs", "text": "the film", "text_pair": "good"}));
    let cells: Vec<bool> = answer["delete"].as_array().unwrap().iter().map(Value::is_null).collect();
    assert_eq!(cells, [false, false, true], "nothing would be left of the second text");
}

#[test]
fn a_word_that_the_network_does_not_see_changes_nothing() {
    let server = TestServer::shared();
    // The tokenizer drops what is no character.
    let text = "good \u{fffd} film";
    let answer = server.ok(PATH, json!({"model": TINY, "text": text}));
    let words = answer["original"]["words"].as_array().unwrap();
    let unseen: Vec<usize> =
        (0..words.len()).filter(|word| words[*word]["tokens"].as_array().unwrap().is_empty()).collect();
    assert_eq!(unseen, [1], "{words:?}");
    for action in ["delete", "mask"] {
        assert_eq!(answer[action][1], json!({"output": answer["before"], "change": 0.0, "flipped": false}));
    }
    assert_eq!(answer["forwards"], 5, "its own, and two for each word that is seen");
}

#[test]
fn a_grid_is_kept_given_in_batches_and_foreseen() {
    let text = "A warm, sharp tale of rain and light";
    let (one, two) = (TestServer::with_threads(1), TestServer::shared());
    let body = json!({"model": TINY, "text": text});
    let first = one.post(PATH, &body);
    assert_eq!(first.body, two.post(PATH, &body).body, "on any number of threads");
    let spelt = json!({"model": TINY, "text": text, "actions": ["delete", "mask"], "target": "predicted",
        "output": "logit"});
    let again = one.post(PATH, &spelt);
    assert_eq!(again.headers["cache-status"], "explaind; hit; detail=memory");
    assert_eq!(again.body, first.body);
    let location = first.headers["content-location"].to_str().unwrap();
    assert_eq!(one.get(location).body, first.body);
    let many = one.ok(PATH, json!({"model": TINY, "texts": [text, ""]}));
    assert_eq!(many["results"][0], first.json());
    assert_eq!(many["results"][1]["error"]["pointer"], "/texts/1");
    let dry = json!({"model": TINY, "text": "A warm, sharp tale of wild rain", "dry_run": true});
    // Eight words of one token each: its own pass and two for each.
    assert_eq!(one.ok(PATH, dry)["results"][0]["forwards"], json!({"expected": 17, "most": 17}));
}

#[test]
fn words_that_one_token_stands_for_count_each_and_are_not_without_end() {
    let server = TestServer::shared();
    let asked = |words: usize| json!({"model": TINY, "text": "☃".repeat(words), "dry_run": true});
    let foreseen = server.ok(PATH, asked(150))["results"][0].clone();
    assert_eq!(foreseen["tokens"], 3, "an unknown one between two that are special");
    assert_eq!(foreseen["forwards"], json!({"expected": 3, "most": 301}));
    server.ok(PATH, asked(1024));
    for is_dry_run in [true, false] {
        let mut body = asked(1025);
        body["dry_run"] = json!(is_dry_run);
        let refused = server.problem(PATH, body, 422);
        assert_eq!(refused["pointer"], "/text");
        assert!(refused["detail"].as_str().unwrap().contains("1025 words"), "{refused}");
        assert!(refused["remedy"].as_str().unwrap().contains("shorter"), "{refused}");
    }
}

#[test]
fn a_grid_that_cannot_be_is_refused() {
    let server = TestServer::shared();
    for (field, value, pointer) in [
        ("actions", json!([]), "/actions"),
        ("actions", json!(["delete", "delete"]), "/actions/1"),
        ("actions", json!(["hide"]), "/actions/0"),
        ("actions", json!([{"mask": null}]), "/actions/0"),
        ("actions", json!("mask"), "/actions"),
        ("target", json!("all"), "/target"),
        ("output", json!("score"), "/output"),
        ("edits", json!([]), "/edits"),
        ("text", Value::Null, "/text"),
        ("text", json!("film ".repeat(60)), "/text"),
    ] {
        let mut body = json!({"model": TINY, "text": "A funny film"});
        body[field] = value.clone();
        let problem = server.problem(PATH, body, 422);
        assert_eq!(problem["pointer"], pointer, "{field} {value}: {problem}");
    }
}

/// A deadline that leaves time for the text itself, and none for what would take hundreds of times as long: the first of
/// longer and longer ones at which there is an answer at all.
fn cut_short(server: &TestServer, path: &str, accept: &str, body: &Value) -> Answer {
    let mut allowed = 0.02;
    loop {
        assert!(allowed < 60.0, "there is no answer however long one waits");
        let request = server.request("POST", path).header("x-request-timeout", format!("{allowed:.3}"));
        let answer: Answer = request.header("accept", accept).json(body).send().unwrap().into();
        match answer.status {
            504 => assert_eq!(answer.problem(504)["type"], "urn:explaind:problem:deadline-exceeded"),
            // What was given up a moment ago is still on its way out.
            429 => std::thread::sleep(Duration::from_millis(100)),
            _ => return answer,
        }
        allowed *= 1.5;
    }
}

fn assert_cut_short(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.headers["cache-control"], "no-store");
    for absent in ["etag", "content-location"] {
        assert!(!answer.headers.contains_key(absent), "{absent}");
    }
    let told = answer.json();
    assert_eq!((told.get("id"), &told["complete"]), (None, &json!(false)));
    assert!(told["original"]["prediction"]["label"].is_string(), "{told}");
    told
}

#[test]
fn an_answer_whose_time_is_over_has_what_is_known_and_is_not_kept() {
    let server = Settings { models: vec![BUNDLED], ..Settings::default() }.start();
    let text = "It is a long and winding film about a road. ".repeat(43);
    let grid = json!({"text": text});
    for _ in 0..2 {
        let told = assert_cut_short(&cut_short(&server, PATH, "application/json", &grid));
        let words = told["original"]["words"].as_array().unwrap().len();
        for action in ["delete", "mask"] {
            let cells = told[action].as_array().unwrap();
            assert_eq!(cells.len(), words);
            assert!(action == "delete" || cells.iter().any(Value::is_null));
        }
        let known = ["delete", "mask"].map(|action| told[action].as_array().unwrap().clone()).concat();
        let known = known.iter().filter(|cell| !cell.is_null()).count() as u64;
        assert_eq!(told["forwards"], 1 + known, "asked again, it is no answer that was kept");
    }

    let edits: Vec<Value> = (0..16).map(|word| json!({"action": "mask", "words": [word]})).collect();
    let body = json!({"text": text, "edits": edits});
    let told = assert_cut_short(&cut_short(&server, "/v1/interventions", "application/json", &body));
    assert_eq!(told["edits"].as_array().unwrap().len(), 16);
    let known = told["alone"].as_array().unwrap().len();
    assert!(known <= 16);
    assert_eq!(told["together"].is_null(), told["interaction"].is_null(), "one tells of the other");
    for pair in told["interactions"].as_array().unwrap() {
        assert!(pair["edits"][1].as_u64().unwrap() < known as u64);
    }
}

#[test]
fn an_answer_whose_time_is_over_is_drawn_as_far_as_it_goes() {
    let server = Settings { models: vec![BUNDLED], ..Settings::default() }.start();
    let body = json!({"text": "It is a long and winding film about a road. ".repeat(43)});
    let drawing = cut_short(&server, PATH, "image/svg+xml", &body);
    assert_eq!((drawing.status, &*drawing.content_type), (200, "image/svg+xml"), "{}", drawing.text());
    assert_eq!(drawing.headers["cache-control"], "no-store");
    assert!(!drawing.headers.contains_key("etag"));
    assert!(drawing.text().contains("Not complete."));
}
