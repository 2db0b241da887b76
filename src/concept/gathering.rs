//! The states of many texts, brought together: from the cache where they are there, and computed where they are not.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use serde::Deserialize;

use super::{Fault, UNHURRIED, learning};
use crate::dataset::Row;
use crate::engine::answer::{PredictionView, StatesView, TokenView, WordView, states};
use crate::engine::{Engine, Failure, OwnedText, Question, StatesPlan, StatesRequest, Visit};
use crate::explain::concept::{Examples, Pooling};
use crate::identity::DatasetId;
use crate::job::{JobError, Jobs, SharedDesk};
use crate::model::{Matrix, Model};
use crate::store::jobs::JobId;

/// Most numbers that are held of the states of all texts together: 512 MB of them.
const MOST_NUMBERS: usize = 128_000_000;

/// Answers that are read in one piece of work.
const READ_AT_ONCE: usize = 32;

/// Answers of a job that are read at a time.
const PAGE: u32 = 200;

/// What is to be brought together.
pub struct Gathering {
    /// Who computes.
    pub engine: Arc<Engine>,
    /// The model whose states are wanted.
    pub model: Arc<Model>,
    /// Which states, which rows of them, and whether with the slopes of the logits.
    pub request: StatesRequest,
}

/// The states of some texts.
#[derive(Debug, Default)]
pub struct States {
    /// The hidden states that there are.
    pub layers: Vec<usize>,
    /// Of each: `[rows, hidden]`.
    pub rows: Vec<Matrix>,
    /// The text of each row.
    pub texts: Vec<usize>,
    /// Of each text, the slopes of the logits: `[label][layer][hidden]`, one after the other; empty unless asked for.
    pub slopes: Vec<Vec<f32>>,
    /// What the model says of each text.
    pub predictions: Vec<PredictionView>,
    /// The words of each text, and the word of each of its tokens; empty unless rows are tokens.
    pub words: Vec<Wording>,
}

/// The words of a text.
#[derive(Debug, Clone, Default)]
pub struct Wording {
    /// The words in order.
    pub words: Vec<String>,
    /// For each token, its word; none for special tokens.
    pub of_tokens: Vec<Option<usize>>,
}

/// What is read of an answer.
#[derive(Deserialize)]
struct Answered {
    prediction: PredictionView,
    tokens: Vec<TokenView>,
    words: Vec<WordView>,
    states: StatesView,
}

impl Gathering {
    /// The states of these texts, in their order; `pointer` says where each stands in the request.
    ///
    /// # Errors
    /// A text that cannot be worked on, too many numbers, or what keeps the engine from answering.
    pub async fn of(&self, texts: &[OwnedText], pointer: impl Fn(usize) -> String) -> Result<States, Fault> {
        let plan = StatesPlan::new(self.model.clone(), self.request.clone())?;
        let question = Arc::new(Question::Inquiry(Box::new(plan)));
        let visit = Visit::of(UNHURRIED).with_texts(&self.engine, &question, texts.iter());
        let at_a_time = self.engine.texts_at_a_time();
        let (visit, question) = (&visit, &question);
        let asking = texts.iter().cloned().map(|text| self.engine.ask_patiently(visit, question, text));
        let mut answers = stream::iter(asking).buffered(at_a_time);
        let (mut states, mut bodies, mut number) = (States::default(), Vec::new(), 0);
        while let Some(told) = answers.next().await {
            bodies.push(told.map_err(|failure| of_text(failure, pointer(number)))?.body);
            number += 1;
            if bodies.len() == READ_AT_ONCE || number == texts.len() {
                states = self.read(states, std::mem::take(&mut bodies), States::take).await?;
            }
        }
        Ok(states)
    }

    /// Has answers read by the threads that do all computing: together they are large.
    async fn read<T: Send + 'static, A: Send + 'static>(
        &self,
        mut into: T,
        answers: Vec<A>,
        take: impl Fn(&mut T, A, Pooling) -> Result<(), Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let pooling = self.request.pooling;
        let read = move || {
            answers.into_iter().try_for_each(|answer| take(&mut into, answer, pooling))?;
            Ok(into)
        };
        Ok(self.engine.work_alone(0.0, read).await?)
    }
}

/// A text's own fault says where it stands; what ails the server does not.
fn of_text(failure: Failure, pointer: String) -> Fault {
    match failure {
        Failure::Text(_) | Failure::NotFinite | Failure::TooLarge { .. } => Fault::Text { pointer, failure },
        other => Fault::Failed(other),
    }
}

