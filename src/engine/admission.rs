//! Who may come into the house, and what to tell those who may not: by places, by memory, and by the time
//! that the work ahead of them takes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Failure;
use super::awaited::Awaited;
use super::demand::Need;
use super::scheduler::Standing;
use super::seconds::Seconds;

/// How much is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Requests at a time.
    pub requests: usize,
    /// Bytes that their work may take together.
    pub bytes: usize,
}

/// The door. Answers from the cache do not pass through it: they are given however full the house is.
pub struct Admission {
    house: Arc<House>,
    capacity: Capacity,
    threads: usize,
}

/// A request's place, from its first computation to its answer.
pub struct Place {
    house: Arc<House>,
    number: u64,
}

/// The work on one text of a request that has a place; the request's others may be under way beside.
pub struct Errand {
    house: Arc<House>,
    number: u64,
    progress: Arc<Seconds>,
}

#[derive(Default)]
struct House {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// Requests, each with what its texts that wait for their turn will take.
    places: BTreeMap<u64, Arc<Seconds>>,
    errands: BTreeMap<u64, Work>,
    next_number: u64,
}

struct Work {
    since: Instant,
    need: Need,
    progress: Arc<Seconds>,
    awaited: Awaited,
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Overload {
    /// As many requests as may be are inside.
    Requests {
        /// How many that is.
        most: usize,
    },
    /// The work inside takes as much memory as it may.
    Memory {
        /// How many bytes it may take.
        most: usize,
    },
    /// What comes first takes longer than the request may.
    Time {
        /// Until its turn.
        wait: Duration,
        /// What it may take.
        allowed: Duration,
    },
}

/// Estimates may be off: a request is refused for the time ahead of it only where that is so many times
/// what it may take.
const SAFE: f64 = 2.0;

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Overload::Requests { most } => {
                write!(f, "{most} requests are being worked on, and no more are taken in")
            }
            Overload::Memory { most } => {
                write!(f, "with this request, the work under way would take more than {most} bytes of memory")
            }
            Overload::Time { wait, allowed } => write!(
                f,
                "the work that comes first takes about {:.0} s, and the answer must be ready within {} s",
                wait.as_secs_f64().ceil(),
                allowed.as_secs_f64()
            ),
        }
    }
}

impl Admission {
    /// A house of this capacity, with so many threads at work.
    pub fn new(capacity: Capacity, threads: usize) -> Self {
        Admission { house: Arc::default(), capacity, threads }
    }

    /// Takes a place, for a request whose first text needs so much and which must be answered in the time
    /// that is `allowed`. `waiting` tells what its other texts will take.
    ///
    /// # Errors
    /// [`Failure::Overloaded`].
    pub fn enter(&self, need: &Need, waiting: Arc<Seconds>, allowed: Duration) -> Result<Place, Failure> {
        let mut inside = self.house.inside();
        if let Some(overload) = self.overload(&inside, need, allowed) {
            let ahead = inside.remaining() / self.threads as f64;
            return Err(Failure::Overloaded { overload, retry_after: seconds(ahead) });
        }
        let number = inside.number();
        inside.places.insert(number, waiting);
        Ok(Place { house: self.house.clone(), number })
    }

    /// A place for work that nobody waits for: it keeps nobody out, but by the memory that it takes. None while there is
    /// less than half of that free.
    pub fn enter_unawaited(&self, need: &Need) -> Option<Place> {
        let mut inside = self.house.inside();
        let is_full = inside.bytes_with(need, self.threads) > self.capacity.bytes / 2;
        if is_full && !inside.errands.is_empty() {
            return None;
        }
        Some(Place { number: inside.number(), house: self.house.clone() })
    }

    fn overload(&self, inside: &Inside, need: &Need, allowed: Duration) -> Option<Overload> {
        if inside.places.len() >= self.capacity.requests {
            return Some(Overload::Requests { most: self.capacity.requests });
        }
        // One that needs more than there is comes in when it is alone; so nothing is refused for ever.
        if !inside.errands.is_empty() && inside.bytes_with(need, self.threads) > self.capacity.bytes {
            return Some(Overload::Memory { most: self.capacity.bytes });
        }
        let wait = inside.ahead_of(need, Instant::now()) / self.threads as f64;
        (wait > SAFE * allowed.as_secs_f64()).then(|| Overload::Time { wait: seconds(wait), allowed })
    }
}

impl House {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Bytes at the peak: what every job holds, and the largest unit on every thread.
    fn bytes_with(&self, need: &Need, threads: usize) -> usize {
        let all = || self.errands.values().map(|work| &work.need).chain([need]);
        let held: usize = all().map(|need| need.held).sum();
        held + threads * all().map(|need| need.unit).max().unwrap_or_default()
    }

    /// Seconds of one thread until all is done that somebody waits for.
    fn remaining(&self) -> f64 {
        let waiting = self.places.values().map(|waiting| waiting.total().max(0.0));
        let awaited = self.errands.values().filter(|work| work.awaited.is_so());
        waiting.sum::<f64>() + awaited.map(Work::remaining).sum::<f64>()
    }

    /// Seconds of one thread that go to work whose turn is before a newcomer's.
    fn ahead_of(&self, newcomer: &Need, now: Instant) -> f64 {
        let newcomer =
            Standing { age: Duration::ZERO, cost: newcomer.seconds, served: 0.0, awaited: true }.urgency();
        self.errands.values().filter(|work| work.urgency(now) >= newcomer).map(Work::remaining).sum()
    }
}

impl Work {
    fn remaining(&self) -> f64 {
        (self.need.seconds - self.progress.total()).max(0.0)
    }

    fn urgency(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.since);
        let awaited = self.awaited.is_so();
        Standing { age, cost: self.need.seconds, served: self.progress.total(), awaited }.urgency()
    }
}

