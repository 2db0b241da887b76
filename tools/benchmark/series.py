"""Costs by size, as the tables and the plots show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .arithmetic import growth_exponent
from .results import OWN


@dataclass(frozen=True)
class Series:
    """The median milliseconds of a side, by size."""

    sizes: list[float]
    costs: list[float]

    @property
    def exponent(self) -> float:
        """Of the power of the size that fits the costs best."""
        return growth_exponent(self.sizes, self.costs)


def growth_series(cases: Iterable[dict[str, Any]], size: str) -> dict[str, Series]:
    """By side, of cases that differ in a size. Sides that only some cases have are left out."""
    ordered = sorted(cases, key=lambda case: case[size])
    sides = [
        name
        for name in ordered[0]["milliseconds"]
        if all(name in case["milliseconds"] for case in ordered)
    ]
    return {
        name: Series(
            [case[size] for case in ordered],
            [case["milliseconds"][name]["median"] for case in ordered],
        )
        for name in sides
    }


def by_tokens(section: dict[str, Any], model: str, threads: int) -> list[dict[str, Any]]:
    """The cases of Integrated Gradients with a fixed number of nodes."""
    return [
        case
        for case in section["cases"]
        if case["work"] == "integrated_gradients"
        and case["model"] == model
        and case["threads"] == threads
    ]


def other_sides(case: dict[str, Any]) -> list[str]:
    return [name for name in case["milliseconds"] if name != OWN]
