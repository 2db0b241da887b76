//! Which method to believe, through a server that listens: the leaderboard is what a reader of the results works out.

use explaind::config::Database;
use serde_json::{Value, json};

use crate::datasets::{JSON_LINES, on_file, upload};
use crate::jobs::{finished, ordered};
use crate::support::eventually;
use crate::support::golden::BUNDLED;
use crate::support::server::{Settings, TestServer};

/// Short reviews: one has a label that is wrong, one a label that the model does not know, one none, and the last is a
/// single word, of which there is but one ranking.
const REVIEWS: [(&str, Option<&str>); 7] = [
    ("A gripping film.", Some("positive")),
    ("It drags.", Some("negative")),
    ("A dull, lifeless story.", Some("negative")),
    ("Warm, funny and moving.", Some("negative")),
    ("Not a bad film at all.", Some("mixed")),
    ("The plot is a mess.", None),
    ("Wonderful", Some("positive")),
];

/// Not in the order in which they will stand.
const METHODS: [&str; 3] = ["random", "saliency", "integrated_gradients"];

/// The bundled model, with a database in this directory.
fn on_the_bundled_model(directory: &tempfile::TempDir) -> TestServer {
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    Settings { models: vec![BUNDLED], database, ..Settings::default() }.start()
}

fn reviews() -> String {
    let line =
        |(text, label): &(&str, Option<&str>)| json!({"text": text, "label": label}).to_string() + "\n";
    let long = json!({"text": "good ".repeat(2000), "label": "positive"}).to_string() + "\n";
    REVIEWS.iter().map(line).chain([long]).collect()
}

fn dataset(server: &TestServer) -> Value {
    upload(server, "", JSON_LINES, reviews()).json()["id"].clone()
}

/// Asks until the job has ended, and gives the leaderboard.
fn evaluated(server: &TestServer, body: &Value) -> Value {
    eventually("there is a leaderboard", || server.post("/v1/evaluate", body).status == 200);
    server.ok("/v1/evaluate", body.clone())
}

/// The answers of a job that are no problems.
fn answers(server: &TestServer, job: &Value) -> Vec<Value> {
    let results = server.get(&format!("/v1/jobs/{}/results", job.as_str().unwrap())).text();
    let lines = results.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["answer"].clone()).filter(|answer| !answer.is_null()).collect()
}

fn explanation<'a>(answer: &'a Value, method: &str) -> &'a Value {
    let mut explanations = answer["explanations"].as_array().unwrap().iter();
    explanations.find(|explanation| explanation["method"] == method).unwrap()
}

fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

