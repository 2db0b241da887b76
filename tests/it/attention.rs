//! What `/v1/attention` shows of the maps, and what it adds to them.

use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::support::server::{Answer, TestServer};

const TEXT: &str = "a fine film";

/// What is told of the attention of a text, by a question with these fields more.
fn attention(fields: Value) -> Value {
    let mut body = json!({"text": TEXT});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    TestServer::shared().ok("/v1/attention", body)["attention"].clone()
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no array"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// All numbers of arrays of arrays, in order.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        value => vec![number(value)],
    }
}

fn sum(row: &Value) -> f64 {
    flat(row).iter().sum()
}

/// The rows of all maps.
fn rows(maps: &Value) -> impl Iterator<Item = &Value> {
    array(maps).iter().flat_map(array).flat_map(array)
}

#[test]
fn the_largest_weights_of_a_row_come_with_their_keys_in_descending_order() {
    let whole = attention(json!({"layers": [1], "heads": [0, 2]}));
    let largest = attention(json!({"layers": [1], "heads": [0, 2], "top_k": 2}));
    assert!(largest.get("weights").is_none() && whole.get("top").is_none());
    for (told, row) in rows(&largest["top"]).zip(rows(&whole["weights"])) {
        let told: Vec<(usize, f64)> =
            array(told).iter().map(|pair| (pair[0].as_u64().unwrap() as usize, number(&pair[1]))).collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].1 >= told[1].1, "{told:?}");
        let row = flat(row);
        for (key, weight) in &told {
            assert_eq!(row[*key], *weight);
        }
        let others = (0..row.len()).filter(|key| told.iter().all(|(told, _)| told != key));
        assert!(others.into_iter().all(|key| row[key] <= told[1].1), "{row:?}");
    }
    for same in ["statistics", "layer_means", "model_mean", "rollout", "tokens"] {
        assert_eq!(largest[same], whole[same], "{same} is that of the full maps");
    }
}

#[test]
fn more_weights_than_a_row_has_are_refused_once_the_text_is_known() {
    let server = TestServer::shared();
    let tokens = array(&server.ok("/v1/predict", json!({"text": TEXT}))["tokens"]).len();
    server.ok("/v1/attention", json!({"text": TEXT, "top_k": tokens, "layers": [0]}));
    let too_many = json!({"text": TEXT, "top_k": tokens + 1, "layers": [0]});
    assert_eq!(server.problem("/v1/attention", too_many, 422)["pointer"], "/top_k");
    let of_words = json!({"text": TEXT, "top_k": tokens, "layers": [0], "special_tokens": "exclude"});
    assert_eq!(server.problem("/v1/attention", of_words, 422)["pointer"], "/top_k");
    let tried = json!({"text": TEXT, "top_k": tokens + 1, "layers": [0], "dry_run": true});
    assert_eq!(server.problem("/v1/attention", tried, 422)["pointer"], "/top_k");
    let texts = json!({"texts": [TEXT, "a fine film with many more words than that"], "top_k": tokens + 1, "layers": [0]});
    let results = server.ok("/v1/attention", texts)["results"].clone();
    assert_eq!(results[0]["error"]["pointer"], "/top_k");
    assert!(results[1]["attention"]["top"].is_array());
}

#[test]
fn an_answer_of_the_largest_weights_may_be_about_a_text_whose_maps_would_be_too_large() {
    let text = "fine ".repeat(300);
    let server = TestServer::shared();
    server.problem("/v1/attention", json!({"text": text}), 422);
    let answer = server.ok("/v1/attention", json!({"text": text, "top_k": 1}));
    assert_eq!(rows(&answer["attention"]["top"]).count(), 6 * 12 * array(&answer["tokens"]).len());
    let problem =
        server.problem("/v1/attention", json!({"text": text, "top_k": 1, "include": ["groups"]}), 422);
    assert_eq!(problem["type"], "urn:explaind:problem:answer-too-large", "heads are compared by all weights");
}

#[test]
fn special_tokens_are_left_out_and_rows_are_scaled_as_asked() {
    let whole = attention(json!({"layers": [2], "heads": [1]}));
    let left = attention(json!({"layers": [2], "heads": [1], "special_tokens": "exclude"}));
    let scaled = attention(json!({"layers": [2], "heads": [1], "special_tokens": "renormalise"}));
    let tokens = array(&whole["tokens"]).len();
    let inner: Vec<usize> = (1..tokens - 1).collect();
    assert_eq!((&left["tokens"], &scaled["tokens"]), (&json!(inner), &json!(inner)));
    for (place, token) in inner.iter().enumerate() {
        let row = flat(&whole["weights"][0][0][*token]);
        assert_eq!(flat(&left["weights"][0][0][place]), row[1..tokens - 1]);
        assert!((sum(&scaled["weights"][0][0][place]) - 1.0).abs() < 1e-5);
        assert!((sum(&scaled["rollout"][place]) - 1.0).abs() < 1e-5);
        assert!(sum(&left["rollout"][place]) < 1.0);
    }
    assert_eq!(left["statistics"], whole["statistics"], "what is counted is the full map");
    let same = attention(json!({"layers": [2], "heads": [1], "special_tokens": "include"}));
    assert_eq!(same, whole);
}

