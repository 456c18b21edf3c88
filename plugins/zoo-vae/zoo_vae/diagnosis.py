"""What goes wrong in a VAE unseen: codes that the decoder has learned to do without, and overfitting.

A latent dimension j is active if its code says something about x: Var_x(E_q[z_j|x]) > 0.01, the rule of Burda et al.
(2016), arXiv:1509.00519, section 5.2. With no active dimension the posterior has collapsed: q(z|x) is the same for
every x. A few inactive dimensions are usual, and a sign that latent_dim is larger than the data need.

The ELBO is the one with β = 1 under p(z) = N(0, I), whatever the model was trained with.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from zoo_vae.model import VAE, kl_to_standard_normal

_EXAMPLES = 2_000  # the first ones of each split: so the cost does not grow with the data
_BLOCK = 200
_ACTIVE = 0.01


@torch.no_grad()
def diagnose(model: VAE, train: Tensor, valid: Tensor, generator: Generator) -> dict[str, float | str | list[float]]:
    """The figures by name, in nats where they are of the ELBO or the KL; means over at most 2,000 examples of a split.

    Args:
        model: the trained VAE.
        train, valid: examples as training shows them, shape (N, *shape). All but the first figure are of `valid`.
        generator: where the ELBO's one draw of z for each example comes from.
    """
    seen, unseen = train[:_EXAMPLES].split(_BLOCK), valid[:_EXAMPLES].split(_BLOCK)
    mu, sigma_q = map(torch.cat, zip(*map(model.posterior, unseen), strict=True))
    kl = kl_to_standard_normal(mu, sigma_q).mean(0)  # (D,)
    active = int((mu.var(0, correction=0) > _ACTIVE).sum())
    return {
        "ELBO (training)": torch.cat([model.elbo(x, generator) for x in seen]).mean().item(),
        "ELBO (validation)": torch.cat([model.elbo(x, generator) for x in unseen]).mean().item(),
        "KL": kl.sum().item(),
        "KL per dimension": kl.sort(descending=True).values.tolist(),
        "active units": float(active),
        "posterior collapse": _collapse(active, len(kl)),
    }


def _collapse(active: int, D: int) -> str:
    """The flag: "no", "partial: …" or "yes: …"."""
    if active == D:
        return "no"
    return f"partial: {D - active} of {D} units are inactive" if active else f"yes: none of {D} units is active"
