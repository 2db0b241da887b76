//! Answers about causes for tests of what is drawn.

use serde_json::{Value, json};

use crate::engine::answer::{CounterfactualsView, GridView, MediationView, WhatIfView};
use crate::render::sample;

/// A text that tries to break out of the markup.
pub const HOSTILE: &str = "<b>&\"'</b> ]]> </text></svg><script>x</script>";

/// Texts of every kind, some with a second one.
pub const TEXTS: [(&str, Option<&str>); 7] = [
    ("A gripping film, though it drags a little.", None),
    ("Is it <good> & \"fine\"?", Some("It is, as such films go.")),
    ("ראיתי את Star Wars אתמול בערב", None),
    ("الفيلم رائع جدا", Some("世界世界。👩‍👩‍👧 e\u{301}")),
    ("世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界。", None),
    ("line\none\ttab\r\n\r\nend", None),
    (HOSTILE, Some(HOSTILE)),
];

/// What the model says.
pub fn prediction(label: &str, probability: f64) -> Value {
    let [negative, positive] = match label {
        "positive" => [1.0 - probability, probability],
        _ => [probability, 1.0 - probability],
    };
    json!({
        "label": label, "index": usize::from(label == "positive"), "logits": [0.0, 0.0],
        "scores": [{"label": "negative", "score": negative}, {"label": "positive", "score": positive}]
    })
}

/// A text as it is.
pub fn original(text: &str, text_pair: Option<&str>) -> Value {
    let answer = serde_json::to_value(sample::pair(text, text_pair, &[])).expect("an answer is JSON");
    json!({
        "text": text, "text_pair": text_pair, "prediction": prediction("positive", 0.938),
        "tokens": answer["tokens"], "words": answer["words"]
    })
}

fn model() -> Value {
    json!({"id": "movie-reviews", "fingerprint": "567806b0f6fe7606f73d7a5888a241c3"})
}

fn target() -> Value {
    json!({"label": "positive", "index": 1})
}

/// The words of an original with what is done to each, one after the other.
fn words(original: &Value) -> &[Value] {
    original["words"].as_array().expect("there are words")
}

/// A text of which the last word is deleted and the second replaced.
fn counterfactual(original: &Value, with: &str, flipped: bool) -> Value {
    let words = words(original);
    let change = |word: &Value, to: &str, strategy: &str| {
        json!({"start": word["start"], "end": word["end"], "from": word["text"], "to": to, "strategy": strategy,
               "segment": word["segment"]})
    };
    let changes: Vec<Value> = [
        words.get(1).map(|word| change(word, with, "substitute")),
        words.last().filter(|_| words.len() > 2).map(|word| change(word, "", "delete")),
    ]
    .into_iter()
    .flatten()
    .collect();
    json!({
        "text": "what it has become", "text_pair": original["text_pair"], "changes": changes,
        "prediction": if flipped { prediction("negative", 0.712) } else { prediction("positive", 0.523) },
        "flipped": flipped, "edit_distance": 0.2, "closeness": 0.981,
        "fluency_before": 84.25, "fluency_after": 120.5, "minimal": flipped
    })
}

/// Two counterfactuals of a text.
pub fn counterfactuals(text: &str, text_pair: Option<&str>) -> CounterfactualsView {
    let original = original(text, text_pair);
    let found = [counterfactual(&original, "dull", true), counterfactual(&original, "<i>&", true)];
    let view = json!({
        "id": null, "model": model(), "infill_model": model(), "target": {"label": "negative", "index": 0},
        "original": original, "counterfactuals": found, "closest_miss": null, "diversity": 0.412, "forwards": 412,
        "complete": true, "warnings": []
    });
    serde_json::from_value(view).expect("a view")
}

/// None was found, and this came closest.
pub fn missed(text: &str, text_pair: Option<&str>) -> CounterfactualsView {
    let mut view = counterfactuals(text, text_pair);
    view.counterfactuals.clear();
    let miss = counterfactual(&original(text, text_pair), "dull", false);
    view.closest_miss = Some(serde_json::from_value(miss).expect("a view"));
    (view.diversity, view.target, view.infill_model) = (None, None, None);
    view
}

fn effect(change: f64, flipped: bool) -> Value {
    let said = if flipped { prediction("negative", 0.712) } else { prediction("positive", 0.8) };
    json!({"text": "A dull film.", "text_pair": null, "prediction": said, "output": 1.357 + change, "change": change,
           "flipped": flipped})
}