impl States {
    /// Takes in the answer about the next text.
    ///
    /// # Errors
    /// It is none of ours, or there are too many numbers by now.
    pub fn take(&mut self, body: Vec<u8>, pooling: Pooling) -> Result<(), Fault> {
        let unreadable = || Failure::Internal("the states of a text cannot be read".into());
        let answered: Answered = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        let StatesView { layers, rows, width, values, gradients, .. } = answered.states;
        let values = states::decoded(&values).filter(|values| values.len() == layers.len() * rows * width);
        let values = values.ok_or_else(unreadable)?;
        if self.rows.is_empty() {
            self.rows = vec![Matrix { values: Vec::new(), width }; layers.len()];
            self.layers = layers;
        }
        let text = self.predictions.len();
        for (all, of_text) in self.rows.iter_mut().zip(values.chunks_exact((rows * width).max(1))) {
            all.values.extend_from_slice(of_text);
        }
        self.texts.extend(std::iter::repeat_n(text, rows));
        if let Some(gradients) = gradients {
            self.slopes.push(states::decoded(&gradients).ok_or_else(unreadable)?);
        }
        if pooling == Pooling::Tokens {
            self.words.push(Wording {
                words: answered.words.into_iter().map(|word| word.text).collect(),
                of_tokens: answered.tokens.into_iter().map(|token| token.word).collect(),
            });
        }
        self.predictions.push(answered.prediction);
        // Every text has as many slopes.
        let slopes = self.slopes.len() * self.slopes.first().map_or(0, Vec::len);
        match self.rows.iter().map(|rows| rows.values.len()).sum::<usize>() + slopes {
            0..=MOST_NUMBERS => Ok(()),
            _ => Err(Fault::field(
                "",
                format!("the states of the texts have more than {MOST_NUMBERS} numbers"),
                "send fewer texts, name one `layer`, or pool by `mean` or `cls`",
            )),
        }
    }

    /// How many texts there are.
    pub fn count(&self) -> usize {
        self.predictions.len()
    }

    /// The same texts as examples, at one of the hidden states by its place in `layers`.
    pub fn examples(&self, place: usize, is_concept: Vec<bool>) -> Examples {
        Examples { rows: self.rows[place].clone(), texts: self.texts.clone(), is_concept }
    }

    /// The slope of a label's logit at one of the hidden states, by its place, for a text.
    pub fn slope(&self, text: usize, label: usize, place: usize) -> &[f32] {
        let width = self.rows[place].width;
        &self.slopes[text][(label * self.layers.len() + place) * width..][..width]
    }

    /// Some of the texts, by their numbers, ascending.
    pub fn some(&self, texts: &[usize]) -> States {
        let mut place = vec![None; self.count()];
        texts.iter().enumerate().for_each(|(new, old)| place[*old] = Some(new));
        let kept: Vec<(usize, usize)> =
            self.texts.iter().enumerate().filter_map(|(row, text)| Some((row, place[*text]?))).collect();
        let some = |rows: &Matrix| Matrix {
            values: kept.iter().flat_map(|(row, _)| rows.row(*row)).copied().collect(),
            width: rows.width,
        };
        let each = |texts: &[usize]| texts.to_vec();
        States {
            layers: self.layers.clone(),
            rows: self.rows.iter().map(some).collect(),
            texts: kept.iter().map(|(_, text)| *text).collect(),
            slopes: each(texts).into_iter().filter_map(|text| self.slopes.get(text).cloned()).collect(),
            predictions: texts.iter().map(|text| self.predictions[*text].clone()).collect(),
            words: texts.iter().filter_map(|text| self.words.get(*text).cloned()).collect(),
        }
    }

    /// These texts, and behind them others at the same layers.
    pub fn joined(mut self, others: States) -> States {
        let before = self.count();
        if self.rows.is_empty() {
            return others;
        }
        for (own, more) in self.rows.iter_mut().zip(others.rows) {
            own.values.extend(more.values);
        }
        self.texts.extend(others.texts.into_iter().map(|text| before + text));
        self.slopes.extend(others.slopes);
        self.predictions.extend(others.predictions);
        self.words.extend(others.words);
        self
    }
}

/// The rows of a dataset, whose states are asked for one by one, or were by a job.
pub struct Rows {
    /// The dataset.
    pub dataset: DatasetId,
    /// Where it is named in the request.
    pub pointer: String,
    /// The finished job that has asked for the same states of all rows, with how it tells of failures; none where they are
    /// few enough to be asked for while somebody waits.
    pub job: Option<(JobId, SharedDesk)>,
}

