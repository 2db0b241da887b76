//! The changes to text and network that a what-if question is made of.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::engine::OwnedText;
use crate::engine::answer::{Action, InterventionView};
use crate::engine::plan::Invalid;
use crate::explain::rewriting::Rewrite;
use crate::model::text::Word;
use crate::model::{Intervention, Model, ModelConfig};

/// The farthest from 0 that heads and neurons are multiplied by.
pub const MOST_FACTOR: f64 = 10.0;

/// The most characters that are put in place of a word.
pub const MOST_WRITTEN: usize = 200;

/// A change to a text, or to the network that reads it. Numbers are as they were sent.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A word becomes something else.
    Replace {
        /// Its index.
        word: usize,
        /// What stands there instead, as it is written; not blank.
        with: String,
    },
    /// Words are taken out.
    Delete {
        /// Their indices.
        words: Vec<usize>,
    },
    /// The mask token stands for each token of some words.
    Mask {
        /// Their indices.
        words: Vec<usize>,
    },
    /// No token attends to those of some words.
    Hide {
        /// Their indices.
        words: Vec<usize>,
    },
    /// The contexts of some heads are multiplied.
    ScaleHeads {
        /// The heads.
        heads: Vec<Head>,
        /// By how much; 0 drops them.
        factor: f64,
    },
    /// Some feed-forward neurons of a layer are multiplied, after their activation function.
    ScaleNeurons {
        /// The layer, from 0.
        layer: usize,
        /// The neurons, from 0.
        neurons: Vec<usize>,
        /// By how much; 0 drops them.
        factor: f64,
    },
    /// A hidden state becomes that of another text.
    Patch {
        /// 0 is the embeddings' output, l the output of the l-th layer.
        layer: usize,
        /// The other text.
        from: OwnedText,
        /// The words whose tokens are patched; none means all tokens.
        words: Option<Vec<usize>>,
    },
    /// A concept is erased or pushed.
    Concept {
        /// What happens to the network.
        change: Intervention,
        /// The same as answers tell of it.
        told: InterventionView,
    },
}

/// An attention head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head {
    /// The layer, from 0.
    pub layer: usize,
    /// The head, from 0.
    pub head: usize,
}

