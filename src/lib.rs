//! The map: see each room's own page.

pub mod cache;
pub mod engine;
pub mod explain;
pub mod model;
pub mod server;
