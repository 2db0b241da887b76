//! One request's visit: what it may cost in time, the place it takes, and how its texts get answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::admission::Place;
use super::computation::{Landed, Outcome, Work};
use super::demand::Need;
use super::draft::Draft;
use super::flight::{Boarding, Lost, Ticket};
use super::seconds::Seconds;
use super::{Engine, Failure, OwnedText, Question, put_together};
use crate::cache::durable::Unavailable;
use crate::cache::memory::Record;
use crate::cache::now;
use crate::identity::{Recipe, ResponseId, ResultKey, Shape};
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
    /// Its identity; none where it is not whole, because the time was over.
    pub id: Option<ResponseId>,
    /// Which parts it has.
    pub shape: Shape,
    /// JSON: where there is an id, a function of it alone.
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

impl Told {
    /// Where it can be had again; none where it was not kept.
    pub fn location(&self) -> Option<String> {
        let id = self.id.filter(|_| self.stored)?;
        Some(format!("/v1/explanations/{id}"))
    }
}

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

    /// What it is allowed.
    pub fn allowed(&self) -> Duration {
        self.allowed
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
            match timeout_at(visit.deadline, rest).await {
                Ok(outcome) => outcome?,
                Err(_) => return gathered.so_far(&recipe).ok_or(visit.late()),
            }
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

    pub(super) async fn tell(
        &self,
        visit: &Visit,
        recipe: Recipe,
        gathered: Gathered,
    ) -> Result<Told, Failure> {
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
        let body = put_together(Some(id), &recipe, &records);
        Ok(Told {
            id: Some(id),
            shape: recipe.shape,
            body,
            sources,
            stored,
            queued: gathered.queued,
            computed: gathered.computed,
        })
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
        gathered.land_all(self.board(visit, question, text, &lacking)?).await
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
        if let Boarding::Boarded(tickets, _) = self.flights.board(keys, false, true) {
            return Ok(tickets);
        }
        let need = question.probable_demand(text).need(&self.pace(question.model()));
        let place = visit.place(self, &need)?;
        let Boarding::Boarded(tickets, duty) = self.flights.board(keys, true, true) else {
            return Err(Failure::Internal("a flight could not begin".into()));
        };
        if let Some(duty) = duty {
            let (engine, question, text) = (self.clone(), question.clone(), text.clone());
            let awaited = duty.awaited().clone();
            let errand = Arc::new(place.begin(need, awaited.clone()));
            let work = Work { question, text, place: Some(place), errand, awaited, is_shared: true };
            duty.fly(|duty| engine.fly(duty, work));
        }
        Ok(tickets)
    }
}

/// Results as they come in.
#[derive(Default)]
pub(super) struct Gathered {
    records: HashMap<ResultKey, Arc<Record>>,
    sources: Sources,
    queued: Duration,
    computed: Duration,
    /// Of the flights that are waited for.
    drafts: Vec<Draft>,
}

impl Gathered {
    pub(super) fn add(&mut self, key: ResultKey, record: Arc<Record>, source: Source) {
        self.records.insert(key, record);
        match source {
            Source::Memory => self.sources.memory += 1,
            Source::Durable => self.sources.durable += 1,
            Source::Computed => self.sources.computed += 1,
            Source::Collapsed => self.sources.collapsed += 1,
        }
    }

    /// Waits for flights, and takes what they bring.
    pub(super) async fn land_all(&mut self, tickets: Vec<Ticket<ResultKey, Outcome>>) -> Result<(), Failure> {
        self.drafts.extend(tickets.iter().map(|ticket| ticket.draft().clone()));
        for mut ticket in tickets {
            let lost = |_: Lost| Failure::Internal("a computation ended without its result".into());
            let source = if ticket.is_first() { Source::Computed } else { Source::Collapsed };
            while let Some((key, outcome)) = ticket.next_landed().await.map_err(lost)? {
                let landed = outcome?;
                let source = if landed.was_known { Source::Collapsed } else { source };
                self.land(key, landed, source);
            }
        }
        Ok(())
    }

    fn land(&mut self, key: ResultKey, landed: Landed, source: Source) {
        self.add(key, landed.record, source);
        self.queued = self.queued.max(landed.queued);
        self.computed += landed.took;
    }

    /// The answer as far as it goes, where nothing is missing but a part that was written down as it was being found.
    fn so_far(self, recipe: &Recipe) -> Option<Told> {
        let (missing, known) = recipe.keys.split_last()?;
        let is_missing = |key: &ResultKey| !self.records.contains_key(key);
        if !is_missing(missing) || known.iter().any(is_missing) {
            return None;
        }
        let found = self.drafts.iter().find_map(Draft::read)?;
        let mut records: Vec<_> = known.iter().filter_map(|key| self.records.get(key).cloned()).collect();
        records.push(Arc::new(Record::new(found.body, found.warnings, now())));
        let body = put_together(None, recipe, &records);
        let (shape, sources) = (recipe.shape, self.sources);
        let (queued, computed) = (self.queued, self.computed);
        Some(Told { id: None, shape, body, sources, stored: false, queued, computed })
    }

    pub(super) fn lacking(&self, recipe: &Recipe) -> Vec<ResultKey> {
        recipe.keys.iter().copied().filter(|key| !self.records.contains_key(key)).collect()
    }

    fn lacks_any(&self, recipe: &Recipe) -> bool {
        recipe.keys.iter().any(|key| !self.records.contains_key(key))
    }

    pub(super) fn in_order(&self, recipe: &Recipe) -> Result<Vec<Arc<Record>>, Failure> {
        let record = |key: &ResultKey| self.records.get(key).cloned();
        let all: Option<Vec<_>> = recipe.keys.iter().map(record).collect();
        all.ok_or_else(|| Failure::Internal("an answer lacks one of its parts".into()))
    }
}
