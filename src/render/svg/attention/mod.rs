//! Attention: one head as a large map, several as small ones with an overview, and routes through the layers.

mod groups;
mod heat;
pub mod labels;
mod multiples;
mod overview;
mod routes;
mod scale;
mod single;

use std::borrow::Cow;

use super::canvas::Canvas;
use super::style::{NOTE, SMALL, TITLE};
use crate::engine::answer::{AttentionView, TokenView};
use crate::explain::attention::statistics::HeadStatistics;
use crate::render::number::length;
use groups::Groups;
use heat::Heat;

/// Of more heads there is an overview.
const FEW: usize = 4;

/// The least pixels of a picture.
const NARROWEST: f32 = 480.0;

/// Pixels of a picture of this attention.
pub fn width(view: &AttentionView, tokens: &[TokenView]) -> f32 {
    let maps = if is_single(view) { single::width() } else { multiples::width(view) };
    let overview = if is_many(view) { overview::width(view) } else { 0.0 };
    let routes = view.routes.as_ref().map_or(0.0, |routes| routes::width(routes, tokens.len()));
    [maps, overview, routes].into_iter().fold(NARROWEST, f32::max)
}

/// Draws what there is, with what colours and figures mean.
pub fn draw(canvas: &mut Canvas, view: &AttentionView, tokens: &[TokenView]) {
    canvas.skip(18.0);
    canvas.heading(&TITLE, "Attention", "");
    canvas.skip(6.0);
    let groups = Groups::new(view);
    if is_many(view) {
        overview::draw(canvas, view, &groups);
    }
    groups.list(canvas);
    if let Some(routes) = &view.routes {
        routes::draw(canvas, routes, tokens);
    }
    let maps = maps(view);
    let names = shown(view, tokens);
    if names.is_empty() {
        return canvas.paragraph(&NOTE, "No token is shown, so there are no maps.");
    }
    let block = match is_single(view) {
        true => single::draw(canvas, view, &maps, &names),
        false => multiples::draw(canvas, view, &maps, &names),
    };
    canvas.paragraph(&NOTE, &caption(view, names.len() < tokens.len(), block));
}

fn is_single(view: &AttentionView) -> bool {
    view.layers.len() == 1 && view.heads.len() == 1
}

fn is_many(view: &AttentionView) -> bool {
    view.layers.len() * view.heads.len() > FEW
}

/// Rows of a map.
fn token_count(view: &AttentionView) -> usize {
    let whole = view.weights.iter().flatten().flatten().map(Vec::len);
    whole.chain(view.top.iter().flatten().flatten().map(Vec::len)).max().unwrap_or(0)
}

/// The weights to draw, `[layer][head][query][key]`; those that are not told are 0.
fn maps(view: &AttentionView) -> Cow<'_, [Vec<Vec<Vec<f32>>>]> {
    let Some(top) = &view.top else { return Cow::Borrowed(view.weights.as_deref().unwrap_or_default()) };
    let row = |told: &Vec<(usize, f32)>| {
        let weight =
            |token: &usize| told.iter().find(|(key, _)| key == token).map_or(0.0, |(_, weight)| *weight);
        view.tokens.iter().map(weight).collect()
    };
    let map = |rows: &Vec<Vec<(usize, f32)>>| rows.iter().map(row).collect();
    Cow::Owned(top.iter().map(|layer| layer.iter().map(map).collect()).collect())
}

/// The tokens that rows and columns stand for. Answers of earlier versions name none: they show all.
fn shown(view: &AttentionView, tokens: &[TokenView]) -> Vec<TokenView> {
    match view.tokens.is_empty() {
        true => tokens.iter().take(token_count(view)).cloned().collect(),
        false => view.tokens.iter().filter_map(|index| tokens.get(*index)).cloned().collect(),
    }
}

/// A map in its frame, with its left top corner and the pixels of a cell.
fn map(canvas: &mut Canvas, (x, y): (f32, f32), cell: f32, heat: &Heat, title: &str) {
    // Cells are strokes one cell wide: their middle is half a cell down.
    canvas.put(format_args!(
        "<g><title>{title}</title><g class=\"heat\" transform=\"translate({} {})scale({cell:.4})\">\n",
        length(x),
        length(y + cell / 2.0)
    ));
    for (level, path) in heat.paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        canvas.put(format_args!("<path class=\"h{level}\" d=\"{path}\"/>\n"));
    }
    let (x, y, side) = (length(x - 0.5), length(y - 0.5), length(cell * heat.cells as f32 + 1.0));
    canvas.put(format_args!(
        "</g><rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\"/></g>\n"
    ));
}

/// What is counted of a head, below its map.
fn figures(canvas: &mut Canvas, (x, y): (f32, f32), statistics: &HeadStatistics) {
    let lines = [
        format!("entropy {:.2}", statistics.entropy_normalized),
        format!("special {:.2}", statistics.special_token_mass),
    ];
    for (index, line) in lines.iter().enumerate() {
        canvas.line(&SMALL, (x, y + (index + 1) as f32 * SMALL.line), "start", line);
    }
}

fn caption(view: &AttentionView, leaves_out: bool, block: usize) -> String {
    let mut said = "Rows of a map are queries, columns keys, in the order of the tokens. Colours grow with the \
                    square root of a weight. Entropy: 0 looks at one token, 1 at all alike. Special: the share \
                    of the attention that special tokens get."
        .to_owned();
    if view.top.is_some() {
        said.push_str(" Only the largest weights of each row are drawn.");
    }
    if leaves_out {
        said.push_str(" Special tokens are left out of the maps, and counted in the figures.");
    }
    if block > 1 {
        said.push_str(&format!(
            " {} tokens are too many to draw: a cell is the mean of {block} × {block}.",
            token_count(view)
        ));
    }
    said
}

#[cfg(test)]
mod tests;
