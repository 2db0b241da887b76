"""Makes the test fixtures: tiny models, and golden values of PyTorch, Captum, SciPy and statsmodels.

    python tools/make_fixtures.py --output tests/fixtures --bundled models/movie-reviews

The same packages on the same machine give the same bytes.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import logging

from fixtures.cases import Case
from fixtures.golden import EVERYTHING, Extent, full_case, short_case, write_golden
from fixtures.statistics import write_statistics
from fixtures.subject import load_subject
from fixtures.tiny_models import TINY_MODELS, write_tiny_model
from fixtures.tokenization import write_tokenizations

BUNDLED = "movie-reviews"
TOKENIZER = "tokenizer"
STATISTICS = "statistics"
TOKENIZED_TINY_MODELS = ("cased", "chinese")
NAMES = [*(model.name for model in TINY_MODELS), BUNDLED, TOKENIZER, STATISTICS]

BUNDLED_CASES = (
    Case("a funny, gripping film"),
    Case("the acting is [MASK].", interventions=True),
)
BUNDLED_EXTENT = Extent(predicted_class_only=True, neuron_layers=(2, 4), mask_rows_only=True)


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
    for model in TINY_MODELS:
        if model.name in arguments.only:
            write_tiny_model(model, models / model.name)
            subject = load_subject(models / model.name, masked_lm=model.masked_lm)
            write_golden(
                model.name, [full_case(subject, case, EVERYTHING) for case in model.cases], golden
            )
    if BUNDLED in arguments.only:
        make_bundled(arguments.bundled, arguments.output / "review_sentences.json", golden)
    if TOKENIZER in arguments.only:
        directories = {BUNDLED: arguments.bundled} | {
            name: models / name for name in TOKENIZED_TINY_MODELS
        }
        write_tokenizations(directories, golden / "tokenizer.json")
    if STATISTICS in arguments.only:
        write_statistics(golden / "statistics.json")


def make_bundled(directory: Path, sentences: Path, golden: Path) -> None:
    """Two short texts in full, and the review sentences with their scores alone."""
    subject = load_subject(directory, masked_lm=True)
    cases = [full_case(subject, case, BUNDLED_EXTENT) for case in BUNDLED_CASES]
    for sentence in json.loads(sentences.read_text(encoding="utf-8"))["sentences"]:
        cases.append(short_case(subject, Case(sentence["text"])))
    write_golden(BUNDLED, cases, golden)


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
