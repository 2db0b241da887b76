//! Many heads at a glance: a patch for each, coloured by what is counted of it.

use super::groups::Groups;
use super::scale;
use crate::engine::answer::AttentionView;
use crate::explain::attention::statistics::HeadStatistics;
use crate::render::number::length;
use crate::render::palette::HEAT_LEVELS;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::style::{LABEL, NOTE, SMALL};

/// Pixels of a patch, across and down.
const PATCH: (f32, f32) = (48.0, 20.0);

/// Pixels from a patch to the bar below it, and of that bar from top to bottom.
const GAP: f32 = 3.0;
const BAR: f32 = 5.0;

/// Pixels from one head to the next, across and down.
const PITCH: (f32, f32) = (60.0, 50.0);

/// Pixels of a picture of these heads.
pub fn width(view: &AttentionView) -> f32 {
    2.0 * MARGIN + view.heads.len() as f32 * PITCH.0 - (PITCH.0 - PATCH.0)
}

/// Draws them, a row for each layer and a column for each head.
pub fn draw(canvas: &mut Canvas, view: &AttentionView, groups: &Groups<'_>) {
    canvas.heading(&LABEL, "Heads", ", each as layer/head");
    canvas.skip(6.0);
    for (layer, statistics) in view.layers.iter().zip(&view.statistics) {
        for (column, (head, statistics)) in view.heads.iter().zip(statistics).enumerate() {
            let place = (MARGIN + column as f32 * PITCH.0, canvas.y());
            patch(canvas, place, (*layer, *head), statistics);
            let mut name = format!("{layer}/{head}");
            if let Some(letters) = groups.letters((*layer, *head)) {
                name.push_str(&format!(" {letters}"));
                outline(canvas, place);
            }
            let (middle, baseline) = (place.0 + PATCH.0 / 2.0, place.1 + PATCH.1 + GAP + BAR + SMALL.line);
            canvas.line(&SMALL, (middle, baseline), "middle", &name);
        }
        canvas.skip(PITCH.1);
    }
    scale::draw(canvas, "entropy", ["0", "0.5", "1"].map(str::to_owned));
    canvas.paragraph(
        &NOTE,
        "The colour of a head is its entropy: 0 looks at one token, 1 at all alike. The bar below it is the share of \
         its attention that special tokens get.",
    );
    canvas.skip(14.0);
}

fn patch(
    canvas: &mut Canvas,
    (x, y): (f32, f32),
    (layer, head): (usize, usize),
    statistics: &HeadStatistics,
) {
    let (entropy, mass) = (statistics.entropy_normalized, statistics.special_token_mass);
    canvas.put(format_args!(
        "<g class=\"head\"><title>Layer {layer}, head {head}: entropy {entropy:.2}, special {mass:.2}</title>\n"
    ));
    let level = (entropy.clamp(0.0, 1.0) * HEAT_LEVELS as f64).round() as usize;
    if level > 0 {
        scale::level_at(canvas, (x, y), level, PATCH);
    }
    let (filled, below) = (mass.clamp(0.0, 1.0) as f32 * PATCH.0, y + PATCH.1 + GAP);
    let [left, top, bar, filled] = [x, y, below, filled].map(length);
    let (width, height) = PATCH;
    canvas.put(format_args!(
        "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>\n\
         <rect class=\"frame\" x=\"{left}\" y=\"{bar}\" width=\"{width}\" height=\"{BAR}\"/>\n\
         <rect class=\"mass\" x=\"{left}\" y=\"{bar}\" width=\"{filled}\" height=\"{BAR}\"/></g>\n"
    ));
}

/// Marks a head that is in a group with others.
fn outline(canvas: &mut Canvas, (x, y): (f32, f32)) {
    let (left, top) = (length(x - 2.5), length(y - 2.5));
    let (width, height) = (length(PATCH.0 + 5.0), length(PATCH.1 + GAP + BAR + 5.0));
    canvas.put(format_args!(
        "<rect class=\"member\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"3\"/>\n"
    ));
}
