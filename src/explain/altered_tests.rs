//! Explanations of an altered network.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::attribution::gradient::baseline::Baseline;
use super::attribution::perturbation::game::{Game, Players};
use super::attribution::perturbation::replacement::Replacement;
use super::crew::Alone;
use super::faithfulness::{Depth, qualities};
use super::granularity::Granularity;
use super::layout::Layout;
use super::method::Attribution;
use super::{Combine, Configured, Family, Subject, Windows, registry};
use crate::model::{Batch, HiddenEdit, Intervention, Interventions, Keep, Model, Text};

static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
    Arc::new(Model::load("three-labels", &path).unwrap())
});

const REVIEW: &str = "the film is good and the plot is old";
const CLASS: usize = 1;

fn windows() -> Windows {
    Windows { size: 10, overlap: 2, combine: Combine::MeanLogits }
}

fn subject_of(interventions: Interventions, windows: Option<Windows>, keep: Keep) -> Subject {
    let text = Text { first: REVIEW, second: None };
    let (text, layout) = match windows {
        None => {
            let text = MODEL.encode(text, false).unwrap();
            let layout = Layout::whole(&text);
            (text, layout)
        }
        Some(windows) => {
            let text = windows.encode(&MODEL, text).unwrap();
            let layout = Layout::of(windows, &text);
            (text, layout)
        }
    };
    Subject::altered(MODEL.clone(), text, layout, interventions, keep, Arc::new(Alone)).unwrap()
}

fn subject(interventions: Interventions) -> Subject {
    subject_of(interventions, None, Keep::Gradients)
}

fn numbers(seed: usize) -> Vec<f32> {
    let hidden = MODEL.config().hidden_size;
    (0..hidden).map(|index| ((index * index + 3) as f32 * (0.7 + 0.13 * seed as f32)).sin() / 4.0).collect()
}

/// Edits of a state in the middle and of the last one, and a gated head.
fn altered() -> Interventions {
    let layers = MODEL.config().layers;
    let edit = |point: usize| Intervention::Hidden {
        point,
        edit: HiddenEdit::Affine {
            read: vec![numbers(point), numbers(point + 1)],
            write: vec![numbers(point + 2), numbers(point + 3)],
            centre: numbers(point + 4),
        },
    };
    vec![edit(1), Intervention::HeadGate { layer: 1, head: 0, gate: 0.25 }, edit(layers)].into()
}

/// A network whose last hidden state is 0 whatever it reads.
fn forgetful() -> Interventions {
    let hidden = MODEL.config().hidden_size;
    let axis = |index: usize| (0..hidden).map(|other| if other == index { 1.0 } else { 0.0 }).collect();
    let all: Vec<Vec<f32>> = (0..hidden).map(axis).collect();
    let edit = HiddenEdit::Affine { read: all.clone(), write: all, centre: vec![0.0; hidden] };
    vec![Intervention::Hidden { point: MODEL.config().layers, edit }].into()
}

fn configured(method: &str, options: Value) -> Box<dyn Configured> {
    registry::find(method).unwrap().configure(Some(&options), &MODEL, Granularity::Word).unwrap()
}

fn explained(configured: &dyn Configured, subject: &Subject) -> Attribution {
    configured.attribute(subject, &[CLASS], 0).unwrap().remove(0)
}

/// The logits of rows of word embeddings through an altered network.
fn logits(interventions: &Interventions, word_embeddings: Vec<f32>) -> Vec<f32> {
    let tokens = word_embeddings.len() / MODEL.config().hidden_size;
    let mut batch = MODEL.encoder().batch(&vec![0; tokens], &vec![0; tokens]).unwrap();
    batch.word_embeddings = word_embeddings;
    batch.sequences[0].interventions = interventions.clone();
    MODEL.encoder().logits(&batch).unwrap().remove(0)
}

fn assert_near(ours: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((ours - expected).abs() <= tolerance, "{what}: {ours}, expected {expected}");
}

#[test]
fn a_text_and_all_that_is_made_of_it_goes_through_the_altered_network() {
    for keep in [Keep::Outputs, Keep::OutputGradients, Keep::Gradients] {
        let own = subject_of(altered(), None, keep);
        assert_eq!(own.prediction().logits, logits(&altered(), own.embeddings().to_vec()));
        assert_ne!(own.prediction().logits, logits(&Interventions::none(), own.embeddings().to_vec()));
        let elsewhere: Vec<f32> = own.embeddings().iter().map(|entry| 1.5 * entry).collect();
        let moved = own.with_embeddings(elsewhere.clone(), keep).unwrap();
        assert_eq!(moved.prediction().logits, logits(&altered(), elsewhere));
    }
}

#[test]
fn changes_that_name_tokens_are_none_of_a_network_that_texts_are_explained_through() {
    let token = Intervention::Hidden { point: 1, edit: HiddenEdit::Replace { token: 0, value: numbers(0) } };
    for naming in [Intervention::TokenMask { tokens: vec![1] }, token] {
        let text = MODEL.encode(Text { first: REVIEW, second: None }, false).unwrap();
        let layout = Layout::whole(&text);
        let crew = Arc::new(Alone);
        let refused = Subject::altered(MODEL.clone(), text, layout, vec![naming].into(), Keep::Outputs, crew);
        assert!(refused.err().unwrap().to_string().contains("altered for all tokens alike"));
    }
}

