"""Runs PyTorch and Captum on order. Forward passes are timed from token ids to logits, explanations
from the text to the JSON, as in explaind's `measure`."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmark.classifier import Classifier, Variant
from benchmark.serving import serve, timed


class Orders:
    """What can be ordered."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    def forward(
        self, texts: list[str], repetitions: int = 1, attention: str = "sdpa"
    ) -> Mapping[str, Any]:
        self.classifier.use(attention)
        ids = self.classifier.encode(texts)
        milliseconds, logits = timed(repetitions, lambda: self.classifier.forward(ids))
        return {"milliseconds": milliseconds, "logits": logits.tolist()}

    def attention(self, texts: list[str], repetitions: int = 1) -> Mapping[str, Any]:
        self.classifier.use("eager")
        ids = self.classifier.encode(texts)
        milliseconds, output = timed(repetitions, lambda: self.classifier.attention(ids))
        assert len(output.attentions) == self.classifier.model.config.num_hidden_layers
        return {"milliseconds": milliseconds, "logits": output.logits.tolist()}

    def saliency(
        self, text: str, repetitions: int = 1, attention: str = "sdpa"
    ) -> Mapping[str, Any]:
        self.classifier.use(attention)

        def work() -> Any:
            attribution = self.classifier.saliency(text)
            attribution.json()
            return attribution

        milliseconds, attribution = timed(repetitions, work)
        return {"milliseconds": milliseconds, "scores": attribution.scores}

    def integrated_gradients(
        self, text: str, steps: int, variant: dict[str, Any], repetitions: int = 1
    ) -> Mapping[str, Any]:
        chosen = Variant(**variant)
        self.classifier.use(chosen.attention)

        def work() -> Any:
            attribution = self.classifier.integrated_gradients(text, steps, chosen)
            attribution.json()
            return attribution

        milliseconds, attribution = timed(repetitions, work)
        return {
            "milliseconds": milliseconds,
            "scores": attribution.scores,
            "delta": attribution.delta,
            "tolerance": attribution.tolerance,
        }

    def smallest_steps(self, text: str, variant: dict[str, Any], most: int) -> Mapping[str, Any]:
        chosen = Variant(**variant)
        self.classifier.use(chosen.attention)
        return {"steps": self.classifier.smallest_steps(text, chosen, most)}

    def matrix_product(self, repetitions: int = 1) -> Mapping[str, Any]:
        """The product that most of the time goes into."""
        config = self.classifier.model.config
        rows = torch.randn(256, config.hidden_size)
        weight = torch.randn(config.intermediate_size, config.hidden_size)
        with torch.inference_mode():
            product = lambda: torch.nn.functional.linear(rows, weight)  # noqa: E731
            milliseconds, _ = timed(repetitions, product)
        return {"milliseconds": milliseconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    orders = Orders(Classifier(arguments.model))
    names = [name for name in vars(Orders) if not name.startswith("_")]
    handlers = {name: getattr(orders, name) for name in names}
    greeting = {"ready": True, "instructions": torch.backends.cpu.get_cpu_capability()}
    serve(handlers, greeting | {"libraries": torch.__config__.show()})


if __name__ == "__main__":
    main()
