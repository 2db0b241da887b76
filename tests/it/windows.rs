//! Texts longer than the model takes, seen through windows: as transformers cuts them, as PyTorch and Captum find them,
//! and as requests ask for them.

use std::sync::Arc;

use explaind::explain::attribution::perturbation::game::Game;
use explaind::explain::attribution::perturbation::replacement::Replacement;
use explaind::explain::crew::Alone;
use explaind::explain::faithfulness::{Depth, qualities};
use explaind::explain::granularity::Granularity;
use explaind::explain::{Attribution, Combine, Configured, Output, Subject, Windows, registry};
use explaind::model::{EncodedText, Keep, Model, Text};
use serde_json::{Value, json};

use crate::support::golden::{BUNDLED, Case, Golden, assert_close, load};
use crate::support::server::TestServer;

/// How the golden text is cut.
const CUTS: [(usize, usize); 3] = [(512, 128), (100, 30), (64, 0)];

const BOTH: [Combine; 2] = [Combine::MeanLogits, Combine::Max];

const REVIEW: &str = "A gripping film, though it drags a little.";

/// About thirty tokens.
const SHORT_REVIEW: &str = "A slow start, a splendid middle, and no end to speak of. You will laugh, you will cry, and \
    you will want your money back.";

/// About eighty tokens.
const LONG_REVIEW: &str = "A slow start, a splendid middle, and no end to speak of. The plot is thin, and the jokes are \
    older than the cast. You will laugh, you will cry, and you will want your money back. The acting is fine; the \
    script, sadly, is not. It never finds its feet, but the last ten minutes are lovely, and the camera loves the sea.";

fn windows(size: usize, overlap: usize, combine: Combine) -> Windows {
    Windows { size, overlap, combine }
}

fn subject(model: &Arc<Model>, text: &str, windows: Windows, keep: Keep) -> Subject {
    let text = windows.encode(model, Text { first: text, second: None }).unwrap();
    Subject::in_windows(model.clone(), text, windows, keep, Arc::new(Alone)).unwrap()
}

