#!/usr/bin/env python3
"""Train and measure the demonstration model in ``models/movie-reviews``.

The result is one Hugging Face directory with two models in it that share an
encoder: a sentiment classifier (``BertForSequenceClassification``) and a
masked-language-model head (``BertForMaskedLM``), both fine-tuned from
sentence-transformers/all-MiniLM-L6-v2 on sentences of movie reviews.

    train_demo_model.py train    --base-model DIR --data DIR --output DIR
    train_demo_model.py evaluate --model DIR --data DIR

The directory given as ``--data`` holds (all files UTF-8, tab-separated):

``reviews/train.tsv``, ``reviews/dev.tsv``
    Sentence Polarity Dataset v1.0 (Pang and Lee, 2005), CC BY 4.0. Header
    ``text<TAB>label``; the labels are ``negative`` and ``positive``.
``sst2/train.tsv``, ``sst2/dev.tsv``
    The binary Stanford Sentiment Treebank (Socher et al., 2013), whole
    sentences. No header; ``text<TAB>0`` or ``text<TAB>1``.
``sst2/phrases.tsv``
    The labelled phrases of its training sentences as GLUE distributes them.
    Header ``sentence<TAB>label``; the labels are 0 and 1.
``movie_reviews.zip``
    Polarity Dataset v2.0 (Pang and Lee, 2004), CC BY 4.0, as distributed with
    NLTK: 2,000 whole reviews with one sentence a line.
"""

import argparse
import hashlib
import json
import math
import random
import re
import shutil
import time
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerBase,
)
from transformers.models.bert.modeling_bert import BertOnlyMLMHead

LABELS = ("negative", "positive")
IGNORED = -100  # the target that cross_entropy skips
MAX_TOKENS = 128
WINDOW = 16  # characters compared at a time when looking for near-duplicates


@dataclass(frozen=True)
class Example:
    """A text and its class: 0 negative, 1 positive."""

    text: str
    label: int


# --- data ---------------------------------------------------------------------


def read_labelled(path: Path, header: bool) -> list[Example]:
    """Read a tab-separated file of texts and labels."""
    lines = path.read_text(encoding="utf-8").split("\n")
    examples = []
    for line in lines[1 if header else 0 :]:
        if not line:
            continue
        text, label = line.split("\t")
        examples.append(Example(text, LABELS.index(label) if label in LABELS else int(label)))
    return examples


def read_review_sentences(path: Path) -> tuple[list[str], list[str]]:
    """Read the sentences of the whole reviews: for training, and held out.

    One review in twenty is held out as a whole, picked by a hash of its file
    name, so that the split depends on neither a seed nor an order.
    """
    training, held_out = [], []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith(".txt"):
                continue
            digest = hashlib.sha256(Path(name).name.encode()).digest()
            target = held_out if digest[0] % 20 == 0 else training
            for line in archive.read(name).decode("utf-8", "replace").splitlines():
                sentence = line.strip()
                if 20 <= len(sentence) <= 300:
                    target.append(sentence)
    return training, held_out


def compact(text: str) -> str:
    """Reduce a text to its letters and digits, lower-cased and unaccented.

    The data sets hold the same sentences with different spacing, punctuation
    and accents; none of those survives here.
    """
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return re.sub(r"[^a-z0-9]", "", decomposed)


class OverlapFilter:
    """Finds training texts that repeat, wholly or mostly, a protected text.

    Protected texts are those a figure is measured on. A text overlaps if it

    * equals a protected text,
    * has at least five words and is part of one,
    * contains one of at least ``WINDOW`` characters, or
    * shares at least half of its runs of ``WINDOW`` characters with them,

    everything compared in ``compact`` form.
    """

    def __init__(self, protected: list[str]) -> None:
        texts = {compact(text) for text in protected} - {""}
        self._texts = texts
        # The separator cannot occur in a compact text, so no match spans two.
        self._joined = "\n".join(sorted(texts))
        self._by_prefix: dict[str, list[str]] = {}
        self._windows: set[str] = set()
        for text in texts:
            windows = self._split(text)
            if windows:
                self._by_prefix.setdefault(windows[0], []).append(text)
                self._windows.update(windows)

    @staticmethod
    def _split(text: str) -> list[str]:
        return [text[i : i + WINDOW] for i in range(len(text) - WINDOW + 1)]

    def overlaps(self, text: str) -> bool:
        """Whether the text overlaps a protected text."""
        key = compact(text)
        if key in self._texts:
            return True
        if len(text.split()) >= 5 and key in self._joined:
            return True
        windows = self._split(key)
        if any(
            key.startswith(candidate, start)
            for start, window in enumerate(windows)
            for candidate in self._by_prefix.get(window, ())
        ):
            return True
        shared = sum(window in self._windows for window in windows)
        return bool(windows) and 2 * shared >= len(windows)


