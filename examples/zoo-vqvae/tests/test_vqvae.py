"""The code, the loss, the codebook and the bound, against enumeration, formulas and autograd."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Generator
from torch.distributions import Bernoulli, Normal
from zoo_vqvae.model import VQVAE, VQVAEConfig, with_neighbours
from zoo_vqvae.plugin import VQVAEOptions, VQVAEPlugin

import zoo

PLUGIN = VQVAEPlugin()
TINY = {"hidden": (6,), "activation": "tanh", "positions": 3, "entries": 4, "dim": 2, "prior_hidden": 5}


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(support="bits", **config) -> VQVAE:
    torch.manual_seed(0)
    model = VQVAE(VQVAEConfig(**TINY | config), zoo.DataSpec((5,), support)).double()
    for parameter in (model.prior.V, model.prior.b):
        torch.nn.init.normal_(parameter)
    return model


def examples(support="bits", n=7) -> torch.Tensor:
    x = torch.rand(n, 5, generator=seeded(9), dtype=torch.float64)
    return 4 * x - 2 if support == "real" else x.round()


def words(P=3, K=4) -> torch.Tensor:
    return torch.tensor(list(product(range(K), repeat=P)))


def log_joint(model: VQVAE, x: torch.Tensor, log_prior=None) -> torch.Tensor:
    """log p(z) p(x|z) of every word z, shape (words, B)."""
    z = words(model.config.positions, model.config.entries)
    mean = model.decode(z.double()).flatten(1)[:, None]
    density = Normal(mean, model.sigma) if model.real else Bernoulli(mean)
    return (log_prior or model.prior.log_prob)(z)[:, None] + density.log_prob(x).sum(-1)


def test_a_code_names_the_nearest_entries():
    model, x = build(), examples()
    distances = torch.cdist(model.z_e(x), model.e)
    assert torch.equal(model.encode(x), distances.argmin(-1))


def test_decode_looks_the_entries_up():
    model = build()
    z = torch.tensor([[0.0, 3.0, 1.0]]).double()
    expected = model.decoder(torch.cat([model.e[0], model.e[3], model.e[1]])).sigmoid()
    torch.testing.assert_close(model.decode(z), expected[None])


@pytest.mark.parametrize("z", [[0.0, 4.0, 1.0], [0.0, -1.0, 1.0], [0.5, 1.0, 1.0]])
def test_decode_refuses_what_is_no_word(z):
    with pytest.raises(ValueError, match="whole numbers of 0 to 3"):
        build().decode(torch.tensor([z]).double())


@pytest.mark.parametrize("support", ["bits", "real"])
def test_the_loss_is_the_nll_the_codebook_term_and_beta_times_the_commitment(support):
    model, x = build(support, update="loss", beta=0.3), examples(support)
    parts, _, z = model.objective(x)
    distance = (model.z_e(x) - model.e[z]).square().sum((1, 2)).mean()
    mean = model.decode(z.double())
    density = Normal(mean, model.sigma) if support == "real" else Bernoulli(mean)
    torch.testing.assert_close(parts["nll"], -density.log_prob(x).sum(1).mean())
    torch.testing.assert_close(parts["loss"], parts["nll"] + (1 + 0.3) * distance)


def test_the_gradient_of_the_nll_passes_from_z_q_straight_to_z_e():
    model, x = build(beta=0.0), examples()
    z_q = model.e[model.encode(x)].detach().requires_grad_()
    (straight,) = torch.autograd.grad(-model.log_likelihood(x, z_q).mean(), z_q)
    expected = torch.autograd.grad(model.z_e(x), list(model.encoder.parameters()), straight)
    found = torch.autograd.grad(model.objective(x)[0]["loss"], list(model.encoder.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_the_commitment_moves_the_encoder_alone_and_the_codebook_term_the_codebook_alone():
    model, x = build(update="loss", beta=0.3), examples()
    z = model.encode(x)
    (found,) = torch.autograd.grad(model.objective(x)[0]["loss"], model.e)
    expected = torch.zeros_like(model.e)
    for b, i in product(range(7), range(3)):
        expected[z[b, i]] += 2 * (model.e[z[b, i]] - model.z_e(x)[b, i]).detach() / 7
    torch.testing.assert_close(found, expected)
    encoder = list(model.encoder.parameters())
    parts = model.objective(x)[0]
    found = torch.autograd.grad(parts["loss"] - parts["nll"], encoder)
    distance = (model.z_e(x) - model.e[z].detach()).square().sum((1, 2)).mean()
    for a, b in zip(found, torch.autograd.grad(0.3 * distance, encoder), strict=True):
        torch.testing.assert_close(a, b)


def test_without_memory_the_codebook_moves_to_the_means_of_what_is_nearest():
    model, x = build(decay=0.0), examples(n=200)
    _, z_e, z = model.objective(x)
    before = model.e.clone()
    model.update_codebook(z_e, z, seeded())
    used = z.unique().tolist()
    for k in used:
        torch.testing.assert_close(model.e[k], z_e[z == k].mean(0))
    assert len(used) > 1
    assert not torch.equal(before, model.e)


def test_the_moving_averages_are_those_of_the_paper():
    model, z_e = build(decay=0.9), torch.randn(2, 1, 2, generator=seeded(), dtype=torch.float64)
    model.m.copy_(model.e)
    before = model.e[1].detach().clone()
    model.update_codebook(z_e, torch.tensor([[1], [1]]), seeded())
    torch.testing.assert_close(model.e[1].detach(), (0.9 * before + 0.1 * z_e.sum((0, 1))) / (0.9 + 0.1 * 2))
    torch.testing.assert_close(model.N, torch.tensor([0.9, 1.1, 0.9, 0.9]).double())


def test_an_entry_that_is_never_the_nearest_starts_anew_at_a_vector_of_the_batch():
    model, z_e = build(decay=0.5), torch.randn(3, 1, 2, generator=seeded(), dtype=torch.float64)
    for _ in range(4):  # 2^-4 < 0.1
        model.update_codebook(z_e, torch.zeros(3, 1, dtype=torch.int64), seeded())
    for k in (1, 2, 3):
        assert (model.e[k] == z_e.flatten(0, 1)).all(1).any()
        assert model.N[k] == 1


def test_the_neighbours_of_a_word_differ_from_it_in_one_letter_and_each_occurs_once():
    z = torch.tensor([[0, 3, 1], [2, 2, 2]])
    for word, found in zip(z, with_neighbours(z, 4), strict=True):
        expected = {
            tuple(w) for w in words().tolist() if sum(a != b for a, b in zip(w, word.tolist(), strict=True)) < 2
        }
        assert sorted(map(tuple, found.tolist())) == sorted(expected)


@pytest.mark.parametrize("support", ["bits", "real"])
@pytest.mark.parametrize("radius", [0, 1])
def test_the_bound_sums_the_joint_over_the_words_within_the_radius(support, radius):
    model, x = build(support), examples(support)
    z = model.encode(x)
    near = (words()[:, None] != z).sum(-1) <= radius
    expected = log_joint(model, x).masked_fill(~near, -math.inf).logsumexp(0)
    torch.testing.assert_close(model.bound(x, radius, model.prior.log_prob), expected.detach())
    assert (model.bound(x, radius, model.prior.log_prob) < log_joint(model, x).logsumexp(0)).all()


def test_the_bound_does_not_depend_on_the_blocks(monkeypatch):
    model, x = build(), examples()
    whole = model.bound(x, 1, model.prior.log_prob)
    monkeypatch.setattr("zoo_vqvae.model._BLOCK", 1)
    torch.testing.assert_close(model.bound(x, 1, model.prior.log_prob), whole)


def test_the_likelihood_of_codes_of_one_letter_is_exact_and_sums_to_one():
    model = build(positions=1)
    patterns = torch.tensor(list(product((0.0, 1.0), repeat=5))).double()
    (found,) = PLUGIN.log_prob(model, patterns, VQVAEOptions(), None)
    assert found.kind == "exact"
    torch.testing.assert_close(found.nats.exp().sum(), torch.tensor(1.0).double())
    torch.testing.assert_close(found.nats, log_joint(model, patterns).logsumexp(0).detach())
    (found,) = PLUGIN.log_prob(model, patterns, VQVAEOptions(radius=0), None)
    assert found.kind == "lower"


def test_an_attached_density_takes_the_priors_place():
    class Uniform(zoo.LatentDensity):
        def log_prob(self, z):
            return torch.full((len(z),), -3 * math.log(4), dtype=torch.float64)

    model, x = build(), examples()
    (found,) = PLUGIN.log_prob(model, x, VQVAEOptions(radius=0), Uniform())
    z = model.encode(x)
    expected = Bernoulli(model.decode(z.double())).log_prob(x).sum(1) - 3 * math.log(4)
    torch.testing.assert_close(found.nats, expected.detach())


def test_real_draws_have_the_spread_sigma_around_the_mean():
    model = build("real")
    z = words()[:1].repeat(20_000, 1).double()
    noise = (model.decode(z, seeded()) - model.decode(z)) / model.sigma
    assert abs(noise.mean()) < 5 / math.sqrt(noise.numel())
    assert abs(noise.square().mean() - 1) < 5 * math.sqrt(2 / noise.numel())
