//! Requests for directions that nobody has named: answered alike each time, drawn, kept as concepts, and refused by the
//! field that is wrong.

use serde_json::{Value, json};

use crate::concept_discovery::{PATH, REVIEWS, close, dataset, dot, floats, list, number};
use crate::datasets::{JSON_LINES, lines, on_file, upload};
use crate::support::eventually;
use crate::support::server::{Answer, Settings, TestServer};

#[test]
fn the_same_question_has_the_same_bytes_on_any_number_of_threads() {
    let ask = |threads: usize| {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::tiny(&directory.path().join("x.db"));
        let server = Settings { threads, ..settings }.start();
        server.post(PATH, &json!({"dataset": dataset(&server), "components": 4, "seed": 7})).body
    };
    assert_eq!(ask(1), ask(4));
}

fn accepting(server: &TestServer, body: &Value, accept: &str) -> Answer {
    server.request("POST", PATH).header("accept", accept).json(body).send().unwrap().into()
}

#[test]
fn an_answer_is_found_again_by_its_question_and_by_its_id_and_is_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let body = json!({"dataset": dataset(&server), "components": 3});
    let first = server.post(PATH, &body);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.headers["etag"], format!("\"{id}\""));
    assert_eq!(first.headers["cache-status"], "explaind; fwd=miss; stored");
    let place = first.headers["content-location"].to_str().unwrap();
    assert_eq!(place, format!("/v1/explanations/{id}"));
    let again = server.post(PATH, &body);
    assert_eq!(
        (&again.body, again.headers["cache-status"].to_str().unwrap()),
        (&first.body, "explaind; hit; detail=memory")
    );
    assert_eq!(server.get(place).body, first.body);
    let drawn = accepting(&server, &body, "image/svg+xml");
    assert_eq!((drawn.status, drawn.content_type.as_str()), (200, "image/svg+xml"));
    let svg = drawn.text();
    let document = roxmltree::Document::parse(&svg).unwrap_or_else(|fault| panic!("{fault} in {svg}"));
    let texts = document.descendants().filter(|node| node.is_text()).filter_map(|node| node.text());
    let titles = texts.filter(|text| text.starts_with("Direction "));
    assert_eq!(titles.count(), list(&first.json()["components"]).len());
    accepting(&server, &body, "text/html").problem(406);
}

#[test]
fn a_direction_is_kept_as_a_concept() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let mut body = json!({"dataset": dataset(&server), "layer": 2, "components": 3});
    let told = server.ok(PATH, body.clone());
    let component = &told["components"][1];
    body["keep"] = json!({"component": 1, "name": "praise", "description": "Words of praise"});
    let kept = server.post(PATH, &body);
    assert_eq!(kept.status, 201, "{}", kept.text());
    assert_eq!(kept.headers["location"], "/v1/concepts/praise@1");
    let concept = kept.json();
    assert_eq!(
        (&concept["origin"], &concept["layer"], &concept["pooling"], &concept["description"]),
        (&json!("discovered"), &json!(2), &json!("tokens"), &json!("Words of praise"))
    );
    assert_eq!((&concept["learner"], &concept["validation"]), (&Value::Null, &Value::Null));
    let examples = json!({"positives": 0, "negatives": 0, "drawn_from": told["dataset"]});
    assert_eq!(concept["examples"], examples);
    let again = server.post(PATH, &body);
    assert_eq!((again.status, &again.json()["id"]), (200, &concept["id"]));
    let exported = server.get("/v1/concepts/praise/export").json();
    let direction = &exported["body"]["directions"][0]["direction"];
    let floats_of =
        |value: &Value| list(value).iter().map(|x| f64::from(number(x) as f32)).collect::<Vec<f64>>();
    assert_eq!(floats_of(&direction["vector"]), floats(&component["vector"]));
    assert_eq!(floats_of(&direction["centre"]), floats(&told["centre"]));
    assert!(close(number(&direction["spread"]), number(&component["spread"])));
    let offset = dot(&floats(&told["centre"]), &floats(&component["vector"]));
    assert!(close(number(&direction["intercept"]), -offset));
    assert_eq!(exported["body"]["erasers"][0]["method"], "nullspace");
    let scored = server.ok("/v1/concepts/praise/scores", json!({"text": REVIEWS[0]}));
    assert_eq!(scored["concepts"][0]["concept"]["name"], "praise");
    assert_eq!(server.post("/v1/concepts/import", &exported).status, 201, "what is exported can be imported");
    body["keep"]["component"] = json!(0);
    assert_eq!(server.post(PATH, &body).json()["version"], 3);
}

