//! The methods on texts.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::game::Players;
use super::tree::Tree;
use crate::explain::crew::Alone;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, Configured, ExplainError, Family, Method, OptionFault};
use crate::explain::{Output, Subject, registry};
use crate::model::{Keep, Model, Text};

fn model(directory: &str) -> Arc<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    Arc::new(Model::load("m", &path).unwrap())
}

static REVIEWS: LazyLock<Arc<Model>> = LazyLock::new(|| model("models/movie-reviews"));
static PAIRS: LazyLock<Arc<Model>> = LazyLock::new(|| model("tests/fixtures/models/pairs"));

fn subject_of(model: &Arc<Model>, text: Text<'_>) -> Subject {
    let text = model.encode(text, false).unwrap();
    Subject::new(model.clone(), text, Keep::Outputs, Arc::new(Alone)).unwrap()
}

fn subject(text: &str) -> Subject {
    subject_of(&REVIEWS, Text { first: text, second: None })
}

fn configured(method: &str, options: Value) -> Result<Box<dyn Configured>, OptionFault> {
    registry::find(method).unwrap().configure(Some(&options), &REVIEWS, Granularity::Word)
}

fn explained(method: &str, options: Value, text: &str, classes: &[usize]) -> Vec<Attribution> {
    configured(method, options).unwrap().attribute(&subject(text), classes, 0).unwrap()
}

fn refused_by_text(method: &str, options: Value, text: &str) -> OptionFault {
    match configured(method, options).unwrap().attribute(&subject(text), &[0], 0) {
        Err(ExplainError::Option { method: by, fault }) => {
            assert_eq!(by, method);
            fault
        }
        other => panic!("{other:?}"),
    }
}

fn family() -> impl Iterator<Item = &'static dyn Method> {
    registry::METHODS.iter().copied().filter(|method| method.family() == Family::Perturbation)
}

const REVIEW: &str = "A gripping film, though it drags.";
const LONG_REVIEW: &str = "The plot is thin and the jokes are old, but what a wonderful cast this is.";

#[test]
fn shares_add_up_to_what_the_text_does_to_the_output() {
    let calls = [
        ("exact_shapley", json!({}), 255, 256),
        ("kernel_shap", json!({}), 255, 254),
        ("kernel_shap", json!({"samples": 64, "output": "probability"}), 65, 64),
        ("shapley_sampling", json!({"permutations": 4, "output": "log_odds"}), 29, 4),
        ("partition_shap", json!({"max_forwards": 11}), 11, 11),
    ];
    for (method, options, most_forwards, steps) in calls {
        for attribution in explained(method, options, REVIEW, &[0, 1]) {
            let subject = subject(REVIEW);
            let convergence = attribution.convergence.unwrap();
            let (class, output) = (attribution.class.unwrap(), attribution.output.unwrap());
            assert_eq!(convergence.target_output, subject.output(output, class), "{method}");
            let change = convergence.target_output - convergence.baseline_output;
            assert!(change.abs() > 1e-3, "{method} has something to share out");
            let sum: f64 = attribution.scores.iter().sum();
            assert!((sum - change).abs() < 1e-9 && convergence.converged, "{method}: {sum} of {change}");
            assert!(convergence.forwards <= most_forwards, "{method}: {convergence:?}");
            assert_eq!((convergence.steps, convergence.gradients), (steps, 0), "{method}");
            assert_eq!((attribution.scores[0], attribution.scores.last()), (0.0, Some(&0.0)));
        }
    }
}

#[test]
fn the_only_word_has_all_that_the_text_does() {
    for method in family() {
        for replacement in ["mask", "pad", "delete"] {
            let options = || json!({"replacement": replacement});
            let exact = explained("exact_shapley", options(), "Wonderful", &[1]).remove(0);
            let change =
                exact.convergence.unwrap().target_output - exact.convergence.unwrap().baseline_output;
            let attribution = explained(method.id(), options(), "Wonderful", &[1]).remove(0);
            let sum: f64 = attribution.scores.iter().sum();
            assert!((sum - change).abs() < 1e-12, "{} with {replacement}: {sum} of {change}", method.id());
            let errors = attribution.standard_errors.unwrap_or_default();
            assert!(errors.iter().all(|error| *error < 1e-12), "{}: {errors:?}", method.id());
        }
    }
}

#[test]
fn a_class_gets_the_same_scores_alone_and_among_others() {
    let options = |method: &str| match method {
        "kernel_shap" | "lime" => json!({"samples": 64}),
        "shapley_sampling" => json!({"permutations": 4}),
        "partition_shap" => json!({"max_forwards": 9}),
        _ => json!({}),
    };
    for method in family().map(|method| method.id()) {
        let together = explained(method, options(method), REVIEW, &[1, 0]);
        let alone = [1, 0].map(|class| explained(method, options(method), REVIEW, &[class]).remove(0));
        assert_eq!(together, alone, "{method}");
    }
}

