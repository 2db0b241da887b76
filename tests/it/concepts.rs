//! Concepts through a server that listens: kept by name and version, listed, exchanged, deleted, and found in texts.

use explaind::config::Database;
use explaind::engine::answer::states::decoded;
use serde_json::{Value, json};

use crate::datasets::on_file;
use crate::support::server::{Answer, Settings, TestServer};

/// What people laugh about, in words that the tiny models know.
pub const FUNNY: [&str; 6] = [
    "a funny joke",
    "we laugh at the joke",
    "the comedy is fun",
    "very funny and fun",
    "a laugh and a joke",
    "such a fun comedy",
];

/// What they do not laugh about.
pub const GRIM: [&str; 6] = [
    "the plot is slow",
    "a long dull story",
    "the music is dark",
    "a grim street",
    "the rain is quiet",
    "the window is old",
];

/// A lesson for a tiny model that takes no time, with some fields changed; null leaves one out.
pub fn lesson(changes: &Value) -> Value {
    let mut body = json!({
        "name": "fun", "positives": FUNNY, "negatives": GRIM, "layer": 2, "learner": "difference_of_means",
        "folds": 3, "permutations": 19
    });
    for (field, value) in changes.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

/// Learns what is new, and gives its answer.
pub fn learnt(server: &TestServer, changes: &Value) -> Value {
    let answer = server.post("/v1/concepts", &lesson(changes));
    assert_eq!(answer.status, 201, "{changes}: {}", answer.text());
    answer.json()
}

pub fn exported(server: &TestServer, reference: &str) -> Value {
    let answer = server.get(&format!("/v1/concepts/{reference}/export"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn delete(server: &TestServer, reference: &str) -> Answer {
    server.request("DELETE", &format!("/v1/concepts/{reference}")).send().unwrap().into()
}

/// The concepts of a page, by name and version, and its `next`.
fn listed(server: &TestServer, query: &str) -> (Vec<String>, Value) {
    let page = server.get(&format!("/v1/concepts{query}")).json();
    let reference = |concept: &Value| format!("{}@{}", concept["name"].as_str().unwrap(), concept["version"]);
    (page["concepts"].as_array().unwrap().iter().map(reference).collect(), page["next"].clone())
}

/// The vector at the concept's own layer in a document.
pub fn direction(document: &Value) -> &Value {
    let mut directions = document["body"]["directions"].as_array().unwrap().iter();
    let own = directions.find(|at| at["layer"] == document["summary"]["layer"]);
    &own.expect("there is a direction at its own layer")["direction"]
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn kind(problem: &Value) -> &str {
    problem["type"].as_str().unwrap().trim_start_matches("urn:explaind:problem:")
}

#[test]
fn a_concept_is_learnt_once_and_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let first = server.post("/v1/concepts", &lesson(&json!({"description": "What people laugh about"})));
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(first.headers["location"], "/v1/concepts/fun@1");
    let concept = first.json();
    for (field, expected) in [
        ("name", json!("fun")),
        ("version", json!(1)),
        ("description", json!("What people laugh about")),
        ("bundled", json!(false)),
        ("origin", json!("learnt")),
        ("layer", json!(2)),
        ("pooling", json!("mean")),
        ("learner", json!("difference_of_means")),
        ("regularisation", json!(1.0)),
        ("seed", json!(0)),
        ("examples", json!({"positives": 6, "negatives": 6, "drawn_from": null})),
        ("similar", json!([])),
    ] {
        assert_eq!(concept[field], expected, "{field}");
    }
    assert_eq!(concept["model"]["id"], "three-labels");
    assert!(concept["created_at"].as_str().unwrap().ends_with('Z'));

    let validation = &concept["validation"];
    let accuracy = validation["accuracy"].as_f64().unwrap();
    let [low, high] = ["low", "high"].map(|end| validation["interval"][end].as_f64().unwrap());
    assert!(0.0 <= low && low <= accuracy && accuracy <= high && high <= 1.0, "{validation}");
    let folds = numbers(&validation["folds"]);
    assert_eq!((folds.len(), &validation["layers_chosen"]), (3, &json!([2, 2, 2])));
    assert_eq!(numbers(&validation["by_layer"]).len(), 4);
    let null = &validation["null"];
    assert_eq!(null["permutations"], 19);
    let p = null["p_value"].as_f64().unwrap();
    assert!((0.05..=1.0).contains(&p) && (p * 20.0 - (p * 20.0).round()).abs() < 1e-9, "{null}");
    let [mean, least] =
        ["mean_cosine", "least_cosine"].map(|name| validation["stability"][name].as_f64().unwrap());
    assert!(-1.0 <= least && least <= mean && mean <= 1.0 + 1e-9, "{validation}");

    let again =
        server.post("/v1/concepts", &lesson(&json!({"description": "What people laugh about", "seed": 0})));
    assert_eq!((again.status, again.json()), (200, concept.clone()));
    assert!(!again.headers.contains_key("location"));
    assert_eq!(server.get("/v1/concepts/fun").json(), concept);
    let restarted = on_file(&directory);
    let lesson = lesson(&json!({"description": "What people laugh about"}));
    assert_eq!(restarted.post("/v1/concepts", &lesson).status, 200, "after a restart, it is still there");
}

#[test]
fn versions_count_up_under_one_name() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let versions = [json!({}), json!({"seed": 1}), json!({"description": "said otherwise"})];
    for (place, changes) in versions.iter().enumerate() {
        assert_eq!(learnt(&server, changes)["version"], place + 1);
    }
    assert_eq!(learnt(&server, &json!({"name": "fun-2"}))["version"], 1, "another name counts for itself");
    let version =
        |reference: &str| server.get(&format!("/v1/concepts/{reference}")).json()["version"].clone();
    assert_eq!([version("fun"), version("fun@1"), version("fun@3")], [json!(3), json!(1), json!(3)]);
    for reference in ["fun@4", "fun@0", "fun@", "fun@x", "fun@1@2", "fu", "Fun"] {
        let problem = server.get(&format!("/v1/concepts/{reference}")).problem(404);
        assert_eq!(kind(&problem), "no-such-concept", "{reference}");
    }
    assert_eq!(delete(&server, "fun@3").status, 204);
    assert_eq!(version("fun"), 2);
    assert_eq!(learnt(&server, &json!({"seed": 3}))["version"], 4, "a number is not given twice");
}

#[test]
fn a_concept_tells_which_others_it_is_like() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let same = learnt(&server, &json!({"name": "laughter"}));
    assert_eq!(same["similar"].as_array().unwrap().len(), 1);
    assert_eq!((&same["similar"][0]["name"], &same["similar"][0]["version"]), (&json!("fun"), &json!(1)));
    assert!((same["similar"][0]["cosine"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{same}");
    let opposite = learnt(&server, &json!({"name": "gloom", "positives": GRIM, "negatives": FUNNY}));
    for other in opposite["similar"].as_array().unwrap() {
        assert!((other["cosine"].as_f64().unwrap() + 1.0).abs() < 1e-6, "{opposite}");
    }
    assert_eq!(opposite["similar"].as_array().unwrap().len(), 2);
}

#[test]
fn pages_of_the_list_hold_every_version_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    assert_eq!(server.get("/v1/concepts").json(), json!({"concepts": [], "next": null}));
    (0..5).for_each(|seed| drop(learnt(&server, &json!({"seed": seed}))));
    let (all, next) = listed(&server, "");
    assert_eq!((all.len(), next), (5, Value::Null));
    assert!(server.get("/v1/concepts").json()["concepts"][0].get("similar").is_none());
    let (mut paged, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let (some, next) = listed(&server, &query);
        assert!(some.len() <= 2);
        paged.extend(some);
        match next.as_str() {
            Some(next) => query = format!("?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    for query in ["?limit=0", "?limit=1001", "?after=x", "?after=1-2", "?colour=red", "?limit=1&limit=2"] {
        server.get(&format!("/v1/concepts{query}")).problem(400);
    }
}

#[test]
fn what_is_deleted_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    (0..3).for_each(|seed| drop(learnt(&server, &json!({"seed": seed}))));
    assert_eq!(delete(&server, "fun@2").status, 204);
    let (mut left, _) = listed(&server, "");
    left.sort();
    assert_eq!(left, ["fun@1", "fun@3"]);
    for (method, path) in [
        ("GET", "fun@2"),
        ("GET", "fun@2/export"),
        ("DELETE", "fun@2"),
        ("DELETE", "joke"),
        ("DELETE", "fun@"),
    ] {
        let answer: Answer = server.request(method, &format!("/v1/concepts/{path}")).send().unwrap().into();
        assert_eq!(kind(&answer.problem(404)), "no-such-concept", "{method} {path}");
    }
    assert_eq!(delete(&server, "fun").status, 204);
    assert_eq!(listed(&server, "").0, Vec::<String>::new());
    delete(&server, "fun").problem(404);
}

#[test]
fn a_concept_is_the_same_on_another_server() {
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let server = on_file(&here);
    let concept = learnt(&server, &json!({"description": "What people laugh about"}));
    let document = exported(&server, "fun");
    assert_eq!((&document["format"], &document["name"]), (&json!(1), &json!("fun")));
    let texts = |side: &str| -> Vec<String> {
        let examples = document["body"][side].as_array().unwrap().iter();
        examples.map(|example| example["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (texts("positives"), texts("negatives")),
        (FUNNY.map(str::to_owned).to_vec(), GRIM.map(str::to_owned).to_vec())
    );
    let length = numbers(&direction(&document)["vector"]).iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
    let score = |server: &TestServer| {
        let body = json!({"text": "a funny film"});
        server.ok("/v1/concepts/fun/scores", body)["concepts"][0]["tokens"].clone()
    };
    let before = score(&server);

    assert_eq!(delete(&server, "fun").status, 204);
    for server in [server, on_file(&there)] {
        let answer = server.post("/v1/concepts/import", &document);
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.headers["location"], "/v1/concepts/fun@1");
        for field in ["name", "description", "model", "layer", "validation", "examples", "warnings"] {
            assert_eq!(answer.json()[field], concept[field], "{field}");
        }
        assert_eq!(exported(&server, "fun"), document, "to the last digit");
        assert_eq!(score(&server), before);
        let again = server.post("/v1/concepts/import", &document);
        assert_eq!((again.status, again.json()), (200, answer.json()));
    }
}

#[test]
fn a_document_that_is_none_is_refused_by_the_place_of_its_fault() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let document = exported(&server, "fun");
    for (place, value, pointer) in [
        ("/format", json!(2), "/format"),
        ("/name", json!("No Name"), "/name"),
        ("/name", json!("import"), "/name"),
        ("/summary/layer", json!(9), "/body/directions"),
        ("/summary/pooling", json!("max"), "/summary/pooling"),
        ("/summary/colour", json!("red"), "/summary/colour"),
        ("/body/directions", json!([]), "/body/directions"),
        ("/body/directions/1/layer", json!(4), "/body/directions/1/layer"),
        ("/body/directions/1/layer", json!(0), "/body/directions/1/layer"),
        ("/body/erasers/1/method", json!("nullspace"), "/body/erasers/1/method"),
        ("/body/directions/0/direction/vector", json!([1.0]), "/body/directions/0/direction"),
        ("/body/directions/0/direction/vector", json!(vec![1.0; 24]), "/body/directions/0/direction"),
        ("/body/directions/0/direction/spread", json!(0), "/body/directions/0/direction"),
        ("/body/erasers/0/eraser/read", json!([]), "/body/erasers/0/eraser"),
        ("/body/erasers/0/eraser/centre", json!([0.0]), "/body/erasers/0/eraser"),
    ] {
        let mut changed = document.clone();
        let (parent, field) = place.rsplit_once('/').unwrap();
        match changed.pointer_mut(place) {
            Some(there) => *there = value.clone(),
            None => changed.pointer_mut(parent).unwrap()[field] = value.clone(),
        }
        let problem = server.problem("/v1/concepts/import", changed, 422);
        assert_eq!(
            (kind(&problem), &problem["pointer"]),
            ("invalid-field", &json!(pointer)),
            "{place} {value}"
        );
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    assert_eq!(listed(&server, "").0, ["fun@1"]);
}

#[test]
fn a_concept_of_another_model_is_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().join("x.db"));
    let of = |models: &[&'static str]| {
        Settings { models: models.to_vec(), ..Settings::tiny_on(database.clone()) }.start()
    };
    let both = of(&["three-labels", "multi-label"]);
    learnt(&both, &json!({}));
    let scores = |server: &TestServer, model: Option<&str>| {
        server.post("/v1/concepts/fun/scores", &json!({"text": "a funny film", "model": model}))
    };
    assert_eq!([scores(&both, None).status, scores(&both, Some("three-labels")).status], [200, 200]);
    let refused = |problem: Value| {
        assert_eq!(kind(&problem), "concept-of-another-model", "{problem}");
        assert!(problem["remedy"].as_str().unwrap().contains("learn it again"), "{problem}");
        problem
    };
    refused(scores(&both, Some("multi-label")).problem(409));

    let mut document = exported(&both, "fun");
    let other = of(&["multi-label"]);
    assert_eq!(other.get("/v1/concepts/fun").status, 200, "what is kept can be read");
    refused(scores(&other, None).problem(409));
    refused(other.problem("/v1/concepts/import", document.clone(), 409));
    document["model"]["fingerprint"] = json!("0".repeat(64));
    let problem = refused(both.problem("/v1/concepts/import", document, 409));
    assert_eq!(problem["pointer"], "/model/fingerprint");
}

#[test]
fn a_server_without_a_database_says_that_it_keeps_no_concepts() {
    let directory = tempfile::tempdir().unwrap();
    let with_one = on_file(&directory);
    learnt(&with_one, &json!({}));
    let server = TestServer::shared();
    let lesson = lesson(&json!({"model": "three-labels"}));
    for (path, body) in [("/v1/concepts", lesson), ("/v1/concepts/import", exported(&with_one, "fun"))] {
        let problem = server.problem(path, body, 409);
        assert_eq!(kind(&problem), "no-database", "{path}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    let all = server.get("/v1/concepts").json();
    assert!(all["concepts"].as_array().unwrap().iter().all(|concept| concept["bundled"] == true));
    assert_eq!(kind(&server.get("/v1/concepts/fun").problem(404)), "no-such-concept");
    assert_eq!(kind(&delete(&server, "fun").problem(404)), "no-such-concept");
}

/// Rows of floats of a text at a layer, one a token.
fn token_states(server: &TestServer, text: &str, layer: usize) -> Vec<Vec<f64>> {
    let told = server.ok("/v1/states", json!({"text": text, "layers": [layer], "pooling": "tokens"}));
    let values = decoded(told["states"]["values"].as_str().unwrap()).unwrap();
    let width = told["states"]["width"].as_u64().unwrap() as usize;
    values.chunks_exact(width).map(|row| row.iter().copied().map(f64::from).collect()).collect()
}

#[test]
fn scores_are_what_a_reader_of_the_document_works_out() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let text = "a funny, boring film";
    for pooling in ["mean", "cls", "tokens"] {
        let name = format!("by-{pooling}");
        learnt(&server, &json!({"name": name, "pooling": pooling}));
        let document = exported(&server, &name);
        let at = direction(&document);
        let (vector, centre) = (numbers(&at["vector"]), numbers(&at["centre"]));
        let along = |row: &Vec<f64>| -> f64 {
            row.iter().zip(&centre).zip(&vector).map(|((h, c), v)| (h - c) * v).sum()
        };
        let tokens: Vec<f64> = token_states(&server, text, 2).iter().map(along).collect();
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
        let score = if pooling == "cls" { tokens[0] } else { mean(&tokens) };

        let told = server.ok(&format!("/v1/concepts/{name}/scores"), json!({"text": text}));
        let scores = &told["concepts"][0];
        assert_eq!((&scores["pooling"], &scores["layer"]), (&json!(pooling), &json!(2)));
        let near = |told: &Value, expected: f64| {
            let told = told.as_f64().unwrap();
            assert!((told - expected).abs() < 1e-5, "{pooling}: {told}, not {expected}");
        };
        near(&scores["score"], score);
        near(&scores["standardised"], score / at["spread"].as_f64().unwrap());
        assert_eq!(scores["tokens"].as_array().unwrap().len(), tokens.len());
        scores["tokens"].as_array().unwrap().iter().zip(&tokens).for_each(|(told, token)| near(told, *token));
        for (place, word) in scores["words"].as_array().unwrap().iter().enumerate() {
            let own = told["tokens"].as_array().unwrap().iter().zip(&tokens);
            let own: Vec<f64> =
                own.filter(|(token, _)| token["word"] == place).map(|(_, score)| *score).collect();
            near(word, mean(&own));
        }
        assert_eq!(scores["words"].as_array().unwrap().len(), told["words"].as_array().unwrap().len());
        let layers = scores["layers"].as_array().unwrap();
        // The embedding of the first token is the same in every text: nothing can be learnt there.
        let learnt: Vec<u64> = layers.iter().map(|at| at["layer"].as_u64().unwrap()).collect();
        assert_eq!(learnt, if pooling == "cls" { vec![1, 2, 3] } else { vec![0, 1, 2, 3] });
        let own = layers.iter().find(|at| at["layer"] == 2).unwrap();
        assert_eq!((&own["score"], &own["standardised"]), (&scores["score"], &scores["standardised"]));
        assert_eq!(scores["derivatives"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn scores_are_kept_given_in_batches_and_drawn_like_other_answers() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let path = "/v1/concepts/fun@1/scores";
    let dry = server.ok(path, json!({"text": "a funny film", "dry_run": true}));
    assert_eq!(dry["results"][0]["backwards"], json!({"expected": 3, "most": 3}));
    let first = server.post(path, &json!({"text": "a funny film"}));
    let again = server.post(path, &json!({"text": "a funny film", "truncate": false}));
    assert_eq!(again.headers["cache-status"], "explaind; hit; detail=memory");
    let location = first.headers["content-location"].to_str().unwrap().to_owned();
    let recalled = server.get(&location);
    assert_eq!((first.status, &again.body, &recalled.body), (200, &first.body, &first.body));

    let many = server.ok(path, json!({"texts": ["a funny film", " ", {"text": "the end"}]}));
    let results = many["results"].as_array().unwrap();
    assert_eq!(results[0], first.json());
    assert_eq!(results[1]["error"]["pointer"], "/texts/1");
    assert_eq!(results[2]["concepts"][0]["concept"]["name"], "fun");

    learnt(&server, &json!({"seed": 1}));
    let of_the_newest = server.ok("/v1/concepts/fun/scores", json!({"text": "a funny film"}));
    assert_eq!(of_the_newest["concepts"][0]["concept"]["version"], 2);
    assert_ne!(of_the_newest["id"], first.json()["id"]);

    let drawn = server.request("GET", &location).header("accept", "image/svg+xml").send().unwrap();
    let drawn = Answer::from(drawn);
    assert_eq!((drawn.status, drawn.content_type.as_str()), (200, "image/svg+xml"));
    let picture = drawn.text();
    assert_eq!(roxmltree::Document::parse(&picture).unwrap().root_element().tag_name().name(), "svg");

    for (path, body, status, pointer) in [
        ("/v1/concepts/joke/scores", json!({"text": "a"}), 404, Value::Null),
        ("/v1/concepts/fun@7/scores", json!({"text": "a"}), 404, Value::Null),
        (path, json!({}), 422, json!("/text")),
        (path, json!({"text": " "}), 422, json!("/text")),
        (path, json!({"texts": []}), 422, json!("/texts")),
        (path, json!({"text": "a", "colour": "red"}), 422, json!("/colour")),
        (path, json!({"text": "a", "model": "x"}), 422, json!("/model")),
        (path, json!({"text": "the ".repeat(50)}), 422, json!("/text")),
    ] {
        let problem = server.problem(path, body.clone(), status);
        assert_eq!(problem["pointer"], pointer, "{path} {body}: {problem}");
    }
    assert_eq!(server.post(path, &json!({"text": "the ".repeat(50), "truncate": true})).status, 200);
}
