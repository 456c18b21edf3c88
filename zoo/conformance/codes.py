"""Claims about codes: `sample` decodes the draws of `sample_codes`, and `log_prob_codes` is their log-density."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.conformance.claim import DoesNotApply, Failure, case_claim
from zoo.conformance.subject import SAMPLES, Case
from zoo.runtime.randomness import bernoulli, generator

ERRORS = 5  # standard errors


@case_claim("sample_codes")
def sample_decodes_the_codes_of_sample_codes(case: Case) -> None:
    """Samples and decoded draws of `sample_codes` have the same first and second moments, within 5 standard errors."""
    real = case.data.spec.support == "real"
    z = case.trained.sample_codes(SAMPLES, seed=1)
    decoded, sampled = case.trained.decode(z, seed=2 if real else None), case.samples
    if not real:
        decoded, sampled = (bernoulli(x, generator(seed, "bits")) for seed, x in enumerate((decoded, sampled)))
    first, second = (_moments(case.data.standardise(x)) for x in (decoded, sampled))
    error = ((first.var(0) + second.var(0)) / SAMPLES).sqrt()
    gap = (first.mean(0) - second.mean(0)).abs() - ERRORS * error
    if gap.max() > 1e-3:
        raise Failure("sample must decode codes that are drawn as in sample_codes; the moments of the two differ")


@case_claim("log_prob_codes", "sample_codes")
def codes_follow_their_log_prob(case: Case) -> None:
    """`sample_codes` draws from the density of `log_prob_codes`: a Metropolis step does not change the distribution.

    For z ~ p, a symmetric proposal z' and a = min(1, p(z')/p(z)), E[(g(z') − g(z)) a] = 0 for every g; here g is
    Σ z_j² for real codes and Σ z_j for bits.
    """
    z = case.trained.sample_codes(SAMPLES, seed=4)
    proposal = _proposal(z, case.plugin.card.latent)
    accepted = (case.trained.log_prob_codes(proposal) - case.trained.log_prob_codes(z)).double().exp().clamp(max=1)
    change = (_summary(proposal, case) - _summary(z, case)) * accepted
    mean, error = change.mean().item(), change.std().item() / SAMPLES**0.5
    if abs(mean) > ERRORS * error + 1e-9:
        raise Failure(
            f"sample_codes must draw from the density that log_prob_codes computes; detailed balance is violated by "
            f"{mean:.4f} ± {error:.4f}"
        )


def _moments(x: Tensor) -> Tensor:
    """Return x_i and all x_i x_j of each example, shape (N, V + V²)."""
    flat = x.flatten(1).double()
    return torch.cat([flat, (flat.unsqueeze(1) * flat.unsqueeze(2)).flatten(1)], dim=1)


def _proposal(z: Tensor, latent: str | None) -> Tensor:
    """Return z plus normal noise for real codes, z with one bit flipped for bits."""
    draws = generator(0, "proposal")
    if latent == "real":
        noise = torch.randn(z.shape, generator=draws, dtype=z.dtype)
        return z.add(noise, alpha=2 / z[0].numel() ** 0.5)
    if latent == "bits" and not bool((_flat(z).sum(1) == 1).all()):
        place = torch.randint(z[0].numel(), (len(z), 1), generator=draws)
        flat = _flat(z)
        return flat.scatter(1, place, 1 - flat.gather(1, place)).reshape(z.shape)
    raise DoesNotApply("the check has no symmetric proposal for such codes")


def _summary(z: Tensor, case: Case) -> Tensor:
    flat = _flat(z).double()
    return flat.square().sum(1) if case.plugin.card.latent == "real" else flat.sum(1)


def _flat(z: Tensor) -> Tensor:
    """Return codes of any shape (N, *latent), also (N,), as vectors (N, D)."""
    return z.reshape(len(z), -1)
