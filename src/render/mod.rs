//! Explanations for the eye: in a terminal, as a picture, as a page.

pub mod comparison;
mod escape;
pub mod html;
mod number;
mod palette;
#[cfg(test)]
mod sample;
pub mod svg;
pub mod terminal;
mod units;
mod wording;
