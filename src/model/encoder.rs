//! BERT as everyone above sees it: batches go in, plain numbers come out. Which operators run it is
//! decided when it is loaded.

use candle_core::{Device, Result};

use super::arrays::Matrix;
use super::backward::{Cotangent, Gradients, Wanted};
use super::candle_ops::CandleOps;
use super::config::ModelConfig;
use super::interventions::Interventions;
use super::kernel_ops::KernelOps;
use super::load_error::LoadError;
use super::network::Network;
use super::trace::{AnyPass, Keep, Pass, Trace};
use super::weights::Weights;
use super::workspace::Workspaces;

/// The operators that run a network.
#[derive(Debug, Clone)]
pub enum Operators {
    /// Our own, on the processor.
    Kernels(KernelOps),
    /// candle's, on any device.
    Candle(Device),
}

impl Operators {
    /// The kind of device and operators, as result keys have it: other kinds, other last bits.
    pub fn class(&self) -> &'static str {
        match self {
            Operators::Kernels(_) => "cpu",
            Operators::Candle(Device::Cpu) => "cpu-candle",
            Operators::Candle(_) => "cuda",
        }
    }

    /// In words: the kernels' instructions, or candle's device.
    pub fn name(&self) -> &'static str {
        match self {
            Operators::Kernels(ops) => ops.instructions(),
            other => other.class(),
        }
    }
}

/// A BERT sequence classifier, ready to run.
pub struct Encoder {
    pub(super) network: AnyNetwork,
    workspaces: Workspaces,
}

pub(super) enum AnyNetwork {
    Kernels(Box<Network<KernelOps>>),
    Candle(Box<Network<CandleOps>>),
}

/// Calls the same on either kind of network.
macro_rules! on_network {
    ($encoder:expr, $network:ident => $call:expr) => {
        match &$encoder.network {
            AnyNetwork::Kernels($network) => $call,
            AnyNetwork::Candle($network) => $call,
        }
    };
}

impl Encoder {
    /// Takes the weights of a checkpoint.
    ///
    /// # Errors
    /// The first tensor that is missing or of the wrong shape, by name and file.
    pub fn load(
        config: ModelConfig,
        weights: &Weights,
        operators: &Operators,
    ) -> std::result::Result<Self, LoadError> {
        let network = match operators {
            Operators::Kernels(ops) => AnyNetwork::Kernels(Box::new(Network::load(config, weights, *ops)?)),
            Operators::Candle(device) => {
                let ops = CandleOps::on(device.clone());
                AnyNetwork::Candle(Box::new(Network::load(config, weights, ops)?))
            }
        };
        Ok(Encoder { network, workspaces: Workspaces::default() })
    }

    /// Bytes that its weights take.
    pub(super) fn weight_bytes(&self) -> usize {
        on_network!(self, network => network.weight_bytes())
    }

    pub(super) fn workspaces(&self) -> &Workspaces {
        &self.workspaces
    }

    /// The shape of the network.
    pub fn config(&self) -> &ModelConfig {
        on_network!(self, network => &network.config)
    }

    /// Whether the checkpoint carries a masked-LM head.
    pub fn has_masked_lm_head(&self) -> bool {
        on_network!(self, network => network.masked_lm.is_some())
    }

    /// Rows of the word-embedding table: `[ids, hidden]`.
    ///
    /// # Errors
    /// An id outside the vocabulary.
    pub fn word_embeddings(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let table = on_network!(self, network => &network.embeddings.words);
        let width = self.config().hidden_size;
        let mut rows = Vec::with_capacity(ids.len() * width);
        for id in ids {
            match table.chunks_exact(width).nth(*id as usize) {
                Some(row) => rows.extend_from_slice(row),
                None => candle_core::bail!("there is no token {id} in the vocabulary"),
            }
        }
        Ok(rows)
    }

    /// A batch of one tokenised text, through the network as it is.
    ///
    /// # Errors
    /// An id outside the vocabulary.
    pub fn batch(&self, ids: &[u32], type_ids: &[u32]) -> Result<Batch> {
        Ok(Batch {
            word_embeddings: self.word_embeddings(ids)?,
            sequences: vec![Sequence { type_ids: type_ids.to_vec(), interventions: Interventions::none() }],
        })
    }

