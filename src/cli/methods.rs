//! `explaind methods`: in which ways a text can be explained.

use std::io::Write;

use clap::Args;

use super::CommandError;
use crate::explain::method::listed;
use crate::explain::registry;
use crate::render::methods;

#[derive(Args)]
pub struct MethodsArguments {
    /// A method, to be told everything about it.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Print the whole reference as a page of Markdown.
    #[arg(long, conflicts_with = "id")]
    markdown: bool,
}

pub fn methods(arguments: &MethodsArguments) -> Result<(), CommandError> {
    if arguments.markdown {
        // Past anstream: a page is the same wherever it goes.
        let mut output = std::io::stdout().lock();
        return output.write_all(methods::reference().as_bytes()).map_err(CommandError::failure);
    }
    let Some(id) = &arguments.id else {
        anstream::print!("{}", methods::list());
        return Ok(());
    };
    let method = registry::find(id).ok_or_else(|| {
        let known = listed(registry::METHODS.iter().map(|method| method.id()));
        CommandError::usage(format!("there is no method `{id}`; there are {known}"))
    })?;
    anstream::print!("{}", methods::one(method));
    Ok(())
}
