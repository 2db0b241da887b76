//! The edits of a what-if question, as they stand in a body: one shape for all actions, each with fields of its own.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};

use crate::concept::Concepts;
use crate::concept::interventions::Wish;
use crate::engine::answer::Action;
use crate::engine::causes::{Edit, Head};
use crate::engine::{Engine, OwnedText};
use crate::explain::concept::erasure::Erasure;
use crate::explain::method::listed;
use crate::model::Model;
use crate::server::input::TextPair;
use crate::server::json_body;
use crate::server::problem::Problem;
use crate::server::strict_value::{StrictValue, optional_name};

/// Where the list stands in a body.
const POINTER: &str = "/edits";

/// Most edits of a question.
const MOST_EDITS: usize = 16;

const EXAMPLE: &str = "{\"action\": \"delete\", \"words\": [0]}";

/// What is done: `replace` (a word becomes `with`), `delete` (words are taken out), `mask` (the mask token stands for each
/// token of words), `hide` (no token attends to those of words), `scale_heads` and `scale_neurons` (these are multiplied by
/// `factor`), `patch` (a hidden state becomes that of another text), `erase` (a concept is taken out of a hidden state), `push`
/// (so much of a concept is added to it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "replace")]
enum EditAction {
    /// A word becomes `with`.
    Replace,
    /// Words are taken out.
    Delete,
    /// The mask token stands for each token of words.
    Mask,
    /// No token attends to those of words.
    Hide,
    /// Heads are multiplied by `factor`.
    ScaleHeads,
    /// Neurons are multiplied by `factor`.
    ScaleNeurons,
    /// A hidden state becomes that of another text.
    Patch,
    /// A concept is taken out of a hidden state.
    Erase,
    /// So much of a concept is added to a hidden state.
    Push,
}

impl EditAction {
    /// Its name, and the fields that go with it.
    fn fields(self) -> (&'static str, &'static [&'static str]) {
        match self {
            EditAction::Replace => ("replace", &["word", "with"]),
            EditAction::Delete => ("delete", &["words"]),
            EditAction::Mask => ("mask", &["words"]),
            EditAction::Hide => ("hide", &["words"]),
            EditAction::ScaleHeads => ("scale_heads", &["heads", "factor"]),
            EditAction::ScaleNeurons => ("scale_neurons", &["layer", "neurons", "factor"]),
            EditAction::Patch => ("patch", &["layer", "from", "words"]),
            EditAction::Erase => ("erase", &["concept", "method", "layer"]),
            EditAction::Push => ("push", &["concept", "strength", "layer"]),
        }
    }
}

/// A change to the text, or to the network that reads it. Edits of the text act first, all at once; then words are masked and
/// hidden; then the network is altered, in the order of the list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatIfEditBody {
    /// What is done.
    #[serde(default, deserialize_with = "optional_name")]
    #[schema(value_type = EditAction, required)]
    action: Option<EditAction>,
    /// The word that is replaced, by its index among `words`. With `replace` alone.
    #[schema(example = 1)]
    word: Option<usize>,
    /// What stands in its place, written exactly so; not blank, perhaps several words, no control characters. With `replace`
    /// alone.
    #[schema(example = "dull", min_length = 1, max_length = 200)]
    with: Option<String>,
    /// Words by their indices, each once: with `delete`, `mask` and `hide`; with `patch`, those whose tokens are patched, all
    /// tokens by default.
    #[schema(min_items = 1, example = json!([1, 2]))]
    words: Option<Vec<usize>>,
    /// The heads, each once. With `scale_heads` alone.
    #[schema(value_type = Option<Vec<HeadBody>>, min_items = 1, example = json!([{"layer": 0, "head": 0}]))]
    heads: Option<Vec<Value>>,
    /// What heads or neurons are multiplied by, −10 to 10; 0 by default, which drops them. With `scale_heads` and
    /// `scale_neurons`.
    #[schema(minimum = -10, maximum = 10, example = 0.0)]
    factor: Option<f64>,
    /// With `scale_neurons`, their encoder layer, from 0. With `patch`, the hidden state: 0 is the embeddings' output, l the
    /// output of the l-th layer. With `erase` and `push`, that hidden state, the concept's own by default.
    #[schema(example = 1)]
    layer: Option<usize>,
    /// The feed-forward neurons, each once. With `scale_neurons` alone.
    #[schema(min_items = 1, example = json!([0, 1, 2]))]
    neurons: Option<Vec<usize>>,
    /// The text whose hidden state is put in place of the text's own: of as many tokens. With `patch` alone.
    #[schema(schema_with = source_schema)]
    from: Option<Value>,
    /// The concept: its name for the newest version, or `name@version`. With `erase` and `push`.
    #[schema(example = "acting", pattern = "^[a-z0-9][a-z0-9._-]*(@[0-9]+)?$")]
    concept: Option<String>,
    /// How it is erased; `nullspace` by default. With `erase` alone.
    #[serde(default, deserialize_with = "optional_name")]
    method: Option<Erasure>,
    /// How far it is pushed, in standard deviations of usual texts. With `push` alone, which needs it.
    #[schema(minimum = -100, maximum = 100, example = 2.0)]
    strength: Option<f64>,
}

