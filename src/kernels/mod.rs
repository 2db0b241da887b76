//! The numeric kernels: plain functions over slices of `f32`.
//!
//! They know nothing of models. [`simd`] holds the instructions, [`product`] the matrix product that
//! everything large is, [`attention`], [`norm`] and [`activation`] the rest of a transformer, each with its
//! way back, and [`buffer`] the memory they work in. `unsafe` is found here and nowhere else.

pub mod activation;
pub mod attention;
pub mod buffer;
pub mod norm;
pub mod packed;
pub mod product;
pub mod simd;

#[cfg(test)]
pub(crate) mod tests;
