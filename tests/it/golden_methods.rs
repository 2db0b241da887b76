//! The explanation methods against PyTorch, Captum, SHAP, LIME, SciPy and NetworkX: golden values made by
//! `tools/make_fixtures.py`.

use std::sync::Arc;

use crate::support::golden::{BUNDLED, Case, Golden, assert_close, assert_values, fixtures, load};
use explaind::explain::attention::groups::{Head, clusters};
use explaind::explain::attention::rollout::with_residual;
use explaind::explain::attention::routes::strongest;
use explaind::explain::attention::statistics::HeadStatistics;
use explaind::explain::crew::Alone;
use explaind::explain::faithfulness::agreement::Agreement;
use explaind::explain::faithfulness::{Depth, qualities, rank};
use explaind::explain::granularity::Granularity;
use explaind::explain::{Attribution, Subject, attention, registry};
use explaind::model::{Keep, Model, Text};
use serde_json::{Value, json};

/// ‖ours − golden‖∞ ≤ this · ‖golden‖∞, where a score is a sum of few terms.
const TOLERANCE: f64 = 1e-4;

/// The same of standard errors, which are small differences of scores.
const ERROR_TOLERANCE: f64 = 1e-3;

fn every_case(mut check: impl FnMut(&Arc<Model>, &Case)) {
    for golden in Golden::of_methods() {
        for case in &golden.cases {
            check(&golden.model, case);
        }
    }
}

/// The scores of a method for the predicted class of a case, token by token.
fn attribute(model: &Arc<Model>, case: &Case, method: &str, options: &Value) -> Attribution {
    let text = case.encode(model);
    assert_eq!(text.ids, case.ids, "case {} is tokenised as by transformers", case.id);
    let method = registry::find(method).expect("a known method");
    let configured = method.configure(Some(options), model, Granularity::Token).unwrap();
    let subject = Subject::new(model.clone(), text, configured.keep(), Arc::new(Alone)).unwrap();
    configured.attribute(&subject, &[case.predicted], 0).unwrap().swap_remove(0)
}

/// One golden value: its name, the method, its options.
type Line = (&'static str, &'static str, Value);

/// Checks scores, and errors where there are any; `scale` is the size against which differences count, where
/// the golden scores themselves may all be small.
fn check(model: &Arc<Model>, case: &Case, (name, method, options): &Line, of_players: bool) {
    case.when(name, |name| {
        let ours = attribute(model, case, method, options);
        let taken = |values: &[f64]| match of_players {
            true => own_tokens(case, values),
            false => values.to_vec(),
        };
        let what = format!("{} {}.{name}", case.model, case.id);
        assert_close(&what, &taken(&ours.scores), &case.values(name), tolerance(name));
        case.when(&error_name(name), |error| {
            let errors = ours.standard_errors.as_ref().expect("a method that samples tells its errors");
            let what = format!("{} {}.{error}", case.model, case.id);
            assert_close(&what, &taken(errors), &case.values(error), ERROR_TOLERANCE);
        });
    });
}

/// Differences of single-precision logits are as exact as the logits: of small differences, less is left.
fn tolerance(name: &str) -> f64 {
    match name.starts_with("kernel_shap") || name.starts_with("lime") {
        true => 1e-3,
        false => TOLERANCE,
    }
}

/// `lime` → `lime_se`, `kernel_shap_log_odds` → `kernel_shap_se_log_odds`.
fn error_name(name: &str) -> String {
    for output in ["_probability", "_log_odds", "_margin"] {
        if let Some(method) = name.strip_suffix(output) {
            return format!("{method}_se{output}");
        }
    }
    format!("{name}_se")
}

fn own_tokens(case: &Case, values: &[f64]) -> Vec<f64> {
    let own = values.iter().zip(&case.special).filter(|(_, special)| !**special);
    own.map(|(value, _)| *value).collect()
}

