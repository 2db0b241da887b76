//! The responses that many operations share, with an example of each kind of problem.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use serde_json::Value;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{Content, Header, Ref, RefOr, Schema};
use utoipa::{IntoResponses, ToSchema};

use crate::concept::DiscoveryView;
use crate::concept::decomposing::DecompositionView;
use crate::concept::erasing::ErasureView;
use crate::concept::tcav::TcavView;
use crate::engine::Answer;
use crate::engine::answer::{CounterfactualsView, GridView, MediationView, WhatIfView};
use crate::server::document::DryRun;
use crate::server::problem::{Kind, Problem};

/// Real answers to show.
pub trait Examples {
    /// The shape of an answer to one text.
    type Answer: ToSchema;
    /// The shape of an answer to a batch.
    type Batch: ToSchema;
    /// Whether the answers have attention, which can be had as tensors.
    const HAS_TENSORS: bool = false;
    /// What the answer is about.
    const DESCRIPTION: &'static str;
    /// An answer to one text, as JSON.
    const ONE: &'static str;
    /// An answer to a batch, as JSON.
    const MANY: &'static str;
    /// What a dry run tells, as JSON.
    const DRY_RUN: &'static str;
}

/// The responses to a question about texts.
pub struct TextResponses<E>(PhantomData<E>);

/// The responses to a question about what was answered before.
pub struct RecallResponses;

/// The responses to a wish that something be forgotten.
pub struct ForgetResponses;

/// The problems of a path that asks the engine without computing.
pub struct EngineProblems;

/// The problems of a path that takes in a dataset, or a job.
pub struct UploadProblems;

/// The problems of a path about one dataset.
pub struct DatasetProblems;

/// The problems of a wish that a dataset be deleted.
pub struct DeletionProblems;

/// The problems of a path that lists jobs.
pub struct JobListProblems;

/// The problems of a path about one job.
pub struct JobProblems;

/// The problems of a path that gives what a job has answered.
pub struct ResultProblems;

/// The problems of a path that looks at all answers of a job, or of two.
pub struct SummaryProblems;

/// The problems of a path that learns a concept, or makes something of one.
pub struct ConceptProblems;

/// The problems of a path about one concept.
pub struct FoundConceptProblems;

/// The problems of a path about a text and its counterfactual.
pub struct CauseProblems;

/// The responses of a path that needs no engine: its problems alone.
pub struct PlainProblems;

const TENSORS: &str = "For answers with attention: `weights` [layers, heads, queries, keys], or `top_keys` and \
                       `top_weights` [layers, heads, queries, k]; `rollout` [queries, keys]; `norms` [layers, queries, \
                       keys] where asked for; `statistics.*` [layers, heads]. Metadata: `id`, `model`, `fingerprint`, \
                       and as JSON `layers`, `heads`, `tokens`, `token_indices`.";

type Responses = BTreeMap<String, RefOr<Response>>;

impl<E: Examples> IntoResponses for TextResponses<E> {
    fn responses() -> Responses {
        let answer = ContentBuilder::new()
            .schema(Some(one_or_many::<E>()))
            .examples_from_iter([
                ("one", example("One text", E::ONE)),
                ("many", example("A batch; an item that fails spoils no other", E::MANY)),
                ("dry-run", example("A dry run: what an answer would take", E::DRY_RUN)),
            ])
            .build();
        let response =
            drawn(ResponseBuilder::new().description(E::DESCRIPTION).content("application/json", answer));
        let response = if E::HAS_TENSORS { with_tensors(response) } else { response };
        let response = response
            .header("Content-Location", header("Where the answer can be had again; absent for a batch, and where the answer could not be kept", "/v1/explanations/b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231"))
            .header("Cache-Status", header("Where the results came from (RFC 9211)", "explaind; hit; detail=memory"))
            .header("Server-Timing", header("Milliseconds in the queue, of workers, and all in all", "queue;dur=0.2, compute;dur=310.5, total;dur=311.9"));
        let again = LinkBuilder::new()
            .operation_id("recall")
            .parameter("id", "$response.body#/id")
            .description("The same answer again, by its id");
        let response = response.link("recall", again.build());
        let mut responses = problems(&[400, 406, 408, 413, 415, 422, 429, 500, 503, 504]);
        responses.insert("200".into(), RefOr::T(response.build()));
        responses
    }
}

impl IntoResponses for RecallResponses {
    fn responses() -> Responses {
        let answer = ContentBuilder::new()
            .schema(Some(any_answer()))
            .example(Some(parsed(include_str!("../../../openapi/examples/explain.json"))))
            .build();
        let response = drawn(
            ResponseBuilder::new()
                .description("The same bytes as when the answer was first given")
                .content("application/json", answer),
        );
        let response = with_tensors(response);
        let unchanged =
            ResponseBuilder::new().description("The client has it already, as `If-None-Match` says");
        let mut responses = problems(&[400, 404, 406, 422, 500, 503, 504]);
        responses.insert("200".into(), RefOr::T(response.build()));
        responses.insert("304".into(), RefOr::T(unchanged.build()));
        responses
    }
}

impl IntoResponses for ForgetResponses {
    fn responses() -> Responses {
        let done = ResponseBuilder::new().description("It was kept, and is no longer");
        let mut responses = problems(&[400, 404, 500, 503]);
        responses.insert("204".into(), RefOr::T(done.build()));
        responses
    }
}

impl IntoResponses for EngineProblems {
    fn responses() -> Responses {
        problems(&[400, 500, 503])
    }
}

impl IntoResponses for UploadProblems {
    fn responses() -> Responses {
        problems(&[400, 408, 409, 413, 415, 422, 500, 503])
    }
}

impl IntoResponses for DatasetProblems {
    fn responses() -> Responses {
        problems(&[400, 404, 500, 503])
    }
}

