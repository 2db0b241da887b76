//! `explaind openapi`: the description of the HTTP API.

use std::io::Write;

use super::CommandError;
use crate::server::document;

pub fn openapi() -> Result<(), CommandError> {
    let mut output = std::io::stdout().lock();
    output.write_all(document::openapi_json().as_bytes()).map_err(CommandError::failure)
}
