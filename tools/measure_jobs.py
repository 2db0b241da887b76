#!/usr/bin/env python3
"""Measures how fast jobs are on one server and on several that share a PostgreSQL database.

    python tools/measure_jobs.py --explaind target/release/explaind --database-url postgres://…/empty [--psql psql]

The database should be empty and its own. Each arrangement answers the same texts, the bundled review sentences under
so many numbers, three times; the table shows the medians. Transactions are those that PostgreSQL counts meanwhile
(`pg_stat_database`), the statements of everything that a server does in the background included. Standard library only.
"""

import argparse
import csv
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUEST = {"endpoint": "explain", "request": {"methods": ["saliency"]}}


def sentences():
    with open(ROOT / "data/reference/movie-review-sentences.csv", newline="", encoding="utf-8") as table:
        return [row["text"] for row in csv.DictReader(table)]


class Server:
    """One process; it says on which port it listens."""

    def __init__(self, arguments, database_url, threads):
        command = [arguments.explaind, "--listen", "127.0.0.1:0", "--threads", str(threads), "--database-url", database_url]
        environment = {**os.environ, "EXPLAIND_LOG_FORMAT": "json"}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"listens on (http://[0-9.:]+)", line)
            if found:
                self.url = found.group(1)
                break
        else:
            sys.exit("the server did not start")
        # Nobody reads what it says from here on.
        self.drain = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def order(self, texts):
        lines = [json.dumps(REQUEST)] + [json.dumps({"text": text}) for text in texts]
        request = urllib.request.Request(
            self.url + "/v1/jobs", "\n".join(lines).encode(), {"Content-Type": "application/x-ndjson"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["id"]

    def finished(self, job):
        while True:
            view = self.get(f"/v1/jobs/{job}")
            if view["state"] == "finished":
                return view
            time.sleep(0.2)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.drain.terminate()


def transactions(arguments):
    query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    # The counts of other sessions are seen up to a second late.
    time.sleep(1.5)
    told = subprocess.run(
        [arguments.psql, "-At", "-c", query, arguments.database_url], check=True, capture_output=True, text=True
    )
    return int(told.stdout)


def measure(arguments, database_url, processes, threads, number):
    servers = [Server(arguments, database_url, threads) for _ in range(processes)]
    rates, per_text = [], []
    on_postgres = database_url.startswith("postgres")
    for turn in range(arguments.rounds):
        texts = [f"{text} {number} {turn}" for text in sentences()] * arguments.times
        texts = [f"{text} {place}" for place, text in enumerate(texts)]
        before = transactions(arguments) if on_postgres else 0
        view = servers[0].finished(servers[0].order(texts))
        assert view["failed"] == 0, view
        rates.append(view["rows_per_second"])
        if on_postgres:
            per_text.append((transactions(arguments) - before) / len(texts))
    for server in servers:
        server.stop()
    return statistics.median(rates), statistics.median(per_text) if per_text else None, len(texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--explaind", required=True, help="the binary")
    parser.add_argument("--database-url", required=True, help="an empty PostgreSQL database")
    parser.add_argument("--psql", default="psql")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=2, help="how often the 691 sentences are in a job")
    arguments = parser.parse_args()
    print("| servers | threads of each | database | texts/s | transactions a text |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        for number, (processes, threads, database) in enumerate(
            [(1, 1, "SQLite"), (1, 2, "SQLite"), (1, 1, "PostgreSQL"), (1, 2, "PostgreSQL"), (2, 1, "PostgreSQL"), (3, 1, "PostgreSQL")]
        ):
            url = f"sqlite:{directory}/{number}.db" if database == "SQLite" else arguments.database_url
            rate, per_text, texts = measure(arguments, url, processes, threads, number)
            told = "" if per_text is None else f"{per_text:.2f}"
            print(f"| {processes} | {threads} | {database} | {rate:.1f} | {told} |", flush=True)
    print(f"\nThe median of {arguments.rounds} jobs of {texts} review sentences each, saliency.")


if __name__ == "__main__":
    main()
