//! What the integration tests share.

pub mod alike;
pub mod database;
pub mod golden;
pub mod process;
pub mod server;
