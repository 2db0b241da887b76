//! Single flight: what many ask for at once is computed once.
//!
//! A flight computes one or more keys for everyone who waits for any of them. It is a task of its own:
//! no waiter's end touches the others, and when the last one leaves, the task is stopped.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::awaited::Awaited;
use super::draft::Draft;

/// What flights are known by.
pub trait Key: Eq + Hash + Copy + Send + 'static {}

impl<K: Eq + Hash + Copy + Send + 'static> Key for K {}

/// The flights under way, by what they compute.
pub struct Flights<K, V> {
    under_way: Mutex<HashMap<K, Entry<V>>>,
}

struct Entry<V> {
    flight: Arc<Flight>,
    landed: watch::Receiver<Option<V>>,
}

/// One flight. Its state changes only while the map of flights is locked.
struct Flight {
    state: Mutex<FlightState>,
    awaited: Awaited,
    draft: Draft,
}

#[derive(Default)]
struct FlightState {
    waiters: usize,
    task: Option<AbortHandle>,
}

/// What became of an attempt to board.
pub enum Boarding<K: Key, V> {
    /// Some keys are not under way, and the caller may not compute any.
    NotAllUnderWay,
    /// On board: one ticket a flight, and the duty to compute what nobody else does.
    Boarded(Vec<Ticket<K, V>>, Option<Duty<K, V>>),
}

/// A right to wait for the keys of one flight. Dropping it leaves the flight.
pub struct Ticket<K: Key, V> {
    flights: Arc<Flights<K, V>>,
    flight: Arc<Flight>,
    /// Those that it has not been told of yet.
    keys: VecDeque<(K, watch::Receiver<Option<V>>)>,
    /// Whether this one made the flight begin.
    first: bool,
}

/// The duty to compute some keys. Keys that are never landed fail whoever waits for them.
pub struct Duty<K: Key, V> {
    flights: Arc<Flights<K, V>>,
    flight: Arc<Flight>,
    open: Vec<(K, watch::Sender<Option<V>>)>,
}

/// The flight ended without this key: its task panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Flights { under_way: Mutex::default() }
    }
}

impl<K: Key, V: Clone> Flights<K, V> {
    /// Joins the flights that compute some of `keys`, and begins one for the rest if the caller may. Unless the caller
    /// waits (`is_waiting`), nobody need hurry for it.
    pub fn board(self: &Arc<Self>, keys: &[K], may_compute: bool, is_waiting: bool) -> Boarding<K, V> {
        let mut under_way = self.lock();
        if !may_compute && keys.iter().any(|key| !under_way.contains_key(key)) {
            return Boarding::NotAllUnderWay;
        }
        let mut tickets: Vec<Ticket<K, V>> = Vec::new();
        let own = Arc::new(Flight::begun());
        let mut open = Vec::new();
        for key in keys {
            let entry = under_way.entry(*key).or_insert_with(|| {
                let (sender, landed) = watch::channel(None);
                open.push((*key, sender));
                Entry { flight: own.clone(), landed }
            });
            let ticket = match tickets.iter_mut().find(|ticket| Arc::ptr_eq(&ticket.flight, &entry.flight)) {
                Some(ticket) => ticket,
                None => {
                    entry.flight.state().waiters += 1;
                    if is_waiting {
                        entry.flight.awaited.begins();
                    }
                    let first = Arc::ptr_eq(&entry.flight, &own);
                    let flight = entry.flight.clone();
                    tickets.push(Ticket { flights: self.clone(), flight, keys: VecDeque::new(), first });
                    let last = tickets.len() - 1;
                    &mut tickets[last]
                }
            };
            ticket.keys.push_back((*key, entry.landed.clone()));
        }
        let duty = (!open.is_empty()).then(|| Duty { flights: self.clone(), flight: own, open });
        Boarding::Boarded(tickets, duty)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// One that nobody waits for yet.
    fn begun() -> Self {
        Flight { state: Mutex::default(), awaited: Awaited::by_nobody(), draft: Draft::default() }
    }

    fn state(&self) -> MutexGuard<'_, FlightState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key, V: Clone> Ticket<K, V> {
    /// Whether the flight began with this ticket.
    pub fn is_first(&self) -> bool {
        self.first
    }

    /// What the flight has written down so far.
    pub fn draft(&self) -> &Draft {
        &self.flight.draft
    }

    /// Waits for the next key of the flight that the ticket is for; none after the last.
    ///
    /// # Errors
    /// [`Lost`] if the flight ended without it.
    pub async fn next_landed(&mut self) -> Result<Option<(K, V)>, Lost> {
        let Some((key, receiver)) = self.keys.front_mut() else { return Ok(None) };
        let value = receiver.wait_for(Option::is_some).await.map_err(|_| Lost)?.clone();
        let landed = (*key, value.ok_or(Lost)?);
        self.keys.pop_front();
        Ok(Some(landed))
    }
}

impl<K: Key, V> Drop for Ticket<K, V> {
    fn drop(&mut self) {
        // The map is locked throughout: nobody can board a flight that is about to be stopped.
        let mut under_way = self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.flight.state();
        state.waiters -= 1;
        if state.waiters == 0 {
            under_way.retain(|_, entry| !Arc::ptr_eq(&entry.flight, &self.flight));
            if let Some(task) = state.task.take() {
                task.abort();
            }
        }
    }
}

impl<K: Key, V: Clone + Send + Sync + 'static> Duty<K, V> {
    /// The keys still to be computed.
    pub fn keys(&self) -> Vec<K> {
        self.open.iter().map(|(key, _)| *key).collect()
    }

    /// Where it is written down what has been found so far.
    pub fn draft(&self) -> &Draft {
        &self.flight.draft
    }

