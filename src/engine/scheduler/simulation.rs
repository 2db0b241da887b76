//! Whose turn it is, told with a clock of our own.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::queue::{Load, Number, Queue, Turn};
use super::tests::{batch, tiny_model};
use super::unit::{Forward, Report, Task, Unit, Work};
use crate::engine::awaited::Awaited;
use crate::engine::pace::Pace;
use crate::model::Model;

/// A queue with a clock of its own, and jobs that have been begun.
struct Simulated {
    queue: Queue,
    now: Instant,
}

impl Simulated {
    fn new() -> Self {
        Simulated { queue: Queue::default(), now: Instant::now() }
    }

    fn job(&mut self, cost: f64, units: Vec<Unit>) -> Number {
        self.job_for(Awaited::by_someone(), cost, units)
    }

    fn job_for(&mut self, awaited: Awaited, cost: f64, units: Vec<Unit>) -> Number {
        let job = self.queue.enter(cost, Arc::default(), awaited, Box::new(|_, _| {}), self.now);
        assert_eq!(self.queue.next_to_begin(1, self.now).map(|beginning| beginning.job), Some(job));
        assert!(self.queue.submit(job, units).is_empty());
        job
    }

    /// Runs the next unit of some job for so long.
    fn run_next(&mut self, seconds: f64) -> Number {
        let Some(Load::Unit(turn, _)) = self.queue.next_load(self.now) else { panic!("a unit waits") };
        self.pass(seconds);
        self.queue.ended(&turn, seconds);
        turn.job
    }

    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }
}

fn tasks(count: usize) -> Vec<Unit> {
    let task = || Task { run: Box::new(|| Ok(())), report: Report { index: 0, to: channel().0 } };
    let unit = || Unit { expected: 0.1, pace: Arc::new(Pace::unknown()), work: Work::Task(task()) };
    (0..count).map(|_| unit()).collect()
}

fn forward(model: &Arc<Model>, tokens: usize) -> Unit {
    let report = Report { index: 0, to: channel().0 };
    let work = Forward { model: model.clone(), batch: batch(model, tokens), report };
    Unit { expected: 0.1, pace: Arc::new(Pace::unknown()), work: Work::Forward(work) }
}

#[test]
fn two_long_jobs_progress_together() {
    let mut simulated = Simulated::new();
    let first = simulated.job(10.0, tasks(100));
    simulated.pass(0.005);
    let second = simulated.job(10.0, tasks(100));
    let turns: Vec<Number> = (0..40).map(|_| simulated.run_next(0.1)).collect();
    let of = |job: Number, turns: &[Number]| turns.iter().filter(|turn| **turn == job).count();
    assert!((16..=24).contains(&of(first, &turns)), "{turns:?}");
    assert!(of(second, &turns[..6]) >= 2, "from the beginning: {turns:?}");
}

/// Units of 0.1 s that a job of 10 s has within so many seconds, while short jobs of one such unit come.
fn served_beside_short_jobs(every: f64, within: f64) -> usize {
    let mut simulated = Simulated::new();
    let began = simulated.now;
    let elapsed = |simulated: &Simulated| simulated.now.duration_since(began).as_secs_f64();
    let long = simulated.job(10.0, tasks(100));
    let (mut come, mut served) = (0.0, 0);
    while elapsed(&simulated) < within && served < 100 {
        while come * every <= elapsed(&simulated) {
            simulated.job(0.1, tasks(1));
            come += 1.0;
        }
        match simulated.run_next(0.1) {
            job if job == long => served += 1,
            short => assert!(simulated.queue.finish(short, simulated.now).is_none(), "it was served"),
        }
    }
    served
}

#[test]
fn a_long_job_is_not_starved_by_short_ones_that_keep_coming() {
    assert_eq!(served_beside_short_jobs(0.125, 60.0), 100, "it has the fifth that they leave, at least");
    let served = served_beside_short_jobs(0.1, 60.0);
    assert!((3..30).contains(&served), "{served} units, where shortest first alone would give it none");
}

#[test]
fn a_pass_takes_company_up_to_a_number_of_rows_and_leaves_idle_workers_their_share() {
    let model = tiny_model();
    let company = |idle: usize, lengths: &[usize]| {
        let mut simulated = Simulated::new();
        for tokens in lengths {
            simulated.job(1.0, vec![forward(&model, *tokens)]);
        }
        simulated.queue.idle = idle;
        match simulated.queue.next_load(simulated.now) {
            Some(Load::Forwards(units)) => {
                units.iter().map(|(turn, unit): &(Turn, Unit)| (turn.job, unit.rows())).collect::<Vec<_>>()
            }
            _ => panic!("forward passes wait"),
        }
    };
    let rows = |company: Vec<(Number, usize)>| company.iter().map(|(_, rows)| rows).sum::<usize>();
    assert_eq!(company(0, &[8, 8, 8]), [(0, 8), (1, 8), (2, 8)]);
    assert_eq!(rows(company(0, &[16; 60])), 512);
    assert_eq!(company(1, &[8, 8, 8, 8]), [(0, 8), (1, 8)]);
    assert_eq!(company(3, &[8, 8, 8, 8]), [(0, 8)]);
}

#[test]
fn what_nobody_waits_for_has_the_time_that_others_leave() {
    let mut simulated = Simulated::new();
    let awaited = Awaited::by_nobody();
    let background = simulated.job_for(awaited.clone(), 0.1, tasks(10));
    simulated.pass(1000.0);
    let long = simulated.job(100.0, tasks(3));
    let turns: Vec<Number> = (0..5).map(|_| simulated.run_next(0.1)).collect();
    assert_eq!(turns, [long, long, long, background, background]);
    simulated.job(0.2, tasks(5));
    awaited.begins();
    let turns: Vec<Number> = (0..5).map(|_| simulated.run_next(0.1)).collect();
    assert_eq!(turns, [background; 5], "now somebody waits, and its age counts");
}

#[test]
fn a_pass_that_somebody_waits_for_takes_no_company_that_nobody_waits_for() {
    let model = tiny_model();
    let mut simulated = Simulated::new();
    for awaited in [Awaited::by_nobody(), Awaited::by_someone(), Awaited::by_nobody(), Awaited::by_someone()]
    {
        simulated.job_for(awaited, 1.0, vec![forward(&model, 8)]);
    }
    let mut jobs = || match simulated.queue.next_load(simulated.now) {
        Some(Load::Forwards(units)) => units.iter().map(|(turn, _)| turn.job).collect::<Vec<_>>(),
        _ => panic!("forward passes wait"),
    };
    assert_eq!(jobs(), [1, 3]);
    assert_eq!(jobs(), [0, 2]);
}
