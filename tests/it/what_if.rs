//! Changes to text and network through a server that listens: every figure is what the changed network says of the changed
//! text, by itself.

use explaind::model::{HiddenEdit, Intervention, Keep, Model, Text};
use serde_json::{Value, json};

use crate::concepts::learnt;
use crate::datasets::on_file;
use crate::support::golden::{BUNDLED, Golden, load};
use crate::support::server::TestServer;

const PATH: &str = "/v1/interventions";
const TINY: &str = "three-labels";

/// Words: A 0, funny 1, film 2, `,` 3, and 4, good 5, `.` 6.
const TEXT: &str = "A funny film, and good.";

fn asked(server: &TestServer, edits: Value) -> Value {
    server.ok(PATH, json!({"model": TINY, "text": TEXT, "edits": edits}))
}

fn predicted(server: &TestServer, text: &str) -> Value {
    server.ok("/v1/predict", json!({"model": TINY, "text": text}))["prediction"].clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn floats(list: &Value) -> Vec<f32> {
    list.as_array().unwrap().iter().map(|value| number(value) as f32).collect()
}

/// What a tiny model says of a text with some token ids changed and the network altered by hand.
fn by_hand(model: &Model, text: &str, masked: &[usize], changes: Vec<Intervention>) -> Vec<f32> {
    let mut encoded = model.encode(Text { first: text, second: None }, false).unwrap();
    let mask = model.tokenizer().special().mask.unwrap();
    masked.iter().for_each(|token| encoded.ids[*token] = mask);
    let mut batch = model.encoder().batch(&encoded.ids, &encoded.type_ids).unwrap();
    batch.sequences[0].interventions = changes.into();
    model.encoder().logits(&batch).unwrap()[0].clone()
}

fn assert_logits(effect: &Value, expected: &[f32]) {
    let told = floats(&effect["prediction"]["logits"]);
    assert_eq!(told.len(), expected.len());
    for (told, expected) in told.iter().zip(expected) {
        assert!((told - expected).abs() < 1e-5, "{effect}: not {expected}");
    }
}

#[test]
fn a_text_with_words_replaced_and_deleted_is_read_like_any_other() {
    let server = TestServer::shared();
    let edits = json!([
        {"action": "replace", "word": 1, "with": "very dull"},
        {"action": "delete", "words": [4, 5]},
        {"action": "replace", "word": 6, "with": "!"}
    ]);
    let answer = asked(&server, edits.clone());
    assert_eq!(answer["original"]["prediction"], predicted(&server, TEXT));
    assert_eq!(answer["edits"], edits);
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|effect| effect["text"].as_str().unwrap().to_owned()).collect()
    };
    let alone = ["A very dull film, and good.", "A funny film,.", "A funny film, and good!"];
    assert_eq!(texts(&answer["alone"]), alone);
    let in_order = ["A very dull film, and good.", "A very dull film,.", "A very dull film,!"];
    assert_eq!(texts(&answer["in_order"]), in_order);
    assert_eq!(answer["together"], answer["in_order"][2]);
    assert_eq!(answer["alone"][0], answer["in_order"][0]);
    let lists = [&answer["alone"], &answer["in_order"]];
    for effect in lists.into_iter().flat_map(|list| list.as_array().unwrap()) {
        let said = predicted(&server, effect["text"].as_str().unwrap());
        assert_eq!(effect["prediction"], said, "to the last digit");
        assert_eq!(effect["text_pair"], Value::Null);
        let label = &answer["original"]["prediction"]["label"];
        assert_eq!(effect["flipped"], json!(said["label"] != *label));
    }
}

