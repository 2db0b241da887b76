"""Processes that do work on order: one JSON object a line in, one a line out."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TOOLS = Path(__file__).resolve().parent.parent


class WorkerError(Exception):
    """A worker refused an order, or is gone."""


class Worker:
    """One such process. It ends when its input does, so it does not outlive this program."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | dict(environment),
        )
        self.greeting = self._read()

    def ask(self, work: str, **order: Any) -> dict[str, Any]:
        """The answer to an order."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"work": work} | order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._gone() from error
        answer = self._read()
        if "error" in answer:
            raise WorkerError(f"{self.name} cannot do {work}: {answer['error']}")
        return answer

    def milliseconds(self, work: str, repetitions: int, **order: Any) -> list[float]:
        """How long each repetition took."""
        return self.ask(work, repetitions=repetitions, **order)["milliseconds"]

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._gone()
        return json.loads(line)

    def _gone(self) -> WorkerError:
        code = self._process.wait()
        self._errors.seek(0)
        return WorkerError(f"{self.name} ended with {code}:\n{self._errors.read()[-2000:]}")


def measure_worker(program: Path, model: Path, threads: int) -> Worker:
    """The example `measure`: explaind's library in a process of its own."""
    command = [str(program), "--model", str(model), "--threads", str(threads)]
    # What explaind's own main sets: candle's threads would fight with the workers.
    single = {"CANDLE_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    return Worker("explaind", command, single)


def torch_worker(
    model: Path, threads: int, preload: Path | None = None, name: str = "torch"
) -> Worker:
    """PyTorch and Captum in a process of their own, `preload` loaded before them."""
    environment = openmp(threads) | ({"LD_PRELOAD": str(preload)} if preload else {})
    command = ["-m", "benchmark.torch_worker", "--model", str(model), "--threads", str(threads)]
    return python_worker(name, command, environment)


def onnx_worker(graph: Path, tokenizer: Path, threads: int) -> Worker:
    """ONNX Runtime in a process of its own."""
    command = ["-m", "benchmark.onnx_worker", "--graph", str(graph)]
    command += ["--tokenizer", str(tokenizer), "--threads", str(threads)]
    return python_worker("onnxruntime", command, {})


def python_worker(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Worker:
    path = {"PYTHONPATH": str(TOOLS), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return Worker(name, [sys.executable, *command], path | dict(environment))


def openmp(threads: int) -> dict[str, str]:
    """So that no library starts more threads than `torch.set_num_threads` is told later."""
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
