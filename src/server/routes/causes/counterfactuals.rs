//! `POST /v1/counterfactuals`: what would have to change in a text for the model to say something else?

use std::ops::RangeInclusive;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::engine::answer::{CounterfactualsView, Strategy};
use crate::engine::causes::counterfactuals::{CounterfactualsPlan, CounterfactualsRequest};
use crate::engine::{Engine, Invalid, Question, Visit};
use crate::explain::counterfactual::LexiconPair;
use crate::model::words::{Span, words};
use crate::server::answers::Asking;
use crate::server::deadline::TimeoutHeader;
use crate::server::document::responses::{Examples, TextResponses};
use crate::server::document::{BatchOf, TextOrPair};
use crate::server::input::Input;
use crate::server::json_body::{self, JsonBody};
use crate::server::problem::Problem;
use crate::server::representation::Accepts;
use crate::server::request_id::RequestId;
use crate::server::routes::explain::TargetField;
use crate::server::state::{AppState, Open};
use crate::server::strict_value::{StrictValue, optional_names};

/// Most pairs of a lexicon.
const MOST_PAIRS: usize = 200;

/// Most characters of one side of a pair, or of a protected word.
const MOST_CHARACTERS: usize = 200;

/// Most words that may be protected.
const MOST_PROTECTED: usize = 200;

const MAX_CHANGES: RangeInclusive<usize> = 1..=10;
const N: RangeInclusive<usize> = 1..=10;
const BEAM: RangeInclusive<usize> = 1..=32;
const BUDGET: RangeInclusive<usize> = 50..=20_000;

/// Where changes come from unless the request says otherwise; the controls are for those who ask for them.
const USUAL: [Strategy; 4] = [Strategy::Substitute, Strategy::Infill, Strategy::Delete, Strategy::Antonym];

/// Which texts, what the model is to say of them, and what may be changed. Either `text` or `texts` is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CounterfactualsBody {
    /// The text, or the first of a pair; not blank.
    #[schema(example = "A gripping film.", min_length = 1)]
    text: Option<String>,
    /// The second text of a pair, for models that take pairs.
    #[schema(example = json!(null), min_length = 1)]
    text_pair: Option<String>,
    /// A batch instead of `text`.
    #[schema(value_type = Option<Vec<TextOrPair>>, min_items = 1, max_items = 256, example = json!(["A gripping film.", {"text": "It drags."}]))]
    texts: Option<Vec<StrictValue>>,
    /// The model's id; the first one by default. Not a regression.
    #[schema(example = "movie-reviews")]
    model: Option<String>,
    /// What the model is to say: a label, an index, or `"any"` (default) for anything but what it says.
    #[schema(schema_with = target_schema)]
    target: Option<TargetField>,
    /// Where changes come from, each strategy once. By default `substitute`, `infill`, `delete` and `antonym`, and `lexicon`
    /// where there is one.
    #[serde(default, deserialize_with = "optional_names")]
    #[schema(min_items = 1, max_items = 7, example = json!(["substitute", "delete"]))]
    strategies: Option<Vec<Strategy>>,
    /// For the strategy `lexicon`: words, and what may take their place. 1 to 200 pairs.
    #[schema(value_type = Option<Vec<LexiconBody>>, min_items = 1, max_items = 200, example = json!([{"from": "gripping", "to": "dull"}]))]
    lexicon: Option<Vec<StrictValue>>,
    /// Words that stay as they are, up to 200, compared without case; none by default.
    #[schema(max_items = 200, example = json!(["film"]))]
    protected: Option<Vec<String>>,
    /// The most changes of one text; 4 by default.
    #[schema(example = 4, minimum = 1, maximum = 10)]
    max_changes: Option<usize>,
    /// How many counterfactuals are wanted; 3 by default.
    #[schema(example = 3, minimum = 1, maximum = 10)]
    n: Option<usize>,
    /// How many combinations of changes are carried on from one number of changes to the next; 4 by default.
    #[schema(example = 4, minimum = 1, maximum = 32)]
    beam: Option<usize>,
    /// The most passes over the text that the search may take, the way back of a gradient counting as two; 1000 by default.
    #[schema(example = 1000, minimum = 50, maximum = 20000)]
    budget: Option<usize>,
    /// The model whose masked-LM head fills in words and judges fluency; by default the model itself, if it has one.
    #[schema(example = "movie-reviews")]
    infill_model: Option<String>,
    /// Whether only to check everything and tell what the answer would take. False by default.
    #[schema(example = false)]
    dry_run: Option<bool>,
    /// For the strategy `random`; 0 by default.
    #[schema(example = 0, format = "uint64")]
    seed: Option<u64>,
}

