"""Makes data/reference/movie-review-sentences.csv of a table of labelled sentences.

The table is tab-separated with the header `text`, `label`, without any quoting. Same table, same bytes.

Usage: python3 tools/make_reference_set.py TABLE
"""

import csv
import sys
from pathlib import Path

REFERENCE = Path(__file__).resolve().parent.parent / "data" / "reference" / "movie-review-sentences.csv"


def main(table: str) -> None:
    with open(table, encoding="utf-8", newline="") as source:
        rows = list(csv.reader(source, delimiter="\t", quoting=csv.QUOTE_NONE))
    if rows[0] != ["text", "label"] or any(len(row) != 2 for row in rows):
        sys.exit(f"{table}: expected two columns under the header text, label")
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    with open(REFERENCE, "w", encoding="utf-8", newline="") as reference:
        csv.writer(reference, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