#[test]
fn scores_add_up_to_what_the_altered_network_makes_of_text_and_baseline() {
    let own = subject(altered());
    let baseline = Baseline::default().embeddings("deep_lift", &own).unwrap();
    let ends = [own.embeddings().to_vec(), baseline].map(|rows| f64::from(logits(&altered(), rows)[CLASS]));
    for (method, options) in
        [("integrated_gradients", json!({"max_gradients": 1025})), ("deep_lift", json!({}))]
    {
        let attribution = explained(configured(method, options).as_ref(), &own);
        let told = attribution.convergence.unwrap();
        assert_near(told.target_output, ends[0], 1e-6, method);
        assert_near(told.baseline_output, ends[1], 1e-5, method);
        assert_near(attribution.scores.iter().sum(), ends[0] - ends[1], 0.01, method);
    }
}

#[test]
fn where_no_head_gives_anything_only_the_first_token_is_read() {
    let heads = MODEL.config().heads;
    let gate = |index: usize| Intervention::HeadGate { layer: index / heads, head: index % heads, gate: 0.0 };
    let mute: Vec<Intervention> = (0..MODEL.config().layers * heads).map(gate).collect();
    let own = subject(mute.into());
    for method in ["attn_lrp", "saliency", "input_x_gradient"] {
        let scores = explained(configured(method, json!({})).as_ref(), &own).scores;
        assert!(scores[0] != 0.0 && scores[1..].iter().all(|score| *score == 0.0), "{method}: {scores:?}");
    }
}

#[test]
fn saliency_is_the_length_of_differences_of_the_altered_output() {
    const STEP: f32 = 0.01;
    let own = subject(altered());
    let scores = explained(configured("saliency", json!({})).as_ref(), &own).scores;
    let hidden = MODEL.config().hidden_size;
    let most = scores.iter().copied().fold(0.0, f64::max);
    for (token, score) in scores.iter().enumerate() {
        let slope = |column: usize| {
            let moved = |step: f32| {
                let mut rows = own.embeddings().to_vec();
                rows[token * hidden + column] += step;
                f64::from(logits(&altered(), rows)[CLASS])
            };
            (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP)
        };
        let length = (0..hidden).map(|column| slope(column).powi(2)).sum::<f64>().sqrt();
        assert_near(*score, length, 0.02 * most, "saliency");
    }
}

#[test]
fn what_is_taken_out_of_a_text_is_taken_out_before_the_altered_network() {
    let own = subject(altered());
    let hidden = MODEL.config().hidden_size;
    let first = Players::new(&own, Granularity::Word).tokens(0).to_vec();
    for replacement in Replacement::ALL {
        let game = Game::new(&own, Granularity::Word, replacement).unwrap();
        let mut without_first = game.everyone();
        without_first[0] = false;
        let substitute = match replacement {
            Replacement::Mask => MODEL.tokenizer().special().mask,
            Replacement::Pad => MODEL.tokenizer().special().padding,
            Replacement::Delete => None,
        };
        let substitute = substitute.map(|id| MODEL.encoder().word_embeddings(&[id]).unwrap());
        let row = |(token, row): (usize, &[f32])| match first.contains(&token) {
            true => substitute.clone().unwrap_or_default(),
            false => row.to_vec(),
        };
        let rows: Vec<f32> = own.embeddings().chunks(hidden).enumerate().flat_map(row).collect();
        assert_eq!(game.logits(&[without_first]).unwrap(), [logits(&altered(), rows)]);
        assert_eq!(game.logits(&[game.everyone()]).unwrap()[0], own.prediction().logits);
    }
}

#[test]
fn a_network_that_forgets_what_it_read_leaves_nothing_to_explain() {
    for windows in [None, Some(windows())] {
        let methods = registry::METHODS.iter().filter(|method| {
            method.under_interventions() && matches!(method.family(), Family::Gradient | Family::Perturbation)
        });
        for method in methods {
            let configured = method.configure(None, &MODEL, Granularity::Word).unwrap();
            let own = subject_of(forgetful(), windows, configured.keep());
            let attribution = explained(configured.as_ref(), &own);
            let most = attribution.scores.iter().copied().map(f64::abs).fold(0.0, f64::max);
            assert!(most < 1e-6, "{}: {:?}", method.id(), attribution.scores);
        }
    }
}

#[test]
fn figures_of_quality_ask_the_altered_network() {
    let saliency = configured("saliency", json!({}));
    let comprehensiveness = |interventions: Interventions| {
        let plain = subject(Interventions::none());
        let scores = saliency.attribute(&plain, &[CLASS], 0).unwrap();
        let own = subject(interventions);
        let judged = qualities(Depth::Full, saliency.as_ref(), &own, Granularity::Word, &scores, 0).unwrap();
        let full = judged[0].full.as_ref().unwrap();
        (judged[0].comprehensiveness, judged[0].sufficiency, full.leave_one_out_correlation)
    };
    assert_eq!(comprehensiveness(forgetful()), (0.0, 0.0, None));
    assert_ne!(comprehensiveness(Interventions::none()).0, 0.0);
}

#[test]
fn windows_of_a_text_go_through_the_altered_network_each() {
    let own = subject_of(altered(), Some(windows()), Keep::Outputs);
    assert!(own.layout().windows().len() > 1);
    let batches: Vec<Batch> = own.batches(own.embeddings());
    let expected: Vec<Vec<f32>> =
        batches.into_iter().map(|batch| logits(&altered(), batch.word_embeddings)).collect();
    assert_eq!(own.window_logits(), expected);
}