/// An attention head.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadBody {
    /// The encoder layer, from 0.
    #[schema(example = 0)]
    layer: usize,
    /// The head, from 0.
    #[schema(example = 3)]
    head: usize,
}

fn source_schema() -> RefOr<Schema> {
    let one_of = OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::String))
        .item(Ref::from_schema_name(TextPair::name()))
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .description(Some(
            "The text whose hidden state is put in place of the text's own: of as many tokens. With `patch` alone.",
        ))
        .examples([serde_json::json!("A dull film.")]);
    one_of.into()
}

/// The edits of a question.
///
/// # Errors
/// The first field that is not there, has no place beside the action, or is not valid whatever the model; a concept that is
/// not there, is one of another model, or has no direction at a layer. The database does not answer.
pub(super) async fn of_question(
    engine: &Engine,
    model: &Model,
    sent: Option<Vec<StrictValue>>,
) -> Result<Vec<Edit>, Problem> {
    let remedy = format!("send 1 to {MOST_EDITS} edits: [{EXAMPLE}]");
    let sent = sent.ok_or_else(|| Problem::invalid(POINTER, "is missing", &remedy))?;
    if !(1..=MOST_EDITS).contains(&sent.len()) {
        let detail = format!("the list has {} items", sent.len());
        return Err(Problem::invalid(POINTER, detail, remedy));
    }
    let mut edits = Vec::with_capacity(sent.len());
    for (place, StrictValue(item)) in sent.into_iter().enumerate() {
        edits.push(edit(engine, model, &format!("{POINTER}/{place}"), item).await?);
    }
    Ok(edits)
}

async fn edit(engine: &Engine, model: &Model, pointer: &str, item: Value) -> Result<Edit, Problem> {
    let body: WhatIfEditBody = object(pointer, item, EXAMPLE)?;
    let action = body.action.ok_or_else(|| {
        let remedy = "send `replace`, `delete`, `mask`, `hide`, `scale_heads`, `scale_neurons`, `patch`, `erase` or `push`";
        Problem::invalid(format!("{pointer}/action"), "is missing", remedy)
    })?;
    body.refuse_strays(pointer, action)?;
    let factor = body.factor.unwrap_or_default() + 0.0;
    Ok(match action {
        EditAction::Replace => Edit::Replace {
            word: needed(pointer, "word", body.word)?,
            with: needed(pointer, "with", body.with)?,
        },
        EditAction::Delete => Edit::Delete { words: needed(pointer, "words", body.words)? },
        EditAction::Mask => Edit::Mask { words: needed(pointer, "words", body.words)? },
        EditAction::Hide => Edit::Hide { words: needed(pointer, "words", body.words)? },
        EditAction::ScaleHeads => {
            let heads = needed(pointer, "heads", body.heads)?.into_iter().enumerate();
            let head = |(place, item)| head(&format!("{pointer}/heads/{place}"), item);
            Edit::ScaleHeads { heads: heads.map(head).collect::<Result<_, _>>()?, factor }
        }
        EditAction::ScaleNeurons => Edit::ScaleNeurons {
            layer: needed(pointer, "layer", body.layer)?,
            neurons: needed(pointer, "neurons", body.neurons)?,
            factor,
        },
        EditAction::Patch => Edit::Patch {
            layer: needed(pointer, "layer", body.layer)?,
            from: source(&format!("{pointer}/from"), needed(pointer, "from", body.from)?)?,
            words: body.words,
        },
        EditAction::Erase => concept(engine, model, pointer, Action::Erase, body).await?,
        EditAction::Push => concept(engine, model, pointer, Action::Push, body).await?,
    })
}

