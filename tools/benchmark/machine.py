"""What the figures were taken on and with."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .workers import TOOLS

PACKAGES = (
    "captum",
    "fastapi",
    "numpy",
    "onnxruntime",
    "tokenizers",
    "torch",
    "transformers",
    "uvicorn",
)
RELEVANT_FLAGS = ("avx", "fma", "avx2", "avx512f", "avx512vl", "avx512_vnni", "amx_tile")


def cpu_information() -> dict[str, Any]:
    """Of the first CPU."""
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if not line.strip():
            break
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    flags = set(fields.get("flags", "").split())
    kind = [f"{key} {fields[key]}" for key in ("cpu family", "model", "stepping") if key in fields]
    return {
        "name": fields.get("model name", platform.processor()),
        "vendor": fields.get("vendor_id", "unknown"),
        "kind": ", ".join(kind),
        "flags": [flag for flag in RELEVANT_FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in flags,
    }


def memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def provenance(*, quick: bool) -> dict[str, Any]:
    """When, where and with what a section was measured."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "quick": quick,
        "cpu": cpu_information(),
        "memory_bytes": memory_bytes(),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "versions": {
            "python": platform.python_version(),
            "rustc": first_line(["rustc", "--version"]).removeprefix("rustc "),
        }
        | {package: version(package) for package in PACKAGES},
    }


def commit() -> str:
    """With a mark if there are changes that it does not hold."""
    return first_line(["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])


def first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, cwd=TOOLS, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.splitlines()[0] if done.stdout else "unknown"
