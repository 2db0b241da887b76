//! Texts near to one, each as what has to be taken out of it and put in.

use super::passage::{Mark, Marked, Stretch, stretches};
use super::{WIDTH, passes, reservations, texts};
use crate::engine::answer::{ChangeView, CounterfactualView, CounterfactualsView, Strategy};
use crate::render::number::percent;
use crate::render::svg::canvas::Canvas;
use crate::render::svg::headline;
use crate::render::svg::style::{NOTE, TITLE};
use crate::render::wording::{self, isolated};

/// A whole SVG document.
pub fn draw(view: &CounterfactualsView) -> String {
    let mut canvas = Canvas::new(WIDTH);
    headline(&mut canvas, &view.original.prediction);
    canvas.heading(&TITLE, "Wanted", &format!(": {}", wanted(view)));
    canvas.paragraph(&NOTE, &wording::named(&view.model));
    canvas.paragraph(&NOTE, &search(view));
    reservations(&mut canvas, &view.warnings, view.complete);
    for (place, found) in view.counterfactuals.iter().enumerate() {
        counterfactual(&mut canvas, view, &format!("Counterfactual {}", place + 1), found);
    }
    if view.counterfactuals.is_empty() {
        none_found(&mut canvas, view);
    }
    canvas.skip(8.0);
    if !view.counterfactuals.is_empty() || view.closest_miss.is_some() {
        canvas.paragraph(&NOTE, "Struck through: taken out of the text. Bold and underlined: put in.");
    }
    let text = wording::shortened(&view.original.text, 100);
    canvas.finish(&format!("{}: {text} · Counterfactuals", wording::said(&view.original.prediction)))
}

fn wanted(view: &CounterfactualsView) -> String {
    match &view.target {
        Some(target) => isolated(&target.label),
        None => "any other prediction".to_owned(),
    }
}

/// What the search took, and how far what it found differs.
fn search(view: &CounterfactualsView) -> String {
    let mut said = match view.counterfactuals.len() {
        0 => "None found".to_owned(),
        1 => "1 counterfactual".to_owned(),
        several => format!("{several} counterfactuals"),
    };
    if let Some(diversity) = view.diversity {
        said.push_str(&format!(" · diversity {diversity:.2} (1 − self-BLEU)"));
    }
    said.push_str(&format!(" · {}", passes(view.forwards)));
    if let Some(infill) = &view.infill_model {
        said.push_str(&format!(" · words expected by {}", wording::named(infill)));
    }
    said
}

fn none_found(canvas: &mut Canvas, view: &CounterfactualsView) {
    match &view.closest_miss {
        Some(miss) => counterfactual(canvas, view, "None was found; the closest", miss),
        None => {
            canvas.rule();
            canvas.heading(&TITLE, "None was found", "");
            canvas.skip(8.0);
            texts(canvas, &view.original, 0.0, |_, text| stretches(text, []));
        }
    }
}

fn counterfactual(canvas: &mut Canvas, view: &CounterfactualsView, name: &str, found: &CounterfactualView) {
    canvas.rule();
    canvas.heading(&TITLE, name, &format!(": {}", wording::said(&found.prediction)));
    canvas.paragraph(&NOTE, &figures(found));
    canvas.skip(8.0);
    texts(canvas, &view.original, 0.0, |segment, text| difference(text, segment, &found.changes));
}

/// Its figures in one line.
fn figures(found: &CounterfactualView) -> String {
    let mut said = vec![
        format!("changed words {}", percent(found.edit_distance.into())),
        format!("closeness {:.3}", found.closeness),
    ];
    if let (Some(before), Some(after)) = (found.fluency_before, found.fluency_after) {
        let ratio = match before > 0.0 {
            true => format!(" (× {:.2})", f64::from(after) / f64::from(before)),
            false => String::new(),
        };
        said.push(format!("pseudo-perplexity {before:.1} → {after:.1}{ratio}"));
    }
    said.push(if found.minimal { "minimal" } else { "not minimal" }.to_owned());
    said.join(" · ")
}

/// One text with its changes, as it was and as it is.
fn difference(text: &str, segment: usize, changes: &[ChangeView]) -> Vec<Stretch> {
    let mut own: Vec<&ChangeView> = changes.iter().filter(|change| change.segment == segment).collect();
    own.sort_by_key(|change| (change.start, change.end));
    let marked = own.into_iter().map(|change| Marked {
        start: change.start,
        end: change.end,
        mark: Mark::Deleted,
        inserted: change.to.clone(),
        title: title(change),
    });
    stretches(text, marked)
}

fn title(change: &ChangeView) -> String {
    let [from, to] = [&change.from, &change.to].map(|text| format!("“{}”", isolated(text)));
    let by = strategy(change.strategy);
    match (change.from.is_empty(), change.to.is_empty()) {
        (_, true) => format!("{from} taken out, {by}"),
        (true, false) => format!("{to} put in, {by}"),
        (false, false) => format!("{from} → {to}, {by}"),
    }
}

fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Substitute => "substitute",
        Strategy::Infill => "infill",
        Strategy::Delete => "delete",
        Strategy::Lexicon => "lexicon",
        Strategy::Antonym => "antonym",
        Strategy::Hotflip => "hotflip",
        Strategy::Random => "random",
    }
}
