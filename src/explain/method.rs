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
pub use super::family::Family;
use super::granularity::Granularity;
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
    /// For methods that sample: how far chance moves each score, as the standard deviation of its estimate,
    /// one per token. That of a word is at most the sum of its tokens'.
    pub standard_errors: Option<Vec<f64>>,
    /// For relevance methods: what the scores leave out of the output, output − Σ scores, which went to
    /// the network's biases.
    pub residue: Option<f64>,
}

impl Attribution {
    /// Scores for an output of a class, and nothing else to say of them.
    pub fn new(class: usize, output: Output, scores: Vec<f64>) -> Self {
        Attribution { class: Some(class), output: Some(output), ..Self::of_no_class(scores) }
    }

    /// Scores that look at no class and are no share of an output.
    pub fn of_no_class(scores: Vec<f64>) -> Self {
        Attribution {
            class: None,
            output: None,
            scores,
            convergence: None,
            standard_errors: None,
            residue: None,
        }
    }
}

impl Attribution {
    /// Whether every number is finite in the single precision in which it is told.
    fn is_finite(&self) -> bool {
        let errors = self.standard_errors.iter().flatten();
        let sums = self.convergence.iter().flat_map(|convergence| {
            [convergence.delta, convergence.tolerance, convergence.baseline_output, convergence.target_output]
        });
        let numbers = self.scores.iter().chain(errors).copied().chain(self.residue).chain(sums);
        numbers.into_iter().all(|number| (number as f32).is_finite())
    }
}

/// How closely scores add up to the change of the output, and what that took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convergence {
    /// Σ scores − (output(text) − output(baseline)), signed.
    pub delta: f64,
    /// The largest |delta| that counts as converged.
    pub tolerance: f64,
    /// Whether |delta| is within the tolerance and, for adaptive rules, the scores have settled.
    pub converged: bool,
    /// Nodes of the quadrature rule behind the scores; for methods that sample, the samples.
    pub steps: usize,
    /// Gradients evaluated for this target, all rounds together.
    pub gradients: usize,
    /// Altered texts that were run forward alone; 0 for methods that take gradients.
    pub forwards: usize,
    /// The output at the baseline.
    pub baseline_output: f64,
    /// The output at the text itself.
    pub target_output: f64,
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

/// How long a text a method takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLimit {
    /// The most tokens, special ones included.
    pub tokens: usize,
    /// What to do about a longer text.
    pub remedy: &'static str,
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
    /// Its name as the field writes it.
    const NAME: &'static str;
    /// Raised whenever its scores change for the same input: part of every result key.
    const VERSION: u32;
    /// The family it belongs to.
    const FAMILY: Family;
    /// One or two sentences: what a score means.
    const SUMMARY: &'static str;
    /// The score of a token, as a formula in plain text.
    const FORMULA: &'static str;
    /// What it takes, in passes of the network over the text, in words.
    const EFFORT: &'static str;
    /// When not to use it, or how not to read it.
    const CAUTION: &'static str;
    /// Where it was published.
    const SOURCE: &'static str;
    /// Whether the seed changes its scores.
    const SAMPLES: bool = false;
    /// Whether it needs a target class.
    const USES_TARGET: bool = true;
    /// Whether it can explain an altered network. The engine refuses others before it looks at a text.
    const UNDER_INTERVENTIONS: bool = true;
    /// What it reads of the text's own forward pass.
    const KEEP: Keep;
    /// How long a text it takes; none where any will do that the model takes. Longer ones are refused before
    /// anything is computed.
    const TOKEN_LIMIT: Option<TokenLimit> = None;
    /// Its options; `Default` gives the documented defaults, `Serialize` the canonical form.
    type Options: DeserializeOwned + Serialize + ToSchema + Default + Debug + Send + Sync;

    /// Fills in defaults that depend on other options or on the unit that scores are asked for, so that
    /// equal meanings have equal forms.
    fn completed(options: Self::Options, _granularity: Granularity) -> Self::Options {
        options
    }

    /// Checks options against each other, against the model, and against the unit that scores are asked for.
    ///
    /// # Errors
    /// The first option that does not fit.
    fn check(_options: &Self::Options, _model: &Model, _granularity: Granularity) -> Result<(), OptionFault> {
        Ok(())
    }

    /// The same question with what stands for "nothing" exchanged, each by its name: how far the scores hang
    /// on that choice. Empty for methods that make no such choice.
    fn with_other_baselines(_options: &Self::Options, _model: &Model) -> Vec<(&'static str, Self::Options)> {
        Vec::new()
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
    /// Its name as the field writes it.
    fn name(&self) -> &'static str;
    /// Changes with its scores.
    fn version(&self) -> u32;
    /// The family it belongs to.
    fn family(&self) -> Family;
    /// One or two sentences: what a score means.
    fn summary(&self) -> &'static str;
    /// The score of a token, as a formula in plain text.
    fn formula(&self) -> &'static str;
    /// What it takes, in words.
    fn effort(&self) -> &'static str;
    /// When not to use it, or how not to read it.
    fn caution(&self) -> &'static str;
    /// Where it was published.
    fn source(&self) -> &'static str;
    /// Whether the seed changes its scores.
    fn samples(&self) -> bool;
    /// Whether it needs a target class.
    fn uses_target(&self) -> bool;
    /// Whether it can explain an altered network.
    fn under_interventions(&self) -> bool;
    /// Its options with their defaults.
    fn default_options(&self) -> Value;
    /// The name of its options' schema, and all schemas that this one needs, itself included.
    fn options_schema(&self) -> (String, Vec<(String, RefOr<Schema>)>);
    /// Takes options for a model and a unit of scores; none means the defaults.
    ///
    /// # Errors
    /// An unknown option, one of the wrong type, or one that does not fit the model.
    fn configure(
        &self,
        options: Option<&Value>,
        model: &Model,
        granularity: Granularity,
    ) -> Result<Box<dyn Configured>, OptionFault>;
}

