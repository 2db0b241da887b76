"""The plots, as SVG: what something costs by its size, and throughput by clients."""

import itertools
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from .models import bundled
from .results import OWN, read
from .series import Series, by_tokens, growth_series

OWN_COLOUR = "#0b6e99"
OTHER_COLOURS = ("#c2571a", "#7a7a7a", "#8a63a8", "#4d8a46")
MARKERS = ("o", "s", "^", "D", "v")
STYLE: Any = {
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    # Text stays text: smaller files, and readers' own fonts.
    "svg.fonttype": "none",
    # Without it, names inside the file would be others each time.
    "svg.hashsalt": "explaind",
}


def draw(output: Path) -> None:
    """Every plot that there are results for."""
    results = read(output)
    with mpl.rc_context(STYLE):
        if "compute" in results:
            cases = by_tokens(results["compute"], bundled().name, threads=1)
            series = growth_series(cases, "tokens")
            draw_costs(output / "tokens.svg", "tokens", series, results["compute"])
        if "growth" in results:
            section = results["growth"]
            layers = growth_series(section["layers"], "layers")
            draw_costs(output / "layers.svg", "layers", layers, section)
            steps = growth_series(section["steps"], "steps")
            draw_costs(output / "nodes.svg", "nodes", steps, section)
        if "http" in results:
            draw_clients(output / "clients.svg", results["http"])


def draw_costs(path: Path, size: str, series: dict[str, Series], section: dict[str, Any]) -> None:
    """Milliseconds by size, both on logarithmic scales, with the exponent of each line."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for (name, line), look in zip(series.items(), looks(list(series)), strict=True):
        label = f"{name}: grows as {size}$^{{{line.exponent:.2f}}}$"
        axes.plot(line.sizes, line.costs, label=label, **look)
    axes.set(xscale="log", yscale="log", xlabel=size, ylabel="milliseconds (median)")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    sizes = next(iter(series.values())).sizes
    plain_ticks(axes, sizes)
    axes.legend()
    finish(figure, axes, path, f"One Integrated Gradients explanation, by {size}", section)


def draw_clients(path: Path, section: dict[str, Any]) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    load = section["load"]
    for (name, figures), look in zip(load.items(), looks(list(load)), strict=True):
        clients = [figure["clients"] for figure in figures]
        axes.plot(clients, [figure["a_second"] for figure in figures], label=name, **look)
    axes.set(xscale="log", xlabel="clients at once", ylabel="explanations a second (median)")
    axes.set_ylim(bottom=0)
    plain_ticks(axes, clients)
    axes.legend()
    finish(figure, axes, path, "New questions over HTTP, by clients", section)


def looks(names: list[str]) -> list[dict[str, Any]]:
    """explaind's lines have its colour on every plot."""
    colours = itertools.cycle(OTHER_COLOURS)
    return [
        {
            "color": OWN_COLOUR if name.startswith(OWN) else next(colours),
            "linestyle": "--" if name.startswith(f"{OWN},") else "-",
            "marker": marker,
        }
        for name, marker in zip(names, itertools.cycle(MARKERS), strict=False)
    ]


def plain_ticks(axes: Axes, sizes: list[float]) -> None:
    """The sizes that were measured, as plain numbers."""
    axes.set_xticks(sizes)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()


def finish(figure: Any, axes: Axes, path: Path, title: str, section: dict[str, Any]) -> None:
    origin = section["provenance"]
    axes.set_title(title, loc="left", fontsize=11)
    quick = "; a quick run" if origin["quick"] else ""
    note = f"{origin['cpu']['name']}, {origin['measured_at'][:10]}, {origin['commit']}{quick}"
    figure.supxlabel(note, fontsize=8, color="#666666")
    # A date inside would make another file of the same figures.
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
