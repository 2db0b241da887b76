//! What the model would say without each word of a text.

use std::sync::Arc;

use serde_json::json;

use super::edits::check_mask;
use super::followed::{Before, Followed, single};
use super::together;
use crate::engine::answer::{CellView, GridAction, GridView, ModelName, OriginalView, Warning};
use crate::engine::draft::Draft;
use crate::engine::inquiry::Inquiry;
use crate::engine::parts::Made;
use crate::engine::plan::{Invalid, Target};
use crate::engine::{Failure, OwnedText};
use crate::explain::edited::Edited;
use crate::explain::rewriting::Rewrite;
use crate::explain::{Cost, ExplainError, Output, Passes, Subject};
use crate::identity::Shape;
use crate::model::{Batch, EncodedText, Keep, Model, Prediction};

/// Words that a text may have. There may be many more of them than tokens: one unknown token stands for a run of any length
/// without a space.
pub(super) const MOST_WORDS: usize = 1024;

/// Parts of all cells: whenever another one is known, it is worth writing down what there is.
const PARTS_TOLD: usize = 10;

/// Bytes of a cell, and of what is told of a word and of a token, as they are written.
const BYTES_A_CELL: usize = 64;
const BYTES_A_WORD: usize = 128;
const BYTES_A_TOKEN: usize = 128;

/// The fields of a question for a grid, as yet unchecked.
#[derive(Debug, Clone)]
pub struct GridRequest {
    /// What is done to each word, each action once; none means all that the model's vocabulary allows.
    pub actions: Option<Vec<GridAction>>,
    /// The class that is followed: one of them, or the predicted one.
    pub target: Target,
    /// What of it is followed.
    pub output: Output,
}

/// Everything about a question for a grid but the text.
pub struct GridPlan {
    model: Arc<Model>,
    /// Ascending.
    actions: Vec<GridAction>,
    followed: Followed,
}

impl GridPlan {
    /// Checks a request against a model.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn new(model: Arc<Model>, request: GridRequest) -> Result<Self, Invalid> {
        let actions = match request.actions {
            Some(actions) => checked(actions, &model)?,
            None if model.tokenizer().special().mask.is_none() => vec![GridAction::Delete],
            None => vec![GridAction::Delete, GridAction::Mask],
        };
        let followed = Followed::new(&request.target, request.output, &model)?;
        Ok(GridPlan { model, actions, followed })
    }

    /// All cells of a text, in the order in which they are worked on.
    fn cells(&self, text: &EncodedText) -> Vec<Cell> {
        let of_action =
            |action: &GridAction| (0..text.words.len()).map(|word| Cell { action: *action, word }).collect();
        self.actions.iter().flat_map::<Vec<Cell>, _>(of_action).collect()
    }

    /// A pass for each action and word, of which there are usually, and at most, so many.
    fn passes(&self, usual: usize, most: usize) -> Cost {
        let passes = |words: usize| Passes::new(words * self.actions.len(), 0);
        Cost { expected: passes(usual), most: passes(most), together: 0 }
    }

    /// Bytes of an answer about so many tokens and words, and of the texts that are under way.
    fn held(&self, tokens: usize, words: usize) -> usize {
        tokens * BYTES_A_TOKEN + words * (BYTES_A_WORD + self.actions.len() * BYTES_A_CELL) + together::BYTES
    }
}

fn checked(mut actions: Vec<GridAction>, model: &Model) -> Result<Vec<GridAction>, Invalid> {
    const FIELD: &str = "/actions";
    let remedy = "name `delete`, `mask` or both, or leave the field out";
    if actions.is_empty() {
        return Err(Invalid::new(FIELD, "the list of actions is empty", remedy));
    }
    for (place, action) in actions.iter().enumerate() {
        let pointer = format!("{FIELD}/{place}");
        if actions[..place].contains(action) {
            return Err(Invalid::new(pointer, "this action is asked for twice", remedy));
        }
        if *action == GridAction::Mask {
            check_mask(&pointer, model)?;
        }
    }
    actions.sort_unstable();
    Ok(actions)
}

/// A word with what is done to it.
#[derive(Debug, Clone, Copy)]
struct Cell {
    action: GridAction,
    word: usize,
}

/// What the network gets of a text without a word.
enum Without {
    /// A text of its own.
    Other(Batch),
    /// The same as of the whole text.
    Unchanged,
    /// Nothing that the model can read.
    Unreadable,
}

/// What is known of a cell.
enum Outcome {
    Unreadable,
    Known(CellView),
}

impl Cell {
    fn without(self, sent: &OwnedText, subject: &Subject) -> Result<Without, ExplainError> {
        let (model, text) = (subject.model(), subject.text());
        let word = &text.words[self.word];
        let (ids, type_ids) = match self.action {
            GridAction::Delete => {
                let span = word.span.start..word.span.end;
                let deletion = Rewrite { segment: word.segment, span, to: String::new() };
                match Edited::new(model, sent.as_text(), &text.words, &[deletion]) {
                    Ok(Edited { encoded, .. }) => (encoded.ids, encoded.type_ids),
                    Err(_) => return Ok(Without::Unreadable),
                }
            }
            GridAction::Mask => {
                let mut ids = text.ids.clone();
                // Without such a token nobody may ask for it.
                for (token, mask) in word.tokens.iter().zip(model.tokenizer().special().mask.iter().cycle()) {
                    ids[*token] = *mask;
                }
                (ids, text.type_ids.clone())
            }
        };
        if ids == text.ids && type_ids == text.type_ids {
            return Ok(Without::Unchanged);
        }
        Ok(Without::Other(model.encoder().batch(&ids, &type_ids)?))
    }
}

