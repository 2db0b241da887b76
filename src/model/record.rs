//! A forward pass that keeps the input of every nonlinear part, for ways back by other rules than the
//! derivative's: `attn_lrp` and `rescale`.
//!
//! The way back is the same for both but for those parts: what a rule says of them is a `Rules`. Gates and edits of
//! hidden states are linear but for constants, so they go back through their own transposes, as linear layers do. What
//! was given values is a constant: nothing goes back through it.

use std::ops::Range;

use candle_core::Result;

use super::arrays::Matrix;
use super::attn_lrp::AttnLrp;
use super::candle_ops::CandleOps;
use super::encoder::{AnyNetwork, Batch, Encoder};
use super::interventions::Interventions;
use super::kernel_ops::KernelOps;
use super::network::Network;
use super::ops::{Attending, Ops, Then};
use super::rescale::Rescale;

/// A pass that was recorded.
pub struct Record(AnyRecord);

enum AnyRecord {
    Kernels(Recorded<KernelOps>),
    Candle(Recorded<CandleOps>),
}

/// The same, over one kind of operators.
pub(super) struct Recorded<O: Ops> {
    /// The rows of each sequence.
    pub rows: Vec<Range<usize>>,
    /// Of each sequence.
    pub interventions: Vec<Interventions>,
    /// Word, position and type embeddings, added up: `[rows, hidden]`.
    pub embedding_sum: Matrix,
    pub layers: Vec<RecordedLayer<O>>,
    /// What the pooler's tanh gets: `[sequences, hidden]`.
    pub pooler_sum: Matrix,
    /// `[sequences, labels]`
    pub logits: Vec<f32>,
}

/// What a layer's nonlinear parts got.
pub(super) struct RecordedLayer<O: Ops> {
    pub queries: O::Array,
    pub keys_and_values: O::Array,
    pub probabilities: O::Probabilities,
    /// What the attention's normalisation gets: `[rows, hidden]`.
    pub attention_sum: Matrix,
    /// What the activation function gets: `[rows, intermediate]`.
    pub preactivation: Matrix,
    /// What the output's normalisation gets: `[rows, hidden]`.
    pub output_sum: Matrix,
}

/// What takes the derivative's place in the nonlinear parts, on the way back to the first sequence of a record.
pub(super) trait Rules<O: Ops> {
    /// The factor of each of a function's outputs, `[rows, width]`, by its inputs.
    fn activation(&self, network: &Network<O>, record: &Recorded<O>, inputs: &Matrix) -> Vec<f32>;

    /// The factor of each of the pooler's outputs, `[hidden]`.
    fn tanh(&self, record: &Recorded<O>) -> Vec<f32>;

    /// Back through a layer normalisation, from what it got: `[rows, hidden]` in place.
    fn norm(&self, record: &Recorded<O>, epsilon: f64, sums: &Matrix, relevance: &mut Matrix);

    /// Back through attention: from the context `[rows, hidden]` to queries, and to keys and values.
    ///
    /// # Errors
    /// A tensor operation.
    fn attention(
        &self,
        network: &Network<O>,
        record: &Recorded<O>,
        layer: &RecordedLayer<O>,
        to_context: &O::Array,
    ) -> Result<(O::Array, O::Array)>;
}

impl<O: Ops> Recorded<O> {
    /// Who attends to whom: each sequence to itself.
    pub fn attending(&self, heads: usize) -> Attending<'_> {
        Attending { heads, queries: &self.rows, keys: &self.rows, hidden_keys: &[] }
    }

    /// Rows of the first sequence.
    pub fn tokens(&self) -> usize {
        self.rows[0].len()
    }
}

impl Record {
    /// The logits of one sequence.
    pub fn logits(&self, sequence: usize) -> &[f32] {
        let (logits, sequences) = match &self.0 {
            AnyRecord::Kernels(record) => (&record.logits, record.rows.len()),
            AnyRecord::Candle(record) => (&record.logits, record.rows.len()),
        };
        let labels = logits.len() / sequences;
        &logits[sequence * labels..][..labels]
    }
}

impl Encoder {
    /// Runs the network, and keeps what the rules below need. The logits are those of
    /// [`Self::forward`], bit by bit.
    ///
    /// # Errors
    /// As [`Self::forward`]; sequences with hidden tokens.
    pub fn record(&self, batch: &Batch) -> Result<Record> {
        self.check(batch)?;
        if batch.sequences.iter().any(|sequence| sequence.hidden_keys().is_some()) {
            candle_core::bail!("a pass with hidden tokens cannot be recorded");
        }
        Ok(Record(match &self.network {
            AnyNetwork::Kernels(network) => AnyRecord::Kernels(network.record(batch)?),
            AnyNetwork::Candle(network) => AnyRecord::Candle(network.record(batch)?),
        }))
    }