fn configured(model: &Model, method: &str, options: Value) -> Box<dyn Configured> {
    registry::find(method).unwrap().configure(Some(&options), model, Granularity::Token).unwrap()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// The golden text with its model.
fn golden() -> (Arc<Model>, Case) {
    let Golden { model, mut cases } = Golden::of_windows();
    (model, cases.remove(0))
}

/// 700 words and more.
fn long_text() -> String {
    golden().1.text
}

#[test]
fn windows_are_cut_as_by_transformers_and_say_what_pytorch_says_of_them() {
    let (model, case) = golden();
    assert!(case.text.split_whitespace().count() >= 700);
    for (size, overlap) in CUTS {
        let name = |what: &str| format!("{size}_{overlap}.{what}");
        let at = |combine| subject(&model, &case.text, windows(size, overlap, combine), Keep::Outputs);
        let mean = at(Combine::MeanLogits);
        assert_eq!(mean.text().ids, case.ids);
        for (index, window) in mean.layout().windows().iter().enumerate() {
            let ids: Vec<i64> = window.rows().map(|row| i64::from(mean.text().ids[row])).collect();
            assert_eq!(ids, case.tensor(&name(&format!("ids.{index}"))).to_vec1::<i64>().unwrap());
        }
        let count = mean.layout().windows().len();
        assert!(case.get(&name(&format!("ids.{count}"))).is_none(), "there are no more windows");
        let logits: Vec<f64> = mean.window_logits().iter().flat_map(|logits| wide(logits)).collect();
        assert_close(&name("logits"), &logits, &case.values(&name("logits")), 2e-4);
        for (combined, subject) in [("mean_logits", &mean), ("max", &at(Combine::Max))] {
            let ours = wide(&subject.prediction().logits);
            assert_close(&name(combined), &ours, &case.values(&name(combined)), 1e-3);
        }
    }
}

#[test]
fn scores_of_windows_are_captums_added_up() {
    let (model, case) = golden();
    let (size, overlap) = CUTS[0];
    let configured = configured(&model, "integrated_gradients", json!({"steps": 50}));
    for (combine, name) in BOTH.into_iter().zip(["mean_logits", "max"]) {
        let subject = subject(&model, &case.text, windows(size, overlap, combine), configured.keep());
        let ours = configured.attribute(&subject, &[case.predicted], 0).unwrap().swap_remove(0);
        let golden = case.values(&format!("{size}_{overlap}.ig50.{name}"));
        assert_close(name, &ours.scores, &golden, 1e-3);
    }
}

#[test]
fn a_text_that_fits_one_window_has_the_very_numbers_that_it_has_without() {
    let model = load(BUNDLED);
    let text = || model.encode(Text { first: REVIEW, second: None }, false).unwrap();
    let methods =
        registry::METHODS.iter().map(|method| method.configure(None, &model, Granularity::Word).unwrap());
    for configured in methods.filter(|configured| !configured.keep().traces()) {
        let whole = Subject::new(model.clone(), text(), configured.keep(), Arc::new(Alone)).unwrap();
        for combine in BOTH {
            let one = subject(&model, REVIEW, windows(32, 8, combine), configured.keep());
            assert_eq!(one.prediction(), whole.prediction());
            let of = |subject: &Subject| {
                let scores = configured.attribute(subject, &[0, 1], 3).unwrap();
                let fast = Depth::Fast;
                let quality = qualities(fast, configured.as_ref(), subject, Granularity::Word, &scores, 3);
                (scores, quality.unwrap())
            };
            assert_eq!(of(&one), of(&whole), "{} {combine:?}", configured.method().id());
        }
    }
}

#[test]
fn scores_over_windows_add_up_to_the_change_of_what_they_say_together() {
    let model = load(BUNDLED);
    let methods = [
        ("integrated_gradients", json!({"max_gradients": 257})),
        ("deep_lift", json!({})),
        ("kernel_shap", json!({"samples": 128, "unit": "token"})),
    ];
    for combine in BOTH {
        for (method, options) in &methods {
            for output in [Output::Logit, Output::Probability] {
                let mut options = options.clone();
                options["output"] = json!(output.name());
                let configured = configured(&model, method, options);
                let subject = subject(&model, SHORT_REVIEW, windows(12, 3, combine), configured.keep());
                assert!(subject.layout().windows().len() > 2);
                let Attribution { scores, convergence, .. } =
                    configured.attribute(&subject, &[1], 0).unwrap().swap_remove(0);
                let what = format!("{method} {combine:?} {output:?}");
                let told = convergence.expect("it adds up to something");
                let target = subject.output(output, 1);
                assert!((told.target_output - target).abs() < 1e-5, "{what}: {told:?} at {target}");
                let missed = scores.iter().sum::<f64>() - (told.target_output - told.baseline_output);
                assert!(missed.abs() <= told.tolerance, "{what}: {told:?}");
            }
        }
    }
}

/// A window as a text of its own.
fn alone(subject: &Subject, window: usize, keep: Keep) -> Subject {
    let rows: Vec<usize> = subject.layout().windows()[window].rows().collect();
    let text = subject.text();
    let own = EncodedText {
        ids: rows.iter().map(|row| text.ids[*row]).collect(),
        type_ids: rows.iter().map(|row| text.type_ids[*row]).collect(),
        tokens: rows.iter().map(|row| text.tokens[*row].clone()).collect(),
        words: Vec::new(),
        sentences: Vec::new(),
        truncated: None,
    };
    Subject::new(subject.model().clone(), own, keep, Arc::new(Alone)).unwrap()
}

#[test]
fn scores_of_a_mean_logit_are_the_mean_of_the_scores_of_each_window_by_itself() {
    let model = load(BUNDLED);
    let methods = [
        ("integrated_gradients", json!({"steps": 12})),
        ("input_x_gradient", json!({})),
        ("deep_lift", json!({})),
        ("attn_lrp", json!({})),
    ];
    for (method, options) in methods {
        let configured = configured(&model, method, options);
        let keep = configured.keep();
        let of = |subject: &Subject| configured.attribute(subject, &[1], 0).unwrap().swap_remove(0);
        let together = subject(&model, LONG_REVIEW, windows(24, 6, Combine::MeanLogits), keep);
        let count = together.layout().windows().len();
        let mut scores = vec![0.0; together.tokens()];
        let mut residue = 0.0;
        for (index, window) in together.layout().windows().iter().enumerate() {
            let own = of(&alone(&together, index, keep));
            residue += own.residue.unwrap_or_default() / count as f64;
            window.rows().zip(own.scores).for_each(|(row, score)| scores[row] += score / count as f64);
        }
        let ours = of(&together);
        assert_close(method, &ours.scores, &scores, 1e-4);
        assert!((ours.residue.unwrap_or_default() - residue).abs() < 1e-4, "{method}");
    }
}

#[test]
fn scores_of_a_largest_logit_are_those_of_its_window() {
    let model = load(BUNDLED);
    for method in ["integrated_gradients", "input_x_gradient", "deep_lift", "attn_lrp"] {
        let configured = configured(&model, method, json!({}));
        let keep = configured.keep();
        let together = subject(&model, LONG_REVIEW, windows(24, 6, Combine::Max), keep);
        for class in 0..2 {
            let of = |subject: &Subject| configured.attribute(subject, &[class], 0).unwrap().swap_remove(0);
            let logit = |window: &usize| together.window_logits()[*window][class];
            let windows = 0..together.layout().windows().len();
            let largest = windows.max_by(|a, b| logit(a).total_cmp(&logit(b))).unwrap();
            let own = of(&alone(&together, largest, keep));
            let mut scores = vec![0.0; together.tokens()];
            let rows = together.layout().windows()[largest].rows();
            rows.zip(&own.scores).for_each(|(row, score)| scores[row] = *score);
            let ours = of(&together);
            assert_eq!(ours.scores, scores, "{method}");
            assert_eq!((ours.convergence, ours.residue), (own.convergence, own.residue), "{method}");
        }
    }
}

#[test]
fn the_gradient_over_windows_is_the_slope_of_what_they_say_together() {
    let model = load(BUNDLED);
    for combine in BOTH {
        let subject = subject(&model, LONG_REVIEW, windows(24, 6, combine), Keep::OutputGradients);
        let gradient = subject.gradients(Output::Probability, &[1]).unwrap().swap_remove(0);
        let length = gradient.values.iter().map(|slope| f64::from(*slope).powi(2)).sum::<f64>().sqrt();
        let step = 2e-3;
        let moved = |sign: f64| {
            let along = subject.embeddings().iter().zip(&gradient.values);
            let along =
                along.map(|(x, slope)| (f64::from(*x) + sign * step * f64::from(*slope) / length) as f32);
            subject.with_embeddings(along.collect(), Keep::Outputs).unwrap().output(Output::Probability, 1)
        };
        let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        assert!((slope - length).abs() < 0.02 * length, "{combine:?}: {slope} against {length}");
    }
}

#[test]
fn parts_are_taken_out_of_every_window_that_has_them() {
    let model = load(BUNDLED);
    let mask = model.tokenizer().special().mask.unwrap();
    let width = model.config().hidden_size;
    for combine in BOTH {
        let subject = subject(&model, LONG_REVIEW, windows(24, 6, combine), Keep::Outputs);
        let game = Game::new(&subject, Granularity::Token, Replacement::Mask).unwrap();
        assert_eq!(game.logits(&[game.everyone()]).unwrap()[0], subject.prediction().logits);
        // In the first window alone; in the first and the second; everywhere.
        for absent in [0..1, 18..20, 0..game.players().len()] {
            let mut coalition = game.everyone();
            let mut embeddings = subject.embeddings().to_vec();
            for player in absent {
                coalition[player] = false;
                let row = game.players().tokens(player)[0] * width;
                let substitute = model.encoder().word_embeddings(&[mask]).unwrap();
                embeddings[row..row + width].copy_from_slice(&substitute);
            }
            let masked = subject.with_embeddings(embeddings, Keep::Outputs).unwrap();
            assert_eq!(game.logits(&[coalition]).unwrap()[0], masked.prediction().logits);
        }
    }
}

#[test]
fn a_text_of_seven_hundred_words_is_explained_whole() {
    let server = TestServer::shared();
    let text = long_text();
    let body = json!({"text": text, "methods": ["deep_lift", "leave_one_out"], "windows": {},
        "options": {"leave_one_out": {"unit": "sentence"}}, "granularity": "sentence", "quality": "fast"});
    let answer = server.ok("/explain", body.clone());
    let tokens = answer["tokens"].as_array().unwrap();
    let special: Vec<usize> = (0..tokens.len()).filter(|index| tokens[*index]["special"] == true).collect();
    assert_eq!(special, [0, tokens.len() - 1], "one token in front and one behind");
    assert_eq!(answer["words"].as_array().unwrap().last().unwrap()["end"], text.chars().count());
    assert_eq!((&answer["truncated"], answer["windows"]["size"].as_u64()), (&Value::Null, Some(512)));
    let windows = answer["windows"]["windows"].as_array().unwrap();
    assert_eq!((&windows[0]["first_token"], &windows[0]["start"]), (&json!(1), &json!(0)));
    assert_eq!(windows.last().unwrap()["last_token"], tokens.len() - 2);
    assert_eq!(windows.last().unwrap()["end"], text.chars().count());
    let number = |value: &Value| value.as_f64().unwrap();
    for label in 0..2 {
        let sum: f64 = windows.iter().map(|window| number(&window["logits"][label])).sum();
        let mean = sum / windows.len() as f64;
        assert!((mean - number(&answer["prediction"]["logits"][label])).abs() < 1e-6);
    }
    let explained = &answer["explanations"][0];
    let scores = [&explained["scores"], &explained["special_scores"]];
    let sum: f64 = scores.iter().flat_map(|scores| scores.as_array().unwrap()).map(number).sum();
    let convergence = &explained["convergence"];
    let change = number(&convergence["target_output"]) - number(&convergence["baseline_output"]);
    assert!((sum - change).abs() <= number(&convergence["tolerance"]), "{sum} of {change}");

    let again = server.post("/explain", &body);
    assert!(again.headers["cache-status"].to_str().unwrap().starts_with("explaind; hit"));
    assert_eq!(again.json(), answer);
    let default = json!({"size": 512, "overlap": 128, "combine": "mean_logits"});
    let mut spelt = body;
    spelt["windows"] = default;
    assert_eq!(server.ok("/explain", spelt)["id"], answer["id"], "defaults filled in are the same question");
}

#[test]
fn windows_that_are_not_asked_for_are_not_told_of_and_make_another_answer_where_they_are() {
    let server = TestServer::shared();
    let predict = |windows: Option<Value>| {
        let mut body = json!({"text": "A film without windows."});
        if let Some(windows) = windows {
            body["windows"] = windows;
        }
        server.ok("/v1/predict", body)
    };
    let plain = predict(None);
    assert_eq!(plain.get("windows"), None);
    assert_eq!(predict(Some(Value::Null)), plain);
    let (mean, max) = (predict(Some(json!({}))), predict(Some(json!({"combine": "max"}))));
    assert_eq!(mean["prediction"], plain["prediction"]);
    assert_eq!(max["windows"]["windows"][0]["logits"], plain["prediction"]["logits"]);
    assert_eq!(max["windows"]["windows"][0]["scores"], plain["prediction"]["scores"]);
    let ids = [&plain["id"], &mean["id"], &max["id"]];
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2], "{ids:?}");
}

