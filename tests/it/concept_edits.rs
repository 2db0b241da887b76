//! Edits of concepts through a server that listens: each point is what the altered network says by itself.

use explaind::config::Database;
use serde_json::{Value, json};

use crate::concepts::learnt;
use crate::datasets::on_file;
use crate::support::golden::BUNDLED;
use crate::support::server::{Settings, TestServer};

const PATH: &str = "/v1/concepts/edits";
const TEXT: &str = "a funny film";

/// What people say of a film that they like, and of one that they do not.
const PRAISE: [&str; 6] = [
    "A wonderful, moving film.",
    "Warm, funny and charming.",
    "The best film of the year.",
    "I loved every minute of it.",
    "A delight from start to finish.",
    "Brilliantly acted and beautifully shot.",
];
const BLAME: [&str; 6] = [
    "A dull, lifeless mess.",
    "Tedious and badly written.",
    "The worst film of the year.",
    "I hated every minute of it.",
    "A waste of time and talent.",
    "Poorly acted and ugly to look at.",
];

/// The bundled model with a concept that it judges by, found where it decides.
fn with_praise(directory: &tempfile::TempDir) -> TestServer {
    let database = Some(Database::Sqlite(directory.path().join("x.db")));
    let server = Settings { models: vec![BUNDLED], database, ..Settings::default() }.start();
    let lesson =
        json!({"name": "praise", "positives": PRAISE, "negatives": BLAME, "layer": 6, "pooling": "cls"});
    learnt(&server, &lesson);
    server
}

fn push(concept: &str, strength: f64) -> Value {
    json!({"concept": concept, "action": "push", "strength": strength})
}

#[test]
fn every_point_of_a_sweep_is_what_the_altered_network_says() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let concept = learnt(&server, &json!({}));
    let plain = server.ok("/v1/predict", json!({"text": TEXT}));
    let answer = server.ok(PATH, json!({"text": TEXT, "concepts": [{"concept": "fun"}]}));
    assert_eq!(answer["prediction"], plain["prediction"]);
    let edits = &answer["edits"];
    let name = json!({"name": "fun", "version": 1, "id": concept["id"]});
    assert_eq!(edits["concepts"], json!([{"concept": name, "weight": 1.0, "layer": 2}]));
    assert_eq!(edits["target"]["label"], plain["prediction"]["label"]);
    let sweep = edits["sweep"].as_array().unwrap();
    let strengths: Vec<f64> = sweep.iter().map(|point| point["strength"].as_f64().unwrap()).collect();
    assert_eq!(strengths, [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
    for (point, strength) in sweep.iter().zip(strengths) {
        let body = json!({"text": TEXT, "interventions": [push("fun", strength)]});
        let alone = server.ok("/v1/predict", body);
        assert_eq!(point["prediction"], alone["prediction"], "at {strength}, to the last digit");
        let index = edits["target"]["index"].as_u64().unwrap() as usize;
        assert_eq!(point["output"], alone["prediction"]["logits"][index]);
    }
    assert_eq!(sweep[4]["prediction"], plain["prediction"]);
}

#[test]
fn several_concepts_are_edited_at_once_each_with_its_weight_at_its_layer() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    learnt(&server, &json!({"name": "gloom", "layer": 1, "seed": 3}));
    let concepts = json!([{"concept": "fun", "layer": 3}, {"concept": "gloom@1", "weight": -0.5}]);
    let body = json!({"text": TEXT, "concepts": concepts, "strengths": [-2, 2.0], "attribution": null,
        "target": "neutral"});
    let edits = &server.ok(PATH, body)["edits"];
    assert_eq!((&edits["target"]["index"], &edits["words"]), (&json!(1), &Value::Null));
    for point in edits["sweep"].as_array().unwrap() {
        let strength = point["strength"].as_f64().unwrap();
        let mut first = push("fun", strength);
        first["layer"] = json!(3);
        let interventions = [first, push("gloom", -0.5 * strength)];
        let alone = server.ok("/v1/predict", json!({"text": TEXT, "interventions": interventions}));
        assert_eq!(point["prediction"], alone["prediction"]);
    }
}

