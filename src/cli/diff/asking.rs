//! One question about every row, here and now, with a line that tells how far it has come.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::runtime::Runtime;

use crate::cli::CommandError;
use crate::dataset::Row;
use crate::engine::{Failure, OwnedText, Question, Scheduler, answer_alone};
use crate::summary::{Observation, Reading};

/// Texts under way for each worker: while the last units of one are done, those of another keep it busy.
const TEXTS_EACH: usize = 2;

/// How often it is told how far it has come: on a terminal, and in the log of a build.
const TOLD_EVERY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What is needed to ask about rows.
pub(super) struct Asking<'a> {
    pub runtime: &'a Runtime,
    pub scheduler: &'a Scheduler,
    /// The method whose scores are kept.
    pub method: &'a str,
    pub rows: &'a [Row],
}

impl Asking<'_> {
    /// What is looked at of the answers about all rows, in their order. A text that the model cannot read has none.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn answers(&self, name: &str, question: &Arc<Question>) -> Result<Vec<Observation>, CommandError> {
        let each = self.rows.iter().zip(0..).map(|(row, number)| self.answer(question, row, number));
        let mut answers = stream::iter(each).buffered(TEXTS_EACH * self.scheduler.threads());
        let mut progress = Progress::new(name, self.rows.len());
        let mut observations = Vec::with_capacity(self.rows.len());
        self.runtime.block_on(async {
            while let Some(observation) = answers.next().await {
                observations.push(observation?);
                progress.tell(observations.len());
            }
            Ok::<(), CommandError>(())
        })?;
        progress.end();
        Ok(observations)
    }

    async fn answer(
        &self,
        question: &Arc<Question>,
        row: &Row,
        number: u64,
    ) -> Result<Observation, CommandError> {
        let text = OwnedText { text: row.text.clone(), text_pair: row.text_pair.clone() };
        let reading = match answer_alone(self.scheduler, question, text).await {
            Ok(answer) => Some(Reading::read(&answer, Some(self.method)).map_err(CommandError::failure)?),
            Err(failure @ (Failure::Internal(_) | Failure::Cancelled)) => {
                return Err(CommandError::failure(format!("row {number}: {failure}")));
            }
            Err(_) => None,
        };
        Ok(Observation { row: number, group: None, label: row.label.clone(), reading })
    }
}

/// The line that tells how far it has come.
struct Progress<'a> {
    name: &'a str,
    all: usize,
    is_on_terminal: bool,
    told_at: Instant,
}

impl<'a> Progress<'a> {
    fn new(name: &'a str, all: usize) -> Self {
        Progress { name, all, is_on_terminal: std::io::stderr().is_terminal(), told_at: Instant::now() }
    }

    fn tell(&mut self, done: usize) {
        let every = if self.is_on_terminal { TOLD_EVERY.0 } else { TOLD_EVERY.1 };
        if self.told_at.elapsed() < every {
            return;
        }
        self.told_at = Instant::now();
        match self.is_on_terminal {
            true => anstream::eprint!("\r{}: {done} of {} rows", self.name, self.all),
            false => anstream::eprintln!("{}: {done} of {} rows", self.name, self.all),
        }
    }

    fn end(&self) {
        let begin = if self.is_on_terminal { "\r" } else { "" };
        anstream::eprintln!("{begin}{}: {} of {} rows", self.name, self.all, self.all);
    }
}