#[test]
fn numbers_have_as_many_digits_as_are_asked_for() {
    let whole = attention(json!({"layers": [0], "heads": [0], "include": ["norms"]}));
    let short = attention(json!({"layers": [0], "heads": [0], "include": ["norms"], "precision": 2}));
    for field in ["weights", "rollout", "norms"] {
        let numbers = flat(&short[field]);
        assert_eq!(numbers.len(), flat(&whole[field]).len());
        for (short, long) in numbers.into_iter().zip(flat(&whole[field])) {
            assert!((short - long).abs() < 0.00501, "{short} of {long}");
            assert!(
                (short * 100.0 - (short * 100.0).round()).abs() < 1e-3,
                "{short} has more than two digits"
            );
        }
    }
}

#[test]
fn heads_layers_and_the_model_have_their_figures_and_their_means() {
    let all = attention(json!({}));
    let some = attention(json!({"layers": [3], "heads": [5]}));
    let tokens = array(&all["tokens"]).len() as f64;
    for head in array(&all["statistics"]).iter().flat_map(array) {
        assert!((number(&head["uniformity"]) + number(&head["entropy"]) - tokens.ln()).abs() < 1e-6);
        assert!((0.0..tokens).contains(&number(&head["distance"])));
        assert!((0.0..=1.0 + 1e-6).contains(&number(&head["diagonality"])));
    }
    for figure in ["entropy", "quality", "uniformity", "distance", "diagonality", "special_token_mass"] {
        let of = |heads: &Value| array(heads).iter().map(|head| number(&head[figure])).collect::<Vec<_>>();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let layer = mean(of(&all["statistics"][3]));
        assert!((number(&some["layer_means"][0][figure]) - layer).abs() < 1e-9, "{figure} of all heads");
        let model = mean(of(&all["layer_means"]));
        assert!((number(&some["model_mean"][figure]) - model).abs() < 1e-9, "{figure} of all layers");
    }
}

#[test]
fn extras_are_there_if_they_are_asked_for_and_only_then() {
    let extras = ["norms", "routes", "groups"];
    let plain = attention(json!({"layers": [0]}));
    let full = attention(json!({"layers": [0], "include": extras}));
    for extra in extras {
        assert!(plain.get(extra).is_none() && full[extra].is_array(), "{extra}");
    }
    let in_another_order = attention(json!({"layers": [0], "include": ["groups", "norms", "routes"]}));
    assert_eq!(in_another_order, full);
    let server = TestServer::shared();
    let id = |body: Value| server.ok("/v1/attention", body)["id"].clone();
    let written_out = json!({"text": TEXT, "include": ["routes", "groups"], "routes": {"k": 5}, "groups": {"threshold": 0.1}});
    assert_eq!(id(json!({"text": TEXT, "include": ["groups", "routes"]})), id(written_out));
}