/// Words, and what may take their place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LexiconBody {
    /// One word or several, compared without case, without marks around them; not blank.
    #[schema(value_type = String, required, example = "gripping", min_length = 1, max_length = 200)]
    from: Option<String>,
    /// What takes their place; not blank, and something else.
    #[schema(value_type = String, required, example = "dull", min_length = 1, max_length = 200)]
    to: Option<String>,
}

fn target_schema() -> RefOr<Schema> {
    let name = ObjectBuilder::new().schema_type(Type::String);
    let index = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let one_of = OneOfBuilder::new()
        .item(name)
        .item(index)
        .item(null)
        .description(Some(
            "What the model is to say: a label, an index, or `\"any\"` (default) for anything but what it says.",
        ))
        .examples([serde_json::json!("any"), serde_json::json!(0)]);
    one_of.into()
}

impl CounterfactualsBody {
    /// What is asked, whatever the texts.
    ///
    /// # Errors
    /// The first field that is not valid.
    fn question(self, engine: &Engine) -> Result<Question, Problem> {
        let model = engine.model(self.model.as_deref())?;
        let infill_model = self.infill_model.as_deref().map(|id| engine.model(Some(id))).transpose();
        let infill_model =
            infill_model.map_err(|invalid| Invalid { pointer: "/infill_model".into(), ..invalid })?;
        let lexicon = self.lexicon.map(lexicon).transpose()?;
        let request = CounterfactualsRequest {
            target: self.target.map(|TargetField(target)| target),
            strategies: strategies(self.strategies, lexicon.is_some())?,
            lexicon: lexicon.unwrap_or_default(),
            protected: protected(self.protected.unwrap_or_default())?,
            max_changes: number("max_changes", self.max_changes, 4, MAX_CHANGES)?,
            n: number("n", self.n, 3, N)?,
            beam: number("beam", self.beam, 4, BEAM)?,
            budget: number("budget", self.budget, 1000, BUDGET)?,
            seed: self.seed.unwrap_or_default(),
        };
        Ok(Question::Inquiry(Box::new(CounterfactualsPlan::new(model, infill_model, request)?)))
    }
}

/// The usual ones where none are named; a lexicon and its strategy come together.
fn strategies(sent: Option<Vec<Strategy>>, has_lexicon: bool) -> Result<Vec<Strategy>, Problem> {
    const FIELD: &str = "/strategies";
    let Some(strategies) = sent else {
        let lexicon = has_lexicon.then_some(Strategy::Lexicon);
        return Ok(USUAL.into_iter().chain(lexicon).collect());
    };
    if strategies.is_empty() {
        let remedy = "name at least one strategy, or leave the field out for the usual ones";
        return Err(Problem::invalid(FIELD, "the list of strategies is empty", remedy));
    }
    let is_repeated = |place: &usize| strategies[..*place].contains(&strategies[*place]);
    if let Some(place) = (0..strategies.len()).find(is_repeated) {
        let pointer = format!("{FIELD}/{place}");
        return Err(Problem::invalid(pointer, "this strategy is asked for twice", "name each strategy once"));
    }
    match (strategies.iter().position(|strategy| *strategy == Strategy::Lexicon), has_lexicon) {
        (Some(place), false) => Err(Problem::invalid(
            format!("{FIELD}/{place}"),
            "`lexicon` has no pairs to choose from",
            "send pairs in `lexicon`: [{\"from\": \"gripping\", \"to\": \"dull\"}], or leave the strategy out",
        )),
        (None, true) => Err(Problem::invalid(
            "/lexicon",
            "there are pairs, but `lexicon` is not among the strategies",
            "add it to `strategies`, or leave the pairs out",
        )),
        _ => Ok(strategies),
    }
}

