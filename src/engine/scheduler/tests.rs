//! Turns, company, failures and ends, told by gates rather than by clocks.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::queue::BEGUN_AHEAD;
use super::*;
use crate::explain::crew::{self, logits_of};
use crate::explain::{Crew, ExplainError, Passes};
use crate::model::{Batch, Model};

fn scheduler(threads: usize) -> Arc<Scheduler> {
    Arc::new(Scheduler::new(threads, Arc::default()).unwrap())
}

fn expected(seconds: f64) -> Expected {
    Expected {
        seconds,
        pace: Arc::new(Pace::of(1e-3)),
        progress: Arc::default(),
        awaited: Awaited::by_someone(),
    }
}

fn figure(scheduler: &Scheduler, line: &str) -> Option<String> {
    let text = scheduler.shared.metrics.encode().unwrap();
    text.lines().find_map(|found| found.strip_prefix(line)).map(|value| value.trim().to_owned())
}

/// Works on `count` items as units of a job.
fn units<T: Send + 'static>(
    job: &Arc<Job>,
    count: usize,
    work: impl Fn(usize) -> Result<T, ExplainError> + Send + Sync + 'static,
) -> Result<Vec<T>, Failure> {
    Ok(crew::map(job.as_ref(), 10, (0..count).collect(), |_| Passes::FORWARD, work)?)
}

/// Returns once something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let late = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < late, "{what}: it did not happen");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Returns once so many units wait for a worker.
async fn until_ready(scheduler: &Scheduler, units: usize) {
    until("units wait", || scheduler.shared.queue().ready() == units).await;
}

/// Returns once one job has been counted as called off.
async fn until_called_off(scheduler: &Scheduler, phase: &str) {
    let line = format!("explaind_called_off_total{{phase=\"{phase}\"}}");
    until("its driver sees it", || figure(scheduler, &line).as_deref() == Some("1")).await;
}

/// A door that units wait at.
#[derive(Clone)]
struct Gate(Arc<Mutex<Receiver<()>>>);

impl Gate {
    fn closed() -> (Sender<()>, Gate) {
        let (open, closed) = channel();
        (open, Gate(Arc::new(Mutex::new(closed))))
    }

    /// Waits until it is opened once more; an opener that has gone leaves it open.
    fn pass(&self) {
        let _ = self.0.lock().unwrap().recv();
    }
}

#[tokio::test]
async fn a_panic_of_a_driver_or_of_a_unit_fails_its_own_job_and_the_worker_lives_on() {
    let scheduler = scheduler(1);
    let of_driver = scheduler.run(expected(1.0), |_| -> Result<(), Failure> { panic!("out of luck") });
    let of_unit = scheduler.run(expected(1.0), |job| {
        units(job, 3, |index| if index == 1 { panic!("out of luck") } else { Ok(index) })
    });
    let sound = scheduler.run(expected(1.0), |job| units(job, 3, Ok));
    let (of_driver, of_unit, sound) = tokio::join!(of_driver, of_unit, sound);
    for message in [of_driver.err(), of_unit.err()] {
        assert!(matches!(message, Some(Failure::Internal(message)) if message == "a method panicked"));
    }
    assert_eq!(sound.ok(), Some(vec![0, 1, 2]));
    assert_eq!(figure(&scheduler, "explaind_panics_total").as_deref(), Some("2"));
}

#[tokio::test]
async fn once_a_unit_has_failed_the_first_failure_in_order_is_told_and_the_rest_is_not_begun() {
    let scheduler = scheduler(2);
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    let failing = scheduler.run(expected(1.0), move |job| {
        units(job, 1000, move |index| -> Result<(), ExplainError> {
            counted.fetch_add(1, Ordering::SeqCst);
            match index {
                0 => Ok(()),
                1 => {
                    std::thread::sleep(Duration::from_millis(20));
                    Err(ExplainError::NotFinite)
                }
                _ => {
                    std::thread::sleep(Duration::from_millis(1));
                    Err(ExplainError::Panicked)
                }
            }
        })
    });
    assert!(matches!(failing.await, Err(Failure::NotFinite)));
    assert!(begun.load(Ordering::SeqCst) < 1000);
}

