//! Results by content: a tier in memory, a durable one behind it, and the identity of what is in them.
//!
//! A look-up never tokenises: keys are made of requests alone. What an answer is made of is committed
//! before the answer is sent, in one transaction with the answer's id; so an id that a client has seen
//! can be asked for again, whatever happened to the process in between.

pub mod durable;
pub mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::identity::{Recipe, ResponseId, ResultKey};
use durable::{Claim, Durable, DurableLimits, Trouble, Unavailable};
use memory::{Given, Memory, Record, is_news};

use crate::metrics::{Metrics, Tier};
use crate::store::{Milliseconds, Store, StoredResponse, StoredResult, Writes};

/// Both tiers.
pub struct Cache {
    memory: Arc<Memory>,
    durable: Option<Durable>,
    age: Option<Duration>,
    metrics: Arc<Metrics>,
}

/// A use is told to the durable tier this often: enough to know what was not used for long.
const TOLD_EVERY: Milliseconds = 10_000;

impl Cache {
    /// A tier in memory of this many bytes; and behind it, where there is a store, a durable one of so many
    /// bytes. Results older than `age` count as gone. Needs to be called within a tokio runtime.
    pub fn new(
        memory_bytes: u64,
        age: Option<Duration>,
        store: Option<(Arc<dyn Store>, u64)>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let memory = Arc::new(Memory::new(memory_bytes, &metrics));
        let durable = store.map(|(store, bytes)| {
            Durable::start(store, DurableLimits { bytes, age }, memory.clone(), metrics.clone())
        });
        Cache { memory, durable, age, metrics }
    }

    /// The durable tier, if there is one.
    pub fn durable(&self) -> Option<&Durable> {
        self.durable.as_ref()
    }

    /// Why there is no durable tier at present, though there should be.
    pub fn trouble(&self) -> Option<Trouble> {
        self.durable.as_ref().and_then(Durable::trouble)
    }

    /// The result of a key, if it is in memory.
    pub fn remembered(&self, key: ResultKey) -> Option<Arc<Record>> {
        let record = self.memory.result(key).filter(|record| self.is_young(record.created_at))?;
        if let Some(durable) = &self.durable
            && record.durable.load(Ordering::Relaxed)
            && is_news(&record.told_at, now(), TOLD_EVERY)
        {
            durable.note(Writes { used_results: vec![key], ..Writes::default() });
        }
        Some(record)
    }

    /// The results of keys, if the durable tier has them; from now on they are in memory too.
    ///
    /// # Errors
    /// [`Unavailable`]: nobody knows.
    pub async fn kept(&self, keys: &[ResultKey]) -> Result<Vec<(ResultKey, Arc<Record>)>, Unavailable> {
        let Some(durable) = &self.durable else { return Ok(Vec::new()) };
        let found = durable.results(keys).await?;
        if !found.is_empty() {
            durable.note(Writes {
                used_results: found.iter().map(|result| result.key).collect(),
                ..Writes::default()
            });
        }
        let remember = |result: StoredResult| {
            let record = Record::new(result.body, result.warnings, result.created_at);
            record.durable.store(true, Ordering::Relaxed);
            record.told_at.store(now(), Ordering::Relaxed);
            let record = Arc::new(record);
            self.memory.put_result(result.key, record.clone());
            (result.key, record)
        };
        Ok(found.into_iter().map(remember).collect())
    }

    /// Remembers a result that was computed just now; [`Cache::keep`] makes it durable with the response
    /// that it belongs to.
    pub fn remember(&self, key: ResultKey, body: Vec<u8>, warnings: Vec<u8>) -> Arc<Record> {
        let record = Arc::new(Record::new(body, warnings, now()));
        self.memory.put_result(key, record.clone());
        record
    }

