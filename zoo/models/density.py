"""`FittedDensity`: a latent density fitted to a model's codes; `DensityPerClass`: one for the codes of each class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

from zoo.contract.hookspecs import LatentDensity
from zoo.errors import ConfigError
from zoo.models.labels import draw_labels
from zoo.plugins.hook_checks import checked
from zoo.plugins.plugin import Plugin
from zoo.runtime.devices import moved
from zoo.runtime.threads import alone


@dataclass(frozen=True)
class FittedDensity(LatentDensity):
    """A latent density fitted to draws of a model's codes.

    Attributes:
        plugin: the density's plugin, of group `zoo.densities`.
        state: the tensors that its hook `fit` returned.
        latent: shape of one code; the density itself takes flat codes.
    """

    plugin: Plugin
    state: dict[str, Tensor]
    latent: tuple[int, ...]

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw n flat codes, shape (n, D), on the generator's device; the density computes on the CPU, in float64."""
        with alone():
            z = self.plugin.hooks.sample(state=self.state, n=n, generator=_on_cpu(generator))
        return moved(checked(z, self.plugin, "sample", (n, *self.codes)), generator.device)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, shape (B,), for codes of shape (B, D) or (B, *latent)."""
        flat = z.reshape(len(z), -1).cpu().double()
        with alone():
            nats = self.plugin.hooks.log_prob(state=self.state, z=flat)
        return moved(checked(nats, self.plugin, "log_prob", (len(z),)), z.device)

    @property
    def codes(self) -> tuple[int]:
        """Shape (D,) of one flat code."""
        return (int(torch.tensor(self.latent).prod()),)


@dataclass(frozen=True)
class DensityPerClass(LatentDensity):
    """p(z) = Σ_y p(y) p(z|y): a latent density for the codes of each class y, all of one plugin.

    Attributes:
        classes: p(z|y); None for a class without training examples. At least one is not None.
        shares: p(y), the shares of the classes in the training split.
    """

    classes: tuple[FittedDensity | None, ...]
    shares: tuple[float, ...]

    @classmethod
    def of_state(cls, plugin: Plugin, state: Mapping[str, Tensor], latent: tuple[int, ...]) -> Self:
        """Return the density of a `state`.

        Raises:
            KeyError, ValueError: for tensors of another form.
        """
        shares = tuple(state["shares"].tolist())
        states: list[dict[str, Tensor]] = [{} for _ in shares]
        for name, value in state.items():
            if name != "shares":
                number, _, key = name.partition(".")
                states[int(number)][key] = value
        return cls(tuple(FittedDensity(plugin, each, latent) if each else None for each in states), shares)

    @property
    def state(self) -> dict[str, Tensor]:
        """The tensors of all classes, with the class in their names, and the shares."""
        found = {
            f"{c}.{key}": value for c, each in enumerate(self.classes) if each for key, value in each.state.items()
        }
        return found | {"shares": torch.tensor(self.shares, dtype=torch.float64)}

    @property
    def plugin(self) -> Plugin:
        """The plugin of the densities, of group `zoo.densities`."""
        return self._any.plugin

    @property
    def latent(self) -> tuple[int, ...]:
        """Shape of one code."""
        return self._any.latent

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw n flat codes of classes that are drawn, too, float64, shape (n, D)."""
        draws = _on_cpu(generator)
        return moved(self.sample_of(draw_labels(self.shares, n, draws), draws), generator.device)

    def sample_of(self, y: Tensor, generator: Generator) -> Tensor:
        """Draw a flat code z ~ p(z|y) for each class y of shape (n,), float64, shape (n, D), on the generator's device.

        Raises:
            ConfigError: for a class without training examples.
        """
        z = torch.empty(len(y), *self._any.codes, dtype=torch.float64)
        for c in (y := y.cpu()).unique().tolist():
            density, rows = self.classes[c], y == c
            if density is None:
                raise ConfigError(f"Class {c} has no training examples, so it has no density of codes.")
            z[rows] = density.sample(int(rows.sum()), generator).cpu().double()
        return moved(z, generator.device)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) = log Σ_y p(y) p(z|y) in nats, shape (B,), for codes of shape (B, D) or (B, *latent)."""
        pairs = [(each, share) for each, share in zip(self.classes, self.shares, strict=True) if each and share]
        return torch.stack([math.log(share) + each.log_prob(z) for each, share in pairs]).logsumexp(0)

    @property
    def _any(self) -> FittedDensity:
        return next(each for each in self.classes if each)


def _on_cpu(generator: Generator) -> Generator:
    """Return a generator on the CPU: this one, or one that is seeded by a draw from it."""
    if generator.device.type == "cpu":
        return generator
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    return Generator().manual_seed(int(seed))
