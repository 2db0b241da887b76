//! The schema of `options`: one property a method, made of the registry.

use std::borrow::Cow;

use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, RefBuilder, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::explain::registry;

/// Options by method id.
pub struct MethodOptions;

impl PartialSchema for MethodOptions {
    fn schema() -> RefOr<Schema> {
        let closed = ObjectBuilder::new()
            .description(Some(
                "Options by method id; options for a method that is not asked for are an error. \
                 `GET /v1/methods` gives the defaults.",
            ))
            .examples([serde_json::json!({"integrated_gradients": {"steps": 50}})])
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let all = registry::METHODS.iter().fold(closed, |object, method| {
            let (name, _) = method.options_schema();
            let options = RefBuilder::new().ref_location_from_schema_name(name);
            object.property(method.id(), RefOr::Ref(options.description(Some(method.summary())).build()))
        });
        all.into()
    }
}

impl ToSchema for MethodOptions {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("MethodOptions")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for method in registry::METHODS {
            schemas.extend(method.options_schema().1);
        }
    }
}

/// The schema of a list of method ids, each once.
pub fn method_ids() -> RefOr<Schema> {
    let ids = registry::METHODS.iter().map(|method| method.id());
    let id = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(ids));
    let list = ArrayBuilder::new()
        .items(id)
        .min_items(Some(1))
        .unique_items(true)
        .description(Some("Ids of methods, each once; `[\"integrated_gradients\"]` by default."))
        .examples([serde_json::json!(["integrated_gradients", "saliency"])]);
    OneOfBuilder::new().item(list).item(ObjectBuilder::new().schema_type(Type::Null)).into()
}
