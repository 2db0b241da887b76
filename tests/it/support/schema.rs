//! As much of JSON Schema as the schemas of options use.

use serde_json::Value;

/// Keywords that say something to people and check nothing.
const ANNOTATIONS: [&str; 6] = ["$schema", "title", "description", "default", "examples", "format"];

/// Why a value does not fit a schema, with where; none if it fits. A keyword that is not known here is a failure of
/// the test, so that none is passed over.
pub fn misfit(schema: &Value, value: &Value) -> Option<String> {
    let keywords = match schema {
        Value::Bool(fits) => return (!fits).then(|| format!("{value} is not allowed")),
        Value::Object(keywords) => keywords,
        other => panic!("{other} is no schema"),
    };
    let misfit = |(keyword, wanted): (&String, &Value)| -> Option<String> {
        let number = |wrong: fn(f64, f64) -> bool| {
            let (value, wanted) = (value.as_f64()?, wanted.as_f64().unwrap());
            wrong(value, wanted).then(|| format!("{value} against {keyword} {wanted}"))
        };
        let fitting = || items(wanted).filter(|branch| self::misfit(branch, value).is_none()).count();
        let unless = |fits: bool| (!fits).then(|| format!("{value} against {keyword} {wanted}"));
        match keyword.as_str() {
            "type" => unless(has_type(value, wanted)),
            "enum" => unless(items(wanted).any(|each| each == value)),
            "const" => unless(wanted == value),
            "minimum" => number(|value, least| value < least),
            "maximum" => number(|value, most| value > most),
            "exclusiveMinimum" => number(|value, bound| value <= bound),
            "exclusiveMaximum" => number(|value, bound| value >= bound),
            "multipleOf" => number(|value, of| value % of != 0.0),
            "minItems" => {
                unless(!value.is_array() || items(value).count() as u64 >= wanted.as_u64().unwrap())
            }
            "maxItems" => {
                unless(!value.is_array() || items(value).count() as u64 <= wanted.as_u64().unwrap())
            }
            "uniqueItems" => {
                let repeated =
                    items(value).enumerate().any(|(index, item)| items(value).take(index).any(|i| i == item));
                unless(!repeated)
            }
            "items" => items(value).find_map(|item| self::misfit(wanted, item)),
            "properties" => {
                let members = value.as_object()?.iter();
                members.filter_map(|(name, member)| Some((name, wanted.get(name)?, member))).find_map(
                    |(name, schema, member)| Some(format!("{name}: {}", self::misfit(schema, member)?)),
                )
            }
            "required" => unless(
                !value.is_object() || items(wanted).all(|name| value.get(name.as_str().unwrap()).is_some()),
            ),
            "additionalProperties" => {
                let known = &schema["properties"];
                let mut others =
                    value.as_object()?.iter().filter(|(name, _)| known.get(name.as_str()).is_none());
                others.find_map(|(name, member)| Some(format!("{name}: {}", self::misfit(wanted, member)?)))
            }
            "oneOf" => unless(fitting() == 1),
            "anyOf" => unless(fitting() > 0),
            "allOf" => items(wanted).find_map(|branch| self::misfit(branch, value)),
            annotation if ANNOTATIONS.contains(&annotation) => None,
            unknown => panic!("the keyword {unknown} is not understood here"),
        }
    };
    keywords.iter().find_map(misfit)
}

fn has_type(value: &Value, wanted: &Value) -> bool {
    let one = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("there is no type {other}"),
    };
    match wanted {
        Value::String(name) => one(name),
        names => items(names).any(|name| one(name.as_str().unwrap())),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
