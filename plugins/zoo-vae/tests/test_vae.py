"""The objective, its parts and the hooks, against formulas, `torch.distributions` and quadrature."""

from __future__ import annotations

import copy
import math
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Generator
from torch.distributions import Bernoulli, Normal, kl_divergence
from zoo_vae.model import VAE, VAEConfig, kl_to_standard_normal, log_standard_normal
from zoo_vae.plugin import VAEOptions, VAEPlugin

import zoo

PLUGIN = VAEPlugin()
TINY = {"hidden": (6,), "latent_dim": 3, "activation": "tanh"}


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(5,), support="unit", seed=0, **config) -> VAE:
    torch.manual_seed(seed)
    return PLUGIN.build(VAEConfig(**TINY | config), zoo.DataSpec(shape, support)).double()


def examples(support="bits", n=7, shape=(5,)) -> torch.Tensor:
    x = torch.rand(n, *shape, generator=seeded(9), dtype=torch.float64)
    return {"bits": x.round(), "unit": x, "real": 4 * x - 2}[support]


def parts(model: VAE, x: torch.Tensor, progress: float = 1.0, seed: int = 0) -> dict[str, torch.Tensor]:
    return PLUGIN.loss(model, x, seeded(seed), zoo.Step(progress=progress), y=None)


def test_the_kl_is_the_one_of_torch_distributions():
    mu, sigma = torch.randn(9, 4, generator=seeded()), torch.rand(9, 4, generator=seeded(1)) + 0.1
    expected = kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_standard_normal(mu, sigma), expected)


def test_the_log_likelihood_of_bits_is_bernoullis():
    model, x = build(), examples()
    z = torch.randn(2, 7, 3, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(model.log_likelihood(x, z), Bernoulli(model.mean(z)).log_prob(x.expand(2, 7, 5)).sum(-1))


def test_the_log_likelihood_of_bits_stays_finite_where_a_probability_rounds_to_one():
    model = build()
    with torch.no_grad():
        model.output.bias.fill_(800.0)
    z = torch.zeros(7, 3, dtype=torch.float64)
    assert model.mean(z).min() == 1
    expected = -((1 - examples()) * model.output(model.decoder(z))).sum(-1)
    torch.testing.assert_close(model.log_likelihood(examples(), z), expected)


@pytest.mark.parametrize(("support", "likelihood"), [("real", "auto"), ("real", "gaussian"), ("unit", "gaussian")])
def test_the_gaussian_log_likelihood_is_that_of_a_normal_with_one_learned_sigma(support, likelihood):
    model, x = build(support=support, likelihood=likelihood), examples(support)
    z = torch.randn(2, 7, 3, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(model.log_likelihood(x, z), Normal(model.mean(z), model.sigma).log_prob(x).sum(-1))
    assert model.sigma.shape == ()
    assert model.sigma.requires_grad


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_the_loss_is_the_nll_plus_beta_times_the_kl(beta):
    model, x = build(beta=beta), examples()
    mu, sigma_q = model.posterior(x)
    z = PLUGIN.encode(model, x, seeded(), y=None)
    out = parts(model, x)
    torch.testing.assert_close(out["kl"], kl_divergence(Normal(mu, sigma_q), Normal(0.0, 1.0)).sum(1).mean())
    torch.testing.assert_close(out["nll"], -Bernoulli(model.mean(z)).log_prob(x).sum(1).mean())
    torch.testing.assert_close(out["loss"], out["nll"] + beta * out["kl"])


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.3, 0.4, 1.0])
def test_the_weight_of_the_kl_rises_from_0_to_beta_over_the_warm_up_and_is_beta_in_evaluation(progress):
    model, x = build(beta=2.0, warmup=0.4), examples()
    out = parts(model, x, progress)
    torch.testing.assert_close(out["loss"], out["nll"] + 2 * min(1, progress / 0.4) * out["kl"])
    out = parts(model.eval(), x, progress)
    torch.testing.assert_close(out["loss"], out["nll"] + 2 * out["kl"])


def test_free_bits_replace_a_dimensions_batch_mean_where_it_is_below_lambda():
    x = examples()
    mu, sigma_q = build().posterior(x)
    kl = kl_divergence(Normal(mu, sigma_q), Normal(0.0, 1.0))
    means = sorted(kl.mean(0).tolist())
    free_bits = 0.1 * means[1] + 0.9 * means[2]
    assert kl[:, kl.mean(0) > free_bits].min() < free_bits  # per example, the bound would be another one
    out = parts(build(beta=0.5, free_bits=free_bits), x)
    torch.testing.assert_close(out["loss"].item(), out["nll"].item() + 0.5 * (2 * free_bits + means[2]))