#[test]
fn scores_are_fixed_by_the_seed() {
    let options = |method: &str| match method {
        "kernel_shap" | "lime" => json!({"samples": 128}),
        "shapley_sampling" => json!({"permutations": 4}),
        "partition_shap" => json!({"max_forwards": 39}),
        _ => json!({}),
    };
    let scores = |method: &str, seed: u64| {
        let configured = configured(method, options(method)).unwrap();
        configured.attribute(&subject(LONG_REVIEW), &[0], seed).unwrap().remove(0).scores
    };
    // The text has too many words for all their combinations.
    for method in family().filter(|method| method.id() != "exact_shapley") {
        let of_seed = |seed: u64| scores(method.id(), seed);
        assert_eq!(of_seed(1), of_seed(1), "{}", method.id());
        assert_eq!(of_seed(1) != of_seed(2), method.samples(), "{}", method.id());
    }
}

#[test]
fn a_deleted_word_is_worth_what_the_text_says_more_than_the_text_without_it() {
    let attribution = explained("leave_one_out", json!({}), REVIEW, &[1]).remove(0);
    let logit = |text: &str| subject(text).output(Output::Logit, 1);
    let (scores, special) = Granularity::Word.gather(subject(REVIEW).text(), &attribution.scores);
    assert_eq!(scores[1], logit(REVIEW) - logit("A film, though it drags."));
    assert_eq!(scores[6], logit(REVIEW) - logit("A gripping film, though it."));
    assert_eq!(special.unwrap(), [0.0, 0.0]);
    assert_eq!((attribution.convergence, attribution.standard_errors), (None, None));
}

#[test]
fn a_window_of_one_is_leave_one_out() {
    let options = json!({"replacement": "pad"});
    let occluded = explained("occlusion", options.clone(), REVIEW, &[0]);
    assert_eq!(occluded, explained("leave_one_out", options, REVIEW, &[0]));
}

#[test]
fn what_a_method_runs_is_no_more_than_it_said() {
    for method in family().map(|method| method.id()) {
        let options = if method == "partition_shap" { json!({"max_forwards": 40}) } else { json!({}) };
        let cost = configured(method, options.clone()).unwrap().cost(subject(REVIEW).tokens(), 1);
        assert!(cost.expected.forwards <= cost.most.forwards && cost.most.backwards == 0, "{method}");
        if let Some(convergence) = explained(method, options, REVIEW, &[0]).remove(0).convergence {
            assert!(convergence.forwards as u64 <= cost.most.forwards, "{method}: {convergence:?}");
        }
    }
}

