//! What inside the network brings a change of the prediction about: maps of effects, by place and by part.

use super::bars::{Bar, Bars};
use super::map::{self, Map};
use super::passage::{Mark, Marked, Stretch, stretches};
use super::{WIDTH, passes, reservations, texts};
use crate::engine::answer::{Effects, LayerEffects, MediationView, OriginalView, PatchingView, TokenView};
use crate::render::number::{percent, plain, signed};
use crate::render::svg::attention::labels::{self, Axis};
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::measure::generous_width;
use crate::render::svg::style::{HEADLINE, LABEL, NOTE, SMALL, TITLE};
use crate::render::wording::{self, isolated};

/// Most cells across: of more columns, a cell stands for several.
const CELLS: usize = 128;

/// The most pixels of a cell, across and down.
const LARGEST: (f32, f32) = (30.0, 18.0);

/// Pixels for the numbers of rows, for the names of tokens, and between two maps.
const ROWS: f32 = 30.0;
const NAMES: f32 = 110.0;
const GUTTER: f32 = 24.0;

/// A whole SVG document.
pub fn draw(view: &MediationView) -> String {
    let mut canvas = Canvas::new(WIDTH);
    let [before, after] = [&view.original, &view.counterfactual].map(|text| wording::said(&text.prediction));
    canvas.heading(&HEADLINE, &before, &format!(" → {after}"));
    canvas.skip(2.0);
    canvas.heading(&TITLE, "Total effect", &format!(" {}", signed(view.total_effect.into())));
    canvas.paragraph(&NOTE, &outcome(view));
    canvas.paragraph(&NOTE, &format!("{} · {}", wording::named(&view.model), passes(view.forwards)));
    reservations(&mut canvas, &view.warnings, view.complete);
    both(&mut canvas, view);
    if let Some(patching) = &view.patching {
        positions(&mut canvas, view, patching);
    }
    if let Some(heads) = &view.heads {
        let note = "A row for each layer, a column for each head.";
        effects(&mut canvas, "Heads", note, heads, |layer, head| format!("Layer {layer}, head {head}"));
    }
    if let Some(layers) = &view.layers {
        sublayers(&mut canvas, layers);
    }
    if let Some(neurons) = &view.neurons {
        let size = neurons.group;
        let note = format!("A row for each layer, a column for each {size} neurons, numbered by groups.");
        let named = |layer: usize, group: usize| {
            let first = group.saturating_mul(size);
            format!("Layer {layer}, group {group} (neurons from {first} on)")
        };
        effects(&mut canvas, "Neurons", &note, &neurons.effects, named);
    }
    canvas.finish(&format!("{before} → {after} · What brings it about"))
}

/// What is followed, of both texts.
fn outcome(view: &MediationView) -> String {
    let target = isolated(&view.outcome.target.label);
    let what = match &view.outcome.against {
        Some(against) => format!("logit of {target} less that of {}", isolated(&against.label)),
        None if view.original.prediction.value.is_some() => "value".to_owned(),
        None => format!("logit of {target}"),
    };
    format!("The {what}: {} → {}", plain(view.before.into()), plain(view.after.into()))
}

/// Both texts, with the words marked in which they differ.
fn both(canvas: &mut Canvas, view: &MediationView) {
    let (original, counterfactual) = (&view.original, &view.counterfactual);
    for (name, own, other, mark) in [
        ("Text", original, counterfactual, Mark::Deleted),
        ("Counterfactual", counterfactual, original, Mark::Inserted),
    ] {
        canvas.rule();
        canvas.heading(&TITLE, name, &format!(": {}", wording::said(&own.prediction)));
        canvas.skip(4.0);
        texts(canvas, own, 0.0, |segment, text| differing(own, other, mark, segment, text));
    }
}

/// A text with those words marked of which a token is another one in the other text.
fn differing(
    own: &OriginalView,
    other: &OriginalView,
    mark: Mark,
    segment: usize,
    text: &str,
) -> Vec<Stretch> {
    let is_other =
        |token: &usize| own.tokens.get(*token).map(|t| &t.text) != other.tokens.get(*token).map(|t| &t.text);
    let words = own.words.iter().filter(|word| word.segment == segment && word.tokens.iter().any(is_other));
    let marked = words.map(|word| Marked {
        start: word.start,
        end: word.end,
        mark,
        inserted: String::new(),
        title: String::new(),
    });
    stretches(text, marked)
}

