"""One work, explaind's side and the others': every side at its best, in turns, results compared."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from .classifier import Variant
from .extent import Extent
from .models import MeasuredModel, onnx_graph
from .results import OWN
from .timing import Side, alternate, quickest, ratio
from .workers import Worker, measure_worker, onnx_worker, torch_worker

ATTENTIONS = ("sdpa", "eager")
ROWS_AT_ONCE = (160, 400, 1600)
"""Rows (tokens of all nodes in a pass) that Captum's batch sizes are tried for."""


@dataclass(frozen=True)
class Tools:
    """What the sides need beyond a model."""

    measure: Path
    cache: Path
    mkl_shim: Path | None


class Contest:
    """The sides' processes for one model and one number of threads."""

    def __init__(
        self, tools: Tools, model: MeasuredModel, threads: int, extent: Extent, *, onnx: bool = True
    ) -> None:
        self.model, self.threads, self.extent = model, threads, extent
        self._processes = ExitStack()
        with ExitStack() as unfinished:

            def start(worker: Worker) -> Worker:
                return unfinished.enter_context(worker)

            self.own = start(measure_worker(tools.measure, model.directory, threads))
            self.torches = {"torch": start(torch_worker(model.directory, threads))}
            if tools.mkl_shim is not None:
                name = "torch, MKL unlocked"
                told = torch_worker(model.directory, threads, tools.mkl_shim, name)
                self.torches[name] = start(told)
            self.onnx = None
            if onnx:
                graph = onnx_graph(model, tools.cache)
                self.onnx = start(onnx_worker(graph, model.directory, threads))
            self._processes = unfinished.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    def forward(self, texts: list[str]) -> dict[str, Any]:
        """Logits alone."""
        sides = {OWN: self.own_side("forward", texts=texts)}
        variants = {}
        logits = {OWN: self.own.ask("forward", texts=texts)["logits"]}
        for name, torch in self.torches.items():
            attention = self.choose_attention(torch, "forward", texts=texts)
            variants[name] = {"attention": attention}
            order = {"texts": texts, "attention": attention}
            sides[name] = side(torch, "forward", **order)
            logits[name] = torch.ask("forward", **order)["logits"]
        if self.onnx is not None:
            sides[self.onnx.name] = side(self.onnx, "forward", texts=texts)
            logits[self.onnx.name] = self.onnx.ask("forward", texts=texts)["logits"]
        return self.measured(sides, variants, logits)

    def attention(self, texts: list[str]) -> dict[str, Any]:
        """Logits, with every attention map kept."""
        sides = {OWN: self.own_side("attention", texts=texts)}
        logits = {OWN: self.own.ask("attention", texts=texts)["logits"]}
        for name, torch in self.torches.items():
            sides[name] = side(torch, "attention", texts=texts)
            logits[name] = torch.ask("attention", texts=texts)["logits"]
        variants = {name: {"attention": "eager"} for name in self.torches}
        return self.measured(sides, variants, logits)

    def saliency(self, text: str) -> dict[str, Any]:
        order = {"text": text, "methods": ["saliency"]}
        sides = {OWN: self.own_side("explain", **order)}
        scores = {OWN: explanation(self.own.ask("explain", **order))["scores"]}
        variants = {}
        for name, torch in self.torches.items():
            attention = self.choose_attention(torch, "saliency", text=text)
            variants[name] = {"attention": attention}
            sides[name] = side(torch, "saliency", text=text, attention=attention)
            answer = torch.ask("saliency", text=text, attention=attention)
            scores[name] = answer["scores"]
        return self.measured(sides, variants, scores)

    def fixed_nodes(self, text: str, tokens: int, steps: int) -> dict[str, Any]:
        """Integrated Gradients with as many Gauss–Legendre nodes on every side."""
        options = {"integrated_gradients": {"steps": steps}}
        order = {"text": text, "methods": ["integrated_gradients"], "options": options}
        sides = {OWN: self.own_side("explain", **order)}
        scores = {OWN: explanation(self.own.ask("explain", **order))["scores"]}
        variants = {}
        for name, torch in self.torches.items():
            variant = self.choose_variant(torch, text, tokens, steps)
            variants[captum(name)] = asdict(variant)
            path = {"text": text, "steps": steps, "variant": asdict(variant)}
            sides[captum(name)] = side(torch, "integrated_gradients", **path)
            scores[captum(name)] = torch.ask("integrated_gradients", **path)["scores"]
        return self.measured(sides, variants, scores)

    def tolerance(self, text: str, tokens: int) -> dict[str, Any]:
        """Integrated Gradients with each side's defaults, and with the fewest nodes for which
        Captum meets the tolerance, which nobody knows before."""
        order = {"text": text, "methods": ["integrated_gradients"]}
        sides = {OWN: self.own_side("explain", **order)}
        own = explanation(self.own.ask("explain", **order))["convergence"]
        variants: dict[str, Any] = {OWN: own}
        for name, torch in self.torches.items():
            variant = self.choose_variant(torch, text, tokens, self.extent.steps)
            search = {"text": text, "variant": asdict(variant), "most": self.extent.most_steps}
            fewest = torch.ask("smallest_steps", **search)["steps"]
            for steps in sorted({self.extent.steps, fewest or self.extent.steps}):
                label = captum(name) + ("" if steps == self.extent.steps else ", fewest nodes")
                path = {"text": text, "steps": steps, "variant": asdict(variant)}
                sides[label] = side(torch, "integrated_gradients", **path)
                answer = torch.ask("integrated_gradients", **path)
                kept = {key: answer[key] for key in ("delta", "tolerance")}
                variants[label] = asdict(variant) | {"steps": steps} | kept
        return self.measured(sides, variants, {})

    def own_side(self, work: str, **order: Any) -> Side:
        return side(self.own, work, **order)

    def choose_attention(self, torch: Worker, work: str, **order: Any) -> str:
        candidates = {name: side(torch, work, attention=name, **order) for name in ATTENTIONS}
        return quickest(candidates, self.extent.choice_seconds)

    def choose_variant(self, torch: Worker, text: str, tokens: int, steps: int) -> Variant:
        """First the attention and the batch size, then Captum's class."""
        batches = sorted({min(max(rows // tokens, 1), steps) for rows in ROWS_AT_ONCE})
        variants = [Variant(attention, batch) for attention in ATTENTIONS for batch in batches]
        best = self.quickest_variant(torch, text, steps, variants)
        return self.quickest_variant(
            torch, text, steps, [best, Variant(best.attention, best.batch, at="layer")]
        )

    def quickest_variant(
        self, torch: Worker, text: str, steps: int, variants: list[Variant]
    ) -> Variant:
        """By milliseconds a node, over a few passes: all nodes of a long text take too long."""

        def candidate(variant: Variant) -> Side:
            nodes = min(steps, variant.batch * max(1, round(10 / variant.batch)))
            order = {"text": text, "steps": nodes, "variant": asdict(variant)}
            run = side(torch, "integrated_gradients", **order)
            return lambda repetitions: [taken / nodes for taken in run(repetitions)]

        by_name = {repr(variant): variant for variant in variants}
        candidates = {name: candidate(variant) for name, variant in by_name.items()}
        return by_name[quickest(candidates, self.extent.choice_seconds)]

    def measured(
        self, sides: Mapping[str, Side], variants: Mapping[str, Any], results: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The timings, the ratio to the best of the others, and how far the results are apart."""
        figures = alternate(sides, self.extent.budget)
        own = figures[OWN]["rounds"]
        ratios = {name: ratio(f["rounds"], own) for name, f in figures.items() if name != OWN}
        differences = {
            name: worst_difference(results[OWN], value)
            for name, value in results.items()
            if name != OWN
        }
        return {
            "model": self.model.name,
            "threads": self.threads,
            "milliseconds": figures,
            "variants": dict(variants),
            "ratios": ratios,
            "differences": differences,
        }


def captum(name: str) -> str:
    """What a PyTorch side is called where Captum does the work."""
    return name.replace("torch", "captum")


def side(worker: Worker, work: str, **order: Any) -> Side:
    run: Callable[[int], list[float]] = lambda repetitions: worker.milliseconds(  # noqa: E731
        work, repetitions, **order
    )
    return run


def explanation(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The one explanation of an answer, with the scores of special tokens in their places."""
    answer = answer["answer"]
    (found,) = answer["explanations"]
    special = [token["special"] for token in answer["tokens"]]
    scores = found["scores"]
    if len(scores) != len(special):
        inner, added = iter(scores), iter(found["special_scores"])
        scores = [next(added) if is_special else next(inner) for is_special in special]
    return found | {"scores": scores}


def worst_difference(ours: Any, theirs: Any) -> dict[str, float]:
    """Of any two entries, as it is and as a share of the largest entry, which random weights leave
    small."""
    mine, others = np.array(ours), np.array(theirs)
    if mine.shape != others.shape:
        raise ValueError(f"results of shapes {mine.shape} and {others.shape}")
    absolute = float(np.abs(mine - others).max())
    return {"absolute": absolute, "relative": absolute / float(np.abs(others).max())}