impl Edit {
    /// Its name in requests and answers.
    pub fn action(&self) -> &'static str {
        match self {
            Edit::Replace { .. } => "replace",
            Edit::Delete { .. } => "delete",
            Edit::Mask { .. } => "mask",
            Edit::Hide { .. } => "hide",
            Edit::ScaleHeads { .. } => "scale_heads",
            Edit::ScaleNeurons { .. } => "scale_neurons",
            Edit::Patch { .. } => "patch",
            Edit::Concept { told, .. } => match told.action {
                Action::Erase => "erase",
                Action::Push => "push",
            },
        }
    }

    /// Whether it changes the string itself.
    pub(super) fn rewrites(&self) -> bool {
        matches!(self, Edit::Replace { .. } | Edit::Delete { .. })
    }

    /// What it does to the string whose words these are.
    pub(super) fn rewrite(&self, words: &[Word]) -> Vec<Rewrite> {
        let (named, to) = match self {
            Edit::Replace { word, with } => (std::slice::from_ref(word), with.as_str()),
            Edit::Delete { words } => (words.as_slice(), ""),
            _ => return Vec::new(),
        };
        let rewrite = |word: &Word| Rewrite {
            segment: word.segment,
            span: word.span.start..word.span.end,
            to: to.to_owned(),
        };
        named.iter().filter_map(|index| words.get(*index)).map(rewrite).collect()
    }

    /// How many characters it puts into the string.
    pub(super) fn characters_written(&self) -> usize {
        match self {
            Edit::Replace { with, .. } => with.chars().count(),
            _ => 0,
        }
    }

    /// The words that it names, each with its place in the edit.
    fn words(&self) -> Vec<(String, usize)> {
        match self {
            Edit::Replace { word, .. } => vec![("/word".into(), *word)],
            Edit::Delete { words }
            | Edit::Mask { words }
            | Edit::Hide { words }
            | Edit::Patch { words: Some(words), .. } => placed("/words", words),
            Edit::ScaleHeads { .. }
            | Edit::ScaleNeurons { .. }
            | Edit::Patch { words: None, .. }
            | Edit::Concept { .. } => Vec::new(),
        }
    }

    /// The same as answers tell of it, with defaults filled in: equal forms, equal edits.
    pub(super) fn told(&self) -> Value {
        let action = self.action();
        match self {
            Edit::Replace { word, with } => json!({"action": action, "word": word, "with": with}),
            Edit::Delete { words } | Edit::Mask { words } | Edit::Hide { words } => {
                json!({"action": action, "words": words})
            }
            Edit::ScaleHeads { heads, factor } => {
                let heads: Vec<Value> =
                    heads.iter().map(|Head { layer, head }| json!({"layer": layer, "head": head})).collect();
                json!({"action": action, "heads": heads, "factor": factor})
            }
            Edit::ScaleNeurons { layer, neurons, factor } => {
                json!({"action": action, "layer": layer, "neurons": neurons, "factor": factor})
            }
            Edit::Patch { layer, from, words } => {
                let from = match &from.text_pair {
                    None => json!(from.text),
                    Some(pair) => json!({"text": from.text, "text_pair": pair}),
                };
                json!({"action": action, "layer": layer, "from": from, "words": words})
            }
            Edit::Concept { told: InterventionView { concept, method, strength, layer, .. }, .. } => {
                match method {
                    Some(method) => {
                        json!({"action": action, "concept": concept, "method": method, "layer": layer})
                    }
                    None => {
                        json!({"action": action, "concept": concept, "strength": strength, "layer": layer})
                    }
                }
            }
        }
    }

    /// Refuses what does not suit the model; `pointer` says where the edit stands.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub(super) fn check(&self, pointer: &str, model: &Model) -> Result<(), Invalid> {
        let config = model.config();
        let words: Vec<usize> = self.words().into_iter().map(|(_, word)| word).collect();
        match self {
            Edit::Replace { with, .. } => check_written(pointer, with),
            Edit::Delete { .. } | Edit::Hide { .. } | Edit::Patch { words: Some(_), layer: _, from: _ } => {
                check_list(pointer, "words", "word", &words)?;
                self.check_layer(pointer, config)
            }
            Edit::Mask { .. } => {
                check_mask(&format!("{pointer}/action"), model)?;
                check_list(pointer, "words", "word", &words)
            }
            Edit::ScaleHeads { heads, factor } => {
                for (place, Head { layer, head }) in heads.iter().enumerate() {
                    let pointer = format!("{pointer}/heads/{place}");
                    below(&format!("{pointer}/layer"), "layer", *layer, config.layers)?;
                    below(&format!("{pointer}/head"), "head", *head, config.heads)?;
                }
                check_list(pointer, "heads", "head", heads)?;
                check_factor(pointer, *factor)
            }
            Edit::ScaleNeurons { neurons, factor, .. } => {
                self.check_layer(pointer, config)?;
                for (at, neuron) in placed("/neurons", neurons) {
                    below(&format!("{pointer}{at}"), "neuron", neuron, config.intermediate_size)?;
                }
                check_list(pointer, "neurons", "neuron", neurons)?;
                check_factor(pointer, *factor)
            }
            Edit::Patch { words: None, .. } => self.check_layer(pointer, config),
            Edit::Concept { .. } => Ok(()),
        }
    }

    fn check_layer(&self, pointer: &str, config: &ModelConfig) -> Result<(), Invalid> {
        let pointer = format!("{pointer}/layer");
        match self {
            Edit::ScaleNeurons { layer, .. } => below(&pointer, "layer", *layer, config.layers),
            Edit::Patch { layer, .. } => below(&pointer, "hidden state", *layer, config.layers + 1),
            _ => Ok(()),
        }
    }

    /// Refuses words that a text of so many does not have; `pointer` says where the edit stands.
    ///
    /// # Errors
    /// The first of them.
    pub(super) fn check_words(&self, pointer: &str, count: usize) -> Result<(), Invalid> {
        for (at, word) in self.words() {
            below(&format!("{pointer}{at}"), "word", word, count)?;
        }
        Ok(())
    }

    /// Whether it cannot go together with another that names the same word.
    fn excludes(&self, other: &Edit) -> bool {
        match (self, other) {
            (Edit::Patch { layer, .. }, Edit::Patch { layer: other, .. }) => layer == other,
            // The tokens of what a word is replaced by can be patched; of a deleted one there are none.
            (Edit::Patch { .. }, other) | (other, Edit::Patch { .. }) => matches!(other, Edit::Delete { .. }),
            _ => self.rewrites() || other.rewrites(),
        }
    }

    /// The hidden state that another patches too, where one of the two patches all of its tokens.
    fn patches_over(&self, other: &Edit) -> Option<usize> {
        match (self, other) {
            (Edit::Patch { layer, words, .. }, Edit::Patch { layer: patched, words: others, .. }) => {
                (layer == patched && (words.is_none() || others.is_none())).then_some(*layer)
            }
            _ => None,
        }
    }
}

