//! In which form a client wants an answer: `Accept`, read as RFC 9110 has it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use headers::HeaderMapExt;
use headers_accept::Accept;
use mediatype::MediaType;

use super::problem::Problem;

/// A form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// For programs, and whenever nothing else is asked for.
    Json,
    /// A page.
    Html,
    /// A picture.
    Svg,
}

/// The first is what a client gets that takes anything.
const OFFERED: [Representation; 3] = [Representation::Json, Representation::Html, Representation::Svg];

impl Representation {
    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Representation::Json => "application/json",
            Representation::Html => "text/html; charset=utf-8",
            Representation::Svg => "image/svg+xml",
        }
    }

    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if !headers.contains_key(header::ACCEPT) {
            return Ok(Representation::Json);
        }
        let accept: Accept = headers.typed_get().ok_or_else(Problem::not_acceptable)?;
        let offered = OFFERED.map(|form| (form, essence(form)));
        let chosen = accept.negotiate(offered.iter().map(|(_, media_type)| media_type));
        let chosen = chosen.and_then(|chosen| offered.iter().find(|(_, offer)| offer == chosen));
        chosen.map(|(form, _)| *form).ok_or_else(Problem::not_acceptable)
    }
}

fn essence(form: Representation) -> MediaType<'static> {
    use mediatype::names::{APPLICATION, HTML, IMAGE, JSON, SVG, TEXT};
    match form {
        Representation::Json => MediaType::new(APPLICATION, JSON),
        Representation::Html => MediaType::new(TEXT, HTML),
        Representation::Svg => MediaType::from_parts(IMAGE, SVG, Some(mediatype::names::XML), &[]),
    }
}

impl<S: Sync> FromRequestParts<S> for Representation {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Representation::of(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Representation> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Representation::of(&headers).ok()
    }

    #[test]
    fn who_takes_anything_gets_json_and_who_prefers_a_picture_gets_that() {
        assert_eq!(Representation::of(&HeaderMap::new()).ok(), Some(Representation::Json));
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
        ];
        for (accept, expected) in cases {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
    }
}
