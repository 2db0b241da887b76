//! Query strings. What is not understood is refused rather than ignored: by paths that take none, any; by the
//! others, what they do not know.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Request};
use axum::http::Uri;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use super::problem::Problem;
use super::state::AppState;

/// Most items of a page.
const LARGEST_PAGE: u32 = 1000;

/// Items of a page unless something else is asked for.
const USUAL_PAGE: u32 = 100;

/// Refuses a request with a query.
pub async fn refuse(request: Request, next: Next) -> Response {
    match none_in(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// A request without a query, for methods that take none on a path where others do.
pub struct NoQuery;

impl FromRequestParts<AppState> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        none_in(&parts.uri).map(|()| NoQuery)
    }
}

fn none_in(uri: &Uri) -> Result<(), Problem> {
    match uri.query() {
        None | Some("") => Ok(()),
        Some(_) => Err(Problem::query()),
    }
}

/// The parameters of a query, each at most once.
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads the query of a path that knows these parameters.
    ///
    /// # Errors
    /// A parameter that it does not know, that is there twice, or that is not UTF-8, percent-encoded.
    pub fn of(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                return Err(Problem::invalid_query(name, "is not UTF-8, percent-encoded", "encode it"));
            };
            if !known.contains(&name.as_str()) {
                let remedy = format!("leave it out; this path knows {}", known.join(" and "));
                return Err(Problem::invalid_query(&name, "is not known here", remedy));
            }
            if parameters.contains_key(&name) {
                return Err(Problem::invalid_query(&name, "is there twice", "send it once"));
            }
            parameters.insert(name, value);
        }
        Ok(Parameters(parameters))
    }

    /// A parameter as `read` reads it, which takes what is `expected`; none if it is not there.
    ///
    /// # Errors
    /// It is something else.
    pub fn get<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let shown: String = value.chars().take(80).collect();
        let refused = || {
            let remedy = format!("send {expected}, or leave it out");
            Problem::invalid_query(name, &format!("is `{}`", shown.escape_debug()), remedy)
        };
        read(value).map(Some).ok_or_else(refused)
    }
}

/// Which part of a list is wanted.
pub struct Paging<C> {
    /// Items at most.
    pub limit: u32,
    /// The item behind which they stand; none for the beginning.
    pub after: Option<C>,
}

/// Something that names a place in a list.
pub trait Cursor: Sized {
    /// What one looks like, in words.
    const EXPECTED: &'static str;

    /// The place of a text, if it names one.
    fn parse(text: &str) -> Option<Self>;
}

impl<C: Cursor> FromRequestParts<AppState> for Paging<C> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        let parameters = Parameters::of(&parts.uri, &["limit", "after"])?;
        let expected = format!("a whole number from 1 to {LARGEST_PAGE}");
        let limit = |text: &str| {
            whole_number(text)
                .and_then(|limit| u32::try_from(limit).ok())
                .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
        };
        Ok(Paging {
            limit: parameters.get("limit", &expected, limit)?.unwrap_or(USUAL_PAGE),
            after: parameters.get("after", C::EXPECTED, C::parse)?,
        })
    }
}

/// A whole number in plain digits.
pub fn whole_number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// As forms are encoded: `+` is a space, and a `%` begins two digits.
fn decoded(text: &str) -> Option<String> {
    let mut escapes = text.split('%').skip(1);
    let sound =
        |escape: &str| escape.len() >= 2 && escape.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    if !escapes.all(sound) {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|decoded| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(uri: &str) -> Result<BTreeMap<String, String>, Problem> {
        Parameters::of(&uri.parse().unwrap(), &["name", "limit"]).map(|parameters| parameters.0)
    }

    #[test]
    fn what_is_known_is_decoded() {
        for (uri, name) in [
            ("/x?name=a+b", "a b"),
            ("/x?name=a%20b%2B", "a b+"),
            ("/x?name=caf%C3%A9&", "café"),
            ("/x?limit=1&name=a=b", "a=b"),
            ("/x?n%61me=", ""),
        ] {
            assert_eq!(parsed(uri).unwrap()["name"], name, "{uri}");
        }
        assert!(parsed("/x").unwrap().is_empty() && parsed("/x?").unwrap().is_empty());
    }

    #[test]
    fn what_is_unknown_repeated_or_broken_is_refused() {
        for uri in [
            "/x?nome=a",
            "/x?name=a&name=a",
            "/x?name=%",
            "/x?name=%4",
            "/x?name=%zz",
            "/x?name=%ff",
            "/x?Name=a",
        ] {
            assert_eq!(parsed(uri).unwrap_err().name(), "invalid-query", "{uri}");
        }
    }

    #[test]
    fn a_whole_number_is_digits_alone() {
        assert_eq!(whole_number("0100"), Some(100));
        for text in ["", "-1", "+1", "1.0", "1e3", " 1", "١", "99999999999999999999"] {
            assert_eq!(whole_number(text), None, "{text}");
        }
    }
}
