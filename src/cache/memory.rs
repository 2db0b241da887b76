//! The first tier: what was used last, in memory, weighed in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::identity::{Recipe, ResponseId, ResultKey};
use crate::metrics::{Metrics, Tier};
use crate::store::{Milliseconds, Removed};

/// A result: its part of a response, and what is to be told beside it.
#[derive(Debug)]
pub struct Record {
    /// JSON.
    pub body: Vec<u8>,
    /// A JSON array.
    pub warnings: Vec<u8>,
    /// When it was computed.
    pub created_at: Milliseconds,
    /// Whether the durable tier has it, as far as is known here.
    pub durable: AtomicBool,
    /// When the durable tier was last told of its use.
    pub told_at: AtomicI64,
}

impl Record {
    /// A result that was computed just now.
    pub fn new(body: Vec<u8>, warnings: Vec<u8>, created_at: Milliseconds) -> Self {
        Record {
            body,
            warnings,
            created_at,
            durable: AtomicBool::new(false),
            told_at: AtomicI64::new(created_at),
        }
    }

    fn weight(&self) -> usize {
        self.body.len() + self.warnings.len() + OVERHEAD
    }
}

/// A response that was given.
#[derive(Debug)]
pub struct Given {
    /// How it is put together.
    pub recipe: Recipe,
    /// When it was first given.
    pub created_at: Milliseconds,
    /// Whether the durable tier has it. Locked while it is being written, so that of many who are
    /// given the same response one writes it.
    pub durable: tokio::sync::Mutex<bool>,
    /// When the durable tier was last told of its use.
    pub told_at: AtomicI64,
}

/// The tier.
pub struct Memory {
    results: Cache<ResultKey, Arc<Record>>,
    responses: Cache<ResponseId, Arc<Given>>,
}

/// What an entry takes beside its content, about: key, pointers, and moka's own book-keeping.
const OVERHEAD: usize = 320;

/// The part of the tier that knows how responses are put together; the rest holds results.
const RESPONSES_SHARE: u64 = 16;

impl Memory {
    /// Room for this many bytes; with 0, nothing is remembered.
    pub fn new(most_bytes: u64, metrics: &Arc<Metrics>) -> Self {
        let for_responses = most_bytes / RESPONSES_SHARE;
        let counting = metrics.clone();
        // Least recently used first, whatever its frequency: a response that was just given must be
        // there when its id is asked for.
        let results = Cache::builder()
            .max_capacity(most_bytes - for_responses)
            .weigher(|_, record: &Arc<Record>| u32::try_from(record.weight()).unwrap_or(u32::MAX))
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counting.evicted(Tier::Memory, 1);
                }
            })
            .build();
        let responses = Cache::builder()
            .max_capacity(for_responses)
            .weigher(|_, given: &Arc<Given>| {
                u32::try_from(given.recipe.keys.len() * 32 + OVERHEAD).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Memory { results, responses }
    }

    /// The result of a key.
    pub fn result(&self, key: ResultKey) -> Option<Arc<Record>> {
        self.results.get(&key)
    }

    /// Remembers a result.
    pub fn put_result(&self, key: ResultKey, record: Arc<Record>) {
        self.results.insert(key, record);
    }

    /// The response of an id.
    pub fn response(&self, id: ResponseId) -> Option<Arc<Given>> {
        self.responses.get(&id)
    }

    /// The response of an id, remembered from now on if it was not before.
    pub fn response_or(&self, id: ResponseId, new: impl FnOnce() -> Given) -> Arc<Given> {
        self.responses.get_with(id, || Arc::new(new()))
    }

    /// Forgets a response.
    pub fn forget_response(&self, id: ResponseId) {
        self.responses.invalidate(&id);
    }

    /// Notes that the durable tier has let these go, so that whoever asks for them next writes them anew.
    pub fn no_longer_durable(&self, removed: &Removed) {
        for record in removed.results.iter().filter_map(|key| self.results.get(key)) {
            record.durable.store(false, Ordering::Relaxed);
        }
        removed.responses.iter().for_each(|id| self.forget_response(*id));
    }

    /// Forgets what may not be given any more.
    pub fn forget(&self, deleted: &Removed) {
        deleted.results.iter().for_each(|key| self.results.invalidate(key));
        deleted.responses.iter().for_each(|id| self.forget_response(*id));
    }

    /// Forgets a response and its results; false if it is not known.
    pub fn delete(&self, id: ResponseId) -> bool {
        let Some(given) = self.responses.remove(&id) else { return false };
        given.recipe.keys.iter().for_each(|key| self.results.invalidate(key));
        true
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.results.invalidate_all();
        self.responses.invalidate_all();
    }

    /// Whether a result of this size finds room at all.
    pub fn has_room_for(&self, record: &Record) -> bool {
        self.results.policy().max_capacity().is_some_and(|most| record.weight() as u64 <= most)
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.results.run_pending_tasks();
        self.responses.run_pending_tasks();
        self.results.weighted_size() + self.responses.weighted_size()
    }
}

/// Notes a use, and says whether it is long enough since the last note to be worth a write: true for
/// one of many who ask at once.
pub fn is_news(told_at: &AtomicI64, now: Milliseconds, interval: Milliseconds) -> bool {
    let before = told_at.load(Ordering::Relaxed);
    now - before >= interval
        && told_at.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}
