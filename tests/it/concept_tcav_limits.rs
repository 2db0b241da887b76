//! How much classes depend on concepts, at the limits: large datasets, too few random sets, and what is wrong with a
//! question.

use serde_json::{Value, json};

use crate::concept_tcav::{dataset, learnt, rows, sentences, serving};
use crate::support::eventually;

#[test]
fn a_large_dataset_is_gone_through_by_a_job() {
    let directory = tempfile::tempdir().unwrap();
    let server = serving(&directory, &["three-labels"]);
    let (_, few) = rows(|_| Value::Null);
    let many: String = (0..9)
        .flat_map(|time| {
            sentences().map(move |text| json!({"text": format!("{text} {time}")}).to_string() + "\n")
        })
        .collect();
    let (few, many) = (dataset(&server, few), dataset(&server, many));
    learnt(&server, "players", json!({}));
    let body = json!({"concepts": ["players"], "dataset": many, "random": few, "texts": "all"});
    let first = server.post("/v1/concepts/tcav", &body);
    assert_eq!((first.status, &first.json()["endpoint"]), (202, &json!("states")), "{}", first.text());
    eventually("the job is finished", || server.post("/v1/concepts/tcav", &body).status == 200);
    let told = server.ok("/v1/concepts/tcav", body);
    assert_eq!((&told["dataset"]["rows"], &told["tests"][0]["texts"]), (&json!(1080), &json!(1080)));
    assert_eq!(server.get("/v1/jobs").json()["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn with_too_few_random_sets_nothing_is_called_significant_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let server = serving(&directory, &["three-labels"]);
    let (_, lines) = rows(|_| Value::Null);
    let id = dataset(&server, lines);
    learnt(&server, "players", json!({}));
    let body = json!({"concepts": ["players"], "dataset": id, "random": id, "texts": "all"});
    let told = server.ok("/v1/concepts/tcav", body.clone());
    // As many sets of five as 120 sentences give; three tests at 0.05 need 59.
    for test in told["tests"].as_array().unwrap() {
        assert_eq!(
            (&test["null"]["sets"], &test["significant"], &test["random_sets_needed"]),
            (&json!(24), &Value::Null, &json!(59))
        );
    }
    assert!(
        told["warnings"].as_array().unwrap().iter().any(|warning| warning["code"] == "too_few_random_sets")
    );
    let mut generous = body;
    generous["alpha"] = json!(0.2);
    let told = server.ok("/v1/concepts/tcav", generous);
    for test in told["tests"].as_array().unwrap() {
        assert!(test["significant"].is_boolean() && test["random_sets_needed"].is_null(), "{test}");
    }
}

#[test]
fn what_is_wrong_with_a_question_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let server = serving(&directory, &["three-labels", "regression"]);
    let (_, lines) = rows(|_| Value::Null);
    let id = dataset(&server, lines);
    let small =
        dataset(&server, sentences().take(9).map(|text| json!({"text": text}).to_string() + "\n").collect());
    learnt(&server, "players", json!({}));
    let none = "0".repeat(64);
    for (more, pointer) in [
        (json!({"concepts": null}), "/concepts"),
        (json!({"concepts": []}), "/concepts"),
        (json!({"concepts": vec!["players"; 21]}), "/concepts"),
        (json!({"concepts": ["players", "players@1"]}), "/concepts/1"),
        (json!({"concepts": ["players", "nothing"]}), "/concepts/1"),
        (json!({"concepts": ["players@2"]}), "/concepts/0"),
        (json!({"concepts": ["players@x"]}), "/concepts/0"),
        (json!({"concepts": "players"}), "/concepts"),
        (json!({"model": "x"}), "/model"),
        (json!({"layers": []}), "/layers"),
        (json!({"layers": [4]}), "/layers/0"),
        (json!({"layers": [1, 1]}), "/layers/1"),
        (json!({"layers": [-1]}), "/layers/0"),
        (json!({"classes": []}), "/classes"),
        (json!({"classes": ["negative", "mixed"]}), "/classes/1"),
        (json!({"classes": [3]}), "/classes/0"),
        (json!({"classes": [1.5]}), "/classes/0"),
        (json!({"classes": ["negative", 0]}), "/classes/1"),
        (json!({"texts": "x"}), "/texts"),
        (json!({"texts": "labelled"}), "/texts"),
        (json!({"dataset": "x"}), "/dataset"),
        (json!({"dataset": none}), "/dataset"),
        (json!({"random": "x"}), "/random"),
        (json!({"random": none}), "/random"),
        (json!({"random": small}), "/random"),
        (json!({"random_sets": 18}), "/random_sets"),
        (json!({"random_sets": 1001}), "/random_sets"),
        (json!({"random_sets": 25}), "/random_sets"),
        (json!({"alpha": 0}), "/alpha"),
        (json!({"alpha": 0.6}), "/alpha"),
        (json!({"repeats": 1}), "/repeats"),
        (json!({"repeats": 101}), "/repeats"),
        (json!({"seed": -1}), "/seed"),
        (json!({"truncate": "x"}), "/truncate"),
        (json!({"text": "the film is good"}), "/text"),
    ] {
        let mut body = json!({"concepts": ["players"], "dataset": id, "random": id});
        more.as_object().unwrap().iter().for_each(|(field, value)| body[field] = value.clone());
        let problem = server.problem("/v1/concepts/tcav", body.clone(), 422);
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    let of_another = json!({"concepts": ["players"], "model": "regression", "dataset": id, "random": id});
    let problem = server.problem("/v1/concepts/tcav", of_another, 409);
    assert_eq!(problem["pointer"], "/concepts/0", "{problem}");
}
