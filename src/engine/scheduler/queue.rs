//! What is to be done, and what is next: the state behind the scheduler's lock. Time is told to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::order::Standing;
use super::unit::{Unit, Work};
use crate::engine::awaited::Awaited;
use crate::engine::seconds::Seconds;
use crate::model::Model;

/// A job's name in the queue.
pub type Number = u64;

/// Begins a job: hands it to a driver.
pub type Start = Box<dyn FnOnce(Number, Waited) + Send>;

/// Jobs that are begun ahead, so that workers find units of several to choose from and to put together. A
/// job beyond these is begun only when it is far more urgent than all of them.
pub const BEGUN_AHEAD: usize = 64;

/// Far more urgent: each driver beyond the usual ones doubles this, so there cannot be many.
const FAR_MORE: f64 = 2.0;

/// Rows that travel together: as many as the longest text of a usual model has, so that putting short texts
/// together makes nobody wait longer than one long text does.
const ROWS_TOGETHER: usize = 512;

/// All jobs.
#[derive(Default)]
pub struct Queue {
    waiting: BTreeMap<Number, Waiting>,
    begun: BTreeMap<Number, Begun>,
    next_number: Number,
    /// Workers that look for work.
    pub idle: usize,
    /// Nothing more is taken in.
    pub closed: bool,
}

/// A job that is about to begin.
pub struct Beginning {
    /// Its name.
    pub job: Number,
    /// How it begins.
    pub start: Start,
    /// Will hold how long it waited for its first worker.
    pub waited: Waited,
}

/// How long a job waited for its first worker, once that is over.
pub type Waited = Arc<OnceLock<Duration>>;

/// A job that no driver has taken up.
struct Waiting {
    account: Account,
    start: Start,
}

/// A job that a driver is at.
struct Begun {
    account: Account,
    units: VecDeque<Unit>,
    /// Whether its driver is at work itself, rather than waiting for units.
    thinking: bool,
    called_off: bool,
    waited: Waited,
}

/// What a job's turn depends on.
struct Account {
    entered: Instant,
    cost: f64,
    progress: Arc<Seconds>,
    awaited: Awaited,
    /// When the units under way began.
    running: Vec<Instant>,
}

/// A unit's beginning.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Whose unit it is.
    pub job: Number,
    /// When it began.
    pub began: Instant,
    /// How long the job had waited, if this is its first unit.
    pub first_after: Option<Duration>,
}

/// What one worker does next.
pub enum Load {
    /// One unit.
    Unit(Turn, Unit),
    /// Forward passes that travel together.
    Forwards(Vec<(Turn, Unit)>),
}

/// What became of a job that was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledOff {
    /// No driver had taken it up; it is gone. It had waited this long.
    Waiting(Duration),
    /// Its driver will see it.
    Begun,
    /// It had ended.
    Over,
}

impl Load {
    /// The beginnings of its units.
    pub fn turns(&self) -> impl Iterator<Item = &Turn> {
        let (one, several) = match self {
            Load::Unit(turn, _) => (Some(turn), None),
            Load::Forwards(units) => (None, Some(units)),
        };
        one.into_iter().chain(several.into_iter().flatten().map(|(turn, _)| turn))
    }
}

impl Account {
    fn urgency(&self, now: Instant) -> f64 {
        let under_way = self.running.iter().map(|began| now.saturating_duration_since(*began));
        let age = now.saturating_duration_since(self.entered);
        let served = self.progress.total() + under_way.sum::<Duration>().as_secs_f64();
        Standing { age, cost: self.cost, served, awaited: self.awaited.is_so() }.urgency()
    }
}

impl Queue {
    /// Takes a job in.
    pub fn enter(
        &mut self,
        cost: f64,
        progress: Arc<Seconds>,
        awaited: Awaited,
        start: Start,
        now: Instant,
    ) -> Number {
        let number = self.next_number;
        self.next_number += 1;
        if !self.closed {
            let account = Account { entered: now, cost, progress, awaited, running: Vec::new() };
            self.waiting.insert(number, Waiting { account, start });
        }
        number
    }

    /// Says anew what a job will take.
    pub fn settle(&mut self, job: Number, cost: f64) {
        if let Some(begun) = self.begun.get_mut(&job) {
            begun.account.cost = cost;
        }
    }

    /// The job to begin now, if one should be: at most as many drivers think at a time as there are workers.
    pub fn next_to_begin(&mut self, workers: usize, now: Instant) -> Option<Beginning> {
        if self.begun.values().filter(|begun| begun.thinking).count() >= workers {
            return None;
        }
        let urgencies = self.waiting.iter().map(|(job, waiting)| (waiting.account.urgency(now), *job));
        let (urgency, job) = most_urgent(urgencies)?;
        let under_way = self.begun.values().map(|begun| begun.account.urgency(now)).fold(0.0, f64::max);
        if self.begun.len() >= BEGUN_AHEAD && urgency < FAR_MORE * under_way {
            return None;
        }
        let Waiting { account, start } = self.waiting.remove(&job)?;
        let waited = Waited::default();
        let begun = Begun {
            account,
            units: VecDeque::new(),
            thinking: true,
            called_off: false,
            waited: waited.clone(),
        };
        self.begun.insert(job, begun);
        Some(Beginning { job, start, waited })
    }