/// Refuses two edits of one word that cannot both be done, and two patches of one token's hidden state.
///
/// # Errors
/// The first word, where the later of them names it; the layer of a later patch, where one of the two is of all tokens.
pub(super) fn check_together(edits: &[Edit]) -> Result<(), Invalid> {
    let mut named: HashMap<usize, Vec<usize>> = HashMap::new();
    for (place, edit) in edits.iter().enumerate() {
        for (at, word) in edit.words() {
            let others = named.entry(word).or_default();
            if let Some(other) = others.iter().find(|other| edits[**other].excludes(edit)) {
                return Err(Invalid::new(
                    format!("/edits/{place}{at}"),
                    format!(
                        "edit {other} (`{}`) and edit {place} (`{}`) are both about word {word}",
                        edits[*other].action(),
                        edit.action()
                    ),
                    "leave the word to one of them, or ask twice",
                ));
            }
            others.push(place);
        }
        let earlier = edits[..place].iter().enumerate();
        let mut clashes = earlier.filter_map(|(other, earlier)| Some((other, edit.patches_over(earlier)?)));
        if let Some((other, layer)) = clashes.next() {
            return Err(Invalid::new(
                format!("/edits/{place}/layer"),
                format!(
                    "edit {other} (`patch`) and edit {place} (`patch`) are both about hidden state {layer}, and not each \
                     about words of its own"
                ),
                "name other `words` in each, patch another hidden state, or ask twice",
            ));
        }
    }
    Ok(())
}

/// Refuses masks where the vocabulary has none; `pointer` says where they are asked for.
///
/// # Errors
/// It has none.
pub(super) fn check_mask(pointer: &str, model: &Model) -> Result<(), Invalid> {
    match model.tokenizer().special().mask {
        Some(_) => Ok(()),
        None => Err(Invalid::new(
            pointer,
            format!("the vocabulary of model `{}` has no mask token", model.id()),
            "hide or delete the words instead",
        )),
    }
}

fn check_written(pointer: &str, with: &str) -> Result<(), Invalid> {
    let refused = |detail: String, remedy: &str| Err(Invalid::new(format!("{pointer}/with"), detail, remedy));
    let length = with.chars().count();
    if with.trim().is_empty() {
        return refused("is blank".into(), "send at least one word, or `delete` this one");
    }
    if length > MOST_WRITTEN {
        let detail = format!("has {length} characters");
        return refused(detail, &format!("send at most {MOST_WRITTEN} characters"));
    }
    match with.chars().any(char::is_control) {
        false => Ok(()),
        true => refused("has a control character".into(), "leave it out: write words, and spaces between"),
    }
}

fn check_factor(pointer: &str, factor: f64) -> Result<(), Invalid> {
    match factor.is_finite() && factor.abs() <= MOST_FACTOR {
        true => Ok(()),
        false => Err(Invalid::new(
            format!("{pointer}/factor"),
            format!("is {factor}"),
            format!("send a number from −{MOST_FACTOR} to {MOST_FACTOR}; 0 drops what it multiplies"),
        )),
    }
}

/// Refuses an empty list, and one that names something twice.
fn check_list<T: Copy + Eq + std::hash::Hash>(
    pointer: &str,
    field: &str,
    what: &str,
    items: &[T],
) -> Result<(), Invalid> {
    if items.is_empty() {
        let remedy = format!("name at least one {what}");
        return Err(Invalid::new(format!("{pointer}/{field}"), "the list is empty", remedy));
    }
    let mut seen = HashSet::new();
    match items.iter().position(|item| !seen.insert(*item)) {
        None => Ok(()),
        Some(place) => Err(Invalid::new(
            format!("{pointer}/{field}/{place}"),
            format!("this {what} is named twice"),
            format!("name each {what} once"),
        )),
    }
}

fn below(pointer: &str, what: &str, index: usize, count: usize) -> Result<(), Invalid> {
    match index < count {
        true => Ok(()),
        false => Err(Invalid::new(
            pointer,
            format!("there is no {what} {index}"),
            format!("send an index below {count}"),
        )),
    }
}

fn placed(field: &str, items: &[usize]) -> Vec<(String, usize)> {
    items.iter().enumerate().map(|(place, item)| (format!("{field}/{place}"), *item)).collect()
}
