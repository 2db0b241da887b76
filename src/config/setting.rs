//! The types that settings have, read from a file's value or from a variable's text.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Value;

use super::{ByteSize, LogFormat};
use crate::model::Placement;

/// A type of setting.
pub(super) trait Setting: Sized {
    /// Reads a variable.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads a value of a file; in most cases a text as well.
    fn from_value(value: &Value) -> Option<Self> {
        value.as_str().and_then(Self::from_text)
    }

    /// What a range of [`Takes`](super::keys::Takes) is held against.
    fn magnitude(&self) -> Option<u64> {
        None
    }
}

impl Setting for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Setting for PathBuf {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Setting for SocketAddr {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

impl Setting for Placement {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

impl Setting for LogFormat {
    fn from_text(text: &str) -> Option<Self> {
        match text.trim() {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        }
    }
}

impl Setting for bool {
    /// Compose files and shells write truth in many ways.
    fn from_text(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Setting for u64 {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_integer()?.try_into().ok()
    }

    fn magnitude(&self) -> Option<u64> {
        Some(*self)
    }
}

impl Setting for usize {
    fn from_text(text: &str) -> Option<Self> {
        u64::from_text(text)?.try_into().ok()
    }

    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value)?.try_into().ok()
    }

    fn magnitude(&self) -> Option<u64> {
        u64::try_from(*self).ok()
    }
}

impl Setting for ByteSize {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_value(value: &Value) -> Option<Self> {
        ByteSize::deserialize(value.clone()).ok()
    }

    fn magnitude(&self) -> Option<u64> {
        Some(self.bytes())
    }
}