#[test]
fn windows_are_refused_at_the_field_that_is_wrong() {
    let server = TestServer::shared();
    let table = [
        (json!({"windows": {"size": 7}}), "/windows/size"),
        (json!({"windows": {"size": 513}}), "/windows/size"),
        (json!({"windows": {"size": -1}}), "/windows/size"),
        (json!({"windows": {"overlap": 510}}), "/windows/overlap"),
        (json!({"windows": {"size": 16, "overlap": 14}}), "/windows/overlap"),
        (json!({"windows": {"combine": "mean"}}), "/windows/combine"),
        (json!({"windows": {"combine": {"max": null}}}), "/windows/combine"),
        (json!({"windows": {"stride": 4}}), "/windows/stride"),
        (json!({"windows": [64]}), "/windows"),
        (json!({"windows": {}, "truncate": true}), "/windows"),
        (json!({"windows": {}, "text_pair": "Another one."}), "/text_pair"),
    ];
    for (fields, pointer) in table {
        for path in ["/explain", "/v1/predict"] {
            let mut body = json!({"text": "A film."});
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let problem = server.problem(path, body, 422);
            assert_eq!(problem["pointer"], pointer, "{fields}: {problem}");
        }
    }
    for method in ["attention_rollout", "attention_flow", "gradient_attention", "value_zeroing"] {
        let body = json!({"text": "A film.", "windows": {}, "methods": ["saliency", method]});
        let problem = server.problem("/explain", body, 422);
        assert_eq!(problem["pointer"], "/methods/1", "{problem}");
        assert!(problem["remedy"].as_str().unwrap().contains("truncate"), "{problem}");
    }
    let many = json!({"text": "film ".repeat(80), "windows": {"size": 8, "overlap": 5}});
    let problem = server.problem("/v1/predict", many, 422);
    assert_eq!(problem["pointer"], "/text");
    assert!(problem["detail"].as_str().unwrap().contains("has 75 windows, and at most 64"), "{problem}");
    let long = json!({"text": "film ".repeat(4095), "windows": {}});
    let problem = server.problem("/v1/predict", long, 422);
    assert_eq!([&problem["tokens"], &problem["limit"]], [&json!(4097), &json!(4096)]);
    let batch = json!({"texts": ["A film.", {"text": "A film.", "text_pair": "Another."}], "windows": {}});
    let results = server.ok("/v1/predict", batch);
    assert_eq!(results["results"][1]["error"]["pointer"], "/texts/1/text_pair");
}

#[test]
fn a_dry_run_counts_the_passes_of_every_window() {
    let server = TestServer::shared();
    let told = |windows: Value| {
        let body =
            json!({"text": "film ".repeat(30), "methods": ["saliency"], "windows": windows, "dry_run": true});
        server.ok("/explain", body)["results"][0].clone()
    };
    let (one, three) = (told(json!({})), told(json!({"size": 14, "overlap": 3})));
    assert_eq!((&one["tokens"], &three["tokens"]), (&json!(32), &json!(32)));
    let passes =
        |text: &Value| [&text["forwards"]["expected"], &text["backwards"]["expected"]].map(Value::as_u64);
    assert_eq!(passes(&one), [Some(1); 2]);
    // They start at 0, 9 and 18 of thirty tokens; each runs for the prediction, and again for the way back.
    assert_eq!(passes(&three), [Some(6), Some(3)]);
}
