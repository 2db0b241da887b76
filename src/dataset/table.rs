//! Comma-separated values (RFC 4180), with a header that names the columns.

use csv_core::ReadRecordResult;

use super::reader::Numbered;
use super::row::{Scalar, name_problem};
use super::{Fault, MOST_METADATA_KEYS, MOST_NAME_CHARACTERS, MOST_ROW_BYTES, Row};

/// Three that are known by name, and those of metadata.
const MOST_COLUMNS: usize = 3 + MOST_METADATA_KEYS;

/// Bytes that a record may take before more room is made.
const USUAL_RECORD_BYTES: usize = 4 << 10;

const HEADER_REMEDY: &str =
    "begin with a line of column names: text, and perhaps text_pair, label and others, each once";

/// What has been read of the table.
pub(super) struct Table {
    core: csv_core::Reader,
    /// The fields of the record under way, one after the other.
    fields: Vec<u8>,
    /// How much of that is in use.
    written: usize,
    /// Where in it each field ends.
    ends: [usize; MOST_COLUMNS + 1],
    /// How many fields have ended.
    ended: usize,
    /// The line that comes next.
    line: u64,
    /// The line on which the record under way began.
    began: Option<u64>,
    header: Option<Header>,
}

/// What the columns hold, in their order.
struct Header(Vec<Column>);

enum Column {
    Text,
    TextPair,
    Label,
    Metadata(String),
}

impl Default for Table {
    fn default() -> Self {
        let mut core = csv_core::Reader::new();
        // It would look for a byte order mark of its own in what it reads first, if that is long enough.
        core.read_record(b"\n", &mut [0], &mut [0]);
        Table {
            core,
            fields: vec![0; USUAL_RECORD_BYTES],
            written: 0,
            ends: [0; MOST_COLUMNS + 1],
            ended: 0,
            line: 1,
            began: None,
            header: None,
        }
    }
}

impl Table {
    /// Takes the next bytes, and adds the rows that end within them.
    pub(super) fn push(&mut self, mut bytes: &[u8], rows: &mut Vec<Numbered>) -> Result<(), Fault> {
        loop {
            if self.began.is_none() {
                bytes = self.skip_ends_of_lines(bytes);
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let line = *self.began.get_or_insert(self.line);
            let (fields, ends) = (&mut self.fields[self.written..], &mut self.ends[self.ended..]);
            let (outcome, read, written, ended) = self.core.read_record(bytes, fields, ends);
            let (taken, rest) = bytes.split_at(read);
            self.line += taken.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.written += written;
            self.ended += ended;
            bytes = rest;
            match outcome {
                ReadRecordResult::Record => self.end_record(line, rows)?,
                ReadRecordResult::OutputFull => self.make_room(line)?,
                ReadRecordResult::OutputEndsFull => return Err(too_many_columns(line)),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            }
        }
    }

    /// Adds a last row whose line has no end.
    pub(super) fn end(&mut self, rows: &mut Vec<Numbered>) -> Result<(), Fault> {
        let Some(line) = self.began else { return Ok(()) };
        // An end of line ends the row, unless it stands within quotes.
        self.push(b"\n", rows)?;
        match self.began {
            None => Ok(()),
            Some(_) => {
                let remedy = "close the quotes; a quote within quotes is written twice";
                Err(Fault::of_line(line, "a quoted field of the row has no end", remedy))
            }
        }
    }

    /// The reader would skip them too, and not tell on which line a record begins.
    fn skip_ends_of_lines<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (ends, rest) = bytes.split_at(skipped);
        self.line += ends.iter().filter(|byte| **byte == b'\n').count() as u64;
        rest
    }

    fn make_room(&mut self, line: u64) -> Result<(), Fault> {
        if self.fields.len() >= MOST_ROW_BYTES {
            let detail = format!("the row has more than {MOST_ROW_BYTES} bytes");
            return Err(Fault::of_line(
                line,
                detail,
                "shorten the text, or look for quotes that are not closed",
            ));
        }
        self.fields.resize((2 * self.fields.len()).min(MOST_ROW_BYTES), 0);
        Ok(())
    }

    fn end_record(&mut self, line: u64, rows: &mut Vec<Numbered>) -> Result<(), Fault> {
        let mut cells = Vec::with_capacity(self.ended);
        let mut start = 0;
        for end in &self.ends[..self.ended] {
            let Ok(cell) = std::str::from_utf8(&self.fields[start..*end]) else {
                return Err(Fault::of_line(line, "the row is not UTF-8", "send UTF-8"));
            };
            cells.push(cell);
            start = *end;
        }
        match &self.header {
            None => self.header = Some(Header::new(&cells, line)?),
            Some(header) => rows.push(Numbered { line, row: header.row(&cells, line)? }),
        }
        (self.written, self.ended, self.began) = (0, 0, None);
        Ok(())
    }
}

impl Header {
    fn new(names: &[&str], line: u64) -> Result<Self, Fault> {
        if names.len() > MOST_COLUMNS {
            return Err(too_many_columns(line));
        }
        for (place, name) in names.iter().enumerate() {
            if name.is_empty() {
                let detail = format!("column {} has no name", place + 1);
                let remedy = "name it, or leave it out (from pandas: `to_csv(…, index=False)`)";
                return Err(Fault::of_line(line, detail, remedy));
            }
            if let Some(problem) = name_problem(name) {
                let remedy = format!("name columns with 1 to {MOST_NAME_CHARACTERS} characters");
                return Err(Fault::of_line(
                    line,
                    format!("the name of column {} {problem}", place + 1),
                    remedy,
                ));
            }
            if names[..place].contains(name) {
                let detail = format!("two columns are called `{}`", name.escape_debug());
                return Err(Fault::of_field(line, name, detail, "give each column a name of its own"));
            }
        }
        if !names.contains(&"text") {
            return Err(Fault::of_field(line, "text", "no column is called `text`", HEADER_REMEDY));
        }
        let column = |name: &&str| match *name {
            "text" => Column::Text,
            "text_pair" => Column::TextPair,
            "label" => Column::Label,
            other => Column::Metadata(other.to_owned()),
        };
        Ok(Header(names.iter().map(column).collect()))
    }

    /// An empty cell says nothing.
    fn row(&self, cells: &[&str], line: u64) -> Result<Row, Fault> {
        if cells.len() != self.0.len() {
            let detail = format!("the row has {} fields, the header {}", cells.len(), self.0.len());
            let remedy = "give each row a field for each column; put fields with commas or quotes in quotes";
            return Err(Fault::of_line(line, detail, remedy));
        }
        let mut row = Row::default();
        for (column, cell) in self.0.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            let cell = (*cell).to_owned();
            match column {
                Column::Text => row.text = cell,
                Column::TextPair => row.text_pair = Some(cell),
                Column::Label => row.label = Some(cell),
                Column::Metadata(name) => {
                    row.metadata.insert(name.clone(), Scalar::Text(cell));
                }
            }
        }
        row.check(line)?;
        Ok(row)
    }
}

fn too_many_columns(line: u64) -> Fault {
    let detail = format!("the row has more than {MOST_COLUMNS} fields");
    Fault::of_line(line, detail, "leave out columns that are not needed")
}
