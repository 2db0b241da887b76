//! `explaind models`: loads every configured model and says what it is.

use super::CommandError;
use crate::config::Config;
use crate::render::terminal;

pub fn models(config: &Config) -> Result<(), CommandError> {
    for source in config.model_sources().map_err(CommandError::usage)? {
        let model = source.load(config.device).map_err(CommandError::failure)?;
        anstream::print!("{}", terminal::model(&model));
    }
    Ok(())
}
