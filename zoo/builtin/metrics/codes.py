"""Metrics of the latent distribution: how far the codes decoded for generation are from the codes of real data.

    q(h) = 1/m Σᵢ q(h | xᵢ)   codes of real examples, one draw each       p(h)   codes drawn by the sampler

An autoencoder has a q(h) but no p(h): an attached density must be near q(h), otherwise the decoder receives codes it
was not trained on. A VAE's p(h) is its prior, an RBM's the h at the end of its Gibbs chains.
"""

from __future__ import annotations

import torch
from torch import Tensor

import zoo
from zoo.builtin.metrics.two_sample import c2st

_SEED = 0  # draws of codes; never used for training
_CODES = 2000  # at most, of either kind: each code of an RBM costs a chain
_AXES = 32  # wider codes are compared on this many leading principal axes of the real codes


class CodesTest:
    """A classifier two-sample test in the latent space."""

    card = zoo.MetricCard(
        name="codes-test",
        title="codes two-sample test",
        summary="accuracy of a classifier between codes drawn by the sampler and codes of test images; 0.5 is perfect",
        direction="lower",
        level="full",
        paper="arXiv:1610.06545",
        ideal=0.5,
        two_sided=True,
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> zoo.Measurement:
        """Accuracy on held-out codes; wide codes are projected on the 32 leading principal axes of the real ones."""
        real = _real_codes(evaluation)
        drawn = _flat(_model(evaluation).sample_codes(len(real), evaluation.test_y(_CODES), seed=_SEED))
        real, drawn = _leading(real, drawn)
        found = c2st(real, drawn)
        return zoo.Measurement(found.accuracy, stderr=found.stderr, p_value=found.p_value)


class CodesLikelihood:
    """The held-out log-density of real codes under the sampler's density."""

    card = zoo.MetricCard(
        name="codes-likelihood",
        title="log-density of real codes",
        summary="mean log p(h) in nats of codes of test images, under the density from which the sampler draws codes; "
        "comparable only between densities over the same codes",
        direction="none",
        level="full",
        paper="arXiv:1903.12436",
    )

    @zoo.hookimpl
    def measure(self, evaluation: zoo.Evaluation) -> float:
        """1/m Σᵢ log p(hᵢ), hᵢ ~ q(h | xᵢ)."""
        model = _model(evaluation)
        codes = model.encode(evaluation.test_as_trained, evaluation.test_y(), seed=_SEED)
        return model.log_prob_codes(codes).double().mean().item()


def _model(evaluation: zoo.Evaluation) -> zoo.Model:
    if evaluation.model is None:
        raise zoo.Unsupported("bare samples have no codes")
    if evaluation.model.plugin.card.latent not in ("real", "bits"):
        raise zoo.Unsupported("the model has no vector-valued codes")
    return evaluation.model


def _real_codes(evaluation: zoo.Evaluation) -> Tensor:
    """Draw one code for each of the first test examples, in the form of training, flat and float64."""
    x, y = evaluation.test_as_trained[:_CODES], evaluation.test_y(_CODES)
    return _flat(_model(evaluation).encode(x, y, seed=_SEED))


def _flat(codes: Tensor) -> Tensor:
    """Codes of any shape (B, *latent) as vectors (B, D), float64."""
    return codes.reshape(len(codes), -1).double()


def _leading(real: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Project both on the leading principal axes of the real codes, if they have more dimensions than that."""
    if real.shape[1] <= _AXES:
        return real, drawn
    mean = real.mean(0)
    axes = torch.linalg.eigh(torch.cov(real.T)).eigenvectors[:, -_AXES:]
    return (real - mean) @ axes, (drawn - mean) @ axes
