//! Answers for tests of what is drawn.

use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

use crate::engine::Answer;
use crate::engine::answer::{HeadPlace, RouteView};

const PROBABILITIES: [f64; 2] = [0.062027965, 0.937972];

/// The review of the README.
pub fn review() -> Answer {
    let scores = [
        0.14889377,
        0.9135737,
        0.3287406,
        -0.054704953,
        0.42352903,
        0.20668884,
        -0.52627385,
        -0.052242007,
        -0.004035303,
        -0.022780962,
    ];
    words("A gripping film, though it drags a little.", &scores)
}

/// Scores of the words of a text.
pub fn words(text: &str, scores: &[f32]) -> Answer {
    pair(text, None, scores)
}

/// Scores of the words of two texts.
pub fn pair(text: &str, text_pair: Option<&str>, scores: &[f32]) -> Answer {
    let mut words = Vec::new();
    for (segment, text) in [Some(text), text_pair].into_iter().flatten().enumerate() {
        let mut start = 0;
        for part in text.split_word_bounds() {
            let end = start + part.chars().count();
            if !part.chars().all(char::is_whitespace) {
                words.push(json!({"index": words.len(), "text": part, "start": start, "end": end,
                                  "tokens": [words.len() + 1], "segment": segment}));
            }
            start = end;
        }
    }
    let tokens: Vec<Value> = words
        .iter()
        .map(|word| {
            json!({"index": word["tokens"][0], "text": word["text"], "start": word["start"],
                   "end": word["end"], "word": word["index"], "special": false, "segment": word["segment"]})
        })
        .collect();
    let special = |index: usize, text: &str| json!({"index": index, "text": text, "start": 0, "end": 0, "word": null, "special": true, "segment": 0});
    let last = tokens.len() + 1;
    let tokens: Vec<Value> =
        [special(0, "[CLS]")].into_iter().chain(tokens).chain([special(last, "[SEP]")]).collect();
    let value = json!({
        "id": "873db85e83fe75ead97fdbbc6858768382b635d2168d132fc340fdb146ac2ec7",
        "model": {"id": "movie-reviews", "fingerprint": "567806b0f6fe7606f73d7a5888a241c3fb147ce75ced0a40"},
        "text": text,
        "text_pair": text_pair,
        "truncated": null,
        "prediction": {
            "label": "positive", "index": 1, "logits": [-1.3595046, 1.3566302],
            "scores": [{"label": "negative", "score": PROBABILITIES[0]},
                       {"label": "positive", "score": PROBABILITIES[1]}]
        },
        "tokens": tokens,
        "words": words,
        "explanations": [{
            "method": "integrated_gradients",
            "target": {"label": "positive", "index": 1},
            "output": "logit",
            "granularity": "word",
            "scores": scores,
            "special_scores": [0.0, 0.0],
            "convergence": {"delta": -0.00076945993, "tolerance": 0.013621583, "converged": true, "steps": 17,
                            "gradients": 17, "baseline_output": -0.0055280956, "target_output": 1.3566302},
            "quality": null
        }],
        "warnings": []
    });
    answer(value)
}

/// Scores of the tokens, the special ones included.
pub fn tokens(text: &str, scores: &[f32]) -> Answer {
    let mut value = serde_json::to_value(words(text, &[])).expect("an answer is JSON");
    let explanation = &mut value["explanations"][0];
    explanation["granularity"] = json!("token");
    explanation["scores"] = json!(scores);
    explanation["special_scores"] = Value::Null;
    answer(value)
}

/// One score for the whole text as a sentence.
pub fn sentence(text: &str, score: f32) -> Answer {
    let mut value = serde_json::to_value(words(text, &[])).expect("an answer is JSON");
    value["explanations"][0]["granularity"] = json!("sentence");
    value["explanations"][0]["scores"] = json!([score]);
    value["sentences"] = json!([{"index": 0, "text": text, "start": 0, "end": text.chars().count(),
                                 "words": [], "segment": 0}]);
    answer(value)
}