    /// Several batches as one, in order.
    pub fn join<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> Batch {
        let mut joined = Batch::default();
        for batch in batches {
            joined.word_embeddings.extend_from_slice(&batch.word_embeddings);
            joined.sequences.extend_from_slice(&batch.sequences);
        }
        joined
    }

    /// An empty trace, for [`Self::forward_into`].
    pub fn trace(&self) -> Trace {
        let heads = self.config().heads;
        Trace(match &self.network {
            AnyNetwork::Kernels(network) => AnyPass::Kernels(Pass::new(network.ops, heads)),
            AnyNetwork::Candle(network) => AnyPass::Candle(Pass::new(network.ops.clone(), heads)),
        })
    }

    /// Runs the network.
    ///
    /// # Errors
    /// A batch that does not fit the network: shapes, positions, interventions out of range.
    pub fn forward(&self, batch: &Batch, keep: Keep) -> Result<Trace> {
        let mut trace = self.trace();
        self.forward_into(batch, keep, &mut trace)?;
        Ok(trace)
    }

    /// Runs the network, and leaves what is kept in the place of an earlier pass: with passes of one size,
    /// nothing is allocated.
    ///
    /// # Errors
    /// As [`Self::forward`]; a trace of another encoder.
    pub fn forward_into(&self, batch: &Batch, keep: Keep, trace: &mut Trace) -> Result<()> {
        self.check(batch)?;
        match (&self.network, &mut trace.0) {
            (AnyNetwork::Kernels(network), AnyPass::Kernels(pass)) => network.forward(batch, keep, pass),
            (AnyNetwork::Candle(network), AnyPass::Candle(pass)) => network.forward(batch, keep, pass),
            _ => candle_core::bail!("a trace of another encoder"),
        }
    }

