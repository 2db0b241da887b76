//! One text or many through the engine, and what is said beside the bytes: where they came from, how long
//! they took, and where they can be had again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;
use headers::{ETag, HeaderMapExt, IfNoneMatch};

use super::document::Failed;
use super::input::Input;
use super::problem::Problem;
use super::representation::Representation;
use super::request_id::RequestId;
use crate::engine::{Answer, Engine, Failure, Question, Told, Visit};
use crate::render;

/// Texts of one batch that wait for workers at a time: enough that no worker idles between two, few
/// enough that other requests soon come in between.
const IN_FLIGHT: usize = 4;

/// Bytes that the answers of one batch may take together.
const MOST_BATCH_BYTES: usize = 64 << 20;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// How a request about texts is to be answered.
pub struct Asking {
    /// Who answers.
    pub engine: Arc<Engine>,
    /// The request's time and place.
    pub visit: Visit,
    /// The form that the client wants.
    pub representation: Representation,
    /// The request's name.
    pub id: RequestId,
}

impl Asking {
    /// Answers a request: a single text with its answer, a batch with `{"results": […]}` in order,
    /// where a text that fails has `{"error": problem}` in its place.
    ///
    /// # Errors
    /// The failure of a single text; for a batch, that the house is full or that no picture is made of
    /// many answers.
    pub async fn answer(self, question: Question, input: Input) -> Result<Response, Problem> {
        let started = Instant::now();
        let question = Arc::new(question);
        match input {
            Input::Single(text, pointers) => {
                let told = self.engine.ask(&self.visit, &question, text).await;
                let told = told.map_err(|failure| Problem::of_failure(failure, &pointers))?;
                let mut response = single(&told, self.representation).await?;
                add_provenance(&mut response, &Provenance::of(&told), started.elapsed());
                if told.stored {
                    let path = format!("/v1/explanations/{}", told.id);
                    insert(&mut response, header::CONTENT_LOCATION, &path);
                }
                Ok(response)
            }
            Input::Batch(items) if self.representation == Representation::Json => {
                self.answer_batch(&question, items, started).await
            }
            Input::Batch(_) => Err(Problem::no_picture_of_many()),
        }
    }

    async fn answer_batch(
        &self,
        question: &Arc<Question>,
        items: Vec<super::input::Item>,
        started: Instant,
    ) -> Result<Response, Problem> {
        let pending = items.into_iter().map(|(text, pointers)| async move {
            let told = self.engine.ask(&self.visit, question, text?).await;
            told.map_err(|failure| Problem::of_failure(failure, &pointers))
        });
        let mut outcomes = stream::iter(pending).buffered(IN_FLIGHT);
        let mut body = br#"{"results":["#.to_vec();
        let mut provenance = Provenance::default();
        let mut cut_short = false;
        while let Some(outcome) = outcomes.next().await {
            if !body.ends_with(b"[") {
                body.push(b',');
            }
            let outcome = outcome.and_then(|told| fits(told, body.len()));
            match outcome {
                Ok(told) => {
                    provenance.add(&Provenance::of(&told));
                    body.extend_from_slice(&told.body);
                }
                // There is one place for the whole request: if it is refused, so is the request.
                Err(problem) if problem.status() == StatusCode::TOO_MANY_REQUESTS => return Err(problem),
                Err(problem) => {
                    cut_short |= problem.status() == StatusCode::GATEWAY_TIMEOUT;
                    body.extend_from_slice(&item_error(problem.named(&self.id)));
                }
            }
        }
        body.extend_from_slice(b"]}");
        let mut response = with_body(body, Representation::Json.content_type());
        insert(&mut response, header::VARY, "accept");
        add_provenance(&mut response, &provenance, started.elapsed());
        if cut_short {
            insert(&mut response, header::CACHE_CONTROL, "no-store");
        }
        Ok(response)
    }
}

/// An answer that was given before, or 304 if the client has it still.
///
/// # Errors
/// See [`single`].
pub async fn again(
    told: &Told,
    representation: Representation,
    known: Option<IfNoneMatch>,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let mut response = single(told, representation).await?;
    let etag: Option<ETag> = response.headers().typed_get();
    // A page or a picture may be drawn otherwise by the next version; the JSON never changes.
    let control = match representation {
        Representation::Json => "private, max-age=31536000, immutable",
        Representation::Html | Representation::Svg => "private, no-cache",
    };
    insert(&mut response, header::CACHE_CONTROL, control);
    if let (Some(known), Some(etag)) = (known, etag)
        && !known.precondition_passes(&etag)
    {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
        *response.body_mut() = Body::empty();
    }
    add_provenance(&mut response, &Provenance::of(told), started.elapsed());
    Ok(response)
}

