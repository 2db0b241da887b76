//! Altered networks through a server that listens: a concept is erased or pushed, and whatever is asked is answered about
//! the network without it, or with more of it.

use explaind::config::Database;
use explaind::job::{Desk, NoQuestion};
use explaind::metrics::Metrics;
use explaind::model::{HiddenEdit, Intervention, Text};
use explaind::server::HttpDesk;
use serde_json::{Value, json};

use crate::concepts::{direction, exported, learnt};
use crate::datasets::{JSON_LINES, on_file};
use crate::jobs::{finished, ordered};
use crate::support::golden::load;
use crate::support::server::{Settings, TestServer};

const TEXT: &str = "a funny film";

fn floats(list: &Value) -> Vec<f32> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn rows(list: &Value) -> Vec<Vec<f32>> {
    list.as_array().unwrap().iter().map(floats).collect()
}

fn predicted(server: &TestServer, interventions: &Value) -> Value {
    server.ok("/v1/predict", json!({"text": TEXT, "interventions": interventions}))
}

/// What the tiny model says of the text when its states are edited by hand.
fn logits_by_hand(edits: Vec<(usize, HiddenEdit)>) -> Vec<f32> {
    let model = load("three-labels");
    let encoded = model.encode(Text { first: TEXT, second: None }, false).unwrap();
    let mut batch = model.encoder().batch(&encoded.ids, &encoded.type_ids).unwrap();
    let edits = edits.into_iter().map(|(point, edit)| Intervention::Hidden { point, edit });
    batch.sequences[0].interventions = edits.collect::<Vec<_>>().into();
    model.encoder().logits(&batch).unwrap()[0].clone()
}

fn assert_logits(answer: &Value, expected: &[f32]) {
    for (told, expected) in floats(&answer["prediction"]["logits"]).iter().zip(expected) {
        assert!((told - expected).abs() < 1e-5, "{}: not {expected}", answer["prediction"]);
    }
}

/// The eraser of a method in a document of a concept.
fn eraser(document: &Value, method: &str) -> HiddenEdit {
    let mut erasers = document["body"]["erasers"].as_array().unwrap().iter();
    let eraser = &erasers.find(|named| named["method"] == method).unwrap()["eraser"];
    HiddenEdit::Affine {
        read: rows(&eraser["read"]),
        write: rows(&eraser["write"]),
        centre: floats(&eraser["centre"]),
    }
}

#[test]
fn an_answer_about_an_altered_network_says_so_and_what_the_network_says_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let concept = learnt(&server, &json!({}));
    let plain = server.ok("/v1/predict", json!({"text": TEXT}));
    assert!(plain.get("interventions").is_none() && plain.get("prediction_without").is_none());

    let altered = predicted(&server, &json!([{"concept": "fun"}]));
    assert_eq!(
        altered["interventions"],
        json!([{
            "concept": {"name": "fun", "version": 1, "id": concept["id"]},
            "action": "erase", "method": "nullspace", "strength": null, "layer": 2
        }])
    );
    assert_eq!(altered["prediction_without"], plain["prediction"], "to the last digit");
    assert_ne!(altered["prediction"]["logits"], plain["prediction"]["logits"]);
    assert_ne!(altered["id"], plain["id"]);
    assert_eq!((&altered["tokens"], &altered["words"]), (&plain["tokens"], &plain["words"]));
    let pushed = json!([{"concept": "fun@1", "action": "push", "strength": -1.5, "layer": 1}]);
    assert_eq!(
        predicted(&server, &pushed)["interventions"],
        json!([{
            "concept": {"name": "fun", "version": 1, "id": concept["id"]},
            "action": "push", "method": null, "strength": -1.5, "layer": 1
        }])
    );
}