    /// The gradient of AttnLRP at the word embeddings of the record's only sequence, `[tokens, hidden]`: times
    /// the embeddings it is their relevance. `derivative` is that of the output by each logit.
    ///
    /// # Errors
    /// A record of another encoder.
    pub fn attn_lrp(&self, record: &Record, derivative: &[f32]) -> Result<Matrix> {
        match (&self.network, &record.0) {
            (AnyNetwork::Kernels(network), AnyRecord::Kernels(record)) => {
                network.back(record, derivative, &AttnLrp)
            }
            (AnyNetwork::Candle(network), AnyRecord::Candle(record)) => {
                network.back(record, derivative, &AttnLrp)
            }
            _ => candle_core::bail!("a record of another encoder"),
        }
    }

    /// The multipliers of DeepLIFT's rescale rule at the word embeddings of the record's first sequence, against
    /// its second, of the same length: `[tokens, hidden]`. `multipliers` are those of the output by each logit.
    ///
    /// # Errors
    /// A record of another encoder, or not of two sequences of one length through one and the same network.
    pub fn rescale(&self, record: &Record, multipliers: &[f32]) -> Result<Matrix> {
        match (&self.network, &record.0) {
            (AnyNetwork::Kernels(network), AnyRecord::Kernels(record)) => {
                network.back(record, multipliers, &Rescale::new(record)?)
            }
            (AnyNetwork::Candle(network), AnyRecord::Candle(record)) => {
                network.back(record, multipliers, &Rescale::new(record)?)
            }
            _ => candle_core::bail!("a record of another encoder"),
        }
    }
}

impl<O: Ops> Network<O> {
    fn record(&self, batch: &Batch) -> Result<Recorded<O>> {
        let width = self.config.hidden_size;
        let mut rows = Vec::new();
        let mut next = 0;
        for sequence in &batch.sequences {
            rows.push(next..next + sequence.tokens());
            next += sequence.tokens();
        }
        let mut embedded = Vec::new();
        self.add_embeddings(batch, &mut embedded);
        let embedding_sum = Matrix { values: embedded, width };
        let embedded = self.ops.array(&embedding_sum.values, width)?;
        let interventions = batch.sequences.iter().map(|sequence| sequence.interventions.clone()).collect();
        let (embedded, _) = self.ops.add_norm(&self.embeddings.norm, embedded, None, false)?;
        let mut record = Recorded {
            rows,
            interventions,
            embedding_sum,
            layers: Vec::new(),
            pooler_sum: Matrix::default(),
            logits: Vec::new(),
        };
        let mut hidden = self.edit(embedded, 0, &record.rows, &record.interventions)?;
        for index in 0..self.layers.len() {
            let (output, recorded) = self.record_layer(index, &record, &hidden)?;
            hidden = self.edit(output, index + 1, &record.rows, &record.interventions)?;
            record.layers.push(recorded);
        }
        let first_rows: Vec<usize> = record.rows.iter().map(|rows| rows.start).collect();
        let sum = self.ops.apply(&self.pooler, &self.ops.pick_rows(&hidden, &first_rows)?)?;
        record.pooler_sum = self.matrix(&sum, width)?;
        let logits = self.ops.apply(&self.classifier, &self.ops.tanh(sum)?)?;
        self.ops.read(&logits, &mut record.logits)?;
        Ok(record)
    }

    fn record_layer(
        &self,
        index: usize,
        record: &Recorded<O>,
        input: &O::Array,
    ) -> Result<(O::Array, RecordedLayer<O>)> {
        let (ops, layer, width) = (&self.ops, &self.layers[index], self.config.hidden_size);
        let (rows, interventions) = (&record.rows, &record.interventions);
        let queries = ops.apply(&layer.query, input)?;
        let keys_and_values = ops.apply(&layer.key_and_value, input)?;
        let attending = record.attending(self.config.heads);
        let (context, probabilities) = ops.attention(&attending, &queries, &keys_and_values, true)?;
        let Some(probabilities) = probabilities else {
            candle_core::bail!("the operators kept nothing of the attention");
        };
        let context = self.change_heads(context, index, rows, interventions)?;
        let attended = ops.apply(&layer.attention_output, &context)?;
        let attention_sum = self.sum(&attended, input, width)?;
        let (attended, _) = ops.add_norm(&layer.attention_norm, attended, Some(input), false)?;

        let preactivation =
            self.matrix(&ops.apply(&layer.intermediate, &attended)?, self.config.intermediate_size)?;
        let (neurons, _) =
            ops.apply_activated(&layer.intermediate, self.config.activation, &attended, false)?;
        let neurons = self.change_neurons(neurons, index, rows, interventions)?;
        let output = ops.apply(&layer.output, &neurons)?;
        let output_sum = self.sum(&output, &attended, width)?;
        let (output, _) = ops.add_norm(&layer.output_norm, output, Some(&attended), false)?;
        let recorded = RecordedLayer {
            queries,
            keys_and_values,
            probabilities,
            attention_sum,
            preactivation,
            output_sum,
        };
        Ok((output, recorded))
    }

