//! Directions that nobody has named: the words and texts with most of each, and what hangs on it.

use crate::concept::{ActiveText, ComponentView, DiscoveryView, Ends, RisingShare};
use crate::explain::concept::discovery::Discovery;
use crate::render::number::{length, percent, signed};
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::measure::{FALLBACK_FONTS, fitted};
use crate::render::svg::style::{HEADLINE, LABEL, NOTE, TITLE, WARNING};

/// Pixels of the picture.
const WIDTH: f32 = 760.0;

/// Texts and words that are shown of each direction, and classes whose output moves most.
const TEXTS: usize = 3;
const WORDS: usize = 10;
const CLASSES: usize = 5;

/// Pixels of the columns of labels and of numbers.
const LABELS: f32 = 210.0;
const NUMBERS: f32 = 70.0;

/// Pixels of a bar and of the ends of a whisker, from top to bottom.
const BAR: f32 = 11.0;
const CAP: f32 = 7.0;

/// The whole document.
pub fn draw(view: &DiscoveryView) -> String {
    let mut canvas = Canvas::new(WIDTH);
    let count = view.components.len();
    canvas.heading(&HEADLINE, &format!("{count} directions"), &format!(" at layer {}", view.layer));
    canvas.skip(2.0);
    let shortened: String = view.model.fingerprint.chars().take(12).collect();
    let (model, texts, states) = (&view.model.id, view.rows, view.states);
    let (what, of) = match view.method {
        Discovery::Nmf => ("parts (NMF)", "squares"),
        Discovery::KMeans => ("groups (k-means)", "variance"),
    };
    canvas.paragraph(
        &NOTE,
        &format!(
            "Model {model} ({shortened}): {what} of {states} states of {texts} texts. They account for {} of the {of}.",
            percent(view.explained)
        ),
    );
    for warning in &view.warnings {
        canvas.heading(&WARNING, "Warning.", &format!(" {}", warning.message));
    }
    view.components.iter().for_each(|component| draw_component(&mut canvas, component));
    canvas.rule();
    let erased = view.components.first().map_or(0, |component| component.importance.erasure.rows);
    canvas.paragraph(
        &NOTE,
        &format!(
            "“rises”: the share of texts whose output rises along the direction, from one half to either side. “without \
             it”: the share of the first {erased} texts of which the model says something else when the direction is \
             projected out. Lines: 95 % intervals."
        ),
    );
    canvas.finish(&format!("{count} directions at layer {} of {model}", view.layer))
}

fn draw_component(canvas: &mut Canvas, component: &ComponentView) {
    canvas.rule();
    let size = format!(" {} of the states ({})", percent(component.share), component.size);
    canvas.heading(&TITLE, &format!("Direction {}", component.index), &size);
    if let Some(words) = &component.top_words {
        let said = words.iter().take(WORDS).map(|word| format!("{} {:.2}", word.word, word.activation));
        let said: Vec<String> = said.collect();
        canvas.paragraph(&LABEL, &said.join("   "));
    }
    canvas.skip(2.0);
    component.top_texts.iter().take(TEXTS).for_each(|text| draw_text(canvas, text));
    canvas.skip(6.0);
    let importance = &component.importance;
    let mut rising: Vec<&RisingShare> = importance.tcav.iter().collect();
    rising.sort_by(|a, b| (b.share - 0.5).abs().total_cmp(&(a.share - 0.5).abs()));
    for share in rising.iter().take(CLASSES) {
        let label = match &share.against {
            Some(against) => format!("{} against {} rises", share.target.label, against.label),
            None => format!("{} rises", share.target.label),
        };
        let sign = if share.share < 0.5 { "against" } else { "for" };
        draw_share(canvas, &label, (0.5, share.share), share.interval, sign);
    }
    if rising.len() > CLASSES {
        let rest = rising.len() - CLASSES;
        canvas.paragraph(&NOTE, &format!("{rest} more classes are nearer to one half."));
    }
    match &importance.erasure.changed {
        Some(changed) => {
            draw_share(
                canvas,
                "without it, another prediction",
                (0.0, changed.share),
                changed.interval,
                "for",
            );
            let change = importance.erasure.mean_change;
            canvas.paragraph(&NOTE, &format!("Without it, scores change by {change:.3} on average."));
        }
        None => {
            let change = importance.erasure.mean_change;
            canvas.paragraph(&NOTE, &format!("Without it, values change by {change:.3} on average."));
        }
    }
}