#[test]
fn what_is_done_to_the_states_is_what_a_reader_of_the_document_would_do() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let document = exported(&server, "fun");
    for method in ["nullspace", "inlp", "leace"] {
        let told = predicted(&server, &json!([{"concept": "fun", "method": method}]));
        assert_eq!(told["interventions"][0]["method"], method);
        assert_logits(&told, &logits_by_hand(vec![(2, eraser(&document, method))]));
    }
    let own = direction(&document);
    let vector = floats(&own["vector"]);
    let length = -1.5 * own["spread"].as_f64().unwrap();
    let push = HiddenEdit::Add(vector.iter().map(|v| (length * f64::from(*v)) as f32).collect());
    let pushed = json!({"concept": "fun", "action": "push", "strength": -1.5});
    assert_logits(&predicted(&server, &json!([pushed])), &logits_by_hand(vec![(2, push.clone())]));

    let directions = document["body"]["directions"].as_array().unwrap();
    let first = floats(&directions.iter().find(|at| at["layer"] == 1).unwrap()["direction"]["vector"]);
    let erased = json!({"concept": "fun", "layer": 1});
    let by_hand = logits_by_hand(vec![(1, HiddenEdit::Project(first)), (2, push)]);
    assert_logits(&predicted(&server, &json!([erased, pushed])), &by_hand);
}

#[test]
fn changes_act_in_the_order_in_which_they_are_sent() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let erase = json!({"concept": "fun"});
    let push = json!({"concept": "fun", "action": "push", "strength": 3.0});
    let alone = predicted(&server, &json!([erase]));
    let erased_last = predicted(&server, &json!([push, erase]));
    let pushed_last = predicted(&server, &json!([erase, push]));
    for (told, expected) in
        floats(&erased_last["prediction"]["logits"]).iter().zip(floats(&alone["prediction"]["logits"]))
    {
        assert!((told - expected).abs() < 1e-4, "what was pushed is erased: {erased_last}");
    }
    assert_ne!(pushed_last["prediction"]["logits"], alone["prediction"]["logits"]);
    let twice = predicted(&server, &json!([push, push]));
    let once = predicted(&server, &json!([{"concept": "fun", "action": "push", "strength": 6.0}]));
    for (told, expected) in
        floats(&twice["prediction"]["logits"]).iter().zip(floats(&once["prediction"]["logits"]))
    {
        assert!((told - expected).abs() < 1e-4, "two pushes are one as long as both");
    }
}

#[test]
fn what_is_explained_is_the_altered_network() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let interventions = json!([{"concept": "fun", "method": "leace"}]);
    let methods = json!(["integrated_gradients", "saliency", "deep_lift"]);
    let explained = |interventions: &Value| {
        let body = json!({"text": TEXT, "methods": methods, "target": 0, "interventions": interventions});
        server.ok("/v1/explain", body)
    };
    let (plain, altered) = (explained(&Value::Null), explained(&interventions));
    let prediction = predicted(&server, &interventions);
    for field in ["prediction", "prediction_without", "interventions"] {
        assert_eq!(altered[field], prediction[field], "{field}");
    }
    let (before, after) = (&plain["explanations"], &altered["explanations"]);
    for place in 0..3 {
        assert_ne!(before[place]["scores"], after[place]["scores"], "{}", methods[place]);
    }
    let sums = &after[0]["convergence"];
    let (output, logit) = (sums["target_output"].as_f64(), altered["prediction"]["logits"][0].as_f64());
    assert!((output.unwrap() - logit.unwrap()).abs() < 1e-5, "{sums}");
    assert_eq!(sums["converged"], true, "scores add up to the change of the altered output: {sums}");
}

#[test]
fn attention_below_the_edited_state_stays_and_above_it_is_that_of_the_altered_network() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let looked = |body: Value| server.ok("/v1/attention", body);
    let plain = looked(json!({"text": TEXT}));
    let altered = looked(json!({"text": TEXT, "interventions": [{"concept": "fun"}]}));
    let weights = |answer: &Value, layer: usize| answer["attention"]["weights"][layer].clone();
    assert_eq!([weights(&plain, 0), weights(&plain, 1)], [weights(&altered, 0), weights(&altered, 1)]);
    assert_ne!(weights(&plain, 2), weights(&altered, 2), "the layer that reads hidden state 2");
    assert_eq!(altered["prediction_without"], plain["prediction"]);
}

