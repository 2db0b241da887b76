//! The methods in a terminal. Colours come as ANSI codes; printing through `anstream` takes them out where nobody would
//! see them.

use std::fmt::Write;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::options::{OptionInWords, TypeInWords, options, types};
use super::{about_chance, about_class, by_family};
use crate::explain::{Method, registry};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Columns of a line, at most.
const COLUMNS: usize = 100;

/// Columns before the facts about a method.
const FACTS: usize = 12;

/// All methods by family, each with what it answers.
pub fn list() -> String {
    let width = registry::METHODS.iter().map(|method| method.id().len()).max().unwrap_or(0);
    let mut out = String::new();
    for (family, methods) in by_family() {
        let _ = writeln!(out, "{BOLD}{}{BOLD:#}  {DIM}{}{DIM:#}", family.name(), family.means());
        for method in methods {
            let _ = write!(out, "  {:<width$}  ", method.id());
            out.push_str(&hanging(method.summary(), width + 4));
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{DIM}`explaind methods ID` tells everything about one.{DIM:#}");
    out
}

/// Everything about one method.
pub fn one(method: &dyn Method) -> String {
    let mut out = format!(
        "{BOLD}{}{BOLD:#}  {DIM}{}, {}{DIM:#}\n\n",
        method.id(),
        method.name(),
        method.family().name()
    );
    let facts = [
        ("answers", method.summary()),
        ("formula", method.formula()),
        ("takes", method.effort()),
        ("careful", method.caution()),
        ("speaks of", about_class(method)),
        ("chance", about_chance(method)),
        ("source", method.source()),
    ];
    for (name, fact) in facts {
        let _ = write!(out, "  {name:<10}{}", hanging(fact, FACTS));
    }
    let options = options(method);
    if options.is_empty() {
        let _ = writeln!(out, "\n  {DIM}It has no options.{DIM:#}");
        return out;
    }
    table(&mut out, &options);
    types(method).iter().for_each(|of_type| value_type(&mut out, of_type));
    out
}

fn table(out: &mut String, options: &[OptionInWords]) {
    let widest = |column: fn(&OptionInWords) -> &String, heading: &str| {
        options.iter().map(|option| column(option).width()).max().unwrap_or(0).max(heading.len())
    };
    let (name, default) =
        (widest(|option| &option.name, "option"), widest(|option| &option.default, "default"));
    let left = name + default + 6;
    let _ = writeln!(out, "\n  {DIM}{:<name$}  {:<default$}  values and meaning{DIM:#}", "option", "default");
    for option in options {
        let values = unquoted(&option.values);
        let _ = write!(out, "  {BOLD}{:<name$}{BOLD:#}  {:<default$}  ", option.name, option.default);
        let _ = write!(out, "{}{:left$}{}", hanging(&values, left), "", hanging(&option.meaning, left));
    }
}

fn value_type(out: &mut String, of_type: &TypeInWords) {
    let _ = write!(out, "\n  {DIM}{}{DIM:#}\n    {}", of_type.name, hanging(&of_type.meaning, 4));
    for (name, values, meaning) in &of_type.members {
        let _ = write!(out, "    {}", hanging(&format!("{name}: {}. {meaning}", unquoted(values)), 6));
    }
}

/// Values without the quotes of Markdown.
fn unquoted(values: &str) -> String {
    values.replace('`', "")
}

/// A text on lines of which all but the first begin after so many columns, as the first one does that is written
/// already.
fn hanging(text: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut used = columns;
    for word in text.split_whitespace() {
        if used > columns && used + 1 + word.width() > COLUMNS {
            let _ = write!(out, "\n{:columns$}", "");
            used = columns;
        } else if used > columns {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += word.width();
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_a_terminal_is_wide() {
        let pages = registry::METHODS.iter().map(|method| one(*method)).chain([list()]);
        for page in pages {
            let plain = anstream::adapter::strip_str(&page).to_string();
            for line in plain.lines() {
                assert!(line.width() <= COLUMNS && !line.ends_with(' '), "{line:?}");
            }
        }
    }

    #[test]
    fn what_goes_past_a_line_hangs_below_its_beginning() {
        let text = "word ".repeat(30);
        let lines: Vec<String> = hanging(&text, 10).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("          word") && lines[1].trim_start().len() > 10);
    }
}