def test_the_importance_weighted_loss_is_minus_the_bound_that_log_prob_streams():
    model, x = build(k=6), examples()
    bound = model.importance_weighted_bound(x, 6, seeded(), log_standard_normal)
    torch.testing.assert_close(parts(model, x)["loss"], -bound.mean())


def test_the_resampled_loss_is_the_same_bound():
    model, x = build(k=6, resample=True), examples()
    bound = model.importance_weighted_bound(x, 6, seeded(), log_standard_normal)
    torch.testing.assert_close(parts(model, x)["loss"], -bound.mean())


def test_the_resampled_gradient_has_the_expectation_of_the_bounds():
    """∇ L_k for many copies of one example, in groups: all k draws against one by its weight, within 5 errors."""
    groups, copies = 40, 500
    gradients = {}
    for resample in (False, True):
        model = build((3,), k=4, hidden=(2,), latent_dim=2, resample=resample)
        with torch.no_grad():
            model.output.weight.mul_(8)  # weights that differ: a plain draw among the k would be far off
        x = examples("bits", 1, (3,)).expand(copies, -1)
        found = []
        for seed in range(groups):
            loss = parts(model, x, seed=seed + groups * resample)["loss"]
            found.append(torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(model.parameters()))]))
        gradients[resample] = torch.stack(found)
    difference = gradients[True].mean(0) - gradients[False].mean(0)
    error = (sum(each.var(0) for each in gradients.values()) / groups).sqrt()
    assert (difference.abs() <= 5 * error + 1e-12).all()
    assert gradients[False].mean(0).abs().max() > 50 * error.max()


def test_the_bound_is_the_log_of_the_mean_weight():
    model, x = build(), examples()
    mu, sigma_q = model.posterior(x)
    z = mu + sigma_q * torch.randn(4, *mu.shape, generator=seeded(), dtype=mu.dtype)
    weights = (
        Bernoulli(model.mean(z)).log_prob(x.expand(4, 7, 5)).sum(-1)
        + Normal(0.0, 1.0).log_prob(z).sum(-1)
        - Normal(mu, sigma_q).log_prob(z).sum(-1)
    ).exp()
    bound = model.importance_weighted_bound(x, 4, seeded(), log_standard_normal)
    torch.testing.assert_close(bound, weights.mean(0).log().detach())


def test_the_same_draws_under_another_prior_need_no_decoder(monkeypatch):
    def wide(z):
        return Normal(0.0, 2.0).log_prob(z).sum(-1)

    model, x = build(), examples()
    passes = []
    model.output.register_forward_hook(lambda *_: passes.append(1))

    def bound(log_prior, x=x, k=4, seed=0):
        passes.clear()
        found = model.importance_weighted_bound(x, k, seeded(seed), log_prior)
        used = len(passes)
        model.last_pass = None if used else model.last_pass
        fresh = model.importance_weighted_bound(x, k, seeded(seed), log_prior)
        assert torch.equal(found, fresh)
        return used

    assert bound(log_standard_normal)
    assert not bound(wide)
    changed = x.clone()
    changed[0, 0] = 1 - changed[0, 0]
    for other in ({"x": changed}, {"k": 5}, {"seed": 1}, {"x": x.double()[:3]}):
        bound(wide)
        assert bound(wide, **other)
    bound(wide)
    x[0, 0] = 1 - x[0, 0]  # in place
    assert bound(wide)
    assert not bound(log_standard_normal)
    with torch.no_grad():
        model.output.bias[0] += 1
    assert bound(log_standard_normal)
    monkeypatch.setattr("zoo_vae.model._REMEMBERED", 4 * len(x) - 1)
    bound(log_standard_normal, k=3)
    assert not bound(log_standard_normal, k=3)
    bound(log_standard_normal)
    assert bound(log_standard_normal)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("support", "likelihood"), [("bits", "auto"), ("unit", "gaussian"), ("real", "auto")])
def test_the_gradient_matches_finite_differences(support, likelihood, k):
    model = build((3,), support, hidden=(2,), latent_dim=2, likelihood=likelihood, k=k)
    x = examples(support, 4, (3,))
    names, values = zip(*model.named_parameters(), strict=True)

    def objective(*parameters):
        arguments = {f"model.{name}": value for name, value in zip(names, parameters, strict=True)}
        return torch.func.functional_call(Loss(model), arguments, (x,))

    assert torch.autograd.gradcheck(objective, values)


class Loss(torch.nn.Module):
    """The loss as a forward pass, which `functional_call` wants."""

    def __init__(self, model: VAE):
        super().__init__()
        self.model = model

    def forward(self, x):
        return parts(self.model, x)["loss"]