#[test]
fn windows_are_all_altered_alike() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let text = "the film is funny and the story is long ".repeat(12);
    let asked = |interventions: Value| {
        let windows = json!({"size": 20, "overlap": 4});
        server.ok("/v1/predict", json!({"text": text, "windows": windows, "interventions": interventions}))
    };
    let (plain, altered) = (asked(Value::Null), asked(json!([{"concept": "fun"}])));
    assert_eq!(altered["prediction_without"], plain["prediction"]);
    let windows = |answer: &Value| answer["windows"]["windows"].as_array().unwrap().clone();
    let (before, after) = (windows(&plain), windows(&altered));
    assert!(before.len() > 2 && before.len() == after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before["first_token"], after["first_token"]);
        assert_ne!(before["logits"], after["logits"]);
    }
}

#[test]
fn an_answer_about_an_altered_network_is_kept_given_again_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let body = json!({"text": TEXT, "methods": ["saliency"], "interventions": [{"concept": "fun"}]});
    let mut dry = body.clone();
    dry["dry_run"] = json!(true);
    let foreseen = &server.ok("/v1/explain", dry)["results"][0];
    assert_eq!(foreseen["forwards"], json!({"expected": 2, "most": 2}), "one as it is");
    let first = server.post("/v1/explain", &body);
    let spelt = json!({"text": TEXT, "methods": ["saliency"],
        "interventions": [{"concept": "fun@1", "action": "erase", "method": "nullspace", "layer": 2}]});
    let again = server.post("/v1/explain", &spelt);
    assert_eq!(again.headers["cache-status"], "explaind; hit; detail=memory");
    let location = first.headers["content-location"].to_str().unwrap();
    assert_eq!((&again.body, &server.get(location).body), (&first.body, &first.body));
    for accept in ["image/svg+xml", "text/html"] {
        let drawn = server.request("GET", location).header("accept", accept).send().unwrap().text().unwrap();
        assert!(drawn.contains("Altered network: fun@1 erased by nullspace at layer 2."), "{drawn}");
        if accept == "image/svg+xml" {
            roxmltree::Document::parse(&drawn).unwrap();
        }
    }
    let many = server.ok("/v1/predict", json!({"texts": [TEXT, " "], "interventions": [{"concept": "fun"}]}));
    assert_eq!(many["results"][0]["interventions"], first.json()["interventions"]);
    assert_eq!(many["results"][1]["error"]["pointer"], "/texts/1");
}

