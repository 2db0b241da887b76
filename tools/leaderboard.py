#!/usr/bin/env python3
"""Holds explanation methods against each other on a server's model, and prints the leaderboard as a table.

    python tools/leaderboard.py [--server http://127.0.0.1:8080] [--dataset ID] [--model ID] [--methods a,b,…]

Without --dataset, on the review sentences that come with the program. The server needs a database. The job goes on if this
is stopped; started again with the same arguments, this finds it. Standard library only.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request

HEAD = "| method | comprehensiveness | behind the first | better than chance in | sufficiency | τ_b with leaving out | max-sensitivity | backward / forward passes |"


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        problem = json.load(refused)
        sys.exit(f"{problem['title']}: {problem['detail']}; {problem.get('remedy', '')}")


def leaderboard(server, wish):
    while True:
        status, told = ask(f"{server}/v1/evaluate", wish)
        if status == 200:
            return told
        print(f"{told['state']}: {told['done']} of {told['rows']} rows", file=sys.stderr)
        time.sleep(5)


def figure(figure, digits=3):
    if figure is None or figure["mean"] is None:
        return ""
    told = f"{figure['mean']:.{digits}f}"
    interval = figure["interval"]
    return f"{told} ({interval['low']:.{digits}f} to {interval['high']:.{digits}f})" if interval else told


def line(method):
    share = method["better_than_random"]
    expected = method["cost"]["expected"]
    cells = [
        f"`{method['method']}`",
        figure(method["comprehensiveness"]),
        figure(method["behind_first"]),
        f"{100 * share['share']:.0f} %" if share else "",
        figure(method["sufficiency"]),
        figure(method["leave_one_out_correlation"], 2),
        figure(method["max_sensitivity"], 2),
        f"{expected['backwards']:.1f} / {expected['forwards']:.1f}" if expected else "",
    ]
    return "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    parser.add_argument("--dataset")
    parser.add_argument("--model")
    parser.add_argument("--methods", type=lambda names: names.split(","))
    arguments = parser.parse_args()
    dataset = arguments.dataset or ask(f"{arguments.server}/v1/datasets?limit=1")[1]["datasets"][0]["id"]
    wish = {"dataset": dataset, "model": arguments.model, "methods": arguments.methods}
    told = leaderboard(arguments.server, {name: value for name, value in wish.items() if value is not None})
    print(HEAD)
    print("|---" * (HEAD.count("|") - 1) + "|")
    for method in told["evaluation"]["leaderboard"]:
        print(line(method))


if __name__ == "__main__":
    main()
