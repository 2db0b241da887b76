//! `config.json` of a Hugging Face BERT sequence classifier, read strictly: what the encoder cannot
//! honour is an error at start, never a silently different network.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::load_error::{LoadError, read_json};
pub use crate::kernels::activation::Activation;

/// The shape of the network, as `config.json` gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Rows of the word-embedding table.
    pub vocabulary_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Number of encoder layers.
    pub layers: usize,
    /// Attention heads in each layer; divides `hidden_size`.
    pub heads: usize,
    /// Width of the feed-forward layer: its neurons.
    pub intermediate_size: usize,
    /// The feed-forward layer's activation function.
    pub activation: Activation,
    /// Rows of the position table: no text may have more tokens.
    pub positions: usize,
    /// Rows of the token-type table; 1 means the model knows single texts only.
    pub type_vocabulary_size: usize,
    /// The epsilon inside every layer normalisation.
    pub layer_norm_epsilon: f64,
    /// The id of the padding token, where the file gives one.
    pub padding_id: Option<u32>,
    /// Labels in the order of the logits.
    pub labels: Vec<String>,
    /// What the logits mean.
    pub problem: Problem,
}

impl ModelConfig {
    /// Width of one attention head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.heads
    }
}

/// What the logits of a classifier mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Exactly one label holds: softmax over the logits.
    SingleLabel,
    /// Any number of labels hold: a sigmoid for each logit.
    MultiLabel,
    /// One logit, which is the value itself.
    Regression,
}

impl Problem {
    /// The name Hugging Face uses for it in `problem_type`.
    pub fn name(self) -> &'static str {
        match self {
            Problem::SingleLabel => "single_label_classification",
            Problem::MultiLabel => "multi_label_classification",
            Problem::Regression => "regression",
        }
    }
}

/// `config.json` as it stands in the file. Keys that say nothing about inference are not listed.
#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    architectures: Option<Vec<String>>,
    model_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    #[serde(default = "bert_epsilon")]
    layer_norm_eps: f64,
    #[serde(default)]
    pad_token_id: Option<u32>,
    #[serde(default)]
    id2label: Option<BTreeMap<String, String>>,
    #[serde(default)]
    num_labels: Option<usize>,
    #[serde(default)]
    problem_type: Option<String>,
    #[serde(default)]
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

fn two() -> usize {
    2
}

fn bert_epsilon() -> f64 {
    1e-12
}

/// Sizes beyond this are a damaged or hostile file, not a BERT: the largest published ones stay
/// three orders of magnitude below. The bound keeps products of sizes far from overflow.
const LARGEST_SIZE: usize = 1 << 24;

impl ModelConfig {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    /// A file that is missing or not JSON, another architecture, an unknown activation, sizes that
    /// do not fit together, labels that are not numbered 0, 1, 2, …
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let file: ConfigFile = read_json(path)?;
        let fault = |problem: String| LoadError::file(path, problem);

        check_architecture(&file).map_err(fault)?;
        check_sizes(&file).map_err(fault)?;
        let labels = labels(&file).map_err(fault)?;
        let problem = problem(&file, labels.len()).map_err(fault)?;
        Ok(ModelConfig {
            vocabulary_size: file.vocab_size,
            hidden_size: file.hidden_size,
            layers: file.num_hidden_layers,
            heads: file.num_attention_heads,
            intermediate_size: file.intermediate_size,
            activation: activation(&file.hidden_act).map_err(fault)?,
            positions: file.max_position_embeddings,
            type_vocabulary_size: file.type_vocab_size,
            layer_norm_epsilon: file.layer_norm_eps,
            padding_id: file.pad_token_id,
            labels,
            problem,
        })
    }
}

