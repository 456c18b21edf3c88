"""The regularised autoencoder: a deterministic autoencoder with small codes and a smooth decoder.

    z = E(x)  (H,)   encoder          x̂ = D(z)  (V,)   decoder

    min L_REC + β ½ ‖z‖² + λ L_REG                                          means over the examples, over E and D
    L_REC = ‖x − D(E(x))‖²

The regulariser takes the place of the noise in a VAE's codes, which also punishes a decoder that changes abruptly:

    gradient-penalty   L_REG = ‖∇D(E(x))‖²_F = Σ_ij (∂x̂_i/∂z_j)²
    l2                 L_REG = Σ_l ‖W_l‖²_F,  W_l the matrices of the decoder
    spectral           each W_l is divided by its largest singular value; λ is not used
    none               L_REG = 0

The gradient penalty is estimated without bias from one vector v of random signs per example (Hutchinson):
E ‖∇(v·D)‖² is the squared Frobenius norm of the Jacobian. The model has no distribution over codes: a density
is fitted to them after training, and gives the samples. E and D are multilayer perceptrons; D ends with a sigmoid for
data in [0, 1].

Ghosh, Sajjadi, Vergari, Black & Schölkopf (2020), From variational to deterministic autoencoders, arXiv:1903.12436.
Spectral normalisation: Miyato et al. (2018), arXiv:1802.05957. Estimate of the norm: Hutchinson (1989).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import zoo


class RAEConfig(zoo.Config):
    """The settings of a regularised autoencoder. The defaults were chosen on the validation split of the digits."""

    regulariser: Annotated[
        Literal["gradient-penalty", "l2", "spectral", "none"],
        Field(description="L_REG: penalty on the decoder's derivative or weights, or spectral normalisation"),
    ] = "gradient-penalty"
    beta: Annotated[float, Field(ge=0, description="β, weight of ½ ‖z‖²")] = 0.01
    penalty: Annotated[float, Field(ge=0, description="λ, weight of L_REG; not used by spectral and none")] = 0.01
    latent_dim: Annotated[int, Field(gt=0, description="H, number of values in the code z")] = 16
    hidden: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...],
        Field(description="widths of the encoder's hidden layers; the decoder has them in reverse order"),
    ] = (512,)


class RAE(nn.Module):
    """E(x) and D(z), for examples of `data.shape`, flattened to (V,)."""

    def __init__(self, config: RAEConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.config = config
        self.shape = data.shape
        self.real = data.support == "real"
        widths = (data.size, *config.hidden, config.latent_dim)
        self.widest = max(widths)
        self.encoder = _perceptron(widths)
        self.decoder = _perceptron(widths[::-1])
        if config.regulariser == "spectral":
            for layer in self._decoder_layers():
                spectral_norm(layer)

    def initialise(self, train: Tensor) -> None:
        """The output biases are the mean of the training split (N, *shape), or its log-odds clipped to [0.01, 0.99]."""
        mean = train.flatten(1).mean(0)
        output = self.decoder[-1]
        assert isinstance(output, nn.Linear)
        with torch.no_grad():
            output.bias.copy_(mean if self.real else mean.logit(0.01))

    def encode(self, x: Tensor) -> Tensor:
        """z = E(x): (B, *shape) -> (B, H)."""
        z: Tensor = self.encoder(x.flatten(1))
        return z

    def o(self, z: Tensor) -> Tensor:
        """The output of the decoder before the sigmoid: (B, H) -> (B, V)."""
        o: Tensor = self.decoder(z)
        return o

    def decode(self, z: Tensor) -> Tensor:
        """x̂ = D(z): (B, H) -> (B, *shape), in [0, 1] unless the data are real."""
        o = self.o(z)
        return (o if self.real else o.sigmoid()).reshape(-1, *self.shape)

    def objective(self, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        """The objective of a batch x (B, *shape) and its parts L_REC, ½ ‖z‖² and L_REG, scalars."""
        with torch.enable_grad():
            z = self.encode(x)
            z = z if z.requires_grad else z.requires_grad_()
            reconstruction = self.decode(z)
            regulariser = self.regulariser(z, reconstruction, generator)
        error = (reconstruction - x).square().flatten(1).sum(1).mean()
        code = z.square().sum(1).mean() / 2
        loss = error + self.config.beta * code + self.config.penalty * regulariser
        return {"loss": loss, "error": error, "code": code, "regulariser": regulariser}

    def regulariser(self, z: Tensor, reconstruction: Tensor, generator: Generator) -> Tensor:
        """L_REG at the codes z (B, H) with reconstructions D(z) (B, *shape), a scalar."""
        if self.config.regulariser == "gradient-penalty":
            half = torch.full_like(reconstruction, 0.5)
            v = 2 * zoo.bernoulli(half, generator) - 1
            (slope,) = torch.autograd.grad((v * reconstruction).sum(), z, create_graph=True)
            return slope.square().sum(1).mean()
        if self.config.regulariser == "l2":
            return torch.stack([layer.weight.square().sum() for layer in self._decoder_layers()]).sum()
        return z.new_zeros(())

    def _decoder_layers(self) -> list[nn.Linear]:
        return [layer for layer in self.decoder if isinstance(layer, nn.Linear)]


def _perceptron(widths: tuple[int, ...]) -> nn.Sequential:
    """Affine maps from each width to the next, with rectifiers in between."""
    layers: list[nn.Module] = []
    for below, above in pairwise(widths):
        layers += [nn.Linear(below, above), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