#[test]
fn no_golden_value_of_a_method_is_missing() {
    for golden in Golden::of_methods() {
        let bundled = golden.model.id() == BUNDLED;
        assert_eq!(golden.cases.len(), if bundled { 6 } else { 3 });
        for case in &golden.cases {
            let lines = [gradient_lines(), removal_lines()[..3].to_vec(), shapley_lines(), attention_lines()];
            let everywhere = |name: &str| {
                let other_output = ["probability", "odds", "margin"].iter().any(|end| name.ends_with(end));
                // All combinations of a few parts alone, and the tree of plain texts.
                !other_output && name != "exact_shapley" && name != "partition_shap"
            };
            for (name, _, _) in lines.concat().iter().filter(|(name, _, _)| everywhere(name)) {
                assert!(case.get(name).is_some(), "{} {} has no golden `{name}`", case.model, case.id);
            }
        }
    }
}

fn gradient_lines() -> Vec<Line> {
    vec![
        ("smooth_grad", "smooth_grad", json!({"samples": 8})),
        ("smooth_grad_l1", "smooth_grad", json!({"samples": 8, "norm": "l1"})),
        ("smooth_grad_probability", "smooth_grad", json!({"samples": 8, "output": "probability"})),
        ("gradient_shap", "gradient_shap", json!({"samples": 8})),
        ("gradient_shap_margin", "gradient_shap", json!({"samples": 8, "output": "margin"})),
        ("deep_lift", "deep_lift", json!({})),
        ("deep_lift_mask", "deep_lift", json!({"baseline": "mask"})),
        ("deep_lift_probability", "deep_lift", json!({"output": "probability"})),
        ("deep_lift_log_odds", "deep_lift", json!({"output": "log_odds"})),
        ("attn_lrp", "attn_lrp", json!({})),
        ("attn_lrp_log_odds", "attn_lrp", json!({"output": "log_odds"})),
    ]
}

fn removal_lines() -> Vec<Line> {
    vec![
        ("occlusion_1", "occlusion", json!({})),
        ("leave_one_out", "leave_one_out", json!({})),
        ("leave_one_out_pad", "leave_one_out", json!({"replacement": "pad"})),
        ("occlusion_3_2", "occlusion", json!({"window": 3, "stride": 2})),
        ("occlusion_1_probability", "occlusion", json!({"output": "probability"})),
    ]
}

fn shapley_lines() -> Vec<Line> {
    let log_odds = json!({"output": "log_odds"});
    vec![
        ("exact_shapley", "exact_shapley", json!({})),
        ("kernel_shap", "kernel_shap", json!({})),
        ("kernel_shap_log_odds", "kernel_shap", log_odds),
        ("shapley_sampling", "shapley_sampling", json!({"permutations": 8})),
        ("shapley_sampling_margin", "shapley_sampling", json!({"permutations": 8, "output": "margin"})),
        ("lime", "lime", json!({"samples": 128})),
        ("lime_probability", "lime", json!({"samples": 128, "output": "probability"})),
        ("partition_shap", "partition_shap", json!({"max_forwards": 16384})),
    ]
}

fn attention_lines() -> Vec<Line> {
    vec![
        ("attention_flow", "attention_flow", json!({})),
        ("gradient_attention", "gradient_attention", json!({})),
        ("gradient_attention_probability", "gradient_attention", json!({"output": "probability"})),
        ("value_zeroing", "value_zeroing", json!({})),
    ]
}

#[test]
fn what_is_left_out_counts_as_captum_and_the_papers_have_it() {
    every_case(|model, case| {
        removal_lines().iter().for_each(|line| check(model, case, line, true));
    });
}

#[test]
fn shapley_values_and_surrogates_are_those_of_shap_and_lime() {
    every_case(|model, case| {
        for line in shapley_lines() {
            // One part has no ridge to shrink it: its score is what it changes.
            if line.1 != "lime" || own_tokens(case, &vec![0.0; case.ids.len()]).len() > 1 {
                check(model, case, &line, true);
            }
        }
    });
}

