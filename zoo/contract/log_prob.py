"""`LogProb`: log-likelihoods with their kind, so that a bound is never mistaken for a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from zoo.scalars import plain

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["exact", "lower", "upper", "estimate"]


@dataclass(frozen=True)
class LogProb:
    """Values of log p(x) of N examples.

    Args:
        nats: one value per example, shape (N,).
        kind: `exact`; a `lower` or `upper` bound (in expectation); or an `estimate`.
        stderr: standard error, in nats, that all examples share, such as that of log Z: it does not shrink with N.
            Leave out errors that are independent from example to example: they are part of the spread of `nats`.
        method: name of the method, for the table's notes ("enumeration of 2^9 states", "IWAE, k = 500").
        declared: whether p(x) rests on a noise that training did not use; tables mark such figures.
    """

    nats: Tensor
    kind: Kind
    stderr: float = 0.0
    method: str = ""
    declared: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "stderr", plain(self.stderr))
        if not hasattr(self.nats, "ndim"):
            raise TypeError(f"nats must be a tensor of shape (N,), one value per example, got {self.nats!r}")
        if not hasattr(self.stderr, "__float__") or self.stderr < 0:
            raise ValueError(
                f"stderr must be a number of nats >= 0, 0.0 for a method without error, got {self.stderr!r}"
            )
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {self.kind!r}")
        if self.nats.ndim != 1:
            raise ValueError(f"nats must have shape (N,), one value per example, got {tuple(self.nats.shape)}")