#[test]
fn every_field_that_changes_the_answer_changes_its_id() {
    let server = TestServer::shared();
    let questions = [
        json!({}),
        json!({"top_k": 1}),
        json!({"top_k": 2}),
        json!({"precision": 3}),
        json!({"special_tokens": "exclude"}),
        json!({"special_tokens": "renormalise"}),
        json!({"include": ["norms"]}),
        json!({"include": ["routes"]}),
        json!({"include": ["routes"], "routes": {"k": 2}}),
        json!({"include": ["routes"], "routes": {"token": 2}}),
        json!({"include": ["groups"]}),
        json!({"include": ["groups"], "groups": {"threshold": 0.5}}),
    ];
    let ids = questions.iter().map(|fields| {
        let mut body = json!({"text": TEXT, "layers": [1], "heads": [1]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        server.ok("/v1/attention", body)["id"].as_str().unwrap().to_owned()
    });
    let different: std::collections::HashSet<String> = ids.collect();
    assert_eq!(different.len(), questions.len());
}

#[test]
fn routes_lead_from_tokens_to_the_first_one_and_the_strongest_comes_first() {
    let told = attention(json!({"layers": [0], "include": ["routes"], "routes": {"k": 7}}));
    let routes = array(&told["routes"]);
    assert_eq!(routes.len(), 7);
    let weights: Vec<f64> = routes.iter().map(|route| number(&route["weight"])).collect();
    assert!(weights.is_sorted_by(|before, after| before >= after) && weights[6] > 0.0 && weights[0] <= 1.0);
    for route in routes {
        let tokens = array(&route["tokens"]);
        assert_eq!((tokens.len(), &tokens[6]), (7, &json!(0)), "six layers, and the embeddings");
    }
    let from = attention(json!({"layers": [0], "include": ["routes"], "routes": {"token": 2}}));
    assert_eq!(array(&from["routes"]).len(), 5);
    assert!(array(&from["routes"]).iter().all(|route| route["tokens"][0] == 2));
}

#[test]
fn groups_have_every_head_once_and_a_threshold_of_1_makes_them_one() {
    let heads = |groups: &Value| -> usize { array(groups).iter().map(|group| array(group).len()).sum() };
    for (threshold, count) in [(0.0, 6), (1.0, 1)] {
        let told = attention(
            json!({"layers": [0, 4], "heads": [0, 1, 2], "include": ["groups"], "groups": {"threshold": threshold}}),
        );
        let groups = &told["groups"];
        assert_eq!((array(groups).len(), heads(groups)), (count, 6), "{groups}");
        assert_eq!(groups[0][0], json!({"layer": 0, "head": 0}));
    }
}

#[test]
fn norms_are_lengths_of_what_each_token_gives_to_each_other() {
    let told = attention(json!({"layers": [0, 5], "include": ["norms"]}));
    let tokens = array(&told["tokens"]).len();
    assert_eq!(array(&told["norms"]).len(), 2);
    assert_eq!(flat(&told["norms"]).len(), 2 * tokens * tokens);
    assert!(flat(&told["norms"]).iter().all(|norm| *norm >= 0.0));
    let server = TestServer::shared();
    let foreseen = |include: Value| {
        let body = json!({"text": "another one", "include": include, "dry_run": true});
        server.ok("/v1/attention", body)["total"]["forwards"]["most"].as_u64().unwrap()
    };
    assert_eq!(foreseen(json!(["norms"])), foreseen(json!([])) + 1, "norms take about a pass");
}

#[test]
fn every_fault_of_a_field_points_at_it() {
    let server = TestServer::shared();
    let table = [
        (json!({"top_k": 0}), "/top_k"),
        (json!({"top_k": -1}), "/top_k"),
        (json!({"top_k": 1.5}), "/top_k"),
        (json!({"precision": 0}), "/precision"),
        (json!({"precision": 8}), "/precision"),
        (json!({"special_tokens": "drop"}), "/special_tokens"),
        (json!({"special_tokens": {"exclude": null}}), "/special_tokens"),
        (json!({"include": "norms"}), "/include"),
        (json!({"include": ["norms", "roads"]}), "/include/1"),
        (json!({"include": ["norms", "norms"]}), "/include/1"),
        (json!({"routes": {"k": 3}}), "/routes"),
        (json!({"include": ["routes"], "routes": [3]}), "/routes"),
        (json!({"include": ["routes"], "routes": {"k": 0}}), "/routes/k"),
        (json!({"include": ["routes"], "routes": {"k": 101}}), "/routes/k"),
        (json!({"include": ["routes"], "routes": {"k": "3"}}), "/routes/k"),
        (json!({"include": ["routes"], "routes": {"token": 99}}), "/routes/token"),
        (json!({"include": ["routes"], "routes": {"length": 2}}), "/routes/length"),
        (json!({"groups": {"threshold": 0.5}}), "/groups"),
        (json!({"include": ["groups"], "groups": {"threshold": 1.5}}), "/groups/threshold"),
        (json!({"include": ["groups"], "groups": {"threshold": -0.5}}), "/groups/threshold"),
    ];
    for (fields, pointer) in table {
        let mut body = json!({"text": TEXT});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let problem = server.problem("/v1/attention", body, 422);
        assert_eq!(problem["pointer"], pointer, "{fields}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{fields}: {problem}");
    }
}

#[test]
fn methods_by_attention_explain_and_a_text_too_long_for_flow_is_refused() {
    let server = TestServer::shared();
    let methods = json!(["attention_flow", "gradient_attention", "value_zeroing"]);
    let answer = server.ok("/explain", json!({"text": TEXT, "methods": methods, "granularity": "token"}));
    let explanations = array(&answer["explanations"]);
    let targets: Vec<bool> = explanations.iter().map(|explanation| explanation["target"].is_null()).collect();
    assert_eq!(targets, [true, false, true]);
    for explanation in explanations {
        assert!(flat(&explanation["scores"]).iter().all(|score| *score >= 0.0), "{explanation}");
    }
    assert!((sum(&explanations[2]["scores"]) - 1.0).abs() < 1e-5);
    let long = json!({"text": "fine ".repeat(127), "methods": ["attention_flow"]});
    let mut tried = long.clone();
    tried["dry_run"] = true.into();
    assert_eq!(server.problem("/explain", tried, 422)["pointer"], "/text");
    let problem = server.problem("/explain", long, 422);
    assert_eq!(
        (&problem["pointer"], &problem["limit"], &problem["tokens"]),
        (&json!("/text"), &json!(128), &json!(129))
    );
    assert!(problem["remedy"].as_str().unwrap().contains("attention_rollout"));
}

fn as_tensors(request: reqwest::blocking::RequestBuilder) -> Answer {
    request.header("accept", "application/vnd.safetensors").send().unwrap().into()
}

fn singles(file: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let data = file.tensor(name).unwrap().data().to_vec();
    data.chunks_exact(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect()
}

#[test]
fn attention_can_be_had_as_tensors_at_once_and_again() {
    let server = TestServer::shared();
    let body = json!({"text": TEXT, "layers": [1, 0], "heads": [3], "include": ["norms"]});
    let json = server.ok("/v1/attention", body.clone());
    let told = as_tensors(server.request("POST", "/v1/attention").json(&body));
    assert_eq!((told.status, told.content_type.as_str()), (200, "application/vnd.safetensors"));
    assert_eq!(told.headers["vary"], "accept");
    assert_ne!(told.headers["etag"], format!("\"{}\"", json["id"].as_str().unwrap()));
    let file = SafeTensors::deserialize(&told.body).unwrap();
    let tokens = array(&json["tokens"]).len();
    assert_eq!(file.tensor("weights").unwrap().shape(), [2, 1, tokens, tokens]);
    assert_eq!(file.tensor("norms").unwrap().shape(), [2, tokens, tokens]);
    assert_eq!(file.tensor("statistics.diagonality").unwrap().shape(), [2, 1]);
    for field in ["weights", "rollout", "norms"] {
        for (tensor, number) in singles(&file, field).into_iter().zip(flat(&json["attention"][field])) {
            assert!((tensor - number).abs() < 1e-7 * (1.0 + number), "{field}");
        }
    }
    let (_, header) = SafeTensors::read_metadata(&told.body).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert_eq!(json["id"], metadata["id"].as_str());
    assert_eq!(json["model"]["fingerprint"], metadata["fingerprint"].as_str());
    let texts: Vec<String> = serde_json::from_str(&metadata["tokens"]).unwrap();
    assert!(array(&json["tokens"]).iter().map(|token| &token["text"]).eq(texts.iter()));

    let place = format!("/v1/explanations/{}", json["id"].as_str().unwrap());
    let again = as_tensors(server.request("GET", &place));
    assert_eq!((again.status, &again.body), (200, &told.body));
    let etag = again.headers["etag"].to_str().unwrap().to_owned();
    let known = as_tensors(server.request("GET", &place).header("if-none-match", etag));
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[test]
fn an_answer_without_attention_has_no_tensors_and_nor_has_a_batch() {
    let server = TestServer::shared();
    let ask = |path: &str, body: Value| as_tensors(server.request("POST", path).json(&body));
    let problem = ask("/explain", json!({"text": TEXT, "methods": ["random"]})).problem(406);
    assert_eq!(problem["remedy"], "accept application/json, text/html or image/svg+xml");
    ask("/v1/predict", json!({"text": TEXT})).problem(406);
    ask("/v1/attention", json!({"texts": [TEXT]})).problem(406);
    let id = server.ok("/v1/predict", json!({"text": TEXT}))["id"].as_str().unwrap().to_owned();
    as_tensors(server.request("GET", &format!("/v1/explanations/{id}"))).problem(406);
    let other: Answer = server
        .request("POST", "/v1/attention")
        .header("accept", "text/csv")
        .json(&json!({"text": TEXT}))
        .send()
        .unwrap()
        .into();
    assert!(other.problem(406)["remedy"].as_str().unwrap().contains("application/vnd.safetensors"));
}

#[test]
fn the_largest_weights_of_words_can_be_drawn() {
    let server = TestServer::shared();
    let body = json!({"text": TEXT, "layers": [0], "heads": [0], "top_k": 1, "special_tokens": "exclude"});
    let request = server.request("POST", "/v1/attention").header("accept", "image/svg+xml").json(&body);
    let drawn: Answer = request.send().unwrap().into();
    assert_eq!((drawn.status, drawn.content_type.as_str()), (200, "image/svg+xml"));
    assert!(drawn.text().contains("largest") && !drawn.text().contains("[CLS]"));
}
