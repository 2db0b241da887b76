//! How far to trust an explanation: figures, agreement of methods, warnings, and what was expected.

use std::collections::HashMap;
use std::sync::Arc;

use explaind::engine::answer::WarningCode;
use explaind::explain::attribution::perturbation::game::{Coalition, Game, Players};
use explaind::explain::attribution::perturbation::replacement::Replacement;
use explaind::explain::crew::Alone;
use explaind::explain::faithfulness::{Depth, Quality, erasure, qualities, rank};
use explaind::explain::granularity::Granularity;
use explaind::explain::{Attribution, Configured, Output, Subject, registry};
use explaind::model::{Keep, Model, Text};
use serde_json::{Value, json};

use crate::support::golden::{BUNDLED, load};
use crate::support::server::{Answer, Settings, TestServer};

const REVIEW: &str = "A moving, sharply written film that doesn't overstay its welcome.";

const TEXTS: [&str; 10] = [
    "A gripping film, though it drags a little.",
    "The plot is thin, and the jokes are older than the cast.",
    "It never finds its feet, but the last ten minutes are lovely.",
    "An honest, funny and quietly devastating portrait of a family.",
    "Nothing in this film is worth the price of the popcorn.",
    "The acting is fine; the script, sadly, is not.",
    "A slow start, a splendid middle, and no end to speak of.",
    "You will laugh, you will cry, and you will want your money back.",
    "One of the best films of the year, without any doubt.",
    "The camera loves the sea more than it loves these people.",
];

const FAST: [&str; 3] = ["comprehensiveness", "level", "sufficiency"];

const FULL: [&str; 10] = [
    "baseline_band",
    "better_than_random_by",
    "comprehensiveness",
    "infidelity",
    "leave_one_out_correlation",
    "level",
    "log_odds_drop",
    "max_sensitivity",
    "random_comprehensiveness",
    "sufficiency",
];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn codes(answer: &Value) -> Vec<&str> {
    let warnings = answer["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

/// The messages of one code.
fn messages<'a>(answer: &'a Value, code: &str) -> Vec<&'a str> {
    let warnings = answer["warnings"].as_array().unwrap().iter();
    warnings.filter(|warning| warning["code"] == code).map(|w| w["message"].as_str().unwrap()).collect()
}

fn subject(model: &Arc<Model>, text: &str) -> Subject {
    let encoded = model.encode(Text { first: text, second: None }, false).unwrap();
    Subject::new(model.clone(), encoded, Keep::Gradients, Arc::new(Alone)).unwrap()
}

fn configured(id: &str, model: &Model) -> Box<dyn Configured> {
    registry::find(id).unwrap().configure(None, model, Granularity::Word).unwrap()
}

fn judged(id: &str, subject: &Subject, depth: Depth) -> (Attribution, Quality) {
    let method = configured(id, subject.model());
    let classes = subject.prediction().predicted_classes();
    let attributions = method.attribute(subject, &classes, 0).unwrap();
    let mut quality =
        qualities(depth, method.as_ref(), subject, Granularity::Word, &attributions, 0).unwrap();
    (attributions[0].clone(), quality.swap_remove(0))
}

#[test]
fn a_gradient_method_is_better_than_chance_on_clear_reviews() {
    let model = load(BUNDLED);
    for text in [REVIEW, TEXTS[4]] {
        let (_, quality) = judged("integrated_gradients", &subject(&model, text), Depth::Full);
        let full = quality.full.as_ref().unwrap();
        assert!(full.better_than_random_by.unwrap() > 0.0, "{quality:?}");
        assert!(full.leave_one_out_correlation.unwrap() > 0.0, "{quality:?}");
    }
}

