//! How concepts are learnt through a server that listens: from texts and datasets, held against chance, equal lessons
//! equally, and with the place of every fault.

use std::path::Path;

use explaind::config::Database;
use serde_json::{Value, json};

use crate::concepts::{FUNNY, GRIM, direction, exported, learnt, lesson};
use crate::datasets::{JSON_LINES, lines, on_file, upload};
use crate::support::golden::BUNDLED;
use crate::support::server::{Answer, Settings, TestServer};

/// The sentences that come with the program, and their labels.
const SENTENCES: &str = include_str!("../../data/reference/movie-review-sentences.csv");

fn on_the_bundled_model(directory: &tempfile::TempDir) -> TestServer {
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    Settings { models: vec![BUNDLED], database, ..Settings::default() }.start()
}

/// The dataset of these sentences.
fn reference(server: &TestServer) -> Value {
    let datasets = server.get("/v1/datasets").json();
    let mut all = datasets["datasets"].as_array().unwrap().iter();
    all.find(|dataset| dataset["bundled"] == true).expect("a dataset comes with the program")["id"].clone()
}

fn has_warning(concept: &Value, code: &str) -> bool {
    concept["warnings"].as_array().unwrap().iter().any(|warning| warning["code"] == code)
}

fn accuracy(concept: &Value) -> f64 {
    concept["validation"]["accuracy"].as_f64().unwrap()
}

fn picture(server: &TestServer, reference: &str) -> Answer {
    let request = server.request("GET", &format!("/v1/concepts/{reference}"));
    request.header("accept", "image/svg+xml").send().unwrap().into()
}

fn score(server: &TestServer, concept: &str, text: &str) -> f64 {
    let told = server.ok(&format!("/v1/concepts/{concept}/scores"), json!({"text": text}));
    told["concepts"][0]["standardised"].as_f64().unwrap()
}

#[test]
fn the_labels_of_a_dataset_are_a_concept_that_its_model_knows() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_the_bundled_model(&directory);
    let dataset = reference(&server);
    let answer = server.post(
        "/v1/concepts",
        &json!({
            "name": "praise", "layer": 6, "learner": "difference_of_means", "permutations": 19,
            "positives": {"dataset": dataset, "label": "positive"},
            "negatives": {"dataset": dataset, "label": "negative"}
        }),
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    let concept = answer.json();
    assert_eq!(concept["examples"], json!({"positives": 362, "negatives": 329, "drawn_from": dataset}));
    assert_eq!((&concept["layer"], &concept["warnings"]), (&json!(6), &json!([])));
    assert!(accuracy(&concept) > 0.8, "{concept}");
    let null = &concept["validation"]["null"];
    assert_eq!(null["p_value"], 0.05, "no shuffle of nineteen does as well");
    let high = null["high"].as_f64().unwrap();
    assert!((0.45..0.65).contains(&high), "{null}");
    let [praise, blame] = ["A moving, wonderful film.", "A dull, lifeless mess of a film."]
        .map(|text| score(&server, "praise", text));
    assert!(praise > blame + 1.0, "{praise} standard deviations, and {blame}");
}

#[test]
fn halves_of_one_class_are_no_concept() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_the_bundled_model(&directory);
    let negatives: Vec<&str> = SENTENCES.lines().filter_map(|line| line.strip_suffix(",negative")).collect();
    let half = |first: usize| -> Vec<&str> {
        let all = negatives.iter().skip(first).step_by(2);
        all.map(|text| text.trim_matches('"')).take(20).collect()
    };
    let answer = server.post(
        "/v1/concepts",
        &json!({"name": "evenness", "positives": half(0), "negatives": half(1), "permutations": 19}),
    );
    assert_eq!(answer.status, 201, "a concept that is absent is kept with what is to be said of it");
    let concept = answer.json();
    assert!(has_warning(&concept, "concept_absent"), "{concept}");
    assert!(has_warning(&server.get("/v1/concepts/evenness").json(), "concept_absent"));
    let listed = server.get("/v1/concepts?limit=1000").json();
    let listed = listed["concepts"].as_array().unwrap();
    let own = listed.iter().find(|listed| listed["name"] == "evenness").unwrap();
    assert!(has_warning(own, "concept_absent"));
    let drawn = picture(&server, "evenness").text();
    assert!(drawn.contains("Warning") && drawn.contains("do not show this concept"), "{drawn}");
}

