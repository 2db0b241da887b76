//! A real server on a port of its own, and a client that speaks to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};

use explaind::engine::{Engine, ModelSource, Pool};
use explaind::server::{AppState, Limits, router};
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value;

use super::golden::{BUNDLED, model_directory};

/// A listening server; it lives as long as the test process.
#[derive(Clone)]
pub struct TestServer {
    address: SocketAddr,
    client: Client,
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

static SHARED: LazyLock<Mutex<HashMap<usize, TestServer>>> = LazyLock::new(Mutex::default);

impl TestServer {
    /// The server that tests share: the bundled model first, then one of each kind.
    pub fn shared() -> Self {
        TestServer::with_threads(2)
    }

    /// The same with another number of workers.
    pub fn with_threads(threads: usize) -> Self {
        let mut servers = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        servers.entry(threads).or_insert_with(|| TestServer::start(threads)).clone()
    }

    fn start(threads: usize) -> Self {
        let ids = [BUNDLED, "three-labels", "multi-label", "regression", "pairs", "one-type-id"];
        let sources = ids.map(|id| ModelSource { id: id.into(), path: model_directory(id) });
        let engine =
            Engine::start(&sources, Pool::new(threads).unwrap()).unwrap_or_else(|error| panic!("{error}"));
        let app = router(AppState { engine: Arc::new(engine), limits: Limits { body_bytes: BODY_LIMIT } });
        let (sender, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, app).await.unwrap();
            });
        });
        let client = Client::builder().timeout(std::time::Duration::from_secs(120)).build().unwrap();
        TestServer { address: address.recv().unwrap(), client }
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