impl IntoResponses for DeletionProblems {
    fn responses() -> Responses {
        problems(&[400, 404, 409, 500, 503])
    }
}

impl IntoResponses for JobListProblems {
    fn responses() -> Responses {
        problems(&[400, 409, 500, 503])
    }
}

impl IntoResponses for JobProblems {
    fn responses() -> Responses {
        problems(&[400, 404, 409, 500, 503])
    }
}

impl IntoResponses for ResultProblems {
    fn responses() -> Responses {
        problems(&[400, 404, 406, 409, 500, 503])
    }
}

impl IntoResponses for SummaryProblems {
    fn responses() -> Responses {
        problems(&[400, 404, 408, 409, 413, 415, 422, 500, 503, 504])
    }
}

impl IntoResponses for ConceptProblems {
    fn responses() -> Responses {
        problems(&[400, 404, 406, 408, 409, 413, 415, 422, 429, 500, 503, 504])
    }
}

impl IntoResponses for FoundConceptProblems {
    fn responses() -> Responses {
        problems(&[400, 404, 406, 409, 500, 503])
    }
}

impl IntoResponses for CauseProblems {
    fn responses() -> Responses {
        problems(&[400, 406, 408, 413, 415, 422, 429, 500, 503, 504])
    }
}

impl IntoResponses for PlainProblems {
    fn responses() -> Responses {
        problems(&[400, 500])
    }
}

/// The problems of some statuses, by reference to [`problem_components`].
fn problems(statuses: &[u16]) -> Responses {
    let response =
        |status: &u16| (status.to_string(), RefOr::Ref(Ref::from_response_name(component_name(*status))));
    statuses.iter().map(response).collect()
}

/// The response of every status that a problem can have, each kind with an example.
pub fn problem_components() -> Responses {
    let statuses: BTreeSet<u16> = Kind::all().iter().map(|kind| kind.status.as_u16()).collect();
    statuses.into_iter().map(|status| (component_name(status), RefOr::T(problem_response(status)))).collect()
}

fn component_name(status: u16) -> String {
    format!("Problem{status}")
}

fn problem_response(status: u16) -> Response {
    let kinds: Vec<&'static Kind> =
        Kind::all().into_iter().filter(|kind| kind.status.as_u16() == status).collect();
    let titles: Vec<&str> = kinds.iter().map(|kind| kind.title).collect();
    let examples = kinds.iter().map(|kind| {
        let problem = serde_json::to_value(Problem::example(kind)).unwrap_or_default();
        (kind.name, ExampleBuilder::new().summary(kind.title).value(Some(problem)).build())
    });
    let content =
        ContentBuilder::new().schema(Some(reference::<Problem>())).examples_from_iter(examples).build();
    let response =
        ResponseBuilder::new().description(titles.join("; ")).content("application/problem+json", content);
    let response = match kinds.iter().any(|kind| kind.may_be_tried_again()) {
        true => response.header("Retry-After", header("Seconds to wait before trying again", "3")),
        false => response,
    };
    response.build()
}

/// Adds the page and the picture that an answer can be had as, and the headers that go with any form.
fn drawn(response: ResponseBuilder) -> ResponseBuilder {
    response
        .content("text/html", text_content("<!DOCTYPE html><html lang=\"en\">…</html>"))
        .content("image/svg+xml", text_content("<svg xmlns=\"http://www.w3.org/2000/svg\">…</svg>"))
        .header(
            "ETag",
            header(
                "Names these bytes: the answer's id for JSON; absent for a batch",
                "\"b0510e7579f3b162a05e733ac6dd761bfee8a33a7e77b01d6f620290c2b9e231\"",
            ),
        )
        .header("Vary", header("The form depends on the Accept header", "accept"))
        .header(
            "X-Request-Id",
            header("The request's name, as sent or new", "019e3a5c-7d41-7c02-9b1e-5f0d3c2a8e64"),
        )
}

/// Adds the tensors that attention can be had as.
fn with_tensors(response: ResponseBuilder) -> ResponseBuilder {
    let binary = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .description(Some(TENSORS));
    let example = "…{\"__metadata__\":{…},\"rollout\":{\"dtype\":\"F32\",\"shape\":[6,6],…},…}…";
    let content = ContentBuilder::new().schema(Some(binary)).example(Some(Value::String(example.into())));
    response.content("application/vnd.safetensors", content.build())
}

fn text_content(example: &str) -> Content {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ContentBuilder::new().schema(Some(text)).example(Some(Value::String(example.into()))).build()
}

fn one_or_many<E: Examples>() -> Schema {
    let answers = OneOfBuilder::new().item(reference::<E::Answer>()).item(reference::<E::Batch>());
    answers.item(reference::<DryRun>()).into()
}

/// Whatever has an id: an answer about a text, or one with a form of its own.
fn any_answer() -> Schema {
    let of_texts = AnyOfBuilder::new()
        .item(reference::<Answer>())
        .item(reference::<CounterfactualsView>())
        .item(reference::<WhatIfView>())
        .item(reference::<GridView>())
        .item(reference::<MediationView>());
    let of_concepts = of_texts
        .item(reference::<TcavView>())
        .item(reference::<DecompositionView>())
        .item(reference::<ErasureView>())
        .item(reference::<DiscoveryView>());
    of_concepts.into()
}

fn reference<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

fn header(description: &str, example: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String).examples([Value::String(example.into())]);
    HeaderBuilder::new().schema(Some(text)).description(Some(description)).build()
}

fn example(summary: &str, json: &str) -> utoipa::openapi::example::Example {
    ExampleBuilder::new().summary(summary).value(Some(parsed(json))).build()
}

/// An example that is kept as a file; tests hold these files to the server.
pub fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or(Value::Null)
}