#[test]
fn a_flip_is_found_within_a_sixty_fourth_of_its_step_and_words_are_compared_there() {
    let directory = tempfile::tempdir().unwrap();
    let server = with_praise(&directory);
    let text = "A gripping film, though it drags a little.";
    let strengths = [-40.0, -20.0, -10.0, -5.0, 0.0, 5.0, 10.0];
    let body = json!({"text": text, "concepts": [{"concept": "praise"}], "strengths": strengths});
    let answer = server.ok(PATH, body);
    let (label, edits) = (&answer["prediction"]["label"], &answer["edits"]);
    assert_eq!(label, "positive");
    assert_eq!(edits["flips"]["above"], Value::Null, "more praise is no less positive");
    let flip = &edits["flips"]["below"];
    let strength = flip["strength"].as_f64().expect("enough blame is negative");
    assert_eq!(flip["prediction"]["label"], "negative");
    let predicted = |strength: f64| {
        let body = json!({"text": text, "interventions": [push("praise", strength)]});
        server.ok("/v1/predict", body)["prediction"].clone()
    };
    assert_eq!(predicted(strength), flip["prediction"]);
    let step = strengths.windows(2).find(|step| step[0] <= strength && strength < step[1]).unwrap();
    let nearer = strength + (step[1] - step[0]) / 64.0;
    assert_eq!(&predicted(nearer)["label"], label, "{nearer} beside {strength}");

    let words = &edits["words"];
    assert_eq!(words["strength"], flip["strength"]);
    let explained = |interventions: Value| {
        let body = json!({"text": text, "target": "positive", "interventions": interventions});
        server.ok("/v1/explain", body)["explanations"][0].clone()
    };
    assert_eq!(words["before"], explained(Value::Null));
    assert_eq!(words["after"], explained(json!([push("praise", strength)])));
    let score = |side: &str, place: usize| words[side]["scores"][place].as_f64().unwrap();
    let change = words["change"].as_array().unwrap();
    assert_eq!(change.len(), answer["words"].as_array().unwrap().len());
    for (place, change) in change.iter().enumerate() {
        let expected = score("after", place) - score("before", place);
        assert!((change.as_f64().unwrap() - expected).abs() < 1e-6, "{place}");
    }
}

#[test]
fn where_nothing_flips_words_are_compared_at_the_strength_that_is_farthest_from_zero() {
    let directory = tempfile::tempdir().unwrap();
    let server = with_praise(&directory);
    let asked = |strengths: Value| {
        let body = json!({"text": PRAISE[2], "concepts": [{"concept": "praise"}], "strengths": strengths,
            "attribution": "saliency"});
        server.ok(PATH, body)["edits"].clone()
    };
    for (strengths, farthest) in
        [(json!([-0.001, 0.002, 0.5]), 0.5), (json!([0.125, 0.25]), 0.25), (json!([-0.001, 0.001]), 0.001)]
    {
        let edits = asked(strengths);
        assert_eq!(edits["flips"], json!({"above": null, "below": null}));
        assert_eq!(edits["words"]["strength"], farthest);
        assert_eq!(edits["words"]["after"]["method"], "saliency");
    }
}

#[test]
fn a_regression_has_no_flips_and_several_labels_are_one_prediction() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().join("x.db"));
    let models = vec!["regression", "multi-label"];
    let server = Settings { models, ..Settings::tiny_on(database) }.start();
    learnt(&server, &json!({"model": "regression"}));
    learnt(&server, &json!({"name": "fun-of-many", "model": "multi-label"}));
    let strengths = [-90.0, 0.0, 90.0];
    let body = json!({"text": TEXT, "concepts": [{"concept": "fun"}], "strengths": strengths});
    let edits = &server.ok(PATH, body)["edits"];
    assert_eq!(edits["flips"], json!({"above": null, "below": null}));
    let values: Vec<&Value> =
        edits["sweep"].as_array().unwrap().iter().map(|point| &point["prediction"]["value"]).collect();
    assert!(values[0] != values[1] && values[1] != values[2], "{values:?}");
    assert_eq!(edits["sweep"][0]["output"], *values[0]);

    let body = json!({"text": TEXT, "model": "multi-label", "concepts": [{"concept": "fun-of-many"}],
        "strengths": strengths, "attribution": null});
    let answer = server.ok(PATH, body);
    let (known, edits) = (&answer["prediction"]["labels"], &answer["edits"]);
    for (side, place) in [("below", 0), ("above", 2)] {
        let is_other = edits["sweep"][place]["prediction"]["labels"] != *known;
        let flip = &edits["flips"][side];
        assert_eq!(is_other, !flip.is_null(), "{side}");
        if is_other {
            assert_ne!(flip["prediction"]["labels"], *known);
        }
    }
}

