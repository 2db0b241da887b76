//! How many requests may be in the house at a time, and what to tell those who find it full.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Failure;

/// The door. Answers from the cache do not pass through it: they are given however full the house is.
pub struct Admission {
    places: Arc<Semaphore>,
    most: usize,
    usual_stay: Arc<Mutex<Duration>>,
}

/// A request's place, from its first computation to its answer.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    since: Instant,
    usual_stay: Arc<Mutex<Duration>>,
}

/// How much the latest stay moves the usual one.
const WEIGHT: f64 = 0.1;

impl Admission {
    /// A house with this many places.
    pub fn new(most: usize) -> Self {
        Admission {
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            most,
            usual_stay: Arc::default(),
        }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Failure::Overloaded`] if there is none.
    pub fn enter(&self) -> Result<Place, Failure> {
        match self.places.clone().try_acquire_owned() {
            Ok(permit) => {
                Ok(Place { _permit: permit, since: Instant::now(), usual_stay: self.usual_stay.clone() })
            }
            Err(_) => Err(Failure::Overloaded { most: self.most, retry_after: self.usual_stay() }),
        }
    }

    /// How long a request stays, of late: by then, those who are inside now have mostly left.
    fn usual_stay(&self) -> Duration {
        *self.usual_stay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let stayed = self.since.elapsed();
        let mut usual = self.usual_stay.lock().unwrap_or_else(PoisonError::into_inner);
        *usual = match usual.is_zero() {
            true => stayed,
            false => usual.mul_f64(1.0 - WEIGHT) + stayed.mul_f64(WEIGHT),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_says_so_and_a_place_is_free_once_its_holder_leaves() {
        let admission = Admission::new(2);
        let first = admission.enter().unwrap();
        let _second = admission.enter().unwrap();
        assert!(matches!(admission.enter(), Err(Failure::Overloaded { most: 2, .. })));
        std::thread::sleep(Duration::from_millis(20));
        drop(first);
        let third = admission.enter();
        assert!(third.is_ok());
        match admission.enter() {
            Err(Failure::Overloaded { retry_after, .. }) => assert!(retry_after >= Duration::from_millis(20)),
            _ => panic!("the house is full again"),
        }
    }
}
