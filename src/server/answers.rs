//! One text or many through the engine, and what is said beside the bytes: where they came from, how long
//! they took, and where they can be had again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::document::Failed;
use super::input::Input;
use super::problem::Problem;
use super::representation::{Accepts, Representation};
use super::request_id::RequestId;
use crate::engine::{Answer, Engine, Failure, Question, Told, Visit};
use crate::identity::Shape;
use crate::render;

/// Texts of one batch that wait for workers at a time: enough that no worker idles between two, few
/// enough that other requests soon come in between.
const IN_FLIGHT: usize = 4;

/// Bytes that the answers of one batch may take together.
const MOST_BATCH_BYTES: usize = 64 << 20;

/// Bytes of the largest answer that is drawn: reading one takes many times its size in memory.
const MOST_DRAWN_BYTES: usize = 8 << 20;

/// How long drawing an answer that was cut short may take: its request's time is over before there is anything to draw.
const DRAWING_GRACE: Duration = Duration::from_secs(2);

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// How a request about texts is to be answered.
pub struct Asking {
    /// Who answers.
    pub engine: Arc<Engine>,
    /// The request's time and place.
    pub visit: Visit,
    /// The forms that the client takes.
    pub accepts: Accepts,
    /// Leave to draw.
    pub drawings: Arc<Semaphore>,
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
    pub async fn answer(mut self, question: Question, input: Input) -> Result<Response, Problem> {
        let started = Instant::now();
        let question = Arc::new(question);
        match input {
            Input::Single(text, pointers) => {
                let form = self.accepts.choose(Representation::of(question.shape()))?;
                let told = self.engine.ask(&self.visit, &question, text).await;
                let told = told.map_err(|failure| Problem::of_failure(failure, &pointers))?;
                let provenance = Provenance::of(&told);
                let location = told.location();
                let mut response = single(told, form, &self.drawings, &self.visit).await?;
                add_provenance(&mut response, &provenance, started.elapsed());
                if let Some(location) = location {
                    insert(&mut response, header::CONTENT_LOCATION, &location);
                }
                Ok(response)
            }
            Input::Batch(items) => {
                self.accepts.choose(&[Representation::Json]).map_err(|_| Problem::no_picture_of_many())?;
                let texts = items.iter().filter_map(|(text, _)| text.as_ref().ok());
                self.visit = self.visit.with_texts(&self.engine, &question, texts);
                self.answer_batch(&question, items, started).await
            }
        }
    }