def one_code_for_three_bits() -> tuple[VAE, torch.Tensor, torch.Tensor]:
    """A VAE with D = 1, all 8 patterns of its bits, and their log p(x) by Gauss-Hermite quadrature."""
    model = build((3,), "bits", latent_dim=1)
    with torch.no_grad():
        model.encoder[-1].bias[1] = 1.0  # q wider than the posterior, so that the weights are bounded
    x = torch.tensor(list(product([0.0, 1.0], repeat=3)), dtype=torch.float64)
    nodes, masses = np.polynomial.hermite_e.hermegauss(60)
    z, p_z = torch.from_numpy(nodes)[:, None, None].expand(60, 8, 1), torch.from_numpy(masses / math.sqrt(2 * math.pi))
    with torch.no_grad():
        return model, x, (model.log_likelihood(x, z) + p_z.log()[:, None]).logsumexp(0)


def test_the_likelihoods_of_all_patterns_sum_to_one():
    _, _, log_p = one_code_for_three_bits()
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_the_bound_comes_up_to_the_likelihood_by_quadrature():
    model, x, log_p = one_code_for_three_bits()
    (answer,) = PLUGIN.log_prob(model, x.repeat(50, 1), seeded(), VAEOptions(k=1000), None, y=None)
    bounds = answer.nats.view(50, 8)
    stderr = bounds.std(0) / math.sqrt(50)
    assert stderr.max() < 0.005
    assert ((bounds.mean(0) - log_p).abs() < 4 * stderr + 0.001).all()


def test_log_prob_is_a_lower_bound_of_one_value_for_each_example_with_500_draws_by_default():
    model, x = build((2, 3)), examples(shape=(2, 3))
    (answer,) = PLUGIN.log_prob(model, x, seeded(), VAEOptions(), None, y=None)
    assert (answer.kind, answer.method, answer.stderr) == ("lower", "importance-weighted bound, k = 500", 0.0)
    assert answer.nats.shape == (7,)
    assert answer.nats.dtype == torch.float64


def test_bits_have_no_likelihood_under_a_density_of_grey_values():
    model = build(likelihood="gaussian")
    with pytest.raises(zoo.Unsupported, match="likelihoods of data in .0, 1. are those of bits"):
        PLUGIN.log_prob(model, examples(), seeded(), VAEOptions(), None, y=None)


def test_real_data_have_no_bernoulli_likelihood():
    with pytest.raises(zoo.Unsupported, match="one of bits, not of real data; use likelihood=gaussian"):
        build(support="real", likelihood="bernoulli")


@pytest.mark.parametrize("change", [{"beta": 0.5}, {"warmup": 0.1}, {"free_bits": 0.1}])
def test_the_importance_weighted_objective_refuses_what_weighs_a_kl_term(change):
    with pytest.raises(zoo.ConfigError, match="k above 1 needs beta = 1, warmup = 0 and free_bits = 0"):
        VAEConfig.parse({"k": 2} | change, "vae")


def test_resampling_needs_draws_to_choose_from():
    with pytest.raises(zoo.ConfigError, match="so it needs k above 1, got k = 1"):
        VAEConfig.parse({"resample": True}, "vae")


def test_the_card_asks_for_what_the_likelihood_is_one_of():
    assert PLUGIN.card.trains_on_with(VAEConfig()) == "bits"
    assert PLUGIN.card.trains_on_with(VAEConfig(likelihood="bernoulli")) == "bits"
    assert PLUGIN.card.trains_on_with(VAEConfig(likelihood="gaussian")) == "grey"


def test_encode_is_the_mean_of_q_and_with_a_generator_a_draw_from_it():
    model, x = build(), examples()
    mu, sigma_q = model.posterior(x)
    torch.testing.assert_close(PLUGIN.encode(model, x, None, y=None), mu)
    n = 20_000
    draws = PLUGIN.encode(model, x[:1].expand(n, 5), seeded(), y=None)
    standardised = (draws - mu[0]) / sigma_q[0]
    assert standardised.mean(0).abs().max() < 4 / math.sqrt(n)
    assert (standardised.var(0) - 1).abs().max() < 4 * math.sqrt(2 / n)


def test_decode_of_data_in_the_unit_interval_is_the_mean_in_it_with_or_without_a_generator():
    z = 100 * torch.randn(50, 3, generator=seeded(), dtype=torch.float64)
    for likelihood in ("bernoulli", "gaussian"):
        model = build(likelihood=likelihood)
        x = PLUGIN.decode(model, z, None, y=None)
        assert x.min() >= 0
        assert x.max() <= 1
        torch.testing.assert_close(PLUGIN.decode(model, z, seeded(), y=None), x, rtol=0, atol=0)


