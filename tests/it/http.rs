//! What the server answers to good requests, over a real connection.

use serde_json::{Value, json};

use crate::support::server::TestServer;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn sum(value: &Value) -> f64 {
    numbers(value).iter().sum()
}

const REVIEW: &str = "A moving, sharply written film that doesn't overstay its welcome.";

#[test]
fn a_text_alone_is_a_whole_request_and_the_answer_has_the_shape_of_the_contract() {
    let answer = TestServer::shared().ok("/explain", json!({"text": REVIEW}));
    assert_eq!(
        keys(&answer),
        [
            "explanations",
            "id",
            "model",
            "prediction",
            "text",
            "text_pair",
            "tokens",
            "truncated",
            "warnings",
            "words"
        ]
    );
    assert_eq!(keys(&answer["model"]), ["fingerprint", "id"]);
    assert_eq!(keys(&answer["prediction"]), ["index", "label", "logits", "scores"]);
    assert_eq!(keys(&answer["tokens"][0]), ["end", "index", "segment", "special", "start", "text", "word"]);
    assert_eq!(keys(&answer["words"][0]), ["end", "index", "segment", "start", "text", "tokens"]);
    let explanation = &answer["explanations"][0];
    assert_eq!(
        keys(explanation),
        ["convergence", "granularity", "method", "output", "quality", "scores", "special_scores", "target"]
    );
    assert_eq!(
        keys(&explanation["convergence"]),
        ["baseline_output", "converged", "delta", "gradients", "steps", "target_output", "tolerance"]
    );
    assert_eq!(explanation["method"], "integrated_gradients");
    assert_eq!((&answer["text_pair"], &answer["truncated"]), (&Value::Null, &Value::Null));
    assert_eq!(answer["prediction"]["label"], "positive");
    assert_eq!(
        answer["tokens"][0],
        json!({"index": 0, "text": "[CLS]", "start": 0, "end": 0, "word": null, "special": true, "segment": 0})
    );
    let words: Vec<&str> =
        answer["words"].as_array().unwrap().iter().map(|w| w["text"].as_str().unwrap()).collect();
    assert_eq!(
        words,
        [
            "A", "moving", ",", "sharply", "written", "film", "that", "doesn't", "overstay", "its",
            "welcome", "."
        ]
    );
}

#[test]
fn scores_add_up_to_the_change_of_the_output() {
    let server = TestServer::shared();
    for (model, granularity) in
        [("movie-reviews", "word"), ("movie-reviews", "token"), ("three-labels", "sentence")]
    {
        let body = json!({"text": "It is good. The film was not bad, and I like it!", "model": model, "granularity": granularity});
        let answer = server.ok("/v1/explain", body);
        let explanation = &answer["explanations"][0];
        let convergence = &explanation["convergence"];
        let special = if granularity == "token" { 0.0 } else { sum(&explanation["special_scores"]) };
        let number = |name: &str| convergence[name].as_f64().unwrap();
        let change = number("target_output") - number("baseline_output");
        assert!(
            (sum(&explanation["scores"]) + special - change - number("delta")).abs() < 1e-5,
            "{explanation}"
        );
        assert!(
            convergence["converged"] == false || number("delta").abs() <= number("tolerance"),
            "{explanation}"
        );
        let logit =
            &answer["prediction"]["logits"][explanation["target"]["index"].as_u64().unwrap() as usize];
        assert!((number("target_output") - logit.as_f64().unwrap()).abs() < 1e-5);
        let units = match granularity {
            "token" => answer["tokens"].as_array().unwrap().len(),
            "word" => answer["words"].as_array().unwrap().len(),
            _ => answer["sentences"].as_array().unwrap().len(),
        };
        assert_eq!(explanation["scores"].as_array().unwrap().len(), units);
    }
}

