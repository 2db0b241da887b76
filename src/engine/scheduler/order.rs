//! Whose turn it is: shortest first, with ageing and with shares for equals.

use std::time::Duration;

/// What a job's turn depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Time since it came.
    pub age: Duration,
    /// Seconds of one thread that it is expected to need in all.
    pub cost: f64,
    /// Seconds of one thread that it has had.
    pub served: f64,
    /// Whether somebody waits for it.
    pub awaited: bool,
}

/// What every job is taken to have waited before it came: so much may a newcomer be ahead by being short.
const HEAD_START: Duration = Duration::from_millis(50);

/// No job counts as shorter than this many seconds.
const SHORTEST: f64 = 1e-3;

/// By how much less urgent a job is that nobody waits for: no age makes up for it.
const UNAWAITED: f64 = 1e-18;

impl Standing {
    /// The greater, the sooner: **(age + 50 ms) / (cost + served)**.
    ///
    /// - Of newcomers the shortest is first: a long job delays a short one by the rest of a unit.
    /// - Age counts by the cost: a job has waited long when it has waited many times its own length. So
    ///   under load all are slowed down by about the same factor, long ones and short ones, and none starves:
    ///   newcomers of cost c pass a job of cost C until its age is C · 50 ms / c.
    /// - Equals share: who has been served gives way to who has not. So does, after a while, who takes more
    ///   than it said.
    ///
    /// Jobs that nobody waits for have the same order among themselves, behind all others.
    pub fn urgency(&self) -> f64 {
        let urgency = (self.age + HEAD_START).as_secs_f64() / (self.cost.max(SHORTEST) + self.served);
        if self.awaited { urgency } else { UNAWAITED * urgency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urgency(age: f64, cost: f64, served: f64) -> f64 {
        Standing { age: Duration::from_secs_f64(age), cost, served, awaited: true }.urgency()
    }

    #[test]
    fn what_nobody_waits_for_is_behind_everything_else_and_has_the_same_order_among_itself() {
        let unawaited = |age, cost| {
            Standing { age: Duration::from_secs(age), cost, served: 0.0, awaited: false }.urgency()
        };
        assert!(unawaited(1_000_000, 1e-3) < urgency(0.0, 100_000.0, 100_000.0));
        assert!(unawaited(2, 1.0) > unawaited(1, 1.0) && unawaited(1, 1.0) > unawaited(1, 2.0));
    }

    #[test]
    fn a_short_newcomer_goes_before_a_long_job_that_came_before_it() {
        assert!(urgency(0.0, 0.01, 0.0) > urgency(5.0, 20.0, 2.0));
        assert!(urgency(0.0, 0.01, 0.0) > urgency(0.0, 0.02, 0.0));
    }

    #[test]
    fn a_long_job_is_not_starved_by_a_stream_of_short_ones() {
        let newcomer = urgency(0.0, 0.1, 0.0);
        let long = |age: f64| urgency(age, 10.0, 0.0);
        assert!(long(1.0) < newcomer);
        assert!(long(5.0) > newcomer, "by then it has waited for half its own length, as the newcomer has");
        assert!(urgency(6.0, 10.0, 1.0) > newcomer, "and it is served for a while, not for one unit alone");
    }

    #[test]
    fn slowdowns_are_alike_whatever_the_length() {
        // Both have waited for twenty times their length.
        let (short, long) = (urgency(2.0, 0.1, 0.0), urgency(200.0, 10.0, 0.0));
        assert!((short / long - 1.0).abs() < 0.03);
    }

    #[test]
    fn of_two_equals_the_one_that_was_served_less_is_next() {
        assert!(urgency(1.0, 10.0, 0.1) < urgency(1.0, 10.0, 0.0));
        assert!(urgency(1.1, 10.0, 2.0) < urgency(1.0, 10.0, 0.5));
    }

    #[test]
    fn a_job_that_takes_more_than_it_said_falls_behind() {
        assert!(urgency(1.0, 0.01, 5.0) < urgency(1.0, 1.0, 0.0));
    }
}