#[test]
fn of_many_rows_a_job_is_ordered_first() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let many = upload(&server, "", JSON_LINES, lines("a good film", 1_001)).json()["id"].clone();
    let body = json!({"dataset": many, "pooling": "cls", "method": "kmeans", "components": 2});
    let first = server.post(PATH, &body);
    assert_eq!(first.status, 202, "{}", first.text());
    assert_eq!(
        (&first.json()["endpoint"], &first.json()["request"]["gradients"]),
        (&json!("states"), &json!(true))
    );
    eventually("the directions are there", || server.post(PATH, &body).status == 200);
    let told = server.ok(PATH, body);
    assert_eq!((&told["rows"], &told["failed"]), (&json!(1_001), &json!(0)));
    assert_eq!(told["components"][0]["importance"]["erasure"]["rows"], 200);
}

#[test]
fn fewer_kinds_of_texts_than_directions_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let set = |texts: &[&str]| {
        let body: String = texts.iter().map(|text| json!({"text": text}).to_string() + "\n").collect();
        upload(&server, "", JSON_LINES, body).json()["id"].clone()
    };
    let ask =
        |dataset: &Value| json!({"dataset": dataset, "pooling": "mean", "method": "kmeans", "components": 3});
    let two = set(&["a good film", "a bad plot", "a good film", "a bad plot"]);
    let told = server.ok(PATH, ask(&two));
    assert_eq!(list(&told["components"]).len(), 2);
    assert!(list(&told["warnings"]).iter().any(|warning| warning["code"] == "fewer_components"), "{told}");
    let keep = json!({"component": 2, "name": "third"});
    let mut body = ask(&two);
    body["keep"] = keep;
    assert_eq!(server.problem(PATH, body, 422)["pointer"], "/keep/component");
    let same = set(&["a good film", "a good film", "a good film"]);
    assert_eq!(server.problem(PATH, ask(&same), 422)["pointer"], "/dataset");
    let few = set(&["a good film", "a bad plot"]);
    assert_eq!(server.problem(PATH, ask(&few), 422)["pointer"], "/components");
    let long = set(&[&"good ".repeat(2000)]);
    assert_eq!(server.problem(PATH, ask(&long), 422)["pointer"], "/dataset");
}

#[test]
fn what_is_wrong_is_told_by_its_field() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let keep = |keep: Value| json!({"keep": keep});
    for (body, pointer) in [
        (json!({"model": "other"}), "/model"),
        (json!({"dataset": "7a60"}), "/dataset"),
        (json!({"dataset": "0".repeat(64)}), "/dataset"),
        (json!({"layer": 4}), "/layer"),
        (json!({"layer": -1}), "/layer"),
        (json!({"layer": "auto"}), "/layer"),
        (json!({"pooling": "max"}), "/pooling"),
        (json!({"method": "pca"}), "/method"),
        (json!({"components": 1}), "/components"),
        (json!({"components": 51}), "/components"),
        (json!({"top": 0}), "/top"),
        (json!({"top": 51}), "/top"),
        (json!({"seed": -1}), "/seed"),
        (json!({"truncate": "yes"}), "/truncate"),
        (json!({"iterations": 10}), "/iterations"),
        (keep(json!([0, "praise"])), "/keep"),
        (keep(json!({"name": "praise"})), "/keep/component"),
        (keep(json!({"component": 0})), "/keep/name"),
        (keep(json!({"component": 10, "name": "praise"})), "/keep/component"),
        (keep(json!({"component": 0, "name": "Praise!"})), "/keep/name"),
        (keep(json!({"component": 0, "name": "discoveries"})), "/keep/name"),
        (
            keep(json!({"component": 0, "name": "praise", "description": "a".repeat(1001)})),
            "/keep/description",
        ),
        (keep(json!({"component": 0, "name": "praise", "layer": 1})), "/keep/layer"),
    ] {
        let problem = server.problem(PATH, body.clone(), 422);
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
        assert!(problem["remedy"].is_string(), "{problem}");
    }
    let nowhere = Settings { models: vec!["three-labels"], ..Settings::default() }.start();
    let problem = nowhere.problem(PATH, keep(json!({"component": 0, "name": "praise"})), 409);
    assert_eq!(problem["type"], "urn:explaind:problem:no-database");
}
