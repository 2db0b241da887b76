//! The strongest routes from the embeddings up through all layers: a row for each level, a column for each token.

use std::collections::BTreeSet;

use super::labels::{self, Axis};
use crate::engine::answer::{RouteView, TokenView};
use crate::render::escape::escape;
use crate::render::number::{length, plain};
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::measure::{FALLBACK_FONTS, fitted};
use crate::render::svg::style::{LABEL, NOTE, SMALL};
use crate::render::wording::isolated;

/// Of more tokens, only those have a column that a route passes.
const ALL: usize = 40;

/// Pixels of all columns, and the most of one.
const ROOM: f32 = 616.0;
const WIDEST: f32 = 60.0;

/// Pixels for the names of levels, of tokens, and of the token at the end.
const LEVELS: f32 = 84.0;
const NAMES: f32 = 88.0;
const END: f32 = 22.0;

/// Pixels of all levels, and the least and the most from one to the next.
const HEIGHT: f32 = 440.0;
const ROW: (f32, f32) = (20.0, 44.0);

/// Pixels of the thickest line, of the thinnest, and of the ground that shows beside each.
const STROKE: (f32, f32) = (7.0, 1.0);
const CASING: f32 = 1.5;

/// Pixels from one line to the next where they share a way, at most.
const ASIDE: f32 = 4.0;

/// Routes that are listed with their weights.
const LISTED: usize = 12;

/// Pixels of a line in the list, and of a weight.
const SAMPLE: f32 = 36.0;
const WEIGHT: f32 = 64.0;

/// Pixels of a picture of these routes.
pub fn width(routes: &[RouteView], tokens: usize) -> f32 {
    let columns = Columns::new(routes, tokens);
    2.0 * MARGIN + LEVELS + columns.tokens.len() as f32 * columns.pitch
}

/// Draws them, and lists their weights.
pub fn draw(canvas: &mut Canvas, routes: &[RouteView], tokens: &[TokenView]) {
    canvas.heading(&LABEL, "Routes", " from the embeddings through all layers to the first token");
    let levels = routes.iter().map(|route| route.tokens.len()).max().unwrap_or(0);
    if levels == 0 {
        canvas.paragraph(&NOTE, "No route has a weight above 0.");
        return canvas.skip(14.0);
    }
    let columns = Columns::new(routes, tokens.len());
    let row = (HEIGHT / levels as f32).clamp(ROW.0, ROW.1);
    let diagram = Diagram { columns, top: canvas.y() + END, row, levels };
    diagram.ground(canvas);
    let thickness = Thickness::new(routes, diagram.columns.pitch);
    // The heaviest are drawn first, so that they hide none.
    for (place, route) in routes.iter().enumerate() {
        diagram.route(canvas, route, thickness.of(route), diagram.aside(place, routes.len()), tokens);
    }
    diagram.names(canvas, routes, tokens);
    canvas.skip(END + (levels - 1) as f32 * row + NAMES + 8.0);
    list(canvas, routes, tokens, &thickness);
    let axis = diagram.axis();
    if axis.every() > 1 {
        canvas.paragraph(&NOTE, &labels::thinned(axis.every()));
    }
    if diagram.columns.tokens.len() < tokens.len() {
        let (shown, all) = (diagram.columns.tokens.len(), tokens.len());
        canvas.paragraph(&NOTE, &format!("Columns are the {shown} of {all} tokens that a route passes."));
    }
    canvas.skip(14.0);
}

/// The tokens that have a column.
struct Columns {
    /// Their indices, ascending.
    tokens: Vec<usize>,
    /// Pixels from one to the next.
    pitch: f32,
}

impl Columns {
    fn new(routes: &[RouteView], tokens: usize) -> Self {
        let passed = routes.iter().flat_map(|route| route.tokens.iter().copied());
        let tokens: BTreeSet<usize> = match tokens <= ALL {
            true => (0..tokens).collect(),
            false => passed.filter(|token| *token < tokens).collect(),
        };
        let pitch = (ROOM / tokens.len().max(1) as f32).min(WIDEST);
        Columns { tokens: tokens.into_iter().collect(), pitch }
    }

    /// The middle of a token's column; none where it has no column.
    fn x(&self, token: usize) -> Option<f32> {
        let place = self.tokens.binary_search(&token).ok()?;
        Some(MARGIN + LEVELS + (place as f32 + 0.5) * self.pitch)
    }
}

/// Where rows and columns stand.
struct Diagram {
    columns: Columns,
    /// The uppermost level, in pixels from the top.
    top: f32,
    /// Pixels from one level to the next.
    row: f32,
    levels: usize,
}

impl Diagram {
    /// Embeddings are at the bottom.
    fn y(&self, level: usize) -> f32 {
        self.top + self.levels.saturating_sub(level + 1) as f32 * self.row
    }

    fn axis(&self) -> Axis {
        Axis { style: &NOTE, token: self.columns.pitch, room: NAMES - 8.0 }
    }

