//! Answers that are made of many: what was learnt of examples, or counted over a dataset. Each has a key over all that it
//! depends on, is made by one flight for everyone who asks, and is kept like the answer about a text.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::awaited::Awaited;
use super::computation::{Landed, Outcome};
use super::flight::{Boarding, Duty};
use super::pace::Pace;
use super::parts::Made;
use super::scheduler::{Expected, Job};
use super::visit::Gathered;
use super::{Engine, Failure, OwnedText, Question, Told, Visit};
use crate::explain::ExplainError;
use crate::identity::{Recipe, ResultInputs, ResultKey, Shape};
use crate::metrics::Source;
use crate::model::Model;

/// Answers that are made of many at a time.
pub const AT_A_TIME: usize = 2;

/// How long it is waited until it is looked for room again.
const ROOM: Duration = Duration::from_millis(50);

/// What is to be made.
pub struct Composition {
    /// The kind of answer.
    pub shape: Shape,
    /// Raised whenever something else is made of the same.
    pub version: u32,
    /// The model that it is about.
    pub model: Arc<Model>,
    /// Everything else that it depends on, in one form: equal inputs, equal strings.
    pub inputs: String,
}

impl Composition {
    fn recipe(&self) -> Recipe {
        let key = ResultKey::new(&ResultInputs {
            model: self.model.id(),
            fingerprint: self.model.fingerprint(),
            device: self.model.operators().class(),
            method: self.shape.name(),
            version: self.version,
            options: &self.inputs,
            target: "",
            granularity: "",
            truncate: false,
            quality: "none",
            seed: None,
            text: "",
            text_pair: None,
            windows: None,
            altered: None,
        });
        Recipe { shape: self.shape, keys: vec![key] }
    }
}

impl Engine {
    /// Gives what was made before, or what is being made, or makes it: `make` runs for as long as anybody waits.
    ///
    /// # Errors
    /// What it fails with; it is not ready in time.
    pub async fn composed<F>(
        self: &Arc<Self>,
        visit: &Visit,
        composition: &Composition,
        make: F,
    ) -> Result<Told, Failure>
    where
        F: Future<Output = Result<Made, Failure>> + Send + 'static,
    {
        let recipe = composition.recipe();
        let mut gathered = Gathered::default();
        let ready = self.gather(&recipe, composition.shape.name(), make, &mut gathered);
        timeout_at(visit.deadline(), ready).await.unwrap_or_else(|_| Err(visit.late()))?;
        self.tell(visit, recipe, gathered).await
    }

    async fn gather<F>(
        self: &Arc<Self>,
        recipe: &Recipe,
        part: &'static str,
        make: F,
        gathered: &mut Gathered,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<Made, Failure>> + Send + 'static,
    {
        for key in &recipe.keys {
            if let Some(record) = self.cache.remembered(*key) {
                gathered.add(*key, record, Source::Memory);
                return Ok(());
            }
        }
        // What cannot be known at present is made.
        let kept = self.cache.kept(&recipe.keys).await.unwrap_or_default();
        if let Some((key, record)) = kept.into_iter().next() {
            gathered.add(key, record, Source::Durable);
            return Ok(());
        }
        let Boarding::Boarded(tickets, duty) = self.flights.board(&recipe.keys, true, true) else {
            return Err(Failure::Internal("a flight could not begin".into()));
        };
        if let Some(duty) = duty {
            let engine = self.clone();
            duty.fly(move |duty| async move { engine.land_made(duty, part, make).await });
        }
        gathered.land_all(tickets).await
    }

    async fn land_made(
        self: Arc<Self>,
        mut duty: Duty<ResultKey, Outcome>,
        part: &'static str,
        make: impl Future<Output = Result<Made, Failure>>,
    ) {
        // Each holds much in memory, and has the workers busy for long.
        let _leave = self.composing.acquire().await;
        let began = Instant::now();
        let made = make.await;
        let took = began.elapsed();
        for key in duty.keys() {
            let landed = made.clone().map(|made| {
                self.metrics.computed(part, took);
                let record = self.cache.remember(key, made.body, made.warnings);
                Landed { record, queued: Duration::ZERO, took, was_known: false }
            });
            duty.land(key, landed);
        }
    }

    /// [`Engine::ask`] for what an answer is made of: where there is no room at present, it is waited for. Whoever waits
    /// for the whole has a deadline.
    ///
    /// # Errors
    /// As [`Engine::ask`], but never [`Failure::Overloaded`].
    pub async fn ask_patiently(
        self: &Arc<Self>,
        visit: &Visit,
        question: &Arc<Question>,
        text: OwnedText,
    ) -> Result<Told, Failure> {
        loop {
            match self.ask(visit, question, text.clone()).await {
                Err(Failure::Overloaded { .. }) => tokio::time::sleep(ROOM).await,
                outcome => return outcome,
            }
        }
    }

    /// Arithmetic that runs no network, on the threads that do all computing: `drive` leaves what is heavy to the crew
    /// that it is given. About so many seconds of one thread.
    ///
    /// # Errors
    /// Its own; [`Failure::Internal`] if it panicked.
    pub async fn work<T: Send + 'static>(
        &self,
        seconds: f64,
        drive: impl FnOnce(&Arc<Job>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let pace = Arc::new(Pace::unknown());
        let expected = Expected { seconds, pace, progress: Arc::default(), awaited: Awaited::by_someone() };
        self.scheduler.run(expected, drive).await
    }

    /// The same as one piece, on one thread.
    ///
    /// # Errors
    /// As [`Self::work`].
    pub async fn work_alone<T: Send + 'static>(
        &self,
        seconds: f64,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.work(seconds, move |job| {
            let (sender, receiver) = std::sync::mpsc::channel();
            let task = crate::explain::crew::Task {
                passes: crate::explain::Passes::NONE,
                tokens: 0,
                work: Box::new(move || {
                    // Nobody there to receive it means that it was called off.
                    let _ = sender.send(work());
                    Ok(())
                }),
            };
            crate::explain::Crew::run(job.as_ref(), vec![task])?;
            receiver.recv().unwrap_or(Err(ExplainError::Cancelled.into()))
        })
        .await
    }
}
