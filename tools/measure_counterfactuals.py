"""Measures the counterfactuals that a running server finds for sentences of film reviews, and prints a Markdown table.

    explaind serve &
    python tools/measure_counterfactuals.py [--url http://127.0.0.1:8080] [--texts 200] [--show 20]

Of each text the first counterfactual counts, by the default strategies and by each strategy and control alone. The
sentences are drawn from the dataset that comes with the program, as many of either label, or read from a file with one a
line. Nothing beyond the standard library is needed. Times are the server's own (`Server-Timing`), of what was not cached.
"""

import argparse
import csv
import json
import math
import random
import re
import statistics
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SENTENCES = ROOT / "data/reference/movie-review-sentences.csv"

ALONE = ("substitute", "infill", "delete", "antonym", "hotflip", "random")
"""The strategies that are measured alone; the last two are the controls."""

SHOWN_EVERY = 10
PATIENCE_SECONDS = 600


@dataclass
class Measured:
    """What was found for the texts by one way of asking."""

    name: str
    texts: int = 0
    failed: int = 0
    changed_words: list[int] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    forwards: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures counterfactuals of a running server.")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="where it listens")
    parser.add_argument("--model", help="the model's id; the server's first by default")
    parser.add_argument("--texts", default="200", help="how many sentences, or a file with one a line")
    parser.add_argument("--seed", type=int, default=0, help="draws the sentences")
    parser.add_argument("--budget", type=int, help="the most passes of each search")
    parser.add_argument("--max-changes", type=int, help="the most changes of each text")
    parser.add_argument("--ways", nargs="+", default=["usual", *ALONE], help="usual, and strategies")
    parser.add_argument("--show", type=int, default=0, help="how many texts to show, every tenth")
    parser.add_argument("--grid", action="store_true", help="also time every word deleted and masked")
    given = parser.parse_args()

    texts = sentences(given.texts, given.seed)
    options = {
        "model": given.model,
        "budget": given.budget,
        "max_changes": given.max_changes,
    }
    options = {name: value for name, value in options.items() if value is not None}
    print("| strategies | flipped | changed words: median | mean | one word | perplexity ×: median | p90 "
          "| forwards: median | p90 | seconds: median |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    shown: list[dict[str, Any]] = []
    for way in given.ways:
        measured = Measured(way)
        for place, text in enumerate(texts):
            answer = asked(given.url, way, text, options, measured)
            is_to_be_shown = way == given.ways[0] and place % SHOWN_EVERY == 0
            if answer is not None and is_to_be_shown and len(shown) < given.show:
                shown.append(answer)
        print(row(measured), flush=True)
        if measured.failed:
            print(f"{way}: {measured.failed} texts without an answer", file=sys.stderr)
    if given.grid:
        print(f"\n{grids(given.url, given.model, texts)}")
    if shown:
        print(f"\nEvery {SHOWN_EVERY}th text, by {given.ways[0]}:\n")
        for answer in shown:
            print(told(answer))


def sentences(source: str, seed: int) -> list[str]:
    """The lines of a file, or so many sentences of the dataset, as many of either label, in an order by chance."""
    if not source.isdecimal():
        lines = Path(source).read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.strip()]
    chance = random.Random(seed)
    by_label: dict[str, list[str]] = {}
    with SENTENCES.open(encoding="utf-8") as table:
        for entry in csv.DictReader(table):
            by_label.setdefault(entry["label"], []).append(entry["text"])
    wanted = int(source)
    labels = sorted(by_label)
    drawn: list[str] = []
    for place, label in enumerate(labels):
        share = wanted // len(labels) + (place < wanted % len(labels))
        if share > len(by_label[label]):
            sys.exit(f"there are {len(by_label[label])} sentences of the label {label}")
        drawn += chance.sample(by_label[label], share)
    chance.shuffle(drawn)
    return drawn


