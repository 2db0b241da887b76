//! The scores of concepts on one scale, each over what random concepts score.

use crate::concept::tcav::{TcavOutput, TcavTest, TcavView, TestedTexts};
use crate::render::number::length;
use crate::render::svg::canvas::{Canvas, MARGIN};
use crate::render::svg::measure::{FALLBACK_FONTS, fitted};
use crate::render::svg::style::{HEADLINE, LABEL, NOTE, TITLE, WARNING};

/// Pixels of the picture.
const WIDTH: f32 = 760.0;

/// Pixels of the column of labels, and of that of p-values.
const LABELS: f32 = 170.0;
const FIGURES: f32 = 150.0;

/// Pixels of a row, and of the frame of random scores, the marks of single ones and the ends of a whisker within.
const ROW: f32 = 26.0;
const FRAME: f32 = 15.0;
const MARK: f32 = 5.0;
const CAP: f32 = 7.0;

/// The whole document.
pub fn draw(view: &TcavView) -> String {
    let mut canvas = Canvas::new(WIDTH);
    canvas.heading(&HEADLINE, "Concepts behind predictions", "");
    canvas.skip(2.0);
    let shortened: String = view.model.fingerprint.chars().take(12).collect();
    canvas.paragraph(
        &NOTE,
        &format!("Model {} ({shortened}), {} texts: {}.", view.model.id, view.dataset.rows, what(view)),
    );
    for warning in &view.warnings {
        canvas.heading(&WARNING, "Warning.", &format!(" {}", warning.message));
    }
    let mut concept = None;
    for test in &view.tests {
        if concept != Some(&test.concept) {
            canvas.rule();
            canvas.heading(&TITLE, &test.concept.name, &format!(" version {}", test.concept.version));
            canvas.skip(6.0);
            axis(&mut canvas);
            concept = Some(&test.concept);
        }
        row(&mut canvas, test, view.output);
    }
    canvas.skip(10.0);
    canvas.paragraph(
        &NOTE,
        &format!(
            "Points: the share of texts whose output rises along the concept, with its 95 % interval. Frames: what 95 of \
             100 random concepts score; strokes: each of them. p: adjusted for all tests shown; a star: at most {}.",
            view.options.alpha
        ),
    );
    canvas.finish("TCAV scores of concepts")
}

/// What a score is a share of.
fn what(view: &TcavView) -> &'static str {
    match (view.output, view.options.texts) {
        (TcavOutput::Margin, _) => "the margin of the second label over the first, over all of them",
        (TcavOutput::Value, _) => "the value, over all of them",
        (TcavOutput::Logit, TestedTexts::Predicted) => "each class over those that are predicted as it",
        (TcavOutput::Logit, TestedTexts::Labelled) => "each class over those that are labelled so",
        (TcavOutput::Logit, TestedTexts::All) => "each class over all of them",
    }
}

/// Where a score stands, in pixels from the left.
fn x(canvas: &Canvas, score: f64) -> f32 {
    MARGIN + LABELS + (canvas.room() - LABELS - FIGURES) * score as f32
}

fn axis(canvas: &mut Canvas) {
    for tick in [0.0, 0.5, 1.0] {
        let place = x(canvas, tick);
        let baseline = canvas.y() + NOTE.size;
        canvas.line(&NOTE, (place, baseline), "middle", &format!("{tick}"));
    }
    canvas.skip(NOTE.line);
}

fn row(canvas: &mut Canvas, test: &TcavTest, output: TcavOutput) {
    let top = canvas.y();
    let middle = top + ROW / 2.0;
    let aim = match (&test.target, output) {
        (Some(target), _) => target.label.as_str(),
        (None, TcavOutput::Value) => "value",
        (None, _) => "margin",
    };
    let label = fitted(&format!("layer {}, {aim}", test.layer), LABEL.size, (LABELS - 12.0) / FALLBACK_FONTS);
    canvas.line(&LABEL, (MARGIN, middle + 4.0), "start", &label);
    let (low, high) = (x(canvas, test.null.low), x(canvas, test.null.high));
    canvas.put(format_args!(
        "<rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{FRAME}\"/>\n",
        length(low),
        length(middle - FRAME / 2.0),
        // One of no width could not be seen.
        length((high - low).max(1.0))
    ));
    let strokes: String = test
        .null
        .scores
        .iter()
        .map(|score| format!("M{} {}v{MARK}", length(x(canvas, *score)), length(middle + FRAME / 2.0 - MARK)))
        .collect();
    canvas.put(format_args!("<path class=\"axis\" d=\"{strokes}\"/>\n"));
    for tick in [0.0, 0.5, 1.0] {
        let place = length(x(canvas, tick).round() + 0.5);
        canvas.put(format_args!("<path class=\"rule\" d=\"M{place} {}v{ROW}\"/>\n", length(top)));
    }
    let [low, high] = [test.interval.low, test.interval.high].map(|end| length(x(canvas, end)));
    let (y, cap) = (length(middle), length(middle - CAP / 2.0));
    canvas.put(format_args!(
        "<path class=\"whisker\" d=\"M{low} {cap}v{CAP}M{low} {y}H{high}M{high} {cap}v{CAP}\"/>\n"
    ));
    let side = if test.score >= 0.5 { "for" } else { "against" };
    canvas.put(format_args!(
        "<circle class=\"bar {side}\" cx=\"{}\" cy=\"{y}\" r=\"4.5\"/>\n",
        length(x(canvas, test.score))
    ));
    let star = if test.significant == Some(true) { " *" } else { "" };
    let figures = format!("{:.2}, p {:.3}{star}", test.score, test.adjusted_p_value);
    canvas.line(&LABEL, (MARGIN + canvas.room(), middle + 4.0), "end", &figures);
    canvas.skip(ROW);
}