#[test]
fn what_reviewers_speak_of_is_in_the_bundled_model_and_counted_letters_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_the_bundled_model(&directory);
    for (name, is_there) in
        [("acting", true), ("boredom", true), ("humour", true), ("visuals", true), ("even_length", false)]
    {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/concepts/{name}.json"));
        let described: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let answer = server.post(
            "/v1/concepts",
            &json!({
                "name": format!("taught-{name}"), "description": described["description"],
                "positives": described["positives"], "negatives": described["negatives"], "permutations": 19
            }),
        );
        assert_eq!(answer.status, 201, "{name}: {}", answer.text());
        let concept = answer.json();
        assert_eq!(has_warning(&concept, "concept_absent"), !is_there, "{concept}");
        let drawn_from = if is_there { reference(&server) } else { Value::Null };
        assert_eq!(
            concept["examples"],
            json!({"positives": 30, "negatives": 30, "drawn_from": drawn_from}),
            "{name}"
        );
        assert_eq!(concept["validation"]["by_layer"].as_array().unwrap().len(), 7);
        // The concept of this name that comes with the program was learnt from the same sentences.
        let bundled = server.get(&format!("/v1/concepts/{name}")).json();
        assert_eq!((&bundled["bundled"], &bundled["layer"]), (&json!(true), &concept["layer"]), "{name}");
        let nearest = &concept["similar"][0];
        assert_eq!(nearest["name"], json!(name));
        assert!(nearest["cosine"].as_f64().unwrap() > 0.9999, "{name}: {nearest}");
    }
    let others = ["The plot makes no sense.", "It was filmed in Rome."];
    let acting = score(&server, "taught-acting", "The actors give superb performances.");
    for text in others {
        assert!(acting > score(&server, "taught-acting", text), "{text}");
    }
}

#[test]
fn equal_lessons_give_equal_vectors_on_any_server() {
    let documents = [1, 3].map(|threads| {
        let directory = tempfile::tempdir().unwrap();
        let database = Some(Database::Sqlite(directory.path().join("x.db")));
        let settings = Settings { models: vec!["three-labels"], threads, database, ..Settings::default() };
        let server = settings.start();
        // Another company for the texts, and other things in the caches.
        if threads == 3 {
            server.ok("/v1/states", json!({"texts": [FUNNY[0], "rain"], "pooling": "mean"}));
        }
        ["logistic", "ridge", "difference_of_means"].map(|learner| {
            ["mean", "cls", "tokens"].map(|pooling| {
                let name = format!("{learner}-{pooling}");
                let changes =
                    json!({"name": name, "learner": learner, "pooling": pooling, "layer": "auto", "folds": 2});
                let concept = learnt(&server, &changes);
                assert_eq!((&concept["learner"], &concept["pooling"]), (&json!(learner), &json!(pooling)));
                let document = exported(&server, &name);
                let vector = direction(&document)["vector"].as_array().unwrap().clone();
                let length: f64 = vector.iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
                assert!((length - 1.0).abs() < 1e-5, "{name}: {length}");
                document
            })
        })
    });
    assert_eq!(documents[0], documents[1]);
    let vectors: std::collections::HashSet<String> =
        documents[0].iter().flatten().map(|document| direction(document)["vector"].to_string()).collect();
    // The difference of the means is the same of all tokens and of their means, but for rounding.
    assert!(vectors.len() >= 8, "every learner and every pooling has a direction of its own: {vectors:?}");
}

#[test]
fn chance_is_drawn_by_the_seed_alone() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let of = |name: &str, seed: u64| {
        let changes = json!({"name": name, "seed": seed, "negatives": null, "truncate": true});
        learnt(&server, &changes);
        exported(&server, name)
    };
    let (first, same, other) = (of("first", 1), of("same", 1), of("other", 2));
    assert_eq!(first["body"], same["body"]);
    assert_eq!(first["summary"], same["summary"]);
    assert_ne!(first["body"]["negatives"], other["body"]["negatives"], "others are drawn");
    assert_eq!(first["body"]["positives"], other["body"]["positives"]);
    assert_eq!(
        first["summary"]["examples"],
        json!({"positives": 6, "negatives": 6, "drawn_from": reference(&server)})
    );
}

