//! The numbers of an answer's attention as tensors, in the format safetensors.
//!
//! The header is written here, since the crate of that name writes metadata in an order that changes from run to
//! run: one answer is to have the same bytes each time.

use serde_json::{Map, Value, json};

use crate::engine::Answer;
use crate::engine::answer::AttentionView;
use crate::explain::attention::statistics::HeadStatistics;

type Statistic = (&'static str, fn(&HeadStatistics) -> f64);

/// What is counted of each head. Answers of earlier versions have the first five alone.
const STATISTICS: [Statistic; 8] = [
    ("entropy", |head| head.entropy),
    ("entropy_normalized", |head| head.entropy_normalized),
    ("entropy_sum", |head| head.entropy_sum),
    ("quality", |head| head.quality),
    ("special_token_mass", |head| head.special_token_mass),
    ("uniformity", |head| head.uniformity),
    ("distance", |head| head.distance),
    ("diagonality", |head| head.diagonality),
];

/// How many of [`STATISTICS`] there always were.
const EARLIER: usize = 5;

/// The attention of an answer as a safetensors file; `None` where there is none.
///
/// Tensors: `weights` `[layers, heads, queries, keys]` or `top_keys` and `top_weights` `[layers, heads, queries, k]`,
/// `rollout` `[queries, keys]`, `norms` `[layers, queries, keys]` where asked for, and `statistics.<name>`
/// `[layers, heads]`. Metadata: `id`, `model`, `fingerprint`, and as JSON `layers`, `heads`, `tokens` (the texts of
/// rows and columns) and `token_indices`.
pub fn answer(answer: &Answer) -> Option<Vec<u8>> {
    let view = answer.attention.as_ref()?;
    let (layers, heads, rows) = (view.layers.len(), view.heads.len(), view.rollout.len());
    let mut file = File::default();
    // Wide numbers come first, so that all are aligned.
    let counted = if view.tokens.is_empty() { EARLIER } else { STATISTICS.len() };
    for (name, statistic) in &STATISTICS[..counted] {
        let values = view.statistics.iter().flatten().map(|head| statistic(head).to_le_bytes());
        file.add(&format!("statistics.{name}"), "F64", &[layers, heads], values);
    }
    if let Some(top) = &view.top {
        let told = || top.iter().flatten().flatten().flatten();
        let shape = [layers, heads, rows, told().count() / (layers * heads * rows).max(1)];
        file.add("top_keys", "I64", &shape, told().map(|(key, _)| (*key as i64).to_le_bytes()));
        file.add("top_weights", "F32", &shape, told().map(|(_, weight)| weight.to_le_bytes()));
    }
    if let Some(weights) = &view.weights {
        let values = weights.iter().flatten().flatten().flatten();
        file.add("weights", "F32", &[layers, heads, rows, rows], values.map(|weight| weight.to_le_bytes()));
    }
    let rollout = view.rollout.iter().flatten();
    file.add("rollout", "F32", &[rows, rows], rollout.map(|weight| weight.to_le_bytes()));
    if let Some(norms) = &view.norms {
        let values = norms.iter().flatten().flatten();
        file.add("norms", "F32", &[layers, rows, rows], values.map(|norm| norm.to_le_bytes()));
    }
    Some(file.finish(metadata(answer, view)))
}

fn metadata(answer: &Answer, view: &AttentionView) -> Value {
    let all = || (0..answer.tokens.len()).collect();
    let indices: Vec<usize> = if view.tokens.is_empty() { all() } else { view.tokens.clone() };
    let texts: Vec<&str> = indices
        .iter()
        .filter_map(|index| answer.tokens.get(*index))
        .map(|token| token.text.as_str())
        .collect();
    json!({
        "id": answer.id,
        "model": answer.model.id,
        "fingerprint": answer.model.fingerprint,
        "layers": json!(view.layers).to_string(),
        "heads": json!(view.heads).to_string(),
        "tokens": json!(texts).to_string(),
        "token_indices": json!(indices).to_string(),
    })
}

/// A file on its way.
#[derive(Default)]
struct File {
    header: Map<String, Value>,
    data: Vec<u8>,
}

impl File {
    /// Adds a tensor, its values row by row and little-endian.
    fn add<const BYTES: usize>(
        &mut self,
        name: &str,
        kind: &str,
        shape: &[usize],
        values: impl Iterator<Item = [u8; BYTES]>,
    ) {
        let start = self.data.len();
        values.for_each(|value| self.data.extend_from_slice(&value));
        let described = json!({"dtype": kind, "shape": shape, "data_offsets": [start, self.data.len()]});
        self.header.insert(name.into(), described);
    }

    /// The bytes: the header's length, the header as JSON, filled up with spaces to whole words, and the values.
    fn finish(mut self, metadata: Value) -> Vec<u8> {
        self.header.insert("__metadata__".into(), metadata);
        let mut header = Value::Object(self.header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(size_of::<u64>()), b' ');
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&self.data);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use safetensors::{Dtype, SafeTensors};

    use super::*;
    use crate::render::sample;

    fn singles(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
        let data = file.tensor(name).unwrap().data().to_vec();
        data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    #[test]
    fn tensors_are_the_numbers_of_the_answer_and_its_bytes_are_the_same_each_time() {
        let told = sample::attention(2, 3, 5);
        let view = told.attention.clone().unwrap();
        let bytes = answer(&told).unwrap();
        assert_eq!(answer(&told).unwrap(), bytes);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let weights = file.tensor("weights").unwrap();
        assert_eq!((weights.dtype(), weights.shape()), (Dtype::F32, &[2, 3, 5, 5][..]));
        assert_eq!(singles(&file, "weights"), view.weights.unwrap().concat().concat().concat());
        assert_eq!(singles(&file, "rollout"), view.rollout.concat());
        assert_eq!(file.tensor("statistics.quality").unwrap().shape(), [2, 3]);
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        assert_eq!((&metadata["id"], &metadata["fingerprint"]), (&told.id, &told.model.fingerprint));
        let texts: Vec<String> = serde_json::from_str(&metadata["tokens"]).unwrap();
        assert!(texts.iter().eq(told.tokens.iter().map(|token| &token.text)));
    }

    #[test]
    fn the_largest_weights_come_with_their_keys_and_an_answer_without_attention_has_no_tensors() {
        let mut told = sample::attention(1, 1, 3);
        let view = told.attention.as_mut().unwrap();
        view.weights = None;
        view.tokens = vec![0, 1, 2];
        view.top = Some(vec![vec![vec![vec![(2, 0.75), (0, 0.25)]; 3]]]);
        view.norms = Some(vec![vec![vec![0.5; 3]; 3]]);
        let bytes = answer(&told).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert!(file.tensor("weights").is_err());
        assert_eq!(file.tensor("top_keys").unwrap().shape(), [1, 1, 3, 2]);
        assert_eq!(file.tensor("top_keys").unwrap().data()[..16], [2u64, 0].map(u64::to_le_bytes).concat());
        assert_eq!(singles(&file, "top_weights"), [0.75, 0.25, 0.75, 0.25, 0.75, 0.25]);
        assert_eq!(singles(&file, "norms"), [0.5; 9]);
        told.attention = None;
        assert_eq!(answer(&told), None);
    }
}
