//! One request's visit: what it may cost in time, the place it takes, and how its texts get answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::admission::{Errand, Place};
use super::demand::{Demand, Need};
use super::flight::{Boarding, Duty, Lost, Ticket};
use super::question::Computed;
use super::scheduler::Expected;
use super::seconds::Seconds;
use super::{Engine, Failure, OwnedText, Question, put_together};
use crate::cache::durable::Unavailable;
use crate::cache::memory::Record;
use crate::identity::{Recipe, ResponseId, ResultKey};
use crate::metrics::Source;

/// A request that is being answered, for one text or many.
pub struct Visit {
    deadline: Instant,
    allowed: Duration,
    /// What its texts will take whose turn has not come.
    waiting: Arc<Seconds>,
    /// What one of them has of that.
    share: f64,
    place: Mutex<Option<Arc<Place>>>,
}

/// An answer with what is to be said about it beside its bytes.
#[derive(Debug)]
pub struct Told {
    /// Its identity.
    pub id: ResponseId,
    /// JSON: a function of the id alone.
    pub body: Vec<u8>,
    /// Where its results came from.
    pub sources: Sources,
    /// Whether the id can be asked for from now on.
    pub stored: bool,
    /// The longest that any of its results waited for a worker.
    pub queued: Duration,
    /// Time that a worker took for it; none for results that were there.
    pub computed: Duration,
}

/// How many results came from where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sources {
    /// The tier in memory.
    pub memory: usize,
    /// The durable tier.
    pub durable: usize,
    /// Computed for this request.
    pub computed: usize,
    /// Computed for another request at the same time, here or on another server.
    pub collapsed: usize,
}

/// A result that a flight has brought.
#[derive(Debug, Clone)]
pub struct Landed {
    record: Arc<Record>,
    queued: Duration,
    took: Duration,
    /// It was computed elsewhere, or before.
    was_known: bool,
}

/// What a flight has to do.
struct Work {
    question: Arc<Question>,
    text: OwnedText,
    /// Until the last of its keys is about to land.
    place: Option<Arc<Place>>,
    errand: Arc<Errand>,
}

/// Whether every key that was to be computed became a result, rather than a failure of its own.
struct AllMade(bool);

/// How soon it is looked for what another server computes,
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// and at least how often from then on.
const LAST_LOOK: Duration = Duration::from_millis(200);

type Outcome = Result<Landed, Failure>;

impl Visit {
    /// A visit that begins now and is allowed this much time.
    pub fn of(allowed: Duration) -> Self {
        let deadline = Instant::now() + allowed;
        Visit { deadline, allowed, waiting: Arc::default(), share: 0.0, place: Mutex::new(None) }
    }

    /// A visit with these texts, which are not all asked about at once.
    #[must_use]
    pub fn with_texts<'a>(
        self,
        engine: &Engine,
        question: &Question,
        texts: impl Iterator<Item = &'a OwnedText>,
    ) -> Self {
        let pace = engine.pace(question.model());
        let (mut seconds, mut count) = (0.0, 0);
        for text in texts {
            seconds += question.probable_demand(text).need(&pace).seconds;
            count += 1;
        }
        Visit { waiting: Arc::new(Seconds::new(seconds)), share: seconds / f64::from(count.max(1)), ..self }
    }

    /// When the answer is late.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is to be said when it is.
    pub fn late(&self) -> Failure {
        Failure::Deadline(self.allowed)
    }

    /// The request's place: one for all its texts, taken when the first of them needs a worker.
    fn place(&self, engine: &Engine, need: &Need) -> Result<Arc<Place>, Failure> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = &*place {
            return Ok(place.clone());
        }
        let new = Arc::new(engine.admission.enter(need, self.waiting.clone(), self.allowed)?);
        *place = Some(new.clone());
        Ok(new)
    }
}

impl Engine {
    /// Answers a question about a text: from the cache, from a computation under way, or from one of
    /// its own. Dropping the future leaves the computation, which stops when nobody waits for it.
    ///
    /// # Errors
    /// See [`Failure`]; a panic in a method is a [`Failure::Internal`] of this text alone.
    pub async fn ask(
        self: &Arc<Self>,
        visit: &Visit,
        question: &Arc<Question>,
        text: OwnedText,
    ) -> Result<Told, Failure> {
        visit.waiting.add(-visit.share);
        let recipe = question.recipe(&text);
        let mut gathered = Gathered::default();
        for key in &recipe.keys {
            if let Some(record) = self.cache.remembered(*key) {
                gathered.add(*key, record, Source::Memory);
            }
        }
        if gathered.lacks_any(&recipe) {
            let rest = self.fetch_rest(visit, question, &text, &recipe, &mut gathered);
            timeout_at(visit.deadline, rest).await.unwrap_or(Err(visit.late()))?;
        }
        self.tell(visit, recipe, gathered).await
    }

