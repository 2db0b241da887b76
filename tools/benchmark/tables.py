"""The tables of the document, each made of a section of the results."""

from collections.abc import Iterable
from typing import Any

from .results import OWN
from .series import growth_series, other_sides

Section = dict[str, Any]
Case = dict[str, Any]

WORKS = {
    "forward": "logits",
    "attention": "logits and attention maps",
    "saliency": "saliency",
    "integrated_gradients": "Integrated Gradients",
    "tolerance": "Integrated Gradients within the tolerance",
}


def machine(section: Section) -> str:
    """What it was measured on and with."""
    origin = section["provenance"]
    cpu, versions = origin["cpu"], origin["versions"]
    virtual = ", virtual" if cpu["virtual"] else ""
    rows = [
        ("CPU", f"{cpu['name']} ({cpu['kind']}), cores: {cpu['cores']}{virtual}"),
        ("its instructions", ", ".join(cpu["flags"])),
        ("memory", f"{origin['memory_bytes'] / 2**30:.1f} GiB"),
        ("measured", f"{origin['measured_at']}, at commit {origin['commit']}"),
        ("load before", f"{origin['load_before']:.2f}"),
        ("versions", ", ".join(f"{name} {value}" for name, value in versions.items())),
        ("MKL told that the CPU is Intel's", unlocked(origin["mkl"])),
    ]
    return table(["", ""], rows)


def unlocked(found: dict[str, Any]) -> str:
    gain = f"; matrix products ×{found['gain']:.2f}" if "gain" in found else ""
    return f"{'compared as well' if found['used'] else 'not used'}: {found['why']}{gain}"


def ratios(section: Section) -> str:
    """How many times longer the best of the others takes."""
    cases = [case for case in section["cases"] if case["work"] != "tolerance"]
    rows = []
    for key in unique(
        (case["model"], case["threads"], case["work"], case["batch"]) for case in cases
    ):
        model, threads, work, batch = key
        chosen = [
            case
            for case in cases
            if (case["model"], case["threads"], case["work"], case["batch"]) == key
        ]
        by_tokens = {case["tokens"]: best_ratio(case) for case in chosen}
        what = WORKS[work] + (f", {batch} texts" if batch > 1 else "")
        what += f", {chosen[0]['steps']} nodes" if "steps" in chosen[0] else ""
        cells = [by_tokens.get(tokens, "") for tokens in lengths(cases)]
        rows.append((model, str(threads), what, *cells))
    heads = ["model", "threads", "work", *(f"{tokens} tokens" for tokens in lengths(cases))]
    return table(heads, rows)


def best_ratio(case: Case) -> str:
    """Against whoever of the others is quickest."""
    name, value = min(case["ratios"].items(), key=lambda entry: entry[1]["ratio"])
    return f"{value['ratio']:.2f} ({value['lowest']:.2f}–{value['highest']:.2f}) {name}"


def tolerance(section: Section) -> str:
    """Both at their defaults, and Captum with the fewest nodes that do."""
    rows = []
    for case in section["cases"]:
        if case["work"] != "tolerance":
            continue
        own = case["variants"][OWN]
        for name in other_sides(case):
            variant, value = case["variants"][name], case["ratios"][name]
            rows.append(
                (
                    str(case["tokens"]),
                    str(case["threads"]),
                    f"{own['gradients']}, {abs(own['delta']):.1e}",
                    name,
                    f"{variant['steps']}, {abs(variant['delta']):.1e}",
                    f"{own['tolerance']:.1e}",
                    f"{value['ratio']:.2f} ({value['lowest']:.2f}–{value['highest']:.2f})",
                )
            )
    heads = ["tokens", "threads", "explaind: gradients, delta", "against"]
    return table([*heads, "its nodes, delta", "tolerance", "ratio"], rows)


def milliseconds(section: Section) -> str:
    """Every median, and the spread of the rounds."""
    picture = "![Milliseconds by tokens](performance/tokens.svg)"
    rows = []
    for case in section["cases"]:
        work = WORKS[case["work"]] + (f", {case['batch']} texts" if case["batch"] > 1 else "")
        for name, figure in case["milliseconds"].items():
            spread, count = f"{100 * figure['spread']:.0f} %", len(figure["rounds"])
            rows.append(
                (
                    *(case["model"], str(case["threads"]), work, str(case["tokens"]), name),
                    *(f"{figure['median']:.2f}", f"{figure['least']:.2f}", spread, str(count)),
                    chosen(case["variants"].get(name, {})),
                )
            )
    heads = [
        "model",
        "threads",
        "work",
        "tokens",
        "side",
        "median, ms",
        "least, ms",
        "spread",
        "rounds",
    ]
    return f"{picture}\n\n{table([*heads, 'chosen for it'], rows)}"