#[test]
fn outputs_changes_and_interactions_are_the_sums_they_are_said_to_be() {
    let server = TestServer::shared();
    let edits = json!([
        {"action": "replace", "word": 1, "with": "dull"},
        {"action": "mask", "words": [5]},
        {"action": "scale_heads", "heads": [{"layer": 1, "head": 2}], "factor": -1.5},
        {"action": "delete", "words": [3]}
    ]);
    for (output, of) in [
        ("logit", (|prediction: &Value| number(&prediction["logits"][2])) as fn(&Value) -> f64),
        ("probability", |prediction| number(&prediction["scores"][2]["score"])),
    ] {
        let body =
            json!({"model": TINY, "text": TEXT, "edits": edits, "target": "positive", "output": output});
        let answer = server.ok(PATH, body);
        assert_eq!(answer["target"], json!({"label": "positive", "index": 2}));
        assert_eq!((&answer["output"], &answer["complete"]), (&json!(output), &json!(true)));
        let near = |told: &Value, expected: f64| {
            assert!((number(told) - expected).abs() < 1e-5, "{told}, not {expected}");
        };
        let before = number(&answer["before"]);
        near(&answer["before"], of(&answer["original"]["prediction"]));
        let effects = answer["alone"].as_array().unwrap();
        for effect in effects.iter().chain(answer["in_order"].as_array().unwrap()) {
            near(&effect["output"], of(&effect["prediction"]));
            near(&effect["change"], number(&effect["output"]) - before);
        }
        let change = |edit: usize| number(&effects[edit]["change"]);
        let pairs = answer["interactions"].as_array().unwrap();
        let places: Vec<Value> = pairs.iter().map(|pair| pair["edits"].clone()).collect();
        assert_eq!(json!(places), json!([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]));
        for pair in pairs {
            let [first, second] = [0, 1].map(|side| pair["edits"][side].as_u64().unwrap() as usize);
            let both = server.ok(
                PATH,
                json!({"model": TINY, "text": TEXT, "edits": [edits[first], edits[second]], "target": 2,
                    "output": output}),
            );
            assert_eq!(pair["output"], both["together"]["output"]);
            near(&pair["interaction"], number(&pair["output"]) - before - change(first) - change(second));
        }
        let sum: f64 = (0..4).map(change).sum();
        near(&answer["interaction"], number(&answer["together"]["change"]) - sum);
        // Its own, four alone, three more of the first few, and the pairs but the first.
        assert_eq!(answer["forwards"], 1 + 4 + 3 + 5);
    }
}

#[test]
fn words_are_masked_and_hidden_by_their_tokens() {
    let server = TestServer::shared();
    let model = load(TINY);
    let text = "An unlovely film and fun";
    let edits = json!([{"action": "mask", "words": [1, 4]}, {"action": "hide", "words": [1]}]);
    let answer = server.ok(PATH, json!({"model": TINY, "text": text, "edits": edits}));
    let tokens = |word: usize| -> Vec<usize> {
        let tokens = answer["original"]["words"][word]["tokens"].as_array().unwrap();
        tokens.iter().map(|token| token.as_u64().unwrap() as usize).collect()
    };
    assert!(tokens(1).len() > 1, "a word of several tokens");
    let masked = [tokens(1), tokens(4)].concat();
    let hidden = || vec![Intervention::TokenMask { tokens: tokens(1) }];
    assert_logits(&answer["alone"][0], &by_hand(&model, text, &masked, Vec::new()));
    assert_logits(&answer["alone"][1], &by_hand(&model, text, &[], hidden()));
    assert_logits(&answer["together"], &by_hand(&model, text, &masked, hidden()));
    assert_eq!(answer["together"]["text"], Value::Null, "the text itself is as it was");
}

#[test]
fn heads_and_neurons_are_dropped_or_scaled_as_by_the_library() {
    let server = TestServer::shared();
    let model = load(TINY);
    let answer = asked(
        &server,
        json!([
            {"action": "scale_heads", "heads": [{"layer": 0, "head": 1}, {"layer": 2, "head": 0}]},
            {"action": "scale_neurons", "layer": 1, "neurons": [0, 7, 39], "factor": 2.5}
        ]),
    );
    assert_eq!(answer["edits"][0]["factor"], 0.0, "dropped where nothing else is said");
    let dropped = [(0, 1), (2, 0)].map(|(layer, head)| Intervention::HeadGate { layer, head, gate: 0.0 });
    let scaled = Intervention::NeuronGate { layer: 1, neurons: vec![0, 7, 39], gate: 2.5 };
    assert_logits(&answer["alone"][0], &by_hand(&model, TEXT, &[], dropped.to_vec()));
    assert_logits(&answer["alone"][1], &by_hand(&model, TEXT, &[], vec![scaled.clone()]));
    let all = dropped.into_iter().chain([scaled]).collect();
    assert_logits(&answer["together"], &by_hand(&model, TEXT, &[], all));
    assert_ne!(answer["alone"][0]["prediction"], answer["original"]["prediction"]);
}