#[test]
fn attention_methods_are_those_of_networkx_and_the_papers() {
    every_case(|model, case| {
        attention_lines().iter().for_each(|line| check(model, case, line, false));
    });
}

#[test]
fn value_norms_and_head_statistics_are_those_of_numpy_and_scipy() {
    every_case(|model, case| {
        let batch = model.encoder().batch(&case.ids, &case.type_ids).unwrap();
        let trace = model.encoder().forward(&batch, Keep::Gradients).unwrap();
        for layer in 0..model.config().layers {
            let norms = model.encoder().value_norms(&trace, layer).unwrap();
            assert_values(case, &format!("value_norms.{layer}"), &norms.values, TOLERANCE);
        }
        let maps = attention::layers(&trace, 0).unwrap();
        let heads: Vec<&Vec<Vec<f32>>> = maps.iter().flat_map(|layer| &layer.heads).collect();
        let of = |figure: fn(&HeadStatistics) -> f64| -> Vec<f64> {
            heads.iter().map(|head| figure(&HeadStatistics::new(head, &case.special))).collect()
        };
        let figures = [
            ("uniformity", of(|statistics| statistics.uniformity)),
            ("distance", of(|statistics| statistics.distance)),
            ("diagonality", of(|statistics| statistics.diagonality)),
        ];
        for (name, ours) in figures {
            assert_close(&format!("{} {}.{name}", case.model, case.id), &ours, &case.values(name), TOLERANCE);
        }
    });
}

#[test]
fn heads_that_look_alike_are_found_as_scipy_finds_them() {
    every_case(|model, case| {
        case.when("head_divergence", |name| {
            let batch = model.encoder().batch(&case.ids, &case.type_ids).unwrap();
            let trace = model.encoder().forward(&batch, Keep::Trace).unwrap();
            let maps = attention::layers(&trace, 0).unwrap();
            let heads: Vec<Head> =
                maps.iter().flat_map(|layer| &layer.heads).map(|head| Head::new(head)).collect();
            let divergences: Vec<Vec<f64>> =
                heads.iter().map(|head| heads.iter().map(|other| head.divergence(other)).collect()).collect();
            let what = format!("{} {}.{name}", case.model, case.id);
            assert_close(&what, &divergences.concat(), &case.values(name), TOLERANCE);
            let mut first = vec![0; heads.len()];
            for group in clusters(&divergences, 0.1) {
                let least = *group.iter().min().unwrap();
                group.iter().for_each(|head| first[*head] = least as i64);
            }
            let groups = case.tensor("head_groups").flatten_all().unwrap().to_vec1::<i64>().unwrap();
            assert_eq!(first, groups, "{what}");
        });
    });
}

#[test]
fn the_strongest_routes_are_those_of_all() {
    every_case(|model, case| {
        let batch = model.encoder().batch(&case.ids, &case.type_ids).unwrap();
        let trace = model.encoder().forward(&batch, Keep::Trace).unwrap();
        let maps = attention::layers(&trace, 0).unwrap();
        let layers: Vec<_> = maps.iter().map(with_residual).collect();
        let routes = strongest(&layers, 5, None);
        let weights: Vec<f64> = routes.iter().map(|route| route.weight).collect();
        assert_close(&format!("{} {}", case.model, case.id), &weights, &case.values("routes"), TOLERANCE);
    });
}

