//! The shapes of batches, for the API's description: they are read and written piece by piece.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::Serialize;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::engine::Answer;
use crate::server::input::TextPair;
use crate::server::problem::Problem;

/// What a batch is answered with.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// One for each text, in the order they were sent: the answer it would have alone, or what is wrong.
    #[schema(example = json!([]))]
    results: Vec<BatchItem>,
}

/// An answer, or what is wrong with the text.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a batch is written piece by piece from bytes; this is its description")]
enum BatchItem {
    /// The answer to the text.
    Answer(Box<Answer>),
    /// What is wrong with the text.
    Failed(Failed),
}

/// What a batch is answered with where an answer is a form of its own, `V`.
pub struct BatchOf<V>(PhantomData<V>);

impl<V: ToSchema> BatchOf<V> {
    /// Its own schema and those that it refers to, each with its name.
    pub fn all_schemas() -> Vec<(String, RefOr<Schema>)> {
        let mut schemas = vec![(Self::name().into_owned(), Self::schema())];
        Self::schemas(&mut schemas);
        schemas
    }
}

impl<V: ToSchema> PartialSchema for BatchOf<V> {
    fn schema() -> RefOr<Schema> {
        let item = AnyOfBuilder::new()
            .item(Ref::from_schema_name(V::name()))
            .item(Ref::from_schema_name(Failed::name()))
            .description(Some("An answer, or what is wrong with the text."));
        let results = ArrayBuilder::new()
            .items(item)
            .description(Some(
                "One for each text, in the order they were sent: the answer it would have alone, or what is wrong.",
            ))
            .examples([serde_json::json!([])]);
        let batch = ObjectBuilder::new()
            .property("results", results)
            .required("results")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .description(Some("What a batch is answered with."));
        batch.into()
    }
}

impl<V: ToSchema> ToSchema for BatchOf<V> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("BatchOf{}", V::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (name, schema) in [(V::name(), V::schema()), (Failed::name(), Failed::schema())] {
            schemas.push((name.into_owned(), schema));
        }
        V::schemas(schemas);
        Failed::schemas(schemas);
    }
}

/// A text of a batch that has no answer.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// What is wrong with the text.
    pub error: Problem,
}

/// A text of a batch: a string, or a pair. Items are read one by one, so that a bad one spoils no other; so
/// anything may stand here.
pub struct TextOrPair;

impl PartialSchema for TextOrPair {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).description(Some("A text."));
        let anything = ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .description(Some("Anything else has its error in its place."));
        let item = AnyOfBuilder::new()
            .item(text)
            .item(Ref::from_schema_name(TextPair::name()))
            .item(anything)
            .description(Some("A text of a batch: a string, or a pair."))
            .examples([serde_json::json!("A gripping film, though it drags a little.")]);
        item.into()
    }
}

impl ToSchema for TextOrPair {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("TextOrPair")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((TextPair::name().into_owned(), TextPair::schema()));
        TextPair::schemas(schemas);
    }
}