/// Scores of several sentences, with a space between them.
pub fn sentences(scored: &[(&str, f32)]) -> Answer {
    let texts: Vec<&str> = scored.iter().map(|(text, _)| *text).collect();
    let mut value = serde_json::to_value(words(&texts.join(" "), &[])).expect("an answer is JSON");
    value["explanations"][0]["granularity"] = json!("sentence");
    value["explanations"][0]["scores"] = scored.iter().map(|(_, score)| *score).collect();
    let mut start = 0;
    let sentence = |(index, text): (usize, &&str)| {
        let end = start + text.chars().count();
        let sentence =
            json!({"index": index, "text": text, "start": start, "end": end, "words": [], "segment": 0});
        start = end + 1;
        sentence
    };
    value["sentences"] = texts.iter().enumerate().map(sentence).collect();
    answer(value)
}

/// Scores of the words of a text by a method that samples, with their standard errors.
pub fn sampled(text: &str, scores: &[f32], standard_errors: &[f32]) -> Answer {
    let mut answer = words(text, scores);
    for explanation in answer.explanations.iter_mut().flatten() {
        explanation.method = "shapley_sampling".to_owned();
        explanation.standard_errors = Some(standard_errors.to_vec());
        if let Some(convergence) = &mut explanation.convergence {
            (convergence.steps, convergence.gradients, convergence.forwards) = (32, 0, 288);
        }
    }
    answer
}

/// The review with all figures of quality, and how far two methods agree.
pub fn judged() -> Answer {
    let mut value = serde_json::to_value(review()).expect("an answer is JSON");
    let scores = value["explanations"][0]["scores"].as_array().cloned().unwrap_or_default();
    let moved = |by: f64| scores.iter().filter_map(Value::as_f64).map(|score| score + by).collect::<Vec<_>>();
    let full = json!({
        "level": "full", "comprehensiveness": 0.4136, "sufficiency": 0.0214, "log_odds_drop": 2.914,
        "leave_one_out_correlation": 0.6444, "random_comprehensiveness": 0.0873, "better_than_random_by": 0.3263,
        "infidelity": 0.3871, "max_sensitivity": 0.0529,
        "baseline_band": {"baselines": ["mask", "zero"], "low": moved(-0.1), "high": moved(0.1)}
    });
    let mut saliency = value["explanations"][0].clone();
    saliency["method"] = json!("saliency");
    saliency["convergence"] = Value::Null;
    saliency["quality"] = json!({"level": "fast", "comprehensiveness": 0.2, "sufficiency": -0.1});
    value["explanations"][0]["quality"] = full;
    value["explanations"].as_array_mut().expect("there is a list").push(saliency);
    value["agreement"] = json!([{
        "methods": ["integrated_gradients", "saliency"], "target": {"label": "positive", "index": 1},
        "spearman": 0.7818, "top_k": {"k": 5, "overlap": 0.8}, "sign_agreement": null
    }]);
    answer(value)
}

/// The review through a network that is without one concept and has less of another, which say the opposite.
pub fn altered() -> Answer {
    let mut value = serde_json::to_value(review()).expect("an answer is JSON");
    let name = |name: &str, version: u32| json!({"name": name, "version": version, "id": "7"});
    value["interventions"] = json!([
        {"concept": name("acting", 2), "action": "erase", "method": "leace", "strength": null, "layer": 4},
        {"concept": name("boredom", 1), "action": "push", "method": null, "strength": -1.5, "layer": 3}
    ]);
    value["prediction_without"] = prediction("negative");
    answer(value)
}

fn prediction(label: &str) -> Value {
    let index = usize::from(label == "positive");
    let scores = if index == 1 { PROBABILITIES } else { [PROBABILITIES[1], PROBABILITIES[0]] };
    json!({
        "label": label, "index": index, "logits": [0.0, 0.0],
        "scores": [{"label": "negative", "score": scores[0]}, {"label": "positive", "score": scores[1]}]
    })
}