#[test]
fn concepts_are_erased_and_pushed_as_in_any_question_about_an_altered_network() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_file(&directory);
    let concept = learnt(&server, &json!({}));
    let edits = json!([
        {"action": "erase", "concept": "fun", "method": "leace"},
        {"action": "push", "concept": "fun@1", "strength": 1.5, "layer": 1}
    ]);
    let answer = asked(&server, edits.clone());
    let name = json!({"name": "fun", "version": 1, "id": concept["id"]});
    assert_eq!(
        answer["edits"],
        json!([
            {"action": "erase", "concept": name, "method": "leace", "layer": 2},
            {"action": "push", "concept": name, "strength": 1.5, "layer": 1}
        ])
    );
    let altered = |interventions: Value| {
        let body = json!({"text": TEXT, "interventions": interventions, "methods": ["saliency"]});
        floats(&server.ok("/v1/explain", body)["prediction"]["logits"])
    };
    assert_logits(&answer["alone"][0], &altered(json!([edits[0]])));
    assert_logits(&answer["alone"][1], &altered(json!([edits[1]])));
    assert_logits(&answer["together"], &altered(edits));
}

#[test]
fn a_text_whose_states_are_all_those_of_another_is_the_other() {
    let server = TestServer::shared();
    let other = "A grim film, and dull.";
    let said = predicted(&server, other);
    for layer in 0..=3 {
        let answer = asked(&server, json!([{"action": "patch", "layer": layer, "from": {"text": other}}]));
        assert_logits(&answer["together"], &floats(&said["logits"]));
        assert_eq!(answer["together"]["prediction"]["label"], said["label"], "at hidden state {layer}");
        assert_eq!(
            answer["edits"][0],
            json!({"action": "patch", "layer": layer, "from": other, "words": null})
        );
        assert_eq!(answer["forwards"], 3, "its own, the other's, and the patched one");
    }
}

#[test]
fn patched_words_are_as_by_transformers() {
    let server = TestServer::shared();
    for golden in Golden::of_causes() {
        let (id, config) = (golden.model.id(), golden.model.config());
        if id == BUNDLED {
            continue;
        }
        for case in &golden.cases {
            let patching = case.values("patching");
            let from =
                json!({"text": case.counterfactual().first, "text_pair": case.counterfactual().second});
            let text = case.encode(&golden.model);
            let single = text.words.iter().enumerate().filter(|(_, word)| word.tokens.len() == 1);
            for (index, word) in single {
                let edits: Vec<Value> = (0..=config.layers)
                    .map(|layer| json!({"action": "patch", "layer": layer, "from": from, "words": [index]}))
                    .collect();
                let body =
                    json!({"model": id, "text": case.text, "text_pair": case.text_pair, "edits": edits});
                let answer = server.ok(PATH, body);
                for layer in 0..=config.layers {
                    let labels = config.labels.len();
                    let place = (layer * text.tokens.len() + word.tokens[0]) * labels;
                    let told = floats(&answer["alone"][layer]["prediction"]["logits"]);
                    for (told, golden) in told.iter().zip(&patching[place..place + labels]) {
                        assert!((f64::from(*told) - golden).abs() < 1e-4, "{id} {} {index} {layer}", case.id);
                    }
                }
            }
        }
    }
}

#[test]
fn the_string_is_changed_first_then_its_words_and_the_network_last() {
    let server = TestServer::shared();
    let model = load(TINY);
    let other = "This very long story, and sharp.";
    let answer = server.ok(
        PATH,
        json!({"model": TINY, "text": "A funny story, and good.", "edits": [
            {"action": "scale_heads", "heads": [{"layer": 0, "head": 0}]},
            {"action": "hide", "words": [4]},
            {"action": "mask", "words": [5]},
            {"action": "delete", "words": [6]},
            {"action": "replace", "word": 1, "with": "very dull"}
        ]}),
    );
    let edited = "A very dull story, and good";
    assert_eq!(answer["together"]["text"], edited);
    // [CLS] a very dull story , and good [SEP]
    let drop = Intervention::HeadGate { layer: 0, head: 0, gate: 0.0 };
    let hide = Intervention::TokenMask { tokens: vec![6] };
    assert_logits(&answer["together"], &by_hand(&model, edited, &[7], vec![drop, hide]));

    // Words of a patch are those of the original: what stands there now is patched.
    let edits = json!([
        {"action": "replace", "word": 1, "with": "very dull"},
        {"action": "patch", "layer": 1, "from": other, "words": [1, 2]}
    ]);
    let problem =
        server.problem(PATH, json!({"model": TINY, "text": "A funny story, and good.", "edits": edits}), 422);
    assert_eq!(problem["pointer"], "/edits/1/from", "alone it patches a shorter text");
    let edits = json!([
        {"action": "replace", "word": 1, "with": "dull"},
        {"action": "patch", "layer": 1, "from": "This sharp tale, and grim.", "words": [1, 2]}
    ]);
    let answer = server.ok(PATH, json!({"model": TINY, "text": "A funny story, and good.", "edits": edits}));
    let source = model.encode(Text { first: "This sharp tale, and grim.", second: None }, false).unwrap();
    let batch = model.encoder().batch(&source.ids, &source.type_ids).unwrap();
    let state = model.encoder().forward(&batch, Keep::Trace).unwrap().hidden(1).unwrap();
    let patches = [2, 3].map(|token| Intervention::Hidden {
        point: 1,
        edit: HiddenEdit::Replace { token, value: state.row(token).to_vec() },
    });
    assert_logits(&answer["together"], &by_hand(&model, "A dull story, and good.", &[], patches.to_vec()));
}

