//! The options of a method as a JSON Schema that stands alone: all that is said of an option, to programs and to
//! people, is said at its declaration.

use serde_json::{Map, Value, json};

use super::Method;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Where the API's description keeps its schemas.
const COMPONENTS: &str = "#/components/schemas/";

/// Options with their types apart.
pub struct Described {
    /// The schema of the options as a whole. `$ref` is the bare name of a type.
    pub options: Value,
    /// The types by name, and in the same words.
    pub types: Map<String, Value>,
}

/// The JSON Schema (draft 2020-12) of a method's options, without references.
pub fn of_options(method: &dyn Method) -> Value {
    let Described { options, types } = described(method);
    let mut schema = inlined(options, &types);
    if let Value::Object(keywords) = &mut schema {
        keywords.insert("$schema".into(), DIALECT.into());
    }
    schema
}

/// A method's options and the types that they are made of.
pub fn described(method: &dyn Method) -> Described {
    let (name, schemas) = method.options_schema();
    let plain = |schema| reworded(serde_json::to_value(schema).unwrap_or_default());
    let mut types: Map<String, Value> =
        schemas.into_iter().map(|(name, schema)| (name, plain(schema))).collect();
    let options = types.remove(&name).unwrap_or_default();
    Described { options, types }
}

/// A schema of the API's description in the words of JSON Schema alone.
fn reworded(schema: Value) -> Value {
    let schema = each_part(schema, &reworded, |keyword, value| match (keyword.as_str(), value) {
        ("$ref", Value::String(place)) => (keyword, place.replacen(COMPONENTS, "", 1).into()),
        // OpenAPI's own word, from before its schemas were JSON Schema.
        ("example", value) => ("examples".into(), json!([value])),
        ("description", Value::String(text)) => (keyword, unwrapped(&text).into()),
        (_, value) => (keyword, value),
    });
    said_of_the_whole(schema)
}

/// What is said of an option that may be null stands at the one choice that is not: it is of the option.
fn said_of_the_whole(mut schema: Value) -> Value {
    let Some(keywords) = schema.as_object_mut() else { return schema };
    for keyword in ["description", "examples"] {
        let choices = keywords.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let said = choices.filter_map(|choice| choice.get(keyword)).next().cloned();
        if let (false, Some(said)) = (keywords.contains_key(keyword), said) {
            keywords.insert(keyword.into(), said);
        }
    }
    schema
}

/// A schema with every type in the place of its name.
fn inlined(mut schema: Value, types: &Map<String, Value>) -> Value {
    if let Value::Object(keywords) = &mut schema
        && let Some(Value::String(name)) = keywords.remove("$ref")
        && let Some(Value::Object(of_type)) = types.get(&name)
    {
        let description = [keywords.get("description"), of_type.get("description")];
        let description: Vec<&str> = description.into_iter().flatten().filter_map(Value::as_str).collect();
        let description = description.join("\n\n");
        for (keyword, value) in of_type {
            // What is said of this very option counts.
            keywords.entry(keyword.clone()).or_insert_with(|| value.clone());
        }
        if !description.is_empty() {
            keywords.insert("description".into(), description.into());
        }
    }
    said_of_the_whole(each_part(schema, &|part| inlined(part, types), |keyword, value| (keyword, value)))
}

/// Changes the schemas within a schema by `part`, and its other keywords by `other`.
fn each_part(
    schema: Value,
    part: &dyn Fn(Value) -> Value,
    other: impl Fn(String, Value) -> (String, Value),
) -> Value {
    let Value::Object(keywords) = schema else { return schema };
    let changed = keywords.into_iter().map(|(keyword, value)| match (keyword.as_str(), value) {
        ("properties", Value::Object(properties)) => {
            let properties = properties.into_iter().map(|(name, schema)| (name, part(schema)));
            (keyword, properties.collect::<Map<_, _>>().into())
        }
        ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(branches)) => {
            (keyword, branches.into_iter().map(part).collect::<Vec<_>>().into())
        }
        ("items" | "additionalProperties", value) => (keyword, part(value)),
        (_, value) => other(keyword, value),
    });
    changed.collect::<Map<_, _>>().into()
}

/// A text without the line breaks of the source; paragraphs stay apart.
fn unwrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::registry;

    #[test]
    fn an_option_has_the_values_of_its_type_and_its_own_words_first() {
        let schema = of_options(registry::find("saliency").unwrap());
        let output = &schema["properties"]["output"];
        assert_eq!(output["enum"], json!(["logit", "probability", "log_odds", "margin"]));
        assert_eq!((&output["default"], &output["examples"]), (&json!("logit"), &json!(["logit"])));
        let said = output["description"].as_str().unwrap();
        assert!(said.starts_with("What is explained about the target.\n\nWhat is explained about a class:"));
        assert_eq!((&schema["additionalProperties"], &schema["$schema"]), (&json!(false), &json!(DIALECT)));
    }

    #[test]
    fn no_schema_refers_to_anything_outside() {
        for method in registry::METHODS {
            let schema = of_options(*method).to_string();
            assert!(!schema.contains("$ref") && !schema.contains("\"example\""), "{schema}");
        }
    }

    #[test]
    fn a_property_called_like_a_keyword_stays_what_it_is() {
        let described = json!({"properties": {"example": {"type": "string", "example": {"example": "x"}}}});
        let schema = reworded(described);
        assert_eq!(schema["properties"]["example"]["examples"], json!([{"example": "x"}]));
    }
}
