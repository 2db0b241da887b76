//! `explaind explain "text"`: one explanation, in the terminal.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::CommandError;
use crate::cache::Cache;
use crate::config::Config;
use crate::engine::plan::ExplainRequest;
use crate::engine::{
    Answer, Capacity, Engine, ExpectedLabel, ExplainPlan, Failure, Foreseen, Invalid, OwnedText, Question,
    Scheduler, Target, Visit, answer_alone,
};
use crate::explain::faithfulness::Depth;
use crate::explain::granularity::Granularity;
use crate::metrics::Metrics;
use crate::model::Model;
use crate::render::{html, svg, terminal};

/// Longer than anyone waits.
const NO_HURRY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Args)]
pub struct ExplainArguments {
    /// The text; `-` reads it from standard input.
    text: String,
    /// The second text of a pair.
    #[arg(long, value_name = "TEXT")]
    text_pair: Option<String>,
    /// The model to ask, where several are configured [default: the first].
    #[arg(long, value_name = "ID")]
    model_id: Option<String>,
    /// A method (repeatable) [default: integrated_gradients].
    #[arg(long = "method", value_name = "ID")]
    methods: Vec<String>,
    /// A method's options as JSON (repeatable): integrated_gradients='{"steps": 50}'.
    #[arg(long = "options", value_name = "ID=JSON", value_parser = parse_options)]
    options: Vec<(String, Value)>,
    /// The class to explain: predicted, all, a label, or an index.
    #[arg(long, default_value = "predicted")]
    target: String,
    /// The label, or its index, that the model should predict: it is explained, and it is told if the model says
    /// otherwise.
    #[arg(long, value_name = "LABEL", conflicts_with = "target")]
    expected_label: Option<String>,
    /// The unit of the scores.
    #[arg(long, value_enum, default_value = "word")]
    granularity: GranularityArgument,
    /// Figures of how far to trust the scores [default: none].
    #[arg(long, value_enum, value_name = "LEVEL")]
    quality: Option<QualityArgument>,
    /// Explain the beginning of a text that is longer than the model takes.
    #[arg(long)]
    truncate: bool,
    /// For methods that sample, and for figures that do.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print the answer as the server would send it.
    #[arg(long)]
    json: bool,
    /// Only check everything, and tell what the answer would take.
    #[arg(long, conflicts_with_all = ["html", "svg"])]
    dry_run: bool,
    /// Write the answer as a page that stands alone.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the answer as a picture.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum GranularityArgument {
    Token,
    Word,
    Sentence,
}

#[derive(Clone, Copy, ValueEnum)]
enum QualityArgument {
    /// At most ten forward passes an explanation.
    Fast,
    /// All figures.
    Full,
}

pub fn explain(config: &Config, arguments: ExplainArguments) -> Result<(), CommandError> {
    let model = load(config, arguments.model_id.as_deref())?;
    let text = OwnedText { text: read_text(arguments.text)?, text_pair: arguments.text_pair };
    let request = ExplainRequest {
        target: match &arguments.expected_label {
            Some(expected) => Target::Expected(expected_label(expected, &model)),
            None => target(&arguments.target, &model),
        },
        methods: (!arguments.methods.is_empty()).then_some(arguments.methods),
        options: options(arguments.options)?,
        granularity: match arguments.granularity {
            GranularityArgument::Token => Granularity::Token,
            GranularityArgument::Word => Granularity::Word,
            GranularityArgument::Sentence => Granularity::Sentence,
        },
        quality: arguments.quality.map(|level| match level {
            QualityArgument::Fast => Depth::Fast,
            QualityArgument::Full => Depth::Full,
        }),
        truncate: arguments.truncate,
        seed: arguments.seed,
        windows: None,
        altered: None,
    };
    let plan = ExplainPlan::new(model, request).map_err(invalid)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(CommandError::failure)?;
    let scheduler = Scheduler::new(config.threads, Arc::default()).map_err(CommandError::failure)?;
    let question = Arc::new(Question::Explain(plan));
    if arguments.dry_run {
        let foreseen = runtime.block_on(foresee(scheduler, question, text));
        return super::dry_run::print(&foreseen?, arguments.json);
    }
    let json = runtime
        .block_on(answer_alone(&scheduler, &question, text))
        .map_err(|failure| CommandError::failure(told(&failure)))?;
    let answer: Answer = serde_json::from_slice(&json).map_err(CommandError::failure)?;
    if let Some(path) = &arguments.html {
        write(path, &html::answer(&answer))?;
    }
    if let Some(path) = &arguments.svg {
        write(path, &svg::answer(&answer))?;
    }
    if arguments.json {
        // Past anstream, which would take control characters out of the text itself.
        let mut output = std::io::stdout().lock();
        let line = output.write_all(&json).and_then(|()| output.write_all(b"\n"));
        line.map_err(CommandError::failure)?;
    } else if arguments.html.is_none() && arguments.svg.is_none() {
        anstream::print!("{}", terminal::answer(&answer));
    }
    Ok(())
}

