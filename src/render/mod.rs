//! Explanations for the eye: in a terminal, as a picture, as a page; and what there is to say of the methods. For
//! further work: as tensors.

pub mod comparison;
mod escape;
pub mod html;
pub mod methods;
mod number;
mod palette;
mod quality;
#[cfg(test)]
mod sample;
mod scale;
pub mod svg;
pub mod tensors;
pub mod terminal;
mod units;
mod wording;
