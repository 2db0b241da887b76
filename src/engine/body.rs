//! From parts to the bytes of an answer. The bytes depend on the id alone: nothing in them tells when or
//! from where the parts came.

use serde_json::value::RawValue;

use crate::identity::{ResponseId, Shape};

/// A part as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// JSON: an object for readings and attention, an array for sentences and explanations.
    pub body: &'a [u8],
    /// A JSON array.
    pub warnings: &'a [u8],
}

/// Puts an answer together; the parts come in the order of the recipe's keys. One that is not whole has no id.
pub fn put_together(id: Option<ResponseId>, shape: Shape, parts: &[Part<'_>]) -> Vec<u8> {
    let size: usize = parts.iter().map(|part| part.body.len() + part.warnings.len() + 32).sum();
    let mut out = Vec::with_capacity(size + 128);
    out.push(b'{');
    if let Some(id) = id {
        out.extend_from_slice(format!(r#""id":"{id}","#).as_bytes());
    }
    let mut rest = parts.iter();
    let mut next = || rest.next().map_or(&[][..], |part| part.body);
    out.extend_from_slice(inner(next()));
    if matches!(shape, Shape::ExplainSentences | Shape::ExplainSentencesAgreement) {
        out.extend_from_slice(br#","sentences":"#);
        out.extend_from_slice(next());
    }
    match shape {
        Shape::Predict
        | Shape::Concept
        | Shape::Tcav
        | Shape::Decomposition
        | Shape::Erasure
        | Shape::Discovery
        | Shape::Counterfactuals
        | Shape::WhatIf
        | Shape::Grid
        | Shape::Mediation => {}
        Shape::Attention => field(&mut out, "attention", next()),
        Shape::States => field(&mut out, "states", next()),
        Shape::ConceptScores => field(&mut out, "concepts", next()),
        Shape::ConceptEdits => field(&mut out, "edits", next()),
        Shape::Explain
        | Shape::ExplainSentences
        | Shape::ExplainAgreement
        | Shape::ExplainSentencesAgreement => {
            let has_agreement = matches!(shape, Shape::ExplainAgreement | Shape::ExplainSentencesAgreement);
            let agreement = if has_agreement { rest.next_back() } else { None };
            out.extend_from_slice(br#","explanations":["#);
            join(&mut out, rest.map(|part| inner(part.body)));
            out.push(b']');
            if let Some(agreement) = agreement {
                out.extend_from_slice(br#","agreement":"#);
                out.extend_from_slice(agreement.body);
            }
        }
    }
    out.extend_from_slice(br#","warnings":["#);
    join(&mut out, distinct_warnings(parts).iter().map(|warning| warning.get().as_bytes()));
    out.extend_from_slice(b"]}");
    out
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(format!(r#","{name}":"#).as_bytes());
    out.extend_from_slice(value);
}

/// What stands between the brackets of an object or array.
fn inner(json: &[u8]) -> &[u8] {
    json.get(1..json.len().saturating_sub(1)).unwrap_or_default()
}

fn join<'a>(out: &mut Vec<u8>, items: impl Iterator<Item = &'a [u8]>) {
    for (index, item) in items.filter(|item| !item.is_empty()).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
}

/// Two methods may say the same of a text; it is told once.
fn distinct_warnings<'a>(parts: &[Part<'a>]) -> Vec<&'a RawValue> {
    let mut distinct: Vec<&RawValue> = Vec::new();
    for part in parts.iter().filter(|part| part.warnings != b"[]") {
        let warnings: Vec<&RawValue> = serde_json::from_slice(part.warnings).unwrap_or_default();
        for warning in warnings {
            if !distinct.iter().any(|known| known.get() == warning.get()) {
                distinct.push(warning);
            }
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part<'a>(body: &'a str, warnings: &'a str) -> Part<'a> {
        Part { body: body.as_bytes(), warnings: warnings.as_bytes() }
    }

    fn text(shape: Shape, parts: &[Part<'_>]) -> String {
        let id = ResponseId([7; 32]);
        let text = String::from_utf8(put_together(Some(id), shape, parts)).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).expect("it should be JSON");
        text.replace(&id.to_string(), "7")
    }

    #[test]
    fn a_prediction_is_its_reading_with_the_id_before_and_the_warnings_behind() {
        let reading = part(r#"{"text":"x"}"#, r#"[{"code":"truncated"}]"#);
        assert_eq!(
            text(Shape::Predict, &[reading]),
            r#"{"id":"7","text":"x","warnings":[{"code":"truncated"}]}"#
        );
    }

    #[test]
    fn an_answer_that_is_not_whole_has_no_id() {
        let found = part(r#"{"complete":false}"#, "[]");
        let body = put_together(None, Shape::Counterfactuals, &[found]);
        assert_eq!(body, br#"{"complete":false,"warnings":[]}"#);
    }

    #[test]
    fn explanations_of_several_methods_stand_in_one_list_and_say_the_same_thing_once() {
        let reading = part(r#"{"text":"x"}"#, "[]");
        let sentences = part(r#"[{"index":0}]"#, "[]");
        let first = part(r#"[{"m":1},{"m":2}]"#, r#"[{"code":"a"},{"code":"b"}]"#);
        let second = part(r#"[{"m":3}]"#, r#"[{"code":"b"}]"#);
        assert_eq!(
            text(Shape::ExplainSentences, &[reading, sentences, first, second]),
            r#"{"id":"7","text":"x","sentences":[{"index":0}],"explanations":[{"m":1},{"m":2},{"m":3}],"warnings":[{"code":"a"},{"code":"b"}]}"#
        );
        let agreement = part(r#"[{"a":1}]"#, r#"[{"code":"c"}]"#);
        assert_eq!(
            text(Shape::ExplainSentencesAgreement, &[reading, sentences, first, second, agreement]),
            r#"{"id":"7","text":"x","sentences":[{"index":0}],"explanations":[{"m":1},{"m":2},{"m":3}],"agreement":[{"a":1}],"warnings":[{"code":"a"},{"code":"b"},{"code":"c"}]}"#
        );
        let nothing = part("[]", "[]");
        assert_eq!(
            text(Shape::Explain, &[reading, nothing, second]),
            r#"{"id":"7","text":"x","explanations":[{"m":3}],"warnings":[{"code":"b"}]}"#
        );
    }
}