    /// Hairlines for levels and tokens, with the names of levels.
    fn ground(&self, canvas: &mut Canvas) {
        let (left, room) = (MARGIN + LEVELS, self.columns.tokens.len() as f32 * self.columns.pitch);
        for level in 0..self.levels {
            let y = self.y(level);
            let name = match level {
                0 => "embeddings".to_owned(),
                above => format!("layer {}", above - 1),
            };
            canvas.line(&NOTE, (left - 8.0, y + NOTE.size * 0.35), "end", &name);
            let [x, y, room] = [left, y, room].map(length);
            canvas.put(format_args!("<path class=\"rule\" d=\"M{x} {y}h{room}\"/>\n"));
        }
        let height = length(self.y(0) - self.top);
        for x in self.columns.tokens.iter().filter_map(|token| self.columns.x(*token)) {
            let [x, top] = [x, self.top].map(length);
            canvas.put(format_args!("<path class=\"rule\" d=\"M{x} {top}v{height}\"/>\n"));
        }
    }

    /// A route as a line, a little aside of its columns.
    fn route(
        &self,
        canvas: &mut Canvas,
        route: &RouteView,
        thickness: f32,
        aside: f32,
        tokens: &[TokenView],
    ) {
        let stops = route.tokens.iter().enumerate();
        let stops: Vec<String> = stops
            .filter_map(|(level, token)| Some((self.columns.x(*token)? + aside, self.y(level))))
            .map(|(x, y)| format!("{} {}", length(x), length(y)))
            .collect();
        let (path, wide, thick) = (stops.join("L"), length(thickness + 2.0 * CASING), length(thickness));
        let title = escape(&format!("{} {}", weight(route), way(route, tokens)));
        canvas.put(format_args!(
            "<g><title>{title}</title><path class=\"casing\" stroke-width=\"{wide}\" d=\"M{path}\"/>\
             <path class=\"route\" stroke-width=\"{thick}\" d=\"M{path}\"/></g>\n"
        ));
    }

    /// Routes that share a way stand side by side, within their columns.
    fn aside(&self, place: usize, routes: usize) -> f32 {
        let apart = ASIDE.min(0.6 * self.columns.pitch / routes as f32);
        (place as f32 - (routes - 1) as f32 / 2.0) * apart
    }

    /// The names of tokens below, and of the token where all routes end above.
    fn names(&self, canvas: &mut Canvas, routes: &[RouteView], tokens: &[TokenView]) {
        let named: Vec<TokenView> =
            self.columns.tokens.iter().filter_map(|token| tokens.get(*token)).cloned().collect();
        labels::below(canvas, (MARGIN + LEVELS, self.y(0)), &self.axis(), &named);
        let end = routes.first().and_then(|route| route.tokens.last());
        if let Some((x, token)) = end.and_then(|end| Some((self.columns.x(*end)?, tokens.get(*end)?))) {
            let name = fitted(&token.text, SMALL.size, 60.0);
            canvas.line(&SMALL, (x, self.top - 9.0), "middle", &name);
        }
    }
}

/// The routes with their weights, the heaviest first.
fn list(canvas: &mut Canvas, routes: &[RouteView], tokens: &[TokenView], thickness: &Thickness) {
    for route in routes.iter().take(LISTED) {
        let (y, baseline) = (canvas.y() + 10.0, canvas.y() + 14.0);
        let [x, middle, thick, across] = [MARGIN, y, thickness.of(route), SAMPLE].map(length);
        canvas.put(format_args!(
            "<path class=\"route\" stroke-width=\"{thick}\" d=\"M{x} {middle}h{across}\"/>\n"
        ));
        let right = MARGIN + SAMPLE + WEIGHT;
        canvas.line(&LABEL, (right, baseline), "end", &weight(route));
        let room = (canvas.room() - SAMPLE - WEIGHT - 16.0) / FALLBACK_FONTS;
        let way = fitted(&way(route, tokens), LABEL.size, room);
        canvas.line(&LABEL, (right + 16.0, baseline), "start", &way);
        canvas.skip(LABEL.line);
    }
    canvas.skip(4.0);
    if routes.len() > LISTED {
        let (all, more) = (routes.len(), routes.len() - LISTED);
        canvas.paragraph(
            &NOTE,
            &format!("The {LISTED} heaviest of {all} routes; {more} more are drawn alone."),
        );
    }
    canvas.paragraph(
        &NOTE,
        "Lines are as wide as their weights, the product of the shares of attention along the way; lists name a token \
         where the route changes to it.",
    );
}

/// How thick lines are.
struct Thickness {
    heaviest: f64,
    /// Pixels of the heaviest.
    most: f32,
}

impl Thickness {
    fn new(routes: &[RouteView], pitch: f32) -> Self {
        let heaviest = routes.iter().map(|route| route.weight).fold(f64::MIN_POSITIVE, f64::max);
        Thickness { heaviest, most: (0.4 * pitch).clamp(STROKE.1, STROKE.0) }
    }

    fn of(&self, route: &RouteView) -> f32 {
        (self.most * (route.weight / self.heaviest) as f32).max(STROKE.1)
    }
}

/// A weight with three decimals, or where it is too small for them, with its power of ten.
fn weight(route: &RouteView) -> String {
    if route.weight < 0.01 { format!("{:.1e}", route.weight) } else { plain(route.weight) }
}

/// `gripping → film → [CLS]`: the tokens, each once where the route stays.
fn way(route: &RouteView, tokens: &[TokenView]) -> String {
    let mut way = route.tokens.clone();
    way.dedup();
    let names = way.iter().filter_map(|token| tokens.get(*token));
    names.map(|token| isolated(&token.text)).collect::<Vec<_>>().join(" → ")
}
