//! The weights of BERT's embeddings, encoder layers, pooler, classifier and masked-LM head, over some
//! [`Ops`]. [`super::forward`] runs them, [`super::backward`] differentiates them.

use std::sync::OnceLock;

use super::config::ModelConfig;
use super::load_error::LoadError;
use super::ops::{Dense, NormParameters, Ops};
use super::weights::Weights;

/// A BERT sequence classifier, ready to run.
pub struct Network<O: Ops> {
    pub(super) config: ModelConfig,
    pub(super) ops: O,
    pub(super) embeddings: Embeddings<O>,
    pub(super) layers: Vec<Layer<O>>,
    pub(super) pooler: O::Linear,
    pub(super) classifier: O::Linear,
    pub(super) masked_lm: Option<MaskedLmHead<O>>,
}

/// The tables stay in the processor's memory: a text needs a few rows of them.
pub(super) struct Embeddings<O: Ops> {
    /// `[vocabulary, hidden]`
    pub words: Vec<f32>,
    /// `[positions, hidden]`
    pub positions: Vec<f32>,
    /// `[type vocabulary, hidden]`
    pub types: Vec<f32>,
    pub norm: O::Norm,
}

pub(super) struct Layer<O: Ops> {
    pub query: O::Linear,
    /// Keys and values side by side.
    pub key_and_value: O::Linear,
    pub attention_output: O::Linear,
    pub attention_norm: O::Norm,
    pub intermediate: O::Linear,
    pub output: O::Linear,
    pub output_norm: O::Norm,
}

pub(super) struct MaskedLmHead<O: Ops> {
    pub transform: O::Linear,
    pub norm: O::Norm,
    /// As large as the word embeddings, and wanted by few: laid out when it is first needed.
    decoder: OnceLock<O::Linear>,
    /// None where the decoder is tied to the word embeddings.
    decoder_weight: Option<Vec<f32>>,
    decoder_bias: Vec<f32>,
}

impl<O: Ops> Network<O> {
    /// Takes the weights of a checkpoint.
    ///
    /// # Errors
    /// The first tensor that is missing or of the wrong shape, by name and file.
    pub fn load(config: ModelConfig, weights: &Weights, ops: O) -> Result<Self, LoadError> {
        let (hidden, vocabulary) = (config.hidden_size, config.vocabulary_size);
        let reader = Reader { weights, ops: &ops, epsilon: config.layer_norm_epsilon };
        let embeddings = Embeddings {
            words: weights.values("embeddings.word_embeddings.weight", &[vocabulary, hidden])?,
            positions: weights
                .values("embeddings.position_embeddings.weight", &[config.positions, hidden])?,
            types: weights
                .values("embeddings.token_type_embeddings.weight", &[config.type_vocabulary_size, hidden])?,
            norm: reader.norm("embeddings.LayerNorm", hidden)?,
        };
        let layers =
            (0..config.layers).map(|index| Layer::load(&reader, &config, index)).collect::<Result<_, _>>()?;
        let pooler = reader.linear("pooler.dense", hidden, hidden)?;
        let classifier = reader.linear("classifier", hidden, config.labels.len())?;
        let masked_lm = match weights.contains("cls.predictions.transform.dense.weight") {
            true => Some(MaskedLmHead::load(&reader, &config)?),
            false => None,
        };
        Ok(Network { config, ops, embeddings, layers, pooler, classifier, masked_lm })
    }

    /// Bytes of the weights as they are laid out for the operators, without what is laid out later (the
    /// decoder of the masked-LM head) and the few of the normalisations.
    pub(super) fn weight_bytes(&self) -> usize {
        let Embeddings { words, positions, types, .. } = &self.embeddings;
        let tables = [words, positions, types].map(|table| size_of_val(table.as_slice()));
        let layers = self.layers.iter().flat_map(|layer| {
            [&layer.query, &layer.key_and_value, &layer.attention_output, &layer.intermediate, &layer.output]
        });
        let heads = [&self.pooler, &self.classifier].into_iter();
        let masked_lm = self.masked_lm.as_ref().map(|head| {
            let own = head.decoder_weight.as_ref().map_or(0, |weight| size_of_val(weight.as_slice()));
            O::linear_bytes(&head.transform) + own + size_of_val(head.decoder_bias.as_slice())
        });
        let linear: usize = layers.chain(heads).map(O::linear_bytes).sum();
        tables.iter().sum::<usize>() + linear + masked_lm.unwrap_or(0)
    }

