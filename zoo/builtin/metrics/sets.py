"""Sets of features for the metrics: their validation, and their source in an `Evaluation`."""

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
    """Validate named sets and return them in double precision.

    Raises:
        ValueError: unless all have shape (N, d) with the same d, N at least `least`, and finite values.
    """
    names, shapes = " and ".join(sets), [tuple(x.shape) for x in sets.values()]
    if any(len(shape) != 2 or shape[0] < least or shape[1:] != shapes[0][1:] or 0 in shape for shape in shapes):
        raise ValueError(
            f"{names} must have shapes (N, d) with the same d and N at least {least}, got "
            f"{', '.join(map(str, shapes))}; x.flatten(1) turns each example into a row"
        )
    if not all(torch.isfinite(x).all() for x in sets.values()):
        raise ValueError(f"{names} must be finite, got nan or infinity; remove those rows")
    return tuple(x.double() for x in sets.values())


def refuse_enumerated(data: zoo.Data) -> None:
    """Raise `zoo.Unsupported` for data whose every pattern is known."""
    if data.enumerated:
        raise zoo.Unsupported("not computed on enumerated data: likelihood and valid-patterns are exact there")


def refuse_few(evaluation: zoo.Evaluation, least: int) -> None:
    """Raise `zoo.Unsupported` for fewer than `least` samples or real examples."""
    if (n := min(len(evaluation.samples), len(evaluation.reference))) < least:
        raise zoo.Unsupported(f"needs at least {least} samples and real examples, got {n}")


def real_and_fake(evaluation: zoo.Evaluation, least: int) -> tuple[Tensor, Tensor]:
    """Return the features of the reference and of the samples, at least `least` rows of each.

    Raises:
        zoo.Unsupported: on enumerated data, or with fewer rows.
    """
    refuse_enumerated(evaluation.data)
    refuse_few(evaluation, least)
    return evaluation.reference_features, evaluation.sample_features


def matched(evaluation: zoo.Evaluation, least: int) -> tuple[Tensor, Tensor]:
    """Return as many features of the reference as of the samples, for figures that depend on the sizes of both sets.

    Raises:
        zoo.Unsupported: on enumerated data, or with fewer than `least` rows.
    """
    real, fake = real_and_fake(evaluation, least)
    n = min(len(real), len(fake))
    return real[:n], fake[:n]


def once(function: Callable[[zoo.Evaluation], Answer]) -> Callable[[zoo.Evaluation], Answer]:
    """Cache the results of a function per evaluation, for metrics that share a computation."""
    known: WeakKeyDictionary[zoo.Evaluation, Answer] = WeakKeyDictionary()

    @wraps(function)
    def remembered(evaluation: zoo.Evaluation) -> Answer:
        if evaluation not in known:
            known[evaluation] = function(evaluation)
        return known[evaluation]

    return remembered
