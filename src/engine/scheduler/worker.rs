//! What a worker thread does: units, one after the other, whatever becomes of each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::Shared;
use super::queue::{Load, Turn};
use super::unit::{Forward, Unit, Work};
use crate::explain::crew::logits_of;
use crate::explain::{ExplainError, Passes};
use crate::model::Model;

impl Shared {
    /// Works until the scheduler is gone.
    pub(super) fn work(&self) {
        while let Some(load) = self.next() {
            // The wait of a job is over once a worker is at it.
            load.turns()
                .filter_map(|turn| turn.first_after)
                .for_each(|waited| self.metrics.work_dequeued(waited));
            match load {
                Load::Unit(turn, unit) => self.do_unit(&turn, unit),
                Load::Forwards(forwards) => self.do_forwards(forwards),
            }
        }
    }

    fn do_unit(&self, turn: &Turn, unit: Unit) {
        let (expected, pace) = (unit.expected, unit.pace);
        match unit.work {
            Work::Task(task) => {
                let outcome = self.guarded(task.run);
                self.ended(turn, expected, &pace, turn.began.elapsed().as_secs_f64());
                task.report.tell(outcome);
            }
            Work::Forward(forward) => {
                let outcome = self.guarded(|| logits_of(&forward.model, &[forward.batch]));
                self.ended(turn, expected, &pace, turn.began.elapsed().as_secs_f64());
                forward.report.tell(outcome);
            }
        }
    }

    /// Runs forward passes as one. If that fails, each runs alone: who is at fault fails, the others do not.
    fn do_forwards(&self, units: Vec<(Turn, Unit)>) {
        let began = Instant::now();
        let Some(mut logits) = self.together(&units) else {
            return units.into_iter().for_each(|(turn, unit)| self.do_unit(&turn, unit));
        };
        self.metrics.forwards_together(units.len() as u64);
        let took = began.elapsed().as_secs_f64();
        let rows: usize = units.iter().map(|(_, unit)| unit.rows()).sum();
        let expected: f64 = units.iter().map(|(_, unit)| unit.expected).sum();
        for (turn, unit) in units {
            let share = unit.rows() as f64 / rows.max(1) as f64;
            // Together they are at least as much as the shortest pass.
            let expected = share * expected.max(unit.pace.unit_seconds(Passes::FORWARD, 0));
            self.ended(&turn, expected, &unit.pace, took * share);
            if let Work::Forward(forward) = unit.work {
                let rest = logits.split_off(forward.batch.sequences.len().min(logits.len()));
                forward.report.tell(Ok(std::mem::replace(&mut logits, rest)));
            }
        }
    }

    /// The logits of all units, run as one; none if that failed.
    fn together(&self, units: &[(Turn, Unit)]) -> Option<Vec<Vec<f32>>> {
        let forwards = units.iter().filter_map(|(_, unit)| match &unit.work {
            Work::Forward(forward) => Some(forward),
            Work::Task(_) => None,
        });
        let forwards: Vec<&Forward> = forwards.collect();
        let model: &Arc<Model> = &forwards.first()?.model;
        let batches: Vec<_> = forwards.iter().map(|forward| forward.batch.clone()).collect();
        // A panic is counted when it happens to the one who brings it about.
        catch_unwind(AssertUnwindSafe(|| logits_of(model, &batches))).ok()?.ok()
    }

    /// Does what may panic. What the panic said stays unsaid: it may quote the text. Where it happened, the
    /// panic hook has told.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T, ExplainError>) -> Result<T, ExplainError> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            self.metrics.panicked();
            Err(ExplainError::Panicked)
        })
    }
}
