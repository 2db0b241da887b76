//! An answer as one page: standalone HTML without scripts or references, for light and dark.

mod figures;
mod style;
mod table;
mod text;

use std::fmt::Write;

use super::escape::escape;
use super::palette;
use super::units::{special, units};
use super::{svg, wording};
use crate::engine::Answer;
use crate::engine::answer::Explanation;

/// An answer as a whole HTML document.
pub fn answer(answer: &Answer) -> String {
    let mut out = String::new();
    let title = title(answer);
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n",
        escape(&title),
        style::rules()
    );
    header(&mut out, answer);
    warnings(&mut out, answer);
    match answer.explanations.as_deref() {
        Some(explanations) => {
            explanations.iter().for_each(|entry| explanation(&mut out, answer, entry));
            figures::agreement(&mut out, answer.agreement.as_deref().unwrap_or_default());
        }
        None => plain_texts(&mut out, answer),
    }
    if let Some(picture) = svg::attention(answer) {
        let _ = write!(
            out,
            "<figure class=\"attention\" tabindex=\"0\" aria-label=\"Attention maps\">\n{picture}</figure>\n"
        );
    }
    if let Some(picture) = svg::edits(answer) {
        let _ = write!(
            out,
            "<figure class=\"attention\" tabindex=\"0\" aria-label=\"Edits of concepts\">\n{picture}</figure>\n"
        );
    }
    let _ = write!(
        out,
        "</main>\n<footer><p>Answer <code>{}</code></p></footer>\n</body>\n</html>\n",
        escape(&answer.id)
    );
    out
}

fn title(answer: &Answer) -> String {
    let verdicts = wording::verdicts(&answer.prediction).into_iter().map(|verdict| verdict.what);
    let text = wording::shortened(&answer.text, 60);
    format!("{}: {text}", verdicts.collect::<Vec<_>>().join(", "))
}

fn header(out: &mut String, answer: &Answer) {
    out.push_str("<header>\n<h1>");
    for (place, verdict) in wording::verdicts(&answer.prediction).iter().enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let _ = write!(out, "{comma}<bdi>{}</bdi>", escape(&verdict.what));
        if let Some(probability) = &verdict.probability {
            let _ = write!(out, " <span class=\"figure\">{probability}</span>");
        }
    }
    let (id, fingerprint) = (escape(&answer.model.id), escape(&answer.model.fingerprint));
    let short = escape(&wording::fingerprint(answer));
    let _ = write!(
        out,
        "</h1>\n<p class=\"quiet\">Model <bdi>{id}</bdi>, fingerprint <code title=\"{fingerprint}\">{short}</code></p>\n"
    );
    if let Some(altered) = wording::altered(answer) {
        let _ = writeln!(out, "<p class=\"quiet\"><bdi>{}</bdi></p>", escape(&altered));
    }
    if answer.prediction.scores.len() > 1 {
        let _ = writeln!(
            out,
            "<p class=\"quiet\"><bdi>{}</bdi></p>",
            escape(&wording::labels(&answer.prediction))
        );
    }
    out.push_str("</header>\n");
}

fn warnings(out: &mut String, answer: &Answer) {
    for warning in &answer.warnings {
        let _ = writeln!(
            out,
            "<p class=\"warning\" role=\"note\"><strong>Warning.</strong> {}</p>",
            escape(&warning.message)
        );
    }
}

fn plain_texts(out: &mut String, answer: &Answer) {
    out.push_str("<section aria-label=\"Text\">\n");
    text::draw(out, answer, &[], None);
    out.push_str("</section>\n");
}

fn explanation(out: &mut String, answer: &Answer, explanation: &Explanation) {
    let (method, subject) = (escape(wording::method(explanation)), escape(&wording::subject(explanation)));
    let _ = writeln!(out, "<section>\n<h2>{method}<span><bdi>{subject}</bdi></span></h2>");
    let units = units(answer, explanation.granularity);
    let largest = palette::largest(&explanation.scores);
    text::draw(out, answer, &units, Some(explanation));
    text::chips(out, &special(&units, &explanation.scores), largest);
    text::legend(out, explanation, largest);
    table::draw(out, &units, explanation);
    let _ = writeln!(out, "<p class=\"quiet\">{}</p>", escape(&wording::sums(explanation)));
    if let Some(view) = &explanation.quality {
        figures::quality(out, answer, explanation, view);
    }
    out.push_str("</section>\n");
}

#[cfg(test)]
mod tests;
