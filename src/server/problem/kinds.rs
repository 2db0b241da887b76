//! The kinds of problem there are, and how each is told.

use std::time::Duration;

use axum::http::StatusCode;

use super::Problem;
use crate::engine::{Failure, Overload};
use crate::model::EncodeError;
use crate::server::input::Pointers;

/// A kind of problem: stable name, title, status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The end of `type`: never changes its meaning.
    pub name: &'static str,
    /// The kind in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: StatusCode,
}

const fn kind(name: &'static str, status: StatusCode, title: &'static str) -> Kind {
    Kind { name, title, status }
}

static MALFORMED_JSON: Kind = kind("malformed-json", StatusCode::BAD_REQUEST, "The body is not JSON");
static UNREADABLE_BODY: Kind = kind("unreadable-body", StatusCode::BAD_REQUEST, "The body could not be read");
static UNEXPECTED_QUERY: Kind = kind("unexpected-query", StatusCode::BAD_REQUEST, "The path takes no query");
static INVALID_QUERY: Kind = kind("invalid-query", StatusCode::BAD_REQUEST, "A query parameter is not valid");
pub(super) static INVALID_HEADER: Kind =
    kind("invalid-header", StatusCode::BAD_REQUEST, "A header is not valid");
static NOT_FOUND: Kind = kind("not-found", StatusCode::NOT_FOUND, "There is nothing here");
static NOT_KEPT: Kind = kind("not-kept", StatusCode::NOT_FOUND, "No such answer is kept");
pub(super) static NO_SUCH_DATASET: Kind =
    kind("no-such-dataset", StatusCode::NOT_FOUND, "There is no such dataset");
pub(super) static NO_SUCH_CONCEPT: Kind =
    kind("no-such-concept", StatusCode::NOT_FOUND, "There is no such concept");
