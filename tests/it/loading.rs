//! Model directories: what loads, and what is refused with the file and the tensor named.

use std::fs;
use std::path::Path;

use crate::support::golden::model_directory;
use explaind::model::{LoadError, Model, Text};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

/// A copy of a tiny model to spoil.
fn copy(name: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(model_directory(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
    }
    directory
}

fn load(directory: &Path) -> Result<Model, LoadError> {
    Model::load("tiny", directory)
}

fn refusal(directory: &Path) -> LoadError {
    match load(directory) {
        Ok(_) => panic!("the model should have been refused"),
        Err(error) => error,
    }
}

/// Loads a copy of `three-labels` with its `config.json` changed.
fn refusal_with_config(change: impl FnOnce(&mut Value)) -> String {
    let directory = copy("three-labels");
    let path = directory.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    fs::write(&path, config.to_string()).unwrap();
    let error = refusal(directory.path());
    assert_eq!(error.file.file_name().unwrap(), "config.json", "{error}");
    error.problem
}

/// A tensor as it stands in a file: type, shape, bytes.
type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// Rewrites the tensors of a copy; `change` gives a tensor's new shape and bytes, or drops it.
fn rewrite(directory: &Path, change: impl Fn(&str, Vec<usize>, Vec<u8>) -> Option<Stored>) {
    let path = directory.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let kept: Vec<(String, Stored)> = tensors
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| {
            let changed = change(&name, view.shape().to_vec(), view.data().to_vec())?;
            Some((name, changed))
        })
        .collect();
    let views = kept.iter().map(|(name, (dtype, shape, data))| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn every_layout_of_a_model_directory_loads() {
    for name in
        ["three-labels", "multi-label", "regression", "pairs", "cased", "gelu-new", "one-type-id", "chinese"]
    {
        let model = load(&model_directory(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(model.fingerprint().len(), 64, "{name}");
    }
}

#[test]
fn labels_and_problem_follow_the_config() {
    let unnamed = load(&model_directory("gelu-new")).unwrap();
    assert_eq!(unnamed.config().labels, ["LABEL_0", "LABEL_1"]);
    let regression = load(&model_directory("regression")).unwrap();
    assert_eq!(regression.config().problem.name(), "regression");
    let multi_label = load(&model_directory("multi-label")).unwrap();
    assert_eq!(multi_label.config().problem.name(), "multi_label_classification");
}

#[test]
fn a_changed_label_weight_or_token_changes_the_fingerprint_and_a_moved_directory_does_not() {
    let original = load(&model_directory("three-labels")).unwrap().fingerprint().to_owned();
    let moved = copy("three-labels");
    assert_eq!(load(moved.path()).unwrap().fingerprint(), original);

    let relabelled = copy("three-labels");
    let path = relabelled.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["id2label"]["0"] = json!("renamed");
    fs::write(&path, config.to_string()).unwrap();

    let reweighted = copy("three-labels");
    rewrite(reweighted.path(), |name, shape, mut data| {
        if name == "classifier.bias" {
            data[0] ^= 1;
        }
        Some((Dtype::F32, shape, data))
    });

    let retokenised = copy("three-labels");
    let path = retokenised.path().join("tokenizer.json");
    let spaced = format!("{}\n", fs::read_to_string(&path).unwrap());
    fs::write(&path, spaced).unwrap();

    for changed in [relabelled, reweighted, retokenised] {
        assert_ne!(load(changed.path()).unwrap().fingerprint(), original);
    }
}

#[test]
fn another_network_than_bert_is_refused_by_name() {
    let roberta = refusal_with_config(|config| {
        config["architectures"] = json!(["RobertaForSequenceClassification"]);
        config["model_type"] = json!("roberta");
    });
    assert!(roberta.contains("RobertaForSequenceClassification"), "{roberta}");
    let masked_lm = refusal_with_config(|config| config["architectures"] = json!(["BertForMaskedLM"]));
    assert!(masked_lm.contains("BertForMaskedLM"), "{masked_lm}");
    let relative = refusal_with_config(|config| config["position_embedding_type"] = json!("relative_key"));
    assert!(relative.contains("relative_key"), "{relative}");
    let activation = refusal_with_config(|config| config["hidden_act"] = json!("mish"));
    assert!(activation.contains("mish"), "{activation}");
    let decoder = refusal_with_config(|config| config["is_decoder"] = json!(true));
    assert!(decoder.contains("is_decoder"), "{decoder}");
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    for (key, value) in [
        ("hidden_size", json!(0)),
        ("hidden_size", json!(25)),
        ("num_hidden_layers", json!(0)),
        ("num_attention_heads", json!(7)),
        ("vocab_size", json!(u64::MAX)),
        ("max_position_embeddings", json!(-1)),
        ("layer_norm_eps", json!(-1.0)),
        ("pad_token_id", json!(1_000_000)),
        ("intermediate_size", json!("many")),
    ] {
        let problem = refusal_with_config(|config| config[key] = value.clone());
        assert!(!problem.is_empty(), "{key} = {value}");
    }
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    let gap = refusal_with_config(|config| config["id2label"] = json!({"0": "a", "2": "b"}));
    assert!(gap.contains("id 1"), "{gap}");
    let twice = refusal_with_config(|config| config["id2label"] = json!({"0": "a", "1": "b", "2": "a"}));
    assert!(twice.contains("`a`"), "{twice}");
    let too_few = refusal_with_config(|config| config["id2label"] = json!({"0": "a", "1": "b"}));
    assert!(too_few.contains("classifier.weight"), "{too_few}");
    let regression = refusal_with_config(|config| config["problem_type"] = json!("regression"));
    assert!(regression.contains("3 outputs"), "{regression}");
}

#[test]
fn a_missing_file_is_named() {
    for (file, named) in [
        ("config.json", "config.json"),
        ("tokenizer.json", "tokenizer.json"),
        ("model.safetensors", "model.safetensors"),
    ] {
        let directory = copy("three-labels");
        fs::remove_file(directory.path().join(file)).unwrap();
        let error = refusal(directory.path()).to_string();
        assert!(error.contains(named), "{error}");
    }
    let nowhere = refusal(Path::new("/nowhere/at/all"));
    assert!(nowhere.to_string().contains("/nowhere/at/all"));
}

#[test]
fn a_missing_tensor_is_named_with_its_file() {
    let directory = copy("three-labels");
    rewrite(directory.path(), |name, shape, data| {
        (!name.ends_with("layer.1.output.dense.weight")).then_some((Dtype::F32, shape, data))
    });
    let error = refusal(directory.path());
    assert_eq!(error.tensor.as_deref(), Some("encoder.layer.1.output.dense.weight"), "{error}");
    assert_eq!(error.file.file_name().unwrap(), "model.safetensors");
}

#[test]
fn a_tensor_of_another_shape_type_or_with_a_nan_is_named() {
    const TENSOR: &str = "bert.encoder.layer.0.attention.self.query.weight";
    let spoil = |spoil: fn(Vec<usize>, Vec<u8>) -> Stored| {
        let directory = copy("three-labels");
        rewrite(directory.path(), |name, shape, data| {
            Some(if name == TENSOR { spoil(shape, data) } else { (Dtype::F32, shape, data) })
        });
        let error = refusal(directory.path());
        assert_eq!(error.tensor.as_deref(), Some(TENSOR), "{error}");
        error.problem
    };
    let shape = spoil(|shape, data| (Dtype::F32, vec![shape[0] / 2, shape[1] * 2], data));
    assert!(shape.contains("[12, 48]") && shape.contains("[24, 24]"), "{shape}");
    let integers = spoil(|shape, data| (Dtype::I32, shape, data));
    assert!(integers.contains("I32"), "{integers}");
    let nan = spoil(|shape, mut data| {
        data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        (Dtype::F32, shape, data)
    });
    assert!(nan.contains("NaN"), "{nan}");
}

#[test]
fn damaged_and_hostile_weight_files_are_refused_without_a_panic() {
    let whole = fs::read(model_directory("three-labels").join("model.safetensors")).unwrap();
    let header = |json: &str| {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes
    };
    let hostile: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0; 7],
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        [whole.clone(), vec![0; 8]].concat(),
        u64::MAX.to_le_bytes().to_vec(),
        header("{}"),
        header("not json"),
        header(&"[".repeat(100_000)),
        header(
            r#"{"classifier.weight":{"dtype":"F32","shape":[3,24],"data_offsets":[0,18446744073709551615]}}"#,
        ),
        header(
            r#"{"classifier.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
        ),
        header(r#"{"classifier.weight":{"dtype":"F32","shape":[3,24],"data_offsets":[8,4]}}"#),
        b"PK\x03\x04 this is a zip file, as pytorch writes them".to_vec(),
    ];
    for bytes in hostile {
        let directory = copy("three-labels");
        fs::write(directory.path().join("model.safetensors"), &bytes).unwrap();
        let error = refusal(directory.path());
        assert_eq!(error.file.file_name().unwrap(), "model.safetensors", "{error}");
    }
}

#[test]
fn one_weight_under_two_names_is_refused() {
    let directory = copy("three-labels");
    let path = directory.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut views: Vec<(String, TensorView<'_>)> = tensors.tensors();
    let pooler = tensors.tensor("bert.pooler.dense.bias").unwrap();
    views.push(("pooler.dense.bias".into(), pooler));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let error = refusal(directory.path());
    assert!(error.to_string().contains("pooler.dense.bias"), "{error}");
}

#[test]
fn shards_that_are_missing_or_lie_elsewhere_are_refused() {
    let index = |directory: &Path| directory.join("model.safetensors.index.json");
    let change = |change: fn(&mut Value)| {
        let directory = copy("pairs");
        let path = index(directory.path());
        let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(&path, value.to_string()).unwrap();
        refusal(directory.path()).to_string()
    };
    let outside = change(|index| index["weight_map"]["classifier.bias"] = json!("../../etc/passwd"));
    assert!(outside.contains("plain file name"), "{outside}");
    let absent =
        change(|index| index["weight_map"]["classifier.bias"] = json!("model-00009-of-00009.safetensors"));
    assert!(absent.contains("model-00009-of-00009.safetensors"), "{absent}");
    let promised = change(|index| {
        let shard = index["weight_map"]["classifier.bias"].clone();
        index["weight_map"]["classifier.extra"] = shard;
    });
    assert!(promised.contains("classifier.extra"), "{promised}");
}

#[test]
fn a_tokenizer_that_does_not_fit_the_model_is_refused() {
    let larger = copy("three-labels");
    fs::copy(model_directory("cased").join("vocab.txt"), larger.path().join("vocab.txt")).unwrap();
    fs::remove_file(larger.path().join("tokenizer.json")).unwrap();
    let words: String = (0..400).map(|word| format!("w{word}\n")).collect();
    let vocabulary = format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{words}");
    fs::write(larger.path().join("vocab.txt"), vocabulary).unwrap();
    let error = refusal(larger.path());
    assert_eq!(error.file.file_name().unwrap(), "vocab.txt");
    assert!(error.problem.contains("vocab_size"), "{error}");

    let without_special = copy("cased");
    fs::write(without_special.path().join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\nword\n").unwrap();
    let error = refusal(without_special.path());
    assert!(error.problem.contains("[SEP]"), "{error}");

    for damaged in ["", "{}", "[1, 2", "{\"model\": {\"type\": \"Unknown\"}}"] {
        let directory = copy("three-labels");
        fs::write(directory.path().join("tokenizer.json"), damaged).unwrap();
        assert_eq!(refusal(directory.path()).file.file_name().unwrap(), "tokenizer.json");
    }
}

#[test]
fn tokenizer_settings_win_over_the_tokenizer_file_as_in_transformers() {
    let directory = copy("three-labels");
    let ids = |directory: &Path| {
        load(directory).unwrap().encode(Text { first: "The FILM is good", second: None }, false).unwrap().ids
    };
    let lower = ids(directory.path());
    let settings = directory.path().join("tokenizer_config.json");
    fs::write(&settings, r#"{"do_lower_case": false}"#).unwrap();
    let cased = ids(directory.path());
    assert_ne!(cased, lower);
    assert_eq!(cased[3], lower[3], "`is` is the same either way");
    assert_ne!(cased[2], lower[2], "`FILM` is not");
    fs::write(&settings, r#"{"model_max_length": 512}"#).unwrap();
    assert_eq!(ids(directory.path()), lower);
}

#[test]
fn settings_that_a_vocabulary_alone_cannot_follow_are_refused() {
    for (settings, named) in [
        (json!({"added_tokens_decoder": {"9": {"content": "xyzzy"}}}), "xyzzy"),
        (json!({"do_basic_tokenize": false}), "do_basic_tokenize"),
        (json!({"never_split": ["don't"]}), "never_split"),
    ] {
        let directory = copy("cased");
        fs::write(directory.path().join("tokenizer_config.json"), settings.to_string()).unwrap();
        let error = refusal(directory.path());
        assert_eq!(error.file.file_name().unwrap(), "tokenizer_config.json");
        assert!(error.problem.contains(named), "{error}");
    }
    let directory = copy("cased");
    fs::write(directory.path().join("added_tokens.json"), r#"{"xyzzy": 9}"#).unwrap();
    assert_eq!(refusal(directory.path()).file.file_name().unwrap(), "added_tokens.json");
}

#[test]
fn a_tokenizer_that_puts_nothing_before_the_text_is_refused() {
    let directory = copy("three-labels");
    let path = directory.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    tokenizer["post_processor"] = Value::Null;
    fs::write(&path, tokenizer.to_string()).unwrap();
    let error = refusal(directory.path());
    assert!(error.problem.contains("special token"), "{error}");
}

/// A tokenizer file may carry the padding and cutting of its training run.
#[test]
fn text_is_never_padded_or_cut_by_settings_hidden_in_the_tokenizer() {
    let directory = copy("three-labels");
    let path = directory.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    tokenizer["truncation"] =
        json!({"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0});
    tokenizer["padding"] = json!({"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"});
    fs::write(&path, tokenizer.to_string()).unwrap();
    let ids = |directory: &Path| {
        let text = Text { first: "the film is good and the story too", second: None };
        load(directory).unwrap().encode(text, false).unwrap().ids
    };
    assert_eq!(ids(directory.path()), ids(&model_directory("three-labels")));
}