/// The review with more and less of a concept, which flips it on one side.
pub fn edited() -> Answer {
    let mut value = serde_json::to_value(review()).expect("an answer is JSON");
    let before = value["explanations"][0].take();
    value["explanations"] = Value::Null;
    let mut after = before.clone();
    let scores = before["scores"].as_array().expect("there are scores").iter();
    after["scores"] = scores.map(|score| json!(0.5 - score.as_f64().expect("a score is a number"))).collect();
    let point = |strength: f64, label: &str| json!({"strength": strength, "prediction": prediction(label), "output": strength / 3.0});
    value["edits"] = json!({
        "concepts": [{"concept": {"name": "acting", "version": 2, "id": "7"}, "weight": 0.5, "layer": 4}],
        "target": {"label": "positive", "index": 1},
        "sweep": [point(-4.0, "negative"), point(-1.5, "positive"), point(0.0, "positive"), point(4.0, "positive")],
        "flips": {"above": null, "below": {"strength": -2.25, "prediction": prediction("negative")}},
        "words": {"strength": -2.25, "before": before, "after": after, "change": vec![0.25; 10]}
    });
    answer(value)
}

/// Attention of heads that look at themselves and, a little, at all others.
pub fn attention(layers: usize, heads: usize, tokens: usize) -> Answer {
    let text = vec!["word"; tokens.saturating_sub(2)].join(" ");
    let mut value = serde_json::to_value(words(&text, &[])).expect("an answer is JSON");
    value["explanations"] = Value::Null;
    let row = |head: usize, query: usize| -> Vec<f64> {
        // Pseudo-random, so that hardly two neighbours are alike.
        let raw = |key: usize| 0.02 + ((query * 131 + key * 71 + head * 37) % 97) as f64 / 97.0;
        let sum: f64 = (0..tokens).map(raw).sum();
        (0..tokens).map(|key| raw(key) / sum).collect()
    };
    let head = |head: usize| (0..tokens).map(|query| row(head, query)).collect::<Vec<_>>();
    let statistics = json!({"entropy": 2.0, "entropy_normalized": 0.41, "entropy_sum": 20.0, "quality": 0.5,
                            "special_token_mass": 0.83});
    value["attention"] = json!({
        "layers": (0..layers).collect::<Vec<_>>(),
        "heads": (0..heads).collect::<Vec<_>>(),
        "weights": (0..layers).map(|layer| (0..heads).map(|h| head(layer * heads + h)).collect::<Vec<_>>())
            .collect::<Vec<_>>(),
        "statistics": vec![vec![statistics; heads]; layers],
        "rollout": head(0),
    });
    answer(value)
}

/// Attention of one head, with tokens of different names.
pub fn one_head(tokens: usize) -> Answer {
    let mut answer = attention(1, 1, tokens);
    for token in answer.tokens.iter_mut().filter(|token| !token.special) {
        token.text = format!("token{}", token.index);
    }
    answer
}

/// The same with routes through six layers, the heaviest first.
pub fn routed(tokens: usize, routes: usize) -> Answer {
    let mut answer = one_head(tokens);
    let route = |place: usize| RouteView {
        weight: 0.5 / (place + 1) as f64,
        tokens: (0..=6).map(|level| if level > place % 6 { 0 } else { (place * 7 + 2) % tokens }).collect(),
    };
    let view = answer.attention.as_mut().expect("there is attention");
    view.routes = Some((0..routes).map(route).collect());
    answer
}

