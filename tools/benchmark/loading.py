"""The sections with HTTP: servers under load by `wrk`, and what they take of memory."""

import itertools
import json
import os
import statistics
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import models, texts
from .classifier import DEFAULT_STEPS, Variant
from .contest import Contest, Tools
from .extent import Extent
from .results import OWN
from .servers import Server, captum_server, explaind_server
from .workers import TOOLS

Report = Callable[[str], None]

SCRIPT = TOOLS / "benchmark" / "load.lua"
MOST_A_SECOND = 400
"""More new answers a second than any side gives: so many bodies are made ready."""
MOST_PROCESSES = 8
"""Of Captum's server: each has PyTorch and the model in memory."""
TYPICAL_TOKENS = 24
TIMEOUT_SECONDS = 300
PATH = "/explain"


@dataclass(frozen=True)
class Contestant:
    """A server, and what it is asked beside the text."""

    server: Server
    extra: dict[str, Any]


class LoadError(Exception):
    """A run of `wrk` that measures nothing."""


def http(program: Path, tools: Tools, extent: Extent, report: Report) -> dict[str, Any]:
    """New questions by clients, in turns; and memory before and after."""
    cores = len(os.sched_getaffinity(0))
    model = models.bundled()
    variant = server_variant(tools, extent)
    report(f"Captum's server uses {variant}")
    fresh = texts.unseen()
    figures: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as running:

        def start(server: Server) -> Server:
            return running.enter_context(server)

        own = start(explaind_server(program, model.directory, cores))
        contestants = {
            OWN: Contestant(own, {}),
            f"{OWN}, {DEFAULT_STEPS} nodes": Contestant(own, fixed_nodes()),
        }
        several = min(cores, MOST_PROCESSES)
        for processes, threads in sorted({(1, cores), (several, cores // several)}):
            name = f"captum, {processes} × {threads}"
            server = captum_server(
                model.directory, processes, threads, variant, name, tools.mkl_shim
            )
            contestants[name] = Contestant(start(server), {})
        servers = {name: one.server for name, one in contestants.items() if not one.extra}
        idle = {name: server.memory() for name, server in servers.items()}
        for clients, seconds in zip(extent.clients, extent.load_seconds, strict=True):
            runs: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
            for _ in range(extent.load_rounds):
                questions = list(itertools.islice(fresh, MOST_A_SECOND * seconds))
                for name, contestant in contestants.items():
                    run = load_long_enough(contestant, questions, clients, seconds)
                    report(f"  {clients} clients, {name}: {told(run)}")
                    runs[name].append(run)
            for name, of_name in runs.items():
                figures.setdefault(name, []).append({"clients": clients} | middle(of_name))
        loaded = {name: server.memory() for name, server in servers.items()}
    return {
        "cores": cores,
        "variant": asdict(variant),
        "tokens": token_counts(),
        "load": figures,
        "memory": {"idle": idle, "loaded": loaded, "weights": models.float32_bytes(model)},
    }


def cached(program: Path, extent: Extent, report: Report) -> dict[str, Any]:
    """The same few questions again and again: explaind on one core, wrk on another."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return {"left_out": "there is one core only, and wrk would share it"}
    questions = texts.sentences()
    figures = []
    with explaind_server(program, models.BUNDLED, 1, cores=str(cores[0])) as server:
        contestant = Contestant(server, {})
        for question in questions:
            ask_once(contestant, question)
        for clients in extent.cached_clients:
            seconds = extent.cached_seconds
            runs = [
                load(contestant, questions, clients, seconds, again=True, core=cores[1])
                for _ in range(extent.cached_rounds)
            ]
            figures.append({"clients": clients} | middle(runs))
            report(f"  {clients} clients, from the cache: {told(figures[-1])}")
    return {"questions": len(questions), "load": figures}


def load(
    contestant: Contestant,
    questions: list[str],
    clients: int,
    seconds: int,
    *,
    again: bool = False,
    core: int | None = None,
) -> dict[str, Any]:
    """One run of wrk. Every question is sent once at most, unless `again`."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as bodies:
        for question in questions:
            bodies.write(json.dumps({"text": question} | contestant.extra) + "\n")
        bodies.flush()
        command = ["taskset", "-c", str(core)] if core is not None else []
        command += ["wrk", "--threads", "1", "--connections", str(clients)]
        command += ["--duration", f"{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s"]
        command += ["--script", str(SCRIPT), contestant.server.url + PATH, "--", bodies.name]
        command += ["again"] if again else []
        done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise LoadError(f"wrk failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    run = json.loads(lines[-1])
    if run["faults"]:
        raise LoadError(f"{contestant.server.name} did not answer every request: {run}")
    return run | {"a_second": run["requests"] / run["seconds"]}


def load_long_enough(
    contestant: Contestant, questions: list[str], clients: int, seconds: int
) -> dict[str, Any]:
    """Until at least one request a client is answered: else the slowest would count least. The
    server is idle afterwards."""
    while True:
        run = load(contestant, questions, clients, seconds)
        contestant.server.wait_until_idle()
        if run["requests"] >= clients:
            return run
        if seconds > TIMEOUT_SECONDS:
            raise LoadError(f"{contestant.server.name} is too slow: {run}")
        seconds *= 2
        # What was answered may be in a cache by now.
        questions = questions[run["requests"] + clients :]


def ask_once(contestant: Contestant, question: str) -> None:
    """Outside of any measurement."""
    request = urllib.request.Request(
        contestant.server.url + PATH,
        data=json.dumps({"text": question} | contestant.extra).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        answer.read()


def server_variant(tools: Tools, extent: Extent) -> Variant:
    """What is quickest for Captum on a typical sentence."""
    text = texts.of_length(TYPICAL_TOKENS)
    with Contest(tools, models.bundled(), 1, extent, onnx=False) as contest:
        torch = contest.torches["torch"]
        return contest.choose_variant(torch, text, TYPICAL_TOKENS, DEFAULT_STEPS)


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure, and the runs."""
    keys = ("a_second", "p50", "p99")
    return {key: statistics.median(run[key] for run in runs) for key in keys} | {"runs": runs}


def token_counts() -> dict[str, float]:
    """Of the questions, special tokens included."""
    first: Iterator[str] = itertools.islice(texts.unseen(), 1000)
    counts = [texts.count(text) for text in first]
    return {"median": statistics.median(counts), "least": min(counts), "most": max(counts)}


def fixed_nodes() -> dict[str, Any]:
    return {"options": {"integrated_gradients": {"steps": DEFAULT_STEPS}}}


def told(run: dict[str, Any]) -> str:
    return f"{run['a_second']:.1f}/s, p50 {run['p50']:.1f} ms, p99 {run['p99']:.1f} ms"
