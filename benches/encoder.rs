//! The network and Integrated Gradients on the bundled model, on one thread: `cargo bench`.
//!
//! For changes to the code; `tools/compare_captum.py` compares with other programs.

use std::path::Path;
use std::sync::Arc;

use divan::Bencher;
use explaind::engine::plan::ExplainRequest;
use explaind::engine::{ExplainPlan, OwnedText, Question, Scheduler, answer_alone};
use explaind::model::{Keep, Model, Text};
use serde_json::json;

const SENTENCE: &str = "a gripping film though it drags a little and the end is no surprise to anyone";

fn main() {
    divan::main();
}

fn model() -> Arc<Model> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/movie-reviews");
    Arc::new(Model::load("movie-reviews", &directory).expect("the bundled model loads"))
}

/// A text of exactly so many tokens, special ones included.
fn text(model: &Model, tokens: usize) -> String {
    let count =
        |text: &str| model.encode(Text { first: text, second: None }, false).expect("a short text").ids.len();
    let mut text = String::new();
    for word in SENTENCE.split(' ').cycle() {
        let longer = format!("{text} {word}");
        match count(&longer) {
            reached if reached <= tokens => text = longer,
            _ => break,
        }
    }
    assert_eq!(count(&text), tokens, "the sentence's words must be a token each, or fit");
    text
}

#[divan::bench(args = [32, 128])]
fn forward(bencher: Bencher<'_, '_>, tokens: usize) {
    let model = model();
    let text = text(&model, tokens);
    let encoded = model.encode(Text { first: &text, second: None }, false).expect("a short text");
    let encoder = model.encoder();
    let batch = encoder.batch(&encoded.ids, &encoded.type_ids).expect("ids of the vocabulary");
    bencher.bench_local(|| encoder.forward(&batch, Keep::Outputs));
}

#[divan::bench(args = [32, 128], max_time = 10)]
fn integrated_gradients(bencher: Bencher<'_, '_>, tokens: usize) {
    let model = model();
    let text = OwnedText { text: text(&model, tokens), text_pair: None };
    let options = json!({"integrated_gradients": {"steps": 50}}).as_object().cloned().unwrap_or_default();
    let plan = ExplainPlan::new(model, ExplainRequest { options, ..ExplainRequest::default() });
    let question = Question::Explain(plan.expect("a valid request"));
    let question = Arc::new(question);
    let scheduler = Scheduler::new(1, Arc::default()).expect("one thread");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    bencher.bench_local(|| runtime.block_on(answer_alone(&scheduler, &question, text.clone())));
}