fn lexicon(sent: Vec<StrictValue>) -> Result<Vec<LexiconPair>, Problem> {
    if !(1..=MOST_PAIRS).contains(&sent.len()) {
        let remedy = format!("send 1 to {MOST_PAIRS} pairs: [{{\"from\": \"gripping\", \"to\": \"dull\"}}]");
        return Err(Problem::invalid("/lexicon", format!("the list has {} items", sent.len()), remedy));
    }
    let pair = |(place, StrictValue(item))| pair(&format!("/lexicon/{place}"), item);
    sent.into_iter().enumerate().map(pair).collect()
}

fn pair(pointer: &str, item: Value) -> Result<LexiconPair, Problem> {
    let remedy = "send {\"from\": \"gripping\", \"to\": \"dull\"}";
    if !item.is_object() {
        return Err(Problem::invalid(pointer, "this item is no object", remedy));
    }
    let body: LexiconBody = json_body::of_value(item).map_err(|fault| fault.within(pointer))?;
    let side = |member: &str, sent: Option<String>| {
        let pointer = format!("{pointer}/{member}");
        let words = sent.ok_or_else(|| Problem::invalid(pointer.clone(), "is missing", remedy))?;
        check_characters(&pointer, &words)?;
        match words.trim() {
            "" => Err(Problem::invalid(pointer, "is blank", "send one word, or several")),
            trimmed if trimmed.len() < words.len() => Err(Problem::invalid(
                pointer,
                "begins or ends with white space",
                "send the words alone: the white space of the text stays",
            )),
            _ => Ok(words),
        }
    };
    let (from, to) = (side("from", body.from)?, side("to", body.to)?);
    if !is_of_words(&from) {
        let pointer = format!("{pointer}/from");
        let remedy = "send the words alone: the marks around them stay in the text";
        return Err(Problem::invalid(pointer, "begins or ends with a mark, or is one", remedy));
    }
    if from.to_lowercase() == to.to_lowercase() {
        let pointer = format!("{pointer}/to");
        return Err(Problem::invalid(
            pointer,
            "is the same as `from`",
            "send other words, or leave the pair out",
        ));
    }
    Ok(LexiconPair { from, to })
}

/// Whether it begins and ends with a word, not with a mark.
fn is_of_words(text: &str) -> bool {
    let is_word = |word: Option<&Span>| word.is_some_and(|word| word.text.chars().any(char::is_alphanumeric));
    let words = words(text);
    is_word(words.first()) && is_word(words.last())
}

/// Refuses what no person would put into a text.
fn check_characters(pointer: &str, words: &str) -> Result<(), Problem> {
    let count = words.chars().count();
    if count > MOST_CHARACTERS {
        let remedy = format!("send up to {MOST_CHARACTERS}");
        return Err(Problem::invalid(pointer, format!("has {count} characters"), remedy));
    }
    match words.chars().any(char::is_control) {
        true => Err(Problem::invalid(pointer, "holds a control character", "send words without any")),
        false => Ok(()),
    }
}

