"""Diagnosis of a VAE: posterior collapse, inactive latent dimensions and overfitting.

A latent dimension j is active if its code carries information about x: Var_x(E_q[z_j|x]) > 0.01, the rule of Burda et
al. (2016), arXiv:1509.00519, section 5.2. With no active dimension the posterior has collapsed: q(z|x) is the same for
every x. A few inactive dimensions are usual, and indicate that latent_dim is larger than the data need.

The ELBO has β = 1 and p(z) = N(0, I), independent of the training objective.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from zoo_vae.model import VAE, kl_to_standard_normal

_EXAMPLES = 2_000  # the first of each split, so that the cost does not grow with the data
_BLOCK = 200
_ACTIVE = 0.01


@torch.no_grad()
def diagnose(
    model: VAE,
    train: Tensor,
    valid: Tensor,
    generator: Generator,
    y: Tensor | None = None,
    valid_y: Tensor | None = None,
) -> dict[str, float | str | list[float]]:
    """Return the figures by name, ELBO and KL in nats; means over at most 2,000 examples of a split.

    Args:
        model: the trained VAE.
        train, valid: examples in the form used in training, shape (N, *shape). All but the first figure are of `valid`.
        generator: the source of one draw of z per example, for the ELBO.
        y, valid_y: their classes, for a conditional model.
    """
    seen, unseen = _blocks(train, y), _blocks(valid, valid_y)
    mu, sigma_q = map(torch.cat, zip(*(model.posterior(x, of) for x, of in unseen), strict=True))
    kl = kl_to_standard_normal(mu, sigma_q).mean(0)  # (D,)
    active = int((mu.var(0, correction=0) > _ACTIVE).sum())
    return {
        "ELBO (training)": torch.cat([model.elbo(x, generator, of) for x, of in seen]).mean().item(),
        "ELBO (validation)": torch.cat([model.elbo(x, generator, of) for x, of in unseen]).mean().item(),
        "KL": kl.sum().item(),
        "KL per dimension": kl.sort(descending=True).values.tolist(),
        "active units": float(active),
        "posterior collapse": _collapse(active, len(kl)),
    }


def _blocks(x: Tensor, y: Tensor | None) -> list[tuple[Tensor, Tensor | None]]:
    """The first examples with their classes, in blocks."""
    blocks = x[:_EXAMPLES].split(_BLOCK)
    classes = [None] * len(blocks) if y is None else y[:_EXAMPLES].split(_BLOCK)
    return list(zip(blocks, classes, strict=True))


def _collapse(active: int, D: int) -> str:
    """The flag: "no", "partial: …" or "yes: …"."""
    if active == D:
        return "no"
    return f"partial: {D - active} of {D} units are inactive" if active else f"yes: none of {D} units is active"
