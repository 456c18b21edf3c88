"""Likelihoods that say what they are: wrong ones are refused when they are made, with a sentence."""

import numpy as np
import pytest
import torch

import zoo


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((None, "exact"), TypeError, r"nats must be a tensor of shape \(N,\), one value per example, got None"),
        ((torch.zeros(2, 1), "exact"), ValueError, r"nats must have shape \(N,\), one value per example, got \(2, 1\)"),
        ((torch.zeros(2), "about"), ValueError, "kind must be one of exact, lower, upper, estimate, got 'about'"),
        ((torch.zeros(2), "lower", None), ValueError, "stderr must be a number of nats >= 0, .* got None"),
        ((torch.zeros(2), "lower", "0.1"), ValueError, "stderr must be a number of nats >= 0, .* got '0.1'"),
        ((torch.zeros(2), "lower", -0.1), ValueError, "stderr must be a number of nats >= 0, .* got -0.1"),
    ],
)
def test_a_wrong_likelihood_is_refused_when_it_is_made(arguments, error, match):
    with pytest.raises(error, match=match):
        zoo.LogProb(*arguments)


def test_an_error_may_be_any_number_and_nan_where_a_training_diverged():
    assert zoo.LogProb(torch.zeros(2), "lower", 1).stderr == 1
    assert type(zoo.LogProb(torch.zeros(2), "lower", np.float32(0.5)).stderr) is float
    assert np.isnan(zoo.LogProb(torch.zeros(2), "lower", float("nan")).stderr)
