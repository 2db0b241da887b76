//! A request, checked once and for all against the model, before any text is looked at.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::altered::{self, Altered};
use super::demand::Extent;
use super::windows::WindowsRequest;
use crate::explain::faithfulness::Depth;
use crate::explain::granularity::Granularity;
use crate::explain::method::listed;
use crate::explain::{Configured, Passes, Windows, registry};
use crate::json_pointer::escaped;
use crate::model::{Model, ModelConfig, Prediction, Problem};

/// A field of a request that is understood but not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// JSON pointer to the field.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
}

impl Invalid {
    /// A fault of the field at a JSON pointer.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Invalid { pointer: pointer.into(), detail: detail.into(), remedy: remedy.into() }
    }

    pub(super) fn unknown_model(id: &str, models: &[Arc<Model>]) -> Self {
        let known = listed(models.iter().map(|model| model.id())).into_owned();
        Invalid::new(
            "/model",
            format!("there is no model `{id}`"),
            format!("use one of the served models: {known}"),
        )
    }
}

/// The class or classes to explain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// What the model predicts.
    #[default]
    Predicted,
    /// Every class, one after the other.
    All,
    /// One class, by index.
    Index(usize),
    /// One class, by label.
    Label(String),
    /// The class that the model is expected to predict: it is told if the model says otherwise.
    Expected(ExpectedLabel),
}

/// What a model is expected to predict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedLabel {
    /// A class, by index.
    Index(usize),
    /// A class, by label.
    Label(String),
}

impl ExpectedLabel {
    /// The class of a model that is meant.
    ///
    /// # Errors
    /// The model has no such class, said of the field at `pointer`.
    pub fn class(&self, model: &Model, pointer: &str) -> Result<usize, Invalid> {
        match self {
            ExpectedLabel::Index(index) => by_index(*index, model, pointer, "use an index"),
            ExpectedLabel::Label(label) => by_label(label, model, pointer, "use an index"),
        }
    }
}

impl Target {
    /// The target of a name: `predicted`, `all`, or a label.
    pub fn named(name: &str) -> Self {
        match name {
            "predicted" => Target::Predicted,
            "all" => Target::All,
            label => Target::Label(label.to_owned()),
        }
    }

    /// As it stands in a request: equal targets, equal strings.
    fn canonical(&self) -> String {
        match self {
            Target::Predicted => "predicted".into(),
            Target::All => "all".into(),
            Target::Index(index) => format!("index:{index}"),
            Target::Label(label) => format!("label:{label}"),
            Target::Expected(ExpectedLabel::Index(index)) => format!("expected:index:{index}"),
            Target::Expected(ExpectedLabel::Label(label)) => format!("expected:label:{label}"),
        }
    }
}

/// Everything about an explanation request but the text.
pub struct ExplainPlan {
    pub(super) model: Arc<Model>,
    pub(super) methods: Vec<Box<dyn Configured>>,
    pub(super) target: ResolvedTarget,
    pub(super) target_as_asked: String,
    pub(super) granularity: Granularity,
    pub(super) quality: Option<Depth>,
    pub(super) truncate: bool,
    pub(super) windows: Option<Windows>,
    pub(super) altered: Option<Altered>,
    pub(super) seed: u64,
}

/// A target checked against the model's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResolvedTarget {
    Predicted,
    All,
    Class(usize),
    /// The class that the model is expected to predict.
    Expected(usize),
}

impl ResolvedTarget {
    pub(super) fn classes(self, prediction: &Prediction) -> Vec<usize> {
        match self {
            ResolvedTarget::Predicted => prediction.predicted_classes(),
            ResolvedTarget::All => (0..prediction.logits.len()).collect(),
            ResolvedTarget::Class(class) | ResolvedTarget::Expected(class) => vec![class],
        }
    }

    /// How many classes that is, before there is a prediction: usually, and at most.
    pub(super) fn counts(self, config: &ModelConfig) -> (usize, usize) {
        let all = config.labels.len();
        match (self, config.problem) {
            (ResolvedTarget::All, _) => (all, all),
            (ResolvedTarget::Predicted, Problem::MultiLabel) => (1, all),
            (ResolvedTarget::Predicted | ResolvedTarget::Class(_) | ResolvedTarget::Expected(_), _) => (1, 1),
        }
    }
}

