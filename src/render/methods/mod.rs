//! What there is to say of the methods, for people: in a terminal, and as the page `docs/methods.md`. All of it is what
//! the methods say of themselves.

mod markdown;
mod options;
mod terminal;

pub use markdown::reference;
pub use terminal::{list, one};

use crate::explain::{Family, Method, registry};

/// The families that have methods, each with them.
fn by_family() -> impl Iterator<Item = (Family, Vec<&'static dyn Method>)> {
    let of = |family| registry::METHODS.iter().copied().filter(|method| method.family() == family).collect();
    let families = Family::ALL.into_iter().map(move |family| (family, of(family)));
    families.filter(|(_, methods): &(Family, Vec<&dyn Method>)| !methods.is_empty())
}

/// Whether its scores speak of a class.
fn about_class(method: &dyn Method) -> &'static str {
    match method.uses_target() {
        true => "one class, that of `target`",
        false => "no class: `target` changes nothing",
    }
}

/// Whether it draws at random.
fn about_chance(method: &dyn Method) -> &'static str {
    match method.samples() {
        true => "draws at random, by `seed`: the same seed gives the same scores",
        false => "draws nothing: `seed` changes nothing",
    }
}
