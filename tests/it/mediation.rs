//! Mediation through a server that listens: what inside the network makes the difference between two texts.

use serde_json::{Value, json};

use crate::openapi::assert_shown;
use crate::support::golden::BUNDLED;
use crate::support::server::{Answer, Settings, TestServer};

const PATH: &str = "/v1/interventions/mediation";
const MODEL: &str = "three-labels";
const TEXT: &str = "A slow, dull story with strange moments.";
const OTHER: &str = "A warm, great story with strange moments.";
const LAYERS: usize = 3;
const HEADS: usize = 3;
const NEURONS: usize = 40;
const TOKENS: usize = 12;

fn body() -> Value {
    json!({"model": MODEL, "text": TEXT, "counterfactual": OTHER})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = body();
    body[field] = value;
    body
}

fn numbers(value: &Value) -> Vec<Vec<f64>> {
    let row = |row: &Value| row.as_array().unwrap().iter().map(|entry| entry.as_f64().unwrap()).collect();
    value.as_array().unwrap().iter().map(row).collect()
}

fn shape(rows: &[Vec<f64>]) -> (usize, usize) {
    let width = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == width));
    (rows.len(), width)
}

#[test]
fn every_part_has_its_effects_between_what_the_model_says_of_both_texts() {
    let server = TestServer::shared();
    let answer = server.ok(PATH, body());
    let said = |text: &str| server.ok("/v1/predict", json!({"model": MODEL, "text": text}));
    for (side, text) in [("original", TEXT), ("counterfactual", OTHER)] {
        let said = said(text);
        for field in ["text", "text_pair", "prediction", "tokens", "words"] {
            assert_eq!(answer[side][field], said[field], "{field} of the {side}");
        }
    }
    let [target, against] = ["target", "against"].map(|class| &answer["outcome"][class]["index"]);
    assert_eq!(*target, answer["original"]["prediction"]["index"]);
    assert_eq!(*against, answer["counterfactual"]["prediction"]["index"]);
    let outcome = |side: &str| {
        let logit = |class: &Value| {
            answer[side]["prediction"]["logits"][class.as_u64().unwrap() as usize].as_f64().unwrap()
        };
        logit(target) - logit(against)
    };
    let figure = |name: &str| answer[name].as_f64().unwrap();
    assert!((figure("before") - outcome("original")).abs() < 1e-6);
    assert!((figure("after") - outcome("counterfactual")).abs() < 1e-6);
    let total = figure("total_effect");
    assert!((total - (figure("after") - figure("before"))).abs() < 1e-6);

    assert_eq!(answer["layers"].as_array().unwrap().len(), LAYERS);
    for direction in ["indirect", "direct"] {
        assert_eq!(shape(&numbers(&answer["heads"][direction])), (LAYERS, HEADS));
        // Two a group, so that there are 24 or fewer.
        assert_eq!(shape(&numbers(&answer["neurons"]["effects"][direction])), (LAYERS, 20));
    }
    assert_eq!(answer["neurons"]["group"], 2);
    let effects = numbers(&answer["patching"]["effects"]);
    let recovered = numbers(&answer["patching"]["recovered"]);
    assert_eq!((shape(&effects), shape(&recovered)), ((LAYERS + 1, TOKENS), (LAYERS + 1, TOKENS)));
    for (effects, recovered) in effects.iter().flatten().zip(recovered.iter().flatten()) {
        assert!((effects / total - recovered).abs() < 1e-5, "{effects} is {recovered} of {total}");
    }
    // The first token's last state is all that is read; at first, both texts differ in two words.
    assert_eq!(effects[LAYERS][0], total);
    assert_eq!(recovered[LAYERS][0], 1.0);
    assert!(effects[LAYERS][1..].iter().all(|effect| *effect == 0.0));
    let changed: Vec<usize> = (0..TOKENS).filter(|token| effects[0][*token] != 0.0).collect();
    assert_eq!(changed, [2, 4]);
    assert_eq!((&answer["complete"], &answer["warnings"]), (&json!(true), &json!([])));
}

#[test]
fn a_group_of_all_neurons_of_a_layer_is_its_feed_forward() {
    let server = TestServer::shared();
    let mut asked = with("mediators", json!(["neurons", "layers"]));
    asked["neuron_group"] = json!(NEURONS);
    let answer = server.ok(PATH, asked);
    assert_eq!((&answer["heads"], &answer["patching"]), (&Value::Null, &Value::Null));
    for (layer, effects) in answer["layers"].as_array().unwrap().iter().enumerate() {
        assert_eq!(effects["layer"], layer);
        for direction in ["indirect", "direct"] {
            let group = &answer["neurons"]["effects"][direction][layer];
            assert_eq!(*group, json!([effects["feed_forward"][direction]]));
        }
    }
}

