"""Training in two phases, through the zoo: what it learns, what it leaves alone, and what the core refuses."""

from __future__ import annotations

import json
import math

import pytest
import torch
from zoo_vqvae.plugin import VQVAEPlugin

import zoo

SMALL = "vqvae:hidden=[16],positions=2,entries=8,dim=2,prior_hidden=16,train.learning_rate=0.01"


@pytest.fixture(scope="module")
def registry() -> zoo.Registry:
    registry = zoo.Registry(entry_points=True)
    if "vqvae" not in registry.names():
        registry.register(VQVAEPlugin)
    return registry


@pytest.fixture(scope="module")
def four_patterns() -> zoo.Data:
    """Four patterns of 8 bits, as often as 1 : 2 : 3 : 4, without noise."""
    patterns = torch.tensor([[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1, 0, 0], [0, 1] * 4, [0, 0, 0, 0, 1, 1, 1, 1]])
    x = patterns.repeat_interleave(torch.tensor([30, 60, 90, 120]), dim=0)
    return zoo.Data.from_arrays(x, name="four patterns")


@pytest.fixture(scope="module")
def trained(registry, four_patterns) -> zoo.Model:
    return registry.train(SMALL, four_patterns, steps=600)


def test_the_prior_learns_how_often_the_codes_occur(trained, four_patterns):
    """At best, −E[log p(z)] is the entropy of the codes, here that of the four patterns."""
    x = four_patterns.train
    z, counts = trained.encode(x).unique(dim=0, return_counts=True)
    assert len(z) == 4
    share = counts / len(x)
    assert (trained.log_prob_codes(z).exp() - share).abs().max() < 0.02


def test_the_bound_comes_near_the_entropy_and_never_above_the_likelihood_of_the_frequencies(trained, four_patterns):
    """E[log p(x)] over the data is −H at most (Gibbs' inequality), so a lower bound is too."""
    x = four_patterns.train
    _, counts = x.unique(dim=0, return_counts=True)
    entropy = torch.special.entr(counts / len(x)).sum().item()
    (bound,) = trained.log_prob(x)
    assert bound.kind == "lower"
    assert -entropy - 0.15 < bound.nats.mean().item() <= -entropy


def test_samples_are_the_patterns_as_often_as_they_occur(trained, four_patterns):
    n = 4000
    found, counts = trained.sample(n, seed=0).round().unique(dim=0, return_counts=True)
    assert {tuple(x) for x in found.tolist()} >= {tuple(x) for x in four_patterns.train.unique(dim=0).tolist()}
    assert counts.topk(4).values.sum() > 0.95 * n


@pytest.mark.parametrize("update", ["ema", "loss"])
def test_either_codebook_learns_to_reconstruct_every_bit(registry, four_patterns, update):
    model = registry.train(f"{SMALL},update={update}", four_patterns, steps=600)
    assert (model.reconstruct(four_patterns.test) - four_patterns.test).abs().max() < 0.5


def test_the_second_phase_trains_the_prior_alone(registry, four_patterns, tmp_path):
    """The log shows the terms of L in the first half, and −log p(z) in the second, in which nothing else moves."""
    model = registry.train(f"{SMALL},prior_share=0.5", four_patterns, steps=40, folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "autoencoder.nll" in line][-1] == 20
    assert next(line["step"] for line in lines if "prior.loss" in line) > 20
    assert lines[-1]["step"] == 40
    before = registry.train(f"{SMALL},prior_share=0.5,train.prior.learning_rate=1e-300", four_patterns, steps=40).module
    differ = [
        name for name, value in model.module.state_dict().items() if not torch.equal(value, before.state_dict()[name])
    ]
    assert {name.partition(".")[0] for name in differ} == {"prior"}


def test_one_step_leaves_the_prior_uniform(registry, four_patterns):
    model = registry.train(SMALL, four_patterns, steps=1)
    torch.testing.assert_close(model.log_prob_codes(torch.tensor([[0.0, 7.0]])), torch.tensor([-2 * math.log(8)]))


def test_saving_and_loading_changes_nothing(registry, trained, four_patterns, tmp_path):
    loaded = registry.load(trained.save(tmp_path))
    assert torch.equal(loaded.sample(50, seed=1), trained.sample(50, seed=1))
    assert torch.equal(loaded.log_prob(four_patterns.test)[0].nats, trained.log_prob(four_patterns.test)[0].nats)


@pytest.mark.parametrize("density", ["normal", "gaussian", "gmm"])
def test_a_density_of_real_codes_is_refused_before_any_training(registry, four_patterns, density):
    """N(0, I) says nothing about indices, whose order and distances mean nothing."""
    with pytest.raises(zoo.ConfigError, match=r"vqvae has codes of kind 'index', and \w+ is a density over 'real'"):
        registry.train(f"vqvae@{density}", four_patterns)


def test_the_diagnosis_counts_the_entries_that_are_used(trained, four_patterns):
    found = trained.diagnose(four_patterns.train, four_patterns.valid)
    z = trained.encode(four_patterns.valid)
    _, counts = z.unique(return_counts=True)
    assert found["entries used (validation)"] == len(counts)
    expected = torch.special.entr(counts / counts.sum()).sum().exp().item()
    assert found["perplexity of the entries (validation)"] == pytest.approx(expected, rel=1e-5)
    assert found["log p(z) (validation)"] == pytest.approx(trained.log_prob_codes(z).mean().item(), rel=1e-5)