fn protected(words: Vec<String>) -> Result<Vec<String>, Problem> {
    if words.len() > MOST_PROTECTED {
        let detail = format!("the list has {} items", words.len());
        return Err(Problem::invalid("/protected", detail, format!("send up to {MOST_PROTECTED} words")));
    }
    for (place, word) in words.iter().enumerate() {
        let pointer = format!("/protected/{place}");
        check_characters(&pointer, word)?;
        if word.trim().is_empty() {
            return Err(Problem::invalid(pointer, "is blank", "send a word, or leave it out"));
        }
        if !word.chars().any(char::is_alphanumeric) {
            let remedy = "send words; marks are taken out with the words that they belong to alone";
            return Err(Problem::invalid(pointer, "is no word", remedy));
        }
    }
    Ok(words)
}

fn number(
    field: &str,
    sent: Option<usize>,
    usual: usize,
    range: RangeInclusive<usize>,
) -> Result<usize, Problem> {
    let number = sent.unwrap_or(usual);
    match range.contains(&number) {
        true => Ok(number),
        false => {
            let remedy = format!("send a whole number from {} to {}", range.start(), range.end());
            Err(Problem::invalid(format!("/{field}"), format!("is {number}"), remedy))
        }
    }
}

/// What is shown in the API's description.
pub struct CounterfactualsExamples;

impl Examples for CounterfactualsExamples {
    type Answer = CounterfactualsView;
    type Batch = BatchOf<CounterfactualsView>;
    const DESCRIPTION: &'static str =
        "Texts near to this one of which the model says something else; for a batch, those of each text";
    const ONE: &'static str = include_str!("../../../../openapi/examples/counterfactuals.json");
    const MANY: &'static str = include_str!("../../../../openapi/examples/counterfactuals-batch.json");
    const DRY_RUN: &'static str = include_str!("../../../../openapi/examples/counterfactuals-dry-run.json");
}

type CounterfactualsResponses = TextResponses<CounterfactualsExamples>;

/// Tells what would have to change in a text for the model to say something else.
///
/// A search among texts with few changed words. Each text that is told has had a forward pass of its own, and no change of it
/// can be undone without losing what was wanted, where `minimal` says so. Where the time is over first, the answer has what is
/// known, `complete` is false, and it has no id. Drawn with `Accept: image/svg+xml`.
#[utoipa::path(
    post,
    path = "/v1/counterfactuals",
    operation_id = "counterfactuals",
    tag = "causes",
    params(TimeoutHeader),
    request_body(content = CounterfactualsBody, description = "Which texts, what the model is to say of them, and what may be changed", examples(
        ("one" = (summary = "Anything but what the model says", value = json!({"text": "A gripping film, though it drags a little."}))),
        ("wanted" = (summary = "A label, from pairs of words of one's own and by deleting, with words that stay", value = json!({"text": "A gripping film, though it drags a little.", "target": "negative", "strategies": ["lexicon", "delete"], "lexicon": [{"from": "gripping", "to": "sluggish"}], "protected": ["film"], "max_changes": 2, "n": 1}))),
        ("many" = (summary = "A batch", value = json!({"texts": ["A gripping film.", ""], "n": 1}))),
        ("dry-run" = (summary = "What it would take", value = json!({"text": "A gripping film.", "dry_run": true})))
    )),
    responses(CounterfactualsResponses)
)]
pub async fn counterfactuals(
    State(state): State<AppState>,
    Open(engine): Open,
    visit: Visit,
    accepts: Accepts,
    Extension(id): Extension<RequestId>,
    JsonBody(mut body): JsonBody<CounterfactualsBody>,
) -> Result<Response, Problem> {
    let (text, text_pair, texts) = (body.text.take(), body.text_pair.take(), body.texts.take());
    let is_dry_run = body.dry_run.unwrap_or_default();
    let question = body.question(&engine)?;
    let input = Input::new(text, text_pair, texts)?;
    let asking = Asking { engine, visit, accepts, drawings: state.drawings, id };
    match is_dry_run {
        true => asking.foresee(question, input).await,
        false => asking.answer(question, input).await,
    }
}
