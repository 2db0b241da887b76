"""The worker's side of the protocol: orders from standard input, answers to standard output."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Handler = Callable[..., Mapping[str, Any]]


def timed(repetitions: int, work: Callable[[], Any]) -> tuple[list[float], Any]:
    """How long each repetition took, in milliseconds, and what the last one gave."""
    milliseconds: list[float] = []
    result = None
    for _ in range(repetitions):
        started = time.perf_counter()
        result = work()
        milliseconds.append((time.perf_counter() - started) * 1e3)
    return milliseconds, result


def serve(handlers: Mapping[str, Handler], greeting: Mapping[str, Any]) -> None:
    """Answers orders until there are no more."""
    # Libraries print; answers go where the orders' giver listens, and nothing else does.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(answer: Mapping[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    say(greeting)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            say(handlers[order.pop("work")](**order))
        # The giver of the orders decides what a failure means.
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})
