//! A job that brings its rows along: JSON lines, of which the first says what is to be asked.

use axum::body::Bytes;
use serde::Deserialize;

use super::order::{Asked, Hashed};
use crate::dataset::{Fault, Format, MOST_ROW_BYTES, Upload, UploadError};
use crate::engine::Engine;
use crate::job::{MOST_ROWS, Order};
use crate::server::desk::Endpoint;
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::strict_value::{StrictMap, optional_name};

/// How some programs begin a file in UTF-8; it says nothing.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const EXAMPLE: &str = "{\"endpoint\": \"explain\", \"request\": {}}, on a line of its own";

/// Lines before those of the rows.
const LINES_BEFORE: u64 = 1;

/// The first line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstLine {
    #[serde(default, deserialize_with = "optional_name")]
    endpoint: Option<Endpoint>,
    request: Option<StrictMap>,
}

/// Reads what is asked, and makes a dataset of the rows as they come.
///
/// # Errors
/// The first fault of any line, told with its number in the body. Nothing is kept then.
pub(super) async fn read(engine: &Engine, body: &mut Hashed<'_>) -> Result<Order, Problem> {
    let (line, rest) = first_line(body).await?;
    let asked = asked(engine, &line).await.map_err(|problem| problem.of_line(LINES_BEFORE))?;
    let mut upload = engine.datasets().upload(Format::JsonLines).await?;
    push(&mut upload, &rest).await?;
    while let Some(bytes) = body.next().await? {
        push(&mut upload, &bytes).await?;
    }
    // A last line without an end gets one, so that its row is counted before there is a dataset.
    push(&mut upload, b"\n").await?;
    let (dataset, _) = upload.finish(None).await.map_err(of_rows)?;
    Ok(asked.about(dataset.id))
}

async fn asked(engine: &Engine, line: &[u8]) -> Result<Asked, Problem> {
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let FirstLine { endpoint, request } = json_body::parsed(line, EXAMPLE)?;
    Asked::new(engine, endpoint, request).await
}

/// The first line, and what came with it of the others.
async fn first_line(body: &mut Hashed<'_>) -> Result<(Vec<u8>, Bytes), Problem> {
    let mut line = Vec::new();
    while let Some(mut bytes) = body.next().await? {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let rest = bytes.split_off(end.map_or(bytes.len(), |end| end + 1));
        line.extend_from_slice(&bytes);
        if line.len() > MOST_ROW_BYTES {
            let detail = format!("the line has more than {MOST_ROW_BYTES} bytes");
            return Err(Problem::invalid("", detail, format!("begin with {EXAMPLE}")).of_line(LINES_BEFORE));
        }
        if end.is_some() {
            return Ok((line, rest));
        }
    }
    Ok((line, Bytes::new()))
}

async fn push(upload: &mut Upload<'_>, bytes: &[u8]) -> Result<(), Problem> {
    upload.push(bytes).await.map_err(of_rows)?;
    match upload.rows() > MOST_ROWS {
        true => Err(Problem::too_many_rows("", format!("there are more than {MOST_ROWS} rows"))),
        false => Ok(()),
    }
}

/// The reader of rows counts their lines; before them there is another one.
fn of_rows(error: UploadError) -> Problem {
    match error {
        UploadError::Fault(fault) => Fault { line: fault.line + LINES_BEFORE, ..fault }.into(),
        error => error.into(),
    }
}