/// An answer as far as it goes.
struct Answer<'a> {
    plan: &'a GridPlan,
    sent: Arc<OwnedText>,
    subject: &'a Subject,
    original: OriginalView,
    before: Before<'a>,
    cells: Vec<Cell>,
    /// Of the first of them.
    outcomes: Vec<Outcome>,
    forwards: usize,
    warnings: Vec<Warning>,
}

impl Answer<'_> {
    /// Works on the next cells; false where there are none left.
    fn go_on(&mut self) -> Result<bool, Failure> {
        let rest = &self.cells[self.outcomes.len()..];
        if rest.is_empty() {
            return Ok(false);
        }
        let bytes = size_of_val(self.subject.embeddings());
        let cells = rest[..together::portion(rest.iter().map(|_| bytes))].to_vec();
        let (sent, subject) = (self.sent.clone(), self.subject.clone());
        let without = self.subject.map(cells, |_| Passes::NONE, move |cell| cell.without(&sent, &subject))?;
        let mut batches = Vec::new();
        let mut portion: Vec<Option<Outcome>> = Vec::with_capacity(without.len());
        for without in without {
            portion.push(match without {
                Without::Other(batch) => {
                    batches.push(batch);
                    None
                }
                Without::Unchanged => Some(Outcome::Known(self.cell(self.subject.prediction()))),
                Without::Unreadable => Some(Outcome::Unreadable),
            });
        }
        self.forwards += batches.len();
        let mut predictions = together::predictions(self.subject, batches)?.into_iter();
        for outcome in portion {
            let found = || predictions.next().map(|prediction| Outcome::Known(self.cell(&prediction)));
            let lost = || Failure::Internal("a forward pass ended without its logits".into());
            let outcome = outcome.or_else(found).ok_or_else(lost)?;
            self.outcomes.push(outcome);
        }
        Ok(true)
    }

    fn cell(&self, prediction: &Prediction) -> CellView {
        CellView {
            output: single(self.before.value_by(prediction)),
            change: single(self.before.change_by(prediction)),
            flipped: self.before.is_flipped_by(prediction),
        }
    }

    fn view(&self, complete: bool) -> GridView {
        let model = &self.plan.model;
        let of_action = |action: GridAction| {
            let words = self.subject.text().words.len();
            let place = self.plan.actions.iter().position(|asked| *asked == action)? * words;
            let cell = |place: usize| match self.outcomes.get(place)? {
                Outcome::Unreadable => None,
                Outcome::Known(cell) => Some(cell.clone()),
            };
            Some((place..place + words).map(cell).collect())
        };
        GridView {
            id: None,
            model: ModelName { id: model.id().into(), fingerprint: model.fingerprint().into() },
            original: self.original.clone(),
            target: self.before.target(),
            output: self.before.output(),
            before: single(self.before.value()),
            delete: of_action(GridAction::Delete),
            mask: of_action(GridAction::Mask),
            forwards: self.forwards,
            complete,
            // They stand behind it.
            warnings: Vec::new(),
        }
    }

    fn made(&self, complete: bool) -> Result<Made, Failure> {
        Made::new(&self.view(complete), &self.warnings)
    }
}

impl Inquiry for GridPlan {
    fn model(&self) -> &Arc<Model> {
        &self.model
    }

    fn truncate(&self) -> bool {
        false
    }

    fn shape(&self) -> Shape {
        Shape::Grid
    }

    fn version(&self) -> u32 {
        1
    }

    fn canonical_options(&self) -> String {
        json!({"actions": self.actions, "followed": self.followed.canonical()}).to_string()
    }

    fn keep(&self) -> Keep {
        Keep::Outputs
    }

    /// As a rule there is a token for each word at least, and there are five for four.
    fn cost(&self, tokens: usize) -> Cost {
        let own = tokens.saturating_sub(self.model.tokenizer().special_tokens());
        self.passes((own * 4).div_ceil(5), own)
    }

    /// A word without a token usually changes nothing, which takes no pass.
    fn cost_of(&self, text: &EncodedText) -> Cost {
        let seen = text.words.iter().filter(|word| !word.tokens.is_empty());
        self.passes(seen.count(), text.words.len())
    }

    fn bytes(&self, tokens: usize) -> usize {
        self.held(tokens, tokens)
    }

    fn bytes_of(&self, text: &EncodedText) -> usize {
        self.held(text.tokens.len(), text.words.len())
    }

    fn check_text(&self, text: &EncodedText) -> Result<(), Failure> {
        match text.words.len() {
            words if words > MOST_WORDS => Err(Failure::TooManyWords { words, limit: MOST_WORDS }),
            _ => Ok(()),
        }
    }

    fn find(&self, sent: &OwnedText, subject: &Subject, draft: &Draft) -> Result<Made, Failure> {
        let mut answer = Answer {
            plan: self,
            sent: Arc::new(sent.clone()),
            subject,
            original: OriginalView::new(sent, subject),
            before: self.followed.of(subject),
            cells: self.cells(subject.text()),
            outcomes: Vec::new(),
            // The text's own.
            forwards: 1,
            warnings: Warning::small_margin(self.model.config(), subject.prediction()).into_iter().collect(),
        };
        draft.write(answer.made(false)?);
        let mut told = 0;
        while answer.go_on()? {
            if (answer.outcomes.len() - told) * PARTS_TOLD >= answer.cells.len() {
                told = answer.outcomes.len();
                draft.write(answer.made(false)?);
            }
        }
        answer.made(true)
    }
}
