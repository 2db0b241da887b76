//! Summaries and comparisons through a server that listens: the figures are those that a reader of the results finds.

use std::collections::BTreeMap;

use explaind::config::Database;
use serde_json::{Value, json};

use crate::datasets::{JSON_LINES, on_file, upload};
use crate::jobs::{JSON, finished, order, ordered};
use crate::support::eventually;
use crate::support::server::{Settings, TestServer};

/// Rows with labels and metadata: words come again in other cases and texts, and the last is too long.
fn rows() -> String {
    let texts = [
        "the film is good",
        "The Film is bad",
        "a good film , a good plot",
        "bad bad BAD film",
        "the plot is a film",
        "good , bad and the film",
        "is the film good ?",
        "a plot",
    ];
    let labels = ["positive", "negative", "2", "0", "neutral", "1", "unheard", "positive"];
    let each = texts.iter().zip(labels).enumerate().map(|(row, (text, label))| {
        let metadata = if row == 7 { json!({}) } else { json!({"year": 2000 + row % 2}) };
        json!({"text": text, "label": label, "metadata": metadata}).to_string() + "\n"
    });
    let long = json!({"text": "good ".repeat(2000), "label": "positive", "metadata": {"year": 2000}});
    each.chain([long.to_string() + "\n"]).collect()
}

/// A finished job about these rows, by its id.
fn job(server: &TestServer, endpoint: &str, request: &Value) -> String {
    let first = json!({"endpoint": endpoint, "request": request}).to_string() + "\n";
    let place = ordered(server, JSON_LINES, first + &rows());
    finished(server, &place);
    place.trim_start_matches("/v1/jobs/").to_owned()
}

/// The answers of a job, by row; null for those that failed.
fn answers(server: &TestServer, job: &str) -> Vec<Value> {
    let results = server.get(&format!("/v1/jobs/{job}/results")).text();
    results.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["answer"].clone()).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(number).collect()
}

/// Logits are in single precision.
fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-6 * one.abs().max(1.0)
}

fn margin(answer: &Value) -> f64 {
    let mut logits = numbers(&answer["prediction"]["logits"]);
    logits.sort_by(|a, b| b.total_cmp(a));
    logits[0] - logits[1]
}

/// The scores of each word in each text, for one class.
fn pushes(answers: &[Value], class: usize) -> BTreeMap<String, Vec<(u64, f64)>> {
    let mut pushes: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
    for (row, answer) in answers.iter().enumerate().filter(|(_, answer)| !answer.is_null()) {
        let scores = numbers(&answer["explanations"][class]["scores"]);
        for (word, score) in answer["words"].as_array().unwrap().iter().zip(scores) {
            let word = word["text"].as_str().unwrap().to_lowercase();
            pushes.entry(word).or_default().push((row as u64, score));
        }
    }
    pushes
}