    /// The answer of an id that was given before; none if nothing is known of it any more.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if that cannot be known at present.
    pub async fn recall(&self, visit: &Visit, id: ResponseId) -> Result<Option<Told>, Failure> {
        let unavailable = |_: Unavailable| Failure::Unavailable;
        let Some(recipe) = self.cache.recipe(id).await.map_err(unavailable)? else { return Ok(None) };
        let mut gathered = Gathered::default();
        for key in &recipe.keys {
            if let Some(record) = self.cache.remembered(*key) {
                gathered.add(*key, record, Source::Memory);
            }
        }
        for (key, record) in self.cache.kept(&gathered.lacking(&recipe)).await.map_err(unavailable)? {
            gathered.add(key, record, Source::Durable);
        }
        match gathered.lacks_any(&recipe) {
            true => Ok(None),
            false => self.tell(visit, recipe, gathered).await.map(Some),
        }
    }

    /// Forgets an answer that was given before, with all that it was made of; false if nothing is known of it.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if it cannot be deleted at present.
    pub async fn forget(&self, id: ResponseId) -> Result<bool, Failure> {
        self.cache.delete(id).await.map_err(|_: Unavailable| Failure::Unavailable)
    }

    async fn tell(&self, visit: &Visit, recipe: Recipe, gathered: Gathered) -> Result<Told, Failure> {
        let id = recipe.id();
        let records = gathered.in_order(&recipe)?;
        // An answer that is ready is given in time, even if it could not be kept in time.
        let stored =
            timeout_at(visit.deadline, self.cache.keep(id, &recipe, &records)).await.unwrap_or(false);
        let sources = gathered.sources;
        for (source, count) in [
            (Source::Memory, sources.memory),
            (Source::Durable, sources.durable),
            (Source::Computed, sources.computed),
            (Source::Collapsed, sources.collapsed),
        ] {
            self.metrics.results_used(source, count as u64);
        }
        let body = put_together(id, &recipe, &records);
        Ok(Told { id, body, sources, stored, queued: gathered.queued, computed: gathered.computed })
    }

    async fn fetch_rest(
        self: &Arc<Self>,
        visit: &Visit,
        question: &Arc<Question>,
        text: &OwnedText,
        recipe: &Recipe,
        gathered: &mut Gathered,
    ) -> Result<(), Failure> {
        // What cannot be known at present is computed.
        for (key, record) in self.cache.kept(&gathered.lacking(recipe)).await.unwrap_or_default() {
            gathered.add(key, record, Source::Durable);
        }
        let lacking = gathered.lacking(recipe);
        if lacking.is_empty() {
            return Ok(());
        }
        for mut ticket in self.board(visit, question, text, &lacking)? {
            let lost = |_: Lost| Failure::Internal("a computation ended without its result".into());
            let source = if ticket.is_first() { Source::Computed } else { Source::Collapsed };
            for (key, outcome) in ticket.landed().await.map_err(lost)? {
                let landed = outcome?;
                let source = if landed.was_known { Source::Collapsed } else { source };
                gathered.land(key, landed, source);
            }
        }
        Ok(())
    }

    /// Joins what is under way, and sets off for what is not.
    fn board(
        self: &Arc<Self>,
        visit: &Visit,
        question: &Arc<Question>,
        text: &OwnedText,
        keys: &[ResultKey],
    ) -> Result<Vec<Ticket<ResultKey, Outcome>>, Failure> {
        // Who only waits for what others compute needs no place.
        if let Boarding::Boarded(tickets, _) = self.flights.board(keys, false) {
            return Ok(tickets);
        }
        let need = question.probable_demand(text).need(&self.pace(question.model()));
        let place = visit.place(self, &need)?;
        let Boarding::Boarded(tickets, duty) = self.flights.board(keys, true) else {
            return Err(Failure::Internal("a flight could not begin".into()));
        };
        if let Some(duty) = duty {
            let (engine, question, text) = (self.clone(), question.clone(), text.clone());
            let errand = Arc::new(place.begin(need));
            duty.fly(|duty| async move { engine.fly(duty, question, text, (place, errand)).await });
        }
        Ok(tickets)
    }

