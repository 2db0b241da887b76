"""Runs an exported classifier in ONNX Runtime on order."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from transformers import AutoTokenizer

from benchmark.serving import serve, timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        str(arguments.graph), options, providers=["CPUExecutionProvider"]
    )
    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)

    def forward(texts: list[str], repetitions: int = 1) -> Mapping[str, Any]:
        ids = {"input_ids": np.array(tokenizer(texts)["input_ids"], dtype=np.int64)}
        milliseconds, outputs = timed(repetitions, lambda: session.run(["logits"], ids))
        return {"milliseconds": milliseconds, "logits": outputs[0].tolist()}

    serve({"forward": forward}, {"ready": True})


if __name__ == "__main__":
    main()