    /// Keeps a response with its results, in the order of the recipe's keys, so that its id can be asked
    /// for. Returns once that is committed; false if the response is not kept.
    pub async fn keep(&self, id: ResponseId, recipe: &Recipe, records: &[Arc<Record>]) -> bool {
        if self.memory.response(id).is_some_and(|given| !self.is_young(given.created_at)) {
            self.memory.forget_response(id);
        }
        let given = self.memory.response_or(id, || Given {
            recipe: recipe.clone(),
            created_at: now(),
            durable: tokio::sync::Mutex::new(false),
            told_at: AtomicI64::new(now()),
        });
        let Some(durable) = &self.durable else {
            return records.iter().all(|record| self.memory.has_room_for(record));
        };
        let bytes: usize = records.iter().map(|record| record.body.len() + record.warnings.len()).sum();
        if !durable.has_room_for(bytes) {
            return false;
        }
        // While the database fails, nothing is promised: it may come back without what it had.
        if durable.trouble().is_some() {
            return false;
        }
        let mut is_durable = given.durable.lock().await;
        if *is_durable && records.iter().all(|record| record.durable.load(Ordering::Relaxed)) {
            self.tell_of_use(durable, id, &given);
            return true;
        }
        let response = StoredResponse { id, created_at: now(), recipe: recipe.clone() };
        let of = |wanted: &dyn Fn(&Record) -> bool| Writes {
            results: stored(recipe, records, wanted),
            responses: vec![response.clone()],
            ..Writes::default()
        };
        let mut left_out = durable.write(of(&|record| !record.durable.load(Ordering::Relaxed))).await;
        if left_out.as_ref().is_some_and(|left_out| left_out.contains(&id)) {
            // The durable tier has evicted a result that is still in memory here.
            left_out = durable.write(of(&|_| true)).await;
        }
        *is_durable = left_out.is_some_and(|left_out| !left_out.contains(&id));
        if *is_durable {
            records.iter().for_each(|record| record.durable.store(true, Ordering::Relaxed));
        }
        *is_durable
    }

    /// How a response that was given is put together.
    ///
    /// # Errors
    /// [`Unavailable`]: nobody knows.
    pub async fn recipe(&self, id: ResponseId) -> Result<Option<Recipe>, Unavailable> {
        if let Some(given) = self.memory.response(id)
            && self.is_young(given.created_at)
        {
            if let Some(durable) = &self.durable {
                self.tell_of_use(durable, id, &given);
            }
            return Ok(Some(given.recipe.clone()));
        }
        let Some(durable) = &self.durable else { return Ok(None) };
        let Some(found) = durable.response(id).await? else { return Ok(None) };
        self.memory.response_or(id, || Given {
            recipe: found.recipe.clone(),
            created_at: found.created_at,
            durable: tokio::sync::Mutex::new(true),
            told_at: AtomicI64::new(0),
        });
        Ok(Some(found.recipe))
    }

    /// Takes on the computation of those of the keys that no other server is at; of all of them, where there
    /// is no other.
    pub async fn claim(&self, keys: Vec<ResultKey>) -> Claim {
        match &self.durable {
            Some(durable) => durable.claim(keys).await,
            None => Claim::of_ones_own(keys),
        }
    }

    /// Whether other servers use the same database.
    pub fn is_shared(&self) -> bool {
        self.durable.as_ref().is_some_and(Durable::is_shared)
    }

    /// Removes a response with all that it was made of, and everything else that was made of that. False if
    /// there is no such response.
    ///
    /// # Errors
    /// [`Unavailable`]: it is not known to be removed; to ask again does no harm.
    pub async fn delete(&self, id: ResponseId) -> Result<bool, Unavailable> {
        let Some(durable) = &self.durable else { return Ok(self.memory.delete(id)) };
        let was_kept = durable.delete(id).await?;
        // What was given while the database failed is in memory alone.
        Ok(self.memory.delete(id) || was_kept)
    }

    /// Writes what waits and lets go of the database.
    pub async fn close(&self) {
        if let Some(durable) = &self.durable {
            durable.close().await;
        }
    }

    /// Brings the figures up to date that are looked at only when somebody asks.
    pub fn measure(&self) {
        self.metrics.set_cache_bytes(Tier::Memory, self.memory.bytes());
    }

    fn is_young(&self, created_at: Milliseconds) -> bool {
        created_at >= earliest(self.age)
    }

    fn tell_of_use(&self, durable: &Durable, id: ResponseId, given: &Given) {
        if is_news(&given.told_at, now(), TOLD_EVERY) {
            durable.note(Writes {
                used_results: given.recipe.keys.clone(),
                used_responses: vec![id],
                ..Writes::default()
            });
        }
    }
}

fn stored(recipe: &Recipe, records: &[Arc<Record>], wanted: &dyn Fn(&Record) -> bool) -> Vec<StoredResult> {
    let pairs = recipe.keys.iter().zip(records).filter(|(_, record)| wanted(record));
    pairs
        .map(|(key, record)| StoredResult {
            key: *key,
            created_at: record.created_at,
            warnings: record.warnings.clone(),
            body: record.body.clone(),
        })
        .collect()
}

/// The time before which results of this greatest age are too old.
fn earliest(age: Option<Duration>) -> Milliseconds {
    let Some(age) = age else { return Milliseconds::MIN };
    now().saturating_sub(Milliseconds::try_from(age.as_millis()).unwrap_or(Milliseconds::MAX))
}

/// Milliseconds since 1970.
pub fn now() -> Milliseconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Milliseconds::try_from(since.as_millis()).unwrap_or(Milliseconds::MAX)
}