    /// The task of a flight: computes what no other server is at, and waits for the rest.
    async fn fly(
        self: Arc<Self>,
        mut duty: Duty<ResultKey, Outcome>,
        question: Arc<Question>,
        text: OwnedText,
        (place, errand): (Arc<Place>, Arc<Errand>),
    ) {
        let mut work = Work { question, text, place: Some(place), errand };
        let mut pause = FIRST_LOOK;
        self.land_what_is_known(&mut duty).await;
        while !duty.keys().is_empty() {
            let claim = self.cache.claim(duty.keys()).await;
            if claim.keys().is_empty() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_LOOK);
                self.land_what_is_known(&mut duty).await;
                continue;
            }
            // Who had a key before may have written its result since it was looked for.
            if self.cache.is_shared() {
                self.land_what_is_known(&mut duty).await;
            }
            let open = duty.keys();
            let wanted: Vec<ResultKey> =
                claim.keys().iter().copied().filter(|key| open.contains(key)).collect();
            if wanted.is_empty() {
                continue;
            }
            match self.compute(&mut duty, &mut work, wanted).await {
                Ok(AllMade(true)) => claim.fulfilled(),
                // Nothing will be written of what failed: others may try at once.
                Ok(AllMade(false)) => {}
                Err(failure) => {
                    duty.land_rest(&Err(failure));
                    return;
                }
            }
        }
    }

    /// Computes some of the keys of a flight.
    async fn compute(
        &self,
        duty: &mut Duty<ResultKey, Outcome>,
        work: &mut Work,
        wanted: Vec<ResultKey>,
    ) -> Result<AllMade, Failure> {
        let (sender, mut computed) = mpsc::unbounded_channel::<(Computed, Duration)>();
        let Work { question, text, place, errand } = work;
        let pace = self.pace(question.model());
        let seconds = question.probable_demand(text).need(&pace).seconds;
        let progress = errand.progress().clone();
        let (asked, sent, told, keys) = (question.clone(), text.clone(), errand.clone(), wanted.clone());
        let running = self.scheduler.run(Expected { seconds, pace: pace.clone(), progress }, move |job| {
            let settle = |demand: Demand| {
                let need = demand.need(&pace);
                job.settle(need.seconds);
                told.settle(need);
            };
            let mut called_off = false;
            asked.compute(&sent, &keys, job, settle, &mut |result| {
                called_off |= matches!(result.outcome, Err(Failure::Cancelled));
                // Nobody there to receive it means that it was called off.
                let _ = sender.send((result, job.waited()));
            });
            if called_off { Err(Failure::Cancelled) } else { Ok(()) }
        });
        tokio::pin!(running);
        let mut all_made = true;
        let outcome = loop {
            tokio::select! {
                biased;
                Some((result, waited)) = computed.recv() => {
                    // Who has the whole answer may come again at once, and there is room then.
                    if duty.keys() == [result.key] {
                        errand.end();
                        *place = None;
                    }
                    all_made &= result.outcome.is_ok();
                    self.land(duty, result, waited);
                }
                outcome = &mut running => break outcome,
            }
        };
        while let Ok((result, waited)) = computed.try_recv() {
            all_made &= result.outcome.is_ok();
            self.land(duty, result, waited);
        }
        let open = duty.keys();
        match outcome {
            Ok(()) if wanted.iter().any(|key| open.contains(key)) => {
                Err(Failure::Internal("a part was not computed".into()))
            }
            outcome => outcome.map(|()| AllMade(all_made)),
        }
    }

    /// Between its look into the cache and its boarding, another flight may have landed; and another server
    /// may have been at it.
    async fn land_what_is_known(&self, duty: &mut Duty<ResultKey, Outcome>) {
        let at_once =
            |record| Ok(Landed { record, queued: Duration::ZERO, took: Duration::ZERO, was_known: true });
        for key in duty.keys() {
            if let Some(record) = self.cache.remembered(key) {
                duty.land(key, at_once(record));
            }
        }
        for (key, record) in self.cache.kept(&duty.keys()).await.unwrap_or_default() {
            duty.land(key, at_once(record));
        }
    }

    fn land(&self, duty: &mut Duty<ResultKey, Outcome>, computed: Computed, queued: Duration) {
        let took = computed.took;
        let outcome = computed.outcome.map(|made| {
            self.metrics.computed(computed.part, took);
            let record = self.cache.remember(computed.key, made.body, made.warnings);
            Landed { record, queued, took, was_known: false }
        });
        duty.land(computed.key, outcome);
    }
}

/// Results as they come in.
#[derive(Default)]
struct Gathered {
    records: HashMap<ResultKey, Arc<Record>>,
    sources: Sources,
    queued: Duration,
    computed: Duration,
}

impl Gathered {
    fn add(&mut self, key: ResultKey, record: Arc<Record>, source: Source) {
        self.records.insert(key, record);
        match source {
            Source::Memory => self.sources.memory += 1,
            Source::Durable => self.sources.durable += 1,
            Source::Computed => self.sources.computed += 1,
            Source::Collapsed => self.sources.collapsed += 1,
        }
    }

    fn land(&mut self, key: ResultKey, landed: Landed, source: Source) {
        self.add(key, landed.record, source);
        self.queued = self.queued.max(landed.queued);
        self.computed += landed.took;
    }

    fn lacking(&self, recipe: &Recipe) -> Vec<ResultKey> {
        recipe.keys.iter().copied().filter(|key| !self.records.contains_key(key)).collect()
    }

    fn lacks_any(&self, recipe: &Recipe) -> bool {
        recipe.keys.iter().any(|key| !self.records.contains_key(key))
    }

    fn in_order(&self, recipe: &Recipe) -> Result<Vec<Arc<Record>>, Failure> {
        let record = |key: &ResultKey| self.records.get(key).cloned();
        let all: Option<Vec<_>> = recipe.keys.iter().map(record).collect();
        all.ok_or_else(|| Failure::Internal("an answer lacks one of its parts".into()))
    }
}
