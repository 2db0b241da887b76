//! The one way by which text of others gets into markup.

/// Text for element content and quoted attributes, of XML and HTML alike. Characters that XML forbids,
/// or that a reader could not see the effect of, become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(character),
            // XML readers would turn a lone one into a line break, HTML readers into nothing.
            '\r' => out.push(' '),
            forbidden if forbidden.is_control() || is_noncharacter(forbidden) => out.push('\u{FFFD}'),
            plain => out.push(plain),
        }
    }
    out
}

fn is_noncharacter(character: char) -> bool {
    let code = character as u32;
    code & 0xFFFE == 0xFFFE || (0xFDD0..=0xFDEF).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escape(r#"<a href="x">&'"#), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(escape("]]>"), "]]&gt;");
    }

    #[test]
    fn what_xml_forbids_is_replaced_and_what_it_allows_stays() {
        assert_eq!(escape("a\0b\u{1b}c\u{FFFE}\u{FFFF}"), "a\u{FFFD}b\u{FFFD}c\u{FFFD}\u{FFFD}");
        assert_eq!(escape("é\t👩‍👩‍👧\n\u{202E}"), "é\t👩‍👩‍👧\n\u{202E}");
    }
}
