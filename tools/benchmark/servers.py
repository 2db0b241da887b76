"""Servers to put under load: started on a free port, watched, ended with all their processes."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .classifier import Variant
from .workers import TOOLS, openmp

START_SECONDS = 180
IDLE_SECONDS = 300
IDLE_SHARE = 0.05
"""Of one core: what a server may use that does nothing."""


class ServerError(Exception):
    """A server did not start, or went away."""


class Server:
    """A server in a session of its own, by which its processes are found."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        ready: str,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            command,
            stdout=self._errors,
            stderr=self._errors,
            env=os.environ | dict(environment),
            start_new_session=True,
        )
        try:
            self._wait_until_ready(self.url + ready)
        except BaseException:
            self.close()
            raise

    def wait_until_idle(self) -> None:
        """Until it no longer works on what its clients have given up."""
        window = 0.5
        until = time.monotonic() + IDLE_SECONDS
        while time.monotonic() < until:
            before = self.processor_seconds()
            time.sleep(window)
            if self.processor_seconds() - before < IDLE_SHARE * window:
                return
        raise ServerError(f"{self.name} still works {IDLE_SECONDS} s after its last client left")

    def processor_seconds(self) -> float:
        """Of all its processes so far."""
        tick = os.sysconf("SC_CLK_TCK")
        return sum(int(fields[11]) + int(fields[12]) for _, fields in self.processes()) / tick

    def memory(self) -> dict[str, int]:
        """Bytes of its processes: `resident` as `ps` shows them, and `proportional`, where pages
        that several processes share count once."""
        totals = {"resident": 0, "proportional": 0}
        for process, _ in self.processes():
            lines = (process / "smaps_rollup").read_text(encoding="ascii").splitlines()
            sizes = {line.split(":")[0]: line.split()[1] for line in lines if line.endswith("kB")}
            totals["resident"] += int(sizes["Rss"]) * 1024
            totals["proportional"] += int(sizes["Pss"]) * 1024
        return totals | {"processes": len(self.processes())}

    def processes(self) -> list[tuple[Path, list[str]]]:
        """With the fields of `stat` that come after the name."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            state, session = fields[0], int(fields[3])
            if session == self._process.pid and state != "Z":
                found.append((stat.parent, fields))
        return found

    def close(self) -> None:
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=20)
        for process, _ in self.processes():
            with suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)
        self._process.wait()
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

    def _signal(self, what: signal.Signals) -> None:
        if self._process.poll() is None:
            os.kill(self._process.pid, what)

    def _wait_until_ready(self, url: str) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                self._errors.seek(0)
                said = self._errors.read()[-2000:]
                raise ServerError(f"{self.name} ended with {self._process.returncode}:\n{said}")
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise ServerError(f"{self.name} was not ready after {START_SECONDS} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def explaind_server(
    program: Path, model: Path, threads: int, name: str = "explaind", cores: str | None = None
) -> Server:
    """`explaind serve`, on the cores named."""
    port = free_port()
    command = ["taskset", "-c", cores] if cores else []
    command += [str(program), "serve", "--listen", f"127.0.0.1:{port}", "--threads", str(threads)]
    command += ["--model", f"measured={model}", "--database-url", "memory", "--log", "warn"]
    return Server(name, command, port, "/readyz", {})


def captum_server(
    model: Path,
    processes: int,
    threads: int,
    variant: Variant,
    name: str,
    preload: Path | None = None,
) -> Server:
    """`tools/captum_server.py`."""
    port = free_port()
    command = [sys.executable, str(TOOLS / "captum_server.py"), "--model", str(model)]
    command += ["--port", str(port), "--processes", str(processes), "--threads", str(threads)]
    command += ["--attention", variant.attention, "--batch", str(variant.batch)]
    environment = openmp(threads) | {"HF_HUB_OFFLINE": "1"}
    environment |= {"LD_PRELOAD": str(preload)} if preload else {}
    return Server(name, command, port, "/ready", environment)
