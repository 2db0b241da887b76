//! What every explanation method is: an id, options with defaults, and a function from a subject to
//! one score per token.

use std::borrow::Cow;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_path_to_error::Segment;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::cost::Cost;
use super::output::Output;
use super::subject::Subject;
use crate::json_pointer;
use crate::model::{Keep, Model};

/// Token scores for one target, before they are added up to words.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// The class they speak of; none for methods that look at no class.
    pub class: Option<usize>,
    /// What they are measured in; none where they are no share of an output.
    pub output: Option<Output>,
    /// One per token, special ones included.
    pub scores: Vec<f64>,
    /// How well the scores add up, for methods where they should.
    pub convergence: Option<Convergence>,
}

/// How closely the scores of a path method add up to the change of the output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convergence {
    /// Σ scores − (output(text) − output(baseline)), signed.
    pub delta: f64,
    /// The largest |delta| that counts as converged.
    pub tolerance: f64,
    /// Whether |delta| is within the tolerance and, for adaptive rules, the scores have settled.
    pub converged: bool,
    /// Nodes of the quadrature rule behind the scores.
    pub steps: usize,
    /// Gradients evaluated for this target, all rounds together.
    pub gradients: usize,
    /// The output at the baseline.
    pub baseline_output: f64,
    /// The output at the text itself.
    pub target_output: f64,
}

/// The families that methods belong to: `gradient` (by derivatives of the output), `attention` (by
/// attention weights alone), `control` (by chance, for comparison).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "gradient")]
pub enum Family {
    /// By derivatives of the output.
    Gradient,
    /// By attention weights alone.
    Attention,
    /// By chance, for comparison.
    Control,
}

/// A fault in the options of a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionFault {
    /// The option at fault; none for the options as a whole.
    pub option: Option<String>,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl OptionFault {
    /// Where the option stands below the method's options, as a JSON pointer.
    pub fn pointer(&self) -> String {
        self.option.as_deref().map(|option| format!("/{}", json_pointer::escaped(option))).unwrap_or_default()
    }

    /// A fault of one option.
    pub fn new(option: &str, detail: impl Into<String>) -> Self {
        OptionFault { option: Some(option.to_owned()), detail: detail.into() }
    }
}

/// Why a method gave no scores.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Whoever asked has gone.
    #[error("called off")]
    Cancelled,
    /// An option that does not suit this very text.
    #[error("option `{}` of {method}: {}", .fault.option.as_deref().unwrap_or("?"), .fault.detail)]
    Option {
        /// The method's id.
        method: &'static str,
        /// The option and what is wrong with it.
        fault: OptionFault,
    },
    /// A piece of the work panicked. What it said stays unsaid: it may quote the text.
    #[error("a method panicked")]
    Panicked,
    /// The network gave numbers that are not finite.
    #[error("the model's output is not finite for this text")]
    NotFinite,
    /// A tensor operation failed: a fault of ours, not of the request.
    #[error("tensor operation failed: {0}")]
    Compute(#[from] candle_core::Error),
}

/// An explanation method as its author writes it.
pub trait AttributionMethod: Send + Sync + 'static {
    /// Its id in requests and answers.
    const ID: &'static str;
    /// Raised whenever its scores change for the same input: part of every result key.
    const VERSION: u32;
    /// The family it belongs to.
    const FAMILY: Family;
    /// One sentence: what a score means.
    const SUMMARY: &'static str;
    /// Where it was published.
    const SOURCE: &'static str;
    /// Whether the seed changes its scores.
    const SAMPLES: bool = false;
    /// Whether it needs a target class.
    const USES_TARGET: bool = true;
    /// What it reads of the text's own forward pass.
    const KEEP: Keep;
    /// Its options; `Default` gives the documented defaults, `Serialize` the canonical form.
    type Options: DeserializeOwned + Serialize + ToSchema + Default + Debug + Send + Sync;

    /// Fills in defaults that depend on other options, so that equal meanings have equal forms.
    fn completed(options: Self::Options) -> Self::Options {
        options
    }

    /// Checks options against each other and against the model.
    ///
    /// # Errors
    /// The first option that does not fit.
    fn check(_options: &Self::Options, _model: &Model) -> Result<(), OptionFault> {
        Ok(())
    }

    /// What it will take for a text of so many tokens and so many classes, beyond the text's own forward
    /// pass.
    fn cost(options: &Self::Options, tokens: usize, classes: usize) -> Cost;

    /// Scores the tokens of a text for each class in `classes` (ignored unless
    /// [`Self::USES_TARGET`]), in that order. This code runs on a thread that only waits: what takes long
    /// goes through [`Subject::map`] and the subject's other functions.
    ///
    /// # Errors
    /// See [`ExplainError`].
    fn attribute(
        options: &Self::Options,
        subject: &Subject,
        classes: &[usize],
        seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError>;
}

/// A method as everyone else sees it.
pub trait Method: Send + Sync {
    /// Its id in requests and answers.
    fn id(&self) -> &'static str;
    /// Changes with its scores.
    fn version(&self) -> u32;
    /// The family it belongs to.
    fn family(&self) -> Family;
    /// One sentence: what a score means.
    fn summary(&self) -> &'static str;
    /// Where it was published.
    fn source(&self) -> &'static str;
    /// Whether the seed changes its scores.
    fn samples(&self) -> bool;
    /// Whether it needs a target class.
    fn uses_target(&self) -> bool;
    /// Its options with their defaults.
    fn default_options(&self) -> Value;
    /// The name of its options' schema, and all schemas that this one needs, itself included.
    fn options_schema(&self) -> (String, Vec<(String, RefOr<Schema>)>);
    /// Takes options for a model; none means the defaults.
    ///
    /// # Errors
    /// An unknown option, one of the wrong type, or one that does not fit the model.
    fn configure(&self, options: Option<&Value>, model: &Model) -> Result<Box<dyn Configured>, OptionFault>;
}