/// The patching map: hidden states down, tokens across.
fn positions(canvas: &mut Canvas, view: &MediationView, patching: &PatchingView) {
    let names = names(view);
    canvas.rule();
    canvas.heading(&TITLE, "Places", ": the state of the counterfactual put into the pass of the text");
    canvas.skip(12.0);
    let columns = columns(&patching.effects);
    let block = columns.div_ceil(CELLS).max(1);
    let across = ((canvas.room() - ROWS) / columns.div_ceil(block).max(1) as f32).min(LARGEST.0);
    let largest = map::largest(&patching.effects);
    let drawn = Map { values: &patching.effects, largest, cell: (across, LARGEST.1), block };
    let place = (MARGIN + ROWS, canvas.y());
    drawn.draw(canvas, place, |state, token| {
        let name = names.get(token).map_or("", |named| named.text.as_str());
        let effect = signed(patching.effects[state][token].into());
        let recovered = patching.recovered.as_ref().and_then(|shares| shares.get(state)?.get(token));
        let share = recovered
            .map(|share| format!(", {} of the total effect", percent((*share).into()).replace('-', "−")));
        format!("Hidden state {state}, {name} {effect}{}", share.unwrap_or_default())
    });
    drawn.row_numbers(canvas, place);
    let bottom = place.1 + patching.effects.len() as f32 * LARGEST.1;
    let axis = Axis { style: &SMALL, token: across / block as f32, room: NAMES };
    labels::below(canvas, (place.0, bottom), &axis, &names);
    let shown = names.iter().step_by(axis.every()).map(|name| generous_width(&name.text, SMALL.size));
    canvas.skip(patching.effects.len() as f32 * LARGEST.1 + shown.fold(0.0, f32::max).min(NAMES) + 16.0);
    map::scale(canvas, largest);
    canvas.skip(6.0);
    canvas.paragraph(
        &NOTE,
        "A row for each hidden state, 0 the embeddings' output, and a column for each token of the text, with that of the \
         counterfactual where it is another one.",
    );
    if axis.every() > 1 {
        canvas.paragraph(&NOTE, &labels::thinned(axis.every()));
    }
    combined(canvas, block);
}

/// The tokens of the text, with those of the counterfactual where they differ.
fn names(view: &MediationView) -> Vec<TokenView> {
    let mut names = view.original.tokens.clone();
    for (name, other) in names.iter_mut().zip(&view.counterfactual.tokens) {
        name.text = match name.text == other.text {
            true => isolated(&name.text),
            false => format!("{} → {}", isolated(&name.text), isolated(&other.text)),
        };
    }
    names
}

/// Two maps, of indirect and of direct effects, side by side where there is room.
fn effects(
    canvas: &mut Canvas,
    name: &str,
    note: &str,
    effects: &Effects,
    named: impl Fn(usize, usize) -> String,
) {
    canvas.rule();
    canvas.heading(&TITLE, name, ": effects through each");
    canvas.skip(6.0);
    let kinds = [("indirect", &effects.indirect), ("direct", &effects.direct)];
    let columns = columns(&effects.indirect).max(columns(&effects.direct));
    let block = columns.div_ceil(CELLS).max(1);
    let cells = columns.div_ceil(block).max(1) as f32;
    let half = (canvas.room() - GUTTER) / 2.0 - ROWS;
    // Narrower cells could not be pointed at.
    let beside = half / cells >= 7.0;
    let across = (if beside { half } else { canvas.room() - ROWS } / cells).min(LARGEST.0);
    let top = canvas.y();
    for (place, (kind, values)) in kinds.into_iter().enumerate() {
        let aside = if beside { place as f32 * (half + ROWS + GUTTER) } else { 0.0 };
        let y = if beside { top } else { canvas.y() };
        let largest = map::largest(values);
        let cell = (across, LARGEST.1);
        let drawn = Map { values, largest, cell, block };
        let deepest = plain(largest.into());
        let said = format!("{kind}, deepest colour ±\u{a0}{deepest}");
        canvas.line(&LABEL, (MARGIN + aside + ROWS, y + LABEL.size), "start", &said);
        let corner = (MARGIN + aside + ROWS, y + LABEL.line + 2.0);
        drawn.draw(canvas, corner, |row, column| {
            format!("{}: {kind} {}", named(row, column), signed(values[row][column].into()))
        });
        drawn.row_numbers(canvas, corner);
        drawn.column_numbers(canvas, corner);
        let height = LABEL.line + 2.0 + values.len() as f32 * LARGEST.1 + SMALL.line + 12.0;
        if !beside || place == 1 {
            canvas.skip(height);
        }
    }
    canvas.paragraph(&NOTE, note);
    canvas.paragraph(&NOTE, EFFECTS);
    combined(canvas, block);
}

const EFFECTS: &str = "Blue is above 0, orange below. Indirect: the part as for the counterfactual, all else as for the text. \
                       Direct: all as for the counterfactual, the part as for the text; of a part that does nothing, that \
                       is the total effect.";

/// Says that cells stand for several columns.
fn combined(canvas: &mut Canvas, block: usize) {
    if block > 1 {
        canvas.paragraph(
            &NOTE,
            &format!("A cell is the strongest of {block} columns, which are too many to draw."),
        );
    }
}

/// Both sublayers of each layer, as bars of indirect effects.
fn sublayers(canvas: &mut Canvas, layers: &[LayerEffects]) {
    canvas.rule();
    canvas.heading(&TITLE, "Layers", ": indirect effects through each sublayer");
    canvas.skip(6.0);
    let bars: Vec<Bar> = layers
        .iter()
        .flat_map(|of| [(of.layer, "attention", of.attention), (of.layer, "feed-forward", of.feed_forward)])
        .map(|(layer, part, effect)| Bar {
            label: format!("layer {layer}, {part}"),
            change: effect.indirect,
            said: format!("direct {}", signed(effect.direct.into())),
            flips: false,
        })
        .collect();
    Bars::new(bars.iter()).draw(canvas, &bars);
    canvas.skip(4.0);
}

fn columns(values: &[Vec<f32>]) -> usize {
    values.iter().map(Vec::len).max().unwrap_or(0)
}