fn assert_mean(told: &Value, numbers: &[f64], rows: usize) {
    assert_eq!((&told["rows"], &told["missing"]), (&json!(numbers.len()), &json!(rows - numbers.len())));
    match mean(numbers) {
        None => assert_eq!((&told["mean"], &told["interval"]), (&Value::Null, &Value::Null)),
        Some(mean) => {
            assert!((told["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{told} is not {mean}");
            assert_eq!(told["interval"].is_null(), numbers.len() < 2, "{told}");
            if numbers.len() > 1 {
                let [low, high] = ["low", "high"].map(|end| told["interval"][end].as_f64().unwrap());
                assert!(low <= mean + 1e-9 && mean <= high + 1e-9, "{told}");
            }
        }
    }
}

#[test]
fn the_leaderboard_is_what_a_reader_of_the_results_works_out() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_the_bundled_model(&directory);
    let told = evaluated(&server, &json!({"dataset": dataset(&server), "methods": METHODS}));
    assert_eq!(told["options"], json!({"resamples": 1000, "seed": 0}));
    let answers = answers(&server, &told["of"]["job"]);
    let evaluation = &told["evaluation"];
    assert_eq!((&evaluation["rows"], &evaluation["failed"]), (&json!(8), &json!(1)));
    assert_eq!(answers.len(), 7);
    let board = evaluation["leaderboard"].as_array().unwrap();
    let mut named: Vec<&str> = board.iter().map(|method| method["method"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["integrated_gradients", "random", "saliency"]);
    for method in board {
        let id = method["method"].as_str().unwrap();
        assert_eq!(method["rows"], 7);
        let defined = |figure: &str| -> Vec<f64> {
            answers.iter().filter_map(|answer| explanation(answer, id)["quality"][figure].as_f64()).collect()
        };
        for figure in [
            "comprehensiveness",
            "sufficiency",
            "log_odds_drop",
            "leave_one_out_correlation",
            "better_than_random_by",
            "infidelity",
            "max_sensitivity",
        ] {
            assert_mean(&method[figure], &defined(figure), 7);
        }
        // The single word has no ranking that is better than another.
        assert_eq!(method["better_than_random_by"]["missing"], 1);
        let better = defined("better_than_random_by").iter().filter(|figure| **figure > 0.0).count();
        let share = &method["better_than_random"];
        assert_eq!((&share["count"], &share["of"]), (&json!(better), &json!(6)));
        let where_it = |is_right: bool| -> Vec<f64> {
            let known = answers.iter().zip(REVIEWS).filter(|(answer, (_, label))| {
                let is_known = label.is_some_and(|label| label != "mixed");
                is_known && (answer["prediction"]["label"] == json!(label)) == is_right
            });
            known
                .filter_map(|(answer, _)| explanation(answer, id)["quality"]["comprehensiveness"].as_f64())
                .collect()
        };
        let split = &method["comprehensiveness_by_prediction"];
        assert_mean(&split["right"], &where_it(true), where_it(true).len());
        assert_mean(&split["wrong"], &where_it(false), where_it(false).len());
        assert!(!where_it(false).is_empty(), "no label is wrong");
        let counted = |name: &str| -> Vec<f64> {
            let each = answers.iter().map(|answer| &explanation(answer, id)["convergence"]);
            each.filter(|convergence| !convergence.is_null())
                .map(|convergence| convergence[name].as_f64().unwrap_or_default())
                .collect()
        };
        let cost = &method["cost"];
        assert_eq!(cost["counted"]["gradients"].as_f64(), mean(&counted("gradients")), "{cost}");
        assert_eq!(cost["counted"]["forwards"].as_f64(), mean(&counted("forwards")), "{cost}");
        let passes = ["forwards", "backwards"].map(|name| cost["expected"][name].as_f64().unwrap());
        match id {
            "random" => assert_eq!(passes, [0.0, 0.0]),
            "saliency" => assert!(passes[1] >= 1.0 && passes[1] < 3.0, "{cost}"),
            _ => assert!(passes[1] > 3.0, "{cost}"),
        }
    }
    let accuracy = &evaluation["predictions"]["agreement"];
    assert_eq!((&accuracy["accuracy"]["of"], &accuracy["unknown_labels"]), (&json!(5), &json!(1)));
}

#[test]
fn the_most_comprehensive_method_is_first_and_chance_is_last() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_the_bundled_model(&directory);
    let told = evaluated(&server, &json!({"dataset": dataset(&server), "methods": METHODS}));
    let board = told["evaluation"]["leaderboard"].as_array().unwrap();
    let means: Vec<f64> =
        board.iter().map(|method| method["comprehensiveness"]["mean"].as_f64().unwrap()).collect();
    assert!(means.is_sorted_by(|one, other| one >= other), "{means:?}");
    assert_eq!(
        (&board[0]["method"], &board[2]["method"]),
        (&json!("integrated_gradients"), &json!("random"))
    );
    assert_eq!(board[0]["behind_first"], Value::Null);
    for (place, method) in board.iter().enumerate().skip(1) {
        let behind = method["behind_first"]["mean"].as_f64().unwrap();
        assert!((behind - (means[0] - means[place])).abs() < 1e-9, "{method}");
    }
}

#[test]
fn agreement_is_the_mean_of_that_of_every_row() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_the_bundled_model(&directory);
    let told = evaluated(&server, &json!({"dataset": dataset(&server), "methods": METHODS}));
    let answers = answers(&server, &told["of"]["job"]);
    let agreement = told["evaluation"]["agreement"].as_array().unwrap();
    let pairs: Vec<&Value> = agreement.iter().map(|pair| &pair["methods"]).collect();
    let [random, saliency, gradients] = METHODS;
    assert_eq!(
        pairs,
        [&json!([random, saliency]), &json!([random, gradients]), &json!([saliency, gradients])]
    );
    for pair in agreement {
        let of_rows = answers.iter().map(|answer| {
            let mut pairs = answer["agreement"].as_array().unwrap().iter();
            pairs.find(|of_row| of_row["methods"] == pair["methods"]).unwrap()
        });
        let of_rows: Vec<&Value> = of_rows.collect();
        let spearman: Vec<f64> = of_rows.iter().filter_map(|pair| pair["spearman"].as_f64()).collect();
        let overlap: Vec<f64> =
            of_rows.iter().map(|pair| pair["top_k"]["overlap"].as_f64().unwrap()).collect();
        assert_eq!((&pair["rows"], &pair["missing"]), (&json!(7), &json!(7 - spearman.len())));
        for (told, expected) in [(&pair["spearman"], spearman), (&pair["overlap"], overlap)] {
            assert!((told.as_f64().unwrap() - mean(&expected).unwrap()).abs() < 1e-9, "{pair}");
        }
    }
}