#[test]
fn comprehensiveness_is_what_masking_the_strongest_words_by_hand_gives() {
    let model = load(BUNDLED);
    let subject = subject(&model, REVIEW);
    let (attribution, quality) = judged("integrated_gradients", &subject, Depth::Fast);
    assert_eq!(quality.full, None);
    let players = Players::new(&subject, Granularity::Word);
    assert_eq!(players.len(), 12);
    let score =
        |word: &usize| players.tokens(*word).iter().map(|token| attribution.scores[*token]).sum::<f64>();
    let mut order: Vec<usize> = (0..12).collect();
    order.sort_by(|a, b| score(b).total_cmp(&score(a)));
    let game = Game::new(&subject, Granularity::Word, Replacement::Mask).unwrap();
    let class = attribution.class.unwrap();
    let probability =
        |coalition: Coalition| game.values(&[coalition], Output::Probability, &[class]).unwrap()[0][0];
    let whole = subject.output(Output::Probability, class);
    // 1, 5, 10, 20 and 50 % of twelve words, rounded up.
    let mean = |kept: bool| {
        let falls = [1, 1, 2, 3, 6].map(|count| {
            let coalition = (0..12).map(|word| order[..count].contains(&word) == kept).collect();
            whole - probability(coalition)
        });
        falls.iter().sum::<f64>() / 5.0
    };
    assert!((quality.comprehensiveness - mean(false)).abs() < 1e-12);
    assert!((quality.sufficiency - mean(true)).abs() < 1e-12);
}

#[test]
fn scores_that_lie_about_the_order_are_found_out() {
    let model = load(BUNDLED);
    let subject = subject(&model, REVIEW);
    let method = configured("integrated_gradients", &model);
    let honest = method.attribute(&subject, &[1], 0).unwrap().swap_remove(0);
    let scores = honest.scores.iter().map(|score| -score).collect();
    let turned = Attribution { scores, ..honest.clone() };
    let of = |attribution| {
        let given = [attribution];
        qualities(Depth::Full, method.as_ref(), &subject, Granularity::Word, &given, 0)
            .unwrap()
            .swap_remove(0)
    };
    let (honest, turned) = (of(honest), of(turned));
    assert!(honest.comprehensiveness > turned.comprehensiveness);
    let (honest, turned) = (honest.full.unwrap(), turned.full.unwrap());
    assert_eq!(honest.random_comprehensiveness, turned.random_comprehensiveness, "chance knows no scores");
    assert!(honest.infidelity.unwrap() < turned.infidelity.unwrap());
    let correlations = (honest.leave_one_out_correlation.unwrap(), turned.leave_one_out_correlation.unwrap());
    assert!((correlations.0 + correlations.1).abs() < 1e-12, "{correlations:?}");
}

#[test]
fn every_figure_has_its_place_and_none_is_given_unasked() {
    let server = TestServer::shared();
    let quality = |level: Value| {
        let answer = server.ok("/explain", json!({"text": REVIEW, "quality": level}));
        assert_eq!(answer.get("agreement"), None, "one method agrees with nobody");
        answer["explanations"][0].clone()
    };
    assert_eq!(quality(json!(null))["quality"], Value::Null);
    assert_eq!(quality(json!("none"))["quality"], Value::Null);
    let fast = quality(json!("fast"));
    assert_eq!((keys(&fast["quality"]), &fast["quality"]["level"]), (FAST.to_vec(), &json!("fast")));
    let full = quality(json!("full"));
    let figures = &full["quality"];
    assert_eq!((keys(figures), &figures["level"]), (FULL.to_vec(), &json!("full")));
    for same in ["comprehensiveness", "sufficiency"] {
        assert_eq!(figures[same], fast["quality"][same], "{same}");
        assert!((-1.0..=1.0).contains(&number(&figures[same])), "{figures}");
    }
    let gain = number(&figures["comprehensiveness"]) - number(&figures["random_comprehensiveness"]);
    assert!((number(&figures["better_than_random_by"]) - gain).abs() < 1e-6);
    assert!(number(&figures["infidelity"]) >= 0.0 && number(&figures["max_sensitivity"]) > 0.0, "{figures}");
    let band = &figures["baseline_band"];
    assert_eq!(keys(band), ["baselines", "high", "low"]);
    assert_eq!(band["baselines"], json!(["mask", "zero"]));
    let (low, high) = (numbers(&band["low"]), numbers(&band["high"]));
    assert_eq!(low.len(), full["scores"].as_array().unwrap().len());
    for (score, (low, high)) in numbers(&full["scores"]).iter().zip(low.iter().zip(&high)) {
        assert!(low <= score && score <= high, "{band}");
    }
    assert!(low != high, "three baselines do not give the same scores");
    assert_eq!(full["scores"], fast["scores"]);
}