#[test]
fn the_unit_is_that_of_the_scores_unless_it_is_finer() {
    for method in family() {
        let of = |options: Value, granularity| method.configure(Some(&options), &REVIEWS, granularity);
        let canonical = |granularity| of(json!({}), granularity).unwrap().canonical_options();
        assert!(canonical(Granularity::Sentence).contains(r#""unit":"sentence""#), "{}", method.id());
        assert!(canonical(Granularity::Token).contains(r#""unit":"token""#), "{}", method.id());
        assert!(of(json!({"unit": "token"}), Granularity::Word).is_ok());
        let fault = of(json!({"unit": "sentence"}), Granularity::Word).err().unwrap();
        assert_eq!(fault.option.as_deref(), Some("unit"), "{}", method.id());
    }
}

#[test]
fn the_other_replacements_are_known_by_name() {
    for method in family() {
        let configured = configured(method.id(), json!({"replacement": "pad"})).unwrap();
        let others = configured.with_other_baselines(&REVIEWS);
        let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["mask", "delete"], "{}", method.id());
        for (name, other) in others {
            assert!(other.canonical_options().contains(&format!(r#""replacement":"{name}""#)));
        }
    }
}

#[test]
fn options_out_of_bounds_are_refused_with_the_bounds() {
    let faults = [
        ("occlusion", json!({"window": 0}), "window", "is 0; expected 1 to 512"),
        ("occlusion", json!({"window": 2, "stride": 3}), "stride", "use 2 or less"),
        ("shapley_sampling", json!({"permutations": 2}), "permutations", "is 2; expected 4 to 1024"),
        ("shapley_sampling", json!({"permutations": 7}), "permutations", "expected an even number"),
        ("kernel_shap", json!({"samples": 16386}), "samples", "is 16386; expected 16 to 16384"),
        ("kernel_shap", json!({"samples": 33}), "samples", "in pairs: 34"),
        ("lime", json!({"samples": 1}), "samples", "is 1; expected 16 to 16384"),
        ("lime", json!({"kernel_width": 0.5}), "kernel_width", "is 0.5; expected 1 to 1000"),
        ("lime", json!({"regularization": 0}), "regularization", "is 0; expected 0.000001 to 1000"),
        ("partition_shap", json!({"max_forwards": 2}), "max_forwards", "is 2; expected 3 to 16384"),
        ("exact_shapley", json!({"replacement": "zero"}), "replacement", "unknown variant `zero`"),
    ];
    for (method, options, option, detail) in faults {
        let fault = configured(method, options).err().unwrap();
        assert_eq!(fault.option.as_deref(), Some(option), "{method}");
        assert!(fault.detail.contains(detail), "{method}: {}", fault.detail);
    }
}

#[test]
fn too_many_parts_for_all_combinations_are_counted_and_other_methods_named() {
    let fault = refused_by_text("exact_shapley", json!({}), LONG_REVIEW);
    assert_eq!(fault.option.as_deref(), Some("unit"));
    for said in ["18 parts", "at most 10", "kernel_shap", "shapley_sampling", "granularity"] {
        assert!(fault.detail.contains(said), "{}", fault.detail);
    }
}

#[test]
fn a_window_wider_than_the_text_is_refused_with_the_widest() {
    let fault = refused_by_text("occlusion", json!({"window": 9}), REVIEW);
    assert_eq!(fault.option.as_deref(), Some("window"));
    assert!(
        fault.detail.contains("has 8 parts") && fault.detail.contains("use 8 or less"),
        "{}",
        fault.detail
    );
    assert!(
        configured("occlusion", json!({"window": 8})).unwrap().attribute(&subject(REVIEW), &[0], 0).is_ok()
    );
}

#[test]
fn fewer_pairs_than_parts_are_refused_with_a_number_that_will_do() {
    let fault = refused_by_text("kernel_shap", json!({"samples": 16}), LONG_REVIEW);
    assert_eq!(fault.option.as_deref(), Some("samples"));
    assert!(
        fault.detail.contains("18 parts") && fault.detail.contains("use 144 or more"),
        "{}",
        fault.detail
    );
}

fn leaves(players: std::ops::Range<usize>) -> Tree {
    Tree::over(players.map(Tree::leaf).collect()).unwrap()
}

#[test]
fn a_text_falls_into_sentences_phrases_and_words() {
    let subject = subject("Good, but slow. Bad!");
    let tree = |unit| Tree::of_text(subject.text(), &Players::new(&subject, unit));
    let phrases = Tree::over(vec![leaves(0..2), leaves(2..5)]).unwrap();
    assert_eq!(tree(Granularity::Word), Tree::over(vec![phrases, leaves(5..7)]));
    assert_eq!(tree(Granularity::Sentence), Some(leaves(0..2)));
}

#[test]
fn a_word_falls_into_its_tokens_where_these_are_the_players() {
    let subject = subject("An unfathomableness, though");
    let players = Players::new(&subject, Granularity::Token);
    let inner = subject.text().words[1].tokens.len();
    assert!(inner > 1, "the vocabulary has no such word");
    let word = leaves(1..1 + inner);
    let phrase = Tree::over(vec![Tree::leaf(0), word, Tree::leaf(1 + inner)]).unwrap();
    assert_eq!(Tree::of_text(subject.text(), &players), Tree::over(vec![phrase, Tree::leaf(2 + inner)]));
}

#[test]
fn a_pair_falls_into_its_texts_first() {
    let pair = Text { first: "A fine film. It drags!", second: Some("See it") };
    let subject = subject_of(&PAIRS, pair);
    let players = Players::new(&subject, Granularity::Sentence);
    let expected = Tree::over(vec![leaves(0..2), Tree::leaf(2)]);
    assert_eq!(Tree::of_text(subject.text(), &players), expected);
}

#[test]
fn windows_do_not_reach_from_one_text_of_a_pair_into_the_other() {
    let pair = Text { first: "A film", second: Some("See it now") };
    let subject = subject_of(&PAIRS, pair);
    let options = json!({"window": 4, "stride": 4, "replacement": "delete"});
    let method = registry::find("occlusion").unwrap();
    let configured = method.configure(Some(&options), &PAIRS, Granularity::Word).unwrap();
    let attribution = configured.attribute(&subject, &[0], 0).unwrap().remove(0);
    let (scores, _) = Granularity::Word.gather(subject.text(), &attribution.scores);
    assert!(scores[0] == scores[1] && scores[2] == scores[3] && scores[3] == scores[4], "{scores:?}");
    assert_ne!(scores[1], scores[2]);
}