impl WhatIfEditBody {
    /// Refuses fields that do not belong to the action.
    fn refuse_strays(&self, pointer: &str, action: EditAction) -> Result<(), Problem> {
        let sent = [
            ("word", self.word.is_some()),
            ("with", self.with.is_some()),
            ("words", self.words.is_some()),
            ("heads", self.heads.is_some()),
            ("factor", self.factor.is_some()),
            ("layer", self.layer.is_some()),
            ("neurons", self.neurons.is_some()),
            ("from", self.from.is_some()),
            ("concept", self.concept.is_some()),
            ("method", self.method.is_some()),
            ("strength", self.strength.is_some()),
        ];
        let (name, fields) = action.fields();
        match sent.into_iter().find(|(field, is_sent)| *is_sent && !fields.contains(field)) {
            None => Ok(()),
            Some((stray, _)) => Err(Problem::invalid(
                format!("{pointer}/{stray}"),
                format!("has no place beside `{name}`"),
                format!("leave it out; with `{name}` go {}", listed(fields.iter().copied())),
            )),
        }
    }
}

fn needed<T>(pointer: &str, field: &str, sent: Option<T>) -> Result<T, Problem> {
    sent.ok_or_else(|| {
        let remedy = "send it; the API's description says which fields go with which action";
        Problem::invalid(format!("{pointer}/{field}"), "is missing", remedy)
    })
}

/// serde reads an array as a struct's fields in order; here an object is one.
fn object<T: serde::de::DeserializeOwned>(pointer: &str, item: Value, example: &str) -> Result<T, Problem> {
    if !item.is_object() {
        return Err(Problem::invalid(pointer, "this item is no object", format!("send {example}")));
    }
    json_body::of_value(item).map_err(|fault| fault.within(pointer))
}

fn head(pointer: &str, item: Value) -> Result<Head, Problem> {
    let HeadBody { layer, head } = object(pointer, item, "{\"layer\": 0, \"head\": 3}")?;
    Ok(Head { layer, head })
}

fn source(pointer: &str, sent: Value) -> Result<OwnedText, Problem> {
    match sent {
        Value::String(text) => Ok(OwnedText { text, text_pair: None }),
        pair @ Value::Object(_) => {
            let pair: TextPair = json_body::of_value(pair).map_err(|fault| fault.within(pointer))?;
            Ok(pair.into())
        }
        _ => Err(Problem::invalid(
            pointer,
            "is neither a text nor a pair",
            "send a string, or {\"text\": …, \"text_pair\": …}",
        )),
    }
}

async fn concept(
    engine: &Engine,
    model: &Model,
    pointer: &str,
    action: Action,
    body: WhatIfEditBody,
) -> Result<Edit, Problem> {
    let pointer_to_concept = format!("{pointer}/concept");
    let reference = body.concept.ok_or_else(|| {
        let remedy = "name one of GET /v1/concepts: its `name`, or `name@version`";
        Problem::invalid(pointer_to_concept.clone(), "is missing", remedy)
    })?;
    let known = Concepts::of(engine).known(&reference, model).await;
    let wish = Wish {
        concept: known.map_err(|fault| Problem::of_concept_at(fault, &pointer_to_concept))?,
        action,
        method: body.method,
        strength: body.strength,
        layer: body.layer,
    };
    let (change, told) = wish.met(pointer)?;
    Ok(Edit::Concept { change, told })
}