#[test]
fn the_same_wish_is_one_job_and_has_the_same_bytes_by_its_job() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let wish = json!({"dataset": dataset(&server), "methods": ["saliency", "random"], "seed": 5});
    let first = server.post("/v1/evaluate", &wish);
    assert_eq!(first.status, 202, "{}", first.text());
    let job = first.json();
    assert_eq!(
        first.headers["location"].to_str().unwrap(),
        format!("/v1/jobs/{}", job["id"].as_str().unwrap())
    );
    assert_eq!((&job["endpoint"], &job["request"]["quality"]), (&json!("explain"), &json!("full")));
    evaluated(&server, &wish);
    let told = server.post("/v1/evaluate", &wish);
    assert_eq!(told.json()["of"]["job"], job["id"]);
    assert_eq!(told.json()["options"]["seed"], 5);
    let tag = format!("\"{}\"", blake3::hash(&told.body).to_hex());
    assert_eq!(told.headers["etag"].to_str().unwrap(), tag);
    let again = server.post("/v1/evaluate", &json!({"job": job["id"]}));
    assert_eq!((again.status, &again.body), (200, &told.body));
    let other = server.ok("/v1/evaluate", json!({"job": job["id"], "seed": 6, "resamples": 100}));
    assert_eq!(other["options"], json!({"resamples": 100, "seed": 6}));
    let without_intervals =
        |told: &Value| told["evaluation"]["leaderboard"][0]["comprehensiveness"]["mean"].clone();
    assert_eq!(without_intervals(&other), without_intervals(&told.json()));
    assert_eq!(server.get("/v1/jobs").json()["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn without_a_list_the_usual_methods_are_held_against_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let two = upload(&server, "", JSON_LINES, "{\"text\":\"the film is good\"}\n{\"text\":\"a bad plot\"}\n");
    let told = evaluated(&server, &json!({"dataset": two.json()["id"]}));
    let evaluation = &told["evaluation"];
    let board = evaluation["leaderboard"].as_array().unwrap();
    assert_eq!(board.len(), 10);
    assert!(board.iter().any(|method| method["method"] == "random"));
    assert_eq!(evaluation["agreement"].as_array().unwrap().len(), 45);
    for method in board {
        assert_eq!(method["comprehensiveness_by_prediction"], Value::Null, "there are no labels");
        assert!(method["cost"]["expected"].is_object(), "{method}");
    }
}

#[test]
fn classes_of_one_text_count_as_one_row() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let request = json!({"methods": ["saliency"], "target": "all", "quality": "full"});
    let first = json!({"endpoint": "explain", "request": request}).to_string() + "\n";
    let place = ordered(&server, JSON_LINES, first + "{\"text\":\"the film is good\"}\n");
    finished(&server, &place);
    let id = place.trim_start_matches("/v1/jobs/");
    let told = server.ok("/v1/evaluate", json!({"job": id}));
    let answers = answers(&server, &json!(id));
    let of_classes = answers[0]["explanations"].as_array().unwrap().iter();
    let figures: Vec<f64> =
        of_classes.map(|one| one["quality"]["comprehensiveness"].as_f64().unwrap()).collect();
    assert_eq!(figures.len(), 3);
    let board = told["evaluation"]["leaderboard"].as_array().unwrap();
    assert_mean(&board[0]["comprehensiveness"], &[mean(&figures).unwrap()], 1);
    assert_eq!(told["evaluation"]["agreement"], json!([]));
}