/// The fields of an explanation request, as yet unchecked.
#[derive(Debug, Clone, Default)]
pub struct ExplainRequest {
    /// The class or classes to explain.
    pub target: Target,
    /// Method ids; none means the default method.
    pub methods: Option<Vec<String>>,
    /// Options by method id.
    pub options: Map<String, Value>,
    /// The unit of the scores.
    pub granularity: Granularity,
    /// Figures of how far to trust the scores; none where none are asked for.
    pub quality: Option<Depth>,
    /// Whether a long text may be cut.
    pub truncate: bool,
    /// Windows over the text; none where it is read whole.
    pub windows: Option<WindowsRequest>,
    /// How the network is altered; none where it is explained as it is.
    pub altered: Option<Altered>,
    /// For methods that sample, and for figures that do.
    pub seed: u64,
}

impl ExplainPlan {
    /// Checks a request against a model.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn new(model: Arc<Model>, request: ExplainRequest) -> Result<Self, Invalid> {
        let ids = request.methods.unwrap_or_else(|| vec![registry::DEFAULT_METHOD.to_owned()]);
        if ids.is_empty() {
            return Err(Invalid::new(
                "/methods",
                "the list of methods is empty",
                "name at least one method, or leave the field out",
            ));
        }
        if let Some(stray) = request.options.keys().find(|id| !ids.contains(id)) {
            return Err(Invalid::new(
                format!("/options/{}", escaped(stray)),
                format!("options are given for `{stray}`, which is not among the methods asked for"),
                format!(
                    "add it to `methods`, or give options for {}",
                    listed(ids.iter().map(String::as_str))
                ),
            ));
        }
        let methods = ids
            .iter()
            .enumerate()
            .map(|(index, id)| {
                configure(index, id, &ids[..index], request.options.get(id), &model, request.granularity)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let windows = request.windows.map(|windows| windows.checked(&model, request.truncate)).transpose()?;
        if windows.is_some() {
            refuse_what_reads_a_trace(&methods)?;
        }
        if request.altered.is_some() {
            altered::refuse_what_cannot(&methods)?;
        }
        Ok(ExplainPlan {
            target: resolve(&request.target, &model)?,
            target_as_asked: request.target.canonical(),
            methods,
            granularity: request.granularity,
            quality: request.quality,
            truncate: request.truncate,
            windows,
            altered: request.altered,
            seed: request.seed,
            model,
        })
    }

    /// What a method, by its place among those asked for, usually takes for a text of so many tokens and so many classes,
    /// beyond the text's own forward pass and without quality figures. None where there is no such place.
    pub fn expected_passes(&self, method: usize, tokens: usize, classes: usize) -> Option<Passes> {
        let windows = match &self.windows {
            None => 1,
            Some(windows) => {
                Extent::in_windows(tokens, self.model.tokenizer().special_tokens(), windows).windows
            }
        };
        let configured = self.methods.get(method)?;
        Some(configured.cost(tokens, classes).expected * windows as u64)
    }
}

/// What a method reads of the layers within has no meaning over windows, which do not attend to each other.
fn refuse_what_reads_a_trace(methods: &[Box<dyn Configured>]) -> Result<(), Invalid> {
    match methods.iter().position(|configured| configured.keep().traces()) {
        None => Ok(()),
        Some(index) => {
            let id = methods[index].method().id();
            Err(Invalid::new(
                format!("/methods/{index}"),
                format!(
                    "`{id}` reads the attention of one pass, and windows have one each, which do not meet"
                ),
                "leave the method out, or leave `windows` out and set `truncate` to true to explain the beginning",
            ))
        }
    }
}

fn configure(
    index: usize,
    id: &str,
    earlier: &[String],
    options: Option<&Value>,
    model: &Model,
    granularity: Granularity,
) -> Result<Box<dyn Configured>, Invalid> {
    let pointer = || format!("/methods/{index}");
    let Some(method) = registry::find(id) else {
        let known = listed(registry::METHODS.iter().map(|method| method.id()));
        return Err(Invalid::new(
            pointer(),
            format!("there is no method `{id}`"),
            format!("use one of {known}"),
        ));
    };
    if earlier.iter().any(|other| other == id) {
        return Err(Invalid::new(pointer(), format!("`{id}` is asked for twice"), "name each method once"));
    }
    method.configure(options, model, granularity).map_err(|fault| {
        let option = fault.pointer();
        let defaults = method.default_options();
        Invalid::new(
            format!("/options/{id}{option}"),
            fault.detail,
            format!("the options of {id} and their defaults are {defaults}"),
        )
    })
}

fn resolve(target: &Target, model: &Model) -> Result<ResolvedTarget, Invalid> {
    let keywords = "use \"predicted\", \"all\", an index";
    match target {
        Target::Predicted => Ok(ResolvedTarget::Predicted),
        Target::All => Ok(ResolvedTarget::All),
        Target::Index(index) => by_index(*index, model, "/target", keywords).map(ResolvedTarget::Class),
        Target::Label(label) => by_label(label, model, "/target", keywords).map(ResolvedTarget::Class),
        Target::Expected(expected) => {
            const FIELD: &str = "/expected_label";
            if model.config().problem == Problem::Regression {
                return Err(Invalid::new(
                    FIELD,
                    format!("model `{}` is a regression: it predicts a value and no label", model.id()),
                    "leave the field out",
                ));
            }
            expected.class(model, FIELD).map(ResolvedTarget::Expected)
        }
    }
}

pub(super) fn by_index(index: usize, model: &Model, field: &str, choices: &str) -> Result<usize, Invalid> {
    match index < model.config().labels.len() {
        true => Ok(index),
        false => Err(no_such_class(format!("class {index}"), model, field, choices)),
    }
}

pub(super) fn by_label(label: &str, model: &Model, field: &str, choices: &str) -> Result<usize, Invalid> {
    let found = model.config().labels.iter().position(|known| known == label);
    found.ok_or_else(|| no_such_class(format!("label `{label}`"), model, field, choices))
}

/// The class that is followed where the predicted one is asked for: of several labels the likeliest.
pub(super) fn likeliest(prediction: &Prediction) -> usize {
    let logits = &prediction.logits;
    let classes = prediction.predicted_classes().into_iter();
    classes.reduce(|best, other| if logits[other] > logits[best] { other } else { best }).unwrap_or(0)
}

/// The class that is named; none for the predicted one.
///
/// # Errors
/// The model has no such class; all classes, or the expected one.
pub(super) fn class(target: &Target, model: &Model) -> Result<Option<usize>, Invalid> {
    const FIELD: &str = "/target";
    let choices = "use \"predicted\", an index";
    match target {
        Target::Predicted => Ok(None),
        Target::Index(index) => by_index(*index, model, FIELD, choices).map(Some),
        Target::Label(label) => by_label(label, model, FIELD, choices).map(Some),
        Target::All | Target::Expected(_) => {
            let remedy = format!("{choices}, or a label");
            Err(Invalid::new(FIELD, "one class is followed at a time", remedy))
        }
    }
}

fn no_such_class(what: String, model: &Model, field: &str, choices: &str) -> Invalid {
    let labels = &model.config().labels;
    let known = listed(labels.iter().map(String::as_str));
    let remedy = format!("{choices} below {} or one of the labels: {known}", labels.len());
    Invalid::new(field, format!("model `{}` has no {what}", model.id()), remedy)
}

/// Everything about a prediction request but the text.
pub struct PredictPlan {
    /// The model to ask.
    pub model: Arc<Model>,
    /// Whether a long text may be cut.
    pub truncate: bool,
    /// Windows over the text; none where it is read whole.
    pub windows: Option<Windows>,
    /// How the network is altered; none where it is asked as it is.
    pub altered: Option<Altered>,
}

impl PredictPlan {
    /// Checks a request against a model.
    ///
    /// # Errors
    /// A field of the windows that is not valid.
    pub fn new(
        model: Arc<Model>,
        truncate: bool,
        windows: Option<WindowsRequest>,
        altered: Option<Altered>,
    ) -> Result<Self, Invalid> {
        let windows = windows.map(|windows| windows.checked(&model, truncate)).transpose()?;
        Ok(PredictPlan { model, truncate, windows, altered })
    }
}
