//! The API's description of itself: OpenAPI 3.1, made of the handlers and types themselves.

mod batch;
mod dry_run;
mod options;
pub mod responses;

use std::sync::LazyLock;

use utoipa::OpenApi;
use utoipa::openapi::path::PathItem;

pub use batch::{Batch, BatchOf, Failed, TextOrPair};
pub use dry_run::{DryRun, DryRunItem};
pub use options::{MethodOptions, method_ids};

use crate::engine::Answer;
use crate::engine::answer::{CounterfactualsView, GridView, WhatIfView};
use crate::server::problem::Problem;

/// What does not stand at a handler.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "explaind",
        description = "Why did the model say that? Explains text classifiers of the BERT family.\n\n\
            Every failure is an RFC 9457 problem: `type` is stable, `pointer` names the field, `remedy` says \
            what to do. An answer is a function of its `id`: the same question to the same model gives the \
            same bytes.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact()
    ),
    components(schemas(Answer, Batch, DryRun, Problem)),
    tags(
        (name = "texts", description = "Questions about texts"),
        (name = "datasets", description = "Rows of text to work on"),
        (name = "jobs", description = "Questions about whole datasets, answered in the background"),
        (name = "summaries", description = "What the answers of a job have in common, how those of two jobs differ, and which method to believe"),
        (name = "concepts", description = "What people speak of, as directions in the model's states: learnt, tested, taken apart, pushed, erased and found"),
        (name = "causes", description = "What would have to change, and what inside the model did it"),
        (name = "catalogue", description = "What is served"),
        (name = "operations", description = "For those who run the server")
    )
)]
pub struct Frame;

/// The paths under which a resource answers beside its own, each with the name of its operation.
const ALIASES: [(&str, &str, &str); 2] = [
    ("/explain", "/v1/explain", "explain_at_the_front_door"),
    ("/v1/attributions", "/v1/explain", "explain_by_family_name"),
];

/// The description of the whole API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let routes = super::described_routes().merge(super::described_routes_with_queries());
    let (_, mut document) = routes.split_for_parts();
    let components = document.components.get_or_insert_default();
    components.responses.extend(responses::problem_components());
    let schemas = &mut components.schemas;
    schemas.extend(BatchOf::<CounterfactualsView>::all_schemas());
    schemas.extend(BatchOf::<GridView>::all_schemas());
    schemas.extend(BatchOf::<WhatIfView>::all_schemas());
    for (alias, path, operation_id) in ALIASES {
        if let Some(item) = document.paths.paths.get(path).cloned() {
            document.paths.paths.insert(alias.into(), renamed(item, operation_id));
        }
    }
    document
}

/// The description as JSON text, as it is committed and served.
pub fn openapi_json() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| openapi().to_pretty_json().unwrap_or_default() + "\n");
    &TEXT
}

/// Operation ids are unique in a document.
fn renamed(mut item: PathItem, operation_id: &str) -> PathItem {
    if let Some(operation) = &mut item.post {
        operation.operation_id = Some(operation_id.into());
    }
    item
}