#[test]
fn what_is_wrong_with_a_wish_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let job = |endpoint: &str, request: Value| {
        let first = json!({"endpoint": endpoint, "request": request}).to_string() + "\n";
        let place = ordered(&server, JSON_LINES, first + "{\"text\":\"the film is good\"}\n");
        finished(&server, &place);
        place.trim_start_matches("/v1/jobs/").to_owned()
    };
    let plain = job("explain", json!({"methods": ["saliency"]}));
    let fast = job("explain", json!({"methods": ["saliency"], "quality": "fast"}));
    let predicted = job("predict", json!({}));
    let none = "0".repeat(64);
    for (body, pointer) in [
        (json!({}), "/dataset"),
        (json!({"dataset": none, "job": plain}), "/job"),
        (json!({"dataset": "x"}), "/dataset"),
        (json!({"dataset": none}), "/dataset"),
        (json!({"dataset": none, "methods": ["x"]}), "/methods/0"),
        (json!({"dataset": none, "methods": []}), "/methods"),
        (json!({"dataset": none, "model": "x"}), "/model"),
        (json!({"dataset": none, "options": {"saliency": {"norm": "x"}}}), "/options/saliency/norm"),
        (json!({"dataset": none, "granularity": "x"}), "/granularity"),
        (json!({"dataset": none, "text": "a"}), "/text"),
        (json!({"dataset": none, "resamples": 99}), "/resamples"),
        (json!({"dataset": none, "seed": -1}), "/seed"),
        (json!({"job": "x"}), "/job"),
        (json!({"job": plain}), "/job"),
        (json!({"job": fast}), "/job"),
        (json!({"job": predicted}), "/job"),
        (json!({"job": plain, "methods": ["saliency"]}), "/methods"),
        (json!({"job": plain, "model": "three-labels"}), "/model"),
        (json!({"job": plain, "truncate": true}), "/truncate"),
    ] {
        let problem = server.problem("/v1/evaluate", body.clone(), 422);
        assert_eq!(
            (&problem["type"], &problem["pointer"]),
            (&json!("urn:explaind:problem:invalid-field"), &json!(pointer)),
            "{body}: {problem}"
        );
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    let problem = server.problem("/v1/evaluate", json!({"job": fast}), 422);
    assert!(problem["remedy"].as_str().unwrap().contains("\"quality\": \"full\""), "{problem}");
}

#[test]
fn there_is_no_leaderboard_of_a_job_that_has_not_ended() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let request = json!({"quality": "full", "options": {"integrated_gradients": {"steps": 500}}});
    let first = json!({"endpoint": "explain", "request": request}).to_string() + "\n";
    let place =
        ordered(&server, JSON_LINES, first + &"{\"text\": \"a film that goes on and on\"}\n".repeat(20_000));
    let job = json!({"job": place.trim_start_matches("/v1/jobs/")});
    let problem = server.problem("/v1/evaluate", job.clone(), 409);
    assert_eq!(
        (&problem["type"], &problem["pointer"]),
        (&json!("urn:explaind:problem:job-not-finished"), &json!("/job"))
    );
    server.request("DELETE", &place).send().unwrap();
    let problem = server.problem("/v1/evaluate", job, 409);
    assert!(problem["detail"].as_str().unwrap().contains("cancelled"), "{problem}");
}

#[test]
fn the_example_of_the_description_has_the_members_of_a_real_leaderboard() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_the_bundled_model(&directory);
    let methods = ["integrated_gradients", "saliency"];
    let told = evaluated(&server, &json!({"dataset": dataset(&server), "methods": methods}));
    let shown: Value = serde_json::from_str(include_str!("../../openapi/examples/evaluation.json")).unwrap();
    same_members(&shown, &told, "");
}

/// Objects have the same members, as deep as both have objects.
fn same_members(shown: &Value, real: &Value, place: &str) {
    match (shown, real) {
        (Value::Object(shown), Value::Object(real)) => {
            let names =
                |members: &serde_json::Map<String, Value>| members.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(shown), names(real), "at {place}/");
            shown
                .iter()
                .for_each(|(name, shown)| same_members(shown, &real[name], &format!("{place}/{name}")));
        }
        (Value::Array(shown), Value::Array(real)) => {
            let pairs = shown.iter().zip(real);
            pairs.for_each(|(shown, real)| same_members(shown, real, &format!("{place}/*")));
        }
        _ => {}
    }
}
