"""Golden values of concepts: pooled states and gradients, scores, steering and erasure."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fixtures.cases import Case, Encoded, encode
from fixtures.checks import check_short, require, require_close
from fixtures.golden import Record, Values, describe, hidden_points, input_values, stored
from fixtures.subject import Subject, in_double
from fixtures.trace import Edit, Trace, run

CONCEPT_PACKAGES = ("numpy", "safetensors", "tokenizers", "torch", "transformers")
SEED = 94
"""Chosen so that every change moves the logits of every case well."""
SPREAD = 0.5
"""What strengths are measured in."""
STRENGTHS = range(-4, 5)
SLANT = 0.5
"""How far the vectors of the oblique map lean away from the direction."""
STEP = 1e-4
LEAST_CHANGE = 5e-3
"""Of the logits, by each change at a hidden state: less would hardly be seen."""


@dataclass(frozen=True)
class Probe:
    """A made-up concept at one hidden state."""

    layer: int
    direction: Tensor
    centre: Tensor
    read: Tensor
    write: Tensor

    @property
    def point(self) -> str:
        return f"hidden.{self.layer}"

    def scores(self, hidden: Tensor) -> Tensor:
        return (hidden - self.centre) @ self.direction

    def steer(self, hidden: Tensor, strength: float) -> Tensor:
        return hidden + strength * SPREAD * self.direction

    def project(self, hidden: Tensor) -> Tensor:
        return hidden - (hidden @ self.direction).unsqueeze(-1) * self.direction

    def map_obliquely(self, hidden: Tensor) -> Tensor:
        return hidden - ((hidden - self.centre) @ self.read).unsqueeze(-1) * self.write


def concept_cases(subject: Subject, cases: Sequence[Case]) -> list[tuple[Record, Values]]:
    """Every case with the same probes, at the first layer's output and the last's."""
    generator = torch.Generator().manual_seed(SEED)
    first = run(subject.classifier, encode(subject.tokenizer, cases[0].text, cases[0].text_pair))
    probes = [
        draw_probe(layer, first.value(f"hidden.{layer}").mean(0), generator)
        for layer in (1, subject.layers)
    ]
    return [concept_case(subject, case, probes) for case in cases]


def draw_probe(layer: int, state: Tensor, generator: torch.Generator) -> Probe:
    """A direction between chance and a state, read and write near it.

    One by chance alone has next to nothing of a state of many dimensions, and erasing it would not
    be seen. Read and write have the scalar product 1, so that the oblique map is a projection.
    """
    chance, read, write = (
        normalize(torch.randn(len(state), generator=generator), dim=0) for _ in range(3)
    )
    centre = 0.2 * torch.randn(len(state), generator=generator)
    direction = normalize(chance + normalize(state, dim=0), dim=0)
    read, write = direction + SLANT * read, direction + SLANT * write
    return Probe(layer, direction, centre, read / (read @ write), write)


def concept_case(
    subject: Subject, case: Case, probes: Sequence[Probe]
) -> tuple[Record, Values]:
    """Everything there is to compare for one text."""
    encoded = encode(subject.tokenizer, case.text, case.text_pair)
    trace = run(subject.classifier, encoded)
    target = int(trace.output.argmax())
    values = {"logits": trace.output} | pooled_states(subject, trace)
    values |= pooled_gradients(subject, trace)
    for probe in probes:
        values |= scores(trace, probe)
        values |= steered(subject, encoded, probe)
        values |= erased(subject, encoded, target, probe)
    values = stored(values | input_values(encoded))
    check(subject, case.text, encoded, values, probes)
    record = describe(case, encoded, target, full=True)
    record["layers"] = [probe.layer for probe in probes]
    record["spread"] = SPREAD
    record["strengths"] = list(STRENGTHS)
    return record, values


def pooled_states(subject: Subject, trace: Trace) -> Values:
    """The row of the first token and the mean of all rows, special tokens among them."""
    values: Values = {}
    for point in hidden_points(subject):
        hidden = trace.value(point)
        values |= {f"{point}.cls": hidden[0].clone(), f"{point}.mean": hidden.mean(0)}
    return values


def pooled_gradients(subject: Subject, trace: Trace) -> Values:
    """How each logit changes as the first row moves, and as all rows move alike."""
    values: Values = {}
    for label in range(subject.labels):
        gradients = trace.gradients(trace.output[label], hidden_points(subject))
        for point, gradient in gradients.items():
            key = f"grad.{label}.{point}"
            values |= {f"{key}.cls": gradient[0].clone(), f"{key}.mean": gradient.sum(0)}
    return values


def scores(trace: Trace, probe: Probe) -> Values:
    """How far the tokens are along the direction."""
    of_tokens = probe.scores(trace.value(probe.point))
    return {
        f"direction.{probe.layer}": probe.direction.clone(),
        f"centre.{probe.layer}": probe.centre.clone(),
        f"token_scores.{probe.layer}": of_tokens,
        f"score.{probe.layer}": of_tokens.mean().reshape(1),
    }


def steered(subject: Subject, encoded: Encoded, probe: Probe) -> Values:
    """The logits as every token is moved along the direction, a row for each strength."""
    logits = [
        edited(subject, encoded, probe, lambda hidden, by=by: probe.steer(hidden, by)).output
        for by in STRENGTHS
    ]
    return {f"steered.{probe.layer}.logits": torch.stack(logits)}


def erased(subject: Subject, encoded: Encoded, target: int, probe: Probe) -> Values:
    """The logits without the direction, and what the words still do for the predicted class."""
    projected = edited(subject, encoded, probe, probe.project)
    point = "word_embeddings"
    gradient = projected.gradients(projected.output[target], [point])[point]
    oblique = edited(subject, encoded, probe, probe.map_obliquely)
    key = f"projected.{probe.layer}"
    return {
        f"{key}.logits": projected.output,
        f"{key}.grad.{point}": gradient,
        f"{key}.input_x_gradient": (projected.value(point) * gradient).sum(-1),
        f"oblique.{probe.layer}.read": probe.read.clone(),
        f"oblique.{probe.layer}.write": probe.write.clone(),
        f"oblique.{probe.layer}.logits": oblique.output,
    }


def edited(subject: Subject, encoded: Encoded, probe: Probe, edit: Edit) -> Trace:
    return run(subject.classifier, encoded, edits={probe.point: edit})


def check(
    subject: Subject, text: str, encoded: Encoded, values: Values, probes: Sequence[Probe]
) -> None:
    """Every change is seen in the logits, and the gradients foretell what a small step does."""
    check_short(text, values)
    in_doubles = in_double(subject)
    for probe in probes:
        steps = values[f"steered.{probe.layer}.logits"]
        require_close("no steering", steps[len(steps) // 2], values["logits"], 1e-6)
        others = {"first strength": steps[0], "last strength": steps[-1]}
        others |= {
            kind: values[f"{kind}.{probe.layer}.logits"] for kind in ("projected", "oblique")
        }
        for kind, logits in others.items():
            change = float((logits - values["logits"]).abs().max())
            require(
                change > LEAST_CHANGE,
                f"{kind} at {probe.point} of {text!r} changes logits by {change} only",
            )

        direction = probe.direction.double()
        ahead, back = (
            run(
                in_doubles.classifier,
                encoded,
                head_gates=torch.ones(subject.layers, subject.heads, dtype=torch.float64),
                edits={probe.point: lambda hidden, by=by: hidden + by * direction},
            ).output.detach()
            for by in (STEP, -STEP)
        )
        slopes = [
            values[f"grad.{label}.{probe.point}.mean"].double() @ direction
            for label in range(subject.labels)
        ]
        difference = (ahead - back) / (2 * STEP)
        require_close("slope", difference, torch.stack(slopes), 1e-4)
