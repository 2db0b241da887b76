"""The sections without HTTP: works by tokens, threads and models, and how the cost grows."""

import os
from collections.abc import Callable, Iterator
from typing import Any

from . import models, texts
from .arithmetic import path_operations
from .contest import Contest, Tools
from .extent import Extent
from .models import MeasuredModel
from .results import OWN
from .workers import WorkerError, measure_worker

AGREED = 1e-4

Report = Callable[[str], None]
Keep = Callable[[dict[str, Any]], None]
"""Writes down what there is so far."""
Case = dict[str, Any]


def compute(tools: Tools, extent: Extent, report: Report, keep: Keep) -> dict[str, Any]:
    """Every work by tokens and threads, of both models."""
    measured = [(models.bundled(), extent.tokens), (models.base(tools.cache), extent.base_tokens)]
    cases: list[Case] = []
    section = {"cases": cases, "peak": peak(tools)}
    for model, lengths in measured:
        for threads in fitting(extent.threads):
            report(f"{model.name}, threads: {threads}")
            with Contest(tools, model, threads, extent) as contest:
                for case in works(contest, model, lengths):
                    report(outcome(case))
                    cases.append(case)
            keep(section)
    return section


def works(contest: Contest, model: MeasuredModel, lengths: tuple[int, ...]) -> Iterator[Case]:
    extent = contest.extent
    trained = model.directory == models.BUNDLED
    for tokens in lengths:
        text = texts.of_length(tokens)
        batch = texts.batch(tokens, extent.batch)
        size = {"tokens": tokens, "batch": 1}
        yield {"work": "forward"} | size | contest.forward([text])
        yield {"work": "forward"} | size | {"batch": len(batch)} | contest.forward(batch)
        yield {"work": "attention"} | size | contest.attention([text])
        yield {"work": "saliency"} | size | contest.saliency(text)
        fixed = contest.fixed_nodes(text, tokens, extent.steps)
        operations = path_operations(model.shape, tokens, extent.steps)
        yield (
            {
                "work": "integrated_gradients",
                "steps": extent.steps,
                "gigaflops": operations / fixed["milliseconds"][OWN]["median"] / 1e6,
            }
            | size
            | fixed
        )
        # With random weights, the output hardly changes on the way: any rule is done at once.
        if trained:
            yield {"work": "tolerance"} | size | contest.tolerance(text, tokens)


def growth(tools: Tools, extent: Extent, report: Report) -> dict[str, Any]:
    """The cost of Integrated Gradients by layers and by nodes, on one thread."""
    tokens = extent.growth_tokens
    text = texts.of_length(tokens)
    by_layers: list[Case] = []
    for layers in extent.growth_layers:
        model = models.of_layers(layers, tools.cache)
        with Contest(tools, model, 1, extent, onnx=False) as contest:
            case = {"layers": layers, "tokens": tokens, "steps": extent.steps}
            case |= contest.fixed_nodes(text, tokens, extent.steps)
        report(f"{layers} layers: {outcome(case)}")
        by_layers.append(case)
    by_steps: list[Case] = []
    with Contest(tools, models.bundled(), 1, extent, onnx=False) as contest:
        for steps in extent.growth_steps:
            case = {"tokens": tokens, "steps": steps} | contest.fixed_nodes(text, tokens, steps)
            report(f"{steps} nodes: {outcome(case)}")
            by_steps.append(case)
    return {"layers": by_layers, "steps": by_steps}


def fitting(threads: tuple[int, ...]) -> list[int]:
    """More threads than cores measure the scheduler."""
    cores = len(os.sched_getaffinity(0))
    return [number for number in threads if number <= cores]


def peak(tools: Tools) -> dict[str, Any] | None:
    """What one core can do at most, if `measure` can tell."""
    with measure_worker(tools.measure, models.BUNDLED, 1) as worker:
        try:
            return worker.ask("peak")
        except WorkerError:
            return None


def outcome(case: Case) -> str:
    """One line for the impatient."""
    own = case["milliseconds"][OWN]["median"]
    ratios = ", ".join(f"{name} ×{value['ratio']:.2f}" for name, value in case["ratios"].items())
    work, texts_at_once = case.get("work", "integrated_gradients"), case.get("batch", 1)
    what = f"{work}, {case['tokens']} tokens × {texts_at_once}"
    worst = max((found["absolute"] for found in case["differences"].values()), default=0.0)
    agreed = "worst difference" if worst <= AGREED else "THE RESULTS DISAGREE:"
    return f"  {what}: {own:.2f} ms; {ratios}; {agreed} {worst:.1e}"
