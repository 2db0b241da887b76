use std::ffi::OsString;

use super::*;
use crate::config::{ByteSize, LogFormat};

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

/// Gathers settings from a file of this text, from these variables alone, and from flags.
struct Case {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Case {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.toml");
        std::fs::write(&path, text).unwrap();
        Case { directory, path }
    }

    fn load(&self, variables: &[(&str, &str)], flags: &Overrides) -> Result<Config, ConfigError> {
        gather(Some(&self.path), environment(variables), flags).into_config()
    }

    fn beside(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }
}

fn from_file(text: &str) -> Result<Config, ConfigError> {
    Case::new(text).load(&[], &Overrides::default())
}

fn from_variables(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Case::new("").load(variables, &Overrides::default())
}

#[test]
fn flags_override_variables_which_override_the_file_which_overrides_defaults() {
    let case = Case::new("listen = \"127.0.0.1:1\"\nthreads = 1\nmax_queued = 1\n");
    let variables = [("EXPLAIND_LISTEN", "127.0.0.1:2"), ("EXPLAIND_THREADS", "2")];
    let flags = Overrides { listen: Some("127.0.0.1:3".parse().unwrap()), ..Overrides::default() };
    let loaded = gather(Some(&case.path), environment(&variables), &flags);
    let (config, origins) = (&loaded.config, &loaded.origins);
    assert_eq!(loaded.problems, [""; 0]);
    assert_eq!((config.listen.port(), config.threads, config.max_queued, config.cache_days), (3, 2, 1, 0));
    assert_eq!(origins.of(&keys::LISTEN), &Origin::Flag("--listen"));
    assert_eq!(origins.of(&keys::THREADS), &Origin::Variable("EXPLAIND_THREADS".into()));
    assert_eq!(origins.of(&keys::MAX_QUEUED), &Origin::File(case.path.clone()));
    assert_eq!(origins.of(&keys::CACHE_DAYS), &Origin::Default);
}

#[test]
fn every_path_of_a_file_is_relative_to_it() {
    let case = Case::new(
        "data_dir = \"d\"\ndatabase_url = \"sqlite:x/y.db\"\n[[models]]\nid = \"a\"\npath = \"m/a\"\n",
    );
    let config = case.load(&[], &Overrides::default()).unwrap();
    assert_eq!(config.models, [ModelEntry { id: "a".into(), path: case.beside("m/a") }]);
    assert_eq!(config.data_dir, case.beside("d"));
    assert_eq!(config.database(), Ok(Database::Sqlite(case.beside("x/y.db"))));
}

#[test]
fn paths_of_variables_and_flags_are_relative_to_the_current_directory() {
    let case = Case::new("data_dir = \"d\"\n[[models]]\nid = \"a\"\npath = \"m/a\"\n");
    let model = ModelEntry { id: "b".into(), path: "m/b".into() };
    let flags = Overrides { models: Some(vec![model.clone()]), ..Overrides::default() };
    let variables = [("EXPLAIND_DATA_DIR", "v"), ("EXPLAIND_DATABASE_URL", "sqlite://y.db")];
    let config = case.load(&variables, &flags).unwrap();
    assert_eq!((config.data_dir.as_path(), config.models.as_slice()), (Path::new("v"), [model].as_slice()));
    assert_eq!(config.database(), Ok(Database::Sqlite("y.db".into())));
}

#[test]
fn variables_are_read_as_what_the_setting_is() {
    let config = from_variables(&[
        ("EXPLAIND_INSECURE", "1"),
        ("EXPLAIND_DATA_DIR", "2024"),
        ("EXPLAIND_CACHE_MEMORY_BYTES", "32 MiB"),
        ("EXPLAIND_MAX_BODY_BYTES", "4096"),
        ("EXPLAIND_MAX_DATASET_BYTES", "1 GiB"),
        ("EXPLAIND_LOG_FORMAT", "json"),
        ("EXPLAIND_LOG", ""),
        ("EXPLAIND_PORT", "tcp://10.0.0.1:8080"),
    ])
    .unwrap();
    assert!(config.insecure);
    assert_eq!(config.data_dir, Path::new("2024"));
    assert_eq!(config.cache_memory_bytes, ByteSize::new(32 << 20));
    assert_eq!(config.max_body_bytes, ByteSize::new(4096));
    assert_eq!(config.max_dataset_bytes, ByteSize::new(1 << 30));
    assert_eq!((config.log_format, config.log.as_str()), (LogFormat::Json, "info"));
}

#[test]
fn a_size_in_a_file_is_a_number_or_a_text_with_a_unit() {
    let config = from_file("cache_disk_bytes = \"500 MB\"\ncache_memory_bytes = 0\n").unwrap();
    assert_eq!(config.cache_disk_bytes, ByteSize::new(500_000_000));
    assert_eq!(config.cache_memory_bytes, ByteSize::new(0));
}

