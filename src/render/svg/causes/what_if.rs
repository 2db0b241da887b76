//! What the model would say under changes: a bar for each alone, for all together, and for one after the other.

use super::bars::{Bar, Bars};
use super::edits::described;
use super::passage::{Mark, Stretch, draw as passage, stretches, style};
use super::{WIDTH, followed, map, passes, reservations, texts};
use crate::engine::answer::{EffectView, InteractionView, WhatIfView};
use crate::render::escape::escape;
use crate::render::number::{length, plain, signed};
use crate::render::palette;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::headline;
use crate::render::svg::style::{LABEL, NOTE, TITLE};
use crate::render::units::are_many;
use crate::render::wording;

/// The most pixels of a cell of the table of interactions, across and down, and of its names.
const CELL: (f32, f32) = (52.0, 22.0);
const NAMES: f32 = 28.0;

/// A whole SVG document.
pub fn draw(view: &WhatIfView) -> String {
    let mut canvas = Canvas::new(WIDTH);
    let followed = followed(&view.original, view.output, &view.target);
    headline(&mut canvas, &view.original.prediction);
    canvas.paragraph(&NOTE, &wording::named(&view.model));
    let before = plain(view.before.into());
    let passes = passes(view.forwards);
    canvas.paragraph(&NOTE, &format!("Before any edit: {followed} {before} · {passes}"));
    reservations(&mut canvas, &view.warnings, view.complete);
    canvas.rule();
    texts(&mut canvas, &view.original, 0.0, |_, text| stretches(text, []));
    changes(&mut canvas, view, &followed);
    edited(&mut canvas, view);
    interactions(&mut canvas, view);
    let text = wording::shortened(&view.original.text, 100);
    canvas.finish(&format!("{}: {text} · What if", wording::said(&view.original.prediction)))
}

/// The bars, all on one scale.
fn changes(canvas: &mut Canvas, view: &WhatIfView, followed: &str) {
    let words = &view.original.words;
    let labelled = view.edits.iter().enumerate();
    let labels = labelled.map(|(place, edit)| format!("{}: {}", place + 1, described(edit, words)));
    let alone: Vec<Bar> = labels.zip(&view.alone).map(|(label, effect)| bar(label, effect)).collect();
    let together: Vec<Bar> =
        view.together.iter().map(|effect| bar(format!("all {}", view.edits.len()), effect)).collect();
    let in_order: Vec<Bar> =
        view.in_order.iter().enumerate().map(|(place, effect)| bar(first(place + 1), effect)).collect();
    let columns = Bars::new(alone.iter().chain(&together).chain(&in_order));
    let mut groups = vec![("Each edit alone", alone)];
    // Of one edit these say the same again.
    if view.edits.len() > 1 {
        groups.extend([("Together", together), ("In order", in_order)]);
    }
    for (name, bars) in groups.iter().filter(|(_, bars)| !bars.is_empty()) {
        canvas.rule();
        canvas.heading(&TITLE, name, &format!(": how the {followed} changes"));
        canvas.skip(6.0);
        columns.draw(canvas, bars);
    }
    canvas.skip(6.0);
    if groups.iter().flat_map(|(_, bars)| bars).any(|bar| bar.flips) {
        canvas.paragraph(&NOTE, "Outlined and bold: the prediction is another one than before.");
    }
}

/// `edit 1`, `edits 1 to 3`.
fn first(edits: usize) -> String {
    if edits == 1 { "edit 1".to_owned() } else { format!("edits 1 to {edits}") }
}

fn bar(label: String, effect: &EffectView) -> Bar {
    let said = format!("→ {}", wording::said(&effect.prediction));
    Bar { label, change: effect.change, said, flips: effect.flipped }
}

/// The text that the network gets under all edits.
fn edited(canvas: &mut Canvas, view: &WhatIfView) {
    let Some(together) = &view.together else { return };
    let texts: Vec<&String> = [&together.text, &together.text_pair].into_iter().flatten().collect();
    if texts.is_empty() {
        return;
    }
    canvas.rule();
    canvas.heading(&TITLE, "The text", " under all edits");
    canvas.skip(4.0);
    let style = style(are_many(view.original.words.len()));
    for text in texts {
        let whole = Stretch { text: text.clone(), mark: Mark::Plain, title: String::new() };
        passage(canvas, style, &[whole], 0.0);
        canvas.skip(4.0);
    }
}

/// What edits do beyond the sum of what each does alone.
fn interactions(canvas: &mut Canvas, view: &WhatIfView) {
    if view.edits.len() < 2 || (view.interactions.is_empty() && view.interaction.is_none()) {
        return;
    }
    canvas.rule();
    canvas.heading(&TITLE, "Interactions", ": beyond the sum of what each does alone");
    canvas.skip(8.0);
    if !view.interactions.is_empty() {
        table(canvas, view.edits.len(), &view.interactions);
    }
    if let Some(interaction) = view.interaction {
        let sum: f64 = view.alone.iter().map(|effect| f64::from(effect.change)).sum();
        let sum = signed(sum);
        let beyond = signed(interaction.into());
        canvas.paragraph(&NOTE, &format!("All together: {beyond} beyond the sum of {sum}."));
    }
}

/// A cell for every two edits, in the column of the first and the row of the second.
fn table(canvas: &mut Canvas, edits: usize, interactions: &[InteractionView]) {
    let numbers: Vec<f32> = interactions.iter().map(|pair| pair.interaction).collect();
    let largest = palette::largest(&numbers);
    let (across, down) = (CELL.0.min((canvas.room() - NAMES) / (edits - 1) as f32), CELL.1);
    let (left, top) = (MARGIN + NAMES, canvas.y() + LABEL.line);
    for column in 0..edits - 1 {
        let middle = left + (column as f32 + 0.5) * across;
        canvas.line(&LABEL, (middle, top - 4.0), "middle", &(column + 1).to_string());
    }
    for row in 1..edits {
        let baseline = top + (row as f32 - 0.5) * down + 4.5;
        canvas.line(&LABEL, (left - 8.0, baseline), "end", &(row + 1).to_string());
    }
    for pair in interactions {
        let [column, row] = [pair.edits[0].min(pair.edits[1]), pair.edits[0].max(pair.edits[1])];
        if row >= edits || column == row {
            continue;
        }
        let (x, y) = (left + column as f32 * across, top + (row - 1) as f32 * down);
        let (beyond, output) = (signed(pair.interaction.into()), plain(pair.output.into()));
        let title = format!("Edits {} and {}: {beyond} beyond the sum, output {output}", column + 1, row + 1);
        let class = palette::class(pair.interaction, largest).unwrap_or_else(|| "frame".to_owned());
        let [left, upper, across_less, down_less] = [x, y, across - 1.0, down - 1.0].map(length);
        canvas.put(format_args!(
            "<g><title>{}</title><rect class=\"{class}\" x=\"{left}\" y=\"{upper}\" width=\"{across_less}\" \
             height=\"{down_less}\"/>\n",
            escape(&title)
        ));
        let number = format!("{:+.2}", pair.interaction).replace('-', "−");
        canvas.line(&LABEL, (x + across / 2.0, y + down / 2.0 + 4.5), "middle", &number);
        canvas.put(format_args!("</g>\n"));
    }
    canvas.skip(LABEL.line + (edits - 1) as f32 * down + 12.0);
    map::scale(canvas, largest);
    canvas.skip(4.0);
}
