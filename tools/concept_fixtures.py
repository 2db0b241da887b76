"""Golden values of directions learnt from examples, and of their decompositions: scikit-learn and NumPy."""

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge, orthogonal_mp

Array = NDArray[numpy.float64]
Record = dict[str, object]

DECIMALS = 3
REGULARISATIONS = (0.01, 1.0, 100.0)
TERMS = 6


@dataclass(frozen=True)
class Examples:
    """Rows, the text of each, and whether each text is of the concept."""

    name: str
    rows: Array
    texts: list[int]
    is_concept: list[bool]

    @property
    def targets(self) -> Array:
        return numpy.array([1.0 if self.is_concept[text] else -1.0 for text in self.texts])

    @property
    def weights(self) -> Array:
        """Those of class_weight="balanced", over texts; a text's rows share its weight."""
        count = len(self.is_concept)
        sides = {side: self.is_concept.count(side) for side in (False, True)}
        return numpy.array(
            [
                count / (2 * sides[self.is_concept[text]]) / self.texts.count(text)
                for text in self.texts
            ]
        )


def concepts_arithmetic(path: Path) -> None:
    """Fits by all learners, matching pursuits, and shortest least-squares coefficients: a line each."""
    content = {
        "examples": [fitted(examples) for examples in everything()],
        "directions": [taken_apart(rows, vector) for rows, vector in directions()],
    }
    parts = [
        f'"{key}": [\n' + ",\n".join(json.dumps(record) for record in records) + "\n]"
        for key, records in content.items()
    ]
    path.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


def everything() -> Iterator[Examples]:
    """Fewer rows than hidden units and more, sides apart and mixed, uneven sides, texts of several rows."""
    chance = numpy.random.default_rng(20270131)
    yield drawn(chance, "few rows", hidden=24, sides=(7, 7), rows_of_text=(1, 1), apart=1.0)
    yield drawn(chance, "uneven sides", hidden=16, sides=(9, 4), rows_of_text=(1, 1), apart=0.5)
    yield drawn(chance, "more rows than units", hidden=5, sides=(12, 15), rows_of_text=(1, 1), apart=0.7)
    yield drawn(chance, "sides far apart", hidden=4, sides=(8, 8), rows_of_text=(1, 1), apart=8.0)
    yield drawn(chance, "several rows a text", hidden=5, sides=(6, 8), rows_of_text=(1, 4), apart=0.7)
    yield drawn(chance, "few rows, several a text", hidden=30, sides=(4, 5), rows_of_text=(1, 3), apart=0.7)


def drawn(
    chance: numpy.random.Generator,
    name: str,
    hidden: int,
    sides: tuple[int, int],
    rows_of_text: tuple[int, int],
    apart: float,
) -> Examples:
    """Texts of both sides in turn, far from the origin, with one unit much larger than the others."""
    is_concept = [True] * sides[0] + [False] * sides[1]
    chance.shuffle(is_concept)
    texts = [
        text
        for text in range(len(is_concept))
        for _ in range(chance.integers(rows_of_text[0], rows_of_text[1] + 1))
    ]
    towards = chance.normal(size=hidden)
    middle = chance.normal(size=hidden)
    middle[0] += 12.0
    rows = chance.normal(size=(len(texts), hidden)) + middle
    signs = numpy.array([0.5 if is_concept[text] else -0.5 for text in texts])
    rows += apart * numpy.outer(signs, towards)
    return Examples(name, single(rows), texts, is_concept)


def single(rows: Array) -> Array:
    """Short numbers, as single precision holds them."""
    return rows.round(DECIMALS).astype(numpy.float32).astype(numpy.float64)


def fitted(examples: Examples) -> Record:
    return {
        "name": examples.name,
        "rows": written(examples.rows),
        "texts": examples.texts,
        "is_concept": examples.is_concept,
        "fits": list(fits(examples)),
    }


def fits(examples: Examples) -> Iterator[Record]:
    for regularisation in REGULARISATIONS:
        logistic = LogisticRegression(
            C=regularisation, solver="newton-cholesky", tol=1e-12, max_iter=1000
        )
        # Where rows are single precision's, steps end in rounding: a complaint, not a fault.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logistic.fit(examples.rows, examples.targets, sample_weight=examples.weights)
        yield fit("logistic", regularisation, logistic.coef_[0], logistic.intercept_[0])
        ridge = Ridge(alpha=1 / regularisation)
        ridge.fit(examples.rows, examples.targets, sample_weight=examples.weights)
        yield fit("ridge", regularisation, ridge.coef_, ridge.intercept_)
    means = [
        numpy.average(
            examples.rows[examples.targets == side],
            axis=0,
            weights=examples.weights[examples.targets == side],
        )
        for side in (-1.0, 1.0)
    ]
    weights = means[1] - means[0]
    yield fit("difference_of_means", 1.0, weights, -weights @ (means[0] + means[1]) / 2)


def fit(learner: str, regularisation: float, weights: Array, offset: float) -> Record:
    length = numpy.linalg.norm(weights)
    return {
        "learner": learner,
        "regularisation": regularisation,
        "vector": (weights / length).tolist(),
        "length": float(length),
        "intercept": float(offset / length),
    }


def written(rows: Array) -> list[list[float]]:
    """Rows as short decimals, which single precision reads as the same numbers."""
    return rows.round(DECIMALS).tolist()


def directions() -> Iterator[tuple[Array, Array]]:
    """Directions inside and outside the span of fewer rows, and that of more rows, than units."""
    chance = numpy.random.default_rng(20270201)
    for count, hidden in ((8, 20), (12, 12), (25, 7)):
        rows = single(chance.normal(size=(count, hidden)) + 0.5)
        yield rows, chance.normal(size=hidden).round(DECIMALS)
        yield rows, chance.normal(size=count) @ rows
    rows = single(chance.normal(size=(6, 10)))
    # Two rows come twice: the shortest coefficients share what either could bear.
    yield numpy.vstack([rows, rows[:1], single(rows[1:2])]), chance.normal(size=10).round(DECIMALS)


def taken_apart(rows: Array, vector: Array) -> Record:
    atoms = (rows / numpy.linalg.norm(rows, axis=1, keepdims=True)).T
    chosen: list[int] = []
    residuals: list[float] = []
    for terms in range(1, min(TERMS, *rows.shape) + 1):
        coefficients = orthogonal_mp(atoms, vector, n_nonzero_coefs=terms)
        (added,) = set(numpy.flatnonzero(coefficients).tolist()) - set(chosen)
        chosen.append(added)
        residuals.append(left_over(vector, atoms @ coefficients))
    shortest = numpy.linalg.lstsq(rows.T, vector)[0]
    return {
        "rows": written(rows),
        "vector": vector.tolist(),
        "chosen": chosen,
        "residuals": residuals,
        "coefficients": shortest.tolist(),
        "residual": left_over(vector, shortest @ rows),
    }


def left_over(vector: Array, nearest: Array) -> float:
    return float(numpy.linalg.norm(vector - nearest) / numpy.linalg.norm(vector))
