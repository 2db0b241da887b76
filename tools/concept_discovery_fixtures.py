"""How well scikit-learn factorises and groups small sets of states."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF

Array = numpy.ndarray


def write_concept_discovery(path: Path) -> None:
    """States of several kinds, and the sum of squares that each method leaves of them."""
    cases = [
        {
            "kind": kind,
            "method": method,
            "components": components,
            "rows": rows.tolist(),
            "loss": loss(rows, components),
        }
        for kind, rows, components in states()
        for method, loss in (("nmf", nmf), ("kmeans", kmeans))
    ]
    path.write_text(json.dumps(cases) + "\n", encoding="utf-8")


def states() -> Iterator[tuple[str, Array, int]]:
    """Noise, sums of parts, groups, and states with a common mean, as those of networks have."""
    chance = numpy.random.default_rng(20261201)
    yield "noise", chance.normal(size=(60, 8)).round(3), 4
    taken = numpy.maximum(0, chance.normal(size=(70, 5)))
    parts = taken @ chance.normal(size=(5, 12)) + 0.1 * chance.normal(size=(70, 12))
    yield "parts", parts.round(3), 5
    centres = 4 * chance.normal(size=(6, 10))
    yield "groups", (centres[numpy.arange(72) % 6] + chance.normal(size=(72, 10))).round(3), 6
    varied = chance.normal(size=(50, 6)) @ chance.normal(size=(6, 16))
    mean = 3 * chance.normal(size=16)
    yield "common mean", (varied + mean + chance.normal(size=(50, 16))).round(3), 7


def nmf(rows: Array, components: int) -> float:
    """Of positive and negative parts side by side."""
    halves = numpy.hstack([numpy.maximum(rows, 0), numpy.maximum(-rows, 0)])
    model = NMF(components, init="nndsvda", solver="cd", max_iter=2000, tol=1e-4, random_state=0)
    return float(model.fit(halves).reconstruction_err_ ** 2)


def kmeans(rows: Array, components: int) -> float:
    return float(KMeans(components, n_init=10, random_state=0).fit(rows).inertia_)
