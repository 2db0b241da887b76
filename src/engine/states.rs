//! What is inside the network for a text: hidden states, and the slopes of the logits there.

use std::sync::Arc;

use serde_json::json;

use super::answer::StatesView;
use super::answer::states::encoded;
use super::draft::Draft;
use super::inquiry::Inquiry;
use super::parts::Made;
use super::plan::Invalid;
use super::{Failure, OwnedText, attention};
use crate::explain::concept::Pooling;
use crate::explain::{Cost, ExplainError, Output, Passes, Subject};
use crate::identity::Shape;
use crate::model::{EncodedText, Keep, Matrix, Model, Wanted};

/// Most numbers in the states of a text.
const MOST_NUMBERS: usize = 4_000_000;

/// Bytes of a number as it is written: four of its own become five and a third.
const BYTES_A_NUMBER: usize = 6;

/// The fields of a question for states, as yet unchecked.
#[derive(Debug, Clone, Default)]
pub struct StatesRequest {
    /// The hidden states, from 0 (embeddings) on; none means all.
    pub layers: Option<Vec<usize>>,
    /// Which rows of them.
    pub pooling: Pooling,
    /// Whether the slopes of the logits are wanted.
    pub gradients: bool,
    /// Whether a long text may be cut.
    pub truncate: bool,
}

/// Everything about a question for states but the text.
pub struct StatesPlan {
    model: Arc<Model>,
    request: StatesRequest,
    layers: Vec<usize>,
}

impl StatesPlan {
    /// Checks a request against a model: all hidden states where none are named.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn new(model: Arc<Model>, mut request: StatesRequest) -> Result<Self, Invalid> {
        let count = model.config().layers + 1;
        let layers = attention::plan::chosen("layers", request.layers.take(), count, "hidden states")?;
        Ok(StatesPlan { model, request, layers })
    }

    /// Numbers in the states of a text of so many tokens.
    fn numbers(&self, tokens: usize) -> usize {
        let config = self.model.config();
        let rows = if self.request.pooling == Pooling::Tokens { tokens } else { 1 };
        let slopes = if self.request.gradients { config.labels.len() } else { 0 };
        self.layers.len() * config.hidden_size * (rows + slopes)
    }

    fn view(&self, subject: &Subject) -> Result<StatesView, ExplainError> {
        let pooling = self.request.pooling;
        let trace = subject.trace()?;
        let mut values = Vec::new();
        for layer in &self.layers {
            values.extend(pooled(&trace.hidden(*layer)?, pooling).values);
        }
        let gradients = self.request.gradients.then(|| self.gradients(subject)).transpose()?;
        Ok(StatesView {
            pooling,
            layers: self.layers.clone(),
            rows: if pooling == Pooling::Tokens { subject.tokens() } else { 1 },
            width: self.model.config().hidden_size,
            values: encoded(&values),
            gradients: gradients.map(|gradients| encoded(&gradients)),
        })
    }

    /// The slopes of all logits at all states: `[label][layer][hidden]`.
    fn gradients(&self, subject: &Subject) -> Result<Vec<f32>, ExplainError> {
        let (asked, layers) = (subject.clone(), self.layers.clone());
        let pooling = self.request.pooling;
        let of_label = move |label: usize| {
            let wanted = Wanted { hidden: layers.clone(), ..Wanted::default() };
            let gradients = asked.gradients_at(Output::Logit, label, &wanted)?;
            let slopes = layers.iter().map(|layer| match gradients.hidden.get(layer) {
                Some(rows) => Ok(slope(rows, pooling)),
                None => Err(candle_core::Error::Msg("a gradient was not taken".into()).into()),
            });
            Ok::<_, ExplainError>(slopes.collect::<Result<Vec<_>, ExplainError>>()?.concat())
        };
        let labels = (0..self.model.config().labels.len()).collect();
        Ok(subject.map(labels, |_| Passes::new(0, 1), of_label)?.concat())
    }
}

/// The rows of a hidden state, `[tokens, hidden]`, that pooling makes of it.
pub fn pooled(state: &Matrix, pooling: Pooling) -> Matrix {
    match pooling {
        Pooling::Tokens => state.clone(),
        Pooling::Cls => Matrix { values: state.row(0).to_vec(), width: state.width },
        Pooling::Mean => {
            let count = state.rows() as f64;
            let values = sums(state).iter().map(|sum| (sum / count) as f32).collect();
            Matrix { values, width: state.width }
        }
    }
}

/// The derivative by a vector that is added to the rows which pooling looks at, from that by each row.
pub fn slope(gradient: &Matrix, pooling: Pooling) -> Vec<f32> {
    match pooling {
        Pooling::Cls => gradient.row(0).to_vec(),
        Pooling::Mean | Pooling::Tokens => sums(gradient).iter().map(|sum| *sum as f32).collect(),
    }
}

/// The sum of all rows.
fn sums(matrix: &Matrix) -> Vec<f64> {
    let mut sums = vec![0.0; matrix.width];
    for row in matrix.iter() {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums
}

impl Inquiry for StatesPlan {
    fn model(&self) -> &Arc<Model> {
        &self.model
    }

    fn truncate(&self) -> bool {
        self.request.truncate
    }

    fn shape(&self) -> Shape {
        Shape::States
    }

    fn version(&self) -> u32 {
        1
    }

    fn canonical_options(&self) -> String {
        let StatesRequest { pooling, gradients, .. } = &self.request;
        json!({"layers": self.layers, "pooling": pooling, "gradients": gradients}).to_string()
    }

    fn keep(&self) -> Keep {
        if self.request.gradients { Keep::Gradients } else { Keep::Trace }
    }

    fn cost(&self, _tokens: usize) -> Cost {
        let backwards = if self.request.gradients { self.model.config().labels.len() } else { 0 };
        Cost::exactly(Passes::new(0, backwards), 0)
    }

    fn bytes(&self, tokens: usize) -> usize {
        BYTES_A_NUMBER * self.numbers(tokens)
    }

    fn check_text(&self, text: &EncodedText) -> Result<(), Failure> {
        match self.numbers(text.tokens.len()) {
            0..=MOST_NUMBERS => Ok(()),
            amount => Err(Failure::TooLarge { amount, limit: MOST_NUMBERS, unit: "numbers" }),
        }
    }

    fn find(&self, _sent: &OwnedText, subject: &Subject, _draft: &Draft) -> Result<Made, Failure> {
        Made::new(&self.view(subject)?, &[])
    }
}