#[tokio::test]
async fn a_job_whose_caller_has_gone_is_called_off() {
    let scheduler = scheduler(1);
    let (open, gate) = Gate::closed();
    let (began, begins) = channel();
    let job = scheduler.run(expected(1.0), move |job| {
        units(job, 100, move |index| {
            began.send(index).unwrap();
            gate.pass();
            Ok(())
        })
    });
    let waiting = tokio::time::timeout(Duration::from_millis(50), job).await;
    assert!(waiting.is_err(), "it goes on until its caller goes");
    assert_eq!(scheduler.shared.queue().ready(), 0, "what no worker had begun is gone");
    open.send(()).unwrap();
    assert_eq!(scheduler.run(expected(1.0), |job| units(job, 1, Ok)).await.ok(), Some(vec![0]));
    assert_eq!(begins.iter().collect::<Vec<_>>(), [0]);
    until_called_off(&scheduler, "running").await;
}

#[tokio::test]
async fn a_job_that_no_worker_has_seen_leaves_the_queue_with_its_caller() {
    let scheduler = scheduler(1);
    let (open, gate) = Gate::closed();
    let busy = scheduler.run(expected(1.0), move |job| {
        units(job, 1, move |_| {
            gate.pass();
            Ok(())
        })
    });
    let never = || scheduler.run(expected(9.0), |job| units(job, 1, |_| -> Result<(), _> { panic!() }));
    tokio::pin!(busy);
    let both = async {
        tokio::select! {
            // It is queued first.
            biased;
            _ = &mut busy => unreachable!("it is held"),
            outcome = tokio::time::timeout(Duration::from_millis(50), never()) => outcome,
        }
    };
    assert!(both.await.is_err());
    open.send(()).unwrap();
    assert!(busy.await.is_ok());
    assert!(scheduler.run(expected(1.0), |job| units(job, 1, Ok)).await.is_ok());
    until_called_off(&scheduler, "queued").await;
    assert_eq!(figure(&scheduler, "explaind_queued").as_deref(), Some("0"));
    assert_eq!(figure(&scheduler, "explaind_panics_total").as_deref(), Some("0"));
}

#[tokio::test]
async fn a_short_job_that_comes_while_a_long_one_runs_is_served_at_the_end_of_a_unit() {
    let scheduler = scheduler(1);
    let (open, gate) = Gate::closed();
    let (did, done) = channel();
    let told = did.clone();
    let long = {
        let scheduler = scheduler.clone();
        let work = move |job: &Arc<Job>| {
            units(job, 50, move |index| {
                gate.pass();
                told.send(format!("long {index}")).unwrap();
                Ok(())
            })
        };
        tokio::spawn(async move { scheduler.run(expected(20.0), work).await })
    };
    // A worker is at the first of fifty.
    until_ready(&scheduler, 49).await;
    let short = {
        let scheduler = scheduler.clone();
        let work = move |job: &Arc<Job>| {
            units(job, 2, move |index| {
                did.send(format!("short {index}")).unwrap();
                Ok(())
            })
        };
        tokio::spawn(async move { scheduler.run(expected(0.01), work).await })
    };
    until_ready(&scheduler, 51).await;
    drop(open);
    assert!(short.await.unwrap().is_ok() && long.await.unwrap().is_ok());
    let order: Vec<String> = done.iter().collect();
    assert_eq!(order[..4], ["long 0", "short 0", "short 1", "long 1"]);
    assert_eq!(order.len(), 52);
}

