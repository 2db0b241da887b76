//! Golden values: cases of text with the tensors that PyTorch, Captum and SciPy made of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use explaind::kernels::simd::InstructionSet;
use explaind::model::kernel_ops::KernelOps;
use explaind::model::{EncodedText, Model, Operators, Text};
use serde_json::Value;

/// All cases of one model.
pub struct Golden {
    pub model: Arc<Model>,
    pub cases: Vec<Case>,
}

/// One text with its golden tensors.
pub struct Case {
    pub model: String,
    pub id: String,
    pub text: String,
    pub text_pair: Option<String>,
    pub ids: Vec<u32>,
    pub type_ids: Vec<u32>,
    pub special: Vec<bool>,
    pub predicted: usize,
    /// Whether it has every kind of golden value.
    pub full: bool,
    pub interventions: Value,
    /// The case as it stands in the JSON.
    pub described: Value,
    tensors: HashMap<String, Tensor>,
}

/// The tiny models of the fixtures.
const TINY: [&str; 8] =
    ["three-labels", "multi-label", "regression", "pairs", "cased", "gelu-new", "one-type-id", "chinese"];

/// The models that have golden values of concepts.
pub const WITH_CONCEPTS: [&str; 5] = ["three-labels", "multi-label", "regression", "pairs", BUNDLED];

/// The models that have golden values of causes: of texts with inner values of their counterfactuals.
pub const WITH_CAUSES: [&str; 5] = WITH_CONCEPTS;

/// The models with a masked-LM head.
pub const WITH_MASKED_LM: [&str; 2] = ["three-labels", BUNDLED];

/// The bundled model's id and directory.
pub const BUNDLED: &str = "movie-reviews";

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Where a model of the fixtures, or the bundled one, lives.
pub fn model_directory(name: &str) -> PathBuf {
    match name {
        BUNDLED => Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(BUNDLED),
        tiny => fixtures().join("models").join(tiny),
    }
}

pub fn load(name: &str) -> Arc<Model> {
    Arc::new(Model::load(name, &model_directory(name)).unwrap_or_else(|error| panic!("{error}")))
}

impl Golden {
    /// Every model that has golden values, eight tiny ones and the bundled one, on our kernels and on
    /// candle; the tiny ones also on the kernels' slower instructions.
    pub fn all() -> Vec<Golden> {
        let kernels = |set| Operators::Kernels(KernelOps::on(set));
        let sets = InstructionSet::available();
        let slow = TINY.into_iter().flat_map(|name| sets[1..].iter().map(move |set| (name, kernels(*set))));
        Self::on_fast_operators().chain(slow).map(|(name, on)| Golden::on(name, name, &on)).collect()
    }

    /// The same models with golden values of all methods, on our kernels and on candle.
    pub fn of_methods() -> Vec<Golden> {
        let file = |name: &str| format!("methods-{name}");
        Self::on_fast_operators().map(|(name, on)| Golden::on(name, &file(name), &on)).collect()
    }

    /// The models with golden values of concepts, on our kernels and on candle.
    pub fn of_concepts() -> Vec<Golden> {
        Self::of_group("concepts", &WITH_CONCEPTS)
    }

    /// Texts and counterfactuals with inner values of each other, on our kernels and on candle.
    pub fn of_causes() -> Vec<Golden> {
        Self::of_group("causes", &WITH_CAUSES)
    }

    /// How likely tokens and words are to the models with a masked-LM head, on our kernels and on candle.
    pub fn of_masked_words() -> Vec<Golden> {
        Self::of_group("masked-words", &WITH_MASKED_LM)
    }

    /// One long text in windows, of the bundled model.
    pub fn of_windows() -> Golden {
        Golden::on(BUNDLED, "windows", &Operators::Kernels(KernelOps::best()))
    }

    fn of_group(group: &str, models: &[&str]) -> Vec<Golden> {
        let models = Self::on_fast_operators().filter(|(name, _)| models.contains(name));
        models.map(|(name, on)| Golden::on(name, &format!("{group}-{name}"), &on)).collect()
    }

    fn on_fast_operators() -> impl Iterator<Item = (&'static str, Operators)> {
        let fast = [Operators::Kernels(KernelOps::best()), Operators::Candle(Device::Cpu)];
        let all = TINY.into_iter().chain([BUNDLED]);
        all.flat_map(move |name| fast.clone().into_iter().map(move |operators| (name, operators)))
    }

