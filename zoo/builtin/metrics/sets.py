"""The sets of features that the metrics compare: what every function asks of them, and where a plugin finds them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

import zoo

Answer = TypeVar("Answer")


def checked_sets(least: int, **sets: Tensor) -> tuple[Tensor, ...]:
    """The sets in double precision, each with its name, after checking that they can be compared.

    Raises:
        ValueError: unless all have shape (N, d) with the same d, N at least `least`, and hold finite numbers only.
    """
    names, shapes = " and ".join(sets), [tuple(x.shape) for x in sets.values()]
    if any(len(shape) != 2 or shape[0] < least or shape[1:] != shapes[0][1:] or 0 in shape for shape in shapes):
        raise ValueError(
            f"{names} must have shapes (N, d) with one d and N at least {least}, got {', '.join(map(str, shapes))}; "
            "x.flatten(1) makes a row of each example"
        )
    if not all(torch.isfinite(x).all() for x in sets.values()):
        raise ValueError(f"{names} must be finite, got nan or infinity; remove those rows")
    return tuple(x.double() for x in sets.values())


def refuse_enumerated(data: zoo.Data) -> None:
    """Raise `zoo.Unsupported` for data of which every pattern is known."""
    if data.enumerated:
        raise zoo.Unsupported("enumerated data are scored exactly: see likelihood and valid-patterns")


def real_and_fake(evaluation: zoo.Evaluation, least: int) -> tuple[Tensor, Tensor]:
    """The features of the reference and of the samples, for a figure that needs so many rows of each.

    Raises:
        zoo.Unsupported: on enumerated data, or if there are fewer rows.
    """
    refuse_enumerated(evaluation.data)
    n = min(len(evaluation.samples), len(evaluation.reference))
    if n < least:
        raise zoo.Unsupported(f"needs {least} samples and as many real examples, got {n}")
    return evaluation.reference_features, evaluation.sample_features


def once(function: Callable[[zoo.Evaluation], Answer]) -> Callable[[zoo.Evaluation], Answer]:
    """Compute what several plugins show a part of once for each evaluation, and forget it with the evaluation."""
    known: WeakKeyDictionary[zoo.Evaluation, Answer] = WeakKeyDictionary()

    @wraps(function)
    def remembered(evaluation: zoo.Evaluation) -> Answer:
        if evaluation not in known:
            known[evaluation] = function(evaluation)
        return known[evaluation]

    return remembered