#[test]
fn a_text_gets_the_same_bytes_alone_in_a_batch_and_on_any_number_of_threads() {
    let texts = [REVIEW, "dull.", "The second half sags, though the cast is game and the jokes mostly land."];
    let body = |extra: Value| {
        let mut body =
            json!({"methods": ["integrated_gradients", "saliency", "random"], "target": "all", "seed": 9});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let one = TestServer::with_threads(1);
    let singles: Vec<String> =
        texts.iter().map(|text| one.post("/explain", &body(json!({"text": text}))).text()).collect();
    for server in [TestServer::with_threads(1), TestServer::with_threads(2), TestServer::with_threads(3)] {
        let batch = server.post("/explain", &body(json!({"texts": texts})));
        assert_eq!(batch.text(), format!("{{\"results\":[{}]}}", singles.join(",")));
    }
}

#[test]
fn equal_questions_have_one_id_and_different_ones_another() {
    let server = TestServer::shared();
    let id = |body: Value| server.ok("/explain", body)["id"].as_str().unwrap().to_owned();
    let plain = id(json!({"text": "fine", "methods": ["saliency"]}));
    assert_eq!(plain.len(), 64);
    let spelt_out = json!({"text": "fine", "model": "movie-reviews", "methods": ["saliency"], "target": "predicted",
        "options": {"saliency": {"output": "logit", "norm": "l2"}}, "granularity": "word", "quality": "none",
        "truncate": false, "seed": 4, "texts": null});
    assert_eq!(id(spelt_out), plain, "defaults, and a seed that nothing reads, change nothing");
    let adaptive = |options: Value| id(json!({"text": "fine", "options": {"integrated_gradients": options}}));
    assert_eq!(
        adaptive(json!({})),
        adaptive(json!({"max_gradients": 129, "steps": null, "baseline": "pad"}))
    );
    assert_ne!(adaptive(json!({})), adaptive(json!({"max_gradients": 65})));
    for other in [
        json!({"text": "fine.", "methods": ["saliency"]}),
        json!({"text": "fine", "methods": ["input_x_gradient"]}),
        json!({"text": "fine", "methods": ["saliency"], "target": "all"}),
        json!({"text": "fine", "methods": ["saliency"], "options": {"saliency": {"norm": "l1"}}}),
        json!({"text": "fine", "methods": ["saliency"], "granularity": "token"}),
        json!({"text": "fine", "methods": ["saliency"], "model": "three-labels"}),
    ] {
        assert_ne!(id(other.clone()), plain, "{other}");
    }
}

#[test]
fn every_method_answers_for_every_kind_of_model() {
    let server = TestServer::shared();
    let methods: Vec<String> = server.get("/v1/methods").json()["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(methods.len() >= 5);
    for model in ["movie-reviews", "three-labels", "multi-label", "regression", "one-type-id"] {
        let answer =
            server.ok("/explain", json!({"text": "the film is good", "model": model, "methods": methods}));
        let explained: Vec<&str> = answer["explanations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["method"].as_str().unwrap())
            .collect();
        for method in &methods {
            assert!(explained.contains(&method.as_str()), "{method} of {model}");
        }
        for explanation in answer["explanations"].as_array().unwrap() {
            assert_eq!(explanation["scores"].as_array().unwrap().len(), 4);
            assert!(numbers(&explanation["scores"]).iter().any(|score| *score != 0.0), "{explanation}");
        }
    }
}

#[test]
fn targets_are_labels_indices_or_all() {
    let server = TestServer::shared();
    let targets = |target: Value| -> Vec<u64> {
        let body =
            json!({"text": "good", "model": "three-labels", "methods": ["saliency"], "target": target});
        let answer = server.ok("/explain", body);
        answer["explanations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["target"]["index"].as_u64().unwrap())
            .collect()
    };
    let models = server.get("/v1/models").json();
    let label = models["models"][1]["labels"][2].clone();
    assert_eq!(targets(label), [2]);
    assert_eq!(targets(json!(1)), [1]);
    assert_eq!(targets(json!("all")), [0, 1, 2]);
    assert_eq!(targets(json!("predicted")).len(), 1);
}

#[test]
fn multi_label_and_regression_models_predict_in_their_own_way() {
    let server = TestServer::shared();
    let multi_label = server.ok("/v1/predict", json!({"text": "the film is good", "model": "multi-label"}));
    let prediction = &multi_label["prediction"];
    assert_eq!(keys(prediction), ["index", "label", "labels", "logits", "scores"]);
    assert_eq!(prediction["label"], Value::Null);
    let held: Vec<&Value> = prediction["scores"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["score"].as_f64().unwrap() >= 0.5)
        .map(|entry| &entry["label"])
        .collect();
    assert_eq!(prediction["labels"].as_array().unwrap().iter().collect::<Vec<_>>(), held);
    assert_eq!(multi_label.get("explanations"), None);

    let regression = server.ok("/v1/predict", json!({"text": "the film is good", "model": "regression"}));
    let prediction = &regression["prediction"];
    assert_eq!(keys(prediction), ["index", "label", "logits", "scores", "value"]);
    assert_eq!(prediction["value"], prediction["logits"][0]);
    assert_eq!(prediction["scores"], json!([]));
}

#[test]
fn a_pair_is_explained_over_both_of_its_texts() {
    let body = json!({"text": "the film is good", "text_pair": "it is good", "model": "pairs"});
    let answer = TestServer::shared().ok("/explain", body);
    let segments: Vec<u64> =
        answer["words"].as_array().unwrap().iter().map(|w| w["segment"].as_u64().unwrap()).collect();
    assert_eq!(segments, [0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(answer["explanations"][0]["scores"].as_array().unwrap().len(), 7);
    assert_eq!(answer["explanations"][0]["special_scores"].as_array().unwrap().len(), 3);
    let single = TestServer::shared().ok(
        "/explain",
        json!({"texts": [{"text": "the film is good", "text_pair": "it is good"}], "model": "pairs"}),
    );
    assert_eq!(single["results"][0], answer);
}

#[test]
fn a_long_text_is_cut_only_when_asked_and_says_where() {
    let server = TestServer::shared();
    let text = "fine film ".repeat(400);
    let problem = server.problem("/explain", json!({"text": text}), 422);
    assert_eq!(
        (&problem["tokens"], &problem["limit"], &problem["pointer"]),
        (&json!(802), &json!(512), &json!("/text"))
    );
    let answer = server.ok("/v1/predict", json!({"text": text, "truncate": true}));
    assert_eq!(answer["truncated"], json!({"tokens": 802, "limit": 512, "kept_to_character": 2549}));
    assert_eq!(answer["tokens"].as_array().unwrap().len(), 512);
    assert_eq!(answer["warnings"][0]["code"], "truncated");
}

#[test]
fn the_output_of_an_explanation_can_be_chosen() {
    let server = TestServer::shared();
    for output in ["probability", "log_odds", "margin"] {
        let options = json!({"integrated_gradients": {"output": output, "steps": 64}});
        let answer = server.ok("/explain", json!({"text": REVIEW, "options": options}));
        let explanation = &answer["explanations"][0];
        assert_eq!(explanation["output"], output);
        let logits = numbers(&answer["prediction"]["logits"]);
        let margin = logits[1] - logits[0];
        let expected = if output == "probability" { 1.0 / (1.0 + (-margin).exp()) } else { margin };
        assert!((explanation["convergence"]["target_output"].as_f64().unwrap() - expected).abs() < 1e-4);
        assert_eq!(explanation["convergence"]["converged"], true, "{explanation}");
    }
}

#[test]
fn a_text_is_its_own_perfect_baseline_and_another_one_must_be_of_its_length() {
    let server = TestServer::shared();
    let explain = |baseline: &str| {
        let options = json!({"integrated_gradients": {"baseline": {"text": baseline}}});
        server.post("/explain", &json!({"text": "a fine film", "options": options}))
    };
    let same = explain("a fine film").json();
    assert!(numbers(&same["explanations"][0]["scores"]).iter().all(|score| *score == 0.0));
    let other = explain("a bad film").json();
    let scores = numbers(&other["explanations"][0]["scores"]);
    assert!(scores[1] != 0.0 && scores[0] == 0.0 && scores[2] == 0.0, "{scores:?}");
    let problem = explain("much too long a baseline").problem(422);
    assert_eq!(problem["pointer"], "/options/integrated_gradients/baseline");
}

#[test]
fn the_random_control_follows_its_seed_and_its_text() {
    let server = TestServer::shared();
    let scores = |text: &str, seed: u64| {
        let answer = server.ok("/explain", json!({"text": text, "methods": ["random"], "seed": seed}));
        numbers(&answer["explanations"][0]["scores"])
    };
    assert_eq!(scores("a fine film", 1), scores("a fine film", 1));
    assert_ne!(scores("a fine film", 1), scores("a fine film", 2));
    assert_ne!(scores("a fine film", 1), scores("a dull film", 1));
}

#[test]
fn attention_rows_sum_to_one_and_come_with_their_statistics() {
    let server = TestServer::shared();
    let answer = server.ok("/v1/attention", json!({"text": "a fine film"}));
    let attention = &answer["attention"];
    assert_eq!(
        keys(attention),
        ["heads", "layer_means", "layers", "model_mean", "rollout", "statistics", "tokens", "weights"]
    );
    let weights = attention["weights"].as_array().unwrap();
    assert_eq!((weights.len(), weights[0].as_array().unwrap().len()), (6, 12));
    for row in
        weights.iter().flat_map(|layer| layer.as_array().unwrap()).flat_map(|head| head.as_array().unwrap())
    {
        assert!((sum(row) - 1.0).abs() < 1e-5);
    }
    for row in attention["rollout"].as_array().unwrap() {
        assert!((sum(row) - 1.0).abs() < 1e-5);
    }
    let statistics = &attention["statistics"][2][3];
    assert_eq!(
        keys(statistics),
        [
            "diagonality",
            "distance",
            "entropy",
            "entropy_normalized",
            "entropy_sum",
            "quality",
            "special_token_mass",
            "uniformity"
        ]
    );

    let some = server.ok("/v1/attention", json!({"text": "a fine film", "layers": [4, 0], "heads": [11]}));
    assert_eq!(some["attention"]["weights"][0][0], weights[4][11]);
    assert_eq!(some["attention"]["weights"][1][0], weights[0][11]);
    assert_eq!(some["attention"]["rollout"], attention["rollout"]);
}

#[test]
fn an_attention_answer_too_large_to_send_is_refused_before_it_is_made() {
    let text = "fine ".repeat(510);
    let server = TestServer::shared();
    let problem = server.problem("/v1/attention", json!({"text": text}), 422);
    assert_eq!(problem["type"], "urn:explaind:problem:answer-too-large");
    server.ok("/v1/attention", json!({"text": text, "layers": [0], "heads": [0, 1]}));
    let batch = server.ok("/v1/attention", json!({"texts": vec![&text; 20], "layers": [0], "heads": [0, 1]}));
    let results = batch["results"].as_array().unwrap();
    let refused = results.iter().position(|result| result.get("error").is_some());
    let refused = refused.expect("a batch of them all would not fit one response");
    assert!(refused > 0, "those that fit are given");
    for result in &results[refused..] {
        assert_eq!(result["error"]["type"], "urn:explaind:problem:answer-too-large");
    }
}

#[test]
fn models_and_methods_describe_themselves() {
    let server = TestServer::shared();
    let models = server.get("/v1/models").json();
    let bundled = &models["models"][0];
    assert_eq!((&bundled["id"], &bundled["default"]), (&json!("movie-reviews"), &json!(true)));
    assert_eq!(bundled["labels"], json!(["negative", "positive"]));
    assert_eq!(
        (&bundled["layers"], &bundled["heads"], &bundled["max_tokens"]),
        (&json!(6), &json!(12), &json!(512))
    );
    assert_eq!(bundled["masked_lm"], true);
    let methods = server.get("/v1/methods").json();
    let first = &methods["methods"][0];
    assert_eq!((&first["id"], &first["default"]), (&json!("integrated_gradients"), &json!(true)));
    assert_eq!(
        first["options"],
        json!({"steps": null, "max_gradients": 129, "baseline": "pad", "output": "logit"})
    );
}

#[test]
fn probes_answer() {
    let server = TestServer::shared();
    assert_eq!(server.get("/livez").json()["status"], "ok");
    assert_eq!(
        server.get("/readyz").json(),
        json!({"status": "ok", "models": 6, "cache": {"durable": "off", "detail": null}})
    );
}

#[test]
fn a_decent_request_id_is_kept_and_any_other_replaced() {
    let server = TestServer::shared();
    let with = |id: &str| {
        let response = server.request("GET", "/livez").header("x-request-id", id).send().unwrap();
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(with("audit-2031/7"), "audit-2031/7");
    assert_ne!(with("two words"), "two words");
    let long = "x".repeat(200);
    assert_ne!(with(&long), long);
}
