"""The models that are measured: the bundled one, and random ones of other shapes, made once and
kept in a cache directory."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .workers import TOOLS

BUNDLED = TOOLS.parent / "models" / "movie-reviews"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
SEED = 20


@dataclass(frozen=True)
class Shape:
    """The shape of a network."""

    layers: int
    hidden: int
    heads: int
    intermediate: int


@dataclass(frozen=True)
class MeasuredModel:
    """A model with its directory."""

    name: str
    shape: Shape
    directory: Path


BUNDLED_SHAPE = Shape(layers=6, hidden=384, heads=12, intermediate=1536)
BASE_SHAPE = Shape(layers=12, hidden=768, heads=12, intermediate=3072)


def bundled() -> MeasuredModel:
    return MeasuredModel("movie-reviews", BUNDLED_SHAPE, BUNDLED)


def base(cache: Path) -> MeasuredModel:
    """Of BERT base's shape."""
    return random_model("BERT base's shape", BASE_SHAPE, cache)


def of_layers(layers: int, cache: Path) -> MeasuredModel:
    """The bundled model's shape with another number of layers."""
    shape = Shape(layers, BUNDLED_SHAPE.hidden, BUNDLED_SHAPE.heads, BUNDLED_SHAPE.intermediate)
    return random_model(f"{layers} layers", shape, cache)


def random_model(name: str, shape: Shape, cache: Path) -> MeasuredModel:
    """A network with random weights and the bundled tokenizer."""
    parts = (shape.layers, shape.hidden, shape.heads, shape.intermediate)
    directory = cache / f"random-{'-'.join(map(str, parts))}"
    if not (directory / "model.safetensors").exists():
        # Made beside its place and moved there whole: an interrupted one is not taken for a model.
        unfinished = directory.with_name(directory.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        write_random_model(shape, unfinished)
        for file in TOKENIZER_FILES:
            shutil.copy(BUNDLED / file, unfinished)
        unfinished.rename(directory)
    return MeasuredModel(name, shape, directory)


def write_random_model(shape: Shape, directory: Path) -> None:
    """With labels and a classifier, and weights as BERT is initialised."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, logging

    logging.disable_progress_bar()
    torch.manual_seed(SEED)
    config = BertConfig(
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
        problem_type="single_label_classification",
    )
    model = BertForSequenceClassification(config).eval()
    # Logits of a trained classifier's size; as initialised, they would hardly differ from nought.
    torch.nn.init.normal_(model.classifier.weight, std=2.0 / shape.hidden**0.5)
    model.save_pretrained(directory)


def onnx_graph(model: MeasuredModel, cache: Path) -> Path:
    """The model as ONNX Runtime takes it, exported once."""
    # By size and age of the weights, so that a model that is trained again is exported again.
    weights = (model.directory / "model.safetensors").stat()
    name = f"{model.directory.name}-{weights.st_size}-{int(weights.st_mtime)}"
    graph = cache / "onnx" / name / "model.onnx"
    if not graph.exists():
        unfinished = graph.parent.with_name(name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [sys.executable, "-m", "benchmark.onnx_export"]
        command += ["--model", str(model.directory), "--graph", str(unfinished / graph.name)]
        done = subprocess.run(command, cwd=TOOLS, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"the export of {model.name} failed:\n{done.stderr[-2000:]}")
        unfinished.rename(graph.parent)
    return graph


def float32_bytes(model: MeasuredModel) -> int:
    """What the classifier's weights take as f32, without heads that it has no use for."""
    from safetensors import safe_open

    total = 0
    with safe_open(model.directory / "model.safetensors", framework="numpy") as weights:
        for name in weights.keys():
            if name.startswith(("bert.", "classifier.")):
                count = 1
                for extent in weights.get_slice(name).get_shape():
                    count *= extent
                total += 4 * count
    return total
