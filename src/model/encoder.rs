//! The network: BERT's embeddings, encoder layers, pooler, classifier and masked-LM head, written
//! once over [`Ops`]. [`super::forward`] runs it, [`super::backward`] differentiates it.

use candle_core::{Result, Tensor};

use super::config::ModelConfig;
use super::interventions::{HiddenEdit, Intervention, Interventions};
use super::load_error::LoadError;
use super::ops::{LayerNorm, Linear, Ops};
use super::weights::Weights;

/// The weights of a BERT sequence classifier, ready to run.
pub struct Encoder {
    pub(super) config: ModelConfig,
    pub(super) ops: Box<dyn Ops>,
    pub(super) embeddings: Embeddings,
    pub(super) layers: Vec<Layer>,
    pub(super) pooler: Box<dyn Linear>,
    pub(super) classifier: Box<dyn Linear>,
    pub(super) masked_lm: Option<MaskedLmHead>,
}

pub(super) struct Embeddings {
    /// `[vocabulary, hidden]`
    pub words: Tensor,
    /// `[positions, hidden]`
    pub positions: Tensor,
    /// `[type vocabulary, hidden]`
    pub types: Tensor,
    pub norm: LayerNorm,
}

pub(super) struct Layer {
    pub query: Box<dyn Linear>,
    pub key: Box<dyn Linear>,
    pub value: Box<dyn Linear>,
    pub attention_output: Box<dyn Linear>,
    pub attention_norm: LayerNorm,
    pub intermediate: Box<dyn Linear>,
    pub output: Box<dyn Linear>,
    pub output_norm: LayerNorm,
}

pub(super) struct MaskedLmHead {
    pub transform: Box<dyn Linear>,
    pub norm: LayerNorm,
    pub decoder: Box<dyn Linear>,
}

impl Encoder {
    /// Takes the weights of a checkpoint.
    ///
    /// # Errors
    /// The first tensor that is missing or of the wrong shape, by name and file.
    pub fn load(
        config: ModelConfig,
        weights: &Weights,
        ops: Box<dyn Ops>,
    ) -> std::result::Result<Self, LoadError> {
        let (hidden, vocabulary) = (config.hidden_size, config.vocabulary_size);
        let reader = Reader { weights, ops: ops.as_ref(), epsilon: config.layer_norm_epsilon };
        let embeddings = Embeddings {
            words: reader.tensor("embeddings.word_embeddings.weight", &[vocabulary, hidden])?,
            positions: reader.tensor("embeddings.position_embeddings.weight", &[config.positions, hidden])?,
            types: reader
                .tensor("embeddings.token_type_embeddings.weight", &[config.type_vocabulary_size, hidden])?,
            norm: reader.layer_norm("embeddings.LayerNorm", hidden)?,
        };
        let layers = (0..config.layers)
            .map(|index| Layer::load(&reader, &config, index))
            .collect::<std::result::Result<_, _>>()?;
        let pooler = reader.linear("pooler.dense", hidden, hidden)?;
        let classifier = reader.linear("classifier", hidden, config.labels.len())?;
        let masked_lm = match weights.contains("cls.predictions.transform.dense.weight") {
            true => Some(MaskedLmHead::load(&reader, &config, &embeddings.words)?),
            false => None,
        };
        Ok(Encoder { config, ops, embeddings, layers, pooler, classifier, masked_lm })
    }

    /// The shape of the network.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Whether the checkpoint carries a masked-LM head.
    pub fn has_masked_lm_head(&self) -> bool {
        self.masked_lm.is_some()
    }

