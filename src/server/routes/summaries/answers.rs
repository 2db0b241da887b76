//! The answers of a job, page by page, as often as they are wanted; beside them what the dataset says of their rows.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;

use crate::dataset::{Datasets, Row};
use crate::engine::Engine;
use crate::identity::DatasetId;
use crate::job::{AnswerLine, Job, Jobs};
use crate::server::desk::HttpDesk;
use crate::server::problem::Problem;
use crate::store::jobs::JobId;
use crate::summary::{Answers, Observation, Reading};

/// Answers that are in memory at a time, at most.
const ANSWERS_AT_ONCE: u32 = 500;

/// Rows of a dataset that are in memory at a time, at most.
const ROWS_AT_ONCE: u32 = 500;

/// The answers of a job that is over. They are read by a thread that may wait: never by one that serves connections.
pub(super) struct JobAnswers {
    pub engine: Arc<Engine>,
    pub runtime: Handle,
    pub job: JobId,
    /// The method whose scores are looked at.
    pub method: Option<String>,
    /// Where labels and groups are looked up; none if nothing is to be found there.
    pub dataset: Option<DatasetId>,
    /// The column that the set is divided by.
    pub group_by: Option<String>,
    /// Somebody who waits for what is made of them. When nobody does, no more is read.
    pub awaited: Weak<()>,
}

impl JobAnswers {
    /// Those of a job, looked at by this method and without groups. Labels are looked up if the dataset is still there
    /// and has any.
    pub async fn of(
        engine: &Arc<Engine>,
        job: &Job,
        method: Option<String>,
        awaited: &Arc<()>,
    ) -> Result<Self, Problem> {
        let dataset = engine.datasets().find(job.dataset).await?;
        // Where there are too many labels to be counted, there are some.
        let has_labels = |labels: &Option<Vec<_>>| labels.as_ref().is_none_or(|labels| !labels.is_empty());
        let labelled = dataset.filter(|dataset| has_labels(&dataset.summary.labels));
        Ok(JobAnswers {
            engine: engine.clone(),
            runtime: Handle::current(),
            job: job.id,
            method,
            dataset: labelled.map(|dataset| dataset.id),
            group_by: None,
            awaited: Arc::downgrade(awaited),
        })
    }

    /// The same, divided by a column of the dataset.
    ///
    /// # Errors
    /// The dataset is gone, or has no such column.
    pub async fn grouped(self, job: &Job, column: String) -> Result<Self, Problem> {
        let refused = |detail: String, remedy: String| Err(Problem::invalid("/group_by", detail, remedy));
        let Some(dataset) = self.engine.datasets().find(job.dataset).await? else {
            let remedy = "leave it out, or send the rows again: they give the same dataset";
            return refused("the dataset of the job was deleted".into(), remedy.into());
        };
        let known = &dataset.summary.metadata;
        if !known.contains(&column) {
            let remedy = match known.is_empty() {
                true => "leave it out: the rows have no metadata".into(),
                false => format!("name a key of the rows' metadata: {}", known.join(", ")),
            };
            return refused("no row has metadata of this name".into(), remedy);
        }
        Ok(JobAnswers { dataset: Some(dataset.id), group_by: Some(column), ..self })
    }

    fn observation(&self, line: AnswerLine, row: Option<Row>) -> Result<Observation, Problem> {
        let reading = match line.failed {
            true => None,
            false => Some(Reading::read(&line.body, self.method.as_deref()).map_err(unreadable)?),
        };
        let value = |column: &String| {
            let value = row.as_ref().and_then(|row| row.metadata.get(column));
            // What is not there is null; a string, a number or a truth can always be written.
            serde_json::to_string(&value).unwrap_or_default()
        };
        let group = self.group_by.as_ref().map(value);
        Ok(Observation { row: line.row, group, label: row.and_then(|row| row.label), reading })
    }
}

impl Answers for JobAnswers {
    type Error = Problem;

    fn each(&self, see: &mut dyn FnMut(&Observation) -> ControlFlow<()>) -> Result<(), Problem> {
        self.each_line(&mut |line, row| Ok(see(&self.observation(line, row)?)))
    }
}

impl JobAnswers {
    /// Shows every answer with the row that it is about, if that is looked up, until it is told to stop.
    pub fn each_line(
        &self,
        see: &mut dyn FnMut(AnswerLine, Option<Row>) -> Result<ControlFlow<()>, Problem>,
    ) -> Result<(), Problem> {
        let jobs = Jobs::of(&self.engine, &HttpDesk);
        let mut rows =
            Rows { datasets: self.engine.datasets(), dataset: self.dataset, page: VecDeque::new() };
        let mut next = Some(0);
        while let Some(first) = next {
            if self.awaited.strong_count() == 0 {
                // Nobody is told.
                return Err(Problem::internal());
            }
            let page = self.runtime.block_on(jobs.answers(self.job, first, ANSWERS_AT_ONCE))?;
            let page = page.ok_or_else(Problem::no_such_job)?;
            for line in page.lines {
                let row = self.runtime.block_on(rows.at(line.row))?;
                if see(line, row)?.is_break() {
                    return Ok(());
                }
            }
            next = page.next.map(|last| last.saturating_add(1));
        }
        Ok(())
    }
}

/// An answer that is none. The error is not told whole: it may quote the text.
pub(super) fn unreadable(_: serde_json::Error) -> Problem {
    tracing::error!("an answer of a job could not be read");
    Problem::internal()
}

/// The rows of a dataset, in their order.
struct Rows<'a> {
    datasets: Datasets<'a>,
    dataset: Option<DatasetId>,
    page: VecDeque<(u64, Option<Row>)>,
}

impl Rows<'_> {
    /// The row of a number, which is greater than the one before; none if it is damaged, or if there is no dataset.
    async fn at(&mut self, number: u64) -> Result<Option<Row>, Problem> {
        let Some(dataset) = self.dataset else { return Ok(None) };
        while self.page.front().is_some_and(|(row, _)| *row < number) {
            self.page.pop_front();
        }
        if self.page.is_empty() {
            let page = self.datasets.readable_rows(dataset, number, ROWS_AT_ONCE).await?;
            self.page = page.ok_or_else(Problem::no_such_dataset)?.into();
        }
        let is_there = self.page.front().is_some_and(|(row, _)| *row == number);
        Ok(if is_there { self.page.pop_front().and_then(|(_, row)| row) } else { None })
    }
}