@dataclass(frozen=True)
class Corpus:
    """Everything that is trained on, free of what is measured on."""

    sentences: list[Example]
    phrases: list[Example]
    unlabelled: list[str]


def load_corpus(data: Path) -> Corpus:
    """Read the training data, drop the overlaps and print how many they were."""
    reviews = read_labelled(data / "reviews/train.tsv", header=True)
    sst2 = read_labelled(data / "sst2/train.tsv", header=False)
    phrases = read_labelled(data / "sst2/phrases.tsv", header=True)
    whole_reviews, held_out = read_review_sentences(data / "movie_reviews.zip")
    overlap = OverlapFilter(
        [example.text for example in read_labelled(data / "sst2/dev.tsv", header=False)]
        + [example.text for example in read_labelled(data / "reviews/dev.tsv", header=True)]
        + held_out
    )

    def kept_examples(name: str, examples: list[Example]) -> list[Example]:
        kept = [example for example in examples if not overlap.overlaps(example.text)]
        report(data=name, read=len(examples), dropped=len(examples) - len(kept), kept=len(kept))
        return kept

    reviews = kept_examples("reviews/train", reviews)
    sst2 = kept_examples("sst2/train", sst2)
    phrases = kept_examples("sst2/phrases", phrases)
    kept = [text for text in whole_reviews if not overlap.overlaps(text)]
    report(
        data="movie_reviews",
        read=len(whole_reviews),
        dropped=len(whole_reviews) - len(kept),
        kept=len(kept),
        held_out=len(held_out),
    )
    return Corpus(reviews + sst2, phrases, kept)


def report(**fields: object) -> None:
    """Print one line of the log, as JSON."""
    print(json.dumps(fields), flush=True)


# --- batches ------------------------------------------------------------------


@dataclass(frozen=True)
class Encoded:
    """A text as token numbers, and its class if it has one."""

    tokens: list[int]
    label: int = IGNORED


@dataclass(frozen=True)
class Batch:
    """Padded token numbers, which of them are not padding, and the classes."""

    tokens: Tensor
    attention: Tensor
    labels: Tensor


def save_tokenizer(base_model: Path, directory: Path) -> None:
    """Copy the tokenizer, but for its own settings for truncation and padding.

    Those would cut every text at 128 tokens, or fill it up to them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(base_model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(directory / "tokenizer.json"))
    shutil.copyfile(base_model / "tokenizer_config.json", directory / "tokenizer_config.json")


def encode(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """Tokenise texts, cut to ``MAX_TOKENS``."""
    return tokenizer(texts, truncation=True, max_length=MAX_TOKENS)["input_ids"]


def encode_examples(tokenizer: PreTrainedTokenizerBase, examples: list[Example]) -> list[Encoded]:
    """Tokenise labelled texts."""
    tokens = encode(tokenizer, [example.text for example in examples])
    return [Encoded(t, example.label) for t, example in zip(tokens, examples, strict=True)]


def make_batches(items: list[Encoded], budget: int, pad: int) -> list[Batch]:
    """Cut items into batches of similar length and about ``budget`` tokens each.

    A batch holds many short texts or a few long ones. So its cost is always
    about the same, and a phrase counts less in the average loss than a sentence.
    """
    batches, group = [], []
    for item in sorted(items, key=lambda item: len(item.tokens)):
        # Sorted by length, so the newest item is the longest of its group.
        if group and len(item.tokens) * (len(group) + 1) > budget:
            batches.append(collate(group, pad))
            group = []
        group.append(item)
    if group:
        batches.append(collate(group, pad))
    return batches


def collate(items: list[Encoded], pad: int) -> Batch:
    """Pad items to the longest of them."""
    width = max(len(item.tokens) for item in items)
    tokens = torch.tensor([item.tokens + [pad] * (width - len(item.tokens)) for item in items])
    lengths = torch.tensor([len(item.tokens) for item in items])
    attention = (torch.arange(width) < lengths[:, None]).long()
    return Batch(tokens, attention, torch.tensor([item.label for item in items]))


def mask_tokens(
    batch: Batch, tokenizer: PreTrainedTokenizerBase, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Replace a share of the tokens by [MASK]: the new tokens and the targets.

    Every chosen token becomes [MASK]; BERT's keeping of some and swapping of
    others is left out, since the head is only ever asked for [MASK] here. Each
    text loses at least one token.
    """
    special = torch.isin(batch.tokens, torch.tensor(tokenizer.all_special_ids))
    order = torch.rand(batch.tokens.shape, generator=generator).masked_fill(special, 2.0)
    ordinary = (~special).sum(dim=1, keepdim=True)
    count = (ordinary * share).round().clamp(min=1).minimum(ordinary)
    chosen = order.argsort(dim=1).argsort(dim=1) < count
    targets = batch.tokens.masked_fill(~chosen, IGNORED)
    return batch.tokens.masked_fill(chosen, tokenizer.mask_token_id), targets