#[test]
fn a_dry_run_tells_the_passes_that_the_answer_takes() {
    let server = Settings { models: vec![MODEL], ..Settings::default() }.start();
    let foreseen = &server.ok(PATH, with("dry_run", json!(true)))["results"][0]["forwards"];
    let answer = server.ok(PATH, body());
    let mediators = LAYERS * (2 + HEADS + NEURONS / 2);
    // Each text's own once more, to look inside; both ways through each part; and the positions that are read.
    let most = 3 + 2 * mediators + LAYERS * TOKENS + 1;
    assert_eq!(foreseen["most"], most);
    // Of the embeddings, two rows of the twelve differ.
    assert_eq!(answer["forwards"], most - TOKENS + 2);
    // One is what is usual.
    assert_eq!(foreseen["expected"], most - TOKENS + 1);
}

#[test]
fn the_outcome_is_that_of_the_classes_that_are_named() {
    let server = TestServer::shared();
    let answer = |target: Value, against: Value| {
        let mut asked = with("mediators", json!(["layers"]));
        (asked["target"], asked["against"]) = (target, against);
        server.ok(PATH, asked)
    };
    let logits = |answer: &Value| {
        let logits = answer["original"]["prediction"]["logits"].as_array().unwrap().clone();
        logits.iter().map(|logit| logit.as_f64().unwrap()).collect::<Vec<_>>()
    };
    let alone = answer(json!(2), Value::Null);
    assert_eq!(alone["outcome"]["against"], Value::Null);
    assert_eq!(alone["before"].as_f64().unwrap(), logits(&alone)[2]);
    let both = answer(json!(2), json!(1));
    assert_eq!(both["outcome"]["against"]["index"], 1);
    assert!((both["before"].as_f64().unwrap() - (logits(&both)[2] - logits(&both)[1])).abs() < 1e-6);
    let turned = answer(json!(1), json!(2));
    let negated = |value: &Value| json!(0.0 - value.as_f64().unwrap());
    assert_eq!(turned["total_effect"], negated(&both["total_effect"]));
    let label = &both["outcome"]["target"]["label"];
    let named = answer(label.clone(), both["outcome"]["against"]["label"].clone());
    assert_eq!(named["id"], both["id"], "the same question by another name");
}

#[test]
fn where_classes_do_not_compete_the_logit_is_followed_and_pairs_are_compared_as_pairs() {
    let server = TestServer::shared();
    for (model, text, other) in [
        ("regression", "one of the best films of the year", "one of the worst films of the year"),
        ("multi-label", "she laughed at the strange joke", "she walked at the strange window"),
    ] {
        let asked = json!({"model": model, "text": text, "counterfactual": other, "mediators": ["heads"]});
        let answer = server.ok(PATH, asked.clone());
        assert_eq!(answer["outcome"]["against"], Value::Null);
        let target = answer["outcome"]["target"]["index"].as_u64().unwrap() as usize;
        assert_eq!(answer["before"], answer["original"]["prediction"]["logits"][target]);
        let mut refused = asked;
        refused["against"] = json!(0);
        assert_eq!(server.problem(PATH, refused, 422)["pointer"], "/against");
    }
    let mut pair = json!({"model": "pairs", "text": "The dog sleeps in the street.",
        "text_pair": "A dog is not walking.", "counterfactual": "The dog runs in the rain.",
        "counterfactual_pair": "A dog is not walking.", "mediators": ["positions"]});
    let answer = server.ok(PATH, pair.clone());
    assert_eq!(answer["counterfactual"]["text_pair"], "A dog is not walking.");
    assert_eq!(shape(&numbers(&answer["patching"]["effects"])).1, 18);
    pair["counterfactual_pair"] = Value::Null;
    assert_eq!(server.problem(PATH, pair, 422)["pointer"], "/counterfactual_pair");
}

#[test]
fn shares_of_next_to_nothing_are_not_told() {
    let server = TestServer::shared();
    let asked = |target: usize| {
        let body = json!({"model": "pairs", "text": "The dog sleeps in the street.",
            "text_pair": "A dog is not walking.", "counterfactual": "The dog runs in the rain.",
            "counterfactual_pair": "A dog is not walking.", "mediators": ["positions"], "target": target,
            "against": null});
        server.ok(PATH, body)
    };
    let small = asked(0);
    assert!(small["total_effect"].as_f64().unwrap().abs() < 0.05);
    assert_eq!(small["patching"]["recovered"], Value::Null);
    assert_eq!(shape(&numbers(&small["patching"]["effects"])).1, 18);
    assert_eq!(small["warnings"][0]["code"], "small_total_effect");
    let large = asked(1);
    assert!(large["total_effect"].as_f64().unwrap().abs() > 0.05);
    assert_eq!(large["warnings"], json!([]));
    assert_eq!(shape(&numbers(&large["patching"]["recovered"])).1, 18);
}