    /// The decoder of the masked-LM head.
    pub(super) fn decoder<'a>(&'a self, head: &'a MaskedLmHead<O>) -> candle_core::Result<&'a O::Linear> {
        if let Some(decoder) = head.decoder.get() {
            return Ok(decoder);
        }
        let weight = head.decoder_weight.as_ref().unwrap_or(&self.embeddings.words);
        let dense = Dense { weight: weight.clone(), bias: head.decoder_bias.clone() };
        let decoder = self.ops.linear(&dense)?;
        Ok(head.decoder.get_or_init(|| decoder))
    }
}

/// Reads layers from a checkpoint by canonical name.
struct Reader<'a, O> {
    weights: &'a Weights,
    ops: &'a O,
    epsilon: f64,
}

impl<O: Ops> Reader<'_, O> {
    fn dense(&self, name: &str, input: usize, output: usize) -> Result<Dense, LoadError> {
        Ok(Dense {
            weight: self.weights.values(&format!("{name}.weight"), &[output, input])?,
            bias: self.weights.values(&format!("{name}.bias"), &[output])?,
        })
    }

    fn linear(&self, name: &str, input: usize, output: usize) -> Result<O::Linear, LoadError> {
        self.prepared(&self.dense(name, input, output)?, name)
    }

    fn prepared(&self, dense: &Dense, name: &str) -> Result<O::Linear, LoadError> {
        self.ops.linear(dense).map_err(|error| self.weights.fault(&format!("{name}.weight"), error))
    }

    fn norm(&self, name: &str, width: usize) -> Result<O::Norm, LoadError> {
        let weight_name = format!("{name}.weight");
        let parameters = NormParameters {
            weight: self.weights.values(&weight_name, &[width])?,
            bias: self.weights.values(&format!("{name}.bias"), &[width])?,
            epsilon: self.epsilon,
        };
        self.ops.norm(&parameters).map_err(|error| self.weights.fault(&weight_name, error))
    }
}

impl<O: Ops> Layer<O> {
    fn load(reader: &Reader<'_, O>, config: &ModelConfig, index: usize) -> Result<Self, LoadError> {
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let key = reader.dense(&name("attention.self.key"), hidden, hidden)?;
        let value = reader.dense(&name("attention.self.value"), hidden, hidden)?;
        Ok(Layer {
            query: reader.linear(&name("attention.self.query"), hidden, hidden)?,
            key_and_value: reader.prepared(&key.beside(&value), &name("attention.self.key"))?,
            attention_output: reader.linear(&name("attention.output.dense"), hidden, hidden)?,
            attention_norm: reader.norm(&name("attention.output.LayerNorm"), hidden)?,
            intermediate: reader.linear(&name("intermediate.dense"), hidden, intermediate)?,
            output: reader.linear(&name("output.dense"), intermediate, hidden)?,
            output_norm: reader.norm(&name("output.LayerNorm"), hidden)?,
        })
    }
}

impl<O: Ops> MaskedLmHead<O> {
    /// The decoder is tied to the word embeddings unless the checkpoint brings its own.
    fn load(reader: &Reader<'_, O>, config: &ModelConfig) -> Result<Self, LoadError> {
        const DECODER: &str = "cls.predictions.decoder.weight";
        const DECODER_BIAS: &str = "cls.predictions.decoder.bias";
        let (hidden, vocabulary) = (config.hidden_size, config.vocabulary_size);
        let decoder_weight = match reader.weights.contains(DECODER) {
            true => Some(reader.weights.values(DECODER, &[vocabulary, hidden])?),
            false => None,
        };
        let bias_name = match reader.weights.contains(DECODER_BIAS) {
            true => DECODER_BIAS,
            false => "cls.predictions.bias",
        };
        Ok(MaskedLmHead {
            transform: reader.linear("cls.predictions.transform.dense", hidden, hidden)?,
            norm: reader.norm("cls.predictions.transform.LayerNorm", hidden)?,
            decoder: OnceLock::new(),
            decoder_weight,
            decoder_bias: reader.weights.values(bias_name, &[vocabulary])?,
        })
    }
}
