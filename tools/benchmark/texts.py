"""Real review text, cut to the lengths that are measured, and questions that are always new."""

import itertools
import json
import random
from collections.abc import Iterator
from functools import cache

from tokenizers import Tokenizer

from .models import BUNDLED
from .workers import TOOLS

SENTENCES = TOOLS.parent / "tests" / "fixtures" / "review_sentences.json"
PARTS = 4
SEED = 20


@cache
def sentences() -> list[str]:
    entries = json.loads(SENTENCES.read_text(encoding="utf-8"))["sentences"]
    return [entry["text"] for entry in entries]


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))


def count(text: str) -> int:
    """Tokens of a text, special ones included."""
    return len(tokenizer().encode(text).ids)


def of_length(tokens: int, first: int = 0) -> str:
    """Review sentences from the `first` on, one after the other, cut to so many tokens.

    A word that would overshoot is left out, so that no word is cut.
    """
    order = [sentences()[(first + place) % len(sentences())] for place in range(len(sentences()))]
    text = ""
    for word in itertools.cycle(" ".join(order).split()):
        longer = f"{text} {word}".strip()
        reached = count(longer)
        if reached <= tokens:
            text = longer
        if reached == tokens:
            return text
    raise AssertionError("the sentences are endless")


def batch(tokens: int, size: int) -> list[str]:
    """Different texts of one length."""
    return [of_length(tokens, first) for first in range(size)]


def unseen() -> Iterator[str]:
    """Texts of the sentences' lengths, each for the first time: quarters of four of them, always in
    the same order."""
    chance = random.Random(SEED)
    quarters = [quarter(sentence.split()) for sentence in sentences()]
    seen: set[str] = set()
    while True:
        chosen = [chance.choice(quarters)[part] for part in range(PARTS)]
        text = " ".join(word for words in chosen for word in words)
        if text not in seen:
            seen.add(text)
            yield text


def quarter(words: list[str]) -> list[list[str]]:
    bounds = [round(part * len(words) / PARTS) for part in range(PARTS + 1)]
    return [words[start:end] for start, end in itertools.pairwise(bounds)]
