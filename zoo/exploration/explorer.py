"""`Explorer`: several models of one data set, seen through one code h, and how they sample step by step.

All that the page of `zoo explore` shows.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.data.dataset import Data
from zoo.errors import ConfigError, Unsupported
from zoo.exploration.neighbours import Neighbours
from zoo.models.model import Model
from zoo.models.plane import Plane, flattened
from zoo.report.pictures import is_image
from zoo.runtime.randomness import generator

SHOWN = 1000  # test images on a map
STATES = 11  # of a path
_DRAWN = 300  # draws of each kind on a map
_CELLS = 61  # of the grid of the density, on each side
_BEYOND = 1.15  # the grid's half-width, in those of the codes and draws
_NEAR = 2e-3  # of a map's width: a point this close to a code is that code


@dataclass(frozen=True)
class Seen:
    """What one model makes of a code.

    Attributes:
        name: of the model.
        image: E[x|h], or what the decoder returns for it.
        nats: log p(h) under the distribution that the model draws codes from; None if it has no density.
        neighbour: the nearest training example.
        distance: of the image to it, Euclidean.
    """

    name: str
    image: Tensor
    nats: float | None
    neighbour: Tensor
    distance: float


@dataclass(frozen=True)
class CodeMap:
    """The codes of one model in a plane.

    Attributes:
        plane: two axes as they are, or the leading principal components.
        h: codes of test images, shape (N, D): means of real-valued codes, draws of bits.
        labels: their classes, if the data have any.
        draws: codes by their source, each of shape (M, D).
        across, up: coordinates of the grid of `density`, each of shape (K,).
        density: log p(h) in nats at the points of the plane, shape (K, K), the lowest row first; or None.
    """

    plane: Plane
    h: Tensor
    labels: Tensor | None
    draws: dict[str, Tensor]
    across: Tensor
    up: Tensor
    density: Tensor | None


class Explorer:
    """Models with codes of one shape, and models that sample step by step.

    Args:
        models: by name; conditional ones have a `label`.
        data: whose test images are on the maps, and whose training images are the neighbours.

    Attributes:
        models: those with codes, by name; there may be none, and then no `latent`.
        samplers: those with a path from noise to samples, by name.
        latent: shape of one code.
        size: D, the number of its values.
        has_bits: whether they are bits.
        maps: by model.

    Raises:
        ConfigError: for codes of different shapes or types, or data that no model is of.
        Unsupported: if the data are not images, or a model has neither a path nor codes of real numbers or bits.
    """

    def __init__(self, models: Mapping[str, Model], data: Data) -> None:
        self.data = data
        self.samplers = {
            name: its for name, its in models.items() if its.plugin.implements("sample_path") and its.density is None
        }
        self.models = {name: its for name, its in models.items() if its.plugin.card.latent in ("real", "bits")}
        if not is_image(data.spec.shape):
            raise Unsupported(
                f"Only models of images can be explored, and examples of {data.name} have shape {data.spec.shape}."
            )
        for name, model in models.items():
            if model.spec.shape != data.spec.shape or model.spec.support != data.spec.support:
                raise ConfigError(
                    f"{name} is a model of examples of shape {model.spec.shape} ({model.spec.support}), got data of "
                    f"shape {data.spec.shape} ({data.spec.support}); choose its data with --data."
                )
            if name not in self.models and name not in self.samplers:
                raise Unsupported(f"{name} cannot be explored: its codes are not vectors of real numbers or of bits.")
        found = {name: (model.plugin.card.latent, *self._codes(name).shape[1:]) for name, model in self.models.items()}
        if len(set(found.values())) > 1:
            said = ", ".join(f"{name} {' × '.join(map(str, kind[1:]))} {kind[0]}" for name, kind in found.items())
            raise ConfigError(f"Models are explored together if their codes have one shape and type, got {said}.")
        kind, *latent = next(iter(found.values()), ("real",))
        self.latent = tuple(latent)
        self.has_bits = kind == "bits"
        self.size = math.prod(self.latent)
        self.maps = {name: self._map(name) for name in self.models}
        self._neighbours = Neighbours(data.train)

    def at(self, name: str, point: tuple[float, float]) -> Tensor:
        """Return the code at a point of a map, shape (D,): that of a dot or ring there, else the point of the plane.

        Of codes of bits, which do not fill a plane, the nearest one.
        """
        found, p = self.maps[name], torch.tensor(point, dtype=torch.float64)
        codes = torch.cat([found.h, *found.draws.values()])
        distances = (found.plane.of(codes) - p).norm(dim=1)
        nearest = distances.argmin()
        if self.has_bits or distances[nearest] < _NEAR * (found.across[-1] - found.across[0]):
            return codes[nearest]
        return found.plane.at(p[None])[0]

    def draw(self, name: str, seed: int) -> Tensor:
        """Return a code that a model draws, shape (D,).

        Raises:
            Unsupported: if it does not define a distribution of its codes.
        """
        return flattened(self.models[name].sample_codes(1, seed=seed))[0]

    def seen(self, h: Tensor) -> list[Seen]:
        """Return what each model makes of a code of shape (D,)."""
        found = []
        for name, model in self.models.items():
            image = model.decode(self.shaped(h))[0]
            nats = self._log_prob(name, h[None])
            found.append(Seen(name, image, None if nats is None else nats.item(), *self._neighbours.nearest(image)))
        return found

    def path(self, name: str, seed: int) -> Tensor:
        """Return the states of one sample from noise to data, at most `STATES` of them, shape (T, *shape)."""
        states = self.samplers[name].sample_path(1, seed=seed)[:, 0]
        return states[torch.linspace(0, len(states) - 1, min(len(states), STATES)).round().long()]

    def shaped(self, h: Tensor) -> Tensor:
        """A code of shape (D,) as a batch of one, as the hooks take it."""
        return h.float().view(1, *self.latent)

    def _map(self, name: str) -> CodeMap:
        """Return the map of a model's codes."""
        h = self._codes(name)
        plane = Plane.through(h)
        h = flattened(h)
        draws = {}
        if not self.has_bits:
            draws["N(0, I)"] = torch.randn(_DRAWN, self.size, generator=generator(0, "N(0, I)"), dtype=torch.float64)
        with contextlib.suppress(Unsupported):
            draws[f"drawn by {name}"] = flattened(self.models[name].sample_codes(_DRAWN, seed=0))
        points = plane.of(torch.cat([h, *draws.values()]))
        middle, half = (points.amax(0) + points.amin(0)) / 2, _BEYOND * (points.amax(0) - points.amin(0)) / 2
        across, up = (middle + half * torch.linspace(-1, 1, _CELLS, dtype=half.dtype)[:, None]).T
        grid = torch.cartesian_prod(up, across).flip(1)
        density = None if self.has_bits else self._log_prob(name, plane.at(grid))
        labels = None if self.data.test_labels is None else self.data.test_labels[:SHOWN]
        return CodeMap(plane, h, labels, draws, across, up, None if density is None else density.view(_CELLS, _CELLS))

    def _codes(self, name: str) -> Tensor:
        model, x = self.models[name], self.data.test[:SHOWN]
        y = self.data.test_labels[:SHOWN] if model.is_conditional and self.data.test_labels is not None else None
        return model.encode(x, y, seed=0 if model.plugin.card.latent == "bits" else None)

    def _log_prob(self, name: str, h: Tensor) -> Tensor | None:
        """log p(h), shape (B,), or None if the model has none."""
        try:
            return self.models[name].log_prob_codes(h.float().view(-1, *self.latent))
        except Unsupported:
            return None
