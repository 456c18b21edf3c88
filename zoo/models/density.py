"""`FittedDensity`: a latent density fitted to a model's codes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from zoo.contract.hookspecs import LatentDensity
from zoo.plugins.hook_checks import checked
from zoo.plugins.plugin import Plugin
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
        """Draw n flat codes, float64, shape (n, D), on the generator's device; the density computes on the CPU."""
        draws = generator
        if generator.device.type != "cpu":
            seed = torch.randint(2**62, (), generator=generator, device=generator.device)
            draws = Generator().manual_seed(int(seed))
        with alone():
            z = self.plugin.hooks.sample(state=self.state, n=n, generator=draws)
        return checked(z, self.plugin, "sample", (n, *self.codes)).to(generator.device)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, shape (B,), for codes of shape (B, D) or (B, *latent)."""
        flat = z.reshape(len(z), -1).double().cpu()
        with alone():
            nats = self.plugin.hooks.log_prob(state=self.state, z=flat)
        return checked(nats, self.plugin, "log_prob", (len(z),)).to(z.device)

    @property
    def codes(self) -> tuple[int]:
        """Shape (D,) of one flat code."""
        return (int(torch.tensor(self.latent).prod()),)
