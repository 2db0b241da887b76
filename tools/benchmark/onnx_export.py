"""Exports a classifier for ONNX Runtime."""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmark.classifier import Classifier


class Logits(nn.Module):
    """Token ids to logits, and nothing else."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.model(input_ids).logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--graph", type=Path, required=True)
    arguments = parser.parse_args()
    network = Logits(Classifier(arguments.model).model).eval()
    # Two texts: a batch of one would be taken for a constant.
    example = torch.randint(1000, 2000, (2, 16))
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens", max=512)
    arguments.graph.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        network,
        (example,),
        arguments.graph,
        input_names=["input_ids"],
        output_names=["logits"],
        dynamic_shapes={"input_ids": {0: batch, 1: tokens}},
        dynamo=True,
    )


if __name__ == "__main__":
    main()
