//! AttnLRP: relevance handed back through the network layer by layer, by rules made for transformers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::evaluation::along_window;
use super::records::handed_back;
use crate::explain::granularity::Granularity;
use crate::explain::method::{Attribution, AttributionMethod, ExplainError, Family, OptionFault};
use crate::explain::{Cost, Output, Passes, Subject};
use crate::model::{Keep, Model, Record};

/// ⟨e_t, g_t⟩ for each token t, with g the gradient by AttnLRP's rules.
pub struct AttnLrp;

/// Options of `attn_lrp`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = AttnLrpOptions, example = json!({"output": "logit"}))]
pub struct Options {
    /// What is explained about the target.
    #[schema(default = "logit")]
    output: Output,
}

impl AttributionMethod for AttnLrp {
    const ID: &'static str = "attn_lrp";
    const NAME: &'static str = "AttnLRP";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Gradient;
    const SUMMARY: &'static str = "The share of the output that is handed back to each word through the network, layer by layer, by rules made for attention. What went to biases is told as the residue.";
    const FORMULA: &'static str = "φ_t = ⟨e_t, g_t⟩, with g the gradient by changed rules: f(x)/x for f′(x), half to each factor of a product, deviations of normalisations constant; residue = F − Σ φ";
    const EFFORT: &'static str = "One forward pass, and one backward pass for each class.";
    const CAUTION: &'static str = "Its scores are shares of the output itself, not of a change from an empty text: positions, token types and biases hold shares too, which is why the residue can be large.";
    const SOURCE: &'static str = "Achtibat et al. 2024, arXiv:2402.05602";
    const KEEP: Keep = Keep::Outputs;
    type Options = Options;

    fn check(options: &Options, model: &Model, _granularity: Granularity) -> Result<(), OptionFault> {
        options.output.check(model)
    }

    fn cost(_options: &Options, _tokens: usize, classes: usize) -> Cost {
        Cost::exactly(Passes::new(1, classes), 1)
    }

    fn attribute(
        options: &Options,
        subject: &Subject,
        classes: &[usize],
        _seed: u64,
    ) -> Result<Vec<Attribution>, ExplainError> {
        let text = subject.clone();
        let record = move |window: usize| {
            let window = text.batch(&text.layout().windows()[window], text.embeddings());
            Ok(text.model().encoder().record(&window)?)
        };
        let (text, output) = (subject.clone(), options.output);
        let relevance = move |window: usize, record: &Record, class: usize| {
            relevance(&text, window, record, output, class)
        };
        let windows = subject.windows_of(&subject.pinned(), output, classes);
        let passes = (Passes::FORWARD, Passes::new(0, 1));
        let by_class = handed_back(subject, &windows, classes, passes, record, relevance)?;
        let attribution = |(class, windows): (&usize, Vec<(usize, Vec<f64>)>)| {
            let scores = subject.layout().summed(windows);
            let residue = subject.output(output, *class) - scores.iter().sum::<f64>();
            Attribution { residue: Some(residue), ..Attribution::new(*class, output, scores) }
        };
        Ok(classes.iter().zip(by_class).map(attribution).collect())
    }
}

/// What an output hands back to the tokens of one window.
fn relevance(
    subject: &Subject,
    window: usize,
    record: &Record,
    output: Output,
    class: usize,
) -> Result<Vec<f64>, ExplainError> {
    let (model, layout) = (subject.model(), subject.layout());
    let derivative = output.derivative(model.config().problem, &subject.prediction().logits, class);
    let derivative = layout.combination().derivative(subject.window_logits(), window, &derivative);
    let gradient = model.encoder().attn_lrp(record, &derivative)?;
    let embeddings = subject.embeddings();
    let nothing = vec![0.0; embeddings.len()];
    let window = &layout.windows()[window];
    Ok(along_window(window, embeddings, &nothing, &gradient.values, gradient.width))
}
