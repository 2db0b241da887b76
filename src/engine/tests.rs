//! What no request can bring about: a method that panics.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::plan::ResolvedTarget;
use super::{
    Capacity, Engine, ExplainPlan, Failure, ModelSource, OwnedText, Question, Scheduler, Visit, load_models,
};
use crate::cache::Cache;
use crate::explain::granularity::Granularity;
use crate::explain::{Attribution, Configured, Cost, ExplainError, Method, Subject, registry};
use crate::metrics::Metrics;
use crate::model::{Keep, Model};

/// A method with a fault, under the name of another.
struct Faulty;

impl Configured for Faulty {
    fn method(&self) -> &dyn Method {
        registry::METHODS[0]
    }

    fn canonical_options(&self) -> String {
        "faulty".into()
    }

    fn keep(&self) -> Keep {
        Keep::Outputs
    }

    fn cost(&self, _: usize, _: usize) -> Cost {
        Cost::NOTHING
    }

    fn with_other_baselines(&self, _: &Model) -> Vec<(&'static str, Box<dyn Configured>)> {
        Vec::new()
    }

    fn attribute(&self, _: &Subject, _: &[usize], _: u64) -> Result<Vec<Attribution>, ExplainError> {
        panic!("out of luck")
    }
}

fn engine() -> (Arc<Engine>, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
    let models =
        load_models(&[ModelSource { id: "m".into(), path }], crate::model::Placement::Cpu, &metrics).unwrap();
    let scheduler = Scheduler::new(1, metrics.clone()).unwrap();
    let cache = Cache::new(1 << 20, None, None, metrics.clone());
    (
        Arc::new(Engine::new(
            models,
            scheduler,
            cache,
            Capacity { requests: 8, bytes: 1 << 30 },
            metrics.clone(),
        )),
        metrics,
    )
}

fn question(model: Arc<Model>, methods: Vec<Box<dyn Configured>>) -> Arc<Question> {
    Arc::new(Question::Explain(ExplainPlan {
        model,
        methods,
        target: ResolvedTarget::Predicted,
        target_as_asked: "predicted".into(),
        granularity: Granularity::Word,
        quality: None,
        truncate: false,
        windows: None,
        altered: None,
        seed: 0,
    }))
}

#[tokio::test]
async fn a_panic_in_a_method_fails_who_asked_for_it_and_the_worker_lives_on() {
    let (engine, metrics) = engine();
    let model = engine.models()[0].clone();
    let faulty = question(model.clone(), vec![Box::new(Faulty)]);
    let sound = question(
        model.clone(),
        vec![registry::METHODS[1].configure(None, &model, Granularity::Word).unwrap()],
    );
    let visit = || Visit::of(Duration::from_secs(60));
    let text = || OwnedText { text: "the film is good".into(), text_pair: None };
    for round in 1..=2 {
        let (bad, good) = (visit(), visit());
        let (bad, good) = tokio::join!(engine.ask(&bad, &faulty, text()), engine.ask(&good, &sound, text()));
        assert!(matches!(bad, Err(Failure::Internal(message)) if message == "a method panicked"));
        assert!(good.is_ok(), "{:?}", good.err());
        let panics = format!("explaind_panics_total {round}\n");
        assert!(metrics.encode().unwrap().contains(&panics), "a failure is not kept: it is tried again");
    }
}