#[test]
fn quality_figures_are_those_of_an_independent_computation() {
    let path = fixtures().join("golden/quality.json");
    let described: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let figure = |case: &Value, name: &str| case[name].as_f64().unwrap_or_else(|| panic!("{name} of {case}"));
    let cases = described["cases"].as_array().unwrap();
    assert!(cases.len() >= 9);
    for case in cases {
        let model = load(case["model"].as_str().unwrap());
        let text = Text { first: case["text"].as_str().unwrap(), second: case["text_pair"].as_str() };
        let text = model.encode(text, false).unwrap();
        let method = registry::find(described["ranked_by"].as_str().unwrap()).unwrap();
        let configured = method.configure(None, &model, Granularity::Token).unwrap();
        let subject = Subject::new(model.clone(), text, configured.keep(), Arc::new(Alone)).unwrap();
        let class = case["predicted"].as_u64().unwrap() as usize;
        let attributions = configured.attribute(&subject, &[class], 0).unwrap();
        let qualities =
            qualities(Depth::Full, configured.as_ref(), &subject, Granularity::Token, &attributions, 0);
        let quality = qualities.unwrap().swap_remove(0);
        let full = quality.full.expect("all figures were asked for");
        for (name, ours) in [
            ("comprehensiveness", Some(quality.comprehensiveness)),
            ("sufficiency", Some(quality.sufficiency)),
            ("log_odds_drop", Some(full.log_odds_drop)),
            ("leave_one_out_correlation", full.leave_one_out_correlation),
            ("random_comprehensiveness", Some(full.random_comprehensiveness)),
            ("infidelity", full.infidelity),
        ] {
            let what = format!("{name} of {}", case["text"]);
            match ours {
                Some(ours) => assert!((ours - figure(case, name)).abs() < 1e-4, "{what}: {ours}"),
                None => assert!(case[name].is_null(), "{what}"),
            }
        }
    }
}

#[test]
fn agreement_is_that_of_an_independent_computation() {
    let path = fixtures().join("golden/quality.json");
    let described: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for case in described["comparisons"].as_array().unwrap() {
        let list = |name: &str| -> Vec<f64> { serde_json::from_value(case[name].clone()).unwrap() };
        let pairs: Vec<(f64, f64)> = list("first").into_iter().zip(list("second")).collect();
        for (name, ours) in [("kendall", rank::kendall(&pairs)), ("spearman", rank::spearman(&pairs))] {
            match ours {
                Some(ours) => assert!((ours - case[name].as_f64().unwrap()).abs() < 1e-9, "{name} {case}"),
                None => assert!(case[name].is_null(), "{name} {case}"),
            }
        }
        let (first, second): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let ours = Agreement::new(&first, &second);
        let theirs = &case["agreement"];
        let figures = [
            ("spearman", ours.spearman),
            ("overlap", Some(ours.overlap)),
            ("sign_agreement", ours.sign_agreement),
        ];
        for (name, ours) in figures {
            match ours {
                Some(ours) => assert!((ours - theirs[name].as_f64().unwrap()).abs() < 1e-9, "{name} {case}"),
                None => assert!(theirs[name].is_null(), "{name} {case}"),
            }
        }
    }
}

#[test]
fn gradient_methods_are_those_of_the_papers() {
    every_case(|model, case| {
        gradient_lines().iter().for_each(|line| check(model, case, line, false));
    });
}

#[test]
fn deep_lift_accounts_for_the_whole_difference_and_attn_lrp_tells_what_it_leaves() {
    every_case(|model, case| {
        for baseline in ["pad", "mask", "zero"] {
            let lifted = attribute(model, case, "deep_lift", &json!({"baseline": baseline}));
            let convergence = lifted.convergence.expect("its sum is known");
            let size = lifted.scores.iter().fold(1.0f64, |largest, score| largest.max(score.abs()));
            assert!(convergence.delta.abs() < 1e-3 * size, "{} {} {convergence:?}", case.model, case.id);
        }
        let relevance = attribute(model, case, "attn_lrp", &json!({}));
        let residue = relevance.residue.expect("it tells the residue");
        let golden = case.values("attn_lrp_residue")[0];
        assert!((residue - golden).abs() < 1e-4 * golden.abs().max(1.0), "{} {}", case.model, case.id);
    });
}
