"""Puts the figures of `results.json` into the document, between its markers: they cannot part."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import tables
from .results import read

Results = dict[str, Any]

NOT_YET = "*Not measured yet.*"
QUICK = "**From a quick run, which shows that everything works and measures nothing well.**"

SECTIONS = ("compute", "http", "growth", "cached")

PARTS: dict[str, tuple[str, Callable[[Results], str]]] = {
    "ratios": ("compute", tables.ratios),
    "tolerance": ("compute", tables.tolerance),
    "milliseconds": ("compute", tables.milliseconds),
    "agreement": ("compute", tables.agreement),
    "arithmetic": ("compute", tables.arithmetic),
    "growth": ("growth", tables.growth),
    "http": ("http", tables.http),
    "memory": ("http", tables.memory),
    "cached": ("cached", tables.cached),
}
"""By marker: the section it is made of, and by what."""


def render(output: Path, document: Path) -> None:
    """Fills every part that was measured; the others say that they were not."""
    results = read(output)
    text = document.read_text(encoding="utf-8")
    # Every section was measured on its own occasion; the machine is that of the first there is.
    section = next((results[name] for name in SECTIONS if name in results), None)
    text = filled(text, "machine", content(section, tables.machine))
    for name, (section_name, table) in PARTS.items():
        text = filled(text, name, content(results.get(section_name), table))
    document.write_text(text, encoding="utf-8")


def content(section: Results | None, table: Callable[[Results], str]) -> str:
    if section is None:
        return NOT_YET
    body = table(section)
    return f"{QUICK}\n\n{body}" if section["provenance"]["quick"] else body


def filled(text: str, name: str, body: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"the document has no part between {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n{body}\n{end}", text)
