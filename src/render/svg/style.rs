//! Fonts and colours of a picture. Plain class rules: not every SVG reader knows variables.

use std::fmt::Write;

use crate::render::palette::{DARK, HEAT_LEVELS, LEVELS, LIGHT, Theme};

/// A kind of text: its class, and its size and line height in pixels.
pub struct TextStyle {
    /// Its class name.
    pub class: &'static str,
    /// The font size.
    pub size: f32,
    /// From one baseline to the next.
    pub line: f32,
}

/// What the model says.
pub const HEADLINE: TextStyle = TextStyle { class: "headline", size: 24.0, line: 31.0 };
/// The heading of an explanation.
pub const TITLE: TextStyle = TextStyle { class: "heading", size: 15.0, line: 21.0 };
/// The text that is explained.
pub const BODY: TextStyle = TextStyle { class: "body", size: 18.0, line: 34.0 };
/// The same where it is long.
pub const DENSE: TextStyle = TextStyle { class: "dense", size: 15.0, line: 29.0 };
/// Chips, labels of bars and numbers.
pub const LABEL: TextStyle = TextStyle { class: "label", size: 13.0, line: 21.0 };
/// What stays back.
pub const NOTE: TextStyle = TextStyle { class: "note", size: 12.5, line: 19.0 };
/// What a reader should know first.
pub const WARNING: TextStyle = TextStyle { class: "warning", size: 13.0, line: 20.0 };
/// What stands beside an attention map.
pub const SMALL: TextStyle = TextStyle { class: "small", size: 10.0, line: 13.0 };

/// Fonts whose widths are those of `measure`, then any.
const FONTS: &str = "'Helvetica Neue',Helvetica,Arial,'Liberation Sans',system-ui,sans-serif";

const SHAPES: &str = "\
text{white-space:pre}
.bold{font-weight:600;unicode-bidi:isolate}
.unseen{text-decoration:line-through}
.inserted{font-weight:600}
.rule,.frame,.axis,.underline,.strike,.whisker,.line,.chance{fill:none}
.line{stroke-width:1.75;stroke-linejoin:round}
.chance{stroke-width:1.25;stroke-dasharray:3 3}
.whisker{stroke-width:1.25}
.underline,.strike{stroke-width:1.5}
.underline.against{stroke-dasharray:2 2}
.heat{fill:none;stroke-width:1;shape-rendering:crispEdges}
.map{shape-rendering:crispEdges}
.cell{fill:none;pointer-events:all}
.member{fill:none;stroke-width:1.25}
.route,.casing{fill:none;stroke-linejoin:round;stroke-linecap:round}
";

/// The rules of a picture.
pub fn rules() -> String {
    let mut out = format!("text{{font-family:{FONTS};font-variant-numeric:tabular-nums}}\n{SHAPES}");
    for TextStyle { class, size, .. } in [HEADLINE, TITLE, BODY, DENSE, LABEL, NOTE, WARNING, SMALL] {
        let _ = writeln!(out, ".{class}{{font-size:{size}px}}");
    }
    colours(&mut out, &LIGHT);
    out.push_str("@media (prefers-color-scheme:dark){\n");
    colours(&mut out, &DARK);
    out.push_str("}\n");
    out
}

fn colours(out: &mut String, theme: &Theme) {
    let fills = [
        ("paper", theme.paper),
        ("bar.for", theme.mark_for),
        ("dot", theme.mark_for),
        ("inserted", theme.mark_for),
        ("deleted", theme.mark_against),
        ("bar.against", theme.mark_against),
        ("band", theme.rule),
        ("mass", theme.quiet),
    ];
    let strokes = [
        ("rule", theme.rule),
        ("frame", theme.rule),
        ("axis", theme.quiet),
        ("whisker", theme.ink),
        ("line.for", theme.mark_for),
        ("line.against", theme.mark_against),
        ("chance", theme.quiet),
        ("band", theme.quiet),
        ("member", theme.ink),
        ("route", theme.heat),
        ("casing", theme.paper),
        ("strike", theme.mark_against),
        ("underline.for", theme.mark_for),
        ("underline.against", theme.mark_against),
    ];
    let _ = writeln!(out, "text{{fill:{}}}", theme.ink.hex());
    let _ = writeln!(out, ".warning .bold{{fill:{}}}", theme.mark_against.hex());
    let _ = writeln!(out, ".note,.small,.unseen{{fill:{}}}", theme.quiet.hex());
    fills.iter().for_each(|(class, colour)| {
        let _ = writeln!(out, ".{class}{{fill:{}}}", colour.hex());
    });
    strokes.iter().for_each(|(class, colour)| {
        let _ = writeln!(out, ".{class}{{stroke:{}}}", colour.hex());
    });
    for level in 1..=LEVELS {
        let (speaks_for, against) = (theme.tint(true, level).hex(), theme.tint(false, level).hex());
        let _ = writeln!(out, ".for.s{level}{{fill:{speaks_for}}}.against.s{level}{{fill:{against}}}");
    }
    for level in 1..=HEAT_LEVELS {
        let _ = writeln!(out, ".h{level}{{stroke:{}}}", theme.heat(level).hex());
    }
}
