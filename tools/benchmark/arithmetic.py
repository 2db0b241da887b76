"""How many floating-point operations the methods take, by formula."""

import math

from .models import Shape


def node_operations(shape: Shape, tokens: int) -> float:
    """One forward pass with its backward pass to the word embeddings, of one text.

    With n tokens, width h and f neurons, the linear maps of a layer take 2n(4h² + 2hf) forward and
    as much backward, where only inputs have gradients. Attention takes two products of n²h
    multiply-adds forward (scores, mixing) and four backward: 12n²h operations in all. Norms,
    softmax and GELU are left out, so the true figure is somewhat higher.
    """
    linear = 4 * shape.hidden**2 + 2 * shape.hidden * shape.intermediate
    return shape.layers * (4 * tokens * linear + 12 * tokens**2 * shape.hidden)


def path_operations(shape: Shape, tokens: int, nodes: int) -> float:
    """Integrated Gradients: its nodes, and forward passes for the prediction and the baseline."""
    linear = 4 * shape.hidden**2 + 2 * shape.hidden * shape.intermediate
    forward = shape.layers * (2 * tokens * linear + 4 * tokens**2 * shape.hidden)
    return nodes * node_operations(shape, tokens) + 2 * forward


def growth_exponent(sizes: list[float], costs: list[float]) -> float:
    """The k of cost ∝ size^k that fits best on logarithmic scales."""
    x = [math.log(size) for size in sizes]
    y = [math.log(cost) for cost in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - mean_x) ** 2 for a in x)