/// So many edits of a text.
pub fn what_if(text: &str, text_pair: Option<&str>, edits: usize) -> WhatIfView {
    let kinds = [
        json!({"action": "replace", "word": 0, "with": "dull"}),
        json!({"action": "scale_heads", "heads": [{"layer": 0, "head": 3}], "factor": 0.0}),
        json!({"action": "patch", "layer": 3, "from": "Another text of as many tokens, which is rather long & <so> wraps."}),
        json!({"action": "push", "concept": "acting@2", "strength": -1.5, "layer": 4}),
    ];
    let change = |place: usize| 0.7 - 0.5 * place as f64;
    let pairs = (0..edits).flat_map(|first| (first + 1..edits).map(move |second| (first, second)));
    let pair = |(first, second)| json!({"edits": [first, second], "output": 0.25, "interaction": change(first) * change(second)});
    let view = json!({
        "id": null, "model": model(), "original": original(text, text_pair), "target": target(), "output": "log_odds",
        "before": 1.357, "edits": kinds.iter().cycle().take(edits).collect::<Vec<_>>(),
        "alone": (0..edits).map(|place| effect(change(place), place == 2)).collect::<Vec<_>>(),
        "together": effect(-2.1, true),
        "in_order": (0..edits).map(|place| effect(0.1 - change(place), place > 2)).collect::<Vec<_>>(),
        "interactions": pairs.map(pair).collect::<Vec<_>>(), "interaction": 0.321, "forwards": 11, "complete": true,
        "warnings": []
    });
    serde_json::from_value(view).expect("a view")
}

/// Each word deleted and masked; the second flips, and of the last nothing is known.
pub fn grid(text: &str, text_pair: Option<&str>) -> GridView {
    let original = original(text, text_pair);
    let count = words(&original).len();
    let cell = |place: usize, by: f64| {
        let change = by * (place as f64 - 1.5);
        match place + 1 == count {
            true => Value::Null,
            false => json!({"output": 1.357 + change, "change": change, "flipped": place == 1}),
        }
    };
    let cells = |by: f64| (0..count).map(|place| cell(place, by)).collect::<Vec<_>>();
    let view = json!({
        "id": null, "model": model(), "original": original, "target": target(), "output": "logit", "before": 1.357,
        "delete": cells(-0.2), "mask": cells(0.15), "forwards": 20, "complete": true, "warnings": []
    });
    serde_json::from_value(view).expect("a view")
}

/// Effects `[rows][columns]` of both signs.
fn effects(rows: usize, columns: usize) -> Vec<Vec<f64>> {
    let effect = |place: usize| ((place * 37) % 101) as f64 / 50.0 - 1.0;
    (0..rows).map(|row| (0..columns).map(|column| effect(row * columns + column)).collect()).collect()
}

/// A text and another of as many tokens, in a network of so many layers, heads and groups of neurons.
pub fn mediation(
    texts: [(&str, Option<&str>); 2],
    layers: usize,
    heads: usize,
    groups: usize,
) -> MediationView {
    let [original, mut counterfactual] = texts.map(|(text, pair)| original(text, pair));
    counterfactual["prediction"] = prediction("negative", 0.712);
    let tokens = original["tokens"].as_array().map_or(0, Vec::len);
    let both =
        |columns: usize| json!({"indirect": effects(layers, columns), "direct": effects(layers, columns)});
    let layer = |layer: usize| {
        json!({"layer": layer, "attention": {"indirect": -0.5, "direct": -2.0},
               "feed_forward": {"indirect": 0.25, "direct": -2.5}})
    };
    let view = json!({
        "id": null, "model": model(), "original": original, "counterfactual": counterfactual,
        "outcome": {"target": target(), "against": {"label": "negative", "index": 0}},
        "before": 1.357, "after": -1.157, "total_effect": -2.514,
        "layers": (0..layers).map(layer).collect::<Vec<_>>(), "heads": both(heads),
        "neurons": {"group": 128, "effects": both(groups)},
        "patching": {"effects": effects(layers + 1, tokens), "recovered": effects(layers + 1, tokens)},
        "forwards": 1234, "complete": true, "warnings": []
    });
    serde_json::from_value(view).expect("a view")
}
