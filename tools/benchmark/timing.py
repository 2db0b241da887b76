"""In turns: every side runs a block, again and again, so that what slows the machine slows all."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Side = Callable[[int], list[float]]
"""Runs so many repetitions, and says how many milliseconds each took."""

BLOCK_MILLISECONDS = 80.0
"""Short work is repeated within a turn: after the other sides' turns, the caches are theirs."""
MOST_REPETITIONS = 40
PAUSE_SECONDS = 0.03
"""Threads of the last side may spin for a while before they sleep."""


@dataclass(frozen=True)
class Budget:
    """How much a case may take."""

    seconds: float = 30.0
    least_rounds: int = 3
    """Also where that takes longer."""
    most_rounds: int = 9


def alternate(sides: Mapping[str, Side], budget: Budget) -> dict[str, dict[str, Any]]:
    """Runs the sides in turns; a summary for each. The first call of each side warms it up."""
    repetitions: dict[str, int] = {}
    round_milliseconds = 0.0
    for name, side in sides.items():
        side(1)
        expected = max(side(1)[0], 1e-3)
        fitting = int(BLOCK_MILLISECONDS / expected)
        repetitions[name] = min(max(fitting, 1), MOST_REPETITIONS)
        round_milliseconds += repetitions[name] * expected
    affordable = int(budget.seconds * 1e3 / round_milliseconds)
    rounds = min(max(affordable, budget.least_rounds), budget.most_rounds)
    blocks: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            time.sleep(PAUSE_SECONDS)
            blocks[name].append(statistics.median(side(repetitions[name])))
    return {
        name: summary(values) | {"repetitions": repetitions[name]}
        for name, values in blocks.items()
    }


def summary(values: list[float]) -> dict[str, Any]:
    """The median with what it was taken from."""
    return {
        "median": statistics.median(values),
        "least": min(values),
        "spread": (max(values) - min(values)) / statistics.median(values),
        "rounds": values,
    }


def ratio(others: list[float], own: list[float]) -> dict[str, float]:
    """How many times longer the others took: of the medians, and the extremes round by round."""
    pairs = [other / mine for other, mine in zip(others, own, strict=True)]
    return {
        "ratio": statistics.median(others) / statistics.median(own),
        "lowest": min(pairs),
        "highest": max(pairs),
    }


def quickest(candidates: Mapping[str, Side], seconds: float) -> str:
    """The candidate with the shortest of a few runs, after one that warms it up."""
    shortest: dict[str, float] = {}
    for name, side in candidates.items():
        first = side(1)[0]
        repetitions = int(seconds * 1e3 / max(first, 1e-3))
        # A run that takes long by itself is warm enough.
        shortest[name] = min(side(min(repetitions, 10))) if repetitions else first
    return min(shortest, key=shortest.__getitem__)