/// A method with its options settled.
pub trait Configured: Send + Sync {
    /// The method.
    fn method(&self) -> &dyn Method;
    /// Every option with its value, defaults filled in: equal requests give equal strings.
    fn canonical_options(&self) -> String;
    /// See [`AttributionMethod::KEEP`].
    fn keep(&self) -> Keep;
    /// See [`AttributionMethod::cost`].
    fn cost(&self, tokens: usize, classes: usize) -> Cost;
    /// See [`AttributionMethod::attribute`].
    ///
    /// # Errors
    /// See [`ExplainError`].
    fn attribute(
        &self,
        subject: &Subject,
        classes: &[usize],
        seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError>;
}

/// Makes a [`Method`] of an [`AttributionMethod`].
pub struct Registered<M>(std::marker::PhantomData<fn() -> M>);

impl<M> Registered<M> {
    /// The line in the registry.
    pub const fn new() -> Self {
        Registered(std::marker::PhantomData)
    }
}

impl<M> Default for Registered<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: AttributionMethod> Method for Registered<M> {
    fn id(&self) -> &'static str {
        M::ID
    }

    fn version(&self) -> u32 {
        M::VERSION
    }

    fn family(&self) -> Family {
        M::FAMILY
    }

    fn summary(&self) -> &'static str {
        M::SUMMARY
    }

    fn source(&self) -> &'static str {
        M::SOURCE
    }

    fn samples(&self) -> bool {
        M::SAMPLES
    }

    fn uses_target(&self) -> bool {
        M::USES_TARGET
    }

    fn default_options(&self) -> Value {
        serde_json::to_value(M::completed(M::Options::default())).unwrap_or(Value::Null)
    }

    fn options_schema(&self) -> (String, Vec<(String, RefOr<Schema>)>) {
        let name = M::Options::name().into_owned();
        let mut schemas = vec![(name.clone(), M::Options::schema())];
        M::Options::schemas(&mut schemas);
        (name, schemas)
    }

    fn configure(&self, given: Option<&Value>, model: &Model) -> Result<Box<dyn Configured>, OptionFault> {
        let options = match given {
            None => M::Options::default(),
            // serde would read an array as the options in the order of their declaration.
            Some(value) if !value.is_object() => {
                return Err(OptionFault { option: None, detail: "options are a JSON object".into() });
            }
            Some(value) => serde_path_to_error::deserialize(value).map_err(option_fault)?,
        };
        refuse_objects_for_names(given, &options)?;
        M::check(&options, model)?;
        let options = M::completed(options);
        Ok(Box::new(ConfiguredMethod::<M> { options }))
    }
}

/// serde reads `{"l1": null}` as the name `"l1"`; here a name is a string.
fn refuse_objects_for_names(given: Option<&Value>, read: &impl Serialize) -> Result<(), OptionFault> {
    let (Some(given), Ok(read)) = (given.and_then(Value::as_object), serde_json::to_value(read)) else {
        return Ok(());
    };
    match given.iter().find(|(option, value)| value.is_object() && read[option.as_str()].is_string()) {
        Some((option, _)) => {
            Err(OptionFault::new(option, format!("is an object; expected {}", read[option.as_str()])))
        }
        None => Ok(()),
    }
}

fn option_fault(error: serde_path_to_error::Error<serde_json::Error>) -> OptionFault {
    let option = error.path().iter().find_map(|segment| match segment {
        Segment::Map { key } => Some(key.clone()),
        _ => None,
    });
    OptionFault { option, detail: error.into_inner().to_string() }
}

struct ConfiguredMethod<M: AttributionMethod> {
    options: M::Options,
}

impl<M: AttributionMethod> Configured for ConfiguredMethod<M> {
    fn method(&self) -> &dyn Method {
        const { &Registered::<M>::new() }
    }

    fn canonical_options(&self) -> String {
        // Struct fields serialise in the order they are declared, so this is one string per meaning.
        serde_json::to_string(&self.options).unwrap_or_default()
    }

    fn keep(&self) -> Keep {
        M::KEEP
    }

    fn cost(&self, tokens: usize, classes: usize) -> Cost {
        M::cost(&self.options, tokens, classes)
    }

    fn attribute(
        &self,
        subject: &Subject,
        classes: &[usize],
        seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let attributions = M::attribute(&self.options, subject, classes, seed)?;
        match attributions.iter().flat_map(|attribution| &attribution.scores).all(|score| score.is_finite()) {
            true => Ok(attributions),
            false => Err(ExplainError::NotFinite),
        }
    }
}

/// Options of methods that have none: `{}`.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub struct NoOptions {}

/// A list of names for an error message: `a, b and c`.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> Cow<'a, str> {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => Cow::Borrowed("none"),
        [only] => Cow::Borrowed(only),
        [first @ .., last] => Cow::Owned(format!("{} and {last}", first.join(", "))),
    }
}