impl Place {
    /// Begins the work on a text. It is not refused: of a batch, only a few are under way at a time.
    pub fn begin(&self, need: Need, awaited: Awaited) -> Errand {
        let progress = Arc::<Seconds>::default();
        let mut inside = self.house.inside();
        let number = inside.number();
        inside
            .errands
            .insert(number, Work { since: Instant::now(), need, progress: progress.clone(), awaited });
        Errand { house: self.house.clone(), number, progress }
    }
}

impl Errand {
    /// Says anew what it needs, once that is known better.
    pub fn settle(&self, need: Need) {
        if let Some(work) = self.house.inside().errands.get_mut(&self.number) {
            work.need = need;
        }
    }

    /// It is done.
    pub fn end(&self) {
        self.house.inside().errands.remove(&self.number);
    }

    /// How far it has come.
    pub fn progress(&self) -> &Arc<Seconds> {
        &self.progress
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.house.inside().places.remove(&self.number);
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.end();
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn need(seconds: f64) -> Need {
        Need { seconds, held: 100, unit: 10 }
    }

    fn house(requests: usize, bytes: usize) -> Admission {
        Admission::new(Capacity { requests, bytes }, 2)
    }

    fn enter(house: &Admission, seconds: f64, allowed: Duration) -> Result<Place, Failure> {
        house.enter(&need(seconds), Arc::default(), allowed)
    }

    fn begin(place: &Place, seconds: f64) -> Errand {
        place.begin(need(seconds), Awaited::by_someone())
    }

    fn refusal(outcome: Result<Place, Failure>) -> (Overload, Duration) {
        match outcome {
            Err(Failure::Overloaded { overload, retry_after }) => (overload, retry_after),
            _ => panic!("it should be refused"),
        }
    }

    #[test]
    fn a_full_house_says_so_and_a_place_is_free_once_its_holder_leaves() {
        let house = house(2, 1 << 20);
        let first = enter(&house, 1.0, MINUTE).ok().unwrap();
        let _second = enter(&house, 1.0, MINUTE).ok().unwrap();
        assert_eq!(refusal(enter(&house, 1.0, MINUTE)).0, Overload::Requests { most: 2 });
        drop(first);
        assert!(enter(&house, 1.0, MINUTE).is_ok());
    }

    #[test]
    fn who_is_refused_is_told_when_the_work_inside_is_done() {
        let house = house(1, 1 << 20);
        let waiting = Arc::<Seconds>::default();
        waiting.add(4.0);
        let place = house.enter(&need(1.0), waiting, MINUTE).ok().unwrap();
        let errand = begin(&place, 30.0);
        errand.settle(need(10.0));
        errand.progress().add(2.0);
        let (_, retry_after) = refusal(enter(&house, 1.0, MINUTE));
        assert_eq!(retry_after, Duration::from_secs(6), "8 s and 4 s on two threads");
    }

    #[test]
    fn memory_is_what_all_hold_and_the_largest_unit_on_every_thread() {
        let house = house(9, 220);
        let place = enter(&house, 1.0, MINUTE).ok().unwrap();
        let first = begin(&place, 1.0);
        let second = begin(&enter(&house, 1.0, MINUTE).ok().unwrap(), 1.0);
        assert_eq!(refusal(enter(&house, 1.0, MINUTE)).0, Overload::Memory { most: 220 });
        drop(second);
        assert!(enter(&house, 1.0, MINUTE).is_ok());
        let large = Need { seconds: 1.0, held: 1000, unit: 10 };
        assert_eq!(refusal(house.enter(&large, Arc::default(), MINUTE)).0, Overload::Memory { most: 220 });
        drop(first);
        assert!(house.enter(&large, Arc::default(), MINUTE).is_ok(), "alone it may be as large as it is");
    }

    #[test]
    fn who_cannot_be_served_in_time_is_refused_at_once() {
        let house = house(9, 1 << 20);
        assert!(enter(&house, 1e6, Duration::from_secs(1)).is_ok(), "nobody is refused for its own length");
        let place = enter(&house, 1.0, MINUTE).ok().unwrap();
        let _short = begin(&place, 100.0);
        let (overload, retry_after) = refusal(enter(&house, 100.0, Duration::from_secs(20)));
        let wait = Duration::from_secs(50);
        assert_eq!(overload, Overload::Time { wait, allowed: Duration::from_secs(20) });
        assert_eq!(retry_after, wait);
        assert!(enter(&house, 100.0, Duration::from_secs(30)).is_ok(), "estimates may be off by half");
        assert!(enter(&house, 1.0, Duration::from_secs(1)).is_ok(), "its turn comes before the long one's");
    }

    #[test]
    fn what_nobody_waits_for_keeps_nobody_out_but_by_its_memory() {
        let house = house(1, 500);
        let places: Vec<_> = (0..3).map_while(|_| house.enter_unawaited(&need(1000.0))).collect();
        let errands: Vec<_> =
            places.iter().map(|place| place.begin(need(1000.0), Awaited::by_nobody())).collect();
        assert_eq!(errands.len(), 3, "none has begun when it is looked for room");
        assert!(house.enter_unawaited(&need(1.0)).is_none(), "half of the memory is for those who wait");
        let short = Duration::from_secs(1);
        let place = house.enter(&need(1.0), Arc::default(), short);
        let place = place.unwrap_or_else(|_| panic!("nothing comes before it"));
        let (_, retry_after) = refusal(enter(&house, 1.0, MINUTE));
        assert_eq!(retry_after, Duration::ZERO, "and nobody is told to wait for it");
        drop((place, errands));
        assert!(house.enter_unawaited(&need(1.0)).is_some());
    }
}