    /// Whether somebody waits for the flight.
    pub fn awaited(&self) -> &Awaited {
        &self.flight.awaited
    }

    /// Runs the flight's task, which is stopped when nobody waits for it any more.
    pub fn fly<F: Future<Output = ()> + Send + 'static>(self, task: impl FnOnce(Self) -> F) {
        let flights = self.flights.clone();
        let flight = self.flight.clone();
        let task = tokio::spawn(task(self)).abort_handle();
        let _under_way = flights.lock();
        let mut state = flight.state();
        match state.waiters {
            0 => task.abort(),
            _ => state.task = Some(task),
        }
    }

    /// Gives everyone who waits for a key its value.
    pub fn land(&mut self, key: K, value: V) {
        if let Some(place) = self.open.iter().position(|(open, _)| *open == key) {
            let (_, sender) = self.open.swap_remove(place);
            sender.send_replace(Some(value));
            let mut under_way = self.flights.lock();
            // It may have been given up by its waiters and begun anew by others.
            if under_way.get(&key).is_some_and(|entry| Arc::ptr_eq(&entry.flight, &self.flight)) {
                under_way.remove(&key);
            }
        }
    }

    /// Gives everyone who waits for a key that is still open this value.
    pub fn land_rest(mut self, value: &V) {
        self.keys().into_iter().for_each(|key| self.land(key, value.clone()));
    }
}

impl<K: Key, V> Drop for Duty<K, V> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, entry| !Arc::ptr_eq(&entry.flight, &self.flight));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    type Letters = Arc<Flights<char, u32>>;

    type Boarded = (Vec<Ticket<char, u32>>, Option<Duty<char, u32>>);

    /// All keys of a ticket.
    async fn landed(ticket: &mut Ticket<char, u32>) -> Result<Vec<(char, u32)>, Lost> {
        let mut landed = Vec::new();
        while let Some(next) = ticket.next_landed().await? {
            landed.push(next);
        }
        Ok(landed)
    }

    fn boarded(flights: &Letters, keys: &[char]) -> Boarded {
        match flights.board(keys, true, true) {
            Boarding::Boarded(tickets, duty) => (tickets, duty),
            Boarding::NotAllUnderWay => panic!("it may compute"),
        }
    }

    #[tokio::test]
    async fn what_is_under_way_is_joined_and_only_the_rest_is_computed() {
        let flights = Letters::default();
        let (mut first, duty) = boarded(&flights, &['a', 'b']);
        let (mut second, rest) = boarded(&flights, &['b', 'c']);
        assert_eq!(rest.as_ref().map(Duty::keys), Some(vec!['c']));
        assert_eq!(second.iter().map(Ticket::is_first).collect::<Vec<_>>(), [false, true]);
        for (duty, value) in [(duty.unwrap(), 1), (rest.unwrap(), 2)] {
            duty.fly(move |duty| async move { duty.land_rest(&value) });
        }
        assert_eq!(landed(&mut first[0]).await, Ok(vec![('a', 1), ('b', 1)]));
        assert_eq!(landed(&mut second[0]).await, Ok(vec![('b', 1)]));
        assert_eq!(landed(&mut second[1]).await, Ok(vec![('c', 2)]));
        assert!(flights.lock().is_empty(), "what has landed is no longer under way");
    }

    #[tokio::test]
    async fn who_may_not_compute_joins_all_or_nothing() {
        let flights = Letters::default();
        let (_ticket, _duty) = boarded(&flights, &['a']);
        assert!(matches!(flights.board(&['a', 'b'], false, true), Boarding::NotAllUnderWay));
        assert!(matches!(flights.board(&['a'], false, true), Boarding::Boarded(_, None)));
    }

    #[tokio::test]
    async fn a_flight_that_nobody_waits_for_is_hurried_by_the_first_who_does() {
        let flights = Letters::default();
        let Boarding::Boarded(_tickets, Some(duty)) = flights.board(&['a', 'b'], true, false) else {
            panic!("it may compute");
        };
        assert!(!duty.awaited().is_so());
        let (_ticket, _) = boarded(&flights, &['b']);
        assert!(duty.awaited().is_so());
    }

    #[tokio::test]
    async fn a_flight_goes_on_until_its_last_waiter_leaves() {
        let flights = Letters::default();
        let (first, duty) = boarded(&flights, &['a']);
        let (second, _) = boarded(&flights, &['a']);
        let stopped = Arc::new(AtomicBool::new(false));
        struct Flag(Arc<AtomicBool>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let flag = Flag(stopped.clone());
        duty.unwrap().fly(|duty| async move {
            let _held = (flag, duty);
            std::future::pending::<()>().await;
        });
        drop(first);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!stopped.load(Ordering::SeqCst), "somebody waits still");
        drop(second);
        let (_, anew) = boarded(&flights, &['a']);
        assert!(anew.is_some(), "nobody boards a flight that was given up");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(stopped.load(Ordering::SeqCst));
        assert_eq!(flights.lock().len(), 0, "the second flight was given up with its ticket");
    }

    #[tokio::test]
    async fn a_task_that_panics_fails_its_waiters_and_nobody_else() {
        let flights = Letters::default();
        let (mut tickets, duty) = boarded(&flights, &['a']);
        duty.unwrap().fly(|duty| async move {
            let _held = duty;
            panic!("out of luck");
        });
        assert_eq!(landed(&mut tickets[0]).await, Err(Lost));
        let (mut again, duty) = boarded(&flights, &['a']);
        duty.unwrap().fly(|mut duty| async move { duty.land('a', 3) });
        assert_eq!(landed(&mut again[0]).await, Ok(vec![('a', 3)]));
    }
}
