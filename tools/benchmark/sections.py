"""Measures the sections that are asked for, and keeps them in `results.json`."""

import argparse
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from . import computing, loading, mkl, models
from .contest import Tools
from .extent import FULL, QUICK, Extent
from .machine import provenance
from .results import read, write
from .workers import TOOLS

Results = dict[str, Any]


def measure(arguments: argparse.Namespace) -> None:
    """Each section is written as soon as it is there."""
    extent = narrowed(QUICK if arguments.quick else FULL, arguments)
    explaind, example = programs(arguments)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = read(arguments.output)

    needs_torch = set(arguments.only) - {"cached"}
    library, found = mkl.shim(arguments.cache, models.bundled()) if needs_torch else (None, {})
    if needs_torch:
        report(f"MKL's other code: {found}")
    tools = Tools(example, arguments.cache, library)
    sections: dict[str, Callable[[computing.Keep], Results]] = {
        "compute": lambda keep: computing.compute(tools, extent, report, keep),
        "growth": lambda _: computing.growth(tools, extent, report),
        "http": lambda _: loading.http(explaind, tools, extent, report),
        "cached": lambda _: loading.cached(explaind, extent, report),
    }
    for name, run in sections.items():
        if name in arguments.only:
            report(f"== {name}")
            origin = provenance(quick=arguments.quick) | {"mkl": found}
            keep = partial(put, arguments.output, results, name, origin)
            keep(run(keep))


def narrowed(extent: Extent, arguments: argparse.Namespace) -> Extent:
    """With what the command line says in place of the usual."""
    if arguments.tokens:
        extent = replace(extent, tokens=tuple(arguments.tokens))
    if arguments.base_tokens:
        extent = replace(extent, base_tokens=tuple(arguments.base_tokens))
    if arguments.seconds:
        extent = replace(extent, budget=replace(extent.budget, seconds=arguments.seconds))
    if arguments.load_rounds:
        rounds = arguments.load_rounds
        extent = replace(extent, load_rounds=rounds, cached_rounds=rounds)
    return extent


def put(output: Path, results: Results, name: str, origin: Results, section: Results) -> None:
    """Into the results, and onto the disk."""
    results[name] = {"provenance": origin} | section
    write(output, results)


def programs(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """The server and the example, built if they are not given."""
    given = {"explaind": arguments.explaind, "measure": arguments.measure}
    for name, path in given.items():
        if path is not None and not path.is_file():
            raise SystemExit(f"--{name}: there is no file {path}")
    if None in given.values():
        built = build()
        given = {name: path or built[name] for name, path in given.items()}
    return given["explaind"].resolve(), given["measure"].resolve()


def build() -> dict[str, Path]:
    """Asks cargo where it has put them."""
    command = [
        "cargo",
        "build",
        "--release",
        "--locked",
        "--bin",
        "explaind",
        "--example",
        "measure",
    ]
    command += ["--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=TOOLS.parent, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit("cargo could not build explaind")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        message["target"]["name"]: Path(message["executable"])
        for message in messages
        if message.get("executable")
    }


def report(line: str) -> None:
    print(line, flush=True)