/// Rows with their states, without those that have none.
#[derive(Debug, Default)]
pub struct RowStates {
    /// The number of each row in the dataset.
    pub numbers: Vec<u64>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Their states, in the same order.
    pub states: States,
    /// Rows of the dataset that have no states: too long, or without a word.
    pub failed: u64,
}

impl Gathering {
    /// The states of the rows of a dataset. A row that cannot be worked on is left out, and counted.
    ///
    /// # Errors
    /// A dataset that is gone, too many numbers, or what keeps the engine from answering.
    pub async fn of_rows(&self, of: &Rows) -> Result<RowStates, Fault> {
        match &of.job {
            None => self.asked(of).await,
            Some((job, desk)) => self.answered(of, *job, desk).await,
        }
    }

    async fn asked(&self, of: &Rows) -> Result<RowStates, Fault> {
        let rows = learning::rows(&self.engine, of.dataset, &of.pointer).await?;
        let plan = StatesPlan::new(self.model.clone(), self.request.clone())?;
        let question = Arc::new(Question::Inquiry(Box::new(plan)));
        let texts: Vec<OwnedText> = rows.iter().cloned().map(text_of).collect();
        let visit = Visit::of(UNHURRIED).with_texts(&self.engine, &question, texts.iter());
        let (visit, question) = (&visit, &question);
        let asking = texts.into_iter().map(|text| self.engine.ask_patiently(visit, question, text));
        let mut answers = stream::iter(asking).buffered(self.engine.texts_at_a_time());
        let (mut found, mut answered) = (RowStates::default(), Vec::new());
        for (number, row) in (0..).zip(rows) {
            match answers.next().await {
                Some(Ok(told)) => answered.push((number, row, told.body)),
                Some(Err(failure)) => match of_text(failure, of.pointer.clone()) {
                    Fault::Text { .. } => found.failed += 1,
                    fault => return Err(fault),
                },
                None => {}
            }
            if answered.len() == READ_AT_ONCE {
                found = self.read(found, std::mem::take(&mut answered), RowStates::take).await?;
            }
        }
        self.read(found, answered, RowStates::take).await
    }

    async fn answered(&self, of: &Rows, job: JobId, desk: &SharedDesk) -> Result<RowStates, Fault> {
        let gone = || Fault::NoDataset { pointer: of.pointer.clone() };
        let unavailable = |_: JobError| Fault::Unavailable;
        let jobs = Jobs::of(&self.engine, desk.as_ref());
        let mut found = RowStates::default();
        let mut first = Some(0);
        while let Some(from) = first {
            let page = jobs.answers(job, from, PAGE).await.map_err(unavailable)?.ok_or_else(gone)?;
            let beyond = page.lines.last().map_or(from, |line| line.row);
            let count = u32::try_from(beyond - from + 1).unwrap_or(u32::MAX);
            let mut rows = std::collections::BTreeMap::new();
            while (rows.len() as u64) < u64::from(count) {
                let next = from + rows.len() as u64;
                let left = count - u32::try_from(rows.len()).unwrap_or(count);
                let some = self.engine.datasets().rows(of.dataset, next, left).await?.ok_or_else(gone)?;
                if some.rows.is_empty() {
                    return Err(gone());
                }
                rows.extend(some.rows);
            }
            let mut answered = Vec::new();
            for line in page.lines {
                match (line.failed, rows.remove(&line.row)) {
                    (false, Some(row)) => answered.push((line.row, row, line.body)),
                    (true, _) if !is_of_the_text(&line.body) => return Err(lost()),
                    _ => found.failed += 1,
                }
            }
            found = self.read(found, answered, RowStates::take).await?;
            first = page.next.map(|last| last + 1);
        }
        Ok(found)
    }
}

impl RowStates {
    fn take(&mut self, (number, row, body): (u64, Row, Vec<u8>), pooling: Pooling) -> Result<(), Fault> {
        self.states.take(body, pooling)?;
        self.numbers.push(number);
        self.rows.push(row);
        Ok(())
    }
}

/// Whether a problem that a row has for an answer is the text's own, which it will always have.
fn is_of_the_text(problem: &[u8]) -> bool {
    let status = |problem: serde_json::Value| problem.get("status")?.as_u64();
    let status = serde_json::from_slice(problem).ok().and_then(status);
    status.is_some_and(|status| (400..500).contains(&status))
}

fn lost() -> Fault {
    Fault::Failed(Failure::Internal(
        "rows of the job about a dataset failed for reasons of the server's".into(),
    ))
}

fn text_of(row: Row) -> OwnedText {
    OwnedText { text: row.text, text_pair: row.text_pair }
}