#[tokio::test]
async fn ten_thousand_waiting_jobs_need_few_drivers_and_no_deep_stack() {
    let scheduler = scheduler(2);
    let (drivers, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let sum = || {
        let (drivers, most) = (drivers.clone(), most.clone());
        scheduler.run(expected(0.01), move |job| {
            most.fetch_max(drivers.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let parts = units(job, 8, |part| {
                // A frame of the size that real work has.
                let frame = std::hint::black_box([0u8; 16 << 10]);
                Ok(part * part + usize::from(frame[0]))
            });
            drivers.fetch_sub(1, Ordering::SeqCst);
            Ok(parts?.iter().sum::<usize>())
        })
    };
    let sums = join_all((0..10_000).map(|_| sum())).await;
    assert!(sums.into_iter().all(|sum| sum.ok() == Some(140)));
    let most = most.load(Ordering::SeqCst);
    assert!(most <= BEGUN_AHEAD + 16, "{most} drivers at a time");
}

pub fn tiny_model() -> Arc<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/three-labels");
    Arc::new(Model::load("m", &path).unwrap())
}

pub fn batch(model: &Model, tokens: usize) -> Batch {
    let ids: Vec<u32> = (0..tokens as u32).map(|index| index % 7).collect();
    model.encoder().batch(&ids, &vec![0; tokens]).unwrap()
}

/// The logits of batches that all wait while the only worker is held.
async fn together(
    scheduler: &Arc<Scheduler>,
    model: &Arc<Model>,
    batches: &[Batch],
) -> Vec<Result<Vec<Vec<f32>>, Failure>> {
    let (open, gate) = Gate::closed();
    let hold = move |job: &Arc<Job>| {
        units(job, 1, move |_| {
            gate.pass();
            Ok(())
        })
    };
    let held = scheduler.run(expected(0.01), hold);
    let forwards = batches.iter().map(|batch| {
        let (model, batch) = (model.clone(), batch.clone());
        let logits = move |job: &Arc<Job>| Ok(job.logits(&model, vec![batch])?);
        scheduler.run(expected(0.01), logits)
    });
    let release = async {
        until_ready(scheduler, batches.len()).await;
        drop(open);
    };
    // The one that holds the worker is first.
    let (_, outcomes, ()) = tokio::join!(biased; held, join_all(forwards), release);
    outcomes
}

#[tokio::test]
async fn forward_passes_that_wait_together_run_as_one_with_the_bits_of_each_alone() {
    let (scheduler, model) = (scheduler(1), tiny_model());
    let batches: Vec<Batch> = [5, 9, 3, 12, 7].map(|tokens| batch(&model, tokens)).into();
    let outcomes = together(&scheduler, &model, &batches).await;
    for (batch, logits) in batches.iter().zip(outcomes) {
        assert_eq!(logits.unwrap(), logits_of(&model, std::slice::from_ref(batch)).unwrap());
    }
    assert_eq!(figure(&scheduler, "explaind_forward_units_total").as_deref(), Some("5"));
    assert_eq!(figure(&scheduler, "explaind_forward_batches_total").as_deref(), Some("1"));
}

#[tokio::test]
async fn one_that_fails_does_not_fail_those_it_would_have_travelled_with() {
    let (scheduler, model) = (scheduler(1), tiny_model());
    let mut batches: Vec<Batch> = [5, 9, 3].map(|tokens| batch(&model, tokens)).into();
    batches[1].sequences[0].type_ids = vec![99; 9];
    let outcomes = together(&scheduler, &model, &batches).await;
    for (place, outcome) in outcomes.into_iter().enumerate() {
        match place {
            1 => assert!(matches!(outcome, Err(Failure::Internal(_)))),
            _ => assert_eq!(outcome.unwrap(), logits_of(&model, &batches[place..=place]).unwrap()),
        }
    }
}

#[tokio::test]
async fn many_forward_passes_of_one_job_come_back_in_order() {
    let (scheduler, model) = (scheduler(2), tiny_model());
    let batches: Vec<Batch> = (0..300).map(|index| batch(&model, 2 + index % 9)).collect();
    let asked = (model.clone(), batches.clone());
    let logits = scheduler.run(expected(1.0), move |job| Ok(job.logits(&asked.0, asked.1)?)).await.unwrap();
    assert_eq!(logits, logits_of(&model, &batches).unwrap());
    let runs: usize = figure(&scheduler, "explaind_forward_batches_total").unwrap().parse().unwrap();
    assert!(runs < 30, "{runs} runs for some 1800 rows");
}