pub(super) static NO_SUCH_JOB: Kind = kind("no-such-job", StatusCode::NOT_FOUND, "There is no such job");
static BODY_TOO_SLOW: Kind =
    kind("body-too-slow", StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time");
static WRONG_METHOD: Kind =
    kind("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "The path knows other methods");
static NOT_ACCEPTABLE: Kind =
    kind("not-acceptable", StatusCode::NOT_ACCEPTABLE, "The answer has no such form");
pub(super) static NO_DATABASE: Kind =
    kind("no-database", StatusCode::CONFLICT, "The server keeps nothing for good");
pub(super) static BUNDLED_DATASET: Kind =
    kind("bundled-dataset", StatusCode::CONFLICT, "The dataset belongs to the program");
pub(super) static BUNDLED_CONCEPT: Kind =
    kind("bundled-concept", StatusCode::CONFLICT, "The concept belongs to the program");
pub(super) static CONCEPT_OF_ANOTHER_MODEL: Kind =
    kind("concept-of-another-model", StatusCode::CONFLICT, "The concept is one of another model");
pub(super) static DATASET_IN_USE: Kind =
    kind("dataset-in-use", StatusCode::CONFLICT, "The dataset is being worked on");
pub(super) static KEY_IN_FLIGHT: Kind = kind(
    "idempotency-key-in-flight",
    StatusCode::CONFLICT,
    "The request with this key is still being taken in",
);
pub(super) static TOO_LARGE: Kind =
    kind("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
static MEDIA_TYPE: Kind = kind(
    "unsupported-media-type",
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "The body has a type that is not taken here",
);
pub(super) static JOB_NOT_FINISHED: Kind =
    kind("job-not-finished", StatusCode::CONFLICT, "The job has not answered every row");
static MODEL_CHANGED: Kind =
    kind("model-changed", StatusCode::CONFLICT, "The model is no longer the one that was asked for");
static INVALID: Kind = kind("invalid-field", StatusCode::UNPROCESSABLE_ENTITY, "A field is not valid");
pub(super) static KEY_REUSED: Kind = kind(
    "idempotency-key-reused",
    StatusCode::UNPROCESSABLE_ENTITY,
    "The key was sent before, with another body",
);
static TOO_LONG: Kind =
    kind("text-too-long", StatusCode::UNPROCESSABLE_ENTITY, "The text is longer than the model takes");
static UNEQUAL_LENGTHS: Kind = kind(
    "unequal-lengths",
    StatusCode::UNPROCESSABLE_ENTITY,
    "Two texts have to have as many tokens and have not",
);
pub(super) static ANSWER_TOO_LARGE: Kind =
    kind("answer-too-large", StatusCode::UNPROCESSABLE_ENTITY, "The answer would be too large");
static NOT_FINITE: Kind = kind(
    "output-not-finite",
    StatusCode::UNPROCESSABLE_ENTITY,
    "The model gives no finite numbers for this text",
);
static OVERLOADED: Kind =
    kind("over-capacity", StatusCode::TOO_MANY_REQUESTS, "The server has all the work it can take");
static INTERNAL: Kind = kind("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here");
static STARTING: Kind = kind("starting", StatusCode::SERVICE_UNAVAILABLE, "The server is starting");
static DRAINING: Kind = kind("draining", StatusCode::SERVICE_UNAVAILABLE, "The server is stopping");
static UNAVAILABLE: Kind =
    kind("database-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The database does not answer");
static DEADLINE: Kind =
    kind("deadline-exceeded", StatusCode::GATEWAY_TIMEOUT, "The answer was not ready in time");

impl Kind {
    /// All kinds, by status.
    pub fn all() -> [&'static Kind; 35] {
        [
            &MALFORMED_JSON,
            &UNREADABLE_BODY,
            &UNEXPECTED_QUERY,
            &INVALID_QUERY,
            &INVALID_HEADER,
            &NOT_FOUND,
            &NOT_KEPT,
            &NO_SUCH_DATASET,
            &NO_SUCH_JOB,
            &NO_SUCH_CONCEPT,
            &WRONG_METHOD,
            &NOT_ACCEPTABLE,
            &BODY_TOO_SLOW,
            &NO_DATABASE,
            &BUNDLED_DATASET,
            &DATASET_IN_USE,
            &BUNDLED_CONCEPT,
            &CONCEPT_OF_ANOTHER_MODEL,
            &MODEL_CHANGED,
            &JOB_NOT_FINISHED,
            &KEY_IN_FLIGHT,
            &TOO_LARGE,
            &MEDIA_TYPE,
            &INVALID,
            &KEY_REUSED,
            &TOO_LONG,
            &UNEQUAL_LENGTHS,
            &ANSWER_TOO_LARGE,
            &NOT_FINITE,
            &OVERLOADED,
            &INTERNAL,
            &STARTING,
            &DRAINING,
            &UNAVAILABLE,
            &DEADLINE,
        ]
    }
}

impl Kind {
    /// Whether the same request may succeed later: such answers carry `Retry-After`.
    pub fn may_be_tried_again(&self) -> bool {
        [&OVERLOADED, &KEY_IN_FLIGHT, &STARTING, &DRAINING, &UNAVAILABLE].contains(&self)
    }
}

impl Problem {
    pub(in crate::server) fn malformed_json(error: &serde_json::Error) -> Self {
        Problem::new(&MALFORMED_JSON, error.to_string()).with_remedy("send one JSON object, in UTF-8")
    }

    pub(in crate::server) fn unreadable_body(detail: impl Into<String>) -> Self {
        Problem::new(&UNREADABLE_BODY, detail).with_remedy("send the whole body, as its length says")
    }

    pub(in crate::server) fn query() -> Self {
        Problem::new(&UNEXPECTED_QUERY, "nothing here is asked by a query string")
            .with_remedy("leave out the `?` and what follows it; requests are JSON bodies")
    }

    /// A parameter is `what`.
    pub(in crate::server) fn invalid_query(parameter: &str, what: &str, remedy: impl Into<String>) -> Self {
        let shown: String = parameter.chars().take(80).collect();
        Problem::new(&INVALID_QUERY, format!("the parameter `{}` {what}", shown.escape_debug()))
            .with_remedy(remedy)
    }

    pub(in crate::server) fn timeout_header(longest: Duration) -> Self {
        let detail = "the header X-Request-Timeout holds no time that may be asked for";
        let longest = longest.as_secs();
        Problem::new(&INVALID_HEADER, detail)
            .with_remedy(format!("send seconds above 0 and up to {longest}, such as 2.5, or leave it out"))
    }

    pub(in crate::server) fn body_too_slow() -> Self {
        Problem::new(&BODY_TOO_SLOW, "the request's time was over before its body had arrived")
            .with_remedy("send the body at once, or allow more time in X-Request-Timeout")
    }

    pub(in crate::server) fn body_too_large() -> Self {
        Problem::new(&TOO_LARGE, "the body is larger than this server accepts")
            .with_remedy("send fewer texts at once, or raise `max_body_bytes` in the server's configuration")
    }

    pub(in crate::server) fn media_type(sent: Option<&str>, taken: &str) -> Self {
        let detail = match sent {
            None => "the request has no Content-Type".into(),
            Some(sent) => format!("the request has Content-Type `{}`", sent.escape_debug()),
        };
        Problem::new(&MEDIA_TYPE, detail).with_remedy(format!("send {taken}"))
    }

    pub(in crate::server) fn two_media_types(taken: &str) -> Self {
        Problem::new(&MEDIA_TYPE, "the request has more than one Content-Type")
            .with_remedy(format!("send {taken}, once"))
    }

    pub(in crate::server) fn content_coding() -> Self {
        Problem::new(&MEDIA_TYPE, "the body is compressed or coded in some other way")
            .with_remedy("send the body as it is, without Content-Encoding")
    }

    /// `forms` are those that the answer has.
    pub(in crate::server) fn not_acceptable(forms: &str) -> Self {
        Problem::new(&NOT_ACCEPTABLE, "the Accept header names no form that the answer has")
            .with_remedy(format!("accept {forms}"))
    }

    pub(in crate::server) fn no_picture_of_many() -> Self {
        Problem::new(&NOT_ACCEPTABLE, "a batch is answered as JSON alone").with_remedy(
            "accept application/json, and GET /v1/explanations/{id} for the picture of each answer",
        )
    }

    pub(in crate::server) fn no_picture_of_a_dry_run() -> Self {
        Problem::new(&NOT_ACCEPTABLE, "a dry run is answered as JSON alone")
            .with_remedy("accept application/json, or leave `dry_run` out for the answer itself")
    }

    pub(in crate::server) fn not_found(path: &str) -> Self {
        Problem::new(&NOT_FOUND, format!("there is nothing at `{path}`")).with_remedy(
            "POST /explain explains a text; GET /v1/models and GET /v1/methods list what there is, and /docs \
             describes it all",
        )
    }

    pub(in crate::server) fn no_id(id: &str) -> Self {
        let shown: String = id.chars().take(80).collect();
        Problem::new(&NOT_KEPT, format!("`{shown}` is no id of an answer"))
            .with_remedy("send the `id` of an answer: 64 lower-case hexadecimal digits")
    }

    pub(in crate::server) fn not_kept() -> Self {
        let detail = "no answer of this id is kept: it was never given, was deleted, or had to make room";
        Problem::new(&NOT_KEPT, detail).with_remedy("POST the question again: it gives the same id")
    }

    pub(in crate::server) fn wrong_method(method: &str) -> Self {
        Problem::new(&WRONG_METHOD, format!("`{method}` is not allowed here"))
            .with_remedy("the Allow header names the methods this path knows")
    }

    /// A field that is understood but not valid.
    pub(in crate::server) fn invalid(
        pointer: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Problem::new(&INVALID, detail).at(pointer).with_remedy(remedy)
    }

    pub(in crate::server) fn batch_too_large(limit: usize) -> Self {
        let detail = format!("a batch may hold {limit} bytes, and the answers before this one took them");
        Problem::new(&ANSWER_TOO_LARGE, detail).with_remedy("send fewer texts at once")
    }

    pub(in crate::server) fn drawing_too_large(bytes: usize, limit: usize) -> Self {
        let detail = format!("the answer has {bytes} bytes; at most {limit} are drawn");
        Problem::new(&ANSWER_TOO_LARGE, detail)
            .with_remedy("accept application/json, or name fewer `layers` and `heads`")
    }

    pub(in crate::server) fn starting() -> Self {
        Problem::new(&STARTING, "the models are being loaded")
            .with_remedy("try again soon; /readyz tells when")
            .retry_after(Duration::from_secs(1))
    }

    pub(in crate::server) fn draining() -> Self {
        Problem::new(&DRAINING, "the server finishes what it has and takes nothing new")
            .with_remedy("send the request to another server, or try again")
            .retry_after(Duration::from_secs(1))
    }

    pub(in crate::server) fn internal() -> Self {
        Problem::new(&INTERNAL, "the server failed to answer; the log knows more under this request_id")
            .with_remedy("try again; if it fails again, report it with the request_id")
    }

    /// Why a text got no answer; `pointers` says where it stands in the request.
    pub(in crate::server) fn of_failure(failure: Failure, pointers: &Pointers) -> Self {
        match failure {
            Failure::Text(error) => Problem::of_text(&error, pointers),
            Failure::Option { method, fault } => {
                let option = fault.pointer();
                Problem::invalid(
                    format!("/options/{method}{option}"),
                    fault.detail,
                    "change the option, or leave it out for the default",
                )
            }
            Failure::Field(invalid) => Problem::from(invalid),
            Failure::At { pointer, failure } => {
                let pointers = Pointers { text: pointer.clone(), text_pair: pointer };
                Problem::of_failure(*failure, &pointers)
            }
            Failure::TooManyTokens { tokens, limit, remedy, .. } => {
                let mut problem = Problem::invalid(pointers.text.clone(), failure.to_string(), remedy);
                problem.0.tokens = Some(tokens);
                problem.0.limit = Some(limit);
                problem
            }
            Failure::TooManyWords { .. } => {
                let remedy = "send a shorter text, or its parts one by one as `texts`";
                Problem::invalid(pointers.text.clone(), failure.to_string(), remedy)
            }
            Failure::UnequalLengths { ref pointer, ref tokens, ref others } => {
                let mut problem = Problem::new(&UNEQUAL_LENGTHS, failure.to_string())
                    .at(pointer.clone())
                    .with_remedy("choose words of as many tokens; `tokenisations` shows both texts as the model has them");
                problem.0.tokenisations = Some([tokens.clone(), others.clone()]);
                problem
            }
            Failure::NotFinite => Problem::of_fault(&failure).at(pointers.text.clone()),
            failure => Problem::of_fault(&failure),
        }
    }

    /// A failure that no field is to blame for.
    pub(in crate::server) fn of_fault(failure: &Failure) -> Self {
        let told = |kind| Problem::new(kind, failure.to_string());
        match failure {
            Failure::TooLarge { .. } => told(&ANSWER_TOO_LARGE)
                .with_remedy("name fewer `layers` and `heads`, or send a shorter text"),
            Failure::NotFinite => told(&NOT_FINITE)
                .with_remedy("check the model: its weights overflow single precision on this text"),
            Failure::Overloaded { overload, retry_after } => {
                let remedy = match overload {
                    Overload::Requests { .. } | Overload::Memory { .. } => "try again later",
                    Overload::Time { .. } => "try again later, or allow more time in X-Request-Timeout",
                };
                told(&OVERLOADED).with_remedy(remedy).retry_after(*retry_after)
            }
            Failure::Unavailable => told(&UNAVAILABLE)
                .with_remedy("try again; /readyz tells when the database is back")
                .retry_after(Duration::from_secs(1)),
            Failure::Deadline(_) => told(&DEADLINE).with_remedy(
                "allow more time in X-Request-Timeout, or ask for less: a shorter text, fewer methods or steps",
            ),
            Failure::ModelChanged { .. } => told(&MODEL_CHANGED)
                .with_remedy("order the job again for a model that is served; GET /v1/models lists them"),
            Failure::Text(_)
            | Failure::Option { .. }
            | Failure::Field(_)
            | Failure::At { .. }
            | Failure::TooManyTokens { .. }
            | Failure::TooManyWords { .. }
            | Failure::UnequalLengths { .. }
            | Failure::Cancelled
            | Failure::Internal(_) => {
                tracing::error!(error = %failure, "an explanation failed");
                Problem::internal()
            }
        }
    }

    fn of_text(error: &EncodeError, pointers: &Pointers) -> Self {
        let pointer = if error.segment() == 0 { &pointers.text } else { &pointers.text_pair };
        let detail = format!("the text {error}");
        match error {
            EncodeError::TooLong { tokens, limit } => {
                let mut problem = Problem::new(&TOO_LONG, detail)
                    .at(pointer)
                    .with_remedy("send a shorter text, or set `truncate` to true to explain its beginning");
                problem.0.tokens = Some(*tokens);
                problem.0.limit = Some(*limit);
                problem
            }
            EncodeError::Blank { .. } | EncodeError::NoTokens { .. } => {
                Problem::invalid(pointer, detail, "send a text with at least one word")
            }
            EncodeError::PairNotSupported(_) => {
                Problem::invalid(pointer, detail, "leave `text_pair` out, or ask a model made for pairs")
            }
            EncodeError::TooLongInWindows { tokens, most } => {
                let mut problem =
                    Problem::new(&TOO_LONG, detail).at(pointer).with_remedy("send a shorter text");
                problem.0.tokens = Some(*tokens);
                problem.0.limit = Some(*most);
                problem
            }
            EncodeError::PairInWindows => {
                Problem::invalid(pointer, detail, "leave `windows` or the second text out")
            }
            EncodeError::TooManyWindows { .. } => Problem::invalid(
                pointer,
                detail,
                "send a shorter text, or ask for larger windows that overlap less",
            ),
            EncodeError::Tokenizer(_) => Problem::invalid(pointer, detail, "change the text"),
        }
    }
}
