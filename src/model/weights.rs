//! Safetensors files, one or sharded, as a table of `f32` tensors under canonical names.
//!
//! Canonical names carry no `bert.` prefix, and layer normalisations have `weight` and `bias` where
//! old checkpoints say `gamma` and `beta`. Errors speak of the names in the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Deserialize;

use super::load_error::{LoadError, read_file, read_json};

/// The tensors of a checkpoint, still in their files' bytes.
pub struct Weights {
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Canonical name → (index into `files`, name in that file).
    names: BTreeMap<String, (usize, String)>,
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

impl Weights {
    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// No such file, a damaged one, a shard that lacks a tensor the index promises, or two tensors
    /// under one canonical name.
    pub fn open(directory: &Path) -> Result<Self, LoadError> {
        let mut weights = Weights { files: Vec::new(), names: BTreeMap::new() };
        let single = directory.join(SINGLE);
        let index = directory.join(INDEX);
        if single.exists() {
            weights.add_file(&single)?;
        } else if index.exists() {
            weights.add_shards(directory, &index)?;
        } else {
            let problem = format!(
                "has neither {SINGLE} nor {INDEX}; a checkpoint in another format can be converted \
                 with transformers' save_pretrained(…, safe_serialization=True)"
            );
            return Err(LoadError::file(directory, problem));
        }
        Ok(weights)
    }

    fn add_shards(&mut self, directory: &Path, index: &Path) -> Result<(), LoadError> {
        let ShardIndex { weight_map } = read_json(index)?;
        let mut shards: Vec<&String> = weight_map.values().collect();
        shards.sort();
        shards.dedup();
        for shard in shards {
            if Path::new(shard).file_name() != Some(shard.as_ref()) {
                return Err(LoadError::file(
                    index,
                    format!("names the shard `{shard}`, which is not a plain file name"),
                ));
            }
            self.add_file(&directory.join(shard))?;
        }
        for (tensor, shard) in &weight_map {
            let path = directory.join(shard);
            let found =
                self.names.get(&canonical(tensor)).is_some_and(|(file, _)| self.files[*file].0 == path);
            if !found {
                return Err(LoadError::tensor(
                    &path,
                    tensor,
                    format!("is missing, though {INDEX} says it is here"),
                ));
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let bytes = read_file(path)?;
        let tensors = parse(path, &bytes)?;
        let file = self.files.len();
        for name in tensors.names() {
            let earlier = self.names.insert(canonical(name), (file, name.to_owned()));
            if let Some((_, other)) = earlier {
                return Err(LoadError::tensor(
                    path,
                    name,
                    format!("stands for the same weights as `{other}`"),
                ));
            }
        }
        self.files.push((path.to_owned(), bytes));
        Ok(())
    }

    /// Whether a tensor of this canonical name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The shape of a tensor by canonical name.
    ///
    /// # Errors
    /// There is no such tensor.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>, LoadError> {
        self.with_view(name, |_, _, view| Ok(view.shape().to_vec()))
    }

    /// The numbers of the tensor of a canonical name, which must have exactly this shape and be finite.
    ///
    /// # Errors
    /// Missing, of another shape, of a type that holds no floating-point numbers, or with an entry
    /// that is not finite.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        self.with_view(name, |path, stored, view| {
            if view.shape() != shape {
                let problem = format!("has shape {:?}, but config.json asks for {shape:?}", view.shape());
                return Err(LoadError::tensor(path, stored, problem));
            }
            let values = decode(view).map_err(|problem| LoadError::tensor(path, stored, problem))?;
            if let Some(position) = values.iter().position(|value| !value.is_finite()) {
                let problem = format!("entry {position} is {}, not a finite number", values[position]);
                return Err(LoadError::tensor(path, stored, problem));
            }
            Ok(values)
        })
    }

    fn with_view<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Path, &str, &TensorView<'_>) -> Result<T, LoadError>,
    ) -> Result<T, LoadError> {
        let Some((file, stored)) = self.names.get(name) else {
            let (path, _) = &self.files[0];
            return Err(LoadError::tensor(path, name, "is missing"));
        };
        let (path, bytes) = &self.files[*file];
        let tensors = parse(path, bytes)?;
        let view = tensors.tensor(stored).map_err(|error| LoadError::tensor(path, stored, error))?;
        read(path, stored, &view)
    }

    /// A fault with a tensor by canonical name that came to light after it was read.
    pub fn fault(&self, name: &str, problem: impl std::fmt::Display) -> LoadError {
        match self.names.get(name) {
            Some((file, stored)) => LoadError::tensor(&self.files[*file].0, stored, problem),
            None => LoadError::tensor(&self.files[0].0, name, problem),
        }
    }

    /// The files' paths and bytes in the order they were read, for the fingerprint.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_path(), bytes.as_slice()))
    }
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, LoadError> {
    SafeTensors::deserialize(bytes)
        .map_err(|error| LoadError::file(path, format!("is not a whole safetensors file: {error}")))
}

fn canonical(name: &str) -> String {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    if let Some(stem) = name.strip_suffix("LayerNorm.gamma") {
        format!("{stem}LayerNorm.weight")
    } else if let Some(stem) = name.strip_suffix("LayerNorm.beta") {
        format!("{stem}LayerNorm.bias")
    } else {
        name.to_owned()
    }
}

fn decode(view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Ok(data.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect()),
        Dtype::BF16 => Ok(data.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect()),
        other => Err(format!("is stored as {other:?}; F32, F16 and BF16 are supported")),
    }
}