    pub fn of(name: &str) -> Golden {
        Golden::on(name, name, &Operators::Kernels(KernelOps::best()))
    }

    fn on(name: &str, file: &str, operators: &Operators) -> Golden {
        let directory = fixtures().join("golden");
        let described: Value =
            serde_json::from_slice(&std::fs::read(directory.join(format!("{file}.json"))).unwrap()).unwrap();
        let tensors =
            candle_core::safetensors::load(directory.join(format!("{file}.safetensors")), &Device::Cpu)
                .unwrap();
        let cases = described["cases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|case| Case::new(name, case, &tensors))
            .collect();
        let model = Model::load_on(name, &model_directory(name), operators);
        Golden { model: Arc::new(model.unwrap_or_else(|error| panic!("{error}"))), cases }
    }
}

impl Case {
    fn new(model: &str, described: &Value, all: &HashMap<String, Tensor>) -> Self {
        let id = described["id"].as_str().unwrap().to_owned();
        let prefix = format!("{id}.");
        let tensors: HashMap<String, Tensor> = all
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone())))
            .collect();
        let ids = |name: &str| token_ids(&tensors[name]);
        Case {
            model: model.to_owned(),
            text: described["text"].as_str().unwrap().to_owned(),
            text_pair: described["text_pair"].as_str().map(str::to_owned),
            ids: ids("input_ids"),
            type_ids: ids("token_type_ids"),
            special: described["special"].as_array().unwrap().iter().map(|s| s.as_u64() == Some(1)).collect(),
            predicted: described["predicted"].as_u64().unwrap() as usize,
            full: described["full"].as_bool().unwrap(),
            interventions: described["interventions"].clone(),
            described: described.clone(),
            id,
            tensors,
        }
    }

    pub fn encode(&self, model: &Model) -> EncodedText {
        let text = Text { first: &self.text, second: self.text_pair.as_deref() };
        model.encode(text, false).unwrap_or_else(|error| panic!("{} {}: {error}", self.model, self.id))
    }

    /// The text that this one is contrasted with, of as many tokens.
    pub fn counterfactual(&self) -> Text<'_> {
        let described = &self.described["counterfactual"];
        Text { first: described["text"].as_str().unwrap(), second: described["text_pair"].as_str() }
    }

    /// How many neurons are set together.
    pub fn group_size(&self) -> usize {
        self.described["group_size"].as_u64().unwrap() as usize
    }

    /// The tokens of the word in whose place there is one [MASK].
    pub fn masked_positions(&self) -> Vec<usize> {
        let positions = self.described["word"]["positions"].as_array().unwrap().iter();
        positions.map(|position| position.as_u64().unwrap() as usize).collect()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn get(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).cloned()
    }

    pub fn tensor(&self, name: &str) -> Tensor {
        self.get(name).unwrap_or_else(|| panic!("{} {} has no golden `{name}`", self.model, self.id))
    }

    pub fn ids(&self, name: &str) -> Vec<u32> {
        token_ids(&self.tensor(name))
    }

    pub fn singles(&self, name: &str) -> Vec<f32> {
        self.tensor(name).flatten_all().unwrap().to_vec1::<f32>().unwrap()
    }

    pub fn values(&self, name: &str) -> Vec<f64> {
        self.singles(name).into_iter().map(f64::from).collect()
    }

    /// Checks what this case has a golden value for.
    pub fn when(&self, name: &str, check: impl FnOnce(&str)) {
        if self.tensors.contains_key(name) {
            check(name);
        }
    }
}

fn token_ids(tensor: &Tensor) -> Vec<u32> {
    tensor.to_vec1::<i64>().unwrap().into_iter().map(|id| id as u32).collect()
}

pub fn assert_values(case: &Case, name: &str, ours: &[f32], tolerance: f64) {
    let ours: Vec<f64> = ours.iter().copied().map(f64::from).collect();
    assert_close(&format!("{} {}.{name}", case.model, case.id), &ours, &case.values(name), tolerance);
}

/// ‖ours − golden‖∞ ≤ tolerance · ‖golden‖∞.
pub fn assert_close(what: &str, ours: &[f64], golden: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), golden.len(), "{what}: length");
    let largest = golden.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let apart = ours.iter().zip(golden).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(
        apart <= tolerance * largest && largest.is_finite(),
        "{what}: apart by {apart:.3e} of {largest:.3e}"
    );
}
