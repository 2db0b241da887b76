"""Sums up what `examples/quadrature.rs` printed: a table row for each file, and a plot of the first.

    cargo run --release --example quadrature -- models/movie-reviews pad texts.tsv 500 > pad.jsonl
    python tools/quadrature_report.py docs/images/quadrature.svg "bundled, pad=pad.jsonl" …

Needs matplotlib (`tools/requirements-benchmark.txt`).
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

Text = dict[str, Any]

LADDER = (9, 17, 33, 65)
SETTLED = 0.05
"""As in `src/explain/attribution/integrated_gradients.rs`."""


def main() -> None:
    plot, *named = sys.argv[1:]
    studies = [(name, read(Path(path))) for name, path in (pair.split("=") for pair in named)]
    print("| | texts | converged | gradients, mean | token error, median | 95 % | worst |")
    print("|---|---|---|---|---|---|---|")
    for name, texts in studies:
        print(row(name, texts))
    draw(studies[0][1], Path(plot))


def read(path: Path) -> list[Text]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def row(name: str, texts: list[Text]) -> str:
    ends = [adaptive(text) for text in texts]
    errors = [text["rules"][f"trapezoid_{points}"]["token"] for text, (points, _) in zip(texts, ends)]
    converged = sum(done for _, done in ends) / len(ends)
    mean = statistics.mean(points for points, _ in ends)
    figures = [quantile(errors, share) for share in (0.5, 0.95, 1.0)]
    shown = " | ".join(f"{100 * figure:.1f} %" for figure in figures)
    return f"| {name} | {len(texts)} | {100 * converged:.0f} % | {mean:.1f} | {shown} |"


def adaptive(text: Text) -> tuple[int, bool]:
    """Where the adaptive rule ends, and whether it has converged there."""
    for points in LADDER:
        if within(text, f"trapezoid_{points}") and text["rules"][f"moved_{points}"]["token"] <= SETTLED:
            return points, True
    return LADDER[-1], False


def within(text: Text, rule: str) -> bool:
    return abs(text["rules"][rule]["delta"]) <= max(0.01, 0.01 * abs(text["change"]))


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def draw(texts: list[Text], path: Path) -> None:
    """The share of texts within the tolerance, and the token errors' 95 %, by gradients."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "quadrature"
    import matplotlib.pyplot as plt

    rules = {
        "trapezoids, ends included": ("trapezoid", (9, 17, 33)),
        "Simpson on the same points": ("simpson", (9, 17, 33)),
        "Gauss–Legendre": ("gauss", (8, 12, 16, 20, 24, 32)),
    }
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
    for label, (rule, counts) in rules.items():
        shares, errors = [], []
        for count in counts:
            name = f"{rule}_{count}"
            measured = [text for text in texts if name in text["rules"]]
            shares.append(100 * sum(within(text, name) for text in measured) / len(measured))
            errors.append(100 * quantile([text["rules"][name]["token"] for text in measured], 0.95))
        left.plot(counts, shares, marker="o", label=label)
        right.plot(counts, errors, marker="o", label=label)
    left.set(xlabel="gradients", ylabel="texts within the tolerance, %", ylim=(0, 103))
    right.set(xlabel="gradients", ylabel="token error at the 95th percentile, %", yscale="log")
    right.axhline(2, color="grey", linewidth=0.8, linestyle="--")
    left.legend(frameon=False, loc="lower right")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