/// What the answer would take, on a server that knows nothing yet.
async fn foresee(
    scheduler: Scheduler,
    question: Arc<Question>,
    text: OwnedText,
) -> Result<Foreseen, CommandError> {
    let metrics = Arc::<Metrics>::default();
    let cache = Cache::new(0, None, None, metrics.clone());
    let capacity = Capacity { requests: 1, bytes: usize::MAX };
    let engine = Engine::new(vec![question.model().clone()], scheduler, cache, capacity, metrics);
    let foreseen = engine.foresee(&Visit::of(NO_HURRY), &question, text).await;
    foreseen.map_err(|failure| CommandError::failure(told(&failure)))
}

fn write(path: &Path, drawn: &str) -> Result<(), CommandError> {
    std::fs::write(path, drawn)
        .map_err(|error| CommandError::failure(format!("cannot write {}: {error}", path.display())))
}

fn load(config: &Config, id: Option<&str>) -> Result<Arc<Model>, CommandError> {
    let sources = config.model_sources().map_err(CommandError::usage)?;
    let source = match id {
        None => sources.first(),
        Some(id) => sources.iter().find(|source| source.id == id),
    };
    let Some(source) = source else {
        let known: Vec<&str> = sources.iter().map(|source| source.id.as_str()).collect();
        return Err(CommandError::usage(format!(
            "--model-id: there is no model `{}`; configured: {}",
            id.unwrap_or_default(),
            known.join(", ")
        )));
    };
    source.load(config.device).map(Arc::new).map_err(CommandError::failure)
}

/// A label, or else an index.
pub(super) fn target(argument: &str, model: &Model) -> Target {
    match index(argument, model) {
        Some(index) => Target::Index(index),
        None => Target::named(argument),
    }
}

/// The same for what the model should predict.
fn expected_label(argument: &str, model: &Model) -> ExpectedLabel {
    match index(argument, model) {
        Some(index) => ExpectedLabel::Index(index),
        None => ExpectedLabel::Label(argument.to_owned()),
    }
}

/// A number that is not a label itself.
fn index(argument: &str, model: &Model) -> Option<usize> {
    let is_label = model.config().labels.iter().any(|label| label == argument);
    argument.parse().ok().filter(|_| !is_label)
}

fn options(given: Vec<(String, Value)>) -> Result<Map<String, Value>, CommandError> {
    let mut options = Map::new();
    for (method, value) in given {
        if options.contains_key(&method) {
            return Err(CommandError::usage(format!("--options: those of {method} are given twice")));
        }
        options.insert(method, value);
    }
    Ok(options)
}

fn read_text(argument: String) -> Result<String, CommandError> {
    if argument != "-" {
        return Ok(argument);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| {
        CommandError::usage(format!("standard input cannot be read as UTF-8 text: {error}"))
    })?;
    Ok(text)
}

fn parse_options(argument: &str) -> Result<(String, Value), String> {
    let (id, json) =
        argument.split_once('=').ok_or_else(|| format!("`{argument}` is not of the form ID=JSON"))?;
    let value =
        serde_json::from_str(json).map_err(|error| format!("the options of {id} are not JSON: {error}"))?;
    Ok((id.to_owned(), value))
}

/// The fields of a request have the flags' names.
pub(super) fn invalid(invalid: Invalid) -> CommandError {
    CommandError::usage(format!(
        "{}: {}; {}",
        invalid.pointer.trim_start_matches('/'),
        invalid.detail,
        invalid.remedy
    ))
}

fn told(failure: &Failure) -> String {
    match failure {
        Failure::Text(error) if error.segment() == 1 => format!("the second text {error}"),
        Failure::Text(error) => format!("the text {error}"),
        other => other.to_string(),
    }
}
