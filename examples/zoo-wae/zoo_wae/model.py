"""The Wasserstein autoencoder with MMD penalty: a deterministic autoencoder whose codes are distributed like a prior.

    z = Q(x)  (H,)   encoder, deterministic         Q_Z: the distribution of Q(x) for x ~ data
    G(z)      (V,)   decoder                        P_Z = N(0, I)                 sample: G(z),  z ~ P_Z

    min E ‖x − G(Q(x))‖² + λ MMD²(Q_Z, P_Z)         over Q and G

If Q_Z = P_Z, the first term is at least the squared Wasserstein-2 distance between the data and the samples (theorem 1
of the paper); the penalty relaxes the condition. Of n codes z_i and n draws z̃_j ~ P_Z, an unbiased estimate of it is

    1/(n(n−1)) Σ_{l≠j} k(z_l, z_j) + 1/(n(n−1)) Σ_{l≠j} k(z̃_l, z̃_j) − 2/n² Σ_{l,j} k(z_l, z̃_j)

    k(z, z') = Σ_s C_s / (C_s + ‖z − z'‖²),  C_s = 2 H s,  s ∈ {0.1, 0.2, 0.5, 1, 2, 5, 10}

with the inverse multiquadratic kernel; 2 H is the mean of ‖z − z'‖² under P_Z. The sum over s is that of the authors'
code. Being unbiased, the estimate can be negative. Q and G are multilayer perceptrons; G ends with a sigmoid for data
in [0, 1]. Errors and penalties are per example, and `objective` takes the mean.

Tolstikhin, Bousquet, Gelly & Schölkopf (2018), Wasserstein auto-encoders, arXiv:1711.01558. MMD: Gretton et al. (2012),
A kernel two-sample test, JMLR 13.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

import zoo

_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class WAEConfig(zoo.Config):
    """The settings of a Wasserstein autoencoder. The defaults were chosen on the validation split of the digits."""

    latent_dim: Annotated[int, Field(gt=0, description="H, number of values in the code z")] = 8
    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="widths of the encoder's hidden layers; the decoder has them in reverse order"),
    ] = (512,)
    penalty: Annotated[float, Field(ge=0, description="λ, weight of MMD²(Q_Z, P_Z)")] = 10.0


class WAE(nn.Module):
    """Q(x) and G(z), for examples of `data.shape`, flattened to (V,)."""

    def __init__(self, config: WAEConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape = data.shape
        self.real = data.support == "real"
        widths = (data.size, *config.hidden, config.latent_dim)
        self.widest = max(widths)
        self.encoder = _perceptron(widths)
        self.decoder = _perceptron(widths[::-1])

    def initialise(self, train: Tensor) -> None:
        """The output biases are the mean of the training split (N, *shape), or its log-odds clipped to [0.01, 0.99]."""
        mean = train.flatten(1).mean(0)
        output = self.decoder[-1]
        assert isinstance(output, nn.Linear)
        with torch.no_grad():
            output.bias.copy_(mean if self.real else mean.logit(0.01))

    def encode(self, x: Tensor) -> Tensor:
        """z = Q(x): (B, *shape) -> (B, H)."""
        z: Tensor = self.encoder(x.flatten(1))
        return z

    def o(self, z: Tensor) -> Tensor:
        """The output of the decoder before the sigmoid: (B, H) -> (B, V)."""
        o: Tensor = self.decoder(z)
        return o

    def decode(self, z: Tensor) -> Tensor:
        """G(z): (B, H) -> (B, *shape), in [0, 1] unless the data are real."""
        o = self.o(z)
        return (o if self.real else o.sigmoid()).reshape(-1, *self.shape)

    def draw_z(self, n: int, generator: Generator) -> Tensor:
        """z ~ N(0, I), shape (n, H)."""
        dtype = next(self.parameters()).dtype
        return torch.randn(n, self.config.latent_dim, generator=generator, dtype=dtype, device=generator.device)

    def objective(self, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """The objective of a batch x (B, *shape) and its two parts, scalars; a batch of 1 has no penalty."""
        z = self.encode(x)
        error = (self.decode(z) - x).square().flatten(1).sum(1).mean()
        mmd = mmd_squared(z, self.draw_z(len(z), generator)) if len(z) > 1 else torch.zeros_like(error)
        return {"loss": error + self.config.penalty * mmd, "error": error, "mmd": mmd}


def mmd_squared(z: Tensor, z_tilde: Tensor) -> Tensor:
    """The unbiased estimate of MMD² from draws of two distributions, both (n, H), n > 1; a scalar."""
    n = len(z)
    within = sum((kernel(each, each).sum() - n * len(_SCALES)) / (n * (n - 1)) for each in (z, z_tilde))
    return within - 2 * kernel(z, z_tilde).mean()


def kernel(z: Tensor, other: Tensor) -> Tensor:
    """k(z_l, z'_j) of all pairs: (n, H), (m, H) -> (n, m); k(z, z) is the number of scales."""
    squares = (z[:, None] - other).square().sum(2)
    C = 2 * z.shape[1]
    return torch.stack([s * C / (s * C + squares) for s in _SCALES]).sum(0)


class StandardNormal(zoo.LatentDensity):
    """P_Z = N(0, I) in H dimensions."""

    def __init__(self, H: int) -> None:
        self.H = H

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n draws, float64, shape (n, H)."""
        return torch.randn(n, self.H, generator=generator, dtype=torch.float64, device=generator.device)

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; 0, I) in nats: (B, H) -> (B,)."""
        return -(z.square() / 2 + math.log(2 * math.pi) / 2).sum(1)


def _perceptron(widths: tuple[int, ...]) -> nn.Sequential:
    """Affine maps from each width to the next, with rectifiers in between."""
    layers: list[nn.Module] = []
    for below, above in pairwise(widths):
        layers += [nn.Linear(below, above), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
