//! Concepts of a server's models: taught by examples, tested against chance, taken apart, erased, and found where nobody
//! has named them.
//!
//! The arithmetic is [`crate::explain::concept`]'s. This room brings together what it works on (the states of texts,
//! which the engine computes and the cache keeps), and keeps what was learnt: by name and version, with the fingerprint of
//! the model whose states it is a direction of.

mod bundled;
mod collection;
pub mod decomposing;
mod discovering;
mod document;
pub mod erasing;
pub mod exchange;
mod fault;
mod gathering;
pub mod interventions;
mod learning;
pub mod tcav;

use std::time::Duration;

pub use collection::{ConceptPage, Concepts, Similar};
pub use discovering::{
    ActiveText, ActiveWord, ChangedPredictions, ComponentView, Discovering, DiscoveryOptions, DiscoveryView,
    ImportanceView, Naming, ProjectedOut, RisingShare,
};
pub use document::{
    Body, Concept, Counts, Ends, Example, LayerDirection, NamedEraser, NullView, Origin, StabilityView,
    Summary, ValidationView,
};
pub use fault::Fault;
pub use gathering::{Gathering, RowStates, Rows, States};
pub use learning::{Learnt, Lesson, Source, Taught};

/// Most examples of a concept, and most counter-examples.
pub const MOST_EXAMPLES: usize = 1000;

/// Fewest examples of a concept, and fewest counter-examples.
pub const FEWEST_EXAMPLES: usize = 5;

/// How long what an answer is made of may take: those who wait for the whole have deadlines of their own, and when nobody
/// waits any more it is called off.
const UNHURRIED: Duration = Duration::from_secs(24 * 60 * 60);

/// Most rows of a dataset that are gone through while somebody waits.
pub const MOST_ROWS: u64 = 1000;

/// Most characters of a concept's name.
pub const MOST_NAME_CHARACTERS: usize = 100;

/// Most characters of a concept's description.
pub const MOST_DESCRIPTION_CHARACTERS: usize = 1000;

/// Names that paths have for something else.
pub const RESERVED: [&str; 5] = ["discoveries", "edits", "import", "scores", "tcav"];

/// Whether a name is one: lower-case letters, digits, `.`, `_` and `-`, a letter or digit first, and nothing that a path
/// is called.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let begins = bytes.next().is_some_and(is_plain);
    let goes_on = bytes.all(|byte| is_plain(byte) || matches!(byte, b'.' | b'_' | b'-'));
    begins && goes_on && name.len() <= MOST_NAME_CHARACTERS && !RESERVED.contains(&name)
}
