"""p(z) = Σₖ πₖ N(z; mₖ, Cₖ), Cₖ = Lₖ Lₖᵀ: a full-covariance Gaussian mixture, fitted to the codes by EM.

The number of components maximises the held-out likelihood: mixtures of 1, 2, 5, 10, … components are fitted to four
fifths of at most 10,000 random codes until the likelihood of the last fifth decreases. The selected mixture is then
refined by up to five EM passes over all codes. There are never more components than distinct codes. Each Cₖ has the
ridge ε I with ε = 1e-6 · (the codes' mean variance) + 1e-12, so that it stays a density with dead units and repeated
codes.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

import zoo

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture as Mixture

_CANDIDATES = (1, 2, 5, 10, 20, 50)
_SELECTION = 10_000  # codes used to select the number of components
_PASSES, _FINAL_PASSES = 30, 5
_VALUES = 2**16  # per block when the density is evaluated


class GaussianMixture:
    """`NAME@gmm`."""

    card = zoo.DensityCard(
        name="gmm",
        summary="a full-covariance Gaussian mixture, its size selected by held-out likelihood",
        paper="arXiv:1903.12436",
    )

    @zoo.hookimpl
    def fit(self, codes: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Return π, shape (K,), m, shape (K, D), and L, shape (K, D, D), for codes of shape (N, D), N ≥ 3.

        Takes about 0.1 s for 899 codes of 16 dimensions and 3 to 13 s for 50,000 of 32, on one thread.
        """
        seed = int(torch.randint(2**31, (), generator=generator))
        codes = codes[torch.randperm(len(codes), generator=generator)]
        ridge = 1e-6 * codes.var(0, correction=0).mean().item() + 1e-12
        chosen = _choose(codes[:_SELECTION], ridge, seed)
        mixture = _em(codes, chosen.n_components, ridge, seed, _FINAL_PASSES, start=chosen)
        return {
            "weights": torch.from_numpy(mixture.weights_),
            "means": torch.from_numpy(mixture.means_),
            "cholesky": torch.linalg.cholesky(torch.from_numpy(mixture.covariances_)),
        }

    @zoo.hookimpl
    def sample(self, state: dict[str, Tensor], n: int, generator: Generator) -> Tensor:
        """k ~ π, z = mₖ + Lₖ ε with ε ~ N(0, I), shape (n, D)."""
        m = state["means"]
        component = torch.multinomial(state["weights"], n, replacement=True, generator=generator)
        z = torch.randn(n, m.shape[1], generator=generator, dtype=m.dtype)
        for k, L in enumerate(state["cholesky"]):
            z[component == k] = m[k] + z[component == k] @ L.T
        return z

    @zoo.hookimpl
    def log_prob(self, state: dict[str, Tensor], z: Tensor) -> Tensor:
        """log p(z) = log Σₖ πₖ N(z; mₖ, Cₖ) in nats, z of shape (B, D), shape (B,)."""
        if z.shape[1] != state["means"].shape[1]:
            raise ValueError(f"z must have {state['means'].shape[1]} columns, got shape {tuple(z.shape)}")
        m, L = state["means"], state["cholesky"]
        K, D = m.shape
        white = torch.linalg.inv(L)  # Lₖ⁻¹, (K, D, D)
        offsets = (white @ m[:, :, None]).flatten()  # Lₖ⁻¹ mₖ, (K · D,)
        log_scale = state["weights"].log() - L.diagonal(dim1=1, dim2=2).log().sum(1) - D / 2 * math.log(2 * math.pi)
        product = white.flatten(0, 1).T.contiguous()  # (D, K · D): all components in one product
        return torch.cat(
            [
                torch.logsumexp(log_scale - 0.5 * (block @ product - offsets).square().view(-1, K, D).sum(2), dim=1)
                for block in z.split(max(1, _VALUES // (K * D)))
            ]
        )


def _choose(codes: Tensor, ridge: float, seed: int) -> Mixture:
    """Fit mixtures to four fifths of the codes; return the one with the highest likelihood of the last fifth."""
    held_out = max(1, len(codes) // 5)
    judges, fitted = codes[:held_out], codes[held_out:]
    most = len(fitted.unique(dim=0))
    best, best_score = None, -math.inf
    for K in _CANDIDATES:
        if best and most < K:
            break
        mixture = _em(fitted, K, ridge, seed, _PASSES)
        score = mixture.score(judges.numpy())  # mean log-likelihood in nats
        if score <= best_score:
            break
        best, best_score = mixture, score
    return best


def _em(codes: Tensor, K: int, ridge: float, seed: int, passes: int, start: Mixture | None = None) -> Mixture:
    """Run at most `passes` EM passes over the codes, starting from k-means or from another mixture."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture as Mixture  # here: sampling from a loaded state needs no scikit-learn

    mixture = Mixture(
        K,
        reg_covar=ridge,
        max_iter=passes,
        random_state=seed,
        weights_init=start and start.weights_,
        means_init=start and start.means_,
        precisions_init=start and start.precisions_,
    )
    with warnings.catch_warnings():
        # EM stops early on purpose: the criterion is the held-out likelihood.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(codes.numpy())
