//! Counterfactuals through a server that listens: whatever is claimed of a text, the model says so when it is asked.

use std::collections::HashSet;

use explaind::explain::counterfactual::english;
use explaind::model::words::words;
use serde_json::{Value, json};

use crate::support::server::TestServer;

const PATH: &str = "/v1/counterfactuals";

/// Of films, from the fixtures and by hand.
const TEXTS: [&str; 5] = [
    "A gripping film, though it drags a little.",
    "this is so bad .",
    "it's a lovely film with lovely performances by buy and accorsi .",
    "entertains by providing good , lively company .",
    "Tedious — and badly-written, too!",
];

/// One of the texts with its changes made, as they stand.
fn applied(text: &str, changes: &[&Value], segment: u64) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut position = 0;
    for change in changes.iter().filter(|change| change["segment"] == segment) {
        let place = |member: &str| change[member].as_u64().unwrap() as usize;
        let (start, end) = (place("start"), place("end"));
        assert!(position <= start && start < end, "changes are in order and apart: {change}");
        let stood: String = characters[start..end].iter().collect();
        assert_eq!(stood, change["from"].as_str().unwrap());
        out.extend(&characters[position..start]);
        out.push_str(change["to"].as_str().unwrap());
        position = end;
    }
    out.extend(&characters[position..]);
    out
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list")).iter().collect()
}

fn predicted(server: &TestServer, model: &Value, text: &str, text_pair: Option<&str>) -> Value {
    let body = json!({"model": model["id"], "text": text, "text_pair": text_pair});
    server.ok("/v1/predict", body)["prediction"].clone()
}

/// Checks all that an answer claims of its texts. Whether the prediction is what was wanted is said by `wanted`.
fn check(server: &TestServer, answer: &Value, wanted: impl Fn(&Value) -> bool) {
    let (model, original) = (&answer["model"], &answer["original"]);
    let (text, text_pair) = (original["text"].as_str().unwrap(), original["text_pair"].as_str());
    assert_eq!(original["prediction"], predicted(server, model, text, text_pair));
    assert!(!wanted(&original["prediction"]));
    assert_eq!(answer["complete"], true);
    let found = list(&answer["counterfactuals"]);
    assert!(answer["closest_miss"].is_null() || found.is_empty());
    let mut seen = HashSet::new();
    for one in found {
        assert!(seen.insert((one["text"].to_string(), one["text_pair"].to_string())), "twice: {one}");
        assert_eq!(one["flipped"], true);
        assert!(wanted(&one["prediction"]), "{one}");
        check_text(server, answer, one);
        let changes = list(&one["changes"]);
        if one["minimal"] == true {
            for undone in 0..changes.len() {
                let others: Vec<&Value> =
                    (0..changes.len()).filter(|place| *place != undone).map(|place| changes[place]).collect();
                let second = text_pair.map(|text| applied(text, &others, 1));
                let first = applied(text, &others, 0);
                let prediction = predicted(server, model, &first, second.as_deref());
                assert!(!wanted(&prediction), "`{first}` does without {}", changes[undone]);
            }
        }
    }
}

/// Checks that a text is the original with its changes, and its figures those of that text.
fn check_text(server: &TestServer, answer: &Value, one: &Value) {
    let (model, original) = (&answer["model"], &answer["original"]);
    let changes = list(&one["changes"]);
    assert!(!changes.is_empty());
    for (member, segment) in [("text", 0), ("text_pair", 1)] {
        let Some(before) = original[member].as_str() else {
            assert!(one[member].is_null());
            continue;
        };
        let after = one[member].as_str().unwrap();
        assert_eq!(applied(before, &changes, segment), after);
    }
    let (text, text_pair) = (one["text"].as_str().unwrap(), one["text_pair"].as_str());
    assert_eq!(one["prediction"], predicted(server, model, text, text_pair), "to the last digit");
    let both = |view: &Value| {
        let texts = ["text", "text_pair"].map(|member| view[member].as_str().map(words).unwrap_or_default());
        texts.concat().into_iter().map(|word| word.text).collect::<Vec<String>>()
    };
    let (before, after) = (both(original), both(one));
    let distance = levenshtein(&before, &after) as f64 / before.len() as f64;
    assert!((one["edit_distance"].as_f64().unwrap() - distance).abs() < 1e-6, "{one}");
    assert!((-1.0..=1.0).contains(&one["closeness"].as_f64().unwrap()));
    let has_language = !answer["infill_model"].is_null();
    for fluency in ["fluency_before", "fluency_after"] {
        let perplexity = one[fluency].as_f64();
        assert!(perplexity.is_none_or(|perplexity| perplexity >= 1.0), "{one}");
        assert!(has_language || perplexity.is_none());
        assert!(perplexity.is_some() || !has_language || one["flipped"] == false, "{one}");
    }
}

