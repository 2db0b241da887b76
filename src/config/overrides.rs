//! What flags say.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::ModelEntry;

/// What the command line sets; what is none is left to the other layers.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// See [`Config::listen`](super::Config::listen).
    pub listen: Option<SocketAddr>,
    /// See [`Config::insecure`](super::Config::insecure).
    pub insecure: Option<bool>,
    /// See [`Config::threads`](super::Config::threads).
    pub threads: Option<usize>,
    /// See [`Config::data_dir`](super::Config::data_dir).
    pub data_dir: Option<PathBuf>,
    /// See [`Config::database_url`](super::Config::database_url).
    pub database_url: Option<String>,
    /// See [`Config::log`](super::Config::log).
    pub log: Option<String>,
    /// See [`Config::models`](super::Config::models).
    pub models: Option<Vec<ModelEntry>>,
}
