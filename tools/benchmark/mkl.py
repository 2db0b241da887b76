"""MKL chooses its code by the maker of the CPU, and on others than Intel's it may choose slower
code. A small library that is loaded first tells it otherwise; where that helps, the comparison is
with both."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from .machine import cpu_information
from .models import MeasuredModel
from .timing import Budget, alternate
from .workers import WorkerError, torch_worker

SOURCE = "int mkl_serv_intel_cpu_true(void) { return 1; }\n"
LEAST_GAIN = 1.03
LEAST_SHARE = 0.75
"""Of the rounds, in which it must have gained: less, of either, is noise."""
BUDGET = Budget(seconds=6.0, least_rounds=15, most_rounds=25)


def shim(cache: Path, model: MeasuredModel) -> tuple[Path | None, dict[str, Any]]:
    """The library if it helps here, and what was found out."""
    if cpu_information()["vendor"] == "GenuineIntel":
        return None, {"used": False, "why": "the CPU is Intel's"}
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None, {"used": False, "why": "there is no C compiler to make the library with"}
    library = build(compiler, cache)
    try:
        gain, share = measured_gain(model, library)
    except WorkerError as error:
        return None, {"used": False, "why": f"it does not load: {error}"}
    found = {"gain": gain, "share_of_rounds": share}
    if gain < LEAST_GAIN or share < LEAST_SHARE:
        return None, found | {"used": False, "why": "it makes no difference"}
    return library, found | {"used": True, "why": "it makes MKL's matrix products faster"}


def build(compiler: str, cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    source, library = cache / "mkl_intel.c", cache / "libmkl_intel.so"
    source.write_text(SOURCE, encoding="ascii")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    return library


def measured_gain(model: MeasuredModel, library: Path) -> tuple[float, float]:
    """How many times faster the matrix product gets, and the share of rounds in which it does."""
    with (
        torch_worker(model.directory, 1) as plain,
        torch_worker(model.directory, 1, library) as told,
    ):
        sides = {
            "plain": lambda n: plain.milliseconds("matrix_product", n),
            "told": lambda n: told.milliseconds("matrix_product", n),
        }
        figures = alternate(sides, BUDGET)
    plain_rounds, told_rounds = figures["plain"]["rounds"], figures["told"]["rounds"]
    gained = [before > after for before, after in zip(plain_rounds, told_rounds, strict=True)]
    gain = figures["plain"]["median"] / figures["told"]["median"]
    return gain, sum(gained) / len(gained)
