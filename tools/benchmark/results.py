"""The file that everything measured is in. Needs none of the libraries that are measured."""

import json
from pathlib import Path
from typing import Any

RESULTS = "results.json"
OWN = "explaind"
"""The name of explaind's side."""


def read(output: Path) -> dict[str, Any]:
    file = output / RESULTS
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def write(output: Path, results: dict[str, Any]) -> None:
    text = json.dumps(rounded(results), indent=1, ensure_ascii=False)
    (output / RESULTS).write_text(text + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """Seven digits say all that a measurement can."""
    match value:
        case dict():
            return {key: rounded(entry) for key, entry in value.items()}
        case list():
            return [rounded(entry) for entry in value]
        case float():
            return float(f"{value:.7g}")
        case _:
            return value