#[test]
fn a_summary_tells_what_the_results_hold() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let id = job(&server, "explain", &json!({"methods": ["saliency"], "target": "all"}));
    let answers = answers(&server, &id);
    let body = json!({"job": id, "minimum_texts": 2, "top": 1000, "least_sure": 3});
    let summary = server.ok("/v1/summaries", body);
    assert_eq!((&summary["of"]["job"], &summary["method"]), (&json!(id), &json!("saliency")));
    assert_eq!((&summary["groups"], &summary["whole"]["heads"]), (&Value::Null, &Value::Null));
    let whole = &summary["whole"];
    assert_eq!((&whole["rows"], &whole["failed"]), (&json!(9), &json!(1)));
    for class in 0..3 {
        let told = &whole["words"][class];
        assert_eq!(told["target"]["index"], class);
        let expected = pushes(&answers, class);
        assert_eq!(told["different"], expected.len());
        let texts = |scores: &[(u64, f64)]| {
            scores.iter().map(|(row, _)| *row).collect::<std::collections::BTreeSet<u64>>().len()
        };
        let enough = expected.values().filter(|scores| texts(scores) >= 2).count();
        let words = told["words"].as_array().unwrap();
        assert_eq!((&told["in_enough_texts"], words.len()), (&json!(enough), enough));
        let sizes: Vec<f64> = words.iter().map(|word| number(&word["mean"]).abs()).collect();
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
        for word in words {
            let scores = &expected[word["word"].as_str().unwrap()];
            let count = scores.len() as f64;
            let mean = scores.iter().map(|(_, score)| score).sum::<f64>() / count;
            let squares: f64 = scores.iter().map(|(_, score)| (score - mean).powi(2)).sum();
            assert_eq!((&word["count"], &word["texts"]), (&json!(scores.len()), &json!(texts(scores))));
            assert!(close(number(&word["mean"]), mean), "{word}");
            assert!(close(number(&word["standard_deviation"]), (squares / (count - 1.0)).sqrt()), "{word}");
            let (low, high) = (number(&word["interval"]["low"]), number(&word["interval"]["high"]));
            let least = scores.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
            let most = scores.iter().map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
            assert!(least - 1e-9 <= low && low <= mean + 1e-9, "{word}");
            assert!(mean - 1e-9 <= high && high <= most + 1e-9, "{word}");
            let largest = scores.iter().map(|(_, score)| score.abs()).fold(0.0, f64::max);
            assert!(close(number(&word["examples"][0]["score"]).abs(), largest), "{word}");
        }
    }
    let answered: Vec<&Value> = answers.iter().filter(|answer| !answer.is_null()).collect();
    let predictions = &whole["predictions"];
    for label in predictions["labels"].as_array().unwrap() {
        let rows = answered.iter().filter(|answer| answer["prediction"]["label"] == label["label"]).count();
        assert_eq!(label["rows"], rows);
    }
    let margins: Vec<f64> = answered.iter().map(|answer| margin(answer)).collect();
    assert!(close(number(&predictions["mean_margin"]), margins.iter().sum::<f64>() / 8.0));
    let meant = ["positive", "negative", "positive", "negative", "neutral", "neutral", "", "positive"];
    let right = answered.iter().zip(meant).filter(|(answer, label)| answer["prediction"]["label"] == *label);
    let agreement = &predictions["agreement"];
    assert_eq!(
        (&agreement["accuracy"]["count"], &agreement["accuracy"]["of"]),
        (&json!(right.count()), &json!(7))
    );
    assert_eq!(agreement["unknown_labels"], 1);
    let mut sorted = margins.clone();
    sorted.sort_by(f64::total_cmp);
    let least = whole["least_sure"].as_array().unwrap();
    assert_eq!(least.len(), 3);
    for (told, expected) in least.iter().zip(sorted) {
        let row = told["row"].as_u64().unwrap() as usize;
        assert!(close(number(&told["margin"]), expected) && close(margins[row], expected), "{told}");
        assert_eq!(told["labels"], json!([answers[row]["prediction"]["label"]]));
    }
}

#[test]
fn groups_are_the_values_of_a_column() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let id = job(&server, "explain", &json!({"methods": ["saliency"]}));
    let summary = server.ok("/v1/summaries", json!({"job": id, "group_by": "year", "minimum_texts": 1}));
    assert_eq!(summary["groups"]["column"], "year");
    let values = summary["groups"]["values"].as_array().unwrap();
    let told: Vec<(&Value, u64, u64)> = values
        .iter()
        .map(|group| {
            let count = |name: &str| group["summary"][name].as_u64().unwrap();
            (&group["value"], count("rows"), count("failed"))
        })
        .collect();
    assert_eq!(told, [(&json!(2000), 5, 1), (&json!(2001), 3, 0), (&Value::Null, 1, 0)]);
    let problem = server.problem("/v1/summaries", json!({"job": id, "group_by": "month"}), 422);
    assert_eq!(problem["pointer"], "/group_by");
    assert!(problem["remedy"].as_str().unwrap().contains("year"), "{problem}");
    let first = json!({"endpoint": "predict"}).to_string() + "\n";
    let many: String =
        (0..51).map(|row| json!({"text": "good", "metadata": {"n": row}}).to_string() + "\n").collect();
    let place = ordered(&server, JSON_LINES, first + &many);
    finished(&server, &place);
    let many = place.trim_start_matches("/v1/jobs/");
    let problem = server.problem("/v1/summaries", json!({"job": many, "group_by": "n"}), 422);
    assert_eq!(problem["pointer"], "/group_by");
}

