//! What a job has answered as a table (CSV, RFC 4180): scores of words, or of labels where nothing is explained.

use csv_core::{Terminator, WriteResult, Writer, WriterBuilder};
use serde::Deserialize;

use crate::engine::Answer;
use crate::engine::answer::PredictionView;
use crate::explain::granularity::Granularity;
use crate::job::AnswerLine;

/// Bytes that are written at a time.
const PIECE: usize = 1024;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// A word, a token or a sentence, with its score of one method for one target.
    Units,
    /// A label with its probability.
    Labels,
}

/// What is read of an answer that explains nothing: attention maps may be millions of numbers.
#[derive(Deserialize)]
struct Predicted {
    prediction: PredictionView,
}

/// Lines of a table.
struct Lines {
    writer: Writer,
    bytes: Vec<u8>,
    /// Whether the line under way has a cell.
    is_begun: bool,
}

impl Columns {
    /// The line with the names.
    pub fn names(self) -> Vec<u8> {
        let names: &[&str] = match self {
            Columns::Units => &[
                "row",
                "text",
                "prediction",
                "method",
                "target",
                "unit",
                "start",
                "end",
                "token_or_word",
                "score",
            ],
            Columns::Labels => &["row", "prediction", "label", "score"],
        };
        let mut lines = Lines::new();
        lines.add(names);
        lines.bytes
    }

    /// The lines of some answers. Rows that failed have none.
    ///
    /// # Errors
    /// An answer of our own cannot be read. The error may quote the text.
    pub fn lines(self, answers: &[AnswerLine]) -> Result<Vec<u8>, serde_json::Error> {
        let mut lines = Lines::new();
        for answer in answers.iter().filter(|answer| !answer.failed) {
            let row = answer.row.to_string();
            match self {
                Columns::Units => lines.add_units(&row, &serde_json::from_slice(&answer.body)?),
                Columns::Labels => {
                    let Predicted { prediction } = serde_json::from_slice(&answer.body)?;
                    lines.add_labels(&row, &prediction);
                }
            }
        }
        Ok(lines.bytes)
    }
}

impl Lines {
    fn new() -> Self {
        let writer = WriterBuilder::new().terminator(Terminator::CRLF).build();
        Lines { writer, bytes: Vec::new(), is_begun: false }
    }

    fn add_units(&mut self, row: &str, answer: &Answer) {
        let prediction = said(&answer.prediction);
        for explanation in answer.explanations.iter().flatten() {
            let target = explanation.target.as_ref().map_or("", |target| &target.label);
            let unit = explanation.granularity.name();
            for ((segment, start, end, name), score) in
                places(answer, explanation.granularity).into_iter().zip(&explanation.scores)
            {
                // Characters are counted in the unit's own text, the first or the second.
                let text = if segment == 0 { Some(&answer.text) } else { answer.text_pair.as_ref() };
                let text = text.map_or("", String::as_str);
                let (start, end, score) = (start.to_string(), end.to_string(), score.to_string());
                let method = &explanation.method;
                self.add(&[row, text, &prediction, method, target, unit, &start, &end, name, &score]);
            }
        }
    }

    fn add_labels(&mut self, row: &str, prediction: &PredictionView) {
        let said = said(prediction);
        for scored in &prediction.scores {
            self.add(&[row, &said, &scored.label, &scored.score.to_string()]);
        }
        // A regression has a value and no labels.
        if let Some(value) = prediction.value {
            self.add(&[row, &said, "", &value.to_string()]);
        }
    }

    fn add(&mut self, cells: &[&str]) {
        for cell in cells {
            if self.is_begun {
                self.write(|writer, piece| writer.delimiter(piece));
            }
            self.is_begun = true;
            let mut rest = cell.as_bytes();
            self.write(|writer, piece| {
                let (result, read, written) = writer.field(rest, piece);
                rest = &rest[read..];
                (result, written)
            });
        }
        self.write(|writer, piece| writer.terminator(piece));
        self.is_begun = false;
    }

    /// Lets the writer write until it has nothing more to say.
    fn write(&mut self, mut say: impl FnMut(&mut Writer, &mut [u8]) -> (WriteResult, usize)) {
        let mut piece = [0; PIECE];
        loop {
            let (result, written) = say(&mut self.writer, &mut piece);
            self.bytes.extend_from_slice(&piece[..written]);
            if result == WriteResult::InputEmpty {
                return;
            }
        }
    }
}

/// The prediction in a cell: the label, the labels over the threshold with semicolons between, or the value.
fn said(prediction: &PredictionView) -> String {
    match (&prediction.label, &prediction.labels, prediction.value) {
        (Some(label), _, _) => label.clone(),
        (None, Some(labels), _) => labels.join(";"),
        (None, None, value) => value.map_or_else(String::new, |value| value.to_string()),
    }
}

/// Where each unit stands, in the order of the scores: in which text, from where to where, and what it says.
fn places(answer: &Answer, granularity: Granularity) -> Vec<(usize, usize, usize, &str)> {
    match granularity {
        Granularity::Token => {
            answer.tokens.iter().map(|token| (token.segment, token.start, token.end, &*token.text)).collect()
        }
        Granularity::Word => {
            answer.words.iter().map(|word| (word.segment, word.start, word.end, &*word.text)).collect()
        }
        Granularity::Sentence => {
            let sentences = answer.sentences.iter().flatten();
            sentences
                .map(|sentence| (sentence.segment, sentence.start, sentence.end, &*sentence.text))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = include_bytes!("../../../../openapi/examples/explain.json");

    fn line(row: u64, failed: bool, body: &[u8]) -> AnswerLine {
        AnswerLine { row, failed, body: body.to_vec() }
    }

    #[test]
    fn each_word_has_a_line_and_what_failed_has_none() {
        let answers = [line(0, true, b"{}"), line(7, false, ANSWER)];
        let table = String::from_utf8(Columns::Units.lines(&answers).unwrap()).unwrap();
        let lines: Vec<&str> = table.split_terminator("\r\n").collect();
        let answer: Answer = serde_json::from_slice(ANSWER).unwrap();
        assert_eq!(lines.len(), answer.words.len());
        let text = "\"A gripping film, though it drags a little.\"";
        let score = answer.explanations.unwrap()[0].scores[3];
        let comma = format!("7,{text},positive,integrated_gradients,positive,word,15,16,\",\",{score}");
        assert_eq!(lines[3], comma);
    }

    #[test]
    fn each_label_has_a_line_and_so_has_a_value() {
        let table = String::from_utf8(Columns::Labels.lines(&[line(2, false, ANSWER)]).unwrap()).unwrap();
        assert!(
            table.starts_with("2,positive,negative,0.06") && table.contains("\r\n2,positive,positive,0.9")
        );
        let value = br#"{"prediction": {"label": null, "index": null, "value": 3.25, "logits": [3.25], "scores": []}}"#;
        assert_eq!(Columns::Labels.lines(&[line(3, false, value)]).unwrap(), b"3,3.25,,3.25\r\n");
    }

    #[test]
    fn quotes_are_doubled_and_long_cells_are_whole() {
        let mut lines = Lines::new();
        let long = "é, ".repeat(PIECE);
        lines.add(&["say \"so\"", "", &long]);
        lines.add(&["", "b"]);
        let expected = format!("\"say \"\"so\"\"\",,\"{long}\"\r\n,b\r\n");
        assert_eq!(String::from_utf8(lines.bytes).unwrap(), expected);
    }
}
