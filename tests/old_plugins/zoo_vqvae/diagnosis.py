"""What goes wrong in a VQ-VAE unseen: entries of the codebook that nothing is near to, and a prior that memorises.

The perplexity of the entries is exp(−Σ_k p_k log p_k), with p_k the share of letter k in the codes of validation
examples: K if all are used alike, 1 if one is used alone (van den Oord et al. 2017 report it while training).
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo_vqvae.model import VQVAE

_EXAMPLES = 2_000  # the first ones of each split: so the cost does not grow with the data


def diagnose(model: VQVAE, train: Tensor, valid: Tensor) -> dict[str, float | str | list[float]]:
    """The figures by name, in nats where they are log-densities; means over at most 2,000 examples of a split.

    Args:
        model: the trained VQ-VAE.
        train, valid: examples as training shows them, shape (N, *data.shape).
    """
    found: dict[str, float | str | list[float]] = {}
    for split, x in (("training", train[:_EXAMPLES]), ("validation", valid[:_EXAMPLES])):
        z = model.encode(x)
        found[f"log p(x|z) ({split})"] = model.log_likelihood(x.flatten(1), model.e[z]).mean().item()
        found[f"log p(z) ({split})"] = model.prior.log_prob(z).mean().item()
    share = torch.bincount(z.flatten(), minlength=len(model.e)) / z.numel()
    found["entries used (validation)"] = float((share > 0).sum())
    found["perplexity of the entries (validation)"] = torch.special.entr(share).sum().exp().item()
    found["‖z_e − z_q‖² (validation)"] = (model.z_e(x) - model.e[z]).square().sum((1, 2)).mean().item()
    return found
