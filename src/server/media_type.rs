//! The one media type of a body, and that it is sent as it is.

use axum::http::{HeaderMap, header};

use super::problem::Problem;

/// What a body is, by its media type without parameters. `taken` tells which ones there are.
///
/// # Errors
/// No `Content-Type`, two of them, one that is not known or in another charset than UTF-8; a content coding.
pub fn of_body<T>(
    headers: &HeaderMap,
    known: impl Fn(&str) -> Option<T>,
    taken: &'static str,
) -> Result<T, Problem> {
    let mut sent = headers.get_all(header::CONTENT_TYPE).iter().map(|value| value.to_str().unwrap_or("?"));
    let content_type = match (sent.next(), sent.next()) {
        (first, None) => first,
        (_, Some(_)) => return Err(Problem::two_media_types(taken)),
    };
    let kind = content_type.and_then(essence_in_utf8).and_then(|essence| known(&essence));
    let kind = kind.ok_or_else(|| Problem::media_type(content_type, taken))?;
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::content_coding())
        }
        _ => Ok(kind),
    }
}

/// The media type in lower case, whatever its parameters, except for another charset.
fn essence_in_utf8(content_type: &str) -> Option<String> {
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next()?;
    let other_charset = |parameter: String| {
        let charset = parameter.strip_prefix("charset=").map(|charset| charset.trim_matches('"'));
        charset.is_some_and(|charset| charset != "utf-8" && charset != "utf8")
    };
    (!parts.any(other_charset)).then_some(essence)
}
