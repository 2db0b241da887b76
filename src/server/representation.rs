//! In which form a client wants an answer: `Accept`, read as RFC 9110 has it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use headers_accept::Accept;
use mediatype::names::Q;
use mediatype::{MediaType, MediaTypeBuf, Name, ReadParams};

use super::problem::Problem;
use crate::identity::Shape;

/// One of the forms in which something can be had.
pub trait Form: Copy {
    /// Its media type without parameters.
    fn essence(self) -> MediaType<'static>;
}

/// A form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// For programs, and whenever nothing else is asked for.
    Json,
    /// A page.
    Html,
    /// A picture.
    Svg,
    /// Numbers to work on: tensors.
    Tensors,
}

/// The forms that a client takes, and how gladly.
#[derive(Debug)]
pub struct Accepts(Option<Accept>);

impl Representation {
    /// Every form that one answer of this shape has; the first is what a client gets that takes anything.
    pub fn of(shape: Shape) -> &'static [Representation] {
        use Representation::{Html, Json, Svg, Tensors};
        match shape {
            Shape::Attention => &[Json, Html, Svg, Tensors],
            Shape::Predict
            | Shape::Explain
            | Shape::ExplainSentences
            | Shape::ExplainAgreement
            | Shape::ExplainSentencesAgreement
            | Shape::States
            | Shape::ConceptScores
            | Shape::ConceptEdits => &[Json, Html, Svg],
            Shape::Concept
            | Shape::Tcav
            | Shape::Decomposition
            | Shape::Erasure
            | Shape::Discovery
            | Shape::Counterfactuals
            | Shape::WhatIf
            | Shape::Grid
            | Shape::Mediation => &[Json, Svg],
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Representation::Json => "application/json",
            Representation::Html => "text/html; charset=utf-8",
            Representation::Svg => "image/svg+xml",
            Representation::Tensors => "application/vnd.safetensors",
        }
    }
}

impl Form for Representation {
    fn essence(self) -> MediaType<'static> {
        use mediatype::names::{APPLICATION, HTML, IMAGE, JSON, SVG, TEXT, XML};
        match self {
            Representation::Json => MediaType::new(APPLICATION, JSON),
            Representation::Html => MediaType::new(TEXT, HTML),
            Representation::Svg => MediaType::from_parts(IMAGE, SVG, Some(XML), &[]),
            Representation::Tensors => MediaType::new(APPLICATION, Name::new_unchecked("vnd.safetensors")),
        }
    }
}

impl Accepts {
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let members: Vec<&str> =
            sent.flat_map(|value| value.split(',')).map(str::trim).filter(|m| !m.is_empty()).collect();
        // What cannot be understood says nothing, and parameters other than `q` make no difference here.
        let understood = members.iter().filter_map(|member| MediaType::parse(member).ok()).map(|range| {
            let quality = range.get_param(Q).map(|q| (Q, q));
            MediaTypeBuf::from_parts(range.ty, range.subty, range.suffix, quality.as_slice())
        });
        Accepts((!members.is_empty()).then(|| understood.collect()))
    }

    /// The form of these that the client likes best; the first one if it takes anything.
    ///
    /// # Errors
    /// It takes none of them.
    pub fn choose<F: Form>(&self, offered: &[F]) -> Result<F, Problem> {
        let refused = || Problem::not_acceptable(&names(offered));
        let Some(accept) = &self.0 else {
            return offered.first().copied().ok_or_else(refused);
        };
        let essences: Vec<MediaType<'_>> = offered.iter().map(|form| form.essence()).collect();
        let chosen = accept.negotiate(essences.iter());
        let chosen = chosen.and_then(|chosen| offered.iter().find(|form| form.essence() == *chosen));
        chosen.copied().ok_or_else(refused)
    }
}

/// Forms in words, for whoever accepts none of them.
pub fn names<F: Form>(offered: &[F]) -> String {
    let names: Vec<String> = offered.iter().map(|form| form.essence().to_string()).collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        names => names.concat(),
    }
}

impl<S: Sync> FromRequestParts<S> for Accepts {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Accepts::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_of(shape: Shape, accept: &str) -> Option<Representation> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Accepts::of(&headers).choose(Representation::of(shape)).ok()
    }

    fn chosen(accept: &str) -> Option<Representation> {
        chosen_of(Shape::Explain, accept)
    }

    #[test]
    fn tensors_are_made_of_attention_alone_and_only_for_who_asks_for_them() {
        let cases = [
            ("*/*", Some(Representation::Json)),
            ("application/*", Some(Representation::Json)),
            ("application/vnd.safetensors", Some(Representation::Tensors)),
            ("application/vnd.safetensors, application/json;q=0.5", Some(Representation::Tensors)),
        ];
        for (accept, expected) in cases {
            assert_eq!(chosen_of(Shape::Attention, accept), expected, "{accept}");
        }
        for shape in [Shape::Explain, Shape::ExplainSentences, Shape::Predict] {
            assert_eq!(chosen_of(shape, "application/vnd.safetensors"), None);
        }
    }

    #[test]
    fn who_accepts_no_form_is_told_all_there_are() {
        assert_eq!(names(Representation::of(Shape::Predict)), "application/json, text/html or image/svg+xml");
        assert!(
            names(Representation::of(Shape::Attention))
                .ends_with("image/svg+xml or application/vnd.safetensors")
        );
        assert_eq!(names(&[Representation::Json]), "application/json");
    }

    #[test]
    fn who_takes_anything_gets_json_and_who_prefers_a_picture_gets_that() {
        assert_eq!(
            Accepts::of(&HeaderMap::new()).choose(Representation::of(Shape::Attention)).ok(),
            Some(Representation::Json)
        );
        let cases = [
            ("*/*", Some(Representation::Json)),
            ("application/json", Some(Representation::Json)),
            ("application/*", Some(Representation::Json)),
            ("application/json, text/plain, */*", Some(Representation::Json)),
            ("text/html", Some(Representation::Html)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Representation::Html)),
            ("image/svg+xml", Some(Representation::Svg)),
            ("image/avif,image/webp,image/svg+xml,image/*;q=0.8", Some(Representation::Svg)),
            ("text/html;q=0.5, application/json", Some(Representation::Json)),
            ("text/html;q=0.5, application/json;q=0.4", Some(Representation::Html)),
            ("text/html, application/json;q=0", Some(Representation::Html)),
            ("application/json;q=0", None),
            ("text/plain", None),
            ("nonsense", None),
            ("", Some(Representation::Json)),
            ("application/json;charset=utf-8", Some(Representation::Json)),
            ("text/html;level=1", Some(Representation::Html)),
            ("text/html, nonsense", Some(Representation::Html)),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Some(Representation::Html)),
        ];
        for (accept, expected) in cases {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
    }
}
