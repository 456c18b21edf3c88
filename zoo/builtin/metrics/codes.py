"""Where should h come from? How far the codes that a model decodes when it generates are from those of real data.

    q(h) = 1/m Σᵢ q(h | xᵢ)   codes of real examples, one draw each       p(h)   codes that the sampler draws

An autoencoder knows q(h) and no p(h): a density that is attached has to be near q(h), or decoding leaves the few h that
are likely. A VAE's p(h) is its prior, an RBM's the h at the end of its Gibbs chains.
"""

from __future__ import annotations

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.two_sample import c2st

_SEED = 0  # of the draws of codes; never a training seed
_CODES = 2000  # of either kind at most: an RBM's cost a chain each
_AXES = 32  # leading principal axes of the real codes on which wider codes are compared


class CodesTest:
    """A classifier two-sample test in the latent space."""

    card = zoo.MetricCard(
        name="codes-test",
        title="codes told apart",
        summary="how often a classifier tells codes that the sampler draws from codes of test images; 0.5: it cannot",
        direction="lower",
        level="full",
        paper="arXiv:1610.06545",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Accuracy on held-out codes, of wide codes on the 32 leading principal axes of the real ones."""
        real = _real_codes(evaluation)
        drawn = _model(evaluation).sample_codes(len(real), seed=_SEED).flatten(1).double()
        real, drawn = _leading(real, drawn)
        found = c2st(real, drawn)
        return zoo.Measurement(found.accuracy, stderr=found.stderr, note=f"p = {found.p_value:.2g}")


class CodesLikelihood:
    """The held-out log-density of real codes under what the sampler draws from."""

    card = zoo.MetricCard(
        name="codes-likelihood",
        title="log-density of real codes",
        summary="mean log p(h) in nats of codes of test images, under the density that the sampler draws codes from; "
        "to be compared between densities over the same codes only",
        direction="none",
        level="full",
        paper="arXiv:1903.12436",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """1/m Σᵢ log p(hᵢ), hᵢ ~ q(h | xᵢ)."""
        model = _model(evaluation)
        codes = model.encode(evaluation.test_as_trained, seed=_SEED)
        return model.log_prob_codes(codes).double().mean().item()


def _model(evaluation: zoo.Evaluation) -> zoo.Model:
    if evaluation.model is None:
        raise zoo.Unsupported("bare samples have no codes")
    if evaluation.model.plugin.card.latent not in ("real", "bits"):
        raise zoo.Unsupported("it has no vectors as codes")
    return evaluation.model


def _real_codes(evaluation: zoo.Evaluation) -> Tensor:
    """One draw of the code of each of the first test examples, as training showed them, flat and float64."""
    return _model(evaluation).encode(evaluation.test_as_trained[:_CODES], seed=_SEED).flatten(1).double()


def _leading(real: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Both on the leading principal axes of the real codes, where there are more dimensions than axes."""
    if real.shape[1] <= _AXES:
        return real, drawn
    mean = real.mean(0)
    axes = torch.linalg.eigh(torch.cov(real.T)).eigenvectors[:, -_AXES:]
    return (real - mean) @ axes, (drawn - mean) @ axes
