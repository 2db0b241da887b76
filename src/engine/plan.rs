//! A request, checked once and for all against the model, before any text is looked at.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::explain::granularity::Granularity;
use crate::explain::method::listed;
use crate::explain::{Configured, registry};
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
    pub(super) truncate: bool,
    pub(super) seed: u64,
}

/// A target checked against the model's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResolvedTarget {
    Predicted,
    All,
    Class(usize),
}

impl ResolvedTarget {
    pub(super) fn classes(self, prediction: &Prediction) -> Vec<usize> {
        match self {
            ResolvedTarget::Predicted => prediction.predicted_classes(),
            ResolvedTarget::All => (0..prediction.logits.len()).collect(),
            ResolvedTarget::Class(class) => vec![class],
        }
    }

    /// How many classes that is, before there is a prediction: usually, and at most.
    pub(super) fn counts(self, config: &ModelConfig) -> (usize, usize) {
        let all = config.labels.len();
        match (self, config.problem) {
            (ResolvedTarget::All, _) => (all, all),
            (ResolvedTarget::Predicted, Problem::MultiLabel) => (1, all),
            (ResolvedTarget::Predicted | ResolvedTarget::Class(_), _) => (1, 1),
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
    /// Whether a long text may be cut.
    pub truncate: bool,
    /// For methods that sample.
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
            .map(|(index, id)| configure(index, id, &ids[..index], request.options.get(id), &model))
            .collect::<Result<_, _>>()?;
        Ok(ExplainPlan {
            target: resolve(&request.target, &model)?,
            target_as_asked: request.target.canonical(),
            methods,
            granularity: request.granularity,
            truncate: request.truncate,
            seed: request.seed,
            model,
        })
    }
}

fn configure(
    index: usize,
    id: &str,
    earlier: &[String],
    options: Option<&Value>,
    model: &Model,
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
    method.configure(options, model).map_err(|fault| {
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
    let labels = &model.config().labels;
    let fault = |detail: String| {
        let known = listed(labels.iter().map(String::as_str));
        let remedy = format!(
            "use \"predicted\", \"all\", an index below {} or one of the labels: {known}",
            labels.len()
        );
        Err(Invalid::new("/target", detail, remedy))
    };
    match target {
        Target::Predicted => Ok(ResolvedTarget::Predicted),
        Target::All => Ok(ResolvedTarget::All),
        Target::Index(index) if *index < labels.len() => Ok(ResolvedTarget::Class(*index)),
        Target::Index(index) => fault(format!("model `{}` has no class {index}", model.id())),
        Target::Label(label) => match labels.iter().position(|known| known == label) {
            Some(index) => Ok(ResolvedTarget::Class(index)),
            None => fault(format!("model `{}` has no label `{label}`", model.id())),
        },
    }
}

/// Everything about a prediction request but the text.
pub struct PredictPlan {
    /// The model to ask.
    pub model: Arc<Model>,
    /// Whether a long text may be cut.
    pub truncate: bool,
}

/// Everything about an attention request but the text.
pub struct AttentionPlan {
    pub(super) model: Arc<Model>,
    pub(super) layers: Vec<usize>,
    pub(super) heads: Vec<usize>,
    pub(super) truncate: bool,
}

impl AttentionPlan {
    /// Checks which layers and heads are wanted: all of them where none are named.
    ///
    /// # Errors
    /// An empty list, an index the model does not have, or one named twice.
    pub fn new(
        model: Arc<Model>,
        layers: Option<Vec<usize>>,
        heads: Option<Vec<usize>>,
        truncate: bool,
    ) -> Result<Self, Invalid> {
        let config = model.config();
        let layers = chosen("layers", layers, config.layers)?;
        let heads = chosen("heads", heads, config.heads)?;
        Ok(AttentionPlan { layers, heads, truncate, model })
    }
}

fn chosen(field: &str, asked: Option<Vec<usize>>, count: usize) -> Result<Vec<usize>, Invalid> {
    let Some(asked) = asked else { return Ok((0..count).collect()) };
    let remedy = format!("list indices from 0 to {}, each once, or leave the field out for all", count - 1);
    if asked.is_empty() {
        return Err(Invalid::new(format!("/{field}"), format!("the list of {field} is empty"), remedy));
    }
    for (position, index) in asked.iter().enumerate() {
        let pointer = format!("/{field}/{position}");
        if *index >= count {
            return Err(Invalid::new(
                pointer,
                format!("{index} is out of range: the model has {count} {field}"),
                remedy,
            ));
        }
        if asked[..position].contains(index) {
            return Err(Invalid::new(pointer, format!("{index} is listed twice"), remedy));
        }
    }
    Ok(asked)
}