#[test]
fn the_band_is_the_range_of_what_each_baseline_gives() {
    let server = TestServer::shared();
    let with = |baseline: &str, quality: &str| {
        let options = json!({"integrated_gradients": {"baseline": baseline, "steps": 16}});
        let body = json!({"text": TEXTS[0], "options": options, "quality": quality, "granularity": "token"});
        server.ok("/explain", body)["explanations"][0].clone()
    };
    let all = ["zero", "pad", "mask"].map(|baseline| numbers(&with(baseline, "none")["scores"]));
    let band = with("zero", "full")["quality"]["baseline_band"].clone();
    assert_eq!(band["baselines"], json!(["pad", "mask"]));
    let range = |fold: fn(f64, f64) -> f64| -> Vec<f64> {
        (0..all[0].len()).map(|unit| fold(fold(all[0][unit], all[1][unit]), all[2][unit])).collect()
    };
    assert_eq!((numbers(&band["low"]), numbers(&band["high"])), (range(f64::min), range(f64::max)));
}

#[test]
fn what_is_not_defined_is_null() {
    let server = TestServer::shared();
    let methods = json!(["saliency", "attention_rollout", "random"]);
    let answer = server.ok("/explain", json!({"text": "splendid", "methods": methods, "quality": "full"}));
    for explanation in answer["explanations"].as_array().unwrap() {
        let figures = &explanation["quality"];
        assert_eq!(keys(figures), FULL);
        assert_eq!(figures["leave_one_out_correlation"], Value::Null, "one word has no order");
        assert_eq!(figures["better_than_random_by"], Value::Null, "and chance no choice");
        assert_eq!(figures["baseline_band"], Value::Null, "there is no baseline");
        assert_eq!(figures["infidelity"].is_null(), explanation["output"].is_null(), "{explanation}");
        assert_eq!(figures["comprehensiveness"], figures["random_comprehensiveness"]);
    }
    assert!(!codes(&answer).contains(&"no_better_than_random"), "{answer}");
    for pair in answer["agreement"].as_array().unwrap() {
        assert_eq!((&pair["spearman"], &pair["top_k"]), (&Value::Null, &json!({"k": 1, "overlap": 1.0})));
    }
    let random = &answer["explanations"][2];
    assert_eq!(random["method"], "random");
    assert_eq!(random["quality"]["max_sensitivity"], 0.0, "chance does not look at the text's embeddings");
}

#[test]
fn every_kind_of_model_unit_and_text_has_finite_figures() {
    let server = TestServer::shared();
    for model in ["three-labels", "multi-label", "regression", "one-type-id", "pairs"] {
        for granularity in ["token", "word", "sentence"] {
            let mut body = json!({"text": "the film is good. it is not bad", "model": model, "quality": "full",
                "granularity": granularity, "methods": ["integrated_gradients", "saliency", "attention_rollout"],
                "options": {"integrated_gradients": {"steps": 8}}, "target": "all"});
            if model == "pairs" {
                body["text_pair"] = json!("it is good");
            }
            let answer = server.ok("/explain", body);
            for explanation in answer["explanations"].as_array().unwrap() {
                let figures = &explanation["quality"];
                assert_eq!(keys(figures), FULL, "{model} by {granularity}");
                for always in ["comprehensiveness", "sufficiency", "log_odds_drop", "max_sensitivity"] {
                    assert!(figures[always].is_number(), "{always} of {model} by {granularity}: {figures}");
                }
                if model == "regression" {
                    assert_eq!(
                        figures["comprehensiveness"], figures["log_odds_drop"],
                        "both are of the value"
                    );
                }
            }
        }
    }
}

