//! The whole reference as a page of Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::options::{OptionInWords, TypeInWords, options, types};
use super::{about_chance, about_class, by_family};
use crate::explain::{Family, Method, registry};

const INTRODUCTION: &str = "\
# Methods

What each method answers, how it comes by its scores, what it takes, and when not to use it. The program writes this
page (`explaind methods --markdown`) of what it says of itself; the same is in `GET /v1/methods`, with a JSON Schema of
every method's options.

In formulas φ_t is the score of token t and e_t its word embedding; F is the `output` of the class in question (its
logit, unless another one is asked for), L the number of layers. A word's score is the sum of its tokens' scores, and a
sentence's the sum of its words', unless a method takes words or sentences for its units. A pass is one of the network
over the text. Every method comes after the text's own forward pass, which all share.
";

/// The page `docs/methods.md`.
pub fn reference() -> String {
    let mut out = INTRODUCTION.to_owned();
    overview(&mut out);
    for (family, methods) in by_family() {
        introduction(&mut out, family);
        methods.into_iter().for_each(|method| section(&mut out, method));
    }
    value_types(&mut out);
    out
}

fn overview(out: &mut String) {
    out.push_str("\n| id | family | what a score is |\n|---|---|---|\n");
    for (family, methods) in by_family() {
        for method in methods {
            let (id, family, summary) = (method.id(), family.name(), cell(method.summary()));
            let default = if id == registry::DEFAULT_METHOD { " (the default)" } else { "" };
            let _ = writeln!(out, "| [`{id}`](#{id}){default} | {family} | {summary} |");
        }
    }
}

fn introduction(out: &mut String, family: Family) {
    let title = capitalised(family.name());
    let (means, introduction) = (capitalised(family.means()), family.introduction());
    let _ = write!(out, "\n## {title}\n\n{means}. {introduction}\n");
}

fn section(out: &mut String, method: &dyn Method) {
    let (id, name, summary, formula) = (method.id(), method.name(), method.summary(), method.formula());
    let _ = write!(out, "\n### {id}\n\n**{name}.** {summary}\n\n```text\n{formula}\n```\n\n");
    let options = options(method);
    if options.is_empty() {
        out.push_str("It has no options.\n");
    } else {
        out.push_str("| option | default | values | meaning |\n|---|---|---|---|\n");
        options.iter().for_each(|option| row(out, option));
    }
    let facts = [
        ("What it takes", method.effort().to_owned()),
        ("When not to use it", method.caution().to_owned()),
        ("What it speaks of", format!("{}.", capitalised(about_class(method)))),
        ("Chance", format!("It {}.", about_chance(method))),
        ("Source", format!("{}.", with_links(method.source()))),
    ];
    out.push('\n');
    for (name, fact) in facts {
        let _ = writeln!(out, "- **{name}.** {fact}");
    }
}

fn row(out: &mut String, option: &OptionInWords) {
    let OptionInWords { name, default, values, meaning, types } = option;
    let links: Vec<String> = types.iter().map(|name| format!("[{name}](#{})", name.to_lowercase())).collect();
    let links = if links.is_empty() { String::new() } else { format!(" ({})", links.join(", ")) };
    let (values, meaning) = (cell(values), cell(meaning));
    let _ = writeln!(out, "| `{name}` | `{default}` | {values}{links} | {meaning} |");
}

/// What the types of options mean, each once.
fn value_types(out: &mut String) {
    let methods = registry::METHODS.iter();
    let named = methods.flat_map(|method| types(*method)).map(|of_type| (of_type.name.clone(), of_type));
    let named: BTreeMap<String, TypeInWords> = named.collect();
    if named.is_empty() {
        return;
    }
    out.push_str("\n## Values of options\n");
    for (name, of_type) in named {
        let _ = write!(out, "\n### {name}\n\n{}\n", of_type.meaning);
        if !of_type.members.is_empty() {
            out.push_str("\n| member | values | meaning |\n|---|---|---|\n");
        }
        for (member, values, meaning) in of_type.members {
            let _ = writeln!(out, "| `{member}` | {} | {} |", cell(&values), cell(&meaning));
        }
    }
}

/// A text that does not end its cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("\n\n", " ")
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + characters.as_str()
}

/// Papers by their links, `arXiv:1703.01365` and `doi:10.1000/182`.
fn with_links(source: &str) -> String {
    let link = |word: &str| {
        let (scheme, rest) = word.split_once(':')?;
        let is_end = |c: char| !(c.is_alphanumeric() || "./-_".contains(c));
        let (number, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        let place = match scheme.trim_start_matches('(') {
            "arXiv" => "https://arxiv.org/abs/",
            "doi" => "https://doi.org/",
            _ => return None,
        };
        let before = if scheme.starts_with('(') { "(" } else { "" };
        let scheme = scheme.trim_start_matches('(');
        Some(format!("{before}[{scheme}:{number}]({place}{number}){after}"))
    };
    let words: Vec<String> =
        source.split(' ').map(|word| link(word).unwrap_or_else(|| word.to_owned())).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn papers_are_linked_and_what_stands_around_them_stays() {
        assert_eq!(
            with_links("Yeh et al. 2019 (arXiv:1901.09392; extended), doi:10.1/x-2, SHAP's Partition: a b"),
            "Yeh et al. 2019 ([arXiv:1901.09392](https://arxiv.org/abs/1901.09392); extended), \
             [doi:10.1/x-2](https://doi.org/10.1/x-2), SHAP's Partition: a b"
        );
    }

    #[test]
    fn every_method_has_a_section_and_every_option_a_row() {
        let page = reference();
        for method in registry::METHODS {
            assert!(page.contains(&format!("\n### {}\n", method.id())));
            for option in options(*method) {
                assert!(page.contains(&format!("\n| `{}` | `{}` |", option.name, option.default)));
            }
        }
    }

    #[test]
    fn every_link_within_the_page_leads_to_a_heading() {
        let page = reference();
        let headings: Vec<String> = page
            .lines()
            .filter_map(|line| line.strip_prefix("### ").or(line.strip_prefix("## ")))
            .map(|heading| heading.to_lowercase().replace(' ', "-"))
            .collect();
        for link in page.split("](#").skip(1) {
            let place = link.split(')').next().unwrap();
            assert_eq!(headings.iter().filter(|heading| *heading == place).count(), 1, "{place}");
        }
    }
}
