//! `explaind diff`: what a new model says otherwise than the one in use, and why; a gate for new versions.

mod asking;
mod bounds;
mod data;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::CommandError;
use super::explain::{invalid, target};
use crate::config::Config;
use crate::dataset::Row;
use crate::engine::plan::ExplainRequest;
use crate::engine::{ExplainPlan, ModelSource, Question, Scheduler};
use crate::model::Model;
use crate::render;
use crate::summary::comparison::{Comparison, Named, compare};
use crate::summary::{Observation, Options};
use asking::Asking;
use bounds::{Bound, Checked};

/// Both models are asked about the same rows, which need no other name.
const ROWS: [u8; 32] = [0; 32];

#[derive(Args)]
pub struct DiffArguments {
    /// Directory of the model that is in use.
    #[arg(long, value_name = "DIRECTORY")]
    before: PathBuf,
    /// Directory of the new model.
    #[arg(long, value_name = "DIRECTORY")]
    after: PathBuf,
    /// The rows to ask about: CSV with a header (.csv), or JSON lines (.jsonl).
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The method that explains.
    #[arg(long, value_name = "ID", default_value = "input_x_gradient")]
    method: String,
    /// The class to explain: predicted, all, a label, or an index.
    #[arg(long, default_value = "all")]
    target: String,
    /// Read the beginning of a text that is longer than a model takes.
    #[arg(long)]
    truncate: bool,
    /// End with status 1 if flips (a share) or accuracy-drop are over this, or spearman is below it (repeatable).
    #[arg(long = "fail-over", value_name = "FIGURE=NUMBER", value_parser = bounds::parse)]
    bounds: Vec<Bound>,
    /// Words and rows in the JSON, at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: u16,
    /// Texts in which a word must occur to be compared.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    minimum_texts: u64,
    /// Resamples behind every interval.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(100..=10_000))]
    resamples: u16,
    /// What the resamples are drawn by, and for methods that sample.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    method: &'a str,
    comparison: &'a Comparison,
    bounds: &'a [Checked],
}

pub fn diff(config: &Config, arguments: DiffArguments) -> Result<(), CommandError> {
    bounds::check_each_is_there_once(&arguments.bounds)?;
    let rows = data::rows(&arguments.data)?;
    let [before, after] = [("before", &arguments.before), ("after", &arguments.after)]
        .map(|(name, directory)| question(config, name, directory, &arguments));
    let (before, after) = (before?, after?);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(CommandError::failure)?;
    let scheduler = Scheduler::new(config.threads, Arc::default()).map_err(CommandError::failure)?;
    let asking = Asking { runtime: &runtime, scheduler: &scheduler, method: &arguments.method, rows: &rows };
    let before = asking.answers("before", &before)?;
    let after = asking.answers("after", &after)?;
    let comparison = compared(&before, &after, &arguments)?;
    let checked: Vec<Checked> =
        arguments.bounds.iter().map(|bound| Checked::new(*bound, &comparison)).collect();
    match arguments.json {
        true => print_json(&Report { method: &arguments.method, comparison: &comparison, bounds: &checked })?,
        false => print(&comparison, &arguments.method, &rows, &checked),
    }
    let broken: Vec<String> = checked.iter().filter_map(Checked::complaint).collect();
    match broken.is_empty() {
        true => Ok(()),
        false => Err(CommandError::failure(broken.join("; "))),
    }
}

/// The question that a model is asked about every row.
fn question(
    config: &Config,
    name: &str,
    directory: &Path,
    arguments: &DiffArguments,
) -> Result<Arc<Question>, CommandError> {
    let source = ModelSource { id: name.into(), path: directory.into() };
    let model: Arc<Model> = source.load(config.device).map(Arc::new).map_err(CommandError::failure)?;
    let request = ExplainRequest {
        target: target(&arguments.target, &model),
        methods: Some(vec![arguments.method.clone()]),
        truncate: arguments.truncate,
        seed: arguments.seed,
        ..ExplainRequest::default()
    };
    let plan = ExplainPlan::new(model, request).map_err(|fault| {
        let CommandError { message, code } = invalid(fault);
        CommandError { message: format!("the model {name}: {message}"), code }
    })?;
    Ok(Arc::new(Question::Explain(plan)))
}

fn compared(
    before: &[Observation],
    after: &[Observation],
    arguments: &DiffArguments,
) -> Result<Comparison, CommandError> {
    let options = Options {
        top: arguments.top.into(),
        minimum_texts: arguments.minimum_texts,
        resamples: arguments.resamples.into(),
        seed: arguments.seed,
        ..Options::default()
    };
    let [a, b] = [before, after].map(|answers| Named { texts: ROWS, answers });
    Ok(compare(&a, &b, &options).map_err(CommandError::failure)?.whole)
}

fn print(comparison: &Comparison, method: &str, rows: &[Row], checked: &[Checked]) {
    let text = |row: u64| Some(rows.get(usize::try_from(row).ok()?)?.text.as_str());
    anstream::print!("{}", render::comparison::comparison(comparison, method, &text));
    for (place, checked) in checked.iter().enumerate() {
        let gap = if place == 0 { "\n" } else { "" };
        anstream::println!("{gap}{}", checked.told());
    }
}

fn print_json(report: &Report<'_>) -> Result<(), CommandError> {
    let json = serde_json::to_vec(report).map_err(CommandError::failure)?;
    // Past anstream, which would take control characters out of the words themselves.
    let mut output = std::io::stdout().lock();
    output.write_all(&json).and_then(|()| output.write_all(b"\n")).map_err(CommandError::failure)
}