    async fn answer_batch(
        &self,
        question: &Arc<Question>,
        items: Vec<super::input::Item>,
        started: Instant,
    ) -> Result<Response, Problem> {
        // From the first answer that finds no room on, nothing more is asked for or given.
        let full = AtomicBool::new(false);
        let full = &full;
        let pending = items.into_iter().map(|(text, pointers)| async move {
            if full.load(Ordering::Relaxed) {
                return Err(Problem::batch_too_large(MOST_BATCH_BYTES));
            }
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
            let outcome = outcome.and_then(|told| {
                full.fetch_or(body.len() + told.body.len() > MOST_BATCH_BYTES, Ordering::Relaxed);
                match full.load(Ordering::Relaxed) {
                    true => Err(Problem::batch_too_large(MOST_BATCH_BYTES)),
                    false => Ok(told),
                }
            });
            match outcome {
                Ok(told) => {
                    cut_short |= told.id.is_none();
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

/// An answer that was made of many, in the form that the client likes best.
///
/// # Errors
/// See [`single`].
pub async fn composed(
    told: Told,
    accepts: &Accepts,
    drawings: &Arc<Semaphore>,
    visit: &Visit,
    started: Instant,
) -> Result<Response, Problem> {
    let form = accepts.choose(Representation::of(told.shape))?;
    let provenance = Provenance::of(&told);
    let location = told.location();
    let mut response = single(told, form, drawings, visit).await?;
    add_provenance(&mut response, &provenance, started.elapsed());
    if let Some(location) = location {
        insert(&mut response, header::CONTENT_LOCATION, &location);
    }
    Ok(response)
}

/// An answer that was given before, or 304 if the client has it still.
///
/// # Errors
/// See [`single`].
pub async fn again(
    told: Told,
    representation: Representation,
    known: Option<IfNoneMatch>,
    drawings: &Arc<Semaphore>,
    visit: &Visit,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let provenance = Provenance::of(&told);
    let mut response = single(told, representation, drawings, visit).await?;
    let etag: Option<ETag> = response.headers().typed_get();
    // A page, a picture or tensors may be made otherwise by the next version; the JSON never changes.
    let control = match representation {
        Representation::Json => "private, max-age=31536000, immutable",
        Representation::Html | Representation::Svg | Representation::Tensors => "private, no-cache",
    };
    insert(&mut response, header::CACHE_CONTROL, control);
    if let (Some(known), Some(etag)) = (known, etag)
        && !known.precondition_passes(&etag)
    {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
        *response.body_mut() = Body::empty();
    }
    add_provenance(&mut response, &provenance, started.elapsed());
    Ok(response)
}

/// One answer in one form, with its entity tag.
async fn single(
    told: Told,
    representation: Representation,
    drawings: &Arc<Semaphore>,
    visit: &Visit,
) -> Result<Response, Problem> {
    let (body, tag) = match representation {
        // The bytes are a function of the id, so the id is their tag.
        Representation::Json => (told.body, told.id.map(|id| id.to_string())),
        Representation::Html | Representation::Svg | Representation::Tensors => {
            let deadline = match told.id {
                Some(_) => visit.deadline(),
                None => tokio::time::Instant::now() + DRAWING_GRACE,
            };
            let drawing = drawn(told.body, told.shape, representation, drawings);
            let drawn = timeout_at(deadline, drawing).await;
            let drawn = drawn.unwrap_or_else(|_| Err(Problem::of_fault(&visit.late())))?;
            let tag = blake3::hash(&drawn).to_hex().to_string();
            (drawn, told.id.map(|_| tag))
        }
    };
    let mut response = with_body(body, representation.content_type());
    match tag {
        Some(tag) => insert(&mut response, header::ETAG, &format!("\"{tag}\"")),
        // What was cut short is no result.
        None => insert(&mut response, header::CACHE_CONTROL, "no-store"),
    }
    insert(&mut response, header::VARY, "accept");
    if matches!(representation, Representation::Html | Representation::Svg) {
        // Nothing in a page or picture of ours is meant to run or to load anything.
        insert(
            &mut response,
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        );
    }
    if representation != Representation::Json {
        insert(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    }
    Ok(response)
}

/// Drawing a long text takes a while, so it is not done on the threads that serve connections, and nor are tensors
/// made there.
async fn drawn(
    body: Vec<u8>,
    shape: Shape,
    representation: Representation,
    drawings: &Arc<Semaphore>,
) -> Result<Vec<u8>, Problem> {
    // Tensors take less than the JSON that they are made of, which keeps its own limit.
    if representation != Representation::Tensors && body.len() > MOST_DRAWN_BYTES {
        return Err(Problem::drawing_too_large(body.len(), MOST_DRAWN_BYTES));
    }
    let leave = drawings.clone().acquire_owned().await;
    let draw = move || {
        // Held until it is drawn, though nobody should wait for it any more.
        let _leave = leave;
        if let Some(picture) = render::svg::composed(shape, &body)? {
            return Ok(picture.into_bytes());
        }
        let answer: Answer = serde_json::from_slice(&body)?;
        Ok::<_, serde_json::Error>(match representation {
            Representation::Svg => render::svg::answer(&answer).into_bytes(),
            // Only answers with attention are offered in this form.
            Representation::Tensors => render::tensors::answer(&answer).unwrap_or_default(),
            Representation::Html | Representation::Json => render::html::answer(&answer).into_bytes(),
        })
    };
    let drawn = tokio::task::spawn_blocking(draw).await;
    // Neither error is told whole: both may quote the text.
    let fault = |fault: &str| Problem::of_fault(&Failure::Internal(fault.into()));
    let drawn = drawn.map_err(|_| fault("drawing an answer panicked"))?;
    drawn.map_err(|_| fault("an answer of our own could not be read"))
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