def test_decode_of_real_data_with_a_generator_adds_noise_of_sd_sigma():
    model = build(support="real")
    z = torch.randn(20_000, 3, generator=seeded(), dtype=torch.float64)
    noise = (
        (PLUGIN.decode(model, z, seeded(1), y=None) - PLUGIN.decode(model, z, None, y=None)) / model.sigma
    ).flatten()
    assert noise.mean().abs() < 4 / math.sqrt(len(noise))
    assert (noise.var() - 1).abs() < 4 * math.sqrt(2 / len(noise))


def test_samples_of_bits_are_the_means_of_decoded_draws_of_the_standard_normal():
    model = build()
    z = torch.randn(9, 3, generator=seeded(4), dtype=torch.float64)
    torch.testing.assert_close(PLUGIN.sample(model, 9, seeded(4), y=None), PLUGIN.decode(model, z, None, y=None))


@pytest.mark.parametrize("support", ["unit", "real"])
def test_the_same_generator_gives_the_same_samples_and_another_one_others(support):
    model = build(support=support)
    first, again, other = (PLUGIN.sample(model, 5, seeded(seed), y=None) for seed in (1, 1, 2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("support", ["unit", "real"])
def test_images_are_the_same_examples_as_their_flat_values(support):
    images, flat = build((2, 3), support), build((6,), support)
    x = examples(support, shape=(2, 3))
    z = PLUGIN.encode(images, x, None, y=None)
    torch.testing.assert_close(z, PLUGIN.encode(flat, x.flatten(1), None, y=None))
    torch.testing.assert_close(
        PLUGIN.decode(images, z, None, y=None), PLUGIN.decode(flat, z, None, y=None).reshape(7, 2, 3)
    )
    torch.testing.assert_close(
        PLUGIN.sample(images, 4, seeded(), y=None), PLUGIN.sample(flat, 4, seeded(), y=None).reshape(4, 2, 3)
    )
    torch.testing.assert_close(parts(images, x)["loss"], parts(flat, x.flatten(1))["loss"])


def test_evaluation_leaves_the_model_as_it_is():
    model = build(warmup=0.5).eval()
    before = copy.deepcopy(model.state_dict())
    parts(model, examples())
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_initialise_starts_the_output_at_the_clipped_mean_of_the_data():
    train = torch.tensor([[0.0, 1.0, 0.5], [0.0, 1.0, 1.0]], dtype=torch.float64)
    model = build((3,))
    PLUGIN.initialise(model, train)
    expected = torch.tensor([0.01, 0.99, 0.75], dtype=torch.float64)
    torch.testing.assert_close(model.output.bias.detach().sigmoid(), expected)


@pytest.mark.parametrize(("support", "likelihood"), [("real", "auto"), ("unit", "gaussian")])
def test_initialise_starts_a_gaussian_at_the_spread_of_the_data_around_their_mean(support, likelihood):
    train = examples(support, 50)
    model = build(support=support, likelihood=likelihood)
    PLUGIN.initialise(model, train)
    start = model.output.bias.detach()
    torch.testing.assert_close(start if support == "real" else start.sigmoid(), train.mean(0))
    torch.testing.assert_close(model.sigma.item(), (train - train.mean(0)).square().mean().sqrt().item())


def test_sigma_never_falls_below_its_floor_and_starts_finite_on_constant_data():
    model = build(support="real")
    PLUGIN.initialise(model, torch.ones(4, 5, dtype=torch.float64))
    torch.testing.assert_close(model.sigma.item(), 0.02)
    with torch.no_grad():
        model.s.fill_(-1000.0)
    assert model.sigma.item() == pytest.approx(0.01)


def test_a_few_epochs_of_the_defaults_explain_unseen_digits_better_than_independent_pixels():
    x = torch.from_numpy(load_digits().images / 16).float()
    x = x[torch.randperm(len(x), generator=seeded())]
    train, test = x[:899], zoo.bernoulli(x[899:], seeded(1))
    training, draws = PLUGIN.card.training, seeded(2)
    torch.manual_seed(0)
    model = PLUGIN.build(VAEConfig(), zoo.DataSpec((8, 8), "unit"))
    PLUGIN.initialise(model, train)
    optimiser = torch.optim.Adam(model.parameters(), training.learning_rate)
    for _ in range(15):
        bits = zoo.bernoulli(train, draws)
        for batch in torch.randperm(len(train), generator=draws).split(training.batch_size):
            optimiser.zero_grad()
            PLUGIN.loss(model, bits[batch], draws, zoo.Step(), y=None)["loss"].backward()
            optimiser.step()
    (answer,) = PLUGIN.log_prob(model, test, seeded(3), VAEOptions(k=20), None, y=None)
    independent = Bernoulli(train.mean(0).clamp(1e-3, 1 - 1e-3)).log_prob(test).flatten(1).sum(1)
    gain = answer.nats - independent
    assert gain.mean() > 4 * gain.std() / math.sqrt(len(gain))