def chosen(variant: dict[str, Any]) -> str:
    shown = ("attention", "batch", "at", "steps")
    return ", ".join(f"{key} {variant[key]}" for key in shown if key in variant)


def agreement(section: Section) -> str:
    """The worst difference of any result, over all tokens and threads."""
    worst: dict[tuple[str, str, str], tuple[float, float]] = {}
    for case in section["cases"]:
        for name, difference in case["differences"].items():
            key = (case["model"], WORKS[case["work"]], name)
            absolute, relative = worst.get(key, (0.0, 0.0))
            worst[key] = (
                max(absolute, difference["absolute"]),
                max(relative, difference["relative"]),
            )
    rows = [
        (*key, f"{absolute:.1e}", f"{relative:.1e}") for key, (absolute, relative) in worst.items()
    ]
    heads = ["model", "work", "against", "worst difference", "as a share of the largest entry"]
    return table(heads, rows)


def arithmetic(section: Section) -> str:
    """Operations a second of Integrated Gradients."""
    rows = [
        (case["model"], str(case["threads"]), str(case["tokens"]), f"{case['gigaflops']:.1f}")
        for case in section["cases"]
        if "gigaflops" in case
    ]
    body = table(["model", "threads", "tokens", "GFLOP/s"], rows)
    peak = section["peak"]
    if peak is None or "gigaflops" not in peak:
        return body
    reached = f"{peak['gigaflops']:.1f} GFLOP/s"
    return f"{body}\n\nOne core reaches {reached} in a loop of multiply-adds on registers."


def growth(section: Section) -> str:
    """The exponents that the plots show."""
    rows = [
        (what, side, f"{series.sizes[0]:g}–{series.sizes[-1]:g}", f"{series.exponent:.2f}")
        for what in ("layers", "steps")
        for side, series in growth_series(section[what], what).items()
    ]
    pictures = "\n".join(f"![Milliseconds by {what}](performance/{what}.svg)" for what in ("layers", "nodes"))
    return f"{pictures}\n\n{table(['by', 'side', 'from–to', 'exponent'], rows)}"


def http(section: Section) -> str:
    """New questions."""
    rows = []
    for name, figures in section["load"].items():
        rows += [
            (name, *load_cells(figure), advantage(section["load"], name, place))
            for place, figure in enumerate(figures)
        ]
    tokens = section["tokens"]
    lengths = f"{tokens['least']}–{tokens['most']} tokens, {tokens['median']:g} in the middle"
    heads = ["server", "clients", "requests/s", "p50, ms", "p99, ms", "requests/s by captum's best"]
    notes = [f"Questions have {lengths}", f"cores: {section['cores']}"]
    notes.append(f"Captum runs with {chosen(section['variant'])}")
    return f"{table(heads, rows)}\n\n{'; '.join(notes)}."


def advantage(load: dict[str, Any], name: str, place: int) -> str:
    """The requests of one of explaind's lines, in units of the best of Captum's."""
    if not name.startswith(OWN):
        return ""
    others = [
        figures[place]["a_second"] for other, figures in load.items() if not other.startswith(OWN)
    ]
    return f"{load[name][place]['a_second'] / max(others):.2f}"


def cached(section: Section) -> str:
    """The same questions again."""
    if "left_out" in section:
        return f"Left out: {section['left_out']}."
    rows = [load_cells(figure) for figure in section["load"]]
    return table(["clients", "requests/s", "p50, ms", "p99, ms"], rows)


def load_cells(figure: dict[str, Any]) -> tuple[str, ...]:
    a_second = (
        f"{figure['a_second']:,.0f}" if figure["a_second"] >= 100 else f"{figure['a_second']:.1f}"
    )
    return (str(figure["clients"]), a_second, f"{figure['p50']:.2f}", f"{figure['p99']:.2f}")


def memory(section: Section) -> str:
    """Before and after the load, beside the weights."""
    found = section["memory"]
    rows = []
    for name, idle in found["idle"].items():
        loaded = found["loaded"][name]
        sizes = [idle["resident"], loaded["resident"], loaded["proportional"]]
        rows.append(
            (name, str(loaded["processes"]), *(f"{size / 2**20:.0f} MiB" for size in sizes))
        )
    heads = [
        "server",
        "processes",
        "resident after start",
        "after the load",
        "proportional after it",
    ]
    weights = f"The weights take {found['weights'] / 2**20:.0f} MiB as f32."
    return f"{table(heads, rows)}\n\n{weights}"


def lengths(cases: list[Case]) -> list[int]:
    return sorted({case["tokens"] for case in cases})


def unique(keys: Iterable[Any]) -> list[Any]:
    """In the order of their first appearance."""
    return list(dict.fromkeys(keys))


def table(heads: list[str], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
