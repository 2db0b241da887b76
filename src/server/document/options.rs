//! The schema of `options`: one property a method, made of the registry.

use std::borrow::Cow;

use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, RefBuilder};
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