#[test]
fn fast_figures_take_ten_forward_passes_at_most_and_each_text_once() {
    let server = Settings { models: vec!["three-labels"], ..Settings::default() }.start();
    let ran = |text: &str, quality: &str| {
        let before = server.figure("explaind_forward_units_total");
        server.ok("/explain", json!({"text": text, "methods": ["saliency"], "quality": quality}));
        server.figure("explaind_forward_units_total") - before
    };
    assert_eq!(ran("the film is good", "none"), 0.0, "its own pass is kept, and no other is run");
    // One word for four shares and two for the fifth, each taken out or left alone.
    assert_eq!(ran("the film is good", "fast"), 4.0);
    assert_eq!(ran("good", "fast"), 1.0, "a word alone is the text as it is");
    let long = "the film is good and the story is slow ".repeat(3);
    let taken = ran(&long, "fast");
    assert!((5.0..=10.0).contains(&taken), "{taken}");
}

#[test]
fn a_dry_run_counts_the_figures() {
    let server = TestServer::shared();
    let forwards = |quality: &str, methods: Value| {
        let body = json!({"text": "A film that nobody has asked about.", "methods": methods,
            "quality": quality, "dry_run": true});
        server.ok("/explain", body)["results"][0].clone()
    };
    let most = |told: &Value| told["forwards"]["most"].as_u64().unwrap();
    let none = forwards("none", json!(["saliency"]));
    let fast = forwards("fast", json!(["saliency"]));
    assert_eq!(most(&fast), most(&none) + 10);
    let full = forwards("full", json!(["saliency"]));
    assert!(most(&full) > most(&fast) + 60, "{full}");
    let backwards = |told: &Value| told["backwards"]["expected"].as_u64().unwrap();
    assert_eq!((backwards(&fast), backwards(&full)), (1, 5), "four moved texts more");
    assert!(full["bytes"].as_u64() > fast["bytes"].as_u64());
    let both = forwards("fast", json!(["saliency", "input_x_gradient"]));
    let parts = both["parts"].as_array().unwrap();
    assert_eq!(parts.last().unwrap()["name"], "agreement");
    assert_eq!(backwards(&both), 2, "what is compared is not computed again");
}

#[test]
fn figures_are_part_of_an_answers_id_and_their_seed_is_where_they_sample() {
    let server = TestServer::shared();
    let id = |quality: &str, seed: u64| {
        let body = json!({"text": "fine", "methods": ["saliency"], "quality": quality, "seed": seed});
        server.ok("/explain", body)["id"].clone()
    };
    assert_ne!(id("none", 0), id("fast", 0));
    assert_ne!(id("fast", 0), id("full", 0));
    assert_eq!(id("fast", 0), id("fast", 1), "nothing samples");
    assert_ne!(id("full", 0), id("full", 1));
}

