"""The training example that is nearest to an example, in the data's own units."""

from __future__ import annotations

from torch import Tensor


class Neighbours:
    """Nearest neighbours among training examples, by Euclidean distance.

    Args:
        train: shape (N, *shape).
    """

    def __init__(self, train: Tensor) -> None:
        self._train = train
        self._flat = train.flatten(1).double()
        self._squares = self._flat.square().sum(1)

    def nearest(self, x: Tensor) -> tuple[Tensor, float]:
        """Return argmin_i ‖x - x_i‖ as an example of x's shape, and its distance."""
        flat = x.flatten().double()
        i = (self._squares - 2 * self._flat @ flat).argmin()
        return self._train[i], float((self._flat[i] - flat).norm())