#[test]
fn the_picture_of_a_concept_is_well_formed_whatever_it_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({"name": "gloom", "positives": GRIM, "negatives": FUNNY}));
    learnt(&server, &json!({"description": "<b>Jokes</b> & \"laughter\" ]]> \u{1F600}"}));
    let drawn = picture(&server, "fun@1");
    assert_eq!((drawn.status, drawn.content_type.as_str()), (200, "image/svg+xml"));
    assert_eq!(drawn.headers["vary"], "accept");
    assert_eq!(drawn.headers["x-content-type-options"], "nosniff");
    assert!(drawn.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let text = drawn.text();
    let document = roxmltree::Document::parse(&text).unwrap();
    assert_eq!(document.root_element().tag_name().name(), "svg");
    let said: String = document.descendants().filter_map(|node| node.text()).collect();
    for part in ["fun", "<b>Jokes</b>", "three-labels", "gloom"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    let page: Answer =
        server.request("GET", "/v1/concepts/fun").header("accept", "text/html").send().unwrap().into();
    assert_eq!(page.problem(406)["remedy"], "accept application/json or image/svg+xml");
}

/// FUNNY with one item changed.
fn with(item: Value) -> Value {
    let mut list = json!(FUNNY);
    list[2] = item;
    list
}

#[test]
fn what_is_wrong_with_a_lesson_is_told_with_its_place_and_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let rows: String = FUNNY.map(|text| json!({"text": text, "label": "funny"}).to_string() + "\n").concat();
    let dataset = upload(&server, "", JSON_LINES, rows).json()["id"].clone();
    let large = upload(&server, "", JSON_LINES, lines("good", 1001)).json()["id"].clone();
    let upper: Vec<String> = FUNNY.iter().map(|text| text.to_uppercase()).collect();
    let many: Vec<String> = (0..1000).map(|place| format!("a film {place}")).collect();
    let others: Vec<String> = (0..1000).map(|place| format!("a joke {place}")).collect();
    let more = [&many[..], &others[..1]].concat();
    let on_both_sides = [GRIM[0], FUNNY[3], GRIM[1], GRIM[2], GRIM[3]];
    for (changes, pointer) in [
        (json!({"colour": "red"}), "/colour"),
        (json!({"name": null}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": "Fun"}), "/name"),
        (json!({"name": "-fun"}), "/name"),
        (json!({"name": "fun@1"}), "/name"),
        (json!({"name": "a b"}), "/name"),
        (json!({"name": "import"}), "/name"),
        (json!({"name": "f".repeat(101)}), "/name"),
        (json!({"name": 7}), "/name"),
        (json!({"description": "d".repeat(1001)}), "/description"),
        (json!({"model": "nobody"}), "/model"),
        (json!({"positives": null}), "/positives"),
        (json!({"positives": "funny"}), "/positives"),
        (json!({"positives": []}), "/positives"),
        (json!({"positives": FUNNY[..4]}), "/positives"),
        (json!({"positives": more}), "/positives"),
        (json!({"positives": with(json!(" "))}), "/positives/2"),
        (json!({"positives": with(json!(7))}), "/positives/2"),
        (json!({"positives": with(json!({"text": ""}))}), "/positives/2"),
        (json!({"positives": with(json!({"text": "a", "colour": "red"}))}), "/positives/2/colour"),
        (json!({"positives": {}}), "/positives"),
        (json!({"positives": {"dataset": "x"}}), "/positives/dataset"),
        (json!({"positives": {"dataset": "0".repeat(64)}}), "/positives"),
        (json!({"positives": {"dataset": large}}), "/positives"),
        (json!({"positives": {"dataset": dataset, "label": "sad"}}), "/positives/label"),
        (json!({"positives": {"dataset": dataset, "label": 1}}), "/positives/label"),
        (json!({"positives": {"dataset": dataset, "colour": "red"}}), "/positives/colour"),
        (json!({"negatives": []}), "/negatives"),
        (json!({"negatives": GRIM[..4]}), "/negatives"),
        (json!({"negatives": on_both_sides}), "/negatives/1"),
        (json!({"negatives": ["a", "b", "c", "d", "\t"]}), "/negatives/4"),
        (json!({"negatives": {"dataset": dataset}}), "/negatives"),
        (json!({"negatives": {"dataset": dataset, "label": "sad"}}), "/negatives/label"),
        // Other letters, but the same tokens.
        (json!({"negatives": upper}), "/positives"),
        (json!({"layer": 4}), "/layer"),
        (json!({"layer": -1}), "/layer"),
        (json!({"layer": 1.5}), "/layer"),
        (json!({"layer": "last"}), "/layer"),
        (json!({"layer": [1]}), "/layer"),
        (json!({"pooling": "max"}), "/pooling"),
        (json!({"learner": "svm"}), "/learner"),
        (json!({"regularisation": 0}), "/regularisation"),
        (json!({"regularisation": -1.0}), "/regularisation"),
        (json!({"regularisation": 1e7}), "/regularisation"),
        (json!({"regularisation": "NaN"}), "/regularisation"),
        (json!({"folds": 1}), "/folds"),
        (json!({"folds": 21}), "/folds"),
        // More folds than there are examples.
        (json!({"folds": 7}), "/positives"),
        (json!({"permutations": 18}), "/permutations"),
        (json!({"permutations": 1000}), "/permutations"),
        (json!({"seed": -1}), "/seed"),
        (json!({"seed": 0.5}), "/seed"),
        (json!({"truncate": "yes"}), "/truncate"),
    ] {
        let problem = server.problem("/v1/concepts", lesson(&changes), 422);
        assert_eq!(problem["type"], "urn:explaind:problem:invalid-field", "{changes}");
        assert_eq!(problem["pointer"], pointer, "{changes}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    let endless = json!({
        "positives": many, "negatives": others, "pooling": "tokens", "layer": null, "learner": "logistic",
        "folds": 20, "permutations": 999
    });
    let problem = server.problem("/v1/concepts", lesson(&endless), 422);
    assert_eq!(problem["pointer"], "/positives");
    assert!(problem["detail"].as_str().unwrap().contains("minutes"), "{problem}");
    assert_eq!(server.get("/v1/concepts").json()["concepts"], json!([]), "nothing is kept");
}

#[test]
fn texts_that_are_too_long_are_told_with_their_place_or_cut() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let long = "the ".repeat(50);
    let bundled = json!({"dataset": reference(&server)});
    for (changes, pointer) in [
        (json!({"positives": with(json!(long))}), "/positives/2"),
        (json!({"positives": with(json!({"text": long}))}), "/positives/2"),
        (json!({"negatives": with(json!(long)), "positives": GRIM}), "/negatives/2"),
        // Rows of a dataset stand nowhere in the request.
        (json!({"negatives": null}), "/negatives"),
        (json!({"positives": bundled, "negatives": GRIM}), "/positives"),
    ] {
        let problem = server.problem("/v1/concepts", lesson(&changes), 422);
        assert_eq!(problem["type"], "urn:explaind:problem:text-too-long", "{changes}");
        assert_eq!(problem["pointer"], pointer, "{changes}: {problem}");
    }
    learnt(&server, &json!({"positives": with(json!(long)), "truncate": true}));
}

#[test]
fn whoever_asks_at_the_same_time_is_told_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let ask = |changes: &Value| -> Vec<Answer> {
        let lesson = lesson(changes);
        std::thread::scope(|scope| {
            let asking: Vec<_> =
                (0..8).map(|_| scope.spawn(|| server.post("/v1/concepts", &lesson))).collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect()
        })
    };
    for answer in ask(&json!({"positives": with(json!(" "))})) {
        assert_eq!(answer.problem(422)["pointer"], "/positives/2");
    }
    let answers = ask(&json!({}));
    let new = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(new, 1, "one of them has made it");
    for answer in &answers {
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
        assert_eq!(answer.json(), answers[0].json());
    }
}

#[test]
fn what_is_no_lesson_at_all_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let send = |path: &str, content_type: &str, body: &str| -> Answer {
        let request = server.request("POST", path).header("content-type", content_type);
        request.body(body.to_owned()).send().unwrap().into()
    };
    let json = "application/json";
    for (path, content_type, body, status) in [
        ("/v1/concepts", json, "{\"name\": \"fun\"", 400),
        ("/v1/concepts", json, "{\"name\": \"fun\", \"regularisation\": NaN}", 400),
        ("/v1/concepts", json, "{\"name\": \"fun\", \"name\": \"joke\"}", 422),
        ("/v1/concepts", json, "[]", 422),
        ("/v1/concepts", "text/plain", "{}", 415),
        ("/v1/concepts?dry_run=true", json, "{}", 400),
        ("/v1/concepts/import", json, "[]", 422),
        ("/v1/concepts/import", json, "{}", 422),
        ("/v1/concepts/import", "text/plain", "{}", 415),
    ] {
        send(path, content_type, body).problem(status);
    }
    let wrong: Answer = server.request("PUT", "/v1/concepts/fun").send().unwrap().into();
    wrong.problem(405);
}
