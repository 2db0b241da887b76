//! The options of a method, read off their schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::explain::Method;
use crate::explain::schema::{Described, described};

/// An option in words.
pub struct OptionInWords {
    /// Its name.
    pub name: String,
    /// Its default, as JSON.
    pub default: String,
    /// What it can be.
    pub values: String,
    /// What it means.
    pub meaning: String,
    /// The names of the types that its values are of.
    pub types: BTreeSet<String>,
}

/// A type of options in words.
pub struct TypeInWords {
    /// Its name.
    pub name: String,
    /// What its values mean.
    pub meaning: String,
    /// Where it is an object: its members, each with its values and its meaning.
    pub members: Vec<(String, String, String)>,
}

/// The options of a method, by name.
pub fn options(method: &dyn Method) -> Vec<OptionInWords> {
    let Described { options, types } = described(method);
    let defaults = method.default_options();
    let in_words = |(name, schema): (&String, &Value)| OptionInWords {
        name: name.clone(),
        // What null stands for by default is worth more than the null.
        default: match &schema["default"] {
            Value::Null => defaults[name].to_string(),
            default => default.to_string(),
        },
        values: values(schema, &types),
        meaning: description(schema),
        types: type_names(schema, &types),
    };
    members(&options).map(in_words).collect()
}

/// The types of a method's options that have something to say, by name.
pub fn types(method: &dyn Method) -> Vec<TypeInWords> {
    let Described { types, .. } = described(method);
    let member =
        |(name, schema): (&String, &Value)| (name.clone(), values(schema, &types), description(schema));
    let in_words = |(name, schema): (&String, &Value)| TypeInWords {
        name: name.clone(),
        meaning: description(schema),
        members: members(schema).map(member).collect(),
    };
    types.iter().map(in_words).collect()
}

fn members(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// What a value can be, in words and JSON.
fn values(schema: &Value, types: &Map<String, Value>) -> String {
    if let Some(of_type) = schema["$ref"].as_str().and_then(|name| types.get(name)) {
        return values(of_type, types);
    }
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(branches) = branches(schema) {
        // Null is the least of what it can be.
        let (null, others): (Vec<&Value>, Vec<&Value>) =
            branches.iter().partition(|branch| branch["type"] == "null");
        let each = others.into_iter().chain(null).map(|branch| values(branch, types));
        return each.collect::<Vec<_>>().join(" or ");
    }
    let of_type = |name: &Value| match name.as_str() {
        Some("null") => "`null`".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => format!("whole number{}", bounds(schema)),
        Some("number") => format!("number{}", bounds(schema)),
        Some("array") => format!("list of {}{}", values(&schema["items"], types), lengths(schema)),
        Some("object") => object(schema),
        Some(name) => name.to_owned(),
        None => "anything".to_owned(),
    };
    match &schema["type"] {
        Value::Array(names) => names.iter().map(of_type).collect::<Vec<_>>().join(" or "),
        name => of_type(name),
    }
}

fn branches(schema: &Value) -> Option<&Vec<Value>> {
    schema["oneOf"].as_array().or(schema["anyOf"].as_array()).or(schema["allOf"].as_array())
}

/// ` from 1 to 1000`, and what else bounds can be.
fn bounds(schema: &Value) -> String {
    let bound = |word: &str, keyword: &str| match &schema[keyword] {
        Value::Null => String::new(),
        bound => format!(" {word} {bound}"),
    };
    [
        bound("from", "minimum"),
        bound("above", "exclusiveMinimum"),
        bound("to", "maximum"),
        bound("below", "exclusiveMaximum"),
    ]
    .concat()
}

fn lengths(schema: &Value) -> String {
    let mut said = String::new();
    if let Some(fewest) = schema["minItems"].as_u64() {
        said.push_str(&format!(", at least {fewest}"));
    }
    if let Some(most) = schema["maxItems"].as_u64() {
        said.push_str(&format!(", at most {most}"));
    }
    if schema["uniqueItems"] == true {
        said.push_str(", each once");
    }
    said
}

/// `{"text", "text_pair"}`: what its members are is said with the type.
fn object(schema: &Value) -> String {
    let names: Vec<String> = members(schema).map(|(name, _)| format!("\"{name}\"")).collect();
    format!("`{{{}}}`", names.join(", "))
}

/// The types that a schema leads to.
fn type_names(schema: &Value, types: &Map<String, Value>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(name) = schema["$ref"].as_str() {
        names.insert(name.to_owned());
        names.extend(types.get(name).map(|of_type| type_names(of_type, types)).unwrap_or_default());
    }
    let parts = branches(schema).into_iter().flatten().chain(schema.get("items"));
    names.extend(parts.flat_map(|part| type_names(part, types)));
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explain::registry;

    #[test]
    fn values_are_told_with_their_bounds() {
        let types: Map<String, Value> = Map::from_iter([
            ("Norm".to_owned(), json!({"type": "string", "enum": ["l1", "l2"]})),
            ("Own".to_owned(), json!({"type": "object", "properties": {"text": {"type": "string"}}})),
        ]);
        for (schema, said) in [
            (
                json!({"type": ["integer", "null"], "minimum": 1, "maximum": 9}),
                "whole number from 1 to 9 or `null`",
            ),
            (json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1}), "number above 0 to 1"),
            (json!({"$ref": "Norm"}), "`\"l1\"`, `\"l2\"`"),
            (json!({"oneOf": [{"type": "null"}, {"$ref": "Norm"}]}), "`\"l1\"`, `\"l2\"` or `null`"),
            (json!({"oneOf": [{"$ref": "Norm"}, {"$ref": "Own"}]}), "`\"l1\"`, `\"l2\"` or `{\"text\"}`"),
            (
                json!({"type": "array", "items": {"$ref": "Norm"}, "minItems": 1, "uniqueItems": true}),
                "list of `\"l1\"`, `\"l2\"`, at least 1, each once",
            ),
            (json!({"type": "boolean"}), "`true` or `false`"),
        ] {
            assert_eq!(values(&schema, &types), said);
        }
    }

    #[test]
    fn a_default_that_null_stands_for_is_told_itself() {
        let options = options(registry::find("integrated_gradients").unwrap());
        let default = |name: &str| options.iter().find(|option| option.name == name).unwrap().default.clone();
        assert_eq!(
            [default("steps"), default("max_gradients"), default("baseline")],
            ["null", "129", "\"pad\""]
        );
    }

    #[test]
    fn the_types_of_an_option_are_named_however_deep() {
        let options = options(registry::find("integrated_gradients").unwrap());
        let baseline = options.iter().find(|option| option.name == "baseline").unwrap();
        let names: Vec<&str> = baseline.types.iter().map(String::as_str).collect();
        assert_eq!(names, ["Baseline", "BaselineText", "UsualBaseline"]);
    }
}