#[test]
fn heads_have_the_means_of_their_statistics() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let id = job(&server, "attention", &json!({"layers": [2, 0], "heads": [1]}));
    let answers = answers(&server, &id);
    let summary = server.ok("/v1/summaries", json!({"job": id}));
    assert_eq!((&summary["method"], &summary["whole"]["words"]), (&Value::Null, &json!([])));
    let heads = summary["whole"]["heads"].as_array().unwrap();
    let places: Vec<[&Value; 2]> = heads.iter().map(|head| [&head["layer"], &head["head"]]).collect();
    assert_eq!(places, [[&json!(0), &json!(1)], [&json!(2), &json!(1)]]);
    for (head, place) in heads.iter().zip([1, 0]) {
        for name in ["entropy", "entropy_normalized", "entropy_sum", "quality", "special_token_mass"] {
            let each = answers.iter().filter(|answer| !answer.is_null());
            let all: Vec<f64> =
                each.map(|answer| number(&answer["attention"]["statistics"][place][0][name])).collect();
            assert_eq!(head["texts"], all.len());
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            assert!(close(number(&head[name]["mean"]), mean), "{name} of {head}");
            let interval = &head[name]["interval"];
            assert!(number(&interval["low"]) <= mean + 1e-9 && mean <= number(&interval["high"]) + 1e-9);
        }
    }
}

#[test]
fn a_wish_about_a_dataset_is_one_job_and_equal_wishes_have_equal_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let dataset = upload(&server, "", JSON_LINES, rows()).json()["id"].clone();
    let wish = json!({"dataset": dataset, "endpoint": "explain", "request": {"methods": ["saliency"]}});
    let first = server.post("/v1/summaries", &wish);
    assert_eq!(first.status, 202, "{}", first.text());
    let place = first.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(place, format!("/v1/jobs/{}", first.json()["id"].as_str().unwrap()));
    eventually("the summary is there", || server.post("/v1/summaries", &wish).status == 200);
    let told = server.post("/v1/summaries", &wish);
    assert_eq!(told.json()["of"]["job"], first.json()["id"]);
    let tag = told.headers["etag"].to_str().unwrap();
    assert_eq!(tag, format!("\"{}\"", blake3::hash(&told.body).to_hex()));
    let again = server.post("/v1/summaries", &json!({"job": first.json()["id"]}));
    assert_eq!((again.status, &again.body, &again.headers["etag"]), (200, &told.body, &told.headers["etag"]));
    let other = server.post("/v1/summaries", &json!({"job": first.json()["id"], "seed": 1}));
    assert_ne!(other.body, told.body);
    assert_eq!(server.get("/v1/jobs").json()["jobs"].as_array().unwrap().len(), 1);
    // Members of the examples are those of real ones.
    let shown: Value = serde_json::from_str(include_str!("../../openapi/examples/summary.json")).unwrap();
    same_members(&shown, &told.json());
}

/// Objects have the same members, as deep as both have objects.
fn same_members(shown: &Value, real: &Value) {
    let (Some(shown), Some(real)) = (shown.as_object(), real.as_object()) else {
        if let (Some(shown), Some(real)) = (shown.get(0), real.get(0)) {
            same_members(shown, real);
        }
        return;
    };
    let names = |members: &serde_json::Map<String, Value>| members.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(shown), names(real));
    shown.iter().for_each(|(name, shown)| same_members(shown, &real[name]));
}