/// One line of a text, with how much there is in it.
fn draw_text(canvas: &mut Canvas, text: &ActiveText) {
    let number = MARGIN + NUMBERS - 16.0;
    let baseline = canvas.y() + 14.0;
    canvas.line(&NOTE, (number, baseline), "end", &signed(text.activation));
    let whole = match &text.text_pair {
        Some(pair) => format!("{} · {pair}", text.text),
        None => text.text.clone(),
    };
    let words: Vec<&str> = whole.split_whitespace().collect();
    let room = (canvas.room() - NUMBERS) / FALLBACK_FONTS;
    let shown = fitted(&words.join(" "), NOTE.size, room);
    canvas.line(&NOTE, (MARGIN + NUMBERS, baseline), "start", &shown);
    canvas.skip(NOTE.line);
}

/// A share between 0 and 1 as a bar that begins somewhere, with its interval.
fn draw_share(canvas: &mut Canvas, label: &str, (begin, share): (f64, f64), interval: Ends, sign: &str) {
    let baseline = canvas.y() + 14.0;
    let label = fitted(label, LABEL.size, LABELS / FALLBACK_FONTS);
    canvas.line(&LABEL, (MARGIN, baseline), "start", &label);
    let left = MARGIN + LABELS + NUMBERS;
    canvas.line(&LABEL, (left - 12.0, baseline), "end", &format!("{share:.2}"));
    let room = MARGIN + canvas.room() - left;
    let x = |share: f64| left + room * share as f32;
    let top = canvas.y() + 4.0;
    let (from, to) = (x(begin.min(share)), x(begin.max(share)));
    canvas.put(format_args!(
        "<rect class=\"bar {sign}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{BAR}\"/>\n",
        length(from),
        length(top),
        length(to - from)
    ));
    let (low, high) = (length(x(interval.low)), length(x(interval.high)));
    let (middle, end) = (length(top + BAR / 2.0), length(top + BAR / 2.0 - CAP / 2.0));
    canvas.put(format_args!(
        "<path class=\"whisker\" d=\"M{low} {end}v{CAP}M{low} {middle}H{high}M{high} {end}v{CAP}\"/>\n"
    ));
    canvas.put(format_args!(
        "<path class=\"axis\" d=\"M{} {}v{}\"/>\n",
        length(x(begin).round() + 0.5),
        length(canvas.y()),
        length(LABEL.line)
    ));
    canvas.skip(LABEL.line);
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;
    use serde_json::{Value, json};

    use super::*;

    fn component(target: Value, words: Value, changed: Value) -> Value {
        let shares: Vec<Value> = (0..7)
            .map(|index| {
                let share = f64::from(index) / 8.0;
                let interval = json!({"low": share / 2.0, "high": share});
                json!({"target": target, "against": null, "share": share, "interval": interval, "mean_derivative": 0.1})
            })
            .collect();
        json!({
            "index": 0, "size": 3, "share": 0.6, "spread": 1.0, "vector": "",
            "top_texts": [{"row": 4, "text": "<b>\u{202e}&\u{0}", "text_pair": "]]>", "label": null, "activation": 1.5}],
            "top_words": words,
            "importance": {"tcav": shares, "erasure": {"rows": 5, "changed": changed, "mean_change": 0.25}}
        })
    }

    fn view(component: Value) -> DiscoveryView {
        let read = serde_json::from_value(json!({
            "id": "7", "model": {"id": "tiny", "fingerprint": "ab".repeat(32)}, "dataset": "cd".repeat(32),
            "method": "nmf", "layer": 2, "pooling": "tokens",
            "options": {"components": 2, "top": 1, "seed": 0, "truncate": false},
            "rows": 5, "failed": 0, "states": 50, "explained": 0.5, "loss": 2.0, "iterations": 9, "converged": false,
            "centre": "", "components": [component],
            "warnings": [{"code": "not_converged", "message": "the directions had not settled"}]
        }));
        read.expect("it is a view")
    }

    fn words(svg: &str) -> Vec<String> {
        let document = Document::parse(svg).expect("a picture is XML");
        let texts = document.descendants().filter(|node| node.is_text());
        texts.filter_map(|node| node.text()).map(String::from).collect()
    }

    #[test]
    fn texts_of_others_stay_texts() {
        let target = json!({"label": "<i>", "index": 0});
        let listed = json!([{"word": "<script>", "activation": 2.0, "count": 3}]);
        let changed = json!({"count": 1, "share": 0.2, "interval": {"low": 0.1, "high": 0.5}});
        let words = words(&draw(&view(component(target, listed, changed))));
        for said in ["<script> 2.00", "Direction 0", "Warning.", "<i> rises"] {
            assert!(words.iter().any(|text| text.contains(said)), "{said} is not in {words:?}");
        }
        assert!(words.iter().any(|text| text.contains("2 more classes")), "{words:?}");
    }

    #[test]
    fn a_regression_without_words_has_a_change_of_values() {
        let target = json!({"label": "stars", "index": 0});
        let words = words(&draw(&view(component(target, Value::Null, Value::Null))));
        assert!(words.iter().any(|text| text.contains("values change by 0.250")), "{words:?}");
    }
}
