"""Tests of concepts and their erasure as SciPy, statsmodels and concept-erasure have them."""

import json
from pathlib import Path

import numpy
import torch
from concept_erasure import LeaceEraser
from scipy.stats import ttest_ind
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

SUCCESSES = ((0, 1), (1, 1), (0, 20), (20, 20), (3, 7), (6.5, 17), (0.5, 40), (640, 691))
P_VALUES = (
    (0.04,),
    (0.01, 0.04),
    (0.04, 0.01, 0.03),
    (0.02, 0.02, 0.5, 0.02),
    (1.0, 0.3, 0.0196, 0.001, 0.6, 0.04),
)
# Examples of the concept, others, dimensions, how far the means are apart.
ERASED = ((20, 20, 12, 1.0), (7, 23, 8, 2.0), (9, 7, 40, 1.5), (30, 30, 5, 0.2))


def concepts_significance(path: Path) -> None:
    """Intervals, adjusted p-values, Welch's tests, and erasers with their states."""
    chance = numpy.random.default_rng(20261125)
    content = {
        "intervals": [interval(successes, of) for successes, of in SUCCESSES],
        "holm": [holm(p_values) for p_values in P_VALUES],
        "welch": [welch(first, second) for first, second in samples(chance)],
        "leace": [leace(chance, *case) for case in ERASED],
    }
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def interval(successes: float, of: int) -> dict[str, float]:
    low, high = proportion_confint(successes, of, alpha=0.05, method="wilson")
    return {"successes": successes, "of": of, "low": float(low), "high": float(high)}


def holm(p_values: tuple[float, ...]) -> dict[str, object]:
    return {"p": p_values, "adjusted": multipletests(p_values, method="holm")[1].tolist()}


def samples(chance: numpy.random.Generator) -> list[tuple[list[float], list[float]]]:
    """By hand: one that does not vary, one far from 0. By chance: others, the last far apart."""
    chosen = [
        ([0.5, 0.6, 0.9], [0.1, 0.1, 0.1, 0.1]),
        ([1e6 + 1, 1e6 + 2, 1e6 + 3], [1e6, 1e6 + 5]),
        ([1e-9, 2e-9], [3e-9, 5e-9, 4e-9]),
    ]
    for first, second, apart in ((2, 2, 0.0), (10, 50, 0.3), (50, 50, 0.1), (30, 200, 4.0)):
        a = chance.normal(size=first).round(6) + apart
        b = (3 * chance.normal(size=second)).round(6)
        chosen.append((a.tolist(), b.tolist()))
    return chosen


def welch(first: list[float], second: list[float]) -> dict[str, object]:
    test = ttest_ind(first, second, equal_var=False)
    return {
        "a": first,
        "b": second,
        "t": float(test.statistic),
        "degrees_of_freedom": float(test.df),
        "p_value": float(test.pvalue),
    }


def leace(
    chance: numpy.random.Generator, concept: int, others: int, hidden: int, apart: float
) -> dict[str, object]:
    """States that vary much more in some directions than in others, away from 0, by the package's
    defaults: with shrinkage of the covariance."""
    mixing = chance.normal(size=(hidden, hidden)) * numpy.geomspace(3.0, 0.1, hidden)
    states = chance.normal(size=(concept + others, hidden)) @ mixing.T + chance.normal(size=hidden)
    states[:concept] += apart * chance.normal(size=hidden)
    # Single precision, as states are.
    rows = torch.tensor(states.round(4), dtype=torch.float32).double()
    is_concept = torch.tensor([1.0] * concept + [0.0] * others, dtype=torch.float64)
    eraser = LeaceEraser.fit(rows, is_concept)
    return {
        "rows": states.round(4).tolist(),
        "is_concept": is_concept.bool().tolist(),
        "projection": eraser.P.tolist(),
        "centre": eraser.bias.tolist(),
    }
