//! A real server on a port of its own, and a client that speaks to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use explaind::cache::Cache;
use explaind::config::Database;
use explaind::engine::{Capacity, Engine, ModelSource, Scheduler, load_models};
use explaind::metrics::Metrics;
use explaind::server::{AppState, Limits, router, serve};
use explaind::store::postgres::PostgresStore;
use explaind::store::sqlite::SqliteStore;
use explaind::store::{OpenError, Store};
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::golden::{BUNDLED, model_directory};

/// A listening server; it lives as long as the test process.
#[derive(Clone)]
pub struct TestServer {
    address: SocketAddr,
    client: Client,
    pub metrics: Arc<Metrics>,
    pub state: AppState,
    pub runtime: Arc<Runtime>,
}

/// A server to be: the bundled model first, then one of each kind.
pub struct Settings {
    pub models: Vec<&'static str>,
    pub threads: usize,
    pub database: Option<Database>,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub age: Option<Duration>,
    pub most_requests: usize,
    pub most_work_bytes: usize,
    pub dataset_bytes: u64,
    pub deadline: Duration,
    pub head_time: Duration,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

/// Small enough that a test can exceed it.
pub const BODY_LIMIT: usize = 1 << 20;

/// The same for datasets.
pub const DATASET_LIMIT: u64 = 4 << 20;

static SHARED: LazyLock<Mutex<HashMap<usize, TestServer>>> = LazyLock::new(Mutex::default);

impl Default for Settings {
    fn default() -> Self {
        Settings {
            models: vec![BUNDLED, "three-labels", "multi-label", "regression", "pairs", "one-type-id"],
            threads: 2,
            database: None,
            memory_bytes: 64 << 20,
            disk_bytes: 1 << 30,
            age: None,
            most_requests: 256,
            most_work_bytes: 2 << 30,
            dataset_bytes: DATASET_LIMIT,
            deadline: Duration::from_secs(120),
            head_time: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// Only a tiny model, with a database in this file.
    pub fn tiny(database: &Path) -> Self {
        Settings::tiny_on(Database::Sqlite(database.to_owned()))
    }

    /// Only a tiny model, with any database.
    pub fn tiny_on(database: Database) -> Self {
        Settings { models: vec!["three-labels"], database: Some(database), ..Settings::default() }
    }

    /// Starts it, with its models loaded.
    pub fn start(self) -> TestServer {
        let server = self.start_closed();
        server.runtime.block_on(async {
            server.state.open(self.engine(server.metrics.clone()).await);
        });
        server
    }

    /// Starts it as it is while its models are being loaded.
    pub fn start_closed(&self) -> TestServer {
        let metrics = Arc::new(Metrics::default());
        let limits =
            Limits { body_bytes: BODY_LIMIT, dataset_bytes: self.dataset_bytes, deadline: self.deadline };
        let state = AppState::starting(limits, metrics.clone());
        let runtime = Arc::new(Runtime::new().unwrap());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(state.clone());
        runtime.spawn(serve(listener, app, self.head_time, std::future::pending()));
        let client = Client::builder().timeout(Duration::from_secs(120)).build().unwrap();
        TestServer { address, client, metrics, state, runtime }
    }

    /// Its models, database and workers.
    pub async fn engine(&self, metrics: Arc<Metrics>) -> Arc<Engine> {
        let source = |id: &&str| ModelSource { id: (*id).into(), path: model_directory(id) };
        let sources: Vec<ModelSource> = self.models.iter().map(source).collect();
        let models = load_models(&sources, explaind::model::Placement::Cpu, &metrics)
            .unwrap_or_else(|error| panic!("{error}"));
        let fault = |error: OpenError| panic!("{error}");
        let (store, trouble): (Option<Arc<dyn Store>>, _) = match &self.database {
            None | Some(Database::Memory) => (None, None),
            Some(Database::Sqlite(path)) => {
                (Some(Arc::new(SqliteStore::open(path).await.unwrap_or_else(fault))), None)
            }
            Some(Database::Postgres(url)) => {
                let (store, trouble) =
                    PostgresStore::open(url.expose()).await.unwrap_or_else(|error| panic!("{error}"));
                (Some(Arc::new(store)), trouble)
            }
        };
        let store = store.map(|store| (store, self.disk_bytes));
        let cache = Cache::new(self.memory_bytes, self.age, store, metrics.clone());
        if let (Some(durable), Some(trouble)) = (cache.durable(), trouble) {
            durable.begin_in_trouble(&trouble);
        }
        let scheduler = Scheduler::new(self.threads, metrics.clone()).unwrap();
        let capacity = Capacity { requests: self.most_requests, bytes: self.most_work_bytes };
        Arc::new(Engine::new(models, scheduler, cache, capacity, metrics))
    }
}

impl TestServer {
    /// The server that tests share.
    pub fn shared() -> Self {
        TestServer::with_threads(2)
    }

    /// The same with another number of workers.
    pub fn with_threads(threads: usize) -> Self {
        let mut servers = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let start = || Settings { threads, ..Settings::default() }.start();
        servers.entry(threads).or_insert_with(start).clone()
    }

    /// A figure of `/metrics`, by the beginning of its line; 0 where there is none yet.
    pub fn figure(&self, line: &str) -> f64 {
        figure(&self.metrics.encode().unwrap(), line)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url(path))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().unwrap().into()
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path).json(body).send().unwrap().into()
    }

    /// Posts what should succeed.
    pub fn ok(&self, path: &str, body: Value) -> Value {
        let answer = self.post(path, &body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        assert_eq!(answer.content_type, "application/json");
        answer.json()
    }

    /// Posts what should fail, and checks that it fails as every failure does.
    pub fn problem(&self, path: &str, body: Value, status: u16) -> Value {
        self.post(path, &body).problem(status)
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let content_type =
            response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        Answer {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default(),
            headers: response.headers().clone(),
            body: response.bytes().unwrap().to_vec(),
        }
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The problem it carries, complete and consistent with the status.
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.content_type, "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for member in ["type", "title", "detail", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {problem}");
        }
        assert_eq!(problem["request_id"], self.headers["x-request-id"].to_str().unwrap());
        problem
    }
}

/// A figure of a page of metrics, by the beginning of its line; 0 where there is none yet.
pub fn figure(page: &str, line: &str) -> f64 {
    let value = page.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}