fn check_architecture(file: &ConfigFile) -> Result<(), String> {
    const WANTED: &str = "BertForSequenceClassification";
    if let Some(architectures) = &file.architectures
        && !architectures.iter().any(|name| name == WANTED)
    {
        return Err(format!("architecture {architectures:?} is not supported; explaind serves {WANTED}"));
    }
    match file.model_type.as_deref() {
        Some("bert") => {}
        Some(other) => {
            return Err(format!("model_type `{other}` is not supported; explaind serves `bert`"));
        }
        None if file.architectures.is_some() => {}
        None => return Err(format!("neither model_type nor architectures says that this is a {WANTED}")),
    }
    if file.is_decoder {
        return Err("is_decoder is true; explaind serves encoders".into());
    }
    match file.position_embedding_type.as_deref() {
        None | Some("absolute") => Ok(()),
        Some(other) => Err(format!("position_embedding_type `{other}` is not supported; only `absolute` is")),
    }
}

fn check_sizes(file: &ConfigFile) -> Result<(), String> {
    let sizes = [
        ("vocab_size", file.vocab_size),
        ("hidden_size", file.hidden_size),
        ("num_hidden_layers", file.num_hidden_layers),
        ("num_attention_heads", file.num_attention_heads),
        ("intermediate_size", file.intermediate_size),
        ("max_position_embeddings", file.max_position_embeddings),
        ("type_vocab_size", file.type_vocab_size),
    ];
    for (name, size) in sizes {
        if size == 0 || size > LARGEST_SIZE {
            return Err(format!("{name} is {size}; expected 1 to {LARGEST_SIZE}"));
        }
    }
    if !file.hidden_size.is_multiple_of(file.num_attention_heads) {
        return Err(format!(
            "hidden_size {} is not a multiple of num_attention_heads {}",
            file.hidden_size, file.num_attention_heads
        ));
    }
    if !(file.layer_norm_eps >= 0.0 && file.layer_norm_eps < 1.0) {
        return Err(format!("layer_norm_eps is {}; expected 0 to 1", file.layer_norm_eps));
    }
    if let Some(id) = file.pad_token_id
        && id as usize >= file.vocab_size
    {
        return Err(format!("pad_token_id {id} is outside the vocabulary of {}", file.vocab_size));
    }
    Ok(())
}

fn activation(name: &str) -> Result<Activation, String> {
    match name {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        "silu" | "swish" => Ok(Activation::Silu),
        other => Err(format!("hidden_act `{other}` is not supported; gelu, gelu_new, relu and silu are")),
    }
}

fn labels(file: &ConfigFile) -> Result<Vec<String>, String> {
    let Some(by_id) = &file.id2label else {
        // What transformers does with a config that names no labels.
        let count = file.num_labels.unwrap_or(2);
        if count == 0 || count > LARGEST_SIZE {
            return Err(format!("num_labels is {count}; expected at least 1"));
        }
        return Ok((0..count).map(|index| format!("LABEL_{index}")).collect());
    };
    let labels = (0..by_id.len())
        .map(|index| {
            by_id
                .get(&index.to_string())
                .cloned()
                .ok_or_else(|| format!("id2label has {} entries but none for id {index}", by_id.len()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if labels.is_empty() {
        return Err("id2label is empty".into());
    }
    for (index, label) in labels.iter().enumerate() {
        if labels[..index].contains(label) {
            return Err(format!("id2label names `{label}` twice; labels must differ to be asked for"));
        }
    }
    match file.num_labels {
        Some(count) if count != labels.len() => {
            Err(format!("num_labels is {count} but id2label has {} entries", labels.len()))
        }
        _ => Ok(labels),
    }
}

fn problem(file: &ConfigFile, label_count: usize) -> Result<Problem, String> {
    match file.problem_type.as_deref() {
        Some("single_label_classification") => Ok(Problem::SingleLabel),
        Some("multi_label_classification") => Ok(Problem::MultiLabel),
        Some("regression") if label_count == 1 => Ok(Problem::Regression),
        Some("regression") => {
            Err(format!("problem_type is regression with {label_count} outputs; explaind serves one value"))
        }
        Some(other) => Err(format!("problem_type `{other}` is not known")),
        // transformers' own rule where the config is silent.
        None if label_count == 1 => Ok(Problem::Regression),
        None => Ok(Problem::SingleLabel),
    }
}
