//! A concept taken out: what of it a fresh learner finds, and what of the task is left, each with its interval.

use crate::concept::erasing::{ErasureProbe, ErasureView, MethodErasure};
use crate::render::number::{length, percent};
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::style::{HEADLINE, LABEL, NOTE, TITLE, WARNING};
use crate::summary::Share;

/// Pixels of the picture.
const WIDTH: f32 = 760.0;

/// Pixels of the column of names, of that of numbers, and between both and the scale.
const NAMES: f32 = 190.0;
const NUMBERS: f32 = 60.0;
const GAP: f32 = 20.0;

/// Pixels of the ends of a whisker, from top to bottom.
const CAP: f32 = 7.0;

/// A share with its interval.
struct Point {
    name: String,
    share: f64,
    low: f64,
    high: f64,
    /// What chance stays below, where there is that.
    chance: Option<f64>,
}

/// The whole document.
pub fn draw(view: &ErasureView) -> String {
    let mut canvas = Canvas::new(WIDTH);
    canvas.heading(&HEADLINE, &view.concept.name, &format!(" version {}, taken out", view.concept.version));
    canvas.skip(2.0);
    let shortened: String = view.model.fingerprint.chars().take(12).collect();
    canvas.paragraph(&NOTE, &format!("Model {} ({shortened}), layer {}.", view.model.id, view.layer));
    for warning in &view.warnings {
        canvas.heading(&WARNING, "Warning.", &format!(" {}", warning.message));
    }
    let untouched = view.untouched.probe.iter().map(|probe| of_probe("as it is".into(), probe));
    let probes = view.erasures.iter().filter_map(|of| Some(of_probe(named(of), of.probe.as_ref()?)));
    let note = "Balanced accuracy of a fresh learner, with its 95 % interval; dashes: what 95 of 100 shuffles of the labels \
                stay below. Eraser and learner are fitted to other texts than those they are judged by: 50 % is chance.";
    points(&mut canvas, "What is left of the concept", &untouched.chain(probes).collect::<Vec<_>>(), note);
    let untouched = view.untouched.accuracy.iter().map(|share| of_share("as it is".into(), share));
    let accuracies =
        view.erasures.iter().filter_map(|of| Some(of_share(named(of), of.task.accuracy.as_ref()?)));
    let note = "Share of the rows with the dataset's label, with its 95 % interval.";
    points(&mut canvas, "What is left of the task", &untouched.chain(accuracies).collect::<Vec<_>>(), note);
    let agreement =
        view.erasures.iter().filter_map(|of| Some(of_share(named(of), of.task.agreement.as_ref()?)));
    let note = "Share of the rows of which the model says what it says as it is, with its 95 % interval.";
    points(&mut canvas, "Predictions that stay", &agreement.collect::<Vec<_>>(), note);
    changes(&mut canvas, &view.erasures);
    canvas.finish(&format!("Concept {}, taken out", view.concept.name))
}

/// Shares on a scale from 0 to 1, one below the other.
fn points(canvas: &mut Canvas, title: &str, points: &[Point], note: &str) {
    if points.is_empty() {
        return;
    }
    canvas.rule();
    canvas.heading(&TITLE, title, "");
    canvas.skip(6.0);
    let left = MARGIN + NAMES + NUMBERS + GAP;
    let room = MARGIN + canvas.room() - left - 10.0;
    let place = |share: f64| left + room * share as f32;
    let (top, height) = (canvas.y(), LABEL.line * points.len() as f32);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = length(place(tick).round() + 0.5);
        let (y, height) = (length(top), length(height));
        canvas.put(format_args!("<path class=\"rule\" d=\"M{x} {y}v{height}\"/>\n"));
        canvas.line(
            &LABEL,
            (place(tick), top + LABEL.line * points.len() as f32 + 16.0),
            "middle",
            &tick.to_string(),
        );
    }
    for point in points {
        let (baseline, middle) = (canvas.y() + 14.0, canvas.y() + 9.5);
        canvas.line(&LABEL, (MARGIN, baseline), "start", &point.name);
        canvas.line(&LABEL, (left - GAP, baseline), "end", &percent(point.share));
        let [low, high] = [point.low, point.high].map(|end| length(place(end)));
        let (x, y, cap) = (length(place(point.share)), length(middle), length(middle - CAP / 2.0));
        canvas.put(format_args!(
            "<path class=\"whisker\" d=\"M{low} {cap}v{CAP}M{low} {y}H{high}M{high} {cap}v{CAP}\"/>\n\
             <circle class=\"bar for\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>\n"
        ));
        if let Some(chance) = point.chance {
            let (x, top, height) =
                (length(place(chance)), length(canvas.y() + 1.0), length(LABEL.line - 2.0));
            canvas.put(format_args!(
                "<path class=\"whisker\" d=\"M{x} {top}v{height}\" stroke-dasharray=\"3 3\"/>\n"
            ));
        }
        canvas.skip(LABEL.line);
    }
    canvas.skip(26.0);
    canvas.paragraph(&NOTE, note);
}

/// How far scores move, in words.
fn changes(canvas: &mut Canvas, erasures: &[MethodErasure]) {
    canvas.rule();
    canvas.heading(&TITLE, "How far scores move", "");
    for erasure in erasures {
        let Some(change) = &erasure.task.change else { continue };
        let (mean, low, high) = (change.mean, change.interval.low, change.interval.high);
        let line = format!("{}: {mean:.4} on average (95 % interval {low:.4} to {high:.4})", named(erasure));
        canvas.paragraph(&NOTE, &line);
    }
}

fn of_probe(name: String, probe: &ErasureProbe) -> Point {
    let (low, high) = (probe.interval.low, probe.interval.high);
    Point { name, share: probe.accuracy, low, high, chance: Some(probe.null.high) }
}

fn of_share(name: String, share: &Share) -> Point {
    Point { name, share: share.share, low: share.interval.low, high: share.interval.high, chance: None }
}

fn named(erasure: &MethodErasure) -> String {
    let dimensions = if erasure.rank == 1 { "dimension" } else { "dimensions" };
    format!("{} ({} {dimensions})", erasure.method.name(), erasure.rank)
}
