//! The texts of a lesson.

use std::collections::HashSet;

use super::Lesson;
use crate::concept::{FEWEST_EXAMPLES, Fault, MOST_EXAMPLES, MOST_ROWS};
use crate::dataset::Row;
use crate::engine::{Engine, OwnedText};
use crate::explain::chance::Chance;
use crate::identity::DatasetId;

/// Texts that scores are measured from, where counter-examples are drawn.
const BACKGROUND: usize = 250;

/// Where examples come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// One by one.
    Texts(Vec<OwnedText>),
    /// Rows of a dataset, perhaps those of one label.
    Dataset {
        /// The dataset.
        id: DatasetId,
        /// The label; none takes every row.
        label: Option<String>,
    },
}

impl Source {
    /// Where a text of a source stands that stands at `pointer`: the rows of a dataset stand nowhere in a request.
    pub(super) fn pointer(&self, pointer: &str, text: usize) -> String {
        match self {
            Source::Texts(_) => format!("{pointer}/{text}"),
            Source::Dataset { .. } => pointer.to_owned(),
        }
    }
}

/// The examples of a lesson.
#[derive(Debug, Clone)]
pub struct Taught {
    pub(super) positives: Vec<OwnedText>,
    pub(super) negatives: Vec<OwnedText>,
    /// Further texts that scores are measured from.
    pub(super) background: Vec<OwnedText>,
    pub(super) drawn_from: Option<DatasetId>,
}

impl Lesson {
    /// The texts of a lesson: counter-examples are drawn, as many as there are examples or all where they are fewer, where
    /// they are a dataset.
    ///
    /// # Errors
    /// A dataset that is not there or too large, too few or too many examples, one that stands on both sides.
    pub async fn taught(&self, engine: &Engine) -> Result<Taught, Fault> {
        let positives = texts(engine, &self.positives, "/positives").await?;
        within("/positives", positives.len())?;
        let given = texts(engine, &self.negatives, "/negatives").await?;
        let Source::Dataset { id, .. } = &self.negatives else {
            within("/negatives", given.len())?;
            if let Some(place) = given.iter().position(|text| positives.contains(text)) {
                let remedy = "leave it out of one of the two lists";
                let detail = "this counter-example is an example, too";
                return Err(Fault::field(format!("/negatives/{place}"), detail, remedy));
            }
            return Ok(Taught { positives, negatives: given, background: Vec::new(), drawn_from: None });
        };
        let examples: HashSet<(&str, Option<&str>)> = positives.iter().map(key).collect();
        let rest: Vec<&OwnedText> = given.iter().filter(|text| !examples.contains(&key(text))).collect();
        if rest.len() < FEWEST_EXAMPLES {
            let detail =
                format!("has {} rows that are no examples; {FEWEST_EXAMPLES} are needed", rest.len());
            return Err(Fault::field("/negatives", detail, "name a dataset with more rows"));
        }
        // Sides of different sizes weigh the same to every learner.
        let wanted = positives.len().min(rest.len());
        let order =
            Chance::new("explaind concept counter-examples v1", self.seed, &[]).permutation(rest.len());
        let drawn = |places: &[usize]| places.iter().map(|place| rest[*place].clone()).collect();
        let behind = &order[wanted..order.len().min(BACKGROUND.max(wanted))];
        Ok(Taught {
            negatives: drawn(&order[..wanted]),
            background: drawn(behind),
            positives: positives.clone(),
            drawn_from: Some(*id),
        })
    }
}

/// The texts of a source that stands at `pointer`, each once: of a dataset, the first of those that are alike.
async fn texts(engine: &Engine, source: &Source, pointer: &str) -> Result<Vec<OwnedText>, Fault> {
    match source {
        Source::Texts(texts) => {
            let mut seen = HashSet::new();
            match texts.iter().position(|text| !seen.insert(key(text))) {
                None => Ok(texts.clone()),
                Some(place) => Err(Fault::field(
                    format!("{pointer}/{place}"),
                    "this text stands there twice: one that is learnt from would also judge what was learnt",
                    "leave it out",
                )),
            }
        }
        Source::Dataset { id, label } => {
            let rows = rows(engine, *id, pointer).await?;
            let is_wanted = |row: &Row| label.is_none() || row.label == *label;
            let texts: Vec<OwnedText> = rows
                .into_iter()
                .filter(is_wanted)
                .map(|row| OwnedText { text: row.text, text_pair: row.text_pair })
                .collect();
            let mut seen = HashSet::new();
            let texts: Vec<OwnedText> = texts.iter().filter(|text| seen.insert(key(text))).cloned().collect();
            match (texts.is_empty(), label) {
                (true, Some(label)) => {
                    let detail = format!("no row of the dataset has the label `{label}`");
                    Err(Fault::field(
                        format!("{pointer}/label"),
                        detail,
                        "GET /v1/datasets/{id} lists its labels",
                    ))
                }
                _ => Ok(texts),
            }
        }
    }
}

/// All rows of a dataset, which must be few enough to be gone through while somebody waits.
pub(in crate::concept) async fn rows(
    engine: &Engine,
    id: DatasetId,
    pointer: &str,
) -> Result<Vec<Row>, Fault> {
    let gone = || Fault::NoDataset { pointer: pointer.to_owned() };
    let datasets = engine.datasets();
    let dataset = datasets.find(id).await?.ok_or_else(gone)?;
    if dataset.rows > MOST_ROWS {
        let detail = format!("the dataset has {} rows; {MOST_ROWS} are taken here", dataset.rows);
        return Err(Fault::field(pointer, detail, "name a smaller dataset: a sample of this one"));
    }
    let (mut rows, mut first) = (Vec::new(), Some(0));
    while let Some(from) = first {
        let page = datasets.rows(id, from, 500).await?.ok_or_else(gone)?;
        rows.extend(page.rows.into_iter().map(|(_, row)| row));
        first = page.next.map(|last| last + 1);
    }
    Ok(rows)
}

fn key(text: &OwnedText) -> (&str, Option<&str>) {
    (&text.text, text.text_pair.as_deref())
}

fn within(pointer: &str, count: usize) -> Result<(), Fault> {
    match (FEWEST_EXAMPLES..=MOST_EXAMPLES).contains(&count) {
        true => Ok(()),
        false => Err(Fault::field(
            pointer,
            format!("there are {count} examples; expected {FEWEST_EXAMPLES} to {MOST_EXAMPLES}"),
            "send more or fewer of them",
        )),
    }
}