#[test]
fn two_jobs_are_compared_row_by_row_and_word_by_word() {
    let directory = tempfile::tempdir().unwrap();
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    let server =
        Settings { models: vec!["three-labels", "one-type-id"], database, ..Settings::default() }.start();
    let random = |seed: u64| job(&server, "explain", &json!({"methods": ["random"], "seed": seed}));
    let (first, second) = (random(0), random(1));
    let ask = |a: &str, b: &str| json!({"a": {"job": a}, "b": {"job": b}, "minimum_texts": 2});
    let told = server.ok("/v1/comparisons", ask(&first, &second));
    let comparison = &told["comparison"];
    assert_eq!((&told["method"], &comparison["flips"]["share"]["count"]), (&json!("random"), &json!(0)));
    assert_eq!((&comparison["flips"]["share"]["of"], &comparison["accuracy_drop"]), (&json!(8), &json!(0.0)));
    let words = &comparison["words"][0];
    assert_eq!(words["label"], Value::Null);
    let means = [&first, &second].map(|job| {
        let pushes = pushes(&answers(&server, job), 0);
        pushes
            .into_iter()
            .map(|(word, scores)| {
                let sum: f64 = scores.iter().map(|(_, score)| score).sum();
                (word, sum / scores.len() as f64)
            })
            .collect::<BTreeMap<String, f64>>()
    });
    for word in words["changed"].as_array().unwrap() {
        let name = word["word"].as_str().unwrap();
        assert!(
            close(number(&word["a"]), means[0][name]) && close(number(&word["b"]), means[1][name]),
            "{word}"
        );
        assert!(close(number(&word["difference"]), means[1][name] - means[0][name]), "{word}");
    }
    let mut grouped = ask(&first, &second);
    grouped["group_by"] = json!("year");
    let groups = server.ok("/v1/comparisons", grouped)["groups"].clone();
    assert_eq!(groups["column"], "year");
    let of: Vec<[&Value; 2]> = groups["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| [&group["value"], &group["comparison"]["flips"]["share"]["of"]])
        .collect();
    assert_eq!(of, [[&json!(2000), &json!(4)], [&json!(2001), &json!(3)], [&Value::Null, &json!(1)]]);
    let back = server.ok("/v1/comparisons", ask(&second, &first));
    assert_eq!(back["comparison"]["words"][0]["spearman"], words["spearman"]);
    let itself = server.ok("/v1/comparisons", ask(&first, &first));
    assert!(close(number(&itself["comparison"]["words"][0]["kendall"]), 1.0), "{itself}");
    // Another model, with other labels: no class is the same, and every row has another label.
    let other = job(&server, "explain", &json!({"methods": ["saliency"], "model": "one-type-id"}));
    let same = job(&server, "explain", &json!({"methods": ["saliency"]}));
    let told = server.ok("/v1/comparisons", ask(&same, &other));
    assert_eq!(told["comparison"]["words"], json!([]));
    let flips = &told["comparison"]["flips"];
    assert_eq!((&flips["share"]["count"], flips["rows"].as_array().unwrap().len()), (&json!(8), 8));
    let shown: Value = serde_json::from_str(include_str!("../../openapi/examples/comparison.json")).unwrap();
    same_members(&shown, &itself);
}

#[test]
fn what_is_wrong_with_a_wish_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let id = job(&server, "explain", &json!({"methods": ["saliency"]}));
    let predicted = job(&server, "predict", &json!({}));
    let unknown = "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64";
    for (body, pointer) in [
        (json!({}), "/job"),
        (json!({"job": "x"}), "/job"),
        (json!({"job": unknown}), "/job"),
        (json!({"job": id, "dataset": "x"}), "/dataset"),
        (json!({"job": id, "endpoint": "explain"}), "/endpoint"),
        (json!({"job": id, "request": {}}), "/request"),
        (json!({"dataset": "x", "endpoint": "explain"}), "/dataset"),
        (json!({"dataset": "0".repeat(64), "endpoint": "explain"}), "/dataset"),
        (json!({"dataset": "0".repeat(64)}), "/endpoint"),
        (
            json!({"dataset": "0".repeat(64), "endpoint": "explain", "request": {"text": "a"}}),
            "/request/text",
        ),
        (json!({"job": id, "method": "random"}), "/method"),
        (json!({"job": predicted, "method": "saliency"}), "/method"),
        (json!({"job": id, "group_by": "x"}), "/group_by"),
        (json!({"job": id, "top": 0}), "/top"),
        (json!({"job": id, "top": 1001}), "/top"),
        (json!({"job": id, "minimum_texts": 0}), "/minimum_texts"),
        (json!({"job": id, "least_sure": 0}), "/least_sure"),
        (json!({"job": id, "resamples": 99}), "/resamples"),
        (json!({"job": id, "resamples": 10_001}), "/resamples"),
        (json!({"job": id, "seed": -1}), "/seed"),
        (json!({"job": id, "tops": 1}), "/tops"),
    ] {
        let problem = server.problem("/v1/summaries", body.clone(), 422);
        assert_eq!(
            (&problem["type"], &problem["pointer"]),
            (&json!("urn:explaind:problem:invalid-field"), &json!(pointer)),
            "{body}: {problem}"
        );
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    for (body, pointer) in [
        (json!({"b": {"job": id}}), "/a"),
        (json!({"a": {"job": id}}), "/b"),
        (json!({"a": {}, "b": {"job": id}}), "/a/job"),
        (json!({"a": {"job": id}, "b": {"job": unknown}}), "/b/job"),
        (json!({"a": {"job": id}, "b": {"job": predicted}, "method": "saliency"}), "/method"),
        (json!({"a": {"job": id}, "b": {"job": id}, "least_sure": 1}), "/least_sure"),
        (json!({"a": {"job": id}, "b": {"job": id}, "group_by": "x"}), "/group_by"),
    ] {
        let problem = server.problem("/v1/comparisons", body.clone(), 422);
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
    }
    // One that explains and one that does not have no words to compare, and labels all the same.
    let told = server.ok("/v1/comparisons", json!({"a": {"job": id}, "b": {"job": predicted}}));
    assert_eq!((&told["method"], &told["comparison"]["words"]), (&Value::Null, &json!([])));
    assert_eq!(told["comparison"]["flips"]["share"]["count"], 0);
}

#[test]
fn there_is_no_summary_of_a_job_that_has_not_ended() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let request = json!({"options": {"integrated_gradients": {"steps": 500}}});
    let first = json!({"endpoint": "explain", "request": request}).to_string() + "\n";
    let body = first + &"{\"text\": \"a film that goes on and on\"}\n".repeat(20_000);
    let place = ordered(&server, JSON_LINES, body);
    let id = place.trim_start_matches("/v1/jobs/");
    let told = |path: &str, body: Value, pointer: &str| {
        let problem = server.problem(path, body, 409);
        assert_eq!(problem["type"], "urn:explaind:problem:job-not-finished");
        assert_eq!(problem["pointer"], pointer);
        problem["detail"].as_str().unwrap().to_owned()
    };
    told("/v1/summaries", json!({"job": id}), "/job");
    told("/v1/comparisons", json!({"a": {"job": id}, "b": {"job": id}}), "/a/job");
    server.request("DELETE", &place).send().unwrap();
    assert!(told("/v1/summaries", json!({"job": id}), "/job").contains("cancelled"));
}