#[test]
fn a_counterfactual_of_another_length_is_refused_with_both_tokenisations() {
    let server = TestServer::shared();
    let problem = server.problem(PATH, with("counterfactual", json!("A warm story.")), 422);
    assert_eq!(problem["type"], "urn:explaind:problem:unequal-lengths");
    assert_eq!(problem["pointer"], "/counterfactual");
    let tokenisations = problem["tokenisations"].as_array().unwrap();
    assert_eq!(tokenisations[0].as_array().unwrap().len(), TOKENS);
    assert_eq!(tokenisations[1], json!(["[CLS]", "a", "warm", "story", ".", "[SEP]"]));
    // A dry run finds it, too.
    let mut dry = with("counterfactual", json!("A warm story."));
    dry["dry_run"] = json!(true);
    assert_eq!(server.problem(PATH, dry, 422)["type"], problem["type"]);
}

#[test]
fn a_question_that_is_none_is_refused_by_its_place() {
    let server = TestServer::shared();
    for (field, value, pointer) in [
        ("text", Value::Null, "/text"),
        ("text", json!(" "), "/text"),
        ("counterfactual", Value::Null, "/counterfactual"),
        ("counterfactual", json!(" "), "/counterfactual"),
        ("counterfactual", json!(TEXT), "/counterfactual"),
        // It is the same to a model that does not know capitals.
        ("counterfactual", json!(TEXT.to_uppercase()), "/counterfactual"),
        ("counterfactual_pair", json!("and more"), "/counterfactual_pair"),
        ("texts", json!([TEXT]), "/texts"),
        ("model", json!("nobody"), "/model"),
        ("target", json!("all"), "/target"),
        ("target", json!("angry"), "/target"),
        ("target", json!(3), "/target"),
        ("against", json!("angry"), "/against"),
        ("against", json!(3), "/against"),
        ("against", json!(["negative"]), "/against"),
        ("mediators", json!([]), "/mediators"),
        ("mediators", json!(["heads", "tails"]), "/mediators/1"),
        ("mediators", json!(["heads", "layers", "heads"]), "/mediators/2"),
        ("mediators", json!([{"heads": null}]), "/mediators/0"),
        ("neuron_group", json!(0), "/neuron_group"),
        ("neuron_group", json!(NEURONS + 1), "/neuron_group"),
        ("truncate", json!(true), "/truncate"),
    ] {
        let problem = server.problem(PATH, with(field, value.clone()), 422);
        assert_eq!(problem["pointer"], pointer, "{field} {value}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    let mut heads = with("neuron_group", json!(2));
    heads["mediators"] = json!(["heads"]);
    assert_eq!(server.problem(PATH, heads, 422)["pointer"], "/neuron_group");
    let mut itself = with("target", json!(0));
    itself["against"] = json!(0);
    assert_eq!(server.problem(PATH, itself, 422)["pointer"], "/against");
}

#[test]
fn the_answer_is_kept_and_is_the_same_whatever_the_number_of_threads() {
    let server = Settings { models: vec![MODEL], threads: 1, ..Settings::default() }.start();
    let first = server.post(PATH, &body());
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.body, TestServer::with_threads(3).post(PATH, &body()).body);
    let spelt = json!({"model": MODEL, "text": TEXT, "counterfactual": OTHER, "target": "predicted",
        "mediators": ["positions", "neurons", "layers", "heads"], "neuron_group": 2, "dry_run": false});
    let again = server.post(PATH, &spelt);
    assert_eq!(again.headers["cache-status"], "explaind; hit; detail=memory");
    let location = first.headers["content-location"].to_str().unwrap();
    assert_eq!((&again.body, &server.get(location).body), (&first.body, &first.body));
    let other = server.ok(PATH, with("counterfactual", json!("A warm, dull story with strange moments.")));
    assert_ne!(other["id"], first.json()["id"], "another counterfactual is another question");
}

#[test]
fn the_examples_of_mediation_are_what_the_server_answers() {
    let server = Settings { models: vec![BUNDLED], ..Settings::default() }.start();
    let asked = json!({"text": "A gripping film.", "counterfactual": "A boring film.", "neuron_group": 768});
    let mut dry = asked.clone();
    dry["dry_run"] = json!(true);
    for (name, body) in [("mediation-dry-run", dry), ("mediation", asked)] {
        let request =
            server.request("POST", PATH).header("x-request-id", "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64");
        let real: Answer = request.json(&body).send().unwrap().into();
        assert_shown(name, &real.json());
    }
}