#[test]
fn an_alteration_that_is_none_is_refused_by_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let push = |strength: Value| json!([{"concept": "fun", "action": "push", "strength": strength}]);
    let wrong = [
        (json!([]), "/interventions"),
        (json!({"concept": "fun"}), "/interventions"),
        (json!(vec![json!({"concept": "fun"}); 17]), "/interventions"),
        (json!(["fun"]), "/interventions/0"),
        (json!([["fun"]]), "/interventions/0"),
        (json!([{"concept": "fun"}, {}]), "/interventions/1/concept"),
        (json!([{"concept": "joke"}]), "/interventions/0/concept"),
        (json!([{"concept": "fun@2"}]), "/interventions/0/concept"),
        (json!([{"concept": "fun@"}]), "/interventions/0/concept"),
        (json!([{"concept": 1}]), "/interventions/0/concept"),
        (json!([{"concept": "fun", "colour": "red"}]), "/interventions/0/colour"),
        (json!([{"concept": "fun", "action": "pull"}]), "/interventions/0/action"),
        (json!([{"concept": "fun", "method": "magic"}]), "/interventions/0/method"),
        (json!([{"concept": "fun", "layer": 4}]), "/interventions/0/layer"),
        (json!([{"concept": "fun", "layer": -1}]), "/interventions/0/layer"),
        (json!([{"concept": "fun", "method": "leace", "layer": 1}]), "/interventions/0/layer"),
        (json!([{"concept": "fun", "strength": 1}]), "/interventions/0/strength"),
        (push(Value::Null), "/interventions/0/strength"),
        (push(json!(100.5)), "/interventions/0/strength"),
        (push(json!("1")), "/interventions/0/strength"),
        (
            json!([{"concept": "fun", "action": "push", "strength": 1, "method": "leace"}]),
            "/interventions/0/method",
        ),
    ];
    for (interventions, pointer) in wrong {
        for path in ["/v1/explain", "/v1/predict", "/v1/attention"] {
            let body = json!({"text": TEXT, "interventions": interventions});
            let problem = server.problem(path, body, 422);
            assert_eq!(problem["pointer"], pointer, "{path} {interventions}: {problem}");
            assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
        }
    }
    for (path, field, value, pointer) in [
        ("/v1/explain", "methods", json!(["saliency", "value_zeroing"]), "/methods/1"),
        ("/v1/attention", "include", json!(["norms"]), "/include/0"),
    ] {
        let body = json!({"text": TEXT, "interventions": [{"concept": "fun"}], field: value});
        assert_eq!(server.problem(path, body, 422)["pointer"], pointer);
    }
}

#[test]
fn a_concept_of_another_model_alters_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().join("x.db"));
    let models = vec!["three-labels", "multi-label"];
    let server = Settings { models, ..Settings::tiny_on(database) }.start();
    learnt(&server, &json!({}));
    let body = json!({"text": TEXT, "model": "multi-label", "interventions": [{"concept": "fun"}]});
    let problem = server.problem("/v1/predict", body, 409);
    assert_eq!(problem["type"], "urn:explaind:problem:concept-of-another-model");
    assert_eq!(problem["pointer"], "/interventions/0/concept");
}

#[test]
fn a_job_keeps_the_version_of_a_concept_that_was_the_newest_when_it_was_ordered() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let first = json!({"endpoint": "predict", "request": {"interventions": [{"concept": "fun"}]}});
    let rows = format!("{first}\n{}\n", json!({"text": TEXT}));
    let place = ordered(&server, JSON_LINES, rows);
    learnt(&server, &json!({"seed": 1}));
    let job = finished(&server, &place);
    assert_eq!(job["request"]["interventions"], json!([{"concept": "fun@1"}]));
    let results = server.get(&format!("{place}/results")).text();
    let line: Value = serde_json::from_str(results.lines().next().unwrap()).unwrap();
    assert_eq!(line["answer"], predicted(&server, &json!([{"concept": "fun@1"}])));

    let body = json!({"endpoint": "predict", "dataset": job["dataset"],
        "request": {"interventions": [{"concept": "joke"}]}});
    let problem = server.problem("/v1/jobs", body, 422);
    assert_eq!(problem["pointer"], "/request/interventions/0/concept");
}

#[test]
fn a_row_whose_concept_was_deleted_has_that_for_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let settings = Settings::tiny(&path);
    server.runtime.block_on(async {
        let engine = settings.engine(std::sync::Arc::new(Metrics::default())).await;
        let request = br#"{"interventions": [{"concept": "fun@1"}]}"#;
        assert!(HttpDesk.question(&engine, "predict", request).await.is_ok());
        let deleted = explaind::concept::Concepts::of(&engine).delete("fun", None).await;
        assert!(matches!(deleted, Ok(true)), "{deleted:?}");
        let Err(NoQuestion::Invalid(problem)) = HttpDesk.question(&engine, "predict", request).await else {
            panic!("a concept that is gone is still asked about");
        };
        let problem: Value = serde_json::from_slice(&problem).unwrap();
        assert_eq!(problem["pointer"], "/request/interventions/0/concept");
    });
}
