"""Measures how well the bundled model tells the demonstration concepts apart, and prints a table.

    python tools/measure_concepts.py [--permutations 49]

With the versions in tools/requirements.txt; a few minutes on one core.
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from transformers import logging

from fixtures.cases import encode
from fixtures.subject import Subject, load_subject
from fixtures.trace import run

ROOT = Path(__file__).resolve().parent.parent
FOLDS = 5
DRAWINGS = 6
NAMES = ("acting", "humour", "visuals", "boredom", "even_length")

States = NDArray[np.float64]
"""[hidden state, text, hidden size]"""
Labels = NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the demonstration concepts.")
    parser.add_argument("--permutations", type=int, default=49)
    permutations = parser.parse_args().permutations
    torch.set_num_threads(1)
    # A file with two heads makes transformers report the other one's weights at every load.
    logging.set_verbosity_error()
    logging.disable_progress_bar()

    subject = load_subject(ROOT / "models/movie-reviews", masked_lm=False)
    with (ROOT / "data/reference/movie-review-sentences.csv").open(encoding="utf-8") as table:
        reference = mean_states(subject, [row["text"] for row in csv.DictReader(table)])

    layers = range(subject.layers + 1)
    print(f"| hidden state | {' | '.join(map(str, layers))} | p |")
    print("|---|" + "---|" * (subject.layers + 2))
    for name in NAMES:
        concept = json.loads((ROOT / f"data/concepts/{name}.json").read_text(encoding="utf-8"))
        positives = mean_states(subject, concept["positives"])
        others = concept["negatives"] and mean_states(subject, concept["negatives"])
        drawn = list(drawings(positives, reference if others is None else others))
        seen = np.mean([accuracies(*one, seed) for seed, one in enumerate(drawn)], axis=0)
        p = p_value(*drawn[0], permutations)
        print(f"| {name} | {' | '.join(f'{value:.2f}' for value in seen)} | {p:.2f} |", flush=True)


def mean_states(subject: Subject, texts: list[str]) -> States:
    """The mean of all tokens' rows at each hidden state."""
    states = []
    for text in texts:
        trace = run(subject.classifier, encode(subject.tokenizer, text))
        points = (f"hidden.{layer}" for layer in range(subject.layers + 1))
        states.append(torch.stack([trace.value(point).double().mean(0) for point in points]))
    return torch.stack(states, dim=1).numpy()


def drawings(positives: States, others: States) -> Iterator[tuple[States, Labels]]:
    """The positives and as many of the others, drawn a few times."""
    chance = np.random.default_rng(0)
    count = positives.shape[1]
    labels = np.repeat([1, 0], count)
    for _ in range(DRAWINGS):
        chosen = chance.choice(others.shape[1], count, replace=False)
        yield np.concatenate([positives, others[:, chosen]], axis=1), labels


def accuracies(states: States, labels: Labels, seed: int) -> NDArray[np.float64]:
    """The cross-validated balanced accuracy at each hidden state."""
    learner = LogisticRegression(C=1.0, class_weight="balanced", max_iter=3000)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    found = (cross_val_predict(learner, rows, labels, cv=folds) for rows in states)
    return np.array([balanced_accuracy_score(labels, one) for one in found])


def p_value(states: States, labels: Labels, permutations: int) -> float:
    """How often the best hidden state does as well when the labels are shuffled over the texts."""
    chance = np.random.default_rng(1)
    seen = accuracies(states, labels, 0).max()
    null = [
        accuracies(states, chance.permutation(labels), seed).max()
        for seed in range(1, permutations + 1)
    ]
    return (1 + sum(value >= seen for value in null)) / (permutations + 1)


if __name__ == "__main__":
    main()