fn levenshtein(first: &[String], second: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=second.len()).collect();
    for (place, word) in first.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], place + 1);
        for (other, above) in second.iter().zip(1..) {
            let replaced = diagonal + usize::from(word != other);
            diagonal = row[above];
            row[above] = replaced.min(row[above] + 1).min(row[above - 1] + 1);
        }
    }
    row[second.len()]
}

fn is_other(answer: &Value) -> impl Fn(&Value) -> bool {
    let said = answer["original"]["prediction"].clone();
    move |prediction| prediction["label"] != said["label"] || prediction["labels"] != said["labels"]
}

fn strategies(answer: &Value) -> HashSet<String> {
    let found = list(&answer["counterfactuals"]);
    let changes = found.iter().flat_map(|one| list(&one["changes"]));
    changes.map(|change| change["strategy"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_counterfactual_is_verified_by_a_prediction_and_no_change_of_it_is_idle() {
    let server = TestServer::shared();
    let mut found = 0;
    for text in TEXTS {
        let answer = server.ok(PATH, json!({"text": text}));
        check(&server, &answer, is_other(&answer));
        let counterfactuals = list(&answer["counterfactuals"]);
        assert!(counterfactuals.len() <= 3);
        assert!(counterfactuals.iter().all(|one| list(&one["changes"]).len() <= 4));
        assert_eq!(answer["diversity"].is_null(), counterfactuals.len() < 2);
        assert!(answer["forwards"].as_u64().unwrap() <= 1000);
        assert_eq!(answer["infill_model"], answer["model"]);
        assert_eq!(answer["target"], Value::Null);
        found += usize::from(!counterfactuals.is_empty());
    }
    assert_eq!(found, TEXTS.len(), "short texts have counterfactuals");
}

#[test]
fn each_strategy_changes_texts_in_its_own_way() {
    let server = TestServer::shared();
    let mut found: HashSet<String> = HashSet::new();
    for strategy in ["substitute", "infill", "delete", "antonym", "hotflip", "random"] {
        for text in TEXTS {
            let body = json!({"text": text, "strategies": [strategy], "n": 2, "seed": 7});
            let answer = server.ok(PATH, body);
            check(&server, &answer, is_other(&answer));
            for one in list(&answer["counterfactuals"])
                .into_iter()
                .chain(answer["closest_miss"].as_object().map(|_| &answer["closest_miss"]))
            {
                for change in list(&one["changes"]) {
                    assert_eq!(change["strategy"], strategy);
                    let (from, to) = (change["from"].as_str().unwrap(), change["to"].as_str().unwrap());
                    match strategy {
                        "delete" => assert_eq!(to, ""),
                        "antonym" => {
                            assert!(english::opposites(from).contains(&&*to.to_lowercase()), "{from} {to}")
                        }
                        _ => assert_ne!(from, to),
                    }
                }
            }
            found.extend(strategies(&answer));
        }
    }
    for strategy in ["substitute", "infill", "delete", "antonym", "hotflip"] {
        assert!(found.contains(strategy), "`{strategy}` finds something in one of the texts");
    }
}

#[test]
fn a_lexicon_says_what_may_stand_for_what_in_any_case() {
    let server = TestServer::shared();
    let lexicon = json!([
        {"from": "LOVELY", "to": "dreadful"},
        {"from": "gripping film", "to": "slow, boring film"},
        {"from": "Tedious", "to": "delightful"},
        {"from": "badly-written", "to": "beautifully made"},
    ]);
    let mut changed = 0;
    for text in TEXTS {
        let body = json!({"text": text, "strategies": ["lexicon"], "lexicon": lexicon, "n": 1});
        let answer = server.ok(PATH, body);
        check(&server, &answer, is_other(&answer));
        for one in list(&answer["counterfactuals"]) {
            for change in list(&one["changes"]) {
                let lower = |value: &Value| value.as_str().unwrap().to_lowercase();
                let is_of = |pair: &&Value| {
                    (lower(&pair["from"]), lower(&pair["to"]))
                        == (lower(&change["from"]), lower(&change["to"]))
                };
                assert!(list(&lexicon).iter().any(is_of), "{change}");
                assert_eq!(change["strategy"], "lexicon");
                changed += 1;
            }
        }
    }
    assert!(changed > 2, "the pairs are enough for some of the texts");
    let usual = server.ok(PATH, json!({"text": TEXTS[0], "lexicon": lexicon, "n": 10}));
    assert!(strategies(&usual).contains("lexicon"), "a lexicon is used without being named: {usual}");
}

#[test]
fn protected_words_stay_where_they_are() {
    let server = TestServer::shared();
    for (text, protected) in [(TEXTS[0], "Gripping"), (TEXTS[1], "BAD"), (TEXTS[2], "lovely film")] {
        let answer = server.ok(PATH, json!({"text": text, "protected": [protected, "absent"]}));
        check(&server, &answer, is_other(&answer));
        for one in list(&answer["counterfactuals"]) {
            let after = one["text"].as_str().unwrap().to_lowercase();
            assert!(after.contains(&protected.to_lowercase()), "`{protected}` in {after}");
        }
    }
}

#[test]
fn where_every_word_has_to_stay_nothing_is_found() {
    let server = TestServer::shared();
    let is_word = |text: &String| text.chars().any(char::is_alphanumeric);
    let every: Vec<String> = words(TEXTS[0]).into_iter().map(|word| word.text).filter(is_word).collect();
    let answer = server.ok(PATH, json!({"text": TEXTS[0], "protected": every}));
    assert_eq!((&answer["counterfactuals"], &answer["diversity"]), (&json!([]), &Value::Null));
    assert_eq!(answer["closest_miss"], Value::Null, "there is no other text");
    assert_eq!(answer["complete"], true);
    let codes = list(&answer["warnings"]).into_iter().map(|warning| warning["code"].as_str().unwrap());
    assert!(codes.collect::<Vec<_>>().contains(&"nothing_to_change"));
}

#[test]
fn where_nothing_flips_the_text_that_came_closest_is_told() {
    let server = TestServer::shared();
    let text = "a wonderful , wonderful , wonderful , wonderful and moving film .";
    let body = json!({"text": text, "strategies": ["delete"], "max_changes": 1, "protected": ["moving", "film", "and"]});
    let answer = server.ok(PATH, body);
    assert_eq!(answer["counterfactuals"], json!([]));
    let miss = &answer["closest_miss"];
    assert_eq!((&miss["flipped"], &miss["minimal"]), (&json!(false), &json!(false)), "{miss}");
    assert_eq!(miss["prediction"]["label"], answer["original"]["prediction"]["label"]);
    check_text(&server, &answer, miss);
}

#[test]
fn a_label_is_found_that_is_wanted() {
    let server = TestServer::shared();
    let labels = ["negative", "neutral", "positive"];
    let mut found = 0;
    for text in TEXTS {
        for (index, label) in labels.iter().enumerate() {
            let body = json!({"text": text, "model": "three-labels", "target": label, "strategies": ["substitute", "hotflip", "delete"]});
            if predicted(&server, &json!({"id": "three-labels"}), text, None)["label"] == *label {
                let problem = server.problem(PATH, body, 422);
                assert_eq!(problem["pointer"], "/target");
                assert!(problem["detail"].as_str().unwrap().contains("already"), "{problem}");
                continue;
            }
            let answer = server.ok(PATH, body);
            assert_eq!(answer["target"], json!({"label": label, "index": index}));
            check(&server, &answer, |prediction| prediction["label"] == *label);
            found += list(&answer["counterfactuals"]).len();
        }
    }
    assert!(found > 0, "some text of a random model has a counterfactual");
}

#[test]
fn both_texts_of_a_pair_may_be_changed() {
    let server = TestServer::shared();
    let body = json!({"text": "A man plays a guitar.", "text_pair": "Nobody plays music in the street.", "model": "pairs",
        "strategies": ["delete", "hotflip", "antonym"], "max_changes": 6});
    let answer = server.ok(PATH, body);
    check(&server, &answer, is_other(&answer));
    for one in list(&answer["counterfactuals"]) {
        assert!(one["text_pair"].is_string());
    }
}

#[test]
fn of_several_labels_any_other_set_will_do_or_one_that_holds() {
    let server = TestServer::shared();
    let labels = ["humour", "romance", "suspense", "violence"];
    let mut found = 0;
    for text in TEXTS {
        let asked = json!({"text": text, "model": "multi-label", "strategies": ["hotflip", "delete"]});
        let answer = server.ok(PATH, asked.clone());
        check(&server, &answer, is_other(&answer));
        for label in labels {
            let holds = |prediction: &Value| list(&prediction["labels"]).contains(&&json!(label));
            if holds(&answer["original"]["prediction"]) {
                continue;
            }
            let mut body = asked.clone();
            body["target"] = json!(label);
            let answer = server.ok(PATH, body);
            check(&server, &answer, holds);
            found += list(&answer["counterfactuals"]).len();
        }
    }
    assert!(found > 0, "some label of a random model can be won");
}
