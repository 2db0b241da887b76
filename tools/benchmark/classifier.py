"""A BERT classifier in PyTorch with Captum, set up to be as fast as the two allow on a CPU."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from captum.attr import IntegratedGradients, LayerIntegratedGradients
from torch import Tensor
from transformers import AutoTokenizer, BertForSequenceClassification, logging

DEFAULT_STEPS = 50
"""Captum's own."""


@dataclass(frozen=True)
class Variant:
    """Choices that change how long Captum takes, and nothing else."""

    attention: str = "sdpa"
    """`sdpa` (fused) or `eager`."""
    batch: int = DEFAULT_STEPS
    """Nodes of the path in one pass: Captum's `internal_batch_size`."""
    at: str = "embeddings"
    """`layer`: `LayerIntegratedGradients` with hooks on the word embeddings; `embeddings`:
    `IntegratedGradients` of a network that begins behind them, which saves two passes."""


@dataclass(frozen=True)
class Attribution:
    """Scores of a text's tokens, and how far they add up."""

    target: int
    logits: list[float]
    scores: list[float]
    change: float
    """The output at the text minus the output at the baseline."""

    @property
    def delta(self) -> float:
        return sum(self.scores) - self.change

    @property
    def tolerance(self) -> float:
        """explaind's."""
        return max(0.01, 0.01 * abs(self.change))

    def json(self) -> str:
        fields = {"target": self.target, "logits": self.logits, "scores": self.scores}
        return json.dumps(fields | {"delta": self.delta})


class Classifier:
    """Weights are frozen: nobody asks for their gradients. Texts of a batch have equal lengths, so
    there is no padding and no mask."""

    def __init__(self, directory: Path) -> None:
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        # Captum's advice on batch sizes, which are chosen by measuring here.
        warnings.filterwarnings("ignore", module="captum")
        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.model = BertForSequenceClassification.from_pretrained(directory, dtype=torch.float32)
        self.model.eval().requires_grad_(False)

    def use(self, attention: str) -> None:
        """Switches between `sdpa` and `eager`."""
        if self.model.config._attn_implementation != attention:
            self.model.set_attn_implementation(attention)

    def encode(self, texts: list[str]) -> Tensor:
        return torch.tensor(self.tokenizer(texts)["input_ids"])

    def baseline(self, ids: Tensor) -> Tensor:
        """[PAD] in place of every token; what the tokenizer added stays."""
        baseline = torch.full_like(ids, self.tokenizer.pad_token_id)
        baseline[:, 0], baseline[:, -1] = ids[:, 0], ids[:, -1]
        return baseline

    def forward(self, ids: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.model(ids).logits

    def attention(self, ids: Tensor) -> Any:
        """The logits and every attention map, which only `eager` has."""
        with torch.inference_mode():
            return self.model(ids, output_attentions=True)

    def saliency(self, text: str) -> Attribution:
        """The length of the gradient at each token, of the class that is predicted."""
        ids = self.encode([text])
        embeddings = self.model.bert.embeddings.word_embeddings(ids).requires_grad_()
        logits = self.model(inputs_embeds=embeddings).logits[0]
        target = int(logits.argmax())
        (gradient,) = torch.autograd.grad(logits[target], embeddings)
        scores = gradient[0].norm(dim=-1)
        return Attribution(target, logits.tolist(), scores.tolist(), change=0.0)

    def integrated_gradients(self, text: str, steps: int, variant: Variant) -> Attribution:
        """From the text to scores of its tokens, for the class that is predicted."""
        ids = self.encode([text])
        baseline = self.baseline(ids)
        # One pass for the prediction and the delta: cheaper than Captum's own delta.
        logits = self.forward(torch.cat([ids, baseline]))
        target = int(logits[0].argmax())
        settings: dict[str, Any] = {
            "target": target,
            "n_steps": steps,
            "method": "gausslegendre",
            "internal_batch_size": min(variant.batch, steps),
        }
        words = self.model.bert.embeddings.word_embeddings
        if variant.at == "layer":
            explainer = LayerIntegratedGradients(lambda ids: self.model(ids).logits, words)
            attributions = explainer.attribute(ids, baselines=baseline, **settings)
        else:
            network = IntegratedGradients(lambda rows: self.model(inputs_embeds=rows).logits)
            attributions = network.attribute(words(ids), baselines=words(baseline), **settings)
        return Attribution(
            target=target,
            logits=logits[0].tolist(),
            scores=attributions[0].sum(-1).tolist(),
            change=float(logits[0, target] - logits[1, target]),
        )

    def smallest_steps(self, text: str, variant: Variant, most: int) -> int | None:
        """The fewest nodes whose scores add up within explaind's tolerance."""
        for steps in range(1, most + 1):
            attribution = self.integrated_gradients(text, steps, variant)
            if abs(attribution.delta) <= attribution.tolerance:
                return steps
        return None