/// A method with its options settled.
pub trait Configured: Send + Sync {
    /// The method.
    fn method(&self) -> &dyn Method;
    /// Every option with its value, defaults filled in: equal requests give equal strings.
    fn canonical_options(&self) -> String;
    /// See [`AttributionMethod::KEEP`].
    fn keep(&self) -> Keep;
    /// See [`AttributionMethod::TOKEN_LIMIT`].
    fn token_limit(&self) -> Option<TokenLimit> {
        None
    }
    /// See [`AttributionMethod::cost`].
    fn cost(&self, tokens: usize, classes: usize) -> Cost;
    /// See [`AttributionMethod::with_other_baselines`].
    fn with_other_baselines(&self, model: &Model) -> Vec<(&'static str, Box<dyn Configured>)>;
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

    fn name(&self) -> &'static str {
        M::NAME
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

    fn formula(&self) -> &'static str {
        M::FORMULA
    }

    fn effort(&self) -> &'static str {
        M::EFFORT
    }

    fn caution(&self) -> &'static str {
        M::CAUTION
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

    fn under_interventions(&self) -> bool {
        M::UNDER_INTERVENTIONS
    }

    fn default_options(&self) -> Value {
        let completed = |granularity| {
            serde_json::to_value(M::completed(M::Options::default(), granularity)).unwrap_or(Value::Null)
        };
        let (mut options, others) = (completed(Granularity::Word), completed(Granularity::Token));
        // What hangs on the request is null: nothing else would be right for every one.
        for (name, value) in options.as_object_mut().into_iter().flatten() {
            if *value != others[name.as_str()] {
                *value = Value::Null;
            }
        }
        options
    }

    fn options_schema(&self) -> (String, Vec<(String, RefOr<Schema>)>) {
        let name = M::Options::name().into_owned();
        let mut schemas = vec![(name.clone(), M::Options::schema())];
        M::Options::schemas(&mut schemas);
        (name, schemas)
    }

    fn configure(
        &self,
        given: Option<&Value>,
        model: &Model,
        granularity: Granularity,
    ) -> Result<Box<dyn Configured>, OptionFault> {
        let options = match given {
            None => M::Options::default(),
            // serde would read an array as the options in the order of their declaration.
            Some(value) if !value.is_object() => {
                return Err(OptionFault { option: None, detail: "options are a JSON object".into() });
            }
            Some(value) => serde_path_to_error::deserialize(value).map_err(option_fault)?,
        };
        refuse_objects_for_names(given, &options)?;
        M::check(&options, model, granularity)?;
        let options = M::completed(options, granularity);
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

    fn token_limit(&self) -> Option<TokenLimit> {
        M::TOKEN_LIMIT
    }

    fn cost(&self, tokens: usize, classes: usize) -> Cost {
        M::cost(&self.options, tokens, classes)
    }

    fn with_other_baselines(&self, model: &Model) -> Vec<(&'static str, Box<dyn Configured>)> {
        let configured = |options| Box::new(ConfiguredMethod::<M> { options }) as Box<dyn Configured>;
        let others = M::with_other_baselines(&self.options, model).into_iter();
        others.map(|(name, options)| (name, configured(options))).collect()
    }

    fn attribute(
        &self,
        subject: &Subject,
        classes: &[usize],
        seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let attributions = M::attribute(&self.options, subject, classes, seed)?;
        match attributions.iter().all(Attribution::is_finite) {
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