#[test]
fn every_value_that_cannot_be_is_refused_with_its_place_and_the_remedy() {
    for (text, parts) in [
        ("thread = 3", ["`thread`", "`threads`"]),
        ("colour = 3", ["`colour`", "log_format"]),
        ("threads = \"many\"", ["\"many\"", "from 0 to 1024"]),
        ("threads = \"3\"", ["threads is \"3\"", "whole number"]),
        ("threads = -1", ["-1", "from 0 to 1024"]),
        ("threads = 1025", ["1025", "from 0 to 1024"]),
        ("max_queued = 0", ["max_queued is 0", "from 1 to 100000"]),
        ("max_queued = 100001", ["100001", "from 1 to 100000"]),
        ("deadline_seconds = 0", ["deadline_seconds is 0", "from 1 to 86400"]),
        ("deadline_seconds = 1.5", ["1.5", "whole number"]),
        ("drain_seconds = 3601", ["3601", "from 0 to 3600"]),
        ("cache_days = 36501", ["36501", "from 0 to 36500"]),
        ("cache_disk_bytes = 1000000", ["1000000", "at least 1 MiB"]),
        ("max_body_bytes = 0", ["max_body_bytes is 0", "at least 1 B"]),
        ("max_body_bytes = \"1 Mo\"", ["1 Mo", "64 MiB"]),
        ("insecure = \"yes\"", ["insecure is \"yes\"", "true or false"]),
        ("listen = \"everywhere\"", ["everywhere", "127.0.0.1:8080"]),
        ("log_format = \"xml\"", ["xml", "`json`"]),
        ("device = \"gpu\"", ["gpu", "`cuda`"]),
        ("device = \"cuda\"", ["device", "--features cuda"]),
        ("log = \"a=b=c\"", ["log", "a=b=c"]),
        ("models = 3", ["models", "tables of `id` and `path`"]),
        ("models = [[\"a\", \"b\"]]", ["entry 1", "a table of `id` and `path`"]),
        ("[[models]]\nid = \"a\"", ["entry 1", "`path`"]),
        ("[[models]]\nid = \"A\"\npath = \"x\"", ["`A`", "lower-case"]),
        ("[[models]]\nid = \"a\"\npath = \"x\"\nthreads = 2", ["`threads`", "above the first [[models]]"]),
        ("threads =", ["line 1", "mend it"]),
        ("database_url = 5", ["database_url is 5", "sqlite:PATH"]),
    ] {
        let message = from_file(text).unwrap_err().to_string();
        assert!(message.contains("settings.toml"), "{text}: {message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        assert!(!message.contains("problems"), "{text}: {message}");
    }
}

#[test]
fn all_problems_of_all_layers_are_told_at_once() {
    let case = Case::new(
        "thread = 3\ncache_days = -1\nmax_queued = \"x\"\n\
         [[models]]\nid = \"a\"\npath = \"x\"\n[[models]]\nid = \"a\"\npath = \"y\"\n[[models]]\nid = \"b\"\n",
    );
    let variables = [("EXPLAIND_DRAIN_SECONDS", "soon"), ("EXPLAIND_LISTN", "x"), ("EXPLAIND_LOG", "a=b=c")];
    let flags = Overrides { threads: Some(5000), ..Overrides::default() };
    let error = case.load(&variables, &flags).unwrap_err();
    for part in [
        "EXPLAIND_LISTEN",
        "`thread`",
        "threads is 5000 (--threads)",
        "max_queued is \"x\"",
        "drain_seconds is \"soon\" (EXPLAIND_DRAIN_SECONDS)",
        "cache_days is -1",
        "log (EXPLAIND_LOG)",
        "entry 3",
        "called `a`",
    ] {
        let times = error.problems().iter().filter(|problem| problem.contains(part)).count();
        assert_eq!(times, 1, "{part}: {error}");
    }
    assert_eq!(error.problems().len(), 9, "{error}");
    assert!(error.to_string().starts_with("9 problems in the configuration:\n"), "{error}");
}

#[test]
fn a_value_that_a_higher_layer_replaces_does_no_harm() {
    let case = Case::new("threads = \"many\"\n");
    assert_eq!(case.load(&[("EXPLAIND_THREADS", "2")], &Overrides::default()).unwrap().threads, 2);
}

#[test]
fn no_message_holds_a_password() {
    let postgres = "mysql://user:hunter2@host/db";
    let errors = [
        from_variables(&[("EXPLAIND_DATABASE_URL", postgres)]),
        from_file(&format!("database_url = \"{postgres}\"")),
        from_file(&format!("database_url = \"{postgres}")),
        from_file(&format!("database_url = {postgres}")),
        from_file(&format!("database_url = [\"{postgres}\"]")),
        from_file(&format!("database_url = {{ url = \"{postgres}\" }}")),
    ];
    for error in errors {
        let message = error.unwrap_err().to_string();
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_named_file_must_be_there_whoever_names_it() {
    let missing = Config::load(Some(Path::new("nowhere.toml")), &Overrides::default()).unwrap_err();
    assert!(missing.to_string().contains("nowhere.toml does not exist"), "{missing}");
    let variables = environment(&[("EXPLAIND_CONFIG", "nowhere.toml")]);
    let missing = gather(None, variables, &Overrides::default()).into_config().unwrap_err();
    assert!(missing.to_string().contains("nowhere.toml does not exist"), "{missing}");
    let directory = tempfile::tempdir().unwrap();
    let unreadable = gather(Some(directory.path()), environment(&[]), &Overrides::default());
    assert!(unreadable.problems[0].contains("cannot be read"), "{:?}", unreadable.problems);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let odd = [(OsString::from("EXPLAIND_LOG"), OsString::from_vec(vec![0xff]))];
    let loaded = gather(Some(&Case::new("").path), odd.into_iter().collect(), &Overrides::default());
    assert!(loaded.problems[0].contains("not UTF-8 (EXPLAIND_LOG)"), "{:?}", loaded.problems);
}
