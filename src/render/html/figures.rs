//! Figures of how far to trust scores, as tables.

use std::fmt::Write;

use crate::engine::Answer;
use crate::engine::answer::{AgreementView, Explanation, QualityView};
use crate::render::escape::escape;
use crate::render::quality;

/// The figures of an explanation, each with what it says.
pub fn quality(out: &mut String, answer: &Answer, explanation: &Explanation, view: &QualityView) {
    let _ = writeln!(
        out,
        "<table class=\"quality\">\n<caption>How far to trust these scores ({})</caption>\n<thead><tr>\
         <th scope=\"col\">Figure</th><th scope=\"col\">Value</th><td></td></tr></thead>\n<tbody>",
        view.level.name()
    );
    for figure in quality::figures(answer, explanation, view) {
        let (name, value, meaning) = (figure.name, figure.value, escape(&figure.meaning));
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{value}</td><td class=\"quiet\">{meaning}</td></tr>"
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

/// How far methods agree, a row for every two.
pub fn agreement(out: &mut String, pairs: &[AgreementView]) {
    if pairs.is_empty() {
        return;
    }
    out.push_str(
        "<section>\n<h2>Agreement</h2>\n<table class=\"agreement\">\n\
         <caption>How far methods agree about the same class</caption>\n<thead><tr><th scope=\"col\">Methods</th>\
         <th scope=\"col\">Rank correlation</th><th scope=\"col\">Strongest in common</th>\
         <th scope=\"col\">Equal signs</th></tr></thead>\n<tbody>\n",
    );
    for pair in pairs {
        let _ = write!(out, "<tr><th scope=\"row\"><bdi>{}</bdi></th>", escape(&quality::pair(pair)));
        for figure in quality::agreement(pair) {
            let _ = write!(out, "<td>{figure}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}
