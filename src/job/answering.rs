//! A job's question, and the answers about its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Desk, NoQuestion};
use crate::cache::durable::Unavailable;
use crate::cache::now;
use crate::dataset::{DatasetError, Datasets, Row};
use crate::engine::{Engine, Failure, OwnedText, Question};
use crate::identity::DatasetId;
use crate::store::Milliseconds;
use crate::store::jobs::{RowAnswer, StoredJob};

/// Bytes of the largest answer that is kept.
const MOST_ANSWER_BYTES: usize = 16 << 20;

/// Most rows that are read at a time.
const ROWS_AT_ONCE: u64 = 256;

/// How long a job waits for a server with its model before its rows are given up.
const WAIT_FOR_MODEL: Milliseconds = 60 * 60 * 1000;

/// A job's question, ready to be asked.
pub(super) struct Asking<'a> {
    engine: &'a Arc<Engine>,
    desk: &'a dyn Desk,
    dataset: DatasetId,
    /// The question, or the problem that every row gets for an answer.
    question: Result<Arc<Question>, Vec<u8>>,
}

/// Where a job can be worked on.
pub(super) enum Asked<'a> {
    /// Here.
    Here(Asking<'a>),
    /// Only where its very model is served.
    Elsewhere,
}

/// The text of a row; none if it is damaged or gone.
pub(super) type RowText = Option<OwnedText>;

impl<'a> Asking<'a> {
    /// What a job asks.
    ///
    /// # Errors
    /// The database does not answer that keeps what the question is about.
    pub(super) async fn about(
        engine: &'a Arc<Engine>,
        desk: &'a dyn Desk,
        job: &StoredJob,
    ) -> Result<Asked<'a>, Unavailable> {
        let order = &job.order;
        let served = engine.models().iter().find(|model| model.id() == order.model);
        let is_here = served.is_some_and(|model| model.fingerprint() == order.fingerprint);
        let last = job.progressed_at.unwrap_or(order.created_at);
        if !is_here && now() - last < WAIT_FOR_MODEL {
            return Ok(Asked::Elsewhere);
        }
        if !is_here {
            return Ok(Asked::Here(Asking::of_another_model(engine, desk, job)));
        }
        let question = match desk.question(engine, &order.endpoint, &order.request).await {
            Ok(question) => Ok(Arc::new(question)),
            Err(NoQuestion::Invalid(problem)) => Err(problem),
            Err(NoQuestion::Unavailable) => return Err(Unavailable),
        };
        Ok(Asked::Here(Asking { engine, desk, dataset: order.dataset, question }))
    }

    /// A job whose model is gone: all that is told of its rows is that.
    pub(super) fn of_another_model(engine: &'a Arc<Engine>, desk: &'a dyn Desk, job: &StoredJob) -> Self {
        let problem = desk.failure(&Failure::ModelChanged { model: job.order.model.clone() });
        Asking { engine, desk, dataset: job.order.dataset, question: Err(problem) }
    }

    /// The texts of the first of these rows, which are in order: of one at least, if there are any.
    pub(super) async fn texts(&self, rows: &[u64]) -> Result<Vec<(u64, RowText)>, DatasetError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        if self.question.is_err() {
            return Ok(rows.iter().map(|row| (*row, None)).collect());
        }
        let most = u32::try_from((last - first + 1).min(ROWS_AT_ONCE)).unwrap_or(u32::MAX);
        let datasets = Datasets::over(self.engine.cache().durable());
        let page = datasets.readable_rows(self.dataset, *first, most).await?;
        let Some(page) = page.filter(|page| !page.is_empty()) else {
            tracing::error!(dataset = %self.dataset, row = first, "a row of a job is gone");
            return Ok(vec![(*first, None)]);
        };
        let beyond = page.last().map_or(*first, |(row, _)| *row);
        let texts: BTreeMap<u64, RowText> =
            page.into_iter().map(|(row, content)| (row, content.map(text_of))).collect();
        let wanted = rows.iter().take_while(|row| **row <= beyond);
        Ok(wanted.map(|row| (*row, texts.get(row).cloned().flatten())).collect())
    }

    /// The answer about a row: bytes that depend on the question and the text alone.
    pub(super) async fn answer(&self, row: u64, text: RowText) -> RowAnswer {
        let question = match &self.question {
            Ok(question) => question,
            Err(problem) => return RowAnswer { row, failed: true, body: problem.clone() },
        };
        let lost = || Failure::Internal("the text of a row is damaged or gone".into());
        let answer = match text {
            None => Err(lost()),
            Some(text) => self.engine.ask_in_background(question, text).await,
        };
        let answer = answer.and_then(|body| match body.len() {
            0..=MOST_ANSWER_BYTES => Ok(body),
            amount => Err(Failure::TooLarge { amount, limit: MOST_ANSWER_BYTES, unit: "bytes" }),
        });
        match answer {
            Ok(body) => RowAnswer { row, failed: false, body },
            Err(failure) => {
                if let Failure::Internal(reason) = &failure {
                    tracing::error!(row, reason, "a row of a job has no answer");
                }
                RowAnswer { row, failed: true, body: self.desk.failure(&failure) }
            }
        }
    }
}

/// What is asked about in a row.
pub(super) fn text_of(Row { text, text_pair, .. }: Row) -> OwnedText {
    OwnedText { text, text_pair }
}