/// Attention of three layers of twelve heads, of which some attend alike.
pub fn grouped() -> Answer {
    let mut answer = attention(3, 12, 10);
    let view = answer.attention.as_mut().expect("there is attention");
    let places = (0..3).flat_map(|layer| (0..12).map(move |head| HeadPlace { layer, head }));
    let alike: [&[(usize, usize)]; 2] = [&[(0, 0), (1, 3), (2, 11)], &[(0, 1), (0, 2)]];
    let of = |place: &HeadPlace| alike.iter().position(|group| group.contains(&(place.layer, place.head)));
    let mut groups: Vec<Vec<HeadPlace>> = vec![Vec::new(); alike.len()];
    for place in places {
        match of(&place) {
            Some(group) => groups[group].push(place),
            None => groups.push(vec![place]),
        }
    }
    view.groups = Some(groups);
    answer
}

/// The two largest weights of each token of one head, special tokens left out.
pub fn largest_weights(tokens: usize) -> Answer {
    let mut answer = one_head(tokens);
    let view = answer.attention.as_mut().expect("there is attention");
    view.tokens = (1..tokens - 1).collect();
    let row = |query: usize| vec![(query, 0.5), (1 + query % (tokens - 2), 0.25)];
    view.top = Some(vec![vec![view.tokens.iter().map(|query| row(*query)).collect()]]);
    view.weights = None;
    view.rollout = vec![vec![0.0; tokens - 2]; tokens - 2];
    answer
}

/// A text and labels that try to break out of the markup.
pub fn hostile() -> Answer {
    let text = "<script>alert(1)</script> ]]> & \" ' \u{0}\u{1b}[31m\u{FFFE}\u{FFFF} \u{202E}evil\u{200B} <!-- --> \
                </text></svg></title></style>";
    let mut answer = words(text, &[0.5; 64]);
    let label = "<b title=\"x\">&'";
    answer.model.id = label.to_owned();
    answer.prediction.label = Some(label.to_owned());
    answer.prediction.scores[1].label = label.to_owned();
    for explanation in answer.explanations.iter_mut().flatten() {
        explanation.method = "<i>_\u{1}".to_owned();
        explanation.target.iter_mut().for_each(|target| target.label = label.to_owned());
    }
    answer
}

/// Every kind of answer there is.
pub fn all() -> Vec<Answer> {
    let mut predicted = review();
    predicted.explanations = None;
    vec![
        review(),
        predicted,
        words("", &[]),
        words("One", &[-0.3]),
        words("so so so so", &[0.1, -0.2, 0.3, 0.0]),
        words("all is nothing", &[0.0; 3]),
        words("👩‍👩‍👧 🇩🇪 é e\u{301} 世界,好", &[0.4, -0.1, 0.2, 0.3, 0.1, 0.5, -0.9, 0.2]),
        words("الفيلم رائع جدا", &[0.1, 0.9, -0.4]),
        words("line\none\ttab\r\n\r\nend", &[0.1, 0.2, -0.3, 0.4]),
        words(&"tremendously ".repeat(510), &[0.25; 510]),
        words(&"x".repeat(5000), &[1.0]),
        pair("Is it good?", Some("It is."), &[0.1, 0.2, 0.3, -0.4, 0.5, 0.6, -0.7]),
        tokens("not bad", &[0.1, -0.6, 0.9, -0.05]),
        sentence("All of it.\nAs one.", -0.7),
        sentences(&[
            ("It grips from the first scene.", 0.8),
            ("It drags a little, though.", -0.3),
            ("So?", 0.0),
        ]),
        sentences(&[("It grips and does not let go. ".repeat(12).trim(), 0.8), ("الفيلم رائع.", -0.3)]),
        pair("Is it good?", Some(&"It is, as such films go. ".repeat(40)), &[0.1; 300]),
        sampled("a fine film", &[0.1, 0.9, -0.4], &[0.2, 0.05, 0.1]),
        judged(),
        altered(),
        edited(),
        attention(1, 2, 12),
        attention(2, 3, 70),
        one_head(2),
        one_head(40),
        one_head(150),
        routed(12, 5),
        routed(90, 30),
        grouped(),
        largest_weights(9),
        hostile(),
    ]
}

fn answer(value: Value) -> Answer {
    serde_json::from_value(value).expect("the sample is an answer")
}
