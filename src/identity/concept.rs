//! The id of a concept: a hash of its definition.

use std::fmt;

use super::hexadecimal;
use super::key::Fields;

/// The identity of a concept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConceptId(pub [u8; 32]);

impl ConceptId {
    /// The id of a definition, of which each part is in its canonical form. The name is one of them.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut fields = Fields::new("explaind concept");
        for part in parts {
            fields.bytes(part);
        }
        ConceptId(fields.finish())
    }

    /// The id of 64 lower-case hexadecimal digits; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hexadecimal::read(text).map(ConceptId)
    }
}

impl fmt::Display for ConceptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal::written(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(parts: &[&str]) -> ConceptId {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        ConceptId::of(&parts)
    }

    #[test]
    fn parts_their_order_and_where_each_ends_make_the_id() {
        assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
        for other in [vec!["b", "a"], vec!["ab"], vec!["a", "b", ""], vec!["a"], vec![]] {
            assert_ne!(id(&["a", "b"]), id(&other), "{other:?}");
        }
    }

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        let text = id(&["a"]).to_string();
        assert_eq!(ConceptId::parse(&text), Some(id(&["a"])));
        for other in [text.to_uppercase(), text[1..].to_owned(), format!(" {text}")] {
            assert_eq!(ConceptId::parse(&other), None, "{other}");
        }
    }
}
