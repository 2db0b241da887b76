//! A concept: how far it is there at each layer, and how far by chance.

use std::fmt::Write;

use crate::concept::{Concept, Similar};
use crate::render::number::length;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::style::{HEADLINE, LABEL, NOTE, TITLE, WARNING};

/// Pixels of the picture.
const WIDTH: f32 = 760.0;

/// Pixels of the part where accuracies are drawn: its height, and what stands to its left.
const HEIGHT: f32 = 180.0;
const LEFT: f32 = 44.0;

/// The lowest accuracy that is shown: what is below does worse than chance.
const LOWEST: f64 = 0.3;

/// The whole document.
pub fn draw(concept: &Concept, similar: &[Similar]) -> String {
    let mut canvas = Canvas::new(WIDTH);
    canvas.heading(&HEADLINE, &concept.name, &format!(" version {}", concept.version));
    canvas.skip(2.0);
    let summary = &concept.summary;
    if let Some(description) = &summary.description {
        canvas.paragraph(&NOTE, description);
    }
    let shortened: String = concept.fingerprint.chars().take(12).collect();
    canvas.paragraph(&NOTE, &format!("Model {} ({shortened}), layer {}.", concept.model, summary.layer));
    for warning in &summary.warnings {
        canvas.heading(&WARNING, "Warning.", &format!(" {}", warning.message));
    }
    accuracies(&mut canvas, concept);
    if !similar.is_empty() {
        canvas.rule();
        canvas.heading(&TITLE, "Cosine to other concepts", "");
        for other in similar {
            canvas.paragraph(&NOTE, &format!("{}  {:+.2}", other.name, other.cosine));
        }
    }
    canvas.finish(&format!("Concept {}", concept.name))
}

/// The accuracy by layer, with that of the concept and what chance does.
fn accuracies(canvas: &mut Canvas, concept: &Concept) {
    let Some(validation) = &concept.summary.validation else { return };
    canvas.rule();
    let (low, high) = (validation.interval.low, validation.interval.high);
    let rest = format!(" {:.2} (95 % interval {low:.2} to {high:.2})", validation.accuracy);
    canvas.heading(&TITLE, "Accuracy on unseen texts", &rest);
    canvas.skip(8.0);
    let top = canvas.y();
    let height =
        |accuracy: f64| top + HEIGHT * (1.0 - ((accuracy.max(LOWEST) - LOWEST) / (1.0 - LOWEST)) as f32);
    let room = canvas.room() - LEFT;
    for tick in [0.5, 0.75, 1.0] {
        let y = height(tick);
        canvas.line(&LABEL, (MARGIN + LEFT - 8.0, y + 4.0), "end", &format!("{tick:.2}"));
        canvas.put(format_args!(
            "<path class=\"rule\" d=\"M{} {}h{}\"/>\n",
            length(MARGIN + LEFT),
            length(y.round() + 0.5),
            length(room)
        ));
    }
    // What chance does, up to its 95th percentile.
    let chance = height(validation.null.high);
    canvas.put(format_args!(
        "<path class=\"chance\" d=\"M{} {}h{}\"/>\n",
        length(MARGIN + LEFT),
        length(chance),
        length(room)
    ));
    let count = validation.by_layer.len().max(1);
    let step = room / count as f32;
    let mut line = String::new();
    for (layer, accuracy) in validation.by_layer.iter().enumerate() {
        let x = MARGIN + LEFT + step * (layer as f32 + 0.5);
        let y = height(*accuracy);
        let _ = write!(line, "{}{} {}", if layer == 0 { "M" } else { "L" }, length(x), length(y));
        let radius = if layer == concept.summary.layer { 5.0 } else { 3.0 };
        canvas.put(format_args!(
            "<circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>\n",
            length(x),
            length(y),
            length(radius)
        ));
        canvas.line(&LABEL, (x, top + HEIGHT + 18.0), "middle", &layer.to_string());
    }
    canvas.put(format_args!("<path class=\"line for\" d=\"{line}\"/>\n"));
    let x = MARGIN + LEFT + step * (concept.summary.layer as f32 + 0.5) + 12.0;
    canvas.put(format_args!(
        "<path class=\"whisker\" d=\"M{} {}V{}\"/>\n",
        length(x),
        length(height(low)),
        length(height(high))
    ));
    canvas.skip(HEIGHT + 28.0);
    let null = &validation.null;
    canvas.paragraph(
        &NOTE,
        &format!(
            "Points: each layer by itself; the vertical line: the interval of the whole procedure at the layer that it \
             chooses. Dashed: what 95 of 100 shuffles of the labels stay below ({:.2}; mean {:.2}, p = {:.2} of {} shuffles).",
            null.high, null.mean, null.p_value, null.permutations
        ),
    );
    let stability = &validation.stability;
    canvas.paragraph(
        &NOTE,
        &format!(
            "Resampled examples give directions with a mean cosine of {:.2} (least {:.2}).",
            stability.mean_cosine, stability.least_cosine
        ),
    );
}
