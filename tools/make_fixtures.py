"""Makes the test fixtures: tiny models, and golden values of PyTorch, Captum, SciPy and others.

    python tools/make_fixtures.py --output tests/fixtures --bundled models/movie-reviews

The same packages on the same machine give the same bytes.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import logging

from concept_discovery_fixtures import write_concept_discovery
from concept_fixtures import concepts_arithmetic
from concept_golden import CONCEPT_PACKAGES, concept_cases
from concept_tests_fixtures import concepts_significance
from fixtures.cases import Case
from fixtures.causes import CAUSES_PACKAGES, CONTRASTS, causes_case
from fixtures.deep_lift import check_rescale_rule
from fixtures.golden import EVERYTHING, Extent, full_case, short_case, write_golden
from fixtures.masked_words import CLOZES, masked_words_case
from fixtures.method_golden import METHOD_PACKAGES, MethodExtent, method_case
from fixtures.quality import Ranked, write_quality
from fixtures.self_bleu import write_self_bleu
from fixtures.statistics import write_statistics
from fixtures.subject import Subject, in_double, load_subject
from fixtures.tiny_models import TINY_MODELS, write_tiny_model
from fixtures.tokenization import write_tokenizations
from fixtures.windows import long_case, windows_case

BUNDLED = "movie-reviews"
TOKENIZER = "tokenizer"
STATISTICS = "statistics"
QUALITY = "quality"
WINDOWS = "windows"
CONCEPTS_ARITHMETIC = "concepts-arithmetic"
CONCEPTS_SIGNIFICANCE = "concepts-significance"
CONCEPTS_DISCOVERY = "concepts-discovery"
SELF_BLEU = "self-bleu"
TOKENIZED_TINY_MODELS = ("cased", "chinese")
MODELS = [*(model.name for model in TINY_MODELS), BUNDLED]
CONCEPT_MODELS = ("three-labels", "pairs", "multi-label", "regression", BUNDLED)
NAMES = [
    *MODELS,
    *(f"methods-{name}" for name in MODELS),
    *(f"concepts-{name}" for name in CONCEPT_MODELS),
    *(f"causes-{name}" for name in CONTRASTS),
    *(f"masked-words-{name}" for name in CLOZES),
    TOKENIZER,
    STATISTICS,
    QUALITY,
    WINDOWS,
    CONCEPTS_ARITHMETIC,
    CONCEPTS_SIGNIFICANCE,
    CONCEPTS_DISCOVERY,
    SELF_BLEU,
]

BUNDLED_CASES = (
    Case("a funny, gripping film"),
    Case("the acting is [MASK].", interventions=True),
)
BUNDLED_EXTENT = Extent(predicted_class_only=True, neuron_layers=(2, 4), mask_rows_only=True)
BUNDLED_METHOD_SENTENCES = 4
BUNDLED_CONCEPT_SENTENCES = 1
QUALITY_SENTENCES = 6
QUALITY_TINY_MODELS = ("pairs", "multi-label", "regression")
QUALITY_CASE = 1
OTHER_OUTPUTS_OF = "three-labels"
OTHER_OUTPUTS_CASE = 1
WINDOWS_WORDS = 700


def main() -> None:
    arguments = parse_arguments()
    # More threads would split sums differently from machine to machine.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # A file with two heads makes transformers report the other one's weights at every load.
    logging.set_verbosity_error()
    logging.disable_progress_bar()

    golden = arguments.output / "golden"
    models = arguments.output / "models"
    sentences = arguments.output / "review_sentences.json"
    for model in TINY_MODELS:
        if model.name in arguments.only:
            write_tiny_model(model, models / model.name)
            subject = load_subject(models / model.name, masked_lm=model.masked_lm)
            write_golden(
                model.name, [full_case(subject, case, EVERYTHING) for case in model.cases], golden
            )
    if BUNDLED in arguments.only:
        make_bundled(arguments.bundled, sentences, golden)
    make_methods(arguments, sentences)
    make_concepts(arguments, sentences)
    make_causes(arguments)
    make_masked_words(arguments)
    if TOKENIZER in arguments.only:
        directories = {BUNDLED: arguments.bundled} | {
            name: models / name for name in TOKENIZED_TINY_MODELS
        }
        write_tokenizations(directories, golden / "tokenizer.json")
    if STATISTICS in arguments.only:
        write_statistics(golden / "statistics.json")
    if QUALITY in arguments.only:
        write_quality(ranked_cases(arguments, sentences), golden)
    if WINDOWS in arguments.only:
        subject = load_subject(arguments.bundled, masked_lm=False)
        case = long_case([case.text for case in review_cases(sentences)], WINDOWS_WORDS)
        write_golden(WINDOWS, [windows_case(subject, case)], golden)
    if CONCEPTS_SIGNIFICANCE in arguments.only:
        concepts_significance(golden / "concepts-significance.json")
    if CONCEPTS_DISCOVERY in arguments.only:
        write_concept_discovery(golden / "concepts-discovery.json")
    if CONCEPTS_ARITHMETIC in arguments.only:
        concepts_arithmetic(golden / "concepts-arithmetic.json")
    if SELF_BLEU in arguments.only:
        write_self_bleu(golden / "self-bleu.json")


def make_bundled(directory: Path, sentences: Path, golden: Path) -> None:
    """Two short texts in full, and the review sentences with their scores alone."""
    subject = load_subject(directory, masked_lm=True)
    cases = [full_case(subject, case, BUNDLED_EXTENT) for case in BUNDLED_CASES]
    cases += [short_case(subject, case) for case in review_cases(sentences)]
    write_golden(BUNDLED, cases, golden)


def review_cases(sentences: Path) -> list[Case]:
    listed = json.loads(sentences.read_text(encoding="utf-8"))["sentences"]
    return [Case(sentence["text"]) for sentence in listed]


def make_methods(arguments: argparse.Namespace, sentences: Path) -> None:
    """More methods for every case of the tiny models and the shortest of the bundled one."""
    cases = {model.name: model.cases for model in TINY_MODELS}
    cases[BUNDLED] = (*BUNDLED_CASES, *review_cases(sentences)[:BUNDLED_METHOD_SENTENCES])
    for name in MODELS:
        file = f"methods-{name}"
        if file in arguments.only:
            check_rescale_rule()
            subject = in_double(load_subject(directory_of(arguments, name), masked_lm=False))
            made = [
                method_case(
                    subject,
                    case,
                    MethodExtent(
                        outputs=(name, index) == (OTHER_OUTPUTS_OF, OTHER_OUTPUTS_CASE),
                        heads_compared=index == 0,
                    ),
                )
                for index, case in enumerate(cases[name])
            ]
            write_golden(file, made, arguments.output / "golden", METHOD_PACKAGES)


def make_concepts(arguments: argparse.Namespace, sentences: Path) -> None:
    """Pooled states and gradients, steering and erasure, for a few models and their cases."""
    cases = {model.name: model.cases for model in TINY_MODELS}
    cases[BUNDLED] = (*BUNDLED_CASES, *review_cases(sentences)[:BUNDLED_CONCEPT_SENTENCES])
    for name in CONCEPT_MODELS:
        file = f"concepts-{name}"
        if file in arguments.only:
            subject = load_subject(directory_of(arguments, name), masked_lm=False)
            made = concept_cases(subject, cases[name])
            write_golden(file, made, arguments.output / "golden", CONCEPT_PACKAGES)


def make_causes(arguments: argparse.Namespace) -> None:
    """Texts with inner values of others, for a few models."""
    for name, contrasts in CONTRASTS.items():
        file = f"causes-{name}"
        if file in arguments.only:
            subject = load_subject(directory_of(arguments, name), masked_lm=False)
            made = [causes_case(subject, contrast) for contrast in contrasts]
            write_golden(file, made, arguments.output / "golden", CAUSES_PACKAGES)


def make_masked_words(arguments: argparse.Namespace) -> None:
    """How likely tokens and words are, for the models with a masked-LM head."""
    for name, clozes in CLOZES.items():
        file = f"masked-words-{name}"
        if file in arguments.only:
            subject = load_subject(directory_of(arguments, name), masked_lm=True)
            made = [masked_words_case(subject, cloze) for cloze in clozes]
            write_golden(file, made, arguments.output / "golden", CAUSES_PACKAGES)


def directory_of(arguments: argparse.Namespace, name: str) -> Path:
    return arguments.bundled if name == BUNDLED else arguments.output / "models" / name


def ranked_cases(
    arguments: argparse.Namespace, sentences: Path
) -> Iterator[tuple[Subject, Ranked]]:
    """The shortest review sentences, and a case each of other kinds of models."""
    subject = in_double(load_subject(arguments.bundled, masked_lm=True))
    for index, case in enumerate(review_cases(sentences)[:QUALITY_SENTENCES]):
        yield subject, Ranked(BUNDLED, len(BUNDLED_CASES) + index, case)
    for model in TINY_MODELS:
        if model.name in QUALITY_TINY_MODELS:
            directory = arguments.output / "models" / model.name
            subject = in_double(load_subject(directory, masked_lm=False))
            yield subject, Ranked(model.name, QUALITY_CASE, model.cases[QUALITY_CASE])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Makes the test fixtures.")
    parser.add_argument(
        "--output", type=Path, required=True, help="directory that gets models/ and golden/"
    )
    parser.add_argument(
        "--bundled", type=Path, required=True, help="directory of the bundled model"
    )
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES)
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
