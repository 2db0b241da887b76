//! What there is to set: one description of each key, for reading it, for messages about it, and for the
//! table in `docs/configuration.md`.

use std::fmt;
use std::ops::RangeInclusive;

use toml::Value;

use super::{ByteSize, Config, LogFormat, ModelEntry};

/// The description of one setting.
#[derive(Debug)]
pub struct Key {
    /// What a file calls it.
    pub name: &'static str,
    /// What it may be.
    pub takes: Takes,
    /// Whether there is an `EXPLAIND_*` variable for it.
    pub has_variable: bool,
    /// The flag that sets it, if there is one.
    pub flag: Option<&'static str>,
    /// What it is for.
    pub meaning: &'static str,
    /// What a configuration says it is, as a file would.
    pub value: fn(&Config) -> Value,
}

/// What a setting may be.
#[derive(Debug)]
pub enum Takes {
    /// What these words describe.
    Words(&'static str),
    /// A whole number in this range.
    Number(RangeInclusive<u64>),
    /// A number of bytes, not less than this.
    Size(ByteSize),
}

/// What the variables of all settings begin with.
pub const PREFIX: &str = "EXPLAIND_";

/// Every key, in the order of the table.
pub static KEYS: [&Key; 18] = [
    &LISTEN,
    &INSECURE,
    &THREADS,
    &DEVICE,
    &MAX_QUEUED,
    &MAX_WORK_BYTES,
    &MAX_BODY_BYTES,
    &MAX_DATASET_BYTES,
    &DEADLINE_SECONDS,
    &DRAIN_SECONDS,
    &DATA_DIR,
    &DATABASE_URL,
    &CACHE_MEMORY_BYTES,
    &CACHE_DISK_BYTES,
    &CACHE_DAYS,
    &LOG,
    &LOG_FORMAT,
    &MODELS,
];

impl Key {
    /// The variable that sets it, if one does.
    pub fn variable(&self) -> Option<String> {
        self.has_variable.then(|| format!("{PREFIX}{}", self.name.to_uppercase()))
    }
}

impl Takes {
    /// Whether a value of this size is within the range; words have none.
    pub(super) fn allows(&self, magnitude: u64) -> bool {
        match self {
            Takes::Words(_) => true,
            Takes::Number(range) => range.contains(&magnitude),
            Takes::Size(least) => magnitude >= least.bytes(),
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Takes::Words(words) => f.write_str(words),
            Takes::Number(range) => write!(f, "a whole number from {} to {}", range.start(), range.end()),
            Takes::Size(least) if least.bytes() == 0 => f.write_str(SIZE),
            Takes::Size(least) => write!(f, "{SIZE}, at least {least}"),
        }
    }
}

const SIZE: &str = "a number of bytes, or a size such as `64 MiB`";

/// See [`Config::listen`].
pub static LISTEN: Key = Key {
    name: "listen",
    takes: Takes::Words("an address and a port, such as 127.0.0.1:8080"),
    has_variable: true,
    flag: Some("--listen"),
    meaning: "where to listen",
    value: |config| Value::String(config.listen.to_string()),
};

/// See [`Config::insecure`].
pub static INSECURE: Key = Key {
    name: "insecure",
    takes: Takes::Words("true or false"),
    has_variable: true,
    flag: Some("--insecure"),
    meaning: "allows listening where other machines can reach it, though there are no keys yet",
    value: |config| Value::Boolean(config.insecure),
};

/// See [`Config::threads`].
pub static THREADS: Key = Key {
    name: "threads",
    // No machine has more cores; a larger number is a slip.
    takes: Takes::Number(0..=1024),
    has_variable: true,
    flag: Some("--threads"),
    meaning: "worker threads; 0 is one for each core",
    value: |config| number(config.threads as u64),
};

/// See [`Config::device`].
pub static DEVICE: Key = Key {
    name: "device",
    takes: Takes::Words("`cpu`, `cuda`, or `cuda:` with a number"),
    has_variable: true,
    flag: None,
    meaning: "what models run on; CUDA needs a build with `--features cuda`",
    value: |config| Value::String(config.device.to_string()),
};

/// See [`Config::max_queued`].
pub static MAX_QUEUED: Key = Key {
    name: "max_queued",
    takes: Takes::Number(1..=100_000),
    has_variable: true,
    flag: None,
    meaning: "requests that may wait or be under way at a time; more are answered 429",
    value: |config| number(config.max_queued as u64),
};

/// See [`Config::max_work_bytes`].
pub static MAX_WORK_BYTES: Key = Key {
    name: "max_work_bytes",
    takes: Takes::Size(ByteSize::new(1)),
    has_variable: true,
    flag: None,
    meaning: "memory that the work under way may take, models and cache apart; more is answered 429, unless it is alone",
    value: |config| size(config.max_work_bytes),
};

/// See [`Config::max_body_bytes`].
pub static MAX_BODY_BYTES: Key = Key {
    name: "max_body_bytes",
    takes: Takes::Size(ByteSize::new(1)),
    has_variable: true,
    flag: None,
    meaning: "largest request body",
    value: |config| size(config.max_body_bytes),
};

/// See [`Config::max_dataset_bytes`].
pub static MAX_DATASET_BYTES: Key = Key {
    name: "max_dataset_bytes",
    takes: Takes::Size(ByteSize::new(1)),
    has_variable: true,
    flag: None,
    meaning: "largest dataset that is taken in, as it is sent",
    value: |config| size(config.max_dataset_bytes),
};

/// See [`Config::deadline_seconds`].
pub static DEADLINE_SECONDS: Key = Key {
    name: "deadline_seconds",
    takes: Takes::Number(1..=86_400),
    has_variable: true,
    flag: None,
    meaning: "longest time a request may take; `X-Request-Timeout` asks for less; later is answered 504",
    value: |config| number(config.deadline_seconds),
};

/// See [`Config::drain_seconds`].
pub static DRAIN_SECONDS: Key = Key {
    name: "drain_seconds",
    takes: Takes::Number(0..=3_600),
    has_variable: true,
    flag: None,
    meaning: "how long requests under way may take once the server was told to stop",
    value: |config| number(config.drain_seconds),
};

/// See [`Config::data_dir`].
pub static DATA_DIR: Key = Key {
    name: "data_dir",
    takes: Takes::Words("a path"),
    has_variable: true,
    flag: Some("--data-dir"),
    meaning: "directory of the embedded database",
    value: |config| Value::String(config.data_dir.display().to_string()),
};

/// See [`Config::database_url`].
pub static DATABASE_URL: Key = Key {
    name: "database_url",
    takes: Takes::Words(
        "`sqlite:PATH`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or `memory` to keep nothing for good",
    ),
    has_variable: true,
    flag: Some("--database-url"),
    meaning: "where results are kept; unset, it is `explaind.db` in `data_dir`",
    // An URL that is refused is not shown: a password may stand in it.
    value: |config| {
        Value::String(config.database().map_or_else(|_| "refused".into(), |database| database.to_string()))
    },
};

/// See [`Config::cache_memory_bytes`].
pub static CACHE_MEMORY_BYTES: Key = Key {
    name: "cache_memory_bytes",
    takes: Takes::Size(ByteSize::new(0)),
    has_variable: true,
    flag: None,
    meaning: "results kept in memory; 0 keeps none there",
    value: |config| size(config.cache_memory_bytes),
};

/// See [`Config::cache_disk_bytes`].
pub static CACHE_DISK_BYTES: Key = Key {
    name: "cache_disk_bytes",
    takes: Takes::Size(ByteSize::new(1 << 20)),
    has_variable: true,
    flag: None,
    meaning: "results kept in the database",
    value: |config| size(config.cache_disk_bytes),
};

/// See [`Config::cache_days`].
pub static CACHE_DAYS: Key = Key {
    name: "cache_days",
    takes: Takes::Number(0..=36_500),
    has_variable: true,
    flag: None,
    meaning: "results older than this are dropped; 0 sets no limit by age",
    value: |config| number(config.cache_days),
};

/// See [`Config::log`].
pub static LOG: Key = Key {
    name: "log",
    takes: Takes::Words("filters such as `info`, or `explaind=debug,sqlx=warn`"),
    has_variable: true,
    flag: Some("--log"),
    meaning: "what to log",
    value: |config| Value::String(config.log.clone()),
};

/// See [`Config::log_format`].
pub static LOG_FORMAT: Key = Key {
    name: "log_format",
    takes: Takes::Words("`text` or `json`"),
    has_variable: true,
    flag: None,
    meaning: "how log lines look",
    value: |config| {
        let name = match config.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        Value::String(name.into())
    },
};

/// See [`Config::models`].
pub static MODELS: Key = Key {
    name: "models",
    takes: Takes::Words("tables of `id` and `path`"),
    has_variable: false,
    flag: Some("--model"),
    meaning: "the models to serve, the default one first; none means the bundled one",
    value: |config| Value::Array(config.models.iter().map(entry).collect()),
};

fn number(value: u64) -> Value {
    // Every range ends far below i64::MAX.
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn size(value: ByteSize) -> Value {
    Value::String(value.to_string())
}

fn entry(model: &ModelEntry) -> Value {
    let path = model.path.display().to_string();
    let fields = [("id".into(), Value::String(model.id.clone())), ("path".into(), Value::String(path))];
    Value::Table(fields.into_iter().collect())
}