    /// Units that a job's driver waits for from now on. Those of a job that was called off come back.
    pub fn submit(&mut self, job: Number, units: Vec<Unit>) -> Vec<Unit> {
        match self.begun.get_mut(&job) {
            Some(begun) if !begun.called_off && !self.closed => {
                begun.thinking = false;
                begun.units.extend(units);
                Vec::new()
            }
            _ => units,
        }
    }

    /// A job's driver goes on by itself.
    pub fn resume(&mut self, job: Number) {
        if let Some(begun) = self.begun.get_mut(&job) {
            begun.thinking = true;
        }
    }

    /// Takes out what no worker has begun of a job.
    #[must_use]
    pub fn give_up_units(&mut self, job: Number) -> VecDeque<Unit> {
        self.begun.get_mut(&job).map(|begun| std::mem::take(&mut begun.units)).unwrap_or_default()
    }

    /// Calls a job off; its units are given up beside.
    pub fn call_off(&mut self, job: Number, now: Instant) -> (CalledOff, Option<Start>) {
        if let Some(Waiting { account, start }) = self.waiting.remove(&job) {
            return (CalledOff::Waiting(now.saturating_duration_since(account.entered)), Some(start));
        }
        match self.begun.get_mut(&job) {
            Some(begun) => {
                begun.called_off = true;
                (CalledOff::Begun, None)
            }
            None => (CalledOff::Over, None),
        }
    }

    /// A job's driver has come to its end: how long the job had waited if no worker ever saw it.
    pub fn finish(&mut self, job: Number, now: Instant) -> Option<Duration> {
        let begun = self.begun.remove(&job)?;
        let waited = now.saturating_duration_since(begun.account.entered);
        begun.waited.set(waited).is_ok().then_some(waited)
    }

    /// What a free worker does next: the next unit of the most urgent job; and if that is a forward pass,
    /// others that wait for the same model, the most urgent first.
    pub fn next_load(&mut self, now: Instant) -> Option<Load> {
        let ready = self.begun.iter().filter(|(_, begun)| !begun.units.is_empty());
        let (_, job) = most_urgent(ready.map(|(job, begun)| (begun.account.urgency(now), *job)))?;
        let (turn, unit) = self.take(job, now)?;
        let Work::Forward(first) = &unit.work else { return Some(Load::Unit(turn, unit)) };
        let model = first.model.clone();
        let is_awaited = |begun: &Begun| begun.account.awaited.is_so();
        let first_is_awaited = self.begun.get(&job).is_some_and(is_awaited);
        let mut budget = self.budget(&unit, &model).saturating_sub(unit.rows());
        let mut together = vec![(turn, unit)];
        // Nobody who is waited for travels more slowly for the sake of somebody who is not.
        let fits = |begun: &Begun, budget: usize| {
            (is_awaited(begun) || !first_is_awaited)
                && begun.units.front().is_some_and(|unit| unit.rows() <= budget && unit.runs_forward(&model))
        };
        while budget > 0 {
            let ready = self.begun.iter().filter(|(_, begun)| fits(begun, budget));
            let next = most_urgent(ready.map(|(job, begun)| (begun.account.urgency(now), *job)));
            let Some((turn, unit)) = next.and_then(|(_, job)| self.take(job, now)) else { break };
            budget -= unit.rows();
            together.push((turn, unit));
        }
        Some(Load::Forwards(together))
    }

    /// Rows that may travel with a forward pass: workers that are free as well get their share.
    fn budget(&self, first: &Unit, model: &Arc<Model>) -> usize {
        let units = self.begun.values().flat_map(|begun| &begun.units);
        let waiting = units.filter(|unit| unit.runs_forward(model)).map(Unit::rows);
        let rows = first.rows() + waiting.sum::<usize>();
        ROWS_TOGETHER.min(rows.div_ceil(self.idle + 1))
    }

    fn take(&mut self, job: Number, now: Instant) -> Option<(Turn, Unit)> {
        let begun = self.begun.get_mut(&job)?;
        let unit = begun.units.pop_front()?;
        begun.account.running.push(now);
        let waited = now.saturating_duration_since(begun.account.entered);
        let first_after = begun.waited.set(waited).is_ok().then_some(waited);
        Some((Turn { job, began: now, first_after }, unit))
    }

    /// A unit ended; the job had so many seconds of a thread by it.
    pub fn ended(&mut self, turn: &Turn, seconds: f64) {
        if let Some(begun) = self.begun.get_mut(&turn.job) {
            let running = &mut begun.account.running;
            if let Some(place) = running.iter().position(|began| *began == turn.began) {
                running.swap_remove(place);
            }
            begun.account.progress.add(seconds);
        }
    }

    /// Takes nothing more in, and gives back what nobody will do.
    pub fn close(&mut self) -> (Vec<Start>, Vec<Unit>) {
        self.closed = true;
        let starts = std::mem::take(&mut self.waiting).into_values().map(|waiting| waiting.start);
        let units = self.begun.values_mut().flat_map(|begun| std::mem::take(&mut begun.units));
        (starts.collect(), units.collect())
    }
}

/// The job of the greatest urgency; of equals, the one that came first.
fn most_urgent(jobs: impl Iterator<Item = (f64, Number)>) -> Option<(f64, Number)> {
    jobs.reduce(|best, other| if other.0 > best.0 { other } else { best })
}

#[cfg(test)]
impl Queue {
    /// Units that no worker has begun.
    pub fn ready(&self) -> usize {
        self.begun.values().map(|begun| begun.units.len()).sum()
    }
}
