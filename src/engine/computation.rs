//! The task of a flight: what no other server is at is computed, and the rest is waited for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::admission::{Errand, Place};
use super::awaited::Awaited;
use super::demand::Demand;
use super::flight::Duty;
use super::question::Computed;
use super::scheduler::Expected;
use super::{Engine, Failure, OwnedText, Question};
use crate::cache::durable::Claim;
use crate::cache::memory::Record;
use crate::cache::now;
use crate::identity::ResultKey;

/// A result that a flight has brought.
#[derive(Debug, Clone)]
pub struct Landed {
    /// What it is.
    pub record: Arc<Record>,
    /// How long it waited for a worker.
    pub queued: Duration,
    /// How long a worker took for it.
    pub took: Duration,
    /// It was computed elsewhere, or before.
    pub was_known: bool,
}

/// What became of a key.
pub type Outcome = Result<Landed, Failure>;

/// What a flight has to do.
pub struct Work {
    /// What is asked,
    pub question: Arc<Question>,
    /// and of which text.
    pub text: OwnedText,
    /// Until the last of its keys is about to land.
    pub place: Option<Arc<Place>>,
    /// The work on this text, as the door counts it.
    pub errand: Arc<Errand>,
    /// Whether somebody waits for it.
    pub awaited: Awaited,
    /// Whether the database is asked first, and other servers are told.
    pub is_shared: bool,
}

/// How soon it is looked for what another server computes,
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// and at least how often from then on.
const LAST_LOOK: Duration = Duration::from_millis(200);

impl Engine {
    /// The task of a flight: computes what no other server is at, and waits for the rest.
    pub(super) async fn fly(self: Arc<Self>, mut duty: Duty<ResultKey, Outcome>, mut work: Work) {
        if !work.is_shared {
            let keys = duty.keys();
            let mut claim = Claim::of_ones_own(keys.clone());
            if let Err(failure) = self.compute(&mut duty, &mut work, &mut claim, keys).await {
                duty.land_rest(&Err(failure));
            }
            return;
        }
        let mut pause = FIRST_LOOK;
        self.land_what_is_known(&mut duty).await;
        while !duty.keys().is_empty() {
            let mut claim = self.cache.claim(duty.keys()).await;
            if claim.keys().is_empty() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_LOOK);
                self.land_what_is_known(&mut duty).await;
                continue;
            }
            // Who had a key before may have written its result since it was looked for.
            if self.cache.is_shared() {
                self.land_what_is_known(&mut duty).await;
            }
            let open = duty.keys();
            let wanted: Vec<ResultKey> =
                claim.keys().iter().copied().filter(|key| open.contains(key)).collect();
            if wanted.is_empty() {
                continue;
            }
            if let Err(failure) = self.compute(&mut duty, &mut work, &mut claim, wanted).await {
                duty.land_rest(&Err(failure));
                return;
            }
        }
    }

    /// Computes some of the keys of a flight.
    async fn compute(
        &self,
        duty: &mut Duty<ResultKey, Outcome>,
        work: &mut Work,
        claim: &mut Claim,
        wanted: Vec<ResultKey>,
    ) -> Result<(), Failure> {
        let (sender, mut computed) = mpsc::unbounded_channel::<(Computed, Duration)>();
        let Work { question, text, place, errand, awaited, .. } = work;
        let pace = self.pace(question.model());
        let seconds = question.probable_demand(text).need(&pace).seconds;
        let progress = errand.progress().clone();
        let (asked, sent, told, keys) = (question.clone(), text.clone(), errand.clone(), wanted.clone());
        let expected = Expected { seconds, pace: pace.clone(), progress, awaited: awaited.clone() };
        let awaited = awaited.clone();
        let draft = duty.draft().clone();
        let running = self.scheduler.run(expected, move |job| {
            let settle = |demand: Demand| {
                let need = demand.need(&pace);
                job.settle(need.seconds);
                told.settle(need);
            };
            let mut called_off = false;
            asked.compute(&sent, &keys, job, &draft, settle, &mut |result| {
                called_off |= matches!(result.outcome, Err(Failure::Cancelled));
                // Nobody there to receive it means that it was called off.
                let _ = sender.send((result, job.waited()));
            });
            if called_off { Err(Failure::Cancelled) } else { Ok(()) }
        });
        tokio::pin!(running);
        let outcome = loop {
            tokio::select! {
                biased;
                Some((result, waited)) = computed.recv() => {
                    // Who has the whole answer may come again at once, and there is room then.
                    if duty.keys() == [result.key] {
                        errand.end();
                        *place = None;
                    }
                    self.land(duty, claim, result, waited, &awaited);
                }
                outcome = &mut running => break outcome,
            }
        };
        while let Ok((result, waited)) = computed.try_recv() {
            self.land(duty, claim, result, waited, &awaited);
        }
        let open = duty.keys();
        match outcome {
            Ok(()) if wanted.iter().any(|key| open.contains(key)) => {
                Err(Failure::Internal("a part was not computed".into()))
            }
            outcome => outcome,
        }
    }

    /// Between its look into the cache and its boarding, another flight may have landed; and another server
    /// may have been at it.
    async fn land_what_is_known(&self, duty: &mut Duty<ResultKey, Outcome>) {
        let at_once =
            |record| Ok(Landed { record, queued: Duration::ZERO, took: Duration::ZERO, was_known: true });
        for key in duty.keys() {
            if let Some(record) = self.cache.remembered(key) {
                duty.land(key, at_once(record));
            }
        }
        for (key, record) in self.cache.kept(&duty.keys()).await.unwrap_or_default() {
            duty.land(key, at_once(record));
        }
    }

    fn land(
        &self,
        duty: &mut Duty<ResultKey, Outcome>,
        claim: &mut Claim,
        computed: Computed,
        queued: Duration,
        awaited: &Awaited,
    ) {
        let took = computed.took;
        let outcome = computed.outcome.map(|made| {
            self.metrics.computed(computed.part, took);
            // What nobody has asked for takes no room from what somebody may ask for again.
            let record = match awaited.is_so() {
                true => self.cache.remember(computed.key, made.body, made.warnings),
                false => Arc::new(Record::new(made.body, made.warnings, now())),
            };
            Landed { record, queued, took, was_known: false }
        });
        // Nothing will be written of what failed: others may try at once.
        if outcome.is_ok() {
            claim.made(computed.key);
        }
        duty.land(computed.key, outcome);
    }
}