/// One answer in one form, with its entity tag.
async fn single(told: &Told, representation: Representation) -> Result<Response, Problem> {
    let (body, tag) = match representation {
        // The bytes are a function of the id, so the id is their tag.
        Representation::Json => (told.body.clone(), told.id.to_string()),
        Representation::Html | Representation::Svg => {
            let drawn = drawn(told.body.clone(), representation).await?;
            let tag = blake3::hash(&drawn).to_hex().to_string();
            (drawn, tag)
        }
    };
    let mut response = with_body(body, representation.content_type());
    insert(&mut response, header::ETAG, &format!("\"{tag}\""));
    insert(&mut response, header::VARY, "accept");
    if representation != Representation::Json {
        // Nothing in a page or picture of ours is meant to run or to load anything.
        insert(
            &mut response,
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        );
        insert(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    }
    Ok(response)
}

/// Drawing a long text takes a while, so it is not done on the threads that serve connections.
async fn drawn(body: Vec<u8>, representation: Representation) -> Result<Vec<u8>, Problem> {
    let draw = move || {
        let answer: Answer = serde_json::from_slice(&body)?;
        Ok::<_, serde_json::Error>(match representation {
            Representation::Svg => render::svg::answer(&answer),
            Representation::Html | Representation::Json => render::html::answer(&answer),
        })
    };
    let drawn = tokio::task::spawn_blocking(draw).await;
    let fault = |fault: String| Problem::of_fault(&Failure::Internal(fault));
    let drawn = drawn.map_err(|error| fault(format!("drawing: {error}")))?;
    Ok(drawn.map_err(|error| fault(format!("reading an answer of our own: {error}")))?.into_bytes())
}

/// A batch holds so many bytes and no more.
fn fits(told: Told, before: usize) -> Result<Told, Problem> {
    match before + told.body.len() > MOST_BATCH_BYTES {
        false => Ok(told),
        true => Err(Problem::batch_too_large(before + told.body.len(), MOST_BATCH_BYTES)),
    }
}

fn item_error(problem: Problem) -> Vec<u8> {
    serde_json::to_vec(&Failed { error: problem }).unwrap_or_default()
}

/// Where the results of a response came from, all its texts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Provenance {
    memory: usize,
    durable: usize,
    computed: usize,
    collapsed: usize,
    stored: bool,
    queued: Duration,
    working: Duration,
}

impl Default for Provenance {
    fn default() -> Self {
        Provenance {
            memory: 0,
            durable: 0,
            computed: 0,
            collapsed: 0,
            stored: true,
            queued: Duration::ZERO,
            working: Duration::ZERO,
        }
    }
}

impl Provenance {
    fn of(told: &Told) -> Self {
        Provenance {
            memory: told.sources.memory,
            durable: told.sources.durable,
            computed: told.sources.computed,
            collapsed: told.sources.collapsed,
            stored: told.stored,
            queued: told.queued,
            working: told.computed,
        }
    }

    fn add(&mut self, other: &Provenance) {
        self.memory += other.memory;
        self.durable += other.durable;
        self.computed += other.computed;
        self.collapsed += other.collapsed;
        self.stored &= other.stored;
        self.queued = self.queued.max(other.queued);
        self.working += other.working;
    }

    /// RFC 9211. A batch is a hit when all of it is; where every item failed, there is nothing to say.
    fn cache_status(&self) -> Option<String> {
        let cached = self.memory + self.durable;
        if self.computed + self.collapsed == 0 {
            let tier = if self.durable > 0 { "durable" } else { "memory" };
            return (cached > 0).then(|| format!("explaind; hit; detail={tier}"));
        }
        let forward = if cached > 0 { "partial" } else { "miss" };
        let stored = if self.stored { "; stored" } else { "" };
        let collapsed = if self.computed == 0 { "; collapsed" } else { "" };
        Some(format!("explaind; fwd={forward}{stored}{collapsed}"))
    }
}

fn add_provenance(response: &mut Response, provenance: &Provenance, total: Duration) {
    if let Some(status) = provenance.cache_status() {
        insert(response, CACHE_STATUS, &status);
    }
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
    let timing = format!(
        "queue;dur={:.1}, compute;dur={:.1}, total;dur={:.1}",
        milliseconds(provenance.queued),
        milliseconds(provenance.working),
        milliseconds(total)
    );
    insert(response, SERVER_TIMING, &timing);
}

fn with_body(bytes: Vec<u8>, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn insert(response: &mut Response, name: HeaderName, value: &str) {
    // Every value here is made of plain ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
