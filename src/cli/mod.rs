//! The command line: `serve` (the default), `explain`, `diff`, `methods`, `models`, `check-config`, `openapi`, `health`.

mod check_config;
mod diff;
mod dry_run;
mod explain;
mod health;
mod methods;
mod models;
mod openapi;
mod serve;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Loaded, LogFormat, ModelEntry, Overrides, parse_model};

/// Why did the model say that? An HTTP server that explains BERT text classifiers.
#[derive(Parser)]
#[command(name = "explaind", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

const EXAMPLES: &str = "\
Examples:
  explaind                                        serve the bundled model on http://127.0.0.1:8080
  explaind --model tickets=/models/tickets        serve a model of your own
  explaind explain \"a gripping film\"              explain a text here and now
  explaind diff --before OLD --after NEW --data rows.csv --fail-over flips=0.02

Settings come from explaind.toml, EXPLAIND_LISTEN and the like, and these flags; the later wins.";

#[derive(Subcommand)]
enum Command {
    /// Serve explanations over HTTP (what happens without a command).
    Serve,
    /// Explain one text in the terminal.
    Explain(Box<explain::ExplainArguments>),
    /// Compare two models on rows of a file; ends 1 if more has changed than may.
    Diff(Box<diff::DiffArguments>),
    /// List the methods, or tell everything about one.
    Methods(methods::MethodsArguments),
    /// Load the configured models and list them.
    Models,
    /// Check the settings without loading a model, and print each with where it came from.
    CheckConfig,
    /// Print the description of the HTTP API (OpenAPI 3.1, JSON).
    Openapi,
    /// Ask the server that runs with these settings whether it is ready; ends 0 if it is.
    Health,
}

#[derive(Args)]
#[command(next_help_heading = "Settings")]
struct Settings {
    /// Address and port to listen on [default: 127.0.0.1:8080].
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Listen on an address that other machines can reach, though anyone may use it.
    #[arg(long, global = true)]
    insecure: bool,
    /// A configuration file [env: EXPLAIND_CONFIG; default: explaind.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve this model (repeatable; the first is the default; replaces the bundled one).
    #[arg(long = "model", global = true, value_name = "ID=PATH", value_parser = parse_model)]
    models: Vec<ModelEntry>,
    /// Worker threads [default: one for each core].
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// Directory of the embedded database [default: data].
    #[arg(long, global = true, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// Where results are kept: sqlite:PATH, or memory [default: explaind.db in the data directory].
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// What to log: error, warn, info, debug, or tracing's filters [default: info].
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

/// Why a command failed.
struct CommandError {
    message: String,
    code: u8,
}

impl CommandError {
    /// The request or the settings are at fault.
    fn usage(message: impl ToString) -> Self {
        CommandError { message: message.to_string(), code: 2 }
    }

    /// The work itself failed.
    fn failure(message: impl ToString) -> Self {
        CommandError { message: message.to_string(), code: 1 }
    }
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    match dispatch(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}: {}", crate::render::terminal::error_label(), error.message);
            ExitCode::from(error.code)
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<(), CommandError> {
    let file = arguments.settings.config.clone();
    let loaded = Loaded::gather(file.as_deref(), &overrides(arguments.settings));
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            let config = sound(loaded)?;
            start_log(&config)?;
            serve::serve(&config)
        }
        Command::Explain(arguments) => explain::explain(&sound(loaded)?, *arguments),
        Command::Diff(arguments) => diff::diff(&sound(loaded)?, *arguments),
        Command::Methods(arguments) => methods::methods(&arguments),
        Command::Models => models::models(&sound(loaded)?),
        Command::Openapi => openapi::openapi(),
        Command::CheckConfig => check_config::check_config(loaded),
        // What was changed since that server started is not its fault: the address is all that counts.
        Command::Health => health::health(loaded.config.listen),
    }
}

fn overrides(settings: Settings) -> Overrides {
    Overrides {
        listen: settings.listen,
        insecure: settings.insecure.then_some(true),
        threads: settings.threads,
        data_dir: settings.data_dir,
        database_url: settings.database_url,
        log: settings.log,
        models: (!settings.models.is_empty()).then_some(settings.models),
    }
}

fn sound(loaded: Loaded) -> Result<Config, CommandError> {
    loaded.into_config().map_err(CommandError::usage)
}

fn start_log(config: &Config) -> Result<(), CommandError> {
    let filter = config.log_filter().map_err(CommandError::usage)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    std::panic::set_hook(Box::new(tell_of_panic));
    Ok(())
}

/// Where a panic happened, and not what it said: that may quote a text.
fn tell_of_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(location, thread = thread.name().unwrap_or_default(), "panicked");
}