    fn sum(&self, array: &O::Array, residual: &O::Array, width: usize) -> Result<Matrix> {
        let (mut sum, residual) = (self.matrix(array, width)?, self.matrix(residual, width)?);
        sum.values.iter_mut().zip(&residual.values).for_each(|(value, more)| *value += more);
        Ok(sum)
    }

    /// From the logits of the first sequence back to its word embeddings, by some rules.
    fn back(&self, record: &Recorded<O>, derivative: &[f32], rules: &impl Rules<O>) -> Result<Matrix> {
        let (ops, width, tokens) = (&self.ops, self.config.hidden_size, record.tokens());
        if derivative.len() != self.config.labels.len() {
            candle_core::bail!("a derivative of {} logits", derivative.len());
        }
        let logits = ops.array(derivative, derivative.len())?;
        let factors = ops.array(&rules.tanh(record), width)?;
        let to_pooler = ops.linear_vjp(&self.classifier, &logits, Then::Times(&factors))?;
        let to_first = self.matrix(&ops.linear_vjp(&self.pooler, &to_pooler, Then::Nothing)?, width)?;
        let mut relevance = Matrix { values: vec![0.0; tokens * width], width };
        relevance.values[..width].copy_from_slice(&to_first.values);
        let changes = &record.interventions[0];
        for (index, recorded) in record.layers.iter().enumerate().rev() {
            changes.hand_back(index + 1, &mut relevance.values);
            relevance = self.back_through(index, record, recorded, relevance, rules)?;
        }
        changes.hand_back(0, &mut relevance.values);
        self.norm_back(record, &self.embeddings.norm, &record.embedding_sum, &mut relevance, rules)?;
        Ok(relevance)
    }

    fn back_through(
        &self,
        index: usize,
        record: &Recorded<O>,
        recorded: &RecordedLayer<O>,
        mut relevance: Matrix,
        rules: &impl Rules<O>,
    ) -> Result<Matrix> {
        let (ops, layer, width) = (&self.ops, &self.layers[index], self.config.hidden_size);
        // Of the first sequence, which is the one that relevance is handed back to.
        let (rows, interventions) = (&record.rows[..1], &record.interventions[..1]);
        self.norm_back(record, &layer.output_norm, &recorded.output_sum, &mut relevance, rules)?;
        let to_output = ops.array(&relevance.values, width)?;
        let factors = rules.activation(self, record, &recorded.preactivation);
        let factors = ops.array(&factors, self.config.intermediate_size)?;
        let factors = self.hand_back_neurons(factors, index, rows, interventions)?;
        let to_preactivation = ops.linear_vjp(&layer.output, &to_output, Then::Times(&factors))?;
        let to_attended = ops.linear_vjp(&layer.intermediate, &to_preactivation, Then::Plus(&to_output))?;

        let mut relevance = self.matrix(&to_attended, width)?;
        self.norm_back(record, &layer.attention_norm, &recorded.attention_sum, &mut relevance, rules)?;
        let to_sum = ops.array(&relevance.values, width)?;
        let to_context = ops.linear_vjp(&layer.attention_output, &to_sum, Then::Nothing)?;
        let to_context = self.hand_back_heads(to_context, index, rows, interventions)?;
        let (queries, keys_and_values) = rules.attention(self, record, recorded, &to_context)?;
        let through_queries = ops.linear_vjp(&layer.query, &queries, Then::Plus(&to_sum))?;
        let to_input =
            ops.linear_vjp(&layer.key_and_value, &keys_and_values, Then::Plus(&through_queries))?;
        self.matrix(&to_input, width)
    }

    /// Through gain and shift, which are linear, and then as the rules say.
    fn norm_back(
        &self,
        record: &Recorded<O>,
        norm: &O::Norm,
        sums: &Matrix,
        relevance: &mut Matrix,
        rules: &impl Rules<O>,
    ) -> Result<()> {
        let parameters = self.ops.norm_parameters(norm)?;
        for row in relevance.values.chunks_exact_mut(relevance.width) {
            row.iter_mut().zip(&parameters.weight).for_each(|(value, gain)| *value *= gain);
        }
        rules.norm(record, parameters.epsilon, sums, relevance);
        Ok(())
    }
}