    /// The logits of each sequence.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn logits(&self, batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let trace = self.forward(batch, Keep::Outputs)?;
        Ok((0..batch.sequences.len()).map(|sequence| trace.logits(sequence).to_vec()).collect())
    }

    /// The vector–Jacobian product of `cotangent` through a kept forward pass. One trace serves any
    /// number of calls: several classes need one forward.
    ///
    /// # Errors
    /// A trace that was not kept for these gradients, points the network does not have, shapes that do not
    /// fit.
    pub fn backward(&self, trace: &Trace, cotangent: &Cotangent, wanted: &Wanted) -> Result<Gradients> {
        let mut gradients = Gradients::default();
        self.backward_into(trace, cotangent, wanted, &mut gradients)?;
        Ok(gradients)
    }

    /// The same, in the place of earlier gradients.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn backward_into(
        &self,
        trace: &Trace,
        cotangent: &Cotangent,
        wanted: &Wanted,
        gradients: &mut Gradients,
    ) -> Result<()> {
        self.check_cotangent(trace, cotangent)?;
        match (&self.network, &trace.0) {
            (AnyNetwork::Kernels(network), AnyPass::Kernels(pass)) => {
                network.backward(pass, cotangent, wanted, gradients)
            }
            (AnyNetwork::Candle(network), AnyPass::Candle(pass)) => {
                network.backward(pass, cotangent, wanted, gradients)
            }
            _ => candle_core::bail!("a trace of another encoder"),
        }
    }

    /// The output of a layer, from 0, with the value vectors of one token set to zero in all heads, and
    /// everything else as in the pass: `[tokens, hidden]`.
    ///
    /// # Errors
    /// A pass that was not kept with [`Keep::Gradients`], over several texts or with interventions; a layer or
    /// token that there is not.
    pub fn value_zeroed(&self, trace: &Trace, layer: usize, token: usize) -> Result<Matrix> {
        match (&self.network, &trace.0) {
            (AnyNetwork::Kernels(network), AnyPass::Kernels(pass)) => {
                network.value_zeroed(pass, layer, token)
            }
            (AnyNetwork::Candle(network), AnyPass::Candle(pass)) => network.value_zeroed(pass, layer, token),
            _ => candle_core::bail!("a trace of another encoder"),
        }
    }

    /// How much each token gives to each other in a layer, from 0: the length of the sum over heads of weight ×
    /// value × output matrix (Kobayashi et al. 2020, arXiv:2004.10102), `[queries, keys]`, never negative.
    ///
    /// # Errors
    /// As [`Self::value_zeroed`].
    pub fn value_norms(&self, trace: &Trace, layer: usize) -> Result<Matrix> {
        match (&self.network, &trace.0) {
            (AnyNetwork::Kernels(network), AnyPass::Kernels(pass)) => network.value_norms(pass, layer),
            (AnyNetwork::Candle(network), AnyPass::Candle(pass)) => network.value_norms(pass, layer),
            _ => candle_core::bail!("a trace of another encoder"),
        }
    }

    fn check_cotangent(&self, trace: &Trace, cotangent: &Cotangent) -> Result<()> {
        let config = self.config();
        let sequences = trace.rows().len();
        let rows = trace.rows().last().map_or(0, |rows| rows.end);
        let fits = |values: &Option<Vec<f32>>, count: usize| {
            values.as_ref().is_none_or(|values| values.len() == count)
        };
        let fit = fits(&cotangent.logits, sequences * config.labels.len())
            && fits(&cotangent.pooled, sequences * config.hidden_size)
            && fits(&cotangent.masked_lm_logits, rows * config.vocabulary_size)
            && cotangent.hidden.values().all(|values| values.len() == rows * config.hidden_size);
        match fit {
            true => Ok(()),
            false => candle_core::bail!("a cotangent does not have the shape of its output"),
        }
    }

    /// Refuses what would index out of the tables or leave attention nothing to look at.
    pub(super) fn check(&self, batch: &Batch) -> Result<()> {
        let config = self.config();
        let rows: usize = batch.sequences.iter().map(Sequence::tokens).sum();
        let values = batch.word_embeddings.len();
        if values != rows * config.hidden_size {
            let width = config.hidden_size;
            candle_core::bail!("word embeddings have {values} values, expected {rows} rows of {width}");
        }
        self.check_sequences(&batch.sequences)
    }

    pub(super) fn check_sequences(&self, sequences: &[Sequence]) -> Result<()> {
        let config = self.config();
        for sequence in sequences {
            let tokens = sequence.tokens();
            if let Some(id) = sequence.type_ids.iter().find(|id| **id as usize >= config.type_vocabulary_size)
            {
                candle_core::bail!("token type {id}, but there are {}", config.type_vocabulary_size);
            }
            if tokens == 0 || tokens > config.positions {
                candle_core::bail!("a sequence has {tokens} tokens; expected 1 to {}", config.positions);
            }
            for intervention in sequence.interventions.iter() {
                intervention.check(config, tokens)?;
            }
            if sequence.hidden_keys().is_some_and(|hidden| !hidden.contains(&false)) {
                candle_core::bail!("a token mask hides every token");
            }
        }
        Ok(())
    }
}

/// Tokenised texts side by side, without padding: the rows of all of them, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The output of the word-embedding table, or whatever stands in for it: `[rows, hidden]`.
    pub word_embeddings: Vec<f32>,
    /// The texts the rows belong to.
    pub sequences: Vec<Sequence>,
}

impl Batch {
    /// Takes every text out, and keeps the room.
    pub fn clear(&mut self) {
        self.word_embeddings.clear();
        self.sequences.clear();
    }
}

/// One text of a batch.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Token-type id of each token.
    pub type_ids: Vec<u32>,
    /// Changes to the network, for this text alone.
    pub interventions: Interventions,
}

impl Sequence {
    /// Number of tokens: rows of the batch.
    pub fn tokens(&self) -> usize {
        self.type_ids.len()
    }

    /// For each token, whether it is hidden from attention; none if all are seen.
    pub(super) fn hidden_keys(&self) -> Option<Vec<bool>> {
        self.interventions.hidden_keys(self.tokens())
    }
}