    /// Rows of the word-embedding table: `[ids, hidden]`.
    ///
    /// # Errors
    /// An id outside the vocabulary.
    pub fn word_embeddings(&self, ids: &[u32]) -> Result<Tensor> {
        self.embeddings.words.index_select(&Tensor::new(ids, self.ops.device())?, 0)
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
    ///
    /// # Errors
    /// An empty list.
    pub fn join(batches: &[Batch]) -> Result<Batch> {
        let embeddings: Vec<&Tensor> = batches.iter().map(|batch| &batch.word_embeddings).collect();
        Ok(Batch {
            word_embeddings: Tensor::cat(&embeddings, 0)?,
            sequences: batches.iter().flat_map(|batch| batch.sequences.iter().cloned()).collect(),
        })
    }

    /// Refuses what would index out of the tables or leave attention nothing to look at.
    pub(super) fn check(&self, batch: &Batch) -> Result<()> {
        let rows: usize = batch.sequences.iter().map(Sequence::tokens).sum();
        let shape = batch.word_embeddings.dims();
        if shape != [rows, self.config.hidden_size] {
            candle_core::bail!(
                "word embeddings have shape {shape:?}, expected [{rows}, {}]",
                self.config.hidden_size
            );
        }
        for sequence in &batch.sequences {
            let tokens = sequence.tokens();
            if tokens == 0 || tokens > self.config.positions {
                candle_core::bail!("a sequence has {tokens} tokens; expected 1 to {}", self.config.positions);
            }
            for intervention in sequence.interventions.iter() {
                self.check_intervention(intervention, tokens)?;
            }
            if sequence.interventions.hidden_keys(tokens).is_some_and(|hidden| !hidden.contains(&false)) {
                candle_core::bail!("a token mask hides every token");
            }
        }
        Ok(())
    }

    fn check_intervention(&self, intervention: &Intervention, tokens: usize) -> Result<()> {
        let within = |what: &str, value: usize, bound: usize| match value < bound {
            true => Ok(()),
            false => candle_core::bail!("intervention on {what} {value}, but there are {bound}"),
        };
        match intervention {
            Intervention::TokenMask { tokens: hidden } => {
                hidden.iter().try_for_each(|token| within("token", *token, tokens))
            }
            Intervention::HeadGate { layer, head, .. } => {
                within("layer", *layer, self.config.layers)?;
                within("head", *head, self.config.heads)
            }
            Intervention::NeuronGate { layer, neurons, .. } => {
                within("layer", *layer, self.config.layers)?;
                neurons.iter().try_for_each(|neuron| within("neuron", *neuron, self.config.intermediate_size))
            }
            Intervention::Hidden { point, edit } => {
                within("hidden state", *point, self.config.layers + 1)?;
                let vector = match edit {
                    HiddenEdit::Add(vector) | HiddenEdit::Project(vector) => vector,
                    HiddenEdit::Replace { token, value } => {
                        within("token", *token, tokens)?;
                        value
                    }
                };
                match vector.dims() == [self.config.hidden_size] {
                    true => Ok(()),
                    false => candle_core::bail!(
                        "a hidden-state edit has shape {:?}, expected [{}]",
                        vector.dims(),
                        self.config.hidden_size
                    ),
                }
            }
        }
    }
}

/// Tokenised texts side by side, without padding: the rows of all of them, one after the other.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The output of the word-embedding table, or whatever stands in for it: `[rows, hidden]`.
    pub word_embeddings: Tensor,
    /// The texts the rows belong to.
    pub sequences: Vec<Sequence>,
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
}

/// Reads layers from a checkpoint by canonical name.
struct Reader<'a> {
    weights: &'a Weights,
    ops: &'a dyn Ops,
    epsilon: f64,
}

impl Reader<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> std::result::Result<Tensor, LoadError> {
        self.weights.tensor(name, shape, self.ops.device())
    }

    fn linear(
        &self,
        name: &str,
        input: usize,
        output: usize,
    ) -> std::result::Result<Box<dyn Linear>, LoadError> {
        let weight = self.tensor(&format!("{name}.weight"), &[output, input])?;
        let bias = self.tensor(&format!("{name}.bias"), &[output])?;
        self.prepared(weight, bias, name)
    }

    fn prepared(
        &self,
        weight: Tensor,
        bias: Tensor,
        name: &str,
    ) -> std::result::Result<Box<dyn Linear>, LoadError> {
        self.ops.linear(weight, bias).map_err(|error| self.weights.fault(name, error))
    }

    fn layer_norm(&self, name: &str, width: usize) -> std::result::Result<LayerNorm, LoadError> {
        Ok(LayerNorm {
            weight: self.tensor(&format!("{name}.weight"), &[width])?,
            bias: self.tensor(&format!("{name}.bias"), &[width])?,
            epsilon: self.epsilon,
        })
    }
}

impl Layer {
    fn load(reader: &Reader<'_>, config: &ModelConfig, index: usize) -> std::result::Result<Self, LoadError> {
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        Ok(Layer {
            query: reader.linear(&name("attention.self.query"), hidden, hidden)?,
            key: reader.linear(&name("attention.self.key"), hidden, hidden)?,
            value: reader.linear(&name("attention.self.value"), hidden, hidden)?,
            attention_output: reader.linear(&name("attention.output.dense"), hidden, hidden)?,
            attention_norm: reader.layer_norm(&name("attention.output.LayerNorm"), hidden)?,
            intermediate: reader.linear(&name("intermediate.dense"), hidden, intermediate)?,
            output: reader.linear(&name("output.dense"), intermediate, hidden)?,
            output_norm: reader.layer_norm(&name("output.LayerNorm"), hidden)?,
        })
    }
}

impl MaskedLmHead {
    /// The decoder is tied to the word embeddings unless the checkpoint brings its own.
    fn load(
        reader: &Reader<'_>,
        config: &ModelConfig,
        words: &Tensor,
    ) -> std::result::Result<Self, LoadError> {
        const DECODER: &str = "cls.predictions.decoder.weight";
        const DECODER_BIAS: &str = "cls.predictions.decoder.bias";
        let (hidden, vocabulary) = (config.hidden_size, config.vocabulary_size);
        let weight = match reader.weights.contains(DECODER) {
            true => reader.tensor(DECODER, &[vocabulary, hidden])?,
            false => words.clone(),
        };
        let bias_name = match reader.weights.contains(DECODER_BIAS) {
            true => DECODER_BIAS,
            false => "cls.predictions.bias",
        };
        let bias = reader.tensor(bias_name, &[vocabulary])?;
        Ok(MaskedLmHead {
            transform: reader.linear("cls.predictions.transform.dense", hidden, hidden)?,
            norm: reader.layer_norm("cls.predictions.transform.LayerNorm", hidden)?,
            decoder: reader.prepared(weight, bias, DECODER)?,
        })
    }
}
