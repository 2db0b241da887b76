"""Integrated Gradients over HTTP with FastAPI and Captum: what explaind's load is compared with.

    python tools/captum_server.py --model models/movie-reviews --port 8081 --processes 2 --threads 1

One model a process, loaded once and frozen. The work blocks, so it runs on FastAPI's thread pool,
and a lock lets one request at a time use the cores: PyTorch spreads each operator over all threads,
and two at once would only slow each other down.
"""

import argparse
import os
import threading
from pathlib import Path
from typing import Any

import torch
import uvicorn
from benchmark.classifier import DEFAULT_STEPS, Classifier, Variant
from fastapi import FastAPI
from pydantic import BaseModel

MODEL = "CAPTUM_SERVER_MODEL"
THREADS = "CAPTUM_SERVER_THREADS"
ATTENTION = "CAPTUM_SERVER_ATTENTION"
BATCH = "CAPTUM_SERVER_BATCH"


class Question(BaseModel):
    """What is asked."""

    text: str


def create() -> FastAPI:
    """The application of one process; uvicorn calls it in each."""
    torch.set_num_threads(int(os.environ[THREADS]))
    classifier = Classifier(Path(os.environ[MODEL]))
    classifier.use(os.environ[ATTENTION])
    variant = Variant(os.environ[ATTENTION], int(os.environ[BATCH]))
    classifier.integrated_gradients("a first text to warm up with", DEFAULT_STEPS, variant)
    labels: Any = classifier.model.config.id2label
    busy = threading.Lock()
    application = FastAPI()

    @application.get("/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}

    @application.post("/explain")
    def explain(question: Question) -> dict[str, Any]:
        with busy:
            attribution = classifier.integrated_gradients(question.text, DEFAULT_STEPS, variant)
        return {
            "label": labels[attribution.target],
            "logits": attribution.logits,
            "words": words(classifier, question.text, attribution.scores),
            "delta": attribution.delta,
        }

    return application


def words(classifier: Classifier, text: str, scores: list[float]) -> list[dict[str, Any]]:
    """The scores of a word's tokens, added up."""
    encoding = classifier.tokenizer(text, return_offsets_mapping=True)
    found: list[dict[str, Any]] = []
    last = None
    places = zip(encoding.word_ids(), encoding["offset_mapping"], scores, strict=True)
    for word, (start, end), score in places:
        if word is None:
            continue
        if word != last:
            found.append({"start": start, "end": end, "score": 0.0})
        found[-1]["end"] = end
        found[-1]["score"] += score
        last = word
    return [{"text": text[word["start"] : word["end"]]} | word for word in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--batch", type=int, default=10, help="nodes in one pass")
    arguments = parser.parse_args()
    # The environment is what reaches uvicorn's other processes.
    os.environ |= {
        MODEL: str(arguments.model),
        THREADS: str(arguments.threads),
        ATTENTION: arguments.attention,
        BATCH: str(arguments.batch),
    }
    uvicorn.run(
        "captum_server:create",
        factory=True,
        host="127.0.0.1",
        port=arguments.port,
        workers=arguments.processes,
        # By default, a process that loads for more than five seconds is taken for dead.
        timeout_worker_healthcheck=120,
        app_dir=str(Path(__file__).resolve().parent),
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
