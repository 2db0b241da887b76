"""Learns the concepts that come with the program from data/concepts/*.json, and writes them to data/concepts/learnt/.

A server with the bundled model has to listen (`cargo run --release`); nothing of it is changed but for concepts named
`<name>-new`, which are deleted again. Needs Python 3.11 or later and nothing else:

    python3 tools/make_concepts.py --server http://127.0.0.1:8080
"""

import argparse
import json
import urllib.request
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parent.parent / "data" / "concepts"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    server = parser.parse_args().server
    learnt = EXAMPLES / "learnt"
    learnt.mkdir(exist_ok=True)
    for file in sorted(EXAMPLES.glob("*.json")):
        lesson = json.loads(file.read_text(encoding="utf-8"))
        name = lesson["name"]
        # The name itself belongs to the concept that the program has.
        passing = f"{name}-new"
        body = {"name": passing, "description": lesson["description"], "positives": lesson["positives"]}
        if lesson["negatives"] is not None:
            body["negatives"] = lesson["negatives"]
        told = asked(server, "POST", "/v1/concepts", body)
        document = asked(server, "GET", f"/v1/concepts/{passing}/export")
        asked(server, "DELETE", f"/v1/concepts/{passing}")
        document["name"] = name
        (learnt / file.name).write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
        validation = told["validation"]
        warnings = [warning["code"] for warning in told["warnings"]]
        print(f"{name}: layer {told['layer']}, accuracy {validation['accuracy']:.2f}, {warnings or 'no warnings'}")


def asked(server: str, method: str, path: str, body: Any = None) -> Any:
    """What the server answers; an error of HTTP ends the program."""
    sent = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(server + path, sent, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        read = answer.read()
    return json.loads(read) if read else None


if __name__ == "__main__":
    main()