#[test]
fn figures_are_the_same_bytes_alone_in_a_batch_and_on_any_number_of_threads() {
    let body = |extra: Value| {
        let mut body = json!({"methods": ["input_x_gradient", "saliency"], "quality": "full", "seed": 3});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let one = TestServer::with_threads(1);
    let single = |text: &&str| one.post("/explain", &body(json!({"text": text}))).text();
    let singles: Vec<String> = TEXTS[..3].iter().map(single).collect();
    let batch = TestServer::with_threads(3).post("/explain", &body(json!({"texts": TEXTS[..3]})));
    assert_eq!(batch.text(), format!("{{\"results\":[{}]}}", singles.join(",")));
}

#[test]
fn methods_are_compared_pair_by_pair_and_class_by_class() {
    let server = TestServer::shared();
    let methods = json!(["input_x_gradient", "attention_rollout", "saliency", "random"]);
    let body = json!({"text": "the film is good and the story is slow", "model": "three-labels",
        "methods": methods, "target": "all", "quality": "fast"});
    let answer = server.ok("/explain", body.clone());
    let agreement = answer["agreement"].as_array().unwrap();
    let mut counted: HashMap<(String, String), Vec<Value>> = HashMap::new();
    for pair in agreement {
        assert_eq!(keys(pair), ["methods", "sign_agreement", "spearman", "target", "top_k"]);
        let method = |place: usize| pair["methods"][place].as_str().unwrap().to_owned();
        counted.entry((method(0), method(1))).or_default().push(pair["target"]["index"].clone());
    }
    let of = |first: &str, second: &str| counted[&(first.to_owned(), second.to_owned())].clone();
    let every = [json!(0), json!(1), json!(2)];
    assert_eq!(of("input_x_gradient", "saliency"), every, "the same class");
    assert_eq!(of("input_x_gradient", "attention_rollout"), every, "no class meets every one");
    assert_eq!(of("attention_rollout", "saliency"), every, "in the order asked for");
    assert_eq!(of("attention_rollout", "random"), [Value::Null], "no class on either side");
    assert_eq!(counted.len(), 6);

    let mut none = body.clone();
    none["quality"] = json!("none");
    assert_eq!(server.ok("/explain", none).get("agreement"), None);
    let mut sentences = body;
    sentences["granularity"] = json!("sentence");
    let sentences = server.ok("/explain", sentences);
    assert_eq!(
        (sentences["sentences"].as_array().unwrap().len(), sentences["agreement"][0]["top_k"]["k"].clone()),
        (1, json!(1))
    );
}

#[test]
fn agreement_is_what_the_scores_of_the_answer_say() {
    let server = TestServer::shared();
    let body =
        json!({"texts": TEXTS, "methods": ["integrated_gradients", "saliency", "random"], "quality": "fast"});
    let results = server.ok("/explain", body)["results"].clone();
    let mut disagreements = 0;
    for answer in results.as_array().unwrap() {
        let scores: HashMap<&str, Vec<f64>> = answer["explanations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| (e["method"].as_str().unwrap(), numbers(&e["scores"])))
            .collect();
        let agreement = answer["agreement"].as_array().unwrap();
        assert_eq!(agreement.len(), 3);
        for pair in agreement {
            let [first, second] = [0, 1].map(|place| pair["methods"][place].as_str().unwrap());
            let (a, b) = (&scores[first], &scores[second]);
            let are_signed = [a, b].iter().all(|scores| scores.iter().any(|score| *score < 0.0));
            assert_eq!(pair["sign_agreement"].is_null(), !are_signed, "{pair}");
            let compared = |score: &f64| if are_signed { *score } else { score.abs() };
            let pairs: Vec<(f64, f64)> = a.iter().map(compared).zip(b.iter().map(compared)).collect();
            let spearman = rank::spearman(&pairs).unwrap();
            assert!((number(&pair["spearman"]) - spearman).abs() < 1e-6, "{pair}");
            let strongest = |scores: &[f64]| {
                let sizes: Vec<f64> = scores.iter().map(|score| score.abs()).collect();
                erasure::ranking(&sizes)[..5].to_vec()
            };
            let (of_a, of_b) = (strongest(a), strongest(b));
            let shared = of_a.iter().filter(|unit| of_b.contains(unit)).count() as f64;
            assert_eq!(pair["top_k"]["k"], 5);
            assert!((number(&pair["top_k"]["overlap"]) - shared / 5.0).abs() < 1e-6, "{pair}");
            let told = messages(answer, "methods_disagree");
            let named =
                told.iter().any(|message| message.starts_with(&format!("{first} and {second} disagree")));
            assert_eq!(named, spearman < 0.0 || shared < 2.0, "{pair}: {told:?}");
            disagreements += usize::from(named);
        }
    }
    assert!(disagreements > 0, "chance disagrees with somebody");
}

#[test]
fn agreement_is_kept_by_itself() {
    let server = Settings { models: vec!["three-labels"], ..Settings::default() }.start();
    let body = |quality: &str, methods: Value, dry_run: bool| json!({"text": "the film is good", "methods": methods, "quality": quality, "dry_run": dry_run});
    let both = || json!(["saliency", "input_x_gradient"]);
    let fast = server.ok("/explain", body("fast", both(), false));
    let told = server.ok("/explain", body("full", both(), true));
    let cached = |told: &Value| -> HashMap<String, bool> {
        let parts = told["results"][0]["parts"].as_array().unwrap().iter();
        parts.map(|p| (p["name"].as_str().unwrap().to_owned(), p["cached"].as_bool().unwrap())).collect()
    };
    let parts = cached(&told);
    assert!(parts["agreement"] && parts["prediction"] && !parts["saliency"], "{parts:?}");
    assert_eq!(server.ok("/explain", body("full", both(), false))["agreement"], fast["agreement"]);

    // The explanations are there one by one; only what they have in common is not.
    for method in ["saliency", "attention_rollout"] {
        server.ok("/explain", body("fast", json!([method]), false));
    }
    let pair = || json!(["saliency", "attention_rollout"]);
    let parts = cached(&server.ok("/explain", body("fast", pair(), true)));
    assert!(parts["saliency"] && parts["attention_rollout"] && !parts["agreement"], "{parts:?}");
    let later = server.ok("/explain", body("fast", pair(), false));
    let at_once = Settings { models: vec!["three-labels"], ..Settings::default() }.start();
    assert_eq!(at_once.ok("/explain", body("fast", pair(), false)), later);
}

#[test]
fn it_is_told_where_special_tokens_hold_more_than_the_text() {
    let server = TestServer::shared();
    let methods = json!(["attention_rollout", "integrated_gradients", "saliency", "random"]);
    let mut dominated = 0;
    for granularity in ["word", "token"] {
        let body = json!({"texts": TEXTS, "methods": methods, "granularity": granularity});
        for answer in server.ok("/explain", body)["results"].as_array().unwrap() {
            let special: Vec<bool> = answer["tokens"]
                .as_array()
                .unwrap()
                .iter()
                .map(|t| t["special"].as_bool().unwrap())
                .collect();
            for explanation in answer["explanations"].as_array().unwrap() {
                let method = explanation["method"].as_str().unwrap();
                let size = |scores: &Value| numbers(scores).iter().map(|score| score.abs()).sum::<f64>();
                let share = match explanation.get("special_scores") {
                    Some(own) => size(own) / (size(own) + size(&explanation["scores"])),
                    None => {
                        let scored = numbers(&explanation["scores"]).into_iter().zip(&special);
                        let own = scored.filter(|(_, special)| **special).map(|(score, _)| score.abs());
                        own.sum::<f64>() / size(&explanation["scores"])
                    }
                };
                let told = messages(answer, "special_tokens_dominate");
                let named = told.iter().any(|message| message.starts_with(method));
                assert_eq!(named, method != "random" && share > 0.5, "{share} of {method}: {told:?}");
                dominated += usize::from(named);
            }
        }
    }
    assert!(dominated > 0, "[CLS] keeps most of its own attention");
}

#[test]
fn a_prediction_that_is_hardly_one_is_told() {
    let server = TestServer::shared();
    let predicted = |model: &str, text: &str| {
        server.ok("/v1/predict", json!({"text": text, "model": model, "truncate": true}))
    };
    let unsure = predicted(BUNDLED, "the acting is [MASK].");
    assert_eq!(codes(&unsure), ["small_margin"]);
    assert!(messages(&unsure, "small_margin")[0].contains("`negative`"), "{unsure}");
    let mut seen = [0, 0];
    for text in TEXTS.iter().chain(&["funny", "film", "the film is good", "a joke that walks in the rain"]) {
        for model in [BUNDLED, "three-labels", "multi-label", "regression"] {
            let answer = predicted(model, text);
            let mut scores: Vec<f64> = answer["prediction"]["scores"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| number(&s["score"]))
                .collect();
            let is_small = match model {
                "multi-label" => scores.iter().any(|score| (score - 0.5).abs() <= 0.05),
                "regression" => false,
                _ => {
                    scores.sort_by(|a, b| b.total_cmp(a));
                    scores[0] - scores[1] < 0.1
                }
            };
            assert_eq!(codes(&answer).contains(&"small_margin"), is_small, "{answer}");
            seen[usize::from(is_small)] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn scores_no_better_than_chance_are_told() {
    let server = TestServer::shared();
    let body = json!({"texts": TEXTS, "methods": ["random"], "quality": "full", "model": "three-labels",
        "truncate": true});
    let mut seen = [0, 0];
    for answer in server.ok("/explain", body)["results"].as_array().unwrap() {
        let gain = number(&answer["explanations"][0]["quality"]["better_than_random_by"]);
        let told = codes(answer).contains(&"no_better_than_random");
        assert_eq!(told, gain <= 0.0, "{answer}");
        seen[usize::from(told)] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "chance is above and below chance: {seen:?}");
}

#[test]
fn scores_that_hang_on_their_baseline_are_told() {
    let server = TestServer::shared();
    let mut told = 0;
    for model in [BUNDLED, "three-labels"] {
        let body = json!({"texts": TEXTS, "model": model, "quality": "full", "truncate": true,
            "options": {"integrated_gradients": {"steps": 8}}});
        for answer in server.ok("/explain", body)["results"].as_array().unwrap() {
            let explanation = &answer["explanations"][0];
            let scores = numbers(&explanation["scores"]);
            let strongest = (0..scores.len())
                .fold(0, |best, unit| if scores[unit].abs() > scores[best].abs() { unit } else { best });
            let band = &explanation["quality"]["baseline_band"];
            let turns = numbers(&band["low"])[strongest] < 0.0 && numbers(&band["high"])[strongest] > 0.0;
            let is_told = codes(answer).contains(&"baseline_sensitive");
            // It may also be the order that changes, which the band does not show.
            assert!(is_told || !turns, "{answer}");
            told += usize::from(is_told);
        }
    }
    assert!(told < 2 * TEXTS.len(), "not every explanation hangs on its baseline");
}

#[test]
fn an_expected_label_is_explained_and_it_is_told_if_the_model_says_otherwise() {
    let server = TestServer::shared();
    let asked = |expected: Value| {
        let methods = json!(["saliency", "input_x_gradient"]);
        server.ok("/explain", json!({"text": REVIEW, "methods": methods, "expected_label": expected}))
    };
    for expected in [json!("positive"), json!(1)] {
        let answer = asked(expected);
        assert_eq!(answer["prediction"]["label"], "positive");
        assert_eq!(answer["explanations"][0]["target"]["label"], "positive");
        assert!(!codes(&answer).contains(&"prediction_differs"), "{answer}");
    }
    for expected in [json!("negative"), json!(0)] {
        let answer = asked(expected);
        for explanation in answer["explanations"].as_array().unwrap() {
            assert_eq!(explanation["target"], json!({"label": "negative", "index": 0}));
        }
        let told = messages(&answer, "prediction_differs");
        assert_eq!(told.len(), 1, "two methods say it once");
        assert!(told[0].contains("predicts `positive`, not `negative`"), "{told:?}");
        let target = server.ok("/explain", json!({"text": REVIEW, "methods": ["saliency"], "target": 0}));
        assert_eq!(target["explanations"][0], answer["explanations"][0]);
        assert_ne!(target["id"], answer["id"]);
    }
}

#[test]
fn an_expected_label_of_a_multi_label_model_is_one_of_those_that_hold() {
    let server = TestServer::shared();
    let mut seen = [0, 0];
    for text in ["funny", "the film is good", "a joke that walks in the rain, and a window at the end"] {
        for index in 0..4 {
            let body = json!({"text": text, "model": "multi-label", "methods": ["saliency"], "expected_label": index});
            let answer = server.ok("/explain", body);
            let label = &answer["explanations"][0]["target"]["label"];
            let holds = answer["prediction"]["labels"].as_array().unwrap().contains(label);
            assert_eq!(codes(&answer).contains(&"prediction_differs"), !holds, "{answer}");
            assert!(
                !codes(&answer).contains(&"no_label_over_threshold"),
                "it is not the likeliest that is explained"
            );
            seen[usize::from(holds)] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn what_cannot_be_expected_is_refused_at_its_field() {
    let server = TestServer::shared();
    for (body, pointer) in [
        (json!({"text": "x", "expected_label": "neutral"}), "/expected_label"),
        (json!({"text": "x", "expected_label": "predicted"}), "/expected_label"),
        (json!({"text": "x", "expected_label": 2}), "/expected_label"),
        (json!({"text": "x", "expected_label": -1}), "/expected_label"),
        (json!({"text": "x", "expected_label": 0.5}), "/expected_label"),
        (json!({"text": "x", "expected_label": ["positive"]}), "/expected_label"),
        (json!({"text": "x", "expected_label": "positive", "target": "positive"}), "/expected_label"),
        (json!({"text": "x", "expected_label": 1, "target": "predicted"}), "/expected_label"),
        (json!({"text": "x", "expected_label": 0, "model": "regression"}), "/expected_label"),
        (json!({"text": "x", "quality": "best"}), "/quality"),
        (json!({"text": "x", "quality": true}), "/quality"),
        (json!({"text": "x", "quality": {"fast": null}}), "/quality"),
    ] {
        let problem = server.problem("/explain", body.clone(), 422);
        assert_eq!(problem["pointer"], pointer, "{body}: {problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
    server.ok("/explain", json!({"text": "x", "expected_label": null, "target": 1, "methods": ["random"]}));
    let label = server.problem("/explain", json!({"text": "x", "expected_label": "neutral"}), 422);
    assert!(label["remedy"].as_str().unwrap().contains("negative and positive"), "{label}");
}

#[test]
fn answers_with_figures_are_drawn_and_listed_like_all_others() {
    let server = TestServer::shared();
    let body = json!({"text": TEXTS[0], "methods": ["saliency", "random"], "quality": "full"});
    for kind in ["text/html", "image/svg+xml"] {
        let sent = server.request("POST", "/explain").header("accept", kind).json(&body).send().unwrap();
        let answer: Answer = sent.into();
        assert_eq!((answer.status, answer.content_type.split(';').next()), (200, Some(kind)));
        assert!(answer.text().contains("Saliency"));
    }
    let sent = server.post("/explain", &body).text();
    let read: explaind::engine::Answer = serde_json::from_str(&sent).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), sent, "nothing of it is lost on a reader");
}

#[test]
fn every_warning_is_in_the_guide() {
    let guide = include_str!("../../docs/quality.md");
    for code in [
        WarningCode::Truncated,
        WarningCode::NotConverged,
        WarningCode::NoLabelOverThreshold,
        WarningCode::SmallMargin,
        WarningCode::SpecialTokensDominate,
        WarningCode::NoBetterThanRandom,
        WarningCode::BaselineSensitive,
        WarningCode::MethodsDisagree,
        WarningCode::PredictionDiffers,
    ] {
        assert!(guide.contains(&format!("| `{}` |", code.name())), "{}", code.name());
    }
}