#[test]
fn without_its_dataset_a_summary_has_no_labels() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let id = job(&server, "predict", &json!({}));
    let dataset = server.get(&format!("/v1/jobs/{id}")).json()["dataset"].as_str().unwrap().to_owned();
    let deleted = server.request("DELETE", &format!("/v1/datasets/{dataset}")).send().unwrap();
    assert_eq!(deleted.status(), 204);
    let summary = server.ok("/v1/summaries", json!({"job": id}));
    assert_eq!(summary["whole"]["rows"], 9);
    assert_eq!(summary["whole"]["predictions"]["agreement"], Value::Null);
    let problem = server.problem("/v1/summaries", json!({"job": id, "group_by": "year"}), 422);
    assert_eq!(problem["pointer"], "/group_by");
}

#[test]
fn without_a_database_there_is_no_summary() {
    let memory =
        Settings { models: vec!["three-labels"], database: Some(Database::Memory), ..Settings::default() };
    let server = memory.start();
    let bundled = server.get("/v1/datasets").json()["datasets"][0]["id"].clone();
    let wish = json!({"dataset": bundled, "endpoint": "predict"});
    assert_eq!(server.problem("/v1/summaries", wish, 409)["type"], "urn:explaind:problem:no-database");
    assert_eq!(
        order(&server, JSON, None, json!({"endpoint": "predict", "dataset": bundled}).to_string()).status,
        409
    );
}