#[test]
fn edits_are_kept_given_in_batches_and_drawn_like_other_answers() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let body = json!({"text": TEXT, "concepts": [{"concept": "fun"}], "attribution": "saliency"});
    let mut dry = body.clone();
    dry["dry_run"] = json!(true);
    let foreseen = &server.ok(PATH, dry)["results"][0];
    // The text's own and nine points, up to six halvings on either side, and the edited text that is explained.
    assert_eq!(foreseen["forwards"], json!({"expected": 17, "most": 23}));
    assert_eq!(foreseen["backwards"], json!({"expected": 2, "most": 2}));
    let first = server.post(PATH, &body);
    assert_eq!(first.status, 200, "{}", first.text());
    let spelt = json!({"text": TEXT, "concepts": [{"concept": "fun@1", "weight": 1, "layer": 2}], "seed": 7,
        "strengths": [-4, -3, -2, -1, 0, 1, 2, 3, 4], "target": "predicted", "attribution": "saliency"});
    let again = server.post(PATH, &spelt);
    assert_eq!(again.headers["cache-status"], "explaind; hit; detail=memory");
    let location = first.headers["content-location"].to_str().unwrap();
    assert_eq!((&again.body, &server.get(location).body), (&first.body, &first.body));

    let drawn = server.request("GET", location).header("accept", "image/svg+xml").send().unwrap();
    let drawn = drawn.text().unwrap();
    roxmltree::Document::parse(&drawn).unwrap();
    assert!(drawn.contains("Sweep") && drawn.contains("fun@1"), "{drawn}");
    let page = server.request("GET", location).header("accept", "text/html").send().unwrap().text().unwrap();
    assert!(page.contains("aria-label=\"Edits of concepts\""));

    let many = server
        .ok(PATH, json!({"texts": [TEXT, " "], "concepts": [{"concept": "fun"}], "attribution": "saliency"}));
    assert_eq!(many["results"][0], first.json());
    assert_eq!(many["results"][1]["error"]["pointer"], "/texts/1");
}

#[test]
fn an_edit_that_is_none_is_refused_by_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    learnt(&server, &json!({}));
    let one = json!([{"concept": "fun"}]);
    for (field, value, pointer) in [
        ("concepts", Value::Null, "/concepts"),
        ("concepts", json!([]), "/concepts"),
        ("concepts", json!(vec![one[0].clone(); 9]), "/concepts"),
        ("concepts", json!(["fun"]), "/concepts/0"),
        ("concepts", json!([{}]), "/concepts/0/concept"),
        ("concepts", json!([{"concept": "joke"}]), "/concepts/0/concept"),
        ("concepts", json!([{"concept": "fun", "weight": 0}]), "/concepts/0/weight"),
        ("concepts", json!([{"concept": "fun", "weight": -101}]), "/concepts/0/weight"),
        ("concepts", json!([{"concept": "fun", "layer": 4}]), "/concepts/0/layer"),
        ("concepts", json!([{"concept": "fun", "action": "erase"}]), "/concepts/0/action"),
        ("strengths", json!([1]), "/strengths"),
        ("strengths", json!(vec![0; 102]), "/strengths"),
        ("strengths", json!([0, 1, 1]), "/strengths/2"),
        ("strengths", json!([1, 0]), "/strengths/1"),
        ("strengths", json!([0, 100.5]), "/strengths/1"),
        ("strengths", json!([0, "1"]), "/strengths/1"),
        ("target", json!("all"), "/target"),
        ("target", json!("angry"), "/target"),
        ("target", json!(3), "/target"),
        ("attribution", json!("magic"), "/attribution"),
        ("attribution", json!("value_zeroing"), "/attribution"),
        ("options", json!({}), "/options"),
    ] {
        let mut body = json!({"text": TEXT, "concepts": one});
        body[field] = value.clone();
        let problem = server.problem(PATH, body, 422);
        assert_eq!(problem["pointer"], pointer, "{field} {value}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    let without_text = json!({"concepts": one});
    assert_eq!(server.problem(PATH, without_text, 422)["pointer"], "/text");
}