#[test]
fn one_edit_interacts_with_nothing() {
    let server = TestServer::shared();
    let answer = asked(&server, json!([{"action": "delete", "words": [1]}]));
    assert_eq!((&answer["interactions"], &answer["interaction"]), (&json!([]), &json!(0.0)));
    assert_eq!(answer["together"], answer["alone"][0]);
    assert_eq!(answer["in_order"], answer["alone"]);
    assert_eq!(answer["forwards"], 2, "one combination is run once");
}

#[test]
fn pairs_regressions_and_several_labels_are_asked_like_others() {
    let server = TestServer::shared();
    let (text, pair) = ("the film is good", "the film is bad");
    let body = json!({"model": "pairs", "text": text, "text_pair": pair,
        "edits": [{"action": "replace", "word": 7, "with": "good"}, {"action": "mask", "words": [0]}]});
    let answer = server.ok(PATH, body);
    let said =
        server.ok("/v1/predict", json!({"model": "pairs", "text": text, "text_pair": "the film is good"}));
    let effect = &answer["alone"][0];
    assert_eq!(effect["prediction"], said["prediction"]);
    assert_eq!((&effect["text"], &effect["text_pair"]), (&json!(text), &json!("the film is good")));
    assert_eq!(answer["alone"][1]["text_pair"], Value::Null);

    let edits = json!([{"action": "delete", "words": [1]}]);
    let answer = server.ok(PATH, json!({"model": "regression", "text": TEXT, "edits": edits}));
    let effect = &answer["together"];
    assert_eq!((&effect["flipped"], &effect["output"]), (&json!(false), &effect["prediction"]["value"]));

    let answer = server.ok(PATH, json!({"model": "multi-label", "text": TEXT, "edits": edits}));
    let scores = answer["original"]["prediction"]["scores"].as_array().unwrap();
    let likeliest = scores.iter().map(|label| number(&label["score"])).fold(0.0, f64::max);
    let target = answer["target"]["index"].as_u64().unwrap() as usize;
    assert_eq!(number(&scores[target]["score"]), likeliest);
}

#[test]
fn answers_are_the_same_on_any_number_of_threads_and_are_kept() {
    let body = json!({"model": TINY, "text": TEXT, "edits": [
        {"action": "replace", "word": 1, "with": "dull"}, {"action": "mask", "words": [2]},
        {"action": "scale_heads", "heads": [{"layer": 0, "head": 0}], "factor": 0.0}
    ]});
    let (one, two) = (TestServer::with_threads(1), TestServer::shared());
    let first = one.post(PATH, &body);
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.body, two.post(PATH, &body).body);

    let mut spelt = body.clone();
    spelt["target"] = json!("predicted");
    spelt["output"] = json!("logit");
    spelt["edits"][2] = json!({"action": "scale_heads", "heads": [{"layer": 0, "head": 0}]});
    let again = one.post(PATH, &spelt);
    assert_eq!(again.headers["cache-status"], "explaind; hit; detail=memory");
    assert_eq!(again.body, first.body);
    let location = first.headers["content-location"].to_str().unwrap();
    assert_eq!(one.get(location).body, first.body);

    let many = json!({"model": TINY, "texts": [TEXT, " ", "Good."], "edits": body["edits"]});
    let many = one.ok(PATH, many);
    assert_eq!(many["results"][0], first.json());
    assert_eq!(many["results"][1]["error"]["pointer"], "/texts/1");
    assert_eq!(many["results"][2]["error"]["pointer"], "/edits/1/words/0", "it has no third word");

    let mut dry = body;
    dry["text"] = json!("A funny film and good.");
    dry["dry_run"] = json!(true);
    let forwards = &one.ok(PATH, dry)["results"][0]["forwards"];
    assert_eq!(*forwards, json!({"expected": 8, "most": 8}), "its own, and seven combinations");
}