# --- model --------------------------------------------------------------------


class ReviewModel(nn.Module):
    """One encoder with a classifier and a masked-language-model head.

    The attributes are named so that the state dict has the names that
    ``BertForSequenceClassification`` and ``BertForMaskedLM`` look for.
    """

    def __init__(self, base_model: Path, token_counts: Tensor) -> None:
        super().__init__()
        # No dropout within the encoder: no text is seen often enough to be
        # learnt by heart.
        self.bert = BertModel.from_pretrained(
            base_model,
            dtype=torch.float32,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        config: BertConfig = self.bert.config
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(config.hidden_size, len(LABELS))
        self.cls = BertOnlyMLMHead(config)
        head = self.cls.predictions
        head.decoder.weight = self.bert.embeddings.word_embeddings.weight
        head.decoder.bias = head.bias
        weights = load_file(base_model / "model.safetensors")
        if "classifier.weight" in weights:
            # A model this script wrote: go on from its heads as well. What it
            # lacks is the decoder, which has just been tied.
            self.load_state_dict(weights, strict=False)
            return
        # With these weights the masked-language-model head starts near the
        # frequencies of the tokens, not from noise.
        with torch.no_grad():
            head.bias.copy_(((token_counts + 0.1) / token_counts.sum()).log())
            head.transform.dense.weight.copy_(torch.eye(config.hidden_size))
            head.transform.dense.bias.zero_()
            self.classifier.weight.normal_(std=0.02)
            self.classifier.bias.zero_()

    def losses(
        self, tokens: Tensor, batch: Batch, targets: Tensor | None, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        """The classification and the masked-token loss; zero where there is no target."""
        device = self.classifier.weight.device
        output = self.bert(tokens.to(device), attention_mask=batch.attention.to(device))
        classification = masked = torch.zeros((), device=device)
        if (batch.labels != IGNORED).all():
            logits = self.classifier(self.dropout(output.pooler_output))
            # Smoothed targets keep the logits from saturating: the loss is
            # least at a probability of 1 - smoothing / 2 for the right class.
            classification = functional.cross_entropy(
                logits, batch.labels.to(device), label_smoothing=smoothing
            )
        if targets is not None:
            chosen = (targets != IGNORED).to(device)
            scores = self.cls(output.last_hidden_state[chosen])
            masked = functional.cross_entropy(scores, targets.to(device)[chosen])
        return classification, masked

    def fading_loss(self, batch: Batch, kept: Tensor, pad: int, smoothing: float) -> Tensor:
        """The classification loss of texts that fade away, and so does what is asked of them.

        Every word embedding moves towards that of [PAD] by a random share, one
        share for each text; ``kept`` marks the tokens that stay. The target goes
        along, from the label to even odds. So an empty text means neither
        label, and the way there is free of jumps: path-based explanations
        start at the one and walk along the other.
        """
        device = self.classifier.weight.device
        embeddings = self.bert.embeddings.word_embeddings
        words = embeddings(batch.tokens.to(device))
        empty = embeddings(torch.tensor([pad], device=device))
        share = torch.rand(len(batch.labels), 1, 1).to(device)
        faded = torch.where(kept.to(device)[..., None], words, empty + share * (words - empty))
        output = self.bert(inputs_embeds=faded, attention_mask=batch.attention.to(device))
        logits = self.classifier(self.dropout(output.pooler_output))
        certain = functional.one_hot(batch.labels.to(device), len(LABELS)).float()
        confidence = share[:, 0] * (1.0 - smoothing)
        return functional.cross_entropy(
            logits, confidence * certain + (1.0 - confidence) / len(LABELS)
        )

    def save(self, directory: Path) -> None:
        """Write the weights as f16, and the configuration beside them."""
        directory.mkdir(parents=True, exist_ok=True)
        tensors = {
            name: tensor.to("cpu", torch.float16).contiguous()
            for name, tensor in self.state_dict().items()
            # The decoder is the word embeddings and the bias next to it.
            if not name.startswith("cls.predictions.decoder.")
        }
        save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
        base: BertConfig = self.bert.config
        config = BertConfig(
            vocab_size=base.vocab_size,
            hidden_size=base.hidden_size,
            num_hidden_layers=base.num_hidden_layers,
            num_attention_heads=base.num_attention_heads,
            intermediate_size=base.intermediate_size,
            hidden_act=base.hidden_act,
            max_position_embeddings=base.max_position_embeddings,
            type_vocab_size=base.type_vocab_size,
            layer_norm_eps=base.layer_norm_eps,
            pad_token_id=base.pad_token_id,
            id2label=dict(enumerate(LABELS)),
            label2id={label: i for i, label in enumerate(LABELS)},
            problem_type="single_label_classification",
            architectures=["BertForSequenceClassification"],
            dtype="float16",
        )
        config.save_pretrained(directory)


# --- training -----------------------------------------------------------------


def endless_batches(
    sentences: list[Encoded], extra: list[Encoded], extra_per_pass: int, budget: int, pad: int
) -> Iterator[Batch]:
    """Yield batches for ever; each pass takes all sentences and some of the extra."""
    while True:
        items = sentences + random.sample(extra, min(extra_per_pass, len(extra)))
        random.shuffle(items)  # the sort by length is stable, so ties change place
        batches = make_batches(items, budget, pad)
        random.shuffle(batches)
        yield from batches


def learning_rate_factor(progress: float, warm_up: float = 0.05) -> float:
    """Linear warm-up, then linear decay to zero."""
    if progress < warm_up:
        return progress / warm_up
    return max(0.0, (1.0 - progress) / (1.0 - warm_up))


def count_tokens(tokenizer: PreTrainedTokenizerBase, items: list[Encoded]) -> Tensor:
    """Count how often each ordinary token occurs."""
    tokens = torch.tensor([token for item in items for token in item.tokens])
    counts = torch.bincount(tokens, minlength=len(tokenizer)).float()
    counts[tokenizer.all_special_ids] = 0.0
    return counts


def make_optimizer(
    model: ReviewModel, learning_rate: float, head_learning_rate: float
) -> torch.optim.AdamW:
    """AdamW with a higher rate for the heads, which unlike the encoder start untrained."""
    parameters = dict(model.named_parameters())
    encoder = [tensor for name, tensor in parameters.items() if name.startswith("bert.")]
    heads = [tensor for name, tensor in parameters.items() if not name.startswith("bert.")]
    groups = [
        {"params": encoder, "peak": learning_rate},
        {"params": heads, "peak": head_learning_rate},
    ]
    return torch.optim.AdamW(groups, lr=0.0, weight_decay=0.01, fused=True)


def train(arguments: argparse.Namespace) -> None:
    """Train the model and write it; the last weights are the ones written."""
    started = time.monotonic()
    random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    device = torch.device(arguments.device)

    tokenizer = AutoTokenizer.from_pretrained(arguments.base_model)
    save_tokenizer(arguments.base_model, arguments.output)
    corpus = load_corpus(arguments.data)
    sentences = encode_examples(tokenizer, corpus.sentences)
    phrases = encode_examples(tokenizer, corpus.phrases)
    unlabelled = [Encoded(tokens) for tokens in encode(tokenizer, corpus.unlabelled)]
    counts = count_tokens(tokenizer, sentences + unlabelled)
    model = ReviewModel(arguments.base_model, counts).to(device).train()
    optimizer = make_optimizer(model, arguments.learning_rate, arguments.head_learning_rate)

    pad = tokenizer.pad_token_id
    special = torch.tensor(tokenizer.all_special_ids)
    labelled_batches = endless_batches(
        sentences, phrases, arguments.phrases_per_pass, arguments.batch_tokens, pad
    )
    unlabelled_batches = endless_batches(unlabelled, [], 0, arguments.batch_tokens, pad)

    totals: dict[str, list[float]] = {"classification": [], "masked": []}
    prepared = time.monotonic()
    limit = arguments.time_limit_minutes * 60.0 - (prepared - started)
    step = 0
    while True:
        # Where the time would run out before the steps do, it sets the pace:
        # the learning rate still reaches zero at the end.
        progress = max(step / arguments.steps, (time.monotonic() - prepared) / limit)
        if progress >= 1.0:
            break
        # The share of unlabelled text changes along the way: more of it at the
        # start lets the classifier learn on an encoder that knows the domain.
        first, last = arguments.unlabelled_share
        if random.random() < first + (last - first) * progress:
            batch = next(unlabelled_batches)
            masking = True
        else:
            batch = next(labelled_batches)
            # Half of the labelled batches are masked as well. This trains both
            # heads in one pass and makes the classifier used to [MASK], which
            # perturbation-based explanations put into texts.
            masking = random.random() < 0.5
        tokens, targets = batch.tokens, None
        if masking:
            tokens, targets = mask_tokens(batch, tokenizer, arguments.mask_share, generator)

        fading = targets is None and random.random() < arguments.fading_share

        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate_factor(progress)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            classification, masked = model.losses(tokens, batch, targets, arguments.smoothing)
            if fading:
                kept = torch.isin(batch.tokens, special)
                faded = model.fading_loss(batch, kept, pad, arguments.smoothing)
                classification = 0.5 * (classification + faded)
        (classification + masked * arguments.masked_weight).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        step += 1
        if (batch.labels != IGNORED).all():
            totals["classification"].append(classification.item())
        if targets is not None:
            totals["masked"].append(masked.item())
        if step % 100 == 0:
            means = {name: round(sum(v) / max(1, len(v)), 3) for name, v in totals.items()}
            seconds = round(time.monotonic() - started)
            report(step=step, progress=round(progress, 3), seconds=seconds, **means)
            totals = {name: [] for name in totals}
        if step % 500 == 0:
            model.save(arguments.output)  # so that an interruption does not lose all

    model.save(arguments.output)
    report(steps=step, seconds=round(time.monotonic() - started), output=str(arguments.output))


# --- measuring ----------------------------------------------------------------


@torch.inference_mode()
def classification_figures(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[Example],
) -> dict[str, float]:
    """Accuracy, mean confidence and expected calibration error (ten equal bins)."""
    confidences, hits = [], []
    items = encode_examples(tokenizer, examples)
    for batch in make_batches(items, 2048, tokenizer.pad_token_id):
        logits = model(batch.tokens, attention_mask=batch.attention).logits
        confidence, predicted = logits.softmax(dim=-1).max(dim=-1)
        confidences += confidence.tolist()
        hits += (predicted == batch.labels).tolist()
    bins: dict[int, list[float]] = {}
    for confidence, hit in zip(confidences, hits, strict=True):
        bins.setdefault(min(9, int(confidence * 10)), []).append(confidence - hit)
    return {
        "sentences": len(hits),
        "accuracy": sum(hits) / len(hits),
        "mean_confidence": sum(confidences) / len(hits),
        "calibration_error": sum(abs(sum(gaps)) for gaps in bins.values()) / len(hits),
    }


@torch.inference_mode()
def masked_figures(
    model: BertForMaskedLM, tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> dict[str, float]:
    """How often the masked token is the first, or among the first five, predicted."""
    generator = torch.Generator().manual_seed(0)
    items = [Encoded(tokens) for tokens in encode(tokenizer, texts)]
    count = first = five = 0
    log_likelihood = 0.0
    for batch in make_batches(items, 2048, tokenizer.pad_token_id):
        tokens, targets = mask_tokens(batch, tokenizer, 0.15, generator)
        chosen = targets != IGNORED
        hidden = model.bert(tokens, attention_mask=batch.attention).last_hidden_state
        scores = model.cls(hidden[chosen])
        expected = targets[chosen]
        hits = scores.topk(5, dim=-1).indices == expected[:, None]
        count += len(expected)
        first += int(hits[:, 0].sum())
        five += int(hits.sum())
        log_likelihood -= functional.cross_entropy(scores, expected, reduction="sum").item()
    return {
        "sentences": len(items),
        "masked_tokens": count,
        "top_1": first / count,
        "top_5": five / count,
        "perplexity": math.exp(-log_likelihood / count),
    }


def load_checked(architecture: type, directory: Path) -> nn.Module:
    """Load one of the two models as f32; fail if any of its weights is not in the file."""
    model, info = architecture.from_pretrained(
        directory, dtype=torch.float32, output_loading_info=True
    )
    # The decoder shares its tensors with the word embeddings and the bias.
    missing = {name for name in info["missing_keys"] if ".decoder." not in name}
    if missing:
        raise SystemExit(f"{architecture.__name__}: missing from the file: {sorted(missing)}")
    return model.eval()


def evaluate(arguments: argparse.Namespace) -> None:
    """Measure the saved model on the CPU and print the figures."""
    data: Path = arguments.data
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    classifier = load_checked(BertForSequenceClassification, arguments.model)
    sst2 = read_labelled(data / "sst2/dev.tsv", header=False)
    reviews = read_labelled(data / "reviews/dev.tsv", header=True)
    for name, examples in (("sst2/dev", sst2), ("reviews/dev", reviews)):
        figures = classification_figures(classifier, tokenizer, examples)
        report(task="classification", data=name, **rounded(figures))
    masked = load_checked(BertForMaskedLM, arguments.model)
    _, held_out = read_review_sentences(data / "movie_reviews.zip")
    review_texts = [example.text for example in reviews]
    for name, texts in (("movie_reviews, held out", held_out), ("reviews/dev", review_texts)):
        report(task="masked", data=name, **rounded(masked_figures(masked, tokenizer, texts)))


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Round figures to four places for printing."""
    return {name: round(value, 4) for name, value in figures.items()}


# --- command line -------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    """Read the command line. The defaults are those of the committed model's first round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("train", help="train the model")
    command.add_argument("--base-model", type=Path, required=True, metavar="DIR")
    command.add_argument("--data", type=Path, required=True, metavar="DIR")
    command.add_argument("--output", type=Path, required=True, metavar="DIR")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    command.add_argument("--time-limit-minutes", type=float, default=math.inf)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--steps", type=int, default=3000)
    command.add_argument("--batch-tokens", type=int, default=512)
    command.add_argument("--learning-rate", type=float, default=1.5e-4)
    command.add_argument("--head-learning-rate", type=float, default=1e-3)
    command.add_argument("--mask-share", type=float, default=0.2)
    command.add_argument("--masked-weight", type=float, default=0.5)
    command.add_argument(
        "--unlabelled-share", type=float, nargs=2, default=(0.8, 0.2), metavar=("FIRST", "LAST")
    )
    command.add_argument("--phrases-per-pass", type=int, default=30_000)
    command.add_argument("--smoothing", type=float, default=0.1)
    command.add_argument(
        "--fading-share",
        type=float,
        default=0.0,
        help="share of the labelled, unmasked batches that are also learnt fading away",
    )
    command.set_defaults(run=train)

    command = commands.add_parser("evaluate", help="measure a trained model")
    command.add_argument("--model", type=Path, required=True, metavar="DIR")
    command.add_argument("--data", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=evaluate)
    return parser.parse_args()


if __name__ == "__main__":
    options = parse_arguments()
    options.run(options)