def asked(
    url: str, way: str, text: str, options: dict[str, Any], measured: Measured
) -> dict[str, Any] | None:
    """The answer of one text, added to what is measured; none where there is none."""
    body = {"text": text, "n": 1, **options}
    if way != "usual":
        body["strategies"] = [way]
    request = urllib.request.Request(
        f"{url}/v1/counterfactuals",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    measured.texts += 1
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            answer = json.load(response)
            seconds = duration(response.headers)
    except urllib.error.HTTPError as refusal:
        print(f"{refusal.code} {refusal.read().decode()}", file=sys.stderr)
        measured.failed += 1
        return None
    measured.forwards.append(answer["forwards"])
    if seconds is not None:
        measured.seconds.append(seconds)
    for first in answer["counterfactuals"][:1]:
        words = len(answer["original"]["words"])
        measured.changed_words.append(round(first["edit_distance"] * words))
        if first["fluency_before"] is not None and first["fluency_after"] is not None:
            measured.ratios.append(first["fluency_after"] / first["fluency_before"])
    return answer


def grids(url: str, model: str | None, texts: list[str]) -> str:
    """How long the grids of the texts take, in a line."""
    seconds, forwards = [], []
    for text in texts:
        body = {"text": text} if model is None else {"text": text, "model": model}
        request = urllib.request.Request(
            f"{url}/v1/interventions/grid",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            forwards.append(json.load(response)["forwards"])
            taken = duration(response.headers)
        if taken is not None:
            seconds.append(taken)
    return (
        f"Grids of {len(texts)} texts: median {number(statistics.median, forwards, 0)} forwards in "
        f"{number(statistics.median, seconds, 3)} s, 90th percentile {number(ninetieth, seconds, 3)} s"
    )


def duration(headers: Any) -> float | None:
    """Seconds that the answer took; none where it was cached."""
    if "hit" in (headers["Cache-Status"] or ""):
        return None
    timing = re.search(r"total;dur=([0-9.]+)", headers["Server-Timing"] or "")
    return float(timing[1]) / 1000 if timing else None


def row(measured: Measured) -> str:
    """A line of the table."""
    changed, found = measured.changed_words, len(measured.changed_words)
    cells = [
        measured.name,
        f"{found / measured.texts:.1%} of {measured.texts}" if measured.texts else "–",
        number(statistics.median, changed, 1),
        number(statistics.mean, changed, 2),
        f"{sum(words == 1 for words in changed) / found:.0%}" if found else "–",
        number(statistics.median, measured.ratios, 2),
        number(ninetieth, measured.ratios, 2),
        number(statistics.median, measured.forwards, 0),
        number(ninetieth, measured.forwards, 0),
        number(statistics.median, measured.seconds, 2),
    ]
    return f"| {' | '.join(cells)} |"


def number(figure: Any, values: list[Any], digits: int) -> str:
    """A figure of some values as it is written; a dash where there are none."""
    return f"{figure(values):.{digits}f}" if values else "–"


def ninetieth(values: Iterable[float]) -> float:
    """The smallest value that nine tenths do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(0.9 * len(ordered)) - 1]


def told(answer: dict[str, Any]) -> str:
    """A text and its first counterfactual, what was changed struck through and in bold."""
    original = answer["original"]
    before = f"- {original['prediction']['label']}: {original['text']}"
    if not answer["counterfactuals"]:
        return f"{before}\n  - none was found"
    first = answer["counterfactuals"][0]
    marked, position = "", 0
    for change in first["changes"]:
        marked += original["text"][position : change["start"]] + struck(change["from"])
        marked += f" **{change['to']}**" if change["to"] else ""
        position = change["end"]
    marked += original["text"][position:]
    note = ""
    if first["fluency_after"] is not None:
        note = f" (perplexity × {first['fluency_after'] / first['fluency_before']:.2f})"
    return f"{before}\n  - {first['prediction']['label']}: {marked}{note}"


def struck(taken_out: str) -> str:
    """Struck through, without the white space that goes with a deleted word: Markdown would not know it."""
    words = taken_out.strip()
    return taken_out.replace(words, f"~~{words}~~", 1)


if __name__ == "__main__":
    main()
